//! Holding all cleaners together to a number of bytes a second.

use std::time::Duration;

use crate::types::Millis;

/// Shorter waits are saved up: the system does not sleep that exactly.
const WAIT_MIN_MS: f64 = 5.0;

/// What was read and written is paid for with time.
#[derive(Debug, Default)]
pub struct Pace {
    /// Until this time, in milliseconds, the rate allows nothing more.
    busy_until: f64,
}

impl Pace {
    /// Pays for `bytes`; answers how long to wait before there may be more.
    pub fn pay(&mut self, bytes: u64, bytes_per_second: f64, now: Millis) -> Duration {
        let now = now.0 as f64;
        let cost = bytes as f64 * 1000.0 / bytes_per_second.max(1.0);
        self.busy_until = self.busy_until.max(now) + cost;
        let wait = self.busy_until - now;
        if wait < WAIT_MIN_MS { Duration::ZERO } else { Duration::from_millis(wait.min(1e9) as u64) }
    }

    /// Forgets what was not waited for, as when the rate has changed.
    pub fn restart(&mut self) {
        self.busy_until = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time() {
        let mut pace = Pace::default();
        let mut now = Millis(5_000);
        for _ in 0..1000 {
            let wait = pace.pay(10_000, 1e6, now);
            now = now + Millis(wait.as_millis() as i64);
        }
        assert!((14_990..=15_010).contains(&now.0), "10 MB at 1 MB a second took {} ms", now.0 - 5_000);
        for _ in 0..1000 {
            assert_eq!(pace.pay(1 << 20, f64::MAX, now + Millis(20)), Duration::ZERO);
        }
    }
}
