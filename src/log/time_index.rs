//! Entries of a `.timeindex` file: the largest timestamp seen up to an offset.

use crate::types::{Millis, Offset};

use super::offset_index::be_u32;
use super::sparse_index::{Entry, SparseIndex};

/// Says that no batch up to the one that ends at `relative_offset` above the segment's base is later than `timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeEntry {
    pub timestamp: i64,
    pub relative_offset: u32,
}

/// The time index of a segment.
pub type TimeIndex = SparseIndex<TimeEntry>;

/// A timestamp and the last offset of the batch that carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimestampOffset {
    pub timestamp: Millis,
    pub offset: Offset,
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn parse(bytes: &[u8]) -> TimeEntry {
        let (timestamp, relative_offset) = bytes.split_at(8);
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp.try_into().expect("eight bytes")),
            relative_offset: be_u32(relative_offset),
        }
    }
}
