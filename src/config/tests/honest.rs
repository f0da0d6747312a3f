//! A key that is called obeyed is read by something: its field is named in code outside this folder.

use std::fs;
use std::path::Path;

use crate::config::{BROKER_KEYS, ConfigKey, GROUP_KEYS, Status, TOPIC_KEYS, TopicConfig};

/// Where the values of keys go that have no field of their own name.
const FIELDS: &[(&str, &str)] = &[
    // The other name of node.id.
    ("broker.id", "node_id"),
    // Resolves the values of other keys.
    ("config.providers", "config::load"),
    // The bounds of what a group sets.
    ("group.consumer.max.assignment.interval.ms", "consumer_assignment_interval_ms"),
    ("group.consumer.max.heartbeat.interval.ms", "consumer_heartbeat_interval_ms"),
    ("group.consumer.max.session.timeout.ms", "consumer_session_timeout_ms"),
    ("group.consumer.min.assignment.interval.ms", "consumer_assignment_interval_ms"),
    ("group.consumer.min.heartbeat.interval.ms", "consumer_heartbeat_interval_ms"),
    ("group.consumer.min.session.timeout.ms", "consumer_session_timeout_ms"),
    ("group.share.max.assignment.interval.ms", "share_assignment_interval_ms"),
    ("group.share.max.heartbeat.interval.ms", "share_heartbeat_interval_ms"),
    ("group.share.max.session.timeout.ms", "share_session_timeout_ms"),
    ("group.share.min.assignment.interval.ms", "share_assignment_interval_ms"),
    ("group.share.min.heartbeat.interval.ms", "share_heartbeat_interval_ms"),
    ("group.share.min.session.timeout.ms", "share_session_timeout_ms"),
    ("group.streams.max.assignment.interval.ms", "streams_assignment_interval_ms"),
    ("group.streams.max.heartbeat.interval.ms", "streams_heartbeat_interval_ms"),
    ("group.streams.max.session.timeout.ms", "streams_session_timeout_ms"),
    ("group.streams.min.assignment.interval.ms", "streams_assignment_interval_ms"),
    ("group.streams.min.heartbeat.interval.ms", "streams_heartbeat_interval_ms"),
    ("group.streams.min.session.timeout.ms", "streams_session_timeout_ms"),
    ("group.streams.max.standby.replicas", "streams_num_standby_replicas"),
    // There is only one.
    ("group.share.assignors", "simple"),
    ("group.share.max.delivery.count.limit", "share_delivery_count_limit"),
    ("group.share.max.partition.max.record.locks", "share_partition_max_record_locks"),
    ("group.share.max.record.lock.duration.ms", "share_record_lock_duration_ms"),
    ("group.share.min.delivery.count.limit", "share_delivery_count_limit"),
    ("group.share.min.partition.max.record.locks", "share_partition_max_record_locks"),
    ("group.share.min.record.lock.duration.ms", "share_record_lock_duration_ms"),
    // With these, the quorum is not a fixed one.
    ("controller.quorum.bootstrap.servers", "controller_quorum_voters"),
    ("controller.listener.names", "advertised_controller_listeners"),
    ("inter.broker.listener.name", "inter_broker_listener_name"),
    ("security.inter.broker.protocol", "inter_broker_listener_name"),
    ("listener.security.protocol.map", "advertised_listeners"),
    ("log.dir", "log_dirs"),
    ("log.flush.scheduler.interval.ms", "flush_ms"),
    ("log.retention.hours", "retention_ms"),
    ("log.retention.minutes", "retention_ms"),
    ("log.roll.hours", "max_segment_ms"),
    ("log.roll.jitter.hours", "segment_jitter_ms"),
    ("log.roll.ms", "max_segment_ms"),
    ("segment.ms", "max_segment_ms"),
    ("process.roles", "process_roles"),
];

#[test]
fn what_is_obeyed_is_read_somewhere() {
    let mut sources = String::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    let mut unread = Vec::new();
    for key in BROKER_KEYS.iter().chain(TOPIC_KEYS).chain(GROUP_KEYS).filter(|key| key.status == Status::Obeyed) {
        let given = FIELDS.iter().find(|(name, _)| *name == key.name).map(|(_, field)| (*field).to_owned());
        let of_topic = TOPIC_KEYS.iter().find(|topic| topic.synonym == Some(key.name)).map(field);
        let of_group = GROUP_KEYS.iter().find(|group| group.synonym == Some(key.name)).map(field);
        let fields = [given, of_topic, of_group, Some(field(key))];
        if !fields.iter().flatten().any(|field| mentions(&sources, field)) {
            unread.push(key.name);
        }
    }
    assert!(unread.is_empty(), "called obeyed, but nothing outside src/config reads {unread:?}");
}

#[test]
fn a_broker_key_does_what_the_topic_key_does_that_takes_its_value() {
    for key in TOPIC_KEYS {
        let Some(broker) = key.synonym.and_then(|name| BROKER_KEYS.iter().find(|row| row.name == name)) else {
            continue;
        };
        assert_eq!(broker.status, key.status, "{} and {}", key.name, broker.name);
        assert_eq!(TopicConfig::key(key.name).map(|row| row.status), Some(key.status));
    }
}

fn field(key: &ConfigKey) -> String {
    key.name.replace('.', "_")
}

/// Whether `name` stands there as a whole word.
fn mentions(sources: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    sources
        .match_indices(name)
        .any(|(at, _)| !sources[..at].ends_with(part) && !sources[at + name.len()..].starts_with(part))
}

/// All code outside this folder, without tests.
fn collect(dir: &Path, sources: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !["config", "tests", "protocol", "metadata"].contains(&name) {
                collect(&path, sources);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "tidy.rs" {
            let text = fs::read_to_string(&path).unwrap();
            sources.push_str(text.split("#[cfg(test)]\nmod tests").next().unwrap());
        }
    }
}
