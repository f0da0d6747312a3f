//! The cleaner over all logs of a node.

use std::fs;

use super::*;
use crate::log::tests::dirs::Node;
use crate::log::{CleanerSettings, LogCleaner, LogDirs};
use crate::types::BrokerEpoch;

fn settings() -> CleanerSettings {
    CleanerSettings {
        threads: 1,
        dedupe_buffer_size: 1 << 20,
        io_buffer_load_factor: 0.9,
        io_buffer_size: 64 << 10,
        io_max_bytes_per_second: f64::MAX,
        backoff: Millis(15_000),
    }
}

fn cleaner(dirs: &Arc<LogDirs>) -> Arc<LogCleaner> {
    Arc::new(LogCleaner::new(dirs.clone(), settings()))
}

fn partition(n: i32) -> TopicPartition {
    TopicPartition::new("t", n)
}

fn config() -> Arc<TopicConfig> {
    Arc::new(bench().config)
}

fn open(node: &Node) -> Arc<LogDirs> {
    let dirs = node.claim(1).unwrap();
    dirs.load(&|_| config()).unwrap();
    Arc::new(dirs)
}

fn create(dirs: &LogDirs, n: i32) -> Arc<Log> {
    dirs.create(&partition(n), TopicId::ONE, config(), None).unwrap()
}

fn write(log: &Log, updates: i64) {
    for n in 0..updates {
        put(log, n, &[(&format!("k{}", n % 4), &format!("{n:060}"))]);
    }
}

fn checkpoint(node: &Node, dir: usize) -> String {
    fs::read_to_string(node.path(dir).join("cleaner-offset-checkpoint")).unwrap_or_default()
}

const NOW: Millis = Millis(1_000_000);

#[test]
fn the_dirtiest_log_comes_first_and_the_checkpoint_tells() {
    let node = Node::new(1);
    let dirs = open(&node);
    let logs = [create(&dirs, 0), create(&dirs, 1), create(&dirs, 2)];
    let cleaner = cleaner(&dirs);
    assert!(!cleaner.clean_next(0, NOW), "empty logs are not cleaned");
    write(&logs[0], 40);
    write(&logs[1], 60);
    put(&logs[2], 1, &[("k", "only in the active segment")]);
    let ends: Vec<i64> = logs.iter().map(|log| log.active().base().0).collect();
    assert!(cleaner.clean_next(0, NOW) && cleaner.clean_next(0, NOW) && !cleaner.clean_next(0, NOW));
    assert_eq!(cleaner.measures().max_dirty_ratio, 0.0);
    let mut lines: Vec<String> = checkpoint(&node, 0).lines().map(str::to_string).collect();
    lines[2..].sort();
    assert_eq!(lines, ["0", "2", &format!("t 0 {}", ends[0]), &format!("t 1 {}", ends[1])]);
    assert!(cleaner.measures().recopy_ratio() > 0.0 && cleaner.measures().max_utilization() > 0.0);

    // A little that is new does not make a clean log dirty; much does.
    for (log, updates) in [(&logs[0], 1), (&logs[1], 200)] {
        write(log, updates);
        log.roll().unwrap();
    }
    assert!(cleaner.clean_next(0, NOW));
    assert_eq!(logs[1].cleaning.cleaned_to(), Some(logs[1].end_offset()));
    assert_eq!(logs[0].cleaning.cleaned_to(), Some(Offset(ends[0])));

    dirs.close(BrokerEpoch(1)).unwrap();
    drop((cleaner, logs, dirs));
    let dirs = open(&node);
    assert_eq!(dirs.get(&partition(0)).unwrap().cleaning.cleaned_to(), Some(Offset(ends[0])));
    assert_eq!(dirs.get(&partition(2)).unwrap().cleaning.cleaned_to(), None);
}

#[test]
fn a_damaged_log_is_set_aside_with_its_reason_and_others_go_on() {
    let node = Node::new(1);
    let dirs = open(&node);
    let logs = [create(&dirs, 0), create(&dirs, 1)];
    logs.iter().for_each(|log| write(log, 40));
    let path = logs[0].segments.load()[1].path(crate::log::names::FileKind::Log);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let cleaner = cleaner(&dirs);
    while logs[1].cleaning.cleaned_to().is_none() || logs[0].cleaning.uncleanable().is_none() {
        cleaner.clean_next(0, NOW);
    }
    let listed = cleaner.uncleanable();
    assert_eq!((listed.len(), listed[0].1.len()), (1, 1));
    let uncleanable = &listed[0].1[0];
    assert_eq!(uncleanable.partition, partition(0));
    assert!(uncleanable.reason.contains("checksum") && uncleanable.bytes > 0, "{uncleanable:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the damage is left to be seen");
    assert!(logs[0].failure().is_none() && !cleaner.clean_next(0, NOW));
    put(&logs[0], 1, &[("k", "it still takes records")]);
    dirs.delete(&partition(0), NOW).unwrap();
    assert!(cleaner.uncleanable()[0].1.is_empty());
}

#[test]
fn marks_go_with_topics_and_move_with_replicas() {
    let node = Node::new(2);
    let dirs = open(&node);
    let log = create(&dirs, 0);
    write(&log, 40);
    let cleaner = cleaner(&dirs);
    assert!(cleaner.clean_next(0, NOW));
    let from = dirs.place_of(&log).unwrap();
    let line = format!("t 0 {}", log.cleaning.cleaned_to().unwrap());
    assert!(checkpoint(&node, from).contains(&line));

    write(&log, 200);
    dirs.start_move(&partition(0), &node.path(1 - from)).unwrap();
    assert!(!cleaner.clean_next(0, NOW), "what is being copied stays as it is");
    node.tick(&dirs, 1);
    let moved = dirs.get(&partition(0)).unwrap();
    assert_eq!(dirs.place_of(&moved), Some(1 - from));
    assert_eq!(moved.cleaning.cleaned_to(), log.cleaning.cleaned_to());
    assert!(checkpoint(&node, 1 - from).contains(&line) && !checkpoint(&node, from).contains("t 0"));
    assert!(cleaner.clean_next(0, NOW));

    dirs.delete(&partition(0), NOW).unwrap();
    assert!(!checkpoint(&node, 1 - from).contains("t 0"), "the next topic of that name is not clean");
}

#[test]
fn retention_of_compacted_logs_is_the_cleaners() {
    let node = Node::new(1);
    let dirs = open(&node);
    let log = create(&dirs, 0);
    let mut config = bench().config;
    (config.cleanup_policy.delete, config.retention_ms) = (true, 10);
    // Of each segment something is left: an empty one would be as old as its file.
    for n in 0..40 {
        put(&log, n, &[(&format!("k{n}"), &format!("{n:060}"))]);
    }
    log.update_config(Arc::new(config));
    let end = log.end_offset();
    node.tick(&dirs, 600_000);
    assert_eq!(log.log_start_offset(), Offset(0));
    let cleaner = cleaner(&dirs);
    cleaner.clean_next(0, NOW);
    assert_eq!(log.log_start_offset(), end);
    put(&log, 1_000_000, &[("k", "v")]);
    assert_eq!(Cleanable::of(&log, 0, NOW).unwrap().first_dirty, end, "the mark follows the start");
}

#[test]
fn a_mark_outside_the_log_counts_for_nothing() {
    for mark in [-7, 1, 1_000_000] {
        let node = Node::new(1);
        let dirs = open(&node);
        let log = create(&dirs, 0);
        write(&log, 40);
        log.delete_records_before(Offset(5)).unwrap();
        log.cleaning.set_cleaned_to(Offset(mark));
        assert_eq!(Cleanable::of(&log, 0, NOW).unwrap().first_dirty, Offset(5), "{mark}");
    }
}

#[test]
fn threads_come_go_and_stop() {
    let node = Node::new(1);
    let dirs = open(&node);
    let cleaner = cleaner(&dirs);
    let logs: Vec<Arc<Log>> = (0..4).map(|n| create(&dirs, n)).collect();
    logs.iter().for_each(|log| write(log, 100));
    for threads in [1, 3, 2, 4] {
        cleaner.run_with(CleanerSettings { threads, backoff: Millis(1), ..settings() }).unwrap();
    }
    while logs.iter().any(|log| log.cleaning.cleaned_to().is_none()) {
        std::thread::yield_now();
    }
    assert_eq!(cleaner.dead_threads(), 0);
    // A rate that would take for ever does not hold up the end.
    cleaner.run_with(CleanerSettings { io_max_bytes_per_second: 1.0, backoff: Millis(1), ..settings() }).unwrap();
    logs.iter().for_each(|log| write(log, 600));
    cleaner.stop();
    assert_eq!(logs.iter().map(|log| records(log).len()).filter(|count| *count < 4).count(), 0);
}
