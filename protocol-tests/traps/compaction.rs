//! Traps of compaction: its effect seen from outside, and what it leaves readable.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use ottla::protocol::StrBytes;
use ottla::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla::protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use ottla::types::ErrorCode;

use super::retention::{bytes_on_disk, names};
use crate::support::{
    Broker, Client, Directory, Fetch, KeyedRecord, error, eventually, keyed_batch, keyed_records_in, now_ms,
    topic_name, value_of_len,
};

const OFTEN: (&str, &str) = ("log.cleaner.backoff.ms", "20");
const COMPACTED: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "1048576"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("file.delete.delay.ms", "0"),
];
const VALUE_BYTES: usize = 50_000;
/// A topic among the types of resources.
const TOPIC: i8 = 2;

/// Appends one record of a key: a large value that begins with `number`, or a deletion.
fn put(client: &mut Client, topic: &str, key: &str, number: Option<u32>) -> i64 {
    let value = number.map(|number| [&number.to_be_bytes()[..], &value_of_len(VALUE_BYTES)].concat());
    client.append(topic, 0, keyed_batch(now_ms(), &[(key.as_bytes(), value.as_deref())]))
}

/// All records from `offset` to the end the topic has now.
fn read(client: &mut Client, topic: &str, offset: i64) -> Vec<KeyedRecord> {
    let mut fetch = Fetch { partition_max_bytes: 300_000, ..Fetch::new(topic, offset) };
    let end = client.end_offset(topic);
    let mut found = Vec::new();
    while fetch.offset < end {
        let answer = client.fetch(&fetch);
        assert_eq!(error(answer.error_code), ErrorCode::None);
        let bytes = answer.records.expect("never null");
        assert!(!bytes.is_empty(), "nothing from {} on, before the end {end}", fetch.offset);
        let (records, next) = keyed_records_in(&bytes);
        found.extend(records.into_iter().filter(|record| record.offset >= fetch.offset));
        fetch.offset = next;
    }
    found
}

fn number_of(record: &KeyedRecord) -> Option<u32> {
    let value = record.value.as_ref()?;
    Some(u32::from_be_bytes(value[..4].try_into().expect("a number")))
}

/// By key, the offset and number of its last record, without deleted ones.
fn table(records: &[KeyedRecord]) -> BTreeMap<String, (i64, u32)> {
    let mut table = BTreeMap::new();
    for record in records {
        let key = String::from_utf8(record.key.clone().expect("a key")).expect("text");
        match number_of(record) {
            Some(number) => table.insert(key, (record.offset, number)),
            None => table.remove(&key),
        };
    }
    table
}

#[test]
fn trap_02_compaction_keeps_the_last_value_of_each_key_and_frees_the_rest() {
    let mut broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("t", 1, &COMPACTED);
    let mut expected = BTreeMap::new();
    for n in 0..150u32 {
        let key = format!("k{}", n % 7);
        let offset = put(&mut client, "t", &key, Some(n));
        expected.insert(key, (offset, n));
    }
    let dir = broker.directory.data().join("t-0");
    eventually("seven values and the active segment are left", || bytes_on_disk(&dir) < 1_500_000);
    for _ in 0..2 {
        assert_eq!(table(&read(&mut client, "t", 0)), expected);
        assert_eq!((client.start_offset("t"), client.end_offset("t")), (0, 150));
        broker.kill();
        broker.launch();
        client = broker.client();
    }
    // A kill may have come before it was written; then the log is looked through once more.
    let path = broker.directory.data().join("cleaner-offset-checkpoint");
    let is_there = || std::fs::read_to_string(&path).is_ok_and(|checkpoint| checkpoint.starts_with("0\n1\nt 0 1"));
    eventually("the checkpoint tells how far the log is clean", is_there);
}

#[test]
fn trap_02_deleted_keys_are_forgotten_when_their_time_is_over() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[&COMPACTED[..], &[("delete.retention.ms", "200")]].concat());
    put(&mut client, "t", "deleted", Some(1));
    let tombstone = put(&mut client, "t", "deleted", None);
    let mut n = 0;
    // Something new each time, so that there is something to clean.
    eventually("the tombstone goes", || {
        put(&mut client, "t", &format!("k{}", n % 3), Some(n));
        n += 1;
        n % 25 == 0 && read(&mut client, "t", 0).iter().all(|record| record.offset > tombstone)
    });
    assert!(!table(&read(&mut client, "t", 0)).contains_key("deleted"));
    assert_eq!(client.start_offset("t"), 0);
}

#[test]
fn trap_02_a_topic_may_be_compacted_and_cut_as_well() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    let both = [("cleanup.policy", "compact,delete"), ("retention.ms", "3600000"), COMPACTED[1], COMPACTED[3]];
    client.create_topic("t", 1, &both);
    let old = keyed_batch(now_ms() - 7_200_000, &[(b"old", Some(b"\0\0\0\x01"))]);
    client.append("t", 0, old);
    eventually("the old record goes", || client.start_offset("t") == 1);
    assert_eq!(put(&mut client, "t", "new", Some(1)), 1);
    assert_eq!(table(&read(&mut client, "t", 1)).len(), 1);
}

#[test]
fn trap_02_a_compacted_topic_can_be_deleted_and_made_anew_at_any_time() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    for round in 0..4u32 {
        client.create_topic("t", 1, &COMPACTED);
        for n in 0..60 {
            put(&mut client, "t", &format!("k{}", n % 5), Some(n + round));
        }
        assert_eq!(table(&read(&mut client, "t", 0)).len(), 5);
        client.delete_topic("t");
    }
    client.create_topic("t", 1, &COMPACTED);
    put(&mut client, "t", "k", Some(1));
    assert_eq!(read(&mut client, "t", 0).len(), 1);
    assert!(!broker.directory.log().contains("panicked"));
}

#[test]
fn trap_02_committed_offsets_are_compacted() {
    let mut broker =
        Broker::start(&[OFTEN, ("offsets.topic.segment.bytes", "1048576"), ("log.segment.delete.delay.ms", "0")]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.find_coordinator("g");
    for offset in 0..700 {
        commit(&mut client, offset);
    }
    let data = broker.directory.data();
    let dirs = || (0..2).map(|n| data.join(format!("__consumer_offsets-{n}")));
    eventually("old commits go", || dirs().map(|dir| bytes_on_disk(&dir)).sum::<u64>() < 1_200_000);
    assert_eq!(committed(&mut client), 699);
    broker.kill();
    broker.launch();
    let mut client = broker.client();
    client.find_coordinator("g");
    eventually("the group is loaded", || committed(&mut client) == 699);
}

#[test]
fn trap_03_compacted_segments_can_be_found_in_from_every_offset() {
    let mut broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("t", 1, &COMPACTED);
    for n in 0..120u32 {
        put(&mut client, "t", &format!("k{}", n % 40), Some(n));
    }
    let dir = broker.directory.data().join("t-0");
    eventually("it is compacted", || bytes_on_disk(&dir) < 3_300_000);
    for round in 0..2 {
        let all = read(&mut client, "t", 0);
        for from in (0..120).step_by(7) {
            let expected: Vec<_> = all.iter().filter(|record| record.offset >= from).cloned().collect();
            assert_eq!(read(&mut client, "t", from), expected, "from {from}");
        }
        for record in all.iter().step_by(5) {
            let found = client.list_offset("t", 0, record.timestamp);
            assert!(found.timestamp >= record.timestamp && found.offset <= record.offset, "{found:?}");
        }
        let mut logs = names(&dir, ".log");
        logs.sort();
        // What is appended to has its indexes in memory.
        for log in &logs[..logs.len() - 1] {
            let index = std::fs::metadata(dir.join(log.replace(".log", ".index"))).expect("an index").len();
            let size = std::fs::metadata(dir.join(log)).expect("a log").len();
            assert!(index > 0 || size < 200_000, "{log} of {size} bytes without an index");
        }
        if round == 0 {
            broker.stop();
            broker.launch();
            client = broker.client();
        }
    }
}

#[test]
fn trap_03_a_log_is_not_held_in_memory_while_it_is_compacted() {
    const WRITTEN: u32 = 1_600;
    const KEPT: u32 = 400;
    // A fraction of what the log holds, and more than the buffers of a cleaning.
    const ALLOWED: u64 = 24 << 20;
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[&COMPACTED[..], &[("min.compaction.lag.ms", "3600000")]].concat());
    for n in 0..WRITTEN {
        put(&mut client, "t", &format!("k{}", n % KEPT), Some(n));
    }
    let dir = broker.directory.data().join("t-0");
    assert!(bytes_on_disk(&dir) > 3 * ALLOWED);
    let before = broker.memory("VmHWM");
    client.set_config(TOPIC, "t", "min.compaction.lag.ms", "0");
    eventually("it is compacted", || bytes_on_disk(&dir) < ALLOWED);
    let grown = broker.memory("VmHWM") - before;
    assert!(grown < ALLOWED, "{} MiB more memory to compact", grown >> 20);
    assert_eq!(table(&read(&mut client, "t", 0)).len(), KEPT as usize);
}

#[test]
fn trap_02_a_damaged_partition_is_left_alone_and_told_while_others_are_compacted() {
    let broker = Broker::start_in(Directory::new(&[OFTEN]).with_admin());
    let mut client = broker.client();
    client.create_topic("bad", 1, &[&COMPACTED[..], &[("min.compaction.lag.ms", "3600000")]].concat());
    client.create_topic("good", 1, &COMPACTED);
    for n in 0..45 {
        put(&mut client, "bad", &format!("k{}", n % 5), Some(n));
    }
    let log = broker.directory.data().join("bad-0/00000000000000000000.log");
    let file = OpenOptions::new().write(true).open(log).expect("the oldest segment");
    file.write_all_at(b"damage", 70_000).expect("it is damaged");
    client.set_config(TOPIC, "bad", "min.compaction.lag.ms", "0");
    let metric = |name: &str| {
        let text = broker.directory.metrics();
        text.lines().find(|line| line.starts_with(&format!("ottla_{name}{{"))).map(str::to_string).unwrap_or_default()
    };
    eventually("it is counted", || metric("log_cleaner_uncleanable_partitions_count").ends_with(" 1.0"));
    let told = metric("log_cleaner_uncleanable_partition");
    assert!(told.contains("topic=\"bad\",partition=\"0\"") && told.contains("checksum does not match"), "{told}");
    for n in 0..60 {
        put(&mut client, "good", &format!("k{}", n % 5), Some(n));
    }
    let dir = broker.directory.data().join("good-0");
    eventually("the other one is compacted", || bytes_on_disk(&dir) < 1_400_000);
    assert_eq!(put(&mut client, "bad", "k", Some(1)), 45);
}

fn commit(client: &mut Client, offset: i64) {
    let note = "n".repeat(4_000);
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(StrBytes::from_string(note)));
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("g")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let partition = client.call(8, &request).topics.remove(0).partitions.remove(0);
    assert_eq!(error(partition.error_code), ErrorCode::None);
}

fn committed(client: &mut Client) -> i64 {
    let topic = OffsetFetchRequestTopics::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_static_str("g")))
        .with_topics(Some(vec![topic]));
    let group = client.call(8, &OffsetFetchRequest::default().with_groups(vec![group])).groups.remove(0);
    if group.error_code != 0 { -1 } else { group.topics[0].partitions[0].committed_offset }
}
