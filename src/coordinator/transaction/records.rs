//! What the coordinator writes to `__transaction_state` and reads back, and its form in bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::internal::{TransactionLogKey, TransactionLogValue, TransactionPartitions, TransactionRecord};
use crate::protocol::message::RecordError;
use crate::protocol::wire::WireError;
use crate::types::{Millis, ProducerEpoch, ProducerId, TopicPartition};

use super::state::State;
use super::txn::{Producer, Transaction};

/// One change of the coordinator's hard state: what a transactional id became, or that it is forgotten.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    pub id: Arc<str>,
    pub transaction: Option<Transaction>,
}

impl Record {
    /// The key and value to append while `transaction.version` is finalised at that level; no value is a tombstone.
    pub fn encode(&self, transaction_version: i16) -> Result<(Bytes, Option<Bytes>), RecordError> {
        let version = transaction_version.clamp(0, 1);
        let key = TransactionLogKey { transactional_id: self.id.to_string() };
        let value = self.transaction.as_ref().map(|transaction| to_value(transaction, version));
        let record = TransactionRecord::TransactionLog(key, value);
        Ok((record.encode_key()?, record.encode_value(version)?))
    }

    /// The record of that key and value. `None` if either is of a version that a newer broker left, which Kafka passes
    /// over.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordError> {
        match TransactionRecord::decode(key, value) {
            Ok(TransactionRecord::TransactionLog(key, value)) => {
                let id = Arc::from(key.transactional_id);
                Ok(Some(Record { id, transaction: value.map(from_value).transpose()? }))
            }
            Err(RecordError::UnknownKey { .. } | RecordError::UnknownVersion { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn to_value(transaction: &Transaction, version: i16) -> TransactionLogValue {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition } in &transaction.partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let topics = topics.into_iter();
    let partitions = topics.map(|(topic, ids)| TransactionPartitions { topic: topic.to_owned(), partition_ids: ids });
    let plain = TransactionLogValue {
        producer_id: transaction.producer.id.0,
        producer_epoch: transaction.producer.epoch.0,
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_status: transaction.state.id(),
        transaction_partitions: (transaction.state != State::Empty).then(|| partitions.collect()),
        transaction_last_update_timestamp_ms: transaction.updated.0,
        transaction_start_timestamp_ms: transaction.started.0,
        ..TransactionLogValue::default()
    };
    match version {
        0 => plain,
        _ => TransactionLogValue {
            previous_producer_id: transaction.previous_id.0,
            next_producer_id: transaction.next_id.0,
            client_transaction_version: transaction.client_version,
            ..plain
        },
    }
}

fn from_value(value: TransactionLogValue) -> Result<Transaction, RecordError> {
    let state = State::from_id(value.transaction_status).ok_or_else(|| {
        let field = format!("transaction status {}", value.transaction_status);
        let error = WireError::Malformed { field, at: 0, reason: "is of no state that is written" };
        RecordError::Malformed { name: "TransactionLogValue", error }
    })?;
    let topics = value.transaction_partitions.unwrap_or_default().into_iter().filter(|_| state != State::Empty);
    let partitions = topics.flat_map(|TransactionPartitions { topic, partition_ids }| {
        let topic: Arc<str> = topic.into();
        partition_ids.into_iter().map(move |partition| TopicPartition::new(topic.clone(), partition))
    });
    Ok(Transaction {
        producer: Producer { id: ProducerId(value.producer_id), epoch: ProducerEpoch(value.producer_epoch) },
        previous_id: ProducerId(value.previous_producer_id),
        next_id: ProducerId(value.next_producer_id),
        last_epoch: ProducerEpoch::NONE,
        timeout_ms: value.transaction_timeout_ms,
        state,
        partitions: partitions.collect(),
        started: Millis(value.transaction_start_timestamp_ms),
        updated: Millis(value.transaction_last_update_timestamp_ms),
        client_version: value.client_transaction_version,
    })
}
