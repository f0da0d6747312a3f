//! Traps of stopping, starting and dying.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::{BufMut, BytesMut};
use ottla::protocol::StrBytes;
use ottla::protocol::batch::{BatchBuilder, BatchHeader, split_batches};
use ottla::protocol::kraft::{FeatureLevelRecord, MetadataRecord};
use ottla::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla::protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use ottla::protocol::wire::put_unsigned_varint;
use ottla::types::{ErrorCode, Millis};

use crate::support::{
    Broker, Client, Directory, batch, batch_at, error, eventually, now_ms, refused, topic_name, value_of_len,
};

const MARKER: &str = ".kafka_cleanshutdown";

#[test]
fn trap_07_a_record_larger_than_every_buffer_is_recovered() {
    let mut broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[("max.message.bytes", "33554432")]);
    let values = [value_of_len(10), value_of_len(24 << 20), value_of_len(11), value_of_len(5 << 20)];
    for value in &values {
        client.append("t", 0, batch(&[value]));
    }
    for _ in 0..2 {
        broker.kill();
        broker.launch();
        let mut client = broker.client();
        assert_eq!(client.end_offset("t"), 4);
        assert!(client.values("t", 0) == values, "a value came back changed");
    }
    assert_eq!(broker.client().append("t", 0, batch(&[b"goes on"])), 4);
}

/// A broker with two directories, one partition in each.
fn with_two_directories() -> (Broker, [PathBuf; 2]) {
    let broker = Broker::start(&[("log.dirs", "data,more")]);
    let dirs = [broker.directory.path().join("data"), broker.directory.path().join("more")];
    broker.client().create_topic("t", 2, &[]);
    (broker, dirs)
}

#[test]
fn trap_10_a_clean_stop_leaves_the_marker_in_every_directory() {
    let (mut broker, dirs) = with_two_directories();
    let markers =
        || -> Vec<Option<String>> { dirs.iter().map(|dir| fs::read_to_string(dir.join(MARKER)).ok()).collect() };
    assert_eq!(markers(), [None, None]);
    broker.stop();
    let left = markers();
    let text = left[0].as_ref().expect("a marker");
    let epoch: i64 = text
        .strip_prefix("{\"version\":0,\"brokerEpoch\":")
        .and_then(|rest| rest.trim_end().strip_suffix('}'))
        .and_then(|epoch| epoch.parse().ok())
        .unwrap_or_else(|| panic!("{text} is not Kafka's marker"));
    assert!(epoch >= 0, "{text}");
    assert_eq!(left[0], left[1]);
    broker.launch();
    assert_eq!(markers(), [None, None], "a marker that stays would make the next crash look clean");
    broker.kill();
    assert_eq!(markers(), [None, None]);
}

/// Turns one byte of a value near the start of a partition's log, and forgets what was flushed.
fn damage(broker: &Broker) {
    let data = broker.directory.data();
    let path = data.join("t-0/00000000000000000000.log");
    let mut bytes = fs::read(&path).expect("a log file");
    bytes[100] ^= 0x55;
    fs::write(&path, bytes).expect("it is written");
    fs::write(data.join("recovery-point-offset-checkpoint"), "0\n0\n").expect("it is written");
}

#[test]
fn trap_10_a_start_after_a_clean_stop_reads_no_log() {
    let mut broker = Broker::start(&[]);
    broker.client().create_topic("t", 1, &[]);
    let value = value_of_len(500);
    broker.client().append_many("t", 20, &batch(&[&value]));
    broker.stop();
    // Only who reads the records can see this, and with the marker in place nobody has to.
    damage(&broker);
    broker.launch();
    assert_eq!(broker.client().end_offset("t"), 20);
    assert_eq!(broker.client().append("t", 0, batch(&[b"served"])), 20);
    assert!(!broker.directory.log().contains("00000000000000000000.log"), "the log was looked into");
    // The same damage after a crash is noticed: the test sees what it says it sees.
    broker.kill();
    fs::write(broker.directory.data().join("recovery-point-offset-checkpoint"), "0\n0\n").expect("it is written");
    broker.launch();
    assert!(broker.directory.log().contains("t-0/00000000000000000000.log"), "{}", broker.directory.log());
}

/// The base offsets of a partition's segments.
fn segments(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).expect("the partition's directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"));
    names.filter(|name| name.ends_with(".log")).collect()
}

#[test]
fn trap_10_sealed_segments_outlive_a_restart_under_retention() {
    let mut broker = Broker::start(&[("log.retention.check.interval.ms", "50"), ("log.retention.ms", "3600000")]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[("segment.bytes", "1048576")]);
    client.create_topic("old", 1, &[]);
    let value = value_of_len(100_000);
    client.append_many("t", 40, &batch(&[&value]));
    let dir = broker.directory.data().join("t-0");
    let sealed = segments(&dir);
    assert!(sealed.len() >= 4);
    let stops: [fn(&mut Broker); 2] = [Broker::stop, Broker::kill];
    for stop in stops {
        stop(&mut broker);
        broker.launch();
        // What is old goes, twice: so what is left was looked at and kept.
        let mut client = broker.client();
        for _ in 0..2 {
            let end = client.append("old", 0, batch_at(1, &[b"1970"])) + 1;
            eventually("an old record is deleted", || client.start_offset("old") == end);
        }
        assert_eq!(segments(&dir), sealed);
        assert_eq!(client.start_offset("t"), 0);
        assert_eq!(client.end_offset("t"), 40);
    }
}

fn commit(client: &mut Client, offset: i64) {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(StrBytes::from_string(format!("note {offset}"))));
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("g")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let partition = client.call(8, &request).topics.remove(0).partitions.remove(0);
    assert_eq!(error(partition.error_code), ErrorCode::None);
}

fn committed(client: &mut Client) -> (ErrorCode, i64, String) {
    let topic = OffsetFetchRequestTopics::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_static_str("g")))
        .with_topics(Some(vec![topic]));
    let group = client.call(8, &OffsetFetchRequest::default().with_groups(vec![group])).groups.remove(0);
    if group.error_code != 0 {
        return (error(group.error_code), -1, String::new());
    }
    let partition = &group.topics[0].partitions[0];
    (error(partition.error_code), partition.committed_offset, partition.metadata.as_deref().unwrap_or("").to_string())
}

#[test]
fn trap_12_a_committed_offset_that_was_answered_outlives_kill_9() {
    let mut broker = Broker::start(&[]);
    broker.client().create_topic("t", 1, &[]);
    broker.client().find_coordinator("g");
    for offset in 1..=5 {
        let mut client = broker.client();
        commit(&mut client, offset);
        broker.kill();
        broker.launch();
        let mut client = broker.client();
        let mut answer = committed(&mut client);
        eventually("the group is loaded", || {
            answer = committed(&mut client);
            !matches!(answer.0, ErrorCode::CoordinatorLoadInProgress | ErrorCode::CoordinatorNotAvailable)
        });
        assert_eq!(answer, (ErrorCode::None, offset, format!("note {offset}")));
    }
}

/// The newest file of the metadata log, and the header of its last batch.
fn last_metadata_batch(directory: &Directory) -> (PathBuf, BatchHeader) {
    let dir = directory.data().join("__cluster_metadata-0");
    let path = dir.join(segments(&dir).last().expect("a segment"));
    let bytes = fs::read(&path).expect("the file");
    let last = split_batches(&bytes).filter_map(Result::ok).last().expect("a batch");
    (path, last.header)
}

/// Starts on a metadata log that ends with `record`; what the refusal says.
fn refusal_of(record: &[u8]) -> String {
    let mut broker = Broker::start(&[]);
    broker.client().create_topic("t", 1, &[]);
    broker.stop();
    let (path, last) = last_metadata_batch(&broker.directory);
    let mut builder = BatchBuilder::new(last.next_offset()).leader_epoch(last.leader_epoch);
    builder.append(Millis(now_ms()), None, Some(record), &[]);
    let mut bytes = fs::read(&path).expect("the file");
    bytes.extend(builder.build());
    fs::write(&path, bytes).expect("it is written");
    let log = refused(&broker.directory);
    assert!(broker.directory.data().join("t-0").is_dir(), "nothing is deleted");
    log
}

/// The frame of a metadata record: frame version, key and version, then a body that only its writer knows.
fn metadata_record(key: u32, version: u32) -> Vec<u8> {
    let mut out = BytesMut::new();
    [1, key, version].into_iter().for_each(|number| put_unsigned_varint(&mut out, number));
    out.put_slice(&[0; 16]);
    out.to_vec()
}

#[test]
fn trap_17_an_unknown_metadata_record_stops_the_start() {
    let log = refusal_of(&metadata_record(199, 0));
    assert!(log.contains("199"), "{log}");
}

#[test]
fn trap_17_an_unknown_version_of_a_known_record_stops_the_start() {
    let log = refusal_of(&metadata_record(2, 77));
    assert!(log.contains("TopicRecord") && log.contains("77"), "{log}");
}

#[test]
fn trap_17_an_unknown_metadata_version_stops_the_start() {
    let level = FeatureLevelRecord { name: "metadata.version".to_string(), feature_level: 31 };
    let log = refusal_of(&MetadataRecord::FeatureLevel(level).encode(0).expect("version 0 has the fields"));
    assert!(log.contains("metadata.version") && log.contains("31"), "{log}");
}
