//! The work of a transaction coordinator that is not deciding: markers to be written, producer ids to be found.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::coordinator::transaction::{Producer, State, Transaction, Work, Worker};
use crate::handlers::{Node, write_marker};
use crate::protocol::control::TxnMarker;
use crate::state_machine::SubmitError;
use crate::types::{ErrorCode, TopicPartition};

/// How long to wait before something is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Does the work of one partition's coordinator for as long as that is led.
pub async fn work(node: Weak<Node>, worker: Worker, coordinator_epoch: i32) {
    let mut jobs = JoinSet::new();
    let mut anew = false;
    loop {
        match worker.next(anew).await {
            Ok(None) => return,
            Ok(Some(work)) => {
                anew = false;
                for work in work {
                    let (node, worker) = (node.clone(), worker.clone());
                    jobs.spawn(async move {
                        match work {
                            Work::WriteMarkers { id, transaction } => {
                                end(&node, &worker, &id, *transaction, coordinator_epoch).await;
                            }
                            Work::FindProducerId { id, producer } => replace(&node, &worker, &id, producer).await,
                        }
                    });
                }
            }
            Err(error) => {
                // Nothing is written twice at a time: what is under way begins anew with the rest.
                tracing::debug!("work of a transaction coordinator may be lost: {error}");
                jobs.shutdown().await;
                tokio::time::sleep(RETRY_AFTER).await;
                anew = true;
            }
        }
        while jobs.try_join_next().is_some() {}
    }
}

/// Writes the markers of a prepared transaction, and then that it is complete.
async fn end(node: &Weak<Node>, worker: &Worker, id: &Arc<str>, transaction: Transaction, coordinator_epoch: i32) {
    let producer = transaction.producer;
    let marker = TxnMarker {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        commit: transaction.state == State::PrepareCommit,
        coordinator_epoch,
        transaction_version: transaction.client_version,
    };
    let mut left: Vec<TopicPartition> = transaction.partitions.into_iter().collect();
    loop {
        let Some(node) = node.upgrade() else { return };
        let mut failed = Vec::new();
        for partition in left {
            match write_if_there(&node, &partition, &marker).await {
                ErrorCode::None => {}
                error @ (ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced) => {
                    tracing::warn!("{id}: {partition} refuses the end of the transaction: {error}");
                    return;
                }
                error => {
                    tracing::debug!("{id}: {partition} has no marker yet: {error}");
                    failed.push(partition);
                }
            }
        }
        drop(node);
        if failed.is_empty() {
            break;
        }
        left = failed;
        tokio::time::sleep(RETRY_AFTER).await;
    }
    while let Err(error) = worker.completed(id, producer).await {
        if error == SubmitError::Stopped {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// A partition that was deleted needs no marker.
async fn write_if_there(node: &Node, partition: &TopicPartition, marker: &TxnMarker) -> ErrorCode {
    let image = node.image();
    let topic = image.topics.named(&partition.topic);
    match topic.is_some_and(|topic| topic.partitions.contains_key(&partition.partition)) {
        true => write_marker(node, partition, marker).await,
        false => ErrorCode::None,
    }
}

/// Finds the producer id that a timed-out transaction needs. Without one it is found again at the next look.
async fn replace(node: &Weak<Node>, worker: &Worker, id: &Arc<str>, producer: Producer) {
    let Some(node) = node.upgrade() else { return };
    if let Ok(fresh) = node.producer_ids.next(&node).await {
        // A coordinator that fails or moves looks again.
        let _ = worker.time_out(id, producer, fresh).await;
    }
}
