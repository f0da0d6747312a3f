//! Traps of periodic work: each job's effect, seen from outside.

use std::fs;
use std::path::Path;

use crate::support::{Broker, Client, Fetch, batch, batch_at, error, eventually, now_ms, value_of_len};
use ottla::types::ErrorCode;

const OFTEN: (&str, &str) = ("log.retention.check.interval.ms", "50");
const SMALL_SEGMENTS: (&str, &str) = ("segment.bytes", "1048576");

/// Names in a directory that end in `suffix`.
pub fn names(dir: &Path, suffix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.ends_with(suffix)).collect()
}

pub fn bytes_on_disk(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

fn fill(client: &mut Client, topic: &str, timestamp: i64, batches: usize) {
    let value = value_of_len(100_000);
    client.append_many(topic, batches, &batch_at(timestamp, &[&value]));
}

#[test]
fn trap_02_retention_by_time_goes_by_the_records_and_takes_the_active_segment() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("mixed", 1, &[]);
    client.append("mixed", 0, batch(&[b"now"]));
    client.append("mixed", 0, batch_at(1, &[b"1970"]));
    client.create_topic("old", 1, &[]);
    // Twice, so that by then every partition has been looked at.
    for _ in 0..2 {
        let end = client.append("old", 0, batch_at(1, &[b"1970", b"1970"])) + 2;
        eventually("the start moves to the end", || client.start_offset("old") == end);
        assert_eq!(client.end_offset("old"), end);
        let answer = client.fetch(&Fetch::new("old", 0));
        assert_eq!(error(answer.error_code), ErrorCode::OffsetOutOfRange);
    }
    assert_eq!(client.start_offset("mixed"), 0, "one recent record keeps its segment");
}

#[test]
fn trap_02_retention_by_time_takes_only_segments_that_are_old() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[SMALL_SEGMENTS, ("retention.ms", "3600000"), ("file.delete.delay.ms", "0")]);
    let now = now_ms();
    // The new ones first: who holds the start holds all.
    fill(&mut client, "t", now, 1);
    fill(&mut client, "t", now - 7_200_000, 30);
    client.create_topic("u", 1, &[SMALL_SEGMENTS, ("retention.ms", "3600000"), ("file.delete.delay.ms", "0")]);
    fill(&mut client, "u", now - 7_200_000, 30);
    fill(&mut client, "u", now, 30);
    let dir = broker.directory.data().join("u-0");
    eventually("the old segments go", || client.start_offset("u") >= 20);
    eventually("their bytes are free", || bytes_on_disk(&dir) < 4_500_000);
    assert!(client.start_offset("u") <= 30, "a recent record went");
    assert_eq!(client.start_offset("t"), 0);
    assert_eq!(client.end_offset("u"), 60);
}

#[test]
fn trap_02_retention_by_size_frees_the_disk_after_the_delay() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    let size = ("retention.bytes", "2000000");
    client.create_topic("waits", 1, &[SMALL_SEGMENTS, size, ("file.delete.delay.ms", "3600000")]);
    client.create_topic("hurries", 1, &[SMALL_SEGMENTS, size, ("file.delete.delay.ms", "100")]);
    for topic in ["waits", "hurries"] {
        fill(&mut client, topic, now_ms(), 60);
        eventually("the start moves", || client.start_offset(topic) >= 20);
    }
    let [waits, hurries] = ["waits-0", "hurries-0"].map(|name| broker.directory.data().join(name));
    // Not a byte less than asked for is kept, and not a segment more.
    eventually("enough segments go", || bytes_on_disk(&hurries) < 3_200_000);
    assert!(bytes_on_disk(&hurries) >= 2_000_000);
    eventually("the delay passes", || names(&hurries, ".deleted").is_empty());
    assert!(names(&waits, ".log.deleted").len() >= 3, "the delay has not passed: {:?}", names(&waits, ""));
    assert!(bytes_on_disk(&waits) >= 6_000_000);
    let start = client.start_offset("hurries");
    assert_eq!(error(client.fetch(&Fetch::new("hurries", start)).error_code), ErrorCode::None);
    assert_eq!(client.end_offset("hurries"), 60);
}

#[test]
fn trap_02_deleted_records_free_their_segments() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[SMALL_SEGMENTS, ("file.delete.delay.ms", "0")]);
    fill(&mut client, "t", now_ms(), 35);
    let dir = broker.directory.data().join("t-0");
    assert!(bytes_on_disk(&dir) > 3_500_000);
    let result = client.delete_records("t", 0, 33);
    assert_eq!((error(result.error_code), result.low_watermark), (ErrorCode::None, 33));
    assert_eq!(client.start_offset("t"), 33);
    eventually("the segments before it go", || bytes_on_disk(&dir) < 1_200_000);
    assert_eq!(client.end_offset("t"), 35);
}

#[test]
fn trap_02_a_deleted_topic_leaves_the_disk_after_the_delay() {
    let broker = Broker::start(&[OFTEN]);
    let mut client = broker.client();
    client.create_topic("hurries", 1, &[("file.delete.delay.ms", "50")]);
    client.create_topic("waits", 1, &[("file.delete.delay.ms", "3600000")]);
    fill(&mut client, "hurries", now_ms(), 2);
    fill(&mut client, "waits", now_ms(), 2);
    client.delete_topic("waits");
    client.delete_topic("hurries");
    let data = broker.directory.data();
    let left = |topic: &str| names(&data, "").into_iter().filter(|name| name.starts_with(topic)).collect::<Vec<_>>();
    eventually("its directory goes", || left("hurries").is_empty());
    let [waiting] = &left("waits")[..] else { panic!("{:?}", left("waits")) };
    assert!(waiting.starts_with("waits-0.") && waiting.ends_with("-delete"), "{waiting}");
    // The name is free again, and what it held before is gone.
    client.create_topic("hurries", 1, &[]);
    assert_eq!(client.end_offset("hurries"), 0);
}
