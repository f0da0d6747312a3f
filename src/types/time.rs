//! Time as Kafka counts it, and the clock that tests can turn by hand.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds: since the Unix epoch where it is a point in time, a length where it is added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub i64);

impl Millis {
    /// Never, as a deadline.
    pub const MAX: Millis = Millis(i64::MAX);

    /// The length as a [`Duration`]; a negative one is zero.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0.max(0) as u64)
    }
}

impl Add for Millis {
    type Output = Millis;
    fn add(self, other: Millis) -> Millis {
        Millis(self.0.saturating_add(other.0))
    }
}

impl Sub for Millis {
    type Output = Millis;
    fn sub(self, other: Millis) -> Millis {
        Millis(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where time comes from: the system, or a test's hand.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The operating system's clocks.
    System { started: Instant },
    /// A clock that stands still until it is set.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The operating system's clocks.
    pub fn system() -> Clock {
        Clock::System { started: Instant::now() }
    }

    /// Wall clock: for record timestamps, retention and expiry only.
    pub fn wall(&self) -> Millis {
        match self {
            Clock::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Millis(since.as_millis() as i64)
            }
            Clock::Manual(now) => Millis(now.load(Ordering::SeqCst)),
        }
    }

    /// Monotonic clock, from an arbitrary origin: for timeouts and every decision about liveness.
    pub fn monotonic(&self) -> Millis {
        match self {
            Clock::System { started } => Millis(started.elapsed().as_millis() as i64),
            Clock::Manual(now) => Millis(now.load(Ordering::SeqCst)),
        }
    }
}
