//! Retention, deletion of records and truncation.

use std::sync::atomic::Ordering;

use super::*;
use crate::log::{Truncation, Work};

fn filled(config: impl FnOnce(&mut TopicConfig)) -> (Bench, Arc<Log>) {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 1_000;
    config(&mut bench.config);
    let log = bench.open_new();
    for n in 0..50 {
        append(&log, batch(&[n * 1_000], 100, Compression::None));
    }
    (bench, log)
}

#[test]
fn old_records_go_by_their_own_time_in_the_active_segment_too() {
    let (bench, log) = filled(|config| config.retention_ms = 10_000);
    let (segments, size) = (log.segment_count(), log.size());
    assert_eq!(log.apply_retention(Millis(10_000), log.high_watermark()).unwrap(), 0);
    assert!(log.apply_retention(Millis(40_000), log.high_watermark()).unwrap() > 0);
    let start = log.log_start_offset();
    assert!(start > Offset(20) && start < Offset(31), "start {start}");
    assert!(log.segment_count() < segments && log.size() < size);
    assert_eq!(read_all(&log, start.0, 1).len() as i64, 50 - start.0);
    log.apply_retention(Millis(60_000), log.high_watermark()).unwrap();
    assert_eq!((log.log_start_offset(), log.end_offset(), log.size()), (Offset(50), Offset(50), 0));
    assert_eq!(append(&log, batch(&[70_000], 1, Compression::None)).first_offset, Offset(50));
    assert!(!files(&bench.dir(), ".deleted").is_empty());
    let mut due = bench.clock.load(Ordering::Relaxed);
    due += bench.config.file_delete_delay_ms;
    while let Some(work) = bench.context.work.pop(Millis(due)) {
        if let Work::RemoveFiles(paths) = work {
            paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        }
    }
    assert!(files(&bench.dir(), ".deleted").is_empty());
}

/// Trap: after a restart the largest timestamps must still be known.
#[test]
fn retention_after_a_restart_removes_no_more_than_before() {
    let (bench, log) = filled(|config| config.retention_ms = 10_000);
    log.close().unwrap();
    let log = bench.open(true, 0).unwrap();
    assert_eq!(log.apply_retention(Millis(9_000), log.high_watermark()).unwrap(), 0);
    log.apply_retention(Millis(40_000), log.high_watermark()).unwrap();
    assert!(log.log_start_offset() < Offset(31));
}

#[test]
fn the_oldest_segments_go_while_the_rest_is_large_enough() {
    let (_bench, log) = filled(|config| (config.retention_bytes, config.retention_ms) = (3_000, -1));
    log.apply_retention(Millis(0), log.high_watermark()).unwrap();
    assert!(log.size() >= 3_000 && log.size() < 4_000, "{} bytes", log.size());
}

#[test]
fn nothing_goes_behind_the_high_watermark_nor_from_a_compacted_topic() {
    let (_bench, log) = filled(|config| config.retention_ms = 0);
    log.apply_retention(Millis(i64::MAX), Offset(12)).unwrap();
    assert!(log.log_start_offset() <= Offset(12));
    let (_bench, log) = filled(|config| {
        (config.retention_ms, config.cleanup_policy.delete, config.cleanup_policy.compact) = (0, false, true);
    });
    assert_eq!(log.apply_retention(Millis(i64::MAX), log.high_watermark()).unwrap(), 0);
}

#[test]
fn deleted_records_free_their_segments() {
    let (bench, log) = filled(|config| config.retention_ms = -1);
    assert_eq!(log.delete_records_before(Offset(33)).unwrap(), Offset(33));
    assert!(log.delete_records_before(Offset(51)).is_err());
    assert_eq!(log.delete_records_before(Offset(10)).unwrap(), Offset(33));
    let size = log.size();
    assert!(log.apply_retention(Millis(0), log.high_watermark()).unwrap() > 0);
    assert!(log.size() < size);
    assert_eq!(read_all(&log, 33, 1).first().unwrap().0, 33);
    log.close().unwrap();
    let mut options = bench.options(true, 0);
    options.log_start = Offset(33);
    let log = Log::open(&options, bench.context.clone()).unwrap();
    assert_eq!(log.log_start_offset(), Offset(33));
}

#[test]
fn truncation_cuts_whole_batches_and_their_epochs() {
    let (bench, log) = filled(|_| {});
    log.assign_epoch(LeaderEpoch(4), Offset(40));
    assert!(!log.truncate(Truncation { to: Offset(50) }).unwrap());
    for to in [45, 30, 7, 1] {
        assert!(log.truncate(Truncation { to: Offset(to) }).unwrap());
        assert_eq!(log.end_offset(), Offset(to));
        assert_eq!(read_all(&log, 0, 1).len() as i64, to);
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(if to > 40 { 4 } else { 0 })));
        let max = log.max_timestamp_offset().unwrap().unwrap();
        assert_eq!(max.offset, Offset(to - 1));
    }
    append(&log, batch(&[9], 10, Compression::None));
    drop(log);
    let log = bench.open(false, 0).unwrap();
    assert_eq!(log.end_offset(), Offset(2));
    log.truncate_fully(Offset(500)).unwrap();
    assert_eq!((log.log_start_offset(), log.end_offset()), (Offset(500), Offset(500)));
    assert_eq!(append(&log, batch(&[9], 10, Compression::None)).first_offset, Offset(500));
}

#[test]
fn segments_roll_by_the_age_of_their_records() {
    let mut bench = Bench::new();
    bench.config.segment_ms = 1_000;
    let log = bench.open_new();
    for (timestamp, segments) in [(0, 1), (1_000, 1), (1_001, 2), (2_001, 2), (500, 2), (2_002, 3)] {
        append(&log, batch(&[timestamp], 10, Compression::None));
        assert_eq!(log.segment_count(), segments, "at {timestamp}");
    }
}

#[test]
fn segments_roll_when_an_index_is_full() {
    let mut bench = Bench::new();
    (bench.config.index_interval_bytes, bench.config.segment_index_bytes) = (0, 80);
    let log = bench.open_new();
    for n in 0..40 {
        append(&log, batch(&[n], 10, Compression::None));
    }
    assert!(log.segment_count() > 4);
    assert_eq!(read_all(&log, 0, 1).len(), 40);
}
