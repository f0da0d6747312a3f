//! Configs, and what else is kept in the metadata.

use bytes::Bytes;
use ottla::protocol::StrBytes;
use ottla::protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use ottla::protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla::protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use ottla::protocol::messages::describe_producers_request::TopicRequest;
use ottla::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla::protocol::messages::{
    AlterUserScramCredentialsRequest, DescribeConfigsRequest, DescribeProducersRequest, IncrementalAlterConfigsRequest,
};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, batch_of, error, eventually, producer_batch, topic_name};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Sources as DescribeConfigs numbers them.
const OF_TOPIC: i8 = 1;
const OF_BROKER: i8 = 2;
const OF_DEFAULT_BROKER: i8 = 3;
const STATIC: i8 = 4;
const DEFAULT: i8 = 5;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn alter(client: &mut Client, kind: i8, name: &str, operation: i8, key: &str, value: &str) -> ErrorCode {
    let value = (operation != DELETE).then(|| text(value));
    let config = AlterableConfig::default().with_name(text(key)).with_config_operation(operation).with_value(value);
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    error(client.call(1, &request).responses[0].error_code)
}

fn describe(client: &mut Client, kind: i8, name: &str, key: &str) -> DescribeConfigsResourceResult {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
    let mut result = client.call(4, &request).results.remove(0);
    assert_eq!(error(result.error_code), ErrorCode::None, "{:?}", result.error_message);
    result.configs.remove(0)
}

#[test]
fn synonyms_come_from_the_topic_down_to_the_default() {
    let mut broker = Broker::start(&[("log.retention.hours", "7"), ("message.max.bytes", "3000000")]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[("max.message.bytes", "1000000")]);
    assert_eq!(alter(&mut client, BROKER, "", SET, "message.max.bytes", "1500000"), ErrorCode::None);
    assert_eq!(alter(&mut client, BROKER, "1", SET, "message.max.bytes", "2000000"), ErrorCode::None);
    for _ in 0..2 {
        let mut client = broker.client();
        let found = describe(&mut client, TOPIC, "t", "max.message.bytes");
        assert_eq!((found.value.as_deref(), found.config_source), (Some("1000000"), OF_TOPIC));
        let synonyms: Vec<_> =
            found.synonyms.iter().map(|s| (s.name.as_str(), s.value.as_deref().unwrap_or(""), s.source)).collect();
        let expected = [
            ("max.message.bytes", "1000000", OF_TOPIC),
            ("message.max.bytes", "2000000", OF_BROKER),
            ("message.max.bytes", "1500000", OF_DEFAULT_BROKER),
            ("message.max.bytes", "3000000", STATIC),
            ("message.max.bytes", "1048588", DEFAULT),
        ];
        assert_eq!(synonyms, expected);
        broker.kill();
        broker.launch();
    }
    let found = describe(&mut broker.client(), TOPIC, "t", "retention.ms");
    // Kafka begins a list of synonyms at the one it looks for, here log.retention.ms, so that hours count as default.
    assert_eq!((found.value.as_deref(), found.config_source), (Some("25200000"), DEFAULT));
}

#[test]
fn a_changed_config_is_in_force_when_it_is_answered() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append("t", 0, batch_of(5_000));
    assert_eq!(alter(&mut client, TOPIC, "t", SET, "max.message.bytes", "4000"), ErrorCode::None);
    assert_eq!(error(client.produce("t", 0, batch_of(5_000)).error_code), ErrorCode::MessageTooLarge);
    assert_eq!(alter(&mut client, TOPIC, "t", DELETE, "max.message.bytes", ""), ErrorCode::None);
    client.append("t", 0, batch_of(5_000));
    assert_eq!(alter(&mut client, BROKER, "", SET, "message.max.bytes", "4000"), ErrorCode::None);
    assert_eq!(error(client.produce("t", 0, batch_of(5_000)).error_code), ErrorCode::MessageTooLarge);
}

#[test]
fn configs_that_cannot_be_altered_are_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    assert_eq!(alter(&mut client, TOPIC, "t", DELETE, "retention.ms", ""), ErrorCode::None, "never set");
    for key in ["num.partitions", "broker.id"] {
        assert_eq!(alter(&mut client, BROKER, "1", SET, key, "5"), ErrorCode::InvalidRequest, "{key}");
    }
    let unknown = ["message.timestamp.difference.max.ms", "message.downconversion.enable", "no.such.key"];
    for key in unknown {
        assert_eq!(alter(&mut client, TOPIC, "t", SET, key, "1"), ErrorCode::InvalidConfig, "{key}");
    }
    assert_eq!(alter(&mut client, TOPIC, "t", SET, "retention.ms", "soon"), ErrorCode::InvalidConfig);
    assert_eq!(alter(&mut client, TOPIC, "t", SET, "segment.bytes", "1000"), ErrorCode::InvalidConfig);
    assert_eq!(alter(&mut client, TOPIC, "u", SET, "retention.ms", "1000"), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn with_elr_every_topic_shows_min_insync_replicas_of_the_cluster() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let found = describe(&mut client, TOPIC, "t", "min.insync.replicas");
    assert_eq!((found.value.as_deref(), found.config_source), (Some("1"), OF_DEFAULT_BROKER));
}

#[test]
fn two_credentials_of_one_user_in_one_request_are_duplicates() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    let credential = |mechanism| {
        ScramCredentialUpsertion::default()
            .with_name(text("alice"))
            .with_mechanism(mechanism)
            .with_iterations(8_192)
            .with_salt(Bytes::from_static(b"salt"))
            .with_salted_password(Bytes::from_static(b"password"))
    };
    let mut upsert = |mechanisms: &[i8]| {
        let upsertions = mechanisms.iter().copied().map(credential).collect();
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(upsertions);
        error(client.call(0, &request).results[0].error_code)
    };
    assert_eq!(upsert(&[1, 2]), ErrorCode::DuplicateResource);
    assert_eq!(upsert(&[1]), ErrorCode::None);
}

#[test]
fn a_stored_config_that_is_ignored_is_told_once_at_start() {
    let mut broker = Broker::start(&[]);
    let (port, controller_port) = (broker.directory.port, broker.directory.controller_port);
    let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}");
    assert_eq!(alter(&mut broker.client(), BROKER, "1", SET, "listeners", &listeners), ErrorCode::None);
    let told = |broker: &Broker| broker.directory.log().matches("dynamic config listeners is ignored").count();
    broker.stop();
    let before = told(&broker);
    broker.launch();
    assert_eq!(told(&broker), before + 1);
}

/// How many producers partition 0 of `t` remembers.
fn producers(client: &mut Client) -> usize {
    let topic = TopicRequest::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    client.call(0, &request).topics[0].partitions[0].active_producers.len()
}

#[test]
fn producers_are_forgotten_after_the_time_that_is_set_while_the_broker_runs() {
    let every_50_ms = ["log.retention.check.interval.ms", "producer.id.expiration.check.interval.ms"];
    let mut broker = Broker::start(&every_50_ms.map(|key| (key, "50")));
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append("t", 0, producer_batch(7, 0, 0, &[b"a"]));
    assert_eq!(producers(&mut client), 1);
    assert_eq!(alter(&mut client, BROKER, "", SET, "producer.id.expiration.ms", "1"), ErrorCode::None);
    eventually("the producer is forgotten", || producers(&mut client) == 0);
    assert_eq!(alter(&mut client, BROKER, "", SET, "producer.id.expiration.ms", "86400000"), ErrorCode::None);
    client.append("t", 0, producer_batch(8, 0, 0, &[b"a"]));
    assert_eq!(alter(&mut client, BROKER, "", SET, "producer.id.expiration.ms", "1"), ErrorCode::None);
    broker.kill();
    broker.launch();
    assert_eq!(producers(&mut broker.client()), 0, "what is stored holds while the logs are opened");
}

#[test]
fn a_topic_may_have_segments_as_small_as_it_likes() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[("internal.segment.bytes", "2000")]);
    client.append_many("t", 10, &batch_of(900));
    let files = std::fs::read_dir(broker.directory.data().join("t-0")).expect("the partition's directory");
    let logs = files.filter(|file| file.as_ref().expect("an entry").path().extension().is_some_and(|end| end == "log"));
    assert_eq!(logs.count(), 5);
    assert_eq!(error(client.produce("t", 0, batch_of(2_001)).error_code), ErrorCode::RecordListTooLarge);
    let found = describe(&mut client, TOPIC, "t", "internal.segment.bytes");
    assert_eq!((found.value.as_deref(), found.config_source), (Some("2000"), OF_TOPIC));
}

/// A controller leaves it to brokers to check their configs, and they ignore what cannot be applied.
#[test]
fn a_controller_takes_broker_configs_as_they_are() {
    let mut broker = Broker::start(&[("log.dirs", "data,more")]);
    let mut controller = Client::connect(broker.directory.controller_port);
    let mut set = |name: &str, key: &str, value: &str| alter(&mut controller, BROKER, name, SET, key, value);
    assert_eq!(set("1", "num.partitions", "9"), ErrorCode::None);
    assert_eq!(set("", "log.retention.ms", "soon"), ErrorCode::None);
    for name in ["one", "-1", "1x"] {
        assert_eq!(set(name, "log.roll.ms", "5"), ErrorCode::InvalidRequest, "{name}");
    }
    assert_eq!(set("77", "log.roll.ms", "5"), ErrorCode::BrokerIdNotRegistered);
    let more = broker.directory.path().join("more");
    let more = more.to_str().expect("a plain path");
    assert_eq!(set("1", "cordoned.log.dirs", more), ErrorCode::InvalidConfig);
    for _ in 0..2 {
        let found = describe(&mut broker.client(), BROKER, "1", "num.partitions");
        assert_eq!((found.value.as_deref(), found.config_source), (Some("1"), DEFAULT));
        broker.stop();
        broker.launch();
    }
}

/// Kafka's controller would take it, and its brokers read it at their next start.
#[test]
fn what_guards_access_is_refused_at_every_listener() {
    let broker = Broker::start(&[]);
    for port in [broker.directory.port, broker.directory.controller_port] {
        let mut client = Client::connect(port);
        let code = alter(&mut client, BROKER, "", SET, "listener.name.plaintext.ssl.client.auth", "required");
        assert!([ErrorCode::InvalidConfig, ErrorCode::InvalidRequest].contains(&code), "{code:?}");
    }
}
