//! Records that count once they are synced, and the measure of what is not.

use super::*;
use crate::config::TopicPatterns;
use crate::log::disk::stop;

fn synced() -> Bench {
    let bench = Bench::new();
    bench.context.acknowledge_synced(TopicPatterns::parse("other,t*").unwrap(), None);
    bench
}

fn produce(log: &Log) -> LogAppendInfo {
    append(log, batch(&[1, 2], 100, Compression::None))
}

#[test]
fn the_high_watermark_waits_for_the_sync_that_all_appends_share() {
    let bench = synced();
    let log = bench.open_new();
    assert!(log.acks_after_sync());
    for _ in 0..5 {
        produce(&log);
    }
    assert_eq!((log.end_offset(), log.high_watermark(), log.recovery_point()), (Offset(10), Offset(0), Offset(0)));
    assert_eq!(log.unsynced_bytes(), log.size());
    log.sync_appended();
    assert_eq!((log.high_watermark(), log.recovery_point(), log.unsynced_bytes()), (Offset(10), Offset(10), 0));
    produce(&log);
    assert_eq!(log.high_watermark(), Offset(10));
    assert_eq!(log.unsynced_bytes(), log.size() / 6);
    log.settle_acks().unwrap();
    assert_eq!(log.high_watermark(), Offset(12));
}

#[test]
fn a_topic_that_no_pattern_names_waits_for_nothing() {
    let bench = Bench::new();
    bench.context.acknowledge_synced(TopicPatterns::parse("other").unwrap(), None);
    let log = bench.open_new();
    produce(&log);
    assert!(!log.acks_after_sync());
    assert_eq!((log.high_watermark(), log.recovery_point()), (Offset(2), Offset(0)));
    assert_eq!(log.unsynced_bytes(), log.size());
    log.flush().unwrap();
    assert_eq!(log.unsynced_bytes(), 0);
}

#[test]
fn a_roll_takes_nothing_from_the_sync_of_the_segment_before() {
    let mut bench = synced();
    bench.config.segment_bytes = 500;
    let log = bench.open_new();
    for _ in 0..7 {
        produce(&log);
    }
    assert!(log.segment_count() > 2);
    log.flush_sealed().unwrap();
    assert_eq!(log.unsynced_bytes(), log.active().size());
    log.sync_appended();
    assert_eq!((log.high_watermark(), log.unsynced_bytes()), (Offset(14), 0));
}

#[test]
fn after_a_failed_sync_no_other_makes_the_records_count() {
    let bench = synced();
    let log = bench.open_new();
    produce(&log);
    log.sync_appended();
    produce(&log);
    stop::after(Some(0));
    log.sync_appended();
    stop::after(None);
    let reason = log.failure().expect("out of service");
    assert!(reason.contains(".log") && log.disk_failed(), "{reason}");
    assert!(matches!(log.settle_acks(), Err(LogError::Offline { .. })));
    assert!(matches!(log.flush(), Err(LogError::Offline { .. })));
    assert_eq!((log.high_watermark(), log.recovery_point()), (Offset(2), Offset(2)));
    assert_eq!(log.unsynced_bytes(), log.size() / 2);
}

#[test]
fn what_a_killed_process_left_behind_is_synced_before_it_counts() {
    let bench = synced();
    let log = bench.open_new();
    produce(&log);
    drop(log);
    let log = bench.open(false, 0).unwrap();
    assert_eq!((log.recovery_point(), log.high_watermark()), (Offset(2), Offset(2)));
    assert_eq!(log.unsynced_bytes(), 0);
    stop::after(Some(0));
    drop(log);
    let failed = bench.open(false, 0);
    stop::after(None);
    assert!(failed.is_err());
}

#[test]
fn a_truncated_end_counts_again_only_when_it_is_written_and_synced_again() {
    let bench = synced();
    let log = bench.open_new();
    for _ in 0..3 {
        produce(&log);
    }
    log.sync_appended();
    log.truncate(crate::log::Truncation { to: Offset(2) }).unwrap();
    assert_eq!((log.high_watermark(), log.recovery_point()), (Offset(2), Offset(2)));
    produce(&log);
    assert_eq!(log.high_watermark(), Offset(2));
    log.sync_appended();
    assert_eq!(log.high_watermark(), Offset(4));
}
