//! Memory that requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A number of bytes that all requests in the process share. Who wants more than is left waits.
///
/// A grant may overdraw the budget once, as Kafka's memory pool does, so a single frame larger than what is left
/// still gets through. When nothing is left, one waiter at a time goes on regardless: the sum of all frames that have
/// arrived in part can then never block every one of them. So use is bounded by the budget plus the largest frame.
#[derive(Debug)]
pub struct RequestBudget {
    available: AtomicI64,
    freed: Notify,
    overdraft: Arc<Semaphore>,
}

impl RequestBudget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Arc<RequestBudget> {
        Arc::new(RequestBudget {
            available: AtomicI64::new(i64::try_from(bytes).unwrap_or(i64::MAX)),
            freed: Notify::new(),
            overdraft: Arc::new(Semaphore::new(1)),
        })
    }

    /// Bytes left; negative when overdrawn.
    pub fn available(&self) -> i64 {
        self.available.load(Ordering::Relaxed)
    }

    /// A charge of `bytes`, if the budget is not spent.
    pub fn try_charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        self.take(bytes).then(|| Charge { budget: self.clone(), bytes, overdraft: None })
    }

    /// A charge of `bytes`, when it can be had.
    pub async fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        let mut charge = Charge::none(self.clone());
        charge.set(bytes).await;
        charge
    }

    /// Whether nothing is left, so that others wait.
    pub fn is_spent(&self) -> bool {
        self.available() <= 0
    }

    fn take(&self, bytes: usize) -> bool {
        let spend = |available: i64| (available > 0).then_some(available - bytes as i64);
        self.available.fetch_update(Ordering::AcqRel, Ordering::Relaxed, spend).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        let before = self.available.fetch_add(bytes as i64, Ordering::AcqRel);
        if before <= 0 && before + bytes as i64 > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// Bytes taken from a [`RequestBudget`], given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<RequestBudget>,
    bytes: usize,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Charge {
    /// Nothing yet.
    pub fn none(budget: Arc<RequestBudget>) -> Charge {
        Charge { budget, bytes: 0, overdraft: None }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes the charge `bytes`: at once when it shrinks, else when the budget allows.
    pub async fn set(&mut self, bytes: usize) {
        if bytes <= self.bytes {
            self.shrink(bytes);
            return;
        }
        let more = bytes - self.bytes;
        while !self.budget.take(more) {
            if self.overdraft.is_some() {
                self.budget.available.fetch_sub(more as i64, Ordering::AcqRel);
                break;
            }
            self.wait().await;
        }
        self.bytes = bytes;
    }

    /// Gives back what is held beyond `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        if bytes < self.bytes {
            self.budget.give_back(self.bytes - bytes);
            self.bytes = bytes;
        }
        if bytes == 0 {
            self.overdraft = None;
        }
    }

    /// Waits until something was given back, or until it is this charge's turn to overdraw.
    async fn wait(&mut self) {
        let mut freed = std::pin::pin!(self.budget.freed.notified());
        freed.as_mut().enable();
        if self.budget.available() > 0 {
            return;
        }
        tokio::select! {
            () = freed => {}
            permit = self.budget.overdraft.clone().acquire_owned() => self.overdraft = permit.ok(),
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    async fn is_ready<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn a_grant_may_overdraw_once() {
        let budget = RequestBudget::new(100);
        let first = budget.try_charge(60).expect("within the budget");
        let second = budget.try_charge(60).expect("something is left");
        assert_eq!(budget.available(), -20);
        assert!(budget.try_charge(1).is_none());
        drop(first);
        assert_eq!(budget.available(), 40);
        drop(second);
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn one_waiter_at_a_time_goes_on_when_the_budget_is_spent() {
        let budget = RequestBudget::new(100);
        let held = budget.charge(100).await;
        let overdrawn = budget.charge(10).await;
        let mut waiter = Box::pin(budget.charge(10));
        assert!(is_ready(&mut waiter).await.is_none());
        drop(overdrawn);
        let third = is_ready(&mut waiter).await.expect("its turn has come");
        let mut fourth = Box::pin(budget.charge(10));
        assert!(is_ready(&mut fourth).await.is_none());
        drop(held);
        assert!(is_ready(&mut fourth).await.is_some());
        drop(third);
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn who_overdraws_may_grow_to_the_end() {
        let budget = RequestBudget::new(10);
        let _held = budget.charge(10).await;
        let mut partial = budget.charge(1).await;
        partial.set(500).await;
        assert_eq!(budget.available(), -500);
        partial.set(0).await;
        assert_eq!(budget.available(), 0);
    }
}
