//! Waiting for a state that another task brings about.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Tells those who wait for a state that it has changed.
#[derive(Debug, Default)]
pub struct Changes {
    told: Notify,
}

impl Changes {
    /// Has everybody who waits look again.
    pub fn tell(&self) {
        self.told.notify_waiters();
    }

    /// Asks until there is an answer, again after each change; none if there is none in time. No change is missed.
    pub async fn answer<T>(&self, limit: Duration, ask: impl Fn() -> Option<T>) -> Option<T> {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        let deadline = Instant::now() + limit;
        loop {
            let mut told = std::pin::pin!(self.told.notified());
            told.as_mut().enable();
            if let Some(answer) = ask() {
                return Some(answer);
            }
            timeout_at(deadline, told).await.ok()?;
        }
    }
}
