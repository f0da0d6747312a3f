//! Details of answers, each as a JVM broker gives it.

use ottla::protocol::StrBytes;
use ottla::protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla::protocol::messages::metadata_request::MetadataRequestTopic;
use ottla::protocol::messages::{ApiVersionsRequest, BrokerId, DescribeConfigsRequest, FetchRequest, MetadataRequest};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Fetch, batch, error, producer_batch, records_in, topic_name};

const TOPIC: i8 = 2;
const CLIENT_METRICS: i8 = 16;

fn fetch_error(client: &mut Client, request: &FetchRequest) -> ErrorCode {
    error(client.call(12, request).responses[0].partitions[0].error_code)
}

fn config_names(client: &mut Client, kind: i8, name: &str) -> Vec<String> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_string(name.to_string()))
        .with_configuration_keys(Some(Vec::new()));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let result = client.call(4, &request).results.remove(0);
    assert_eq!(error(result.error_code), ErrorCode::None, "{:?}", result.error_message);
    result.configs.into_iter().map(|config| config.name.to_string()).collect()
}

#[test]
fn the_level_of_the_quorum_is_told_among_the_features() {
    let broker = Broker::start(&[]);
    let version = StrBytes::from_static_str("1");
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("test"))
        .with_client_software_version(version);
    let features = broker.client().call(3, &request).finalized_features;
    let kraft = features.iter().find(|feature| feature.name.as_str() == "kraft.version");
    assert_eq!(kraft.map(|feature| feature.max_version_level), Some(1));
}

#[test]
fn asking_for_the_metadata_log_creates_no_topic() {
    let broker = Broker::start(&[]);
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("__cluster_metadata")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    let answer = broker.client().call(12, &request);
    assert_eq!(error(answer.topics[0].error_code), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn negative_epochs_are_none_and_no_broker_follows_itself() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append("t", 0, batch(&[b"a"]));
    let mut request = Fetch::new("t", 0).request();
    let partition = &mut request.topics[0].partitions[0];
    (partition.current_leader_epoch, partition.last_fetched_epoch) = (-2, -7);
    assert_eq!(fetch_error(&mut client, &request), ErrorCode::None);
    let request = Fetch::new("t", 0).request().with_replica_id(BrokerId(1));
    assert_eq!(fetch_error(&mut client, &request), ErrorCode::NotLeaderOrFollower);
}

#[test]
fn no_keys_ask_for_all_configs() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    assert_eq!(config_names(&mut client, TOPIC, "t").len(), 33);
    assert_eq!(config_names(&mut client, CLIENT_METRICS, "s"), ["interval.ms", "match", "metrics"]);
}

#[test]
fn a_wrong_sequence_is_told_with_the_start_of_the_log() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append("t", 0, producer_batch(7, 0, 0, &[b"a"]));
    let gap = client.produce("t", 0, producer_batch(7, 0, 5, &[b"b"]));
    assert_eq!(error(gap.error_code), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!((gap.base_offset, gap.log_start_offset), (-1, 0));
}

#[test]
fn a_fetch_that_cannot_be_is_told_where_kafka_tells_it() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append("t", 0, batch(&[b"a"]));
    client.append("t", 0, batch(&[b"b"]));
    let unknown_level = Fetch::new("t", 0).request().with_isolation_level(2);
    let answer = client.call(12, &unknown_level);
    assert_eq!(error(answer.error_code), ErrorCode::UnknownServerError);
    assert_eq!(error(answer.responses[0].partitions[0].error_code), ErrorCode::UnknownServerError);
    let below_zero = |offset| Fetch { partition_max_bytes: -1, ..Fetch::new("t", offset) }.request();
    assert_eq!(fetch_error(&mut client, &below_zero(0)), ErrorCode::UnknownServerError);
    assert_eq!(fetch_error(&mut client, &below_zero(2)), ErrorCode::None, "there is nothing to read");
}

#[test]
fn a_fetch_answers_a_partition_once_and_what_is_not_there_last() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append("t", 0, batch(&[b"a"]));
    client.append("t", 0, batch(&[b"b"]));
    let mut request = Fetch::new("t", 0).request();
    let asked = &mut request.topics[0].partitions;
    let first = asked[0].clone();
    asked.insert(0, first.clone().with_partition(9));
    asked.push(first.with_fetch_offset(1));
    let partitions = client.call(12, &request).responses.remove(0).partitions;
    let told: Vec<_> = partitions.iter().map(|p| (p.partition_index, error(p.error_code))).collect();
    assert_eq!(told, [(0, ErrorCode::None), (9, ErrorCode::UnknownTopicOrPartition)]);
    let bytes = partitions[0].records.clone().expect("records are never null");
    assert_eq!(records_in(&bytes)[0].offset, 1, "the last position counts");
}

#[test]
fn one_replica_is_enough_for_any_minimum() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[("min.insync.replicas", "2")]);
    assert_eq!(error(client.produce("t", 0, batch(&[b"a"])).error_code), ErrorCode::None);
}
