//! Damage that comes after the writing: it is found, named, and not served.

use std::fs;

use super::dirs::Node;
use super::*;
use crate::log::{BadBatch, LogDirs, Scrubber};

/// Batches of a sealed segment, and one of a second.
const BATCHES: i64 = 10;

/// A log whose first segment is sealed, with one byte flipped in the middle of the batch with this offset.
fn damaged(bench: &mut Bench, offset: i64, at: usize) -> Arc<Log> {
    bench.config.segment_bytes = 2_000;
    let log = bench.open_new();
    while log.segment_count() == 1 {
        append(&log, batch(&[1], 100, Compression::None));
    }
    assert!(log.end_offset().0 > BATCHES);
    flip(&bench.dir(), offset, at);
    log
}

fn flip(dir: &Path, offset: i64, at: usize) {
    let path = dir.join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let len = batch(&[1], 100, Compression::None).len();
    bytes[offset as usize * len + at] ^= 1;
    fs::write(&path, bytes).unwrap();
}

fn node() -> (Node, Arc<LogDirs>) {
    let node = Node::new(1);
    let dirs = Arc::new(node.claim(1).unwrap());
    dirs.load(&|_| Arc::new(topic_config())).unwrap();
    (node, dirs)
}

/// A log of so many small segments.
fn of_segments(dirs: &LogDirs, topic: &str, count: usize) -> Arc<Log> {
    let config = Arc::new(TopicConfig { segment_bytes: 2_000, ..topic_config() });
    let log = dirs.create(&TopicPartition::new(topic, 0), TopicId::ONE, config, None).unwrap();
    while log.segment_count() < count {
        append(&log, batch(&[1], 100, Compression::None));
    }
    log
}

fn found(log: &Log) -> Vec<i64> {
    log.bad_batches().iter().map(|BadBatch { offset, .. }| offset.0).collect()
}

fn checked(log: &Log, offset: i64) -> bool {
    let read = log.read(Offset(offset), 1 << 20, log.end_offset(), true).unwrap();
    assert!(read.is_sealed);
    log.check_read(read.first_batch_base, &read.range.unwrap()).unwrap()
}

#[test]
fn what_lies_before_a_bad_batch_is_read_and_the_reader_told_then() {
    let mut bench = Bench::new();
    let log = damaged(&mut bench, 4, 90);
    assert!(checked(&log, 5), "what is read does not hold it");
    assert!(found(&log).is_empty());
    assert!(!checked(&log, 1));
    assert_eq!(found(&log), [4]);
    assert_eq!(read(&log, 1, 1 << 20, 10, true), [(1, 1), (2, 2), (3, 3)]);
    assert!(checked(&log, 1), "what is left is good");
    let error = log.read(Offset(4), 1 << 20, log.end_offset(), true).unwrap_err();
    let LogError::Damaged { offset, position, file, .. } = error else { panic!("{error}") };
    assert_eq!((offset.0, position), (4, 4 * batch(&[1], 100, Compression::None).len() as u64));
    assert!(file.ends_with("00000000000000000000.log"));
    assert_eq!(read(&log, 5, 1, 10, true), [(5, 5)], "what lies behind it can be read");
}

#[test]
fn a_header_that_cannot_be_read_ends_what_is_read() {
    let mut bench = Bench::new();
    // The magic byte.
    let log = damaged(&mut bench, 4, 16);
    assert_eq!(read(&log, 1, 400, 10, true).first(), Some(&(1, 1)));
    assert!(!checked(&log, 0));
    assert_eq!(read(&log, 1, 1 << 20, 10, true), [(1, 1), (2, 2), (3, 3)]);
    assert!(matches!(log.read(Offset(4), 1, log.end_offset(), true), Err(LogError::Damaged { .. })));
}

/// A file that cannot be read: the kernel refuses the first page of a process with EIO.
#[test]
fn a_device_that_cannot_read_takes_its_directory_offline_alone() {
    let node = Node::new(2);
    let dirs = node.claim(1).unwrap();
    dirs.load(&|_| Arc::new(topic_config())).unwrap();
    let create = |name: &str| dirs.create(&TopicPartition::new(name, 0), TopicId::ONE, Arc::new(topic_config()), None);
    let (sick, well) = (create("a").unwrap(), create("b").unwrap());
    for log in [&sick, &well] {
        append(log, batch(&[1], 10, Compression::None));
    }
    assert_ne!(sick.dir().parent(), well.dir().parent());
    sick.active().close_files();
    // As for a reader that lags behind, who is not told from memory where the batches are.
    sick.active().recent.clear();
    let path = sick.dir().join("00000000000000000000.log");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
    let error = sick.read(Offset(0), 1 << 20, Offset(1), true).unwrap_err();
    assert!(error.is_device_failure() && sick.failure().is_some(), "{error}");
    node.tick(&dirs, 1);
    let failed: Vec<bool> = dirs.dirs().iter().map(|dir| dir.failure().is_some()).collect();
    assert_eq!(failed.iter().filter(|failed| **failed).count(), 1);
    assert!(dirs.has_failed(sick.partition()) && !dirs.has_failed(well.partition()));
    append(&well, batch(&[1], 10, Compression::None));
    assert_eq!(read_all(&well, 0, 1 << 20).len(), 2);
}

#[test]
fn a_round_finds_what_is_bad_and_the_next_one_waits_a_day() {
    let (_node, dirs) = node();
    let log = of_segments(&dirs, "t", 3);
    flip(&log.dir(), 2, 90);
    flip(&log.dir(), 6, 90);
    let scrubber = Scrubber::new(dirs.clone(), u64::MAX);
    let now = Millis(1_000_000);
    let next = scrubber.round(0, now);
    assert_eq!(found(&log), [2, 6]);
    assert_eq!(next, now + Millis(86_400_000));
    let sealed: u64 = log.segments.load()[..2].iter().map(|segment| segment.size()).sum();
    assert_eq!((scrubber.measures().checked_bytes, scrubber.measures().rounds), (sealed, 1));
    // Another scrubber, as after a restart.
    let scrubber = Scrubber::new(dirs.clone(), u64::MAX);
    assert_eq!(scrubber.round(0, now + Millis(5_000)), next);
    assert_eq!(scrubber.measures().checked_bytes, 0);
    scrubber.round(0, next);
    assert_eq!(scrubber.measures().checked_bytes, sealed);
}

#[test]
fn a_round_goes_on_where_it_was_stopped() {
    let (node, dirs) = node();
    let log = of_segments(&dirs, "t", 4);
    let second = log.segments.load()[1].base();
    fs::write(node.path(0).join(".ottla-scrub"), format!("0\n999000 begun\nt 0 {second}\n")).unwrap();
    let scrubber = Scrubber::new(dirs.clone(), u64::MAX);
    assert_eq!(scrubber.round(0, Millis(1_000_000)), Millis(999_000 + 86_400_000));
    assert_eq!(scrubber.measures().checked_bytes, log.segments.load()[2].size());
}

#[test]
fn a_round_holds_no_log_but_the_one_it_is_at() {
    let (_node, dirs) = node();
    let logs = ["a", "b"].map(|topic| Arc::downgrade(&of_segments(&dirs, topic, 2)));
    // A byte a second: it is at the first log for as long as this takes.
    let scrubber = Scrubber::new(dirs.clone(), 1);
    std::thread::scope(|scope| {
        scope.spawn(|| scrubber.round(0, Millis(1_000_000)));
        while scrubber.measures().checked_bytes == 0 {
            std::thread::yield_now();
        }
        dirs.delete(&TopicPartition::new("b", 0), Millis(1_000_000)).unwrap();
        let held = logs.map(|log| log.upgrade().is_some());
        scrubber.stop();
        assert_eq!(held, [true, false]);
    });
}
