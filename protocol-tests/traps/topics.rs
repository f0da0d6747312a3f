//! Traps of creating topics.

use std::collections::BTreeSet;

use ottla::protocol::messages::MetadataRequest;
use ottla::protocol::messages::create_topics_request::CreatableTopic;
use ottla::protocol::messages::metadata_request::MetadataRequestTopic;
use ottla::types::ErrorCode;

use crate::support::{Broker, batch, batch_of, error, topic_name};

fn wanted(name: &str, partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(replication_factor)
}

fn tree(broker: &Broker) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for dir in [broker.directory.path().to_path_buf(), broker.directory.data()] {
        for entry in std::fs::read_dir(dir).expect("the directory") {
            found.insert(entry.expect("an entry").path().display().to_string());
        }
    }
    found
}

#[test]
fn trap_08_max_message_bytes_is_a_limit_to_the_byte() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[("max.message.bytes", "5000")]);
    assert_eq!(client.append("t", 0, batch_of(5_000)), 0);
    let response = client.produce("t", 0, batch_of(5_001));
    assert_eq!(error(response.error_code), ErrorCode::MessageTooLarge);
    assert_eq!(client.end_offset("t"), 1);
    // The default of the broker is Kafka's.
    client.create_topic("u", 1, &[]);
    client.append("u", 0, batch_of(1_048_588));
    let response = client.produce("u", 0, batch_of(1_048_589));
    assert_eq!(error(response.error_code), ErrorCode::MessageTooLarge);
}

#[test]
fn trap_08_validate_only_creates_nothing() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    let before = tree(&broker);
    for version in 2..=7 {
        let result = client.create_topics(version, vec![wanted("dry", 3, 1)], true).remove(0);
        assert_eq!(error(result.error_code), ErrorCode::None, "version {version}");
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (3, 1));
        }
    }
    // A topic that is created afterwards shows that the controller has had its time.
    client.create_topic("wet", 1, &[]);
    assert_eq!(error(client.describe_topic("dry").error_code), ErrorCode::UnknownTopicOrPartition);
    let created: Vec<_> = tree(&broker).difference(&before).cloned().collect();
    assert_eq!(created, [broker.directory.data().join("wet-0").display().to_string()]);
    let result = client.create_topics(7, vec![wanted("wet", 1, 1)], true).remove(0);
    assert_eq!(error(result.error_code), ErrorCode::TopicAlreadyExists);
}

#[test]
fn trap_08_names_cannot_leave_the_directory() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    let before = tree(&broker);
    let long = "x".repeat(250);
    let names = ["../up", "a/../b", "/root", "..", ".", "", "a b", "a\0b", "a\\b", "naïve", "a:b", &long];
    for name in names {
        for version in [2, 5, 7] {
            let result = client.create_topics(version, vec![wanted(name, 1, 1)], false).remove(0);
            assert_eq!(error(result.error_code), ErrorCode::InvalidTopicException, "{name:?}");
        }
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        let topic = client.call(12, &request).topics.remove(0);
        assert_eq!(error(topic.error_code), ErrorCode::InvalidTopicException, "{name:?}");
        let response = client.produce(name, 0, batch(&[b"x"]));
        assert_ne!(error(response.error_code), ErrorCode::None, "{name:?}");
    }
    assert_eq!(tree(&broker), before);
    client.create_topic(&"x".repeat(249), 1, &[]);
    client.create_topic("a.b-c_D9", 1, &[]);
}

#[test]
fn trap_08_minus_one_asks_for_the_defaults() {
    let broker = Broker::start(&[("num.partitions", "3"), ("default.replication.factor", "1")]);
    let mut client = broker.client();
    for version in 4..=7 {
        let name = format!("v{version}");
        let result = client.create_topics(version, vec![wanted(&name, -1, -1)], false).remove(0);
        assert_eq!(error(result.error_code), ErrorCode::None, "{:?}", result.error_message);
        assert_eq!(client.describe_topic(&name).partitions.len(), 3, "version {version}");
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (3, 1));
        }
    }
    for (partitions, replicas, expected) in [
        (0, 1, ErrorCode::InvalidPartitions),
        (-2, 1, ErrorCode::InvalidPartitions),
        (1, 0, ErrorCode::InvalidReplicationFactor),
        (1, 2, ErrorCode::InvalidReplicationFactor),
    ] {
        let result = client.create_topics(7, vec![wanted("bad", partitions, replicas)], false).remove(0);
        assert_eq!(error(result.error_code), expected, "{partitions} partitions, {replicas} replicas");
    }
}
