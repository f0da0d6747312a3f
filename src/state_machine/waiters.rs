//! Who waits for a partition or a share partition to move: long polls for records, produce requests for the high
//! watermark.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// The waiters of one partition. Waking costs one atomic load when nobody waits.
#[derive(Debug, Default)]
pub struct Waiters {
    count: AtomicUsize,
    waiting: Mutex<Vec<Arc<Notify>>>,
}

impl Waiters {
    /// Wakes everyone who waits; each looks for itself whether it has what it waits for.
    pub fn wake(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            for waiter in self.lock().iter() {
                waiter.notify_one();
            }
        }
    }

    /// Adds a waiter. It must look at the partition after this, so that no move is missed.
    pub fn add(&self, waiter: &Arc<Notify>) {
        let mut waiting = self.lock();
        waiting.push(waiter.clone());
        self.count.store(waiting.len(), Ordering::SeqCst);
    }

    /// Removes a waiter that was added.
    pub fn remove(&self, waiter: &Arc<Notify>) {
        let mut waiting = self.lock();
        if let Some(at) = waiting.iter().position(|other| Arc::ptr_eq(other, waiter)) {
            waiting.swap_remove(at);
        }
        self.count.store(waiting.len(), Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
