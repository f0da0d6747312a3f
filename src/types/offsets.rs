//! Positions in a log and the epochs that order its writers.

use std::fmt;
use std::ops::{Add, Sub};

/// The position of a record in a partition. Sums and differences stop at the ends of the range: offsets come from
/// peers and from disks, and none of them may wrap around to a small one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The first offset of a log nobody deleted from.
    pub const ZERO: Offset = Offset(0);
    /// Unknown or absent.
    pub const NONE: Offset = Offset(-1);

    /// The offset after this one.
    pub fn next(self) -> Offset {
        Offset(self.0.saturating_add(1))
    }
}

impl Add<i64> for Offset {
    type Output = Offset;
    fn add(self, delta: i64) -> Offset {
        Offset(self.0.saturating_add(delta))
    }
}

impl Sub<Offset> for Offset {
    type Output = i64;
    fn sub(self, other: Offset) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

/// The epoch of a partition's or the quorum's leader (KIP-101, KIP-595).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// Unknown, or not sent by the client.
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

/// The version of a partition's registration in the metadata log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PartitionEpoch(pub i32);

macro_rules! display_inner {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_inner!(Offset, LeaderEpoch, PartitionEpoch);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_stop_at_the_ends() {
        assert_eq!((Offset(i64::MAX).next(), Offset(i64::MAX) + 1), (Offset(i64::MAX), Offset(i64::MAX)));
        assert_eq!((Offset(i64::MIN) + -1, Offset(i64::MAX) - Offset(-1)), (Offset(i64::MIN), i64::MAX));
    }
}
