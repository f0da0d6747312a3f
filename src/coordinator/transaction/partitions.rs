//! AddPartitionsToTxn and AddOffsetsToTxn: what the transaction touches.

use crate::types::{ErrorCode, Millis, TopicPartition};

use super::machine::{Decision, Reply, TransactionMachine};
use super::state::State;
use super::txn::{Producer, Transaction};

impl TransactionMachine {
    pub(super) fn add(
        &self,
        id: &str,
        producer: Producer,
        partitions: Vec<TopicPartition>,
        client_version: i16,
        now: Millis,
    ) -> Decision {
        let Some(known) = self.transactions.get(id) else {
            return (Reply::Add(ErrorCode::InvalidProducerIdMapping), None);
        };
        if known.state.is_prepared() {
            // Asked before who the producer is, which may know its next id already.
            return (Reply::Add(ErrorCode::ConcurrentTransactions), None);
        }
        if let Err(error) = borne_by(known, producer) {
            return (Reply::Add(error), None);
        }
        if known.state == State::Ongoing && partitions.iter().all(|added| known.partitions.contains(added)) {
            return (Reply::Add(ErrorCode::None), None);
        }
        (Reply::Add(ErrorCode::None), Some(known.with_partitions(partitions, client_version, now)))
    }

    /// Which of the partitions are part of the transaction.
    pub(super) fn verify(
        &self,
        id: &str,
        producer: Producer,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<(TopicPartition, ErrorCode)>, ErrorCode> {
        let known = self.transactions.get(id).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        borne_by(known, producer)?;
        if known.state.is_prepared() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        let verified = partitions.into_iter().map(|partition| match known.partitions.contains(&partition) {
            true => (partition, ErrorCode::None),
            false => (partition, ErrorCode::TransactionAbortable),
        });
        Ok(verified.collect())
    }
}

fn borne_by(known: &Transaction, producer: Producer) -> Result<(), ErrorCode> {
    if known.producer.id != producer.id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if known.producer.epoch != producer.epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    Ok(())
}
