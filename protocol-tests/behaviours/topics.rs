//! Topics and partitions.

use std::time::{Duration, Instant};

use ottla::protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use ottla::protocol::messages::create_topics_request::CreatableTopic;
use ottla::protocol::messages::metadata_request::MetadataRequestTopic;
use ottla::protocol::messages::{BrokerId, CreatePartitionsRequest, FetchRequest, MetadataRequest};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Fetch, batch, error, topic_name};

fn grow(client: &mut Client, topic: &str, count: i32, brokers: Option<Vec<Vec<i32>>>) -> ErrorCode {
    let assignment = |brokers: Vec<i32>| {
        CreatePartitionsAssignment::default().with_broker_ids(brokers.into_iter().map(BrokerId).collect())
    };
    let topic = CreatePartitionsTopic::default()
        .with_name(topic_name(topic))
        .with_count(count)
        .with_assignments(brokers.map(|partitions| partitions.into_iter().map(assignment).collect()));
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    error(client.call(3, &request).results[0].error_code)
}

#[test]
fn what_was_answered_is_visible_and_serves_at_once() {
    let broker = Broker::start(&[]);
    let (mut one, mut other) = (broker.client(), broker.client());
    for n in 0..30 {
        let name = format!("t{n}");
        assert_eq!(one.create_topic(&name, 2, &[]).error_message, None);
        assert_eq!(other.append(&name, 1, batch(&[b"x"])), 0);
        assert_eq!(grow(&mut one, &name, 3, None), ErrorCode::None);
        assert_eq!(other.append(&name, 2, batch(&[b"x"])), 0);
        let topic = other.describe_topic(&name);
        assert_eq!(topic.partitions.len(), 3);
        assert!(topic.partitions.iter().all(|partition| partition.leader_id == BrokerId(1)));
        one.delete_topic(&name);
        assert_eq!(error(other.describe_topic(&name).error_code), ErrorCode::UnknownTopicOrPartition);
    }
}

#[test]
fn the_metadata_request_that_creates_a_topic_answers_with_it() {
    let broker = Broker::start(&[("num.partitions", "2")]);
    let mut client = broker.client();
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("auto")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    let topic = client.call(12, &request).topics.remove(0);
    assert_eq!(error(topic.error_code), ErrorCode::None);
    assert_eq!(topic.partitions.len(), 2);
    assert_eq!(client.append("auto", 1, batch(&[b"x"])), 0);
}

#[test]
fn topics_are_not_created_where_the_config_forbids_it() {
    let broker = Broker::start(&[("auto.create.topics.enable", "false")]);
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("auto")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    let topic = broker.client().call(12, &request).topics.remove(0);
    assert_eq!(error(topic.error_code), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn wrong_assignments_and_counts_are_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 2, &[]);
    assert_eq!(grow(&mut client, "t", 3, Some(vec![vec![1, 1]])), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(grow(&mut client, "t", 3, Some(vec![vec![9]])), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(grow(&mut client, "t", 3, Some(vec![vec![]])), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(grow(&mut client, "t", 3, Some(vec![vec![1], vec![1]])), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(grow(&mut client, "t", 2, None), ErrorCode::InvalidPartitions);
    assert_eq!(grow(&mut client, "t", 1, None), ErrorCode::InvalidPartitions);
    assert_eq!(grow(&mut client, "u", 2, None), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(client.describe_topic("t").partitions.len(), 2);
    assert_eq!(grow(&mut client, "t", 4, Some(vec![vec![1], vec![1]])), ErrorCode::None);
}

#[test]
fn names_that_collide_and_names_asked_for_twice_are_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("a.b", 1, &[]);
    let wanted = |name: &str| {
        CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(1).with_replication_factor(1)
    };
    let results = client.create_topics(7, vec![wanted("a_b"), wanted("c")], false);
    let codes: Vec<_> = results.iter().map(|result| (result.name.to_string(), error(result.error_code))).collect();
    assert!(codes.contains(&("a_b".to_string(), ErrorCode::InvalidTopicException)), "{codes:?}");
    assert!(codes.contains(&("c".to_string(), ErrorCode::None)), "{codes:?}");
    let results = client.create_topics(7, vec![wanted("d"), wanted("d")], false);
    assert!(results.iter().all(|result| error(result.error_code) == ErrorCode::InvalidRequest), "{results:?}");
    assert_eq!(error(client.describe_topic("d").error_code), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn topics_and_records_outlive_kill_9_right_after_the_answer() {
    let mut broker = Broker::start(&[]);
    for n in 0..5 {
        let name = format!("t{n}");
        let mut client = broker.client();
        let id = client.create_topic(&name, 1, &[]).topic_id;
        client.append(&name, 0, batch(&[b"x"]));
        broker.kill();
        broker.launch();
        let mut client = broker.client();
        assert_eq!(client.describe_topic(&name).topic_id, id);
        assert_eq!(client.end_offset(&name), 1);
    }
}

#[test]
fn a_long_poll_ends_when_its_topic_is_deleted() {
    let broker = Broker::start(&[]);
    let (mut client, mut waiting) = (broker.client(), broker.client());
    let unknown = [ErrorCode::UnknownTopicOrPartition, ErrorCode::UnknownTopicId];
    for version in [12, 13, 17, 12, 13, 17] {
        let created = client.create_topic("t", 2, &[]);
        while error(client.produce("t", 1, batch(&[b"x"])).error_code) == ErrorCode::NotLeaderOrFollower {}
        let poll = Fetch { partitions: vec![0, 1], min_bytes: 1, max_wait_ms: 20_000, ..Fetch::new("t", 1) };
        let mut request = poll.request();
        request.topics[0].partitions[0].fetch_offset = 0;
        if version >= 13 {
            request.topics[0].topic = topic_name("");
            request.topics[0].topic_id = created.topic_id;
        }
        let began = Instant::now();
        let correlation_id = waiting.send(version, &request);
        client.delete_topic("t");
        let answer = waiting.receive::<FetchRequest>(version, correlation_id);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let codes: Vec<_> = answer.responses[0].partitions.iter().map(|found| error(found.error_code)).collect();
        assert!(codes.iter().any(|code| unknown.contains(code)), "version {version}: {codes:?}");
        assert!(codes.iter().all(|code| *code == ErrorCode::None || unknown.contains(code)), "{codes:?}");
    }
}
