//! Who waits for a partition or a share partition to move: long polls for records, produce requests for the high
//! watermark.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::types::Offset;

/// The waiters of one partition. Waking costs one atomic load when nobody waits.
#[derive(Debug, Default)]
pub struct Waiters {
    count: AtomicUsize,
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    waiter: Arc<Notify>,
    /// It need not look before the partition has reached this.
    until: Offset,
}

impl Waiters {
    /// Wakes everyone who waits; each looks for itself whether it has what it waits for.
    pub fn wake(&self) {
        self.wake_up_to(Offset(i64::MAX));
    }

    /// Wakes those who wait for any move, and those whose offset the partition has reached now that it is at `offset`.
    pub fn wake_up_to(&self, offset: Offset) {
        if self.count.load(Ordering::SeqCst) > 0 {
            self.lock().iter().filter(|one| one.until <= offset).for_each(|one| one.waiter.notify_one());
        }
    }

    /// Adds a waiter. It must look at the partition after this, so that no move is missed.
    pub fn add(&self, waiter: &Arc<Notify>) {
        self.add_until(waiter, Offset(i64::MIN));
    }

    /// As [`Waiters::add`], for one who waits for the partition to reach `until`, or for what stops that.
    pub fn add_until(&self, waiter: &Arc<Notify>, until: Offset) {
        let mut waiting = self.lock();
        waiting.push(Waiting { waiter: waiter.clone(), until });
        self.count.store(waiting.len(), Ordering::SeqCst);
    }

    /// Removes a waiter that was added.
    pub fn remove(&self, waiter: &Arc<Notify>) {
        let mut waiting = self.lock();
        if let Some(at) = waiting.iter().position(|other| Arc::ptr_eq(&other.waiter, waiter)) {
            waiting.swap_remove(at);
        }
        self.count.store(waiting.len(), Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
