//! How far a check is, on a terminal only.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(500);

/// Bytes of logs that were looked into, of how many.
pub(super) struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    shown: bool,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { done: AtomicU64::new(0), total: AtomicU64::new(0), shown: stderr().is_terminal() }
    }

    pub(super) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes the next message; while there is none, shows how far the check is.
    pub(super) fn receive<T>(&self, messages: &Receiver<T>) -> Option<T> {
        loop {
            match messages.recv_timeout(INTERVAL) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.show(),
            }
        }
    }

    fn show(&self) {
        if self.shown {
            let mib = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed) >> 20;
            let _ = write!(stderr(), "\r{} of {} MiB\x1b[K", mib(&self.done), mib(&self.total));
        }
    }

    /// Makes room for a line of output.
    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
