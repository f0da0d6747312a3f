//! Requests that many tests make, with the versions they are made in.

use std::io;

use bytes::Bytes;
use ottla::protocol::StrBytes;
use ottla::protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla::protocol::messages::create_topics_response::CreatableTopicResult;
use ottla::protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla::protocol::messages::delete_records_response::DeleteRecordsPartitionResult;
use ottla::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla::protocol::messages::fetch_response::PartitionData;
use ottla::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla::protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use ottla::protocol::messages::metadata_request::MetadataRequestTopic;
use ottla::protocol::messages::metadata_response::MetadataResponseTopic;
use ottla::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla::protocol::messages::produce_response::PartitionProduceResponse;
use ottla::protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, FetchRequest, FindCoordinatorRequest,
    IncrementalAlterConfigsRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest, TopicName,
};
use ottla::types::ErrorCode;

use super::{Client, error, records_in};

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// A name as the messages hold it.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}

/// A fetch of one partition: of `topic` partition 0 from `offset`, without limits and without waiting, unless changed.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub topic: String,
    pub partitions: Vec<i32>,
    pub offset: i64,
    pub max_bytes: i32,
    pub partition_max_bytes: i32,
    pub min_bytes: i32,
    pub max_wait_ms: i32,
}

impl Fetch {
    pub fn new(topic: &str, offset: i64) -> Fetch {
        Fetch {
            topic: topic.to_string(),
            partitions: vec![0],
            offset,
            max_bytes: i32::MAX,
            partition_max_bytes: i32::MAX,
            min_bytes: 0,
            max_wait_ms: 0,
        }
    }

    /// The request of a consumer without a session, naming the topic.
    pub fn request(&self) -> FetchRequest {
        let partition = |index| {
            FetchPartition::default()
                .with_partition(index)
                .with_current_leader_epoch(-1)
                .with_last_fetched_epoch(-1)
                .with_fetch_offset(self.offset)
                .with_partition_max_bytes(self.partition_max_bytes)
        };
        let topic = FetchTopic::default()
            .with_topic(topic_name(&self.topic))
            .with_partitions(self.partitions.iter().copied().map(partition).collect());
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(self.max_wait_ms)
            .with_min_bytes(self.min_bytes)
            .with_max_bytes(self.max_bytes)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }
}

impl Client {
    /// Asks for topics; `create` and `validate_only` are as in the request. One result for each.
    pub fn create_topics(
        &mut self,
        version: i16,
        topics: Vec<CreatableTopic>,
        validate_only: bool,
    ) -> Vec<CreatableTopicResult> {
        let request = CreateTopicsRequest::default()
            .with_topics(topics)
            .with_timeout_ms(10_000)
            .with_validate_only(validate_only);
        self.call(version, &request).topics
    }

    /// Creates a topic that must not exist.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopicResult {
        let config = |&(name, value): &(&str, &str)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.to_string()))
                .with_value(Some(StrBytes::from_string(value.to_string())))
        };
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.iter().map(config).collect());
        let result = self.create_topics(7, vec![topic], false).remove(0);
        assert_eq!(error(result.error_code), ErrorCode::None, "{name}: {:?}", result.error_message);
        result
    }

    /// Sets a config of a resource, by its type's number.
    pub fn set_config(&mut self, resource_type: i8, resource: &str, name: &str, value: &str) {
        let text = |text: &str| StrBytes::from_string(text.to_string());
        let config = AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(resource_type)
            .with_resource_name(text(resource))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let result = self.call(1, &request).responses.remove(0);
        assert_eq!(error(result.error_code), ErrorCode::None, "{name}: {:?}", result.error_message);
    }

    /// Deletes a topic that exists.
    pub fn delete_topic(&mut self, name: &str) {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]).with_timeout_ms(10_000);
        let result = self.call(5, &request).responses.remove(0);
        assert_eq!(error(result.error_code), ErrorCode::None);
    }

    /// What Metadata says of a topic, without creating it.
    pub fn describe_topic(&mut self, name: &str) -> MetadataResponseTopic {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
        self.call(12, &request).topics.remove(0)
    }

    /// Sends records to a partition, to be acknowledged by all replicas, without awaiting the answer.
    pub fn send_produce(&mut self, topic: &str, partition: i32, records: Bytes) -> i32 {
        self.try_send_produce(topic, partition, records).expect("it is sent")
    }

    /// As [`Client::send_produce`] to a broker that may have hung up.
    pub fn try_send_produce(&mut self, topic: &str, partition: i32, records: Bytes) -> io::Result<i32> {
        let partition = PartitionProduceData::default().with_index(partition).with_records(Some(records));
        let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
        let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]);
        self.try_send(12, &request)
    }

    /// The answer to [`Client::try_send_produce`]; None when the broker has closed the connection.
    pub fn try_receive_produce(&mut self, correlation_id: i32) -> Option<PartitionProduceResponse> {
        let mut response = self.try_receive::<ProduceRequest>(12, correlation_id)?;
        Some(response.responses.remove(0).partition_responses.remove(0))
    }

    /// Produces records to a partition, acknowledged by all replicas.
    pub fn produce(&mut self, topic: &str, partition: i32, records: Bytes) -> PartitionProduceResponse {
        let correlation_id = self.send_produce(topic, partition, records);
        self.try_receive_produce(correlation_id).expect("the connection is open")
    }

    /// Produces records that must be accepted; answers with the first one's offset.
    pub fn append(&mut self, topic: &str, partition: i32, records: Bytes) -> i64 {
        let response = self.produce(topic, partition, records);
        assert_eq!(error(response.error_code), ErrorCode::None, "{:?}", response.error_message);
        response.base_offset
    }

    /// Produces the same records again and again to partition 0.
    pub fn append_many(&mut self, topic: &str, count: usize, records: &Bytes) {
        for _ in 0..count {
            self.append(topic, 0, records.clone());
        }
    }

    /// Fetches; one answer for each partition.
    pub fn fetch_all(&mut self, fetch: &Fetch) -> Vec<PartitionData> {
        let correlation_id = self.send_fetch(fetch);
        self.receive_fetch(correlation_id)
    }

    /// Fetches from one partition.
    pub fn fetch(&mut self, fetch: &Fetch) -> PartitionData {
        self.fetch_all(fetch).remove(0)
    }

    /// Sends a fetch without awaiting its answer.
    pub fn send_fetch(&mut self, fetch: &Fetch) -> i32 {
        self.send(12, &fetch.request())
    }

    /// The answer to [`Client::send_fetch`].
    pub fn receive_fetch(&mut self, correlation_id: i32) -> Vec<PartitionData> {
        let response = self.receive::<FetchRequest>(12, correlation_id);
        assert_eq!(error(response.error_code), ErrorCode::None);
        response.responses.into_iter().flat_map(|topic| topic.partitions).collect()
    }

    /// The position at `timestamp`, one of the special ones included.
    pub fn list_offset(&mut self, topic: &str, partition: i32, timestamp: i64) -> ListOffsetsPartitionResponse {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        self.call(9, &request).topics.remove(0).partitions.remove(0)
    }

    pub fn start_offset(&mut self, topic: &str) -> i64 {
        self.list_offset(topic, 0, EARLIEST).offset
    }

    pub fn end_offset(&mut self, topic: &str) -> i64 {
        self.list_offset(topic, 0, LATEST).offset
    }

    /// The value of every record of a partition, in order; their offsets have no gap.
    pub fn values(&mut self, topic: &str, partition: i32) -> Vec<Vec<u8>> {
        let (mut fetch, mut values) = (Fetch { partitions: vec![partition], ..Fetch::new(topic, 0) }, Vec::new());
        let end = self.list_offset(topic, partition, LATEST).offset;
        while fetch.offset < end {
            let answer = self.fetch(&fetch);
            assert_eq!(error(answer.error_code), ErrorCode::None);
            for record in records_in(&answer.records.expect("never null")) {
                assert_eq!(record.offset, fetch.offset);
                values.push(record.value);
                fetch.offset += 1;
            }
        }
        values
    }

    /// Asks who coordinates a group, which makes the coordinator usable at once.
    pub fn find_coordinator(&mut self, group: &str) -> BrokerId {
        let group = StrBytes::from_string(group.to_string());
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![group]);
        let coordinator = self.call(4, &request).coordinators.remove(0);
        assert_eq!(error(coordinator.error_code), ErrorCode::None, "{:?}", coordinator.error_message);
        coordinator.node_id
    }

    /// Moves the start of a partition.
    pub fn delete_records(&mut self, topic: &str, partition: i32, offset: i64) -> DeleteRecordsPartitionResult {
        let partition = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
        let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        self.call(2, &request).topics.remove(0).partitions.remove(0)
    }
}
