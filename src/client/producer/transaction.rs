//! The transactions of a producer: it claims its id, adds partitions as it comes to them, and commits.
//!
//! It is a client of the first kind (`transaction.version` 0 and 1), which every cluster serves: partitions are added by
//! a request of their own, and the producer's epoch stays from one transaction to the next.

use std::collections::BTreeSet;

use super::ProducerConfig;
use crate::client::{Client, ClientConfig, ClientError, Target};
use crate::protocol::StrBytes;
use crate::protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use crate::protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, TopicName, TransactionalId,
};
use crate::types::{ErrorCode, ProducerEpoch, ProducerId};

/// The last versions of the first kind.
const ADD_PARTITIONS_NEWEST: i16 = 3;
const END_NEWEST: i16 = 4;

pub(super) struct Transaction {
    client: Client,
    id: String,
    producer: (ProducerId, ProducerEpoch),
    /// Those of the open transaction.
    partitions: BTreeSet<(String, i32)>,
}

impl Transaction {
    pub(super) fn claim(client: &ClientConfig, config: &ProducerConfig) -> Result<Transaction, ClientError> {
        let id = config.transactional_id.clone().unwrap_or_default();
        let mut client_config = client.clone();
        client_config.api_timeout = config.max_block;
        let mut client = Client::new(client_config)?;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(name(&id)))
            .with_transaction_timeout_ms(config.transaction_timeout_ms)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let target = Target::Transaction(&id);
        let answer = client.call(target, "initProducerId", &request, |answer| answer.error_code);
        let answer = answer.map_err(|error| match error.code() {
            Some(ErrorCode::RequestTimedOut) => ClientError::timeout(format!(
                "Timeout expired after {}ms while awaiting InitProducerId",
                config.max_block.as_millis()
            )),
            _ => error,
        })?;
        ClientError::from_wire(answer.error_code, None)?;
        let producer = (ProducerId(answer.producer_id.0), ProducerEpoch(answer.producer_epoch));
        Ok(Transaction { client, id, producer, partitions: BTreeSet::new() })
    }

    pub(super) fn producer(&self) -> (ProducerId, ProducerEpoch) {
        self.producer
    }

    pub(super) fn includes(&self, topic: &str, partition: i32) -> bool {
        self.partitions.contains(&(topic.to_owned(), partition))
    }

    /// Adds a partition before the first batch for it is sent.
    pub(super) fn include(&mut self, topic: &str, partition: i32) -> Result<(), ClientError> {
        let added = AddPartitionsToTxnTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(vec![partition]);
        let (id, epoch) = self.producer;
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(name(&self.id))
            .with_v3_and_below_producer_id(id.0.into())
            .with_v3_and_below_producer_epoch(epoch.0)
            .with_v3_and_below_topics(vec![added]);
        let answer = self.client.call_up_to::<AddPartitionsToTxnRequest>(
            ADD_PARTITIONS_NEWEST,
            Target::Transaction(&self.id),
            "addPartitionsToTxn",
            |_| Ok(request.clone()),
            |answer| {
                let partitions =
                    answer.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
                partitions.map(|partition| partition.partition_error_code).find(|code| *code != 0).unwrap_or(0)
            },
        )?;
        for topic in &answer.results_by_topic_v3_and_below {
            for partition in &topic.results_by_partition {
                ClientError::from_wire(partition.partition_error_code, None)?;
            }
        }
        self.partitions.insert((topic.to_owned(), partition));
        Ok(())
    }

    /// Commits what was written since the commit before; nothing is asked where nothing was.
    pub(super) fn commit(&mut self) -> Result<(), ClientError> {
        if self.partitions.is_empty() {
            return Ok(());
        }
        let (id, epoch) = self.producer;
        let request = EndTxnRequest::default()
            .with_transactional_id(name(&self.id))
            .with_producer_id(id.0.into())
            .with_producer_epoch(epoch.0)
            .with_committed(true);
        let answer = self.client.call_up_to::<EndTxnRequest>(
            END_NEWEST,
            Target::Transaction(&self.id),
            "endTxn",
            |_| Ok(request.clone()),
            |answer| answer.error_code,
        )?;
        ClientError::from_wire(answer.error_code, None)?;
        self.partitions.clear();
        Ok(())
    }
}

fn name(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}

/// What a producer says once one of its batches failed.
pub(super) fn failed() -> ClientError {
    let message = "Cannot execute transactional method because we are in an error state";
    ClientError::with_message(ErrorCode::InvalidTxnState, Some(message))
}

/// What a producer says before its id is claimed.
pub(super) fn not_claimed() -> ClientError {
    let message = "Cannot perform a 'send' before completing a call to initTransactions when transactions are enabled.";
    ClientError::with_message(ErrorCode::InvalidTxnState, Some(message))
}
