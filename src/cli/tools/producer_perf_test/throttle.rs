//! Holding a rate of records.

use std::thread::sleep;
use std::time::Duration;

use crate::types::Millis;

/// Pauses shorter than this are added up.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// Slows its caller down to a number of records a second.
pub(super) struct Throttle {
    start: Millis,
    /// Records a second; negative for no limit.
    rate: f64,
    owed: Duration,
}

impl Throttle {
    pub(super) fn new(rate: f64, start: Millis) -> Throttle {
        Throttle { start, rate, owed: Duration::ZERO }
    }

    /// Pauses if `sent` records up to `now` are too many. At a rate of 0 it never returns.
    pub(super) fn pause(&mut self, sent: u64, now: Millis) {
        let elapsed = (now.0 - self.start.0) as f64 / 1000.0;
        if self.rate < 0.0 || elapsed <= 0.0 || sent as f64 / elapsed <= self.rate {
            return;
        }
        if self.rate == 0.0 {
            loop {
                std::thread::park();
            }
        }
        self.owed += Duration::from_secs_f64(1.0 / self.rate);
        if self.owed >= PAUSE_MIN {
            sleep(std::mem::take(&mut self.owed));
        }
    }
}
