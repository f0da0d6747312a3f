//! Asking a transaction's coordinator before its first batch in a partition is appended (KIP-890): from producers of
//! `transaction.version` 2 the partition is added, for older ones it must have been added before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Node;
use crate::coordinator::transaction::{Producer, TxnAdd};
use crate::log::producer_state::VerificationGuard;
use crate::replication::Partition;
use crate::types::{ErrorCode, TopicPartition};

/// What the client of a request bears and wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxnSupport {
    /// It knows no error for a transaction that can only be aborted.
    Oldest,
    /// It knows TRANSACTION_ABORTABLE.
    Abortable,
    /// It leaves it to the broker to add partitions.
    AddsPartitions,
}

impl TxnSupport {
    /// What clients of a version can, where the first ones that know TRANSACTION_ABORTABLE and that leave partitions to
    /// the broker are known.
    pub fn of(version: i16, first_abortable: i16, first_adding: i16) -> TxnSupport {
        match version {
            _ if version >= first_adding => TxnSupport::AddsPartitions,
            _ if version >= first_abortable => TxnSupport::Abortable,
            _ => TxnSupport::Oldest,
        }
    }
}

/// Whose transaction it is.
pub struct TxnQuestion<'a> {
    pub id: &'a str,
    pub producer: Producer,
    pub support: TxnSupport,
}

/// The verdict on each partition: with what to append there, or why not.
pub type Verified = HashMap<TopicPartition, Result<Option<VerificationGuard>, ErrorCode>>;

/// Verifies or adds the partitions, each with the sequence of its first record. While the transaction before is still
/// being ended, it is asked again for a short time: a produce is expensive to repeat.
pub async fn verify(node: &Node, question: &TxnQuestion<'_>, asked: &[(Arc<Partition>, i32)]) -> Verified {
    let config = node.config.broker();
    let adds = question.support == TxnSupport::AddsPartitions;
    if !adds && !config.transaction_partition_verification_enable {
        return asked.iter().map(|(partition, _)| (partition.topic_partition.clone(), Ok(None))).collect();
    }
    let patience = Duration::from_millis(config.add_partitions_to_txn_retry_backoff_max_ms.max(0) as u64);
    let deadline = tokio::time::Instant::now() + patience;
    let backoff = Duration::from_millis(config.add_partitions_to_txn_retry_backoff_ms.max(1) as u64);
    loop {
        let ends = node.transactions.ends();
        let verified = ask(node, question, asked).await;
        let concurrent =
            |verdict: &Result<Option<VerificationGuard>, ErrorCode>| *verdict == Err(ErrorCode::ConcurrentTransactions);
        if !adds || !verified.values().any(concurrent) || tokio::time::Instant::now() >= deadline {
            return verified;
        }
        node.transactions.await_end(ends, backoff).await;
    }
}

async fn ask(node: &Node, question: &TxnQuestion<'_>, asked: &[(Arc<Partition>, i32)]) -> Verified {
    let Producer { id, epoch } = question.producer;
    let adds = question.support == TxnSupport::AddsPartitions;
    let mut verified = Verified::new();
    let mut open = Vec::new();
    for (partition, base_sequence) in asked {
        let begun = partition.begin_verification((id, epoch), *base_sequence, adds);
        if matches!(begun, Ok(Some(_))) {
            open.push(partition.topic_partition.clone());
        }
        verified.insert(partition.topic_partition.clone(), begun);
    }
    if open.is_empty() {
        return verified;
    }
    let added = TxnAdd { id: question.id.into(), producer: question.producer, partitions: open, client_version: 2 };
    let told = match adds {
        true => {
            let partitions = added.partitions.clone();
            let told = node.transactions.add(added).await;
            partitions.into_iter().map(|partition| (partition, told)).collect()
        }
        false => node.transactions.verify(added).await,
    };
    for (partition, error) in told.into_iter().filter(|(_, error)| !error.is_none()) {
        let error = match error {
            // What producers expect of a partition.
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            ErrorCode::TransactionAbortable if question.support == TxnSupport::Oldest => ErrorCode::InvalidTxnState,
            error => error,
        };
        verified.insert(partition, Err(error));
    }
    verified
}
