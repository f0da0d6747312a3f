//! What transactional producers and consumers of committed records send.

use bytes::Bytes;
use ottla::protocol::StrBytes;
use ottla::protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ottla::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla::protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla::protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, OffsetFetchRequest, ProduceRequest, ProducerId,
    TransactionalId, TxnOffsetCommitRequest,
};
use ottla::types::ErrorCode;

use super::{Client, Fetch, error, eventually, keyed_batch_in, producer_batch_in, records_in, topic_name};

const TRANSACTION: i8 = 1;
const READ_COMMITTED: i8 = 1;

/// A transactional producer as it knows itself.
#[derive(Clone, Debug)]
pub struct TxnProducer {
    pub transactional_id: String,
    pub id: i64,
    pub epoch: i16,
    /// The sequence of the next record, the same in every partition.
    pub sequence: i32,
}

impl TxnProducer {
    /// Finds the coordinator and takes over the transactional id; waits until an earlier transaction is aborted.
    pub fn init(client: &mut Client, transactional_id: &str, timeout_ms: i32) -> TxnProducer {
        let key = StrBytes::from_string(transactional_id.to_owned());
        let request = FindCoordinatorRequest::default().with_key_type(TRANSACTION).with_coordinator_keys(vec![key]);
        let coordinator = client.call(4, &request).coordinators.remove(0);
        assert_eq!(error(coordinator.error_code), ErrorCode::None);
        let mut producer =
            TxnProducer { transactional_id: transactional_id.to_owned(), id: -1, epoch: -1, sequence: 0 };
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(producer.name()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        eventually("the transactional id is borne", || {
            let response = client.call(4, &request);
            (producer.id, producer.epoch) = (response.producer_id.0, response.producer_epoch);
            match error(response.error_code) {
                ErrorCode::ConcurrentTransactions => false,
                told => {
                    assert_eq!(told, ErrorCode::None);
                    true
                }
            }
        });
        producer
    }

    fn name(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.transactional_id.clone()))
    }

    /// Produces one batch of its transaction, in that version of Produce.
    pub fn produce(
        &mut self,
        client: &mut Client,
        version: i16,
        topic: &str,
        partition: i32,
        values: &[&[u8]],
    ) -> (ErrorCode, i64) {
        let records = producer_batch_in(self.id, self.epoch, self.sequence, values);
        self.produce_batch(client, version, (topic, partition), records, values.len())
    }

    /// Produces one batch of keys and values to partition 0.
    pub fn produce_keyed(
        &mut self,
        client: &mut Client,
        version: i16,
        topic: &str,
        records: &[(&[u8], &[u8])],
    ) -> (ErrorCode, i64) {
        let batch = keyed_batch_in(self.id, self.epoch, self.sequence, records);
        self.produce_batch(client, version, (topic, 0), batch, records.len())
    }

    fn produce_batch(
        &mut self,
        client: &mut Client,
        version: i16,
        (topic, partition): (&str, i32),
        records: Bytes,
        count: usize,
    ) -> (ErrorCode, i64) {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
        let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.name()))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        let response = client.call(version, &request).responses.remove(0).partition_responses.remove(0);
        if response.error_code == 0 {
            self.sequence += count as i32;
        }
        (error(response.error_code), response.base_offset)
    }

    /// Adds a partition as clients of before `transaction.version` 2 do.
    pub fn add(&self, client: &mut Client, topic: &str, partition: i32) -> ErrorCode {
        let topic = AddPartitionsToTxnTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.name())
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let mut response = client.call(3, &request);
        error(response.results_by_topic_v3_and_below.remove(0).results_by_partition.remove(0).partition_error_code)
    }

    /// Adds a group's offsets as clients of before `transaction.version` 2 do.
    pub fn add_offsets(&self, client: &mut Client, group: &str) -> ErrorCode {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.name())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_group_id(group_id(group));
        error(client.call(3, &request).error_code)
    }

    /// Commits an offset of partition 0 with the transaction.
    pub fn commit_offset(&self, client: &mut Client, version: i16, group: &str, topic: &str, offset: i64) -> ErrorCode {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic =
            TxnOffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.name())
            .with_group_id(group_id(group))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        error(client.call(version, &request).topics.remove(0).partitions.remove(0).error_code)
    }

    /// Ends the transaction, in that version of EndTxn. From version 5 on the producer is told its next epoch.
    pub fn end(&mut self, client: &mut Client, version: i16, commit: bool) -> ErrorCode {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.name())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let response = client.call(version, &request);
        if response.error_code == 0 && version >= 5 {
            (self.id, self.epoch, self.sequence) = (response.producer_id.0, response.producer_epoch, 0);
        }
        error(response.error_code)
    }

    /// Waits until the coordinator says that the transaction stands so.
    pub fn await_state(&self, client: &mut Client, state: &str) {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![self.name()]);
        eventually(&format!("the transaction is {state}"), || {
            let described = client.call(0, &request).transaction_states.remove(0);
            described.error_code == 0 && described.transaction_state.as_str() == state
        });
    }
}

fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}

impl Client {
    /// What a consumer of committed records reads from partition 0: their values, and where it stands then.
    pub fn committed_values(&mut self, topic: &str) -> (Vec<Vec<u8>>, i64) {
        let mut request = Fetch::new(topic, 0).request().with_isolation_level(READ_COMMITTED);
        let (mut values, mut aborted) = (Vec::new(), Vec::new());
        loop {
            let mut response = self.call(12, &request);
            let answer = response.responses.remove(0).partitions.remove(0);
            assert_eq!(error(answer.error_code), ErrorCode::None);
            let bytes = answer.records.expect("never null");
            let position = request.topics[0].partitions[0].fetch_offset;
            if bytes.is_empty() {
                assert_eq!(position, answer.last_stable_offset, "a reader comes to the last stable offset");
                return (values, position);
            }
            aborted.extend(answer.aborted_transactions.expect("told to readers of committed records"));
            request.topics[0].partitions[0].fetch_offset = committed_in(&bytes, &mut aborted, &mut values);
        }
    }

    /// The committed offset of partition 0, or why it is not told.
    pub fn stable_offset(&mut self, group: &str, topic: &str) -> Result<i64, ErrorCode> {
        let topics = OffsetFetchRequestTopics::default().with_name(topic_name(topic)).with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(Some(vec![topics]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
        let mut response = self.call(8, &request).groups.remove(0);
        assert_eq!(error(response.error_code), ErrorCode::None);
        let partition = response.topics.remove(0).partitions.remove(0);
        match error(partition.error_code) {
            ErrorCode::None => Ok(partition.committed_offset),
            told => Err(told),
        }
    }
}

type Aborted = ottla::protocol::messages::fetch_response::AbortedTransaction;

/// Adds the values of batches that were not aborted; answers the offset behind the last batch.
fn committed_in(bytes: &[u8], aborted: &mut Vec<Aborted>, values: &mut Vec<Vec<u8>>) -> i64 {
    let mut next = 0;
    for batch in ottla::protocol::batch::split_batches(bytes) {
        let batch = batch.expect("a batch");
        let header = batch.header;
        next = header.next_offset().0;
        let of_it =
            |txn: &Aborted| txn.producer_id.0 == header.producer_id.0 && txn.first_offset <= header.base_offset.0;
        if header.is_control() {
            // The marker ends the aborted transaction, if it is one.
            if let Some(at) = aborted.iter().position(of_it) {
                aborted.remove(at);
            }
        } else if !(header.is_transactional() && aborted.iter().any(of_it)) {
            values.extend(records_in(batch.bytes).into_iter().map(|record| record.value));
        }
    }
    next
}
