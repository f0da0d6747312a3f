//! Producer ids: taken one by one from blocks that the controller gives to this broker for good.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::Node;
use crate::types::{ErrorCode, ProducerId};

/// What is left of this broker's blocks.
#[derive(Debug, Default)]
pub struct ProducerIds {
    blocks: Mutex<VecDeque<Range<i64>>>,
}

impl ProducerIds {
    /// The next id that no producer has. Spent blocks are followed by another, which is in the metadata log before
    /// any of its ids is used.
    pub async fn next(&self, node: &Node) -> Result<ProducerId, ErrorCode> {
        loop {
            if let Some(id) = self.take() {
                return Ok(ProducerId(id));
            }
            let given = node.controller.allocate_producer_ids((node.broker_id, node.broker_epoch())).await;
            let (first, len) = match given {
                Ok(Ok(given)) => given,
                // The client tries again; by then the controller is there.
                Ok(Err(_)) | Err(_) => return Err(ErrorCode::CoordinatorLoadInProgress),
            };
            self.lock().push_back(first.0..first.0 + i64::from(len));
        }
    }

    /// Repeats `attempt`, first without and then with an id that no producer has, until it needs none to answer.
    pub(super) async fn supply<T, F: Future<Output = Result<Option<T>, ErrorCode>>>(
        node: &Node,
        attempt: impl Fn(Option<ProducerId>) -> F,
    ) -> Result<T, ErrorCode> {
        let mut fresh = None;
        loop {
            if let Some(answer) = attempt(fresh).await? {
                return Ok(answer);
            }
            fresh = Some(node.producer_ids.next(node).await?);
        }
    }

    fn take(&self) -> Option<i64> {
        let mut blocks = self.lock();
        let id = blocks.front_mut()?.next();
        if blocks.front().is_some_and(Range::is_empty) {
            blocks.pop_front();
        }
        id
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Range<i64>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
