//! Transactions in a compacted log: aborted records go at once, markers when nobody can need them.

use std::collections::BTreeSet;

use super::*;
use crate::log::AbortedTxn;
use crate::protocol::control::{ControlType, EndTxnMarker};

pub fn data(producer: i64, sequence: i32, timestamp: i64, records: &[(&str, &str)]) -> Bytes {
    let builder = BatchBuilder::new(Offset::ZERO);
    let mut builder = builder.producer(ProducerId(producer), ProducerEpoch(0), sequence).transactional();
    fill(&mut builder, timestamp, records);
    builder.build()
}

pub fn end(log: &Log, producer: i64, commit: bool, timestamp: i64) -> i64 {
    let marker = EndTxnMarker { commit, coordinator_epoch: 0, timestamp: Millis(timestamp) };
    follow(log, marker.batch(Offset::ZERO, LeaderEpoch(0), (ProducerId(producer), ProducerEpoch(0))))
}

/// What a reader of committed records gets, as Kafka's consumer sorts it out: without the records of transactions that
/// the broker names as aborted.
pub fn committed(log: &Log) -> Vec<Found> {
    let stable = log.last_stable_offset(log.high_watermark());
    let mut upcoming = log.aborted_transactions(log.log_start_offset(), stable).unwrap();
    upcoming.sort_by_key(|txn: &AbortedTxn| std::cmp::Reverse(txn.first_offset));
    let mut aborted = BTreeSet::new();
    let mut found = Vec::new();
    for batch in batches(log, log.log_start_offset().0, 1 << 20) {
        let header = BatchHeader::parse(&batch).unwrap();
        if header.next_offset() > stable {
            break;
        }
        while let Some(txn) = upcoming.pop_if(|txn| txn.first_offset <= header.last_offset()) {
            aborted.insert(txn.producer_id);
        }
        if header.is_control() {
            let kinds = control_kinds(&batch);
            if kinds.contains(&ControlType::Abort) {
                aborted.remove(&header.producer_id);
            }
        } else if !header.is_transactional() || !aborted.contains(&header.producer_id) {
            found.extend(records_of(&batch));
        }
    }
    found
}

fn control_kinds(batch: &Bytes) -> Vec<ControlType> {
    records_of(batch).iter().map(|found| ControlType::parse(found.key.as_deref()).unwrap()).collect()
}

/// Offsets and kinds of the markers that are left.
fn markers(log: &Log) -> Vec<(i64, Vec<ControlType>)> {
    let control = |batch: &Bytes| BatchHeader::parse(batch).unwrap().is_control();
    let described = |batch: Bytes| (BatchHeader::parse(&batch).unwrap().base_offset.0, control_kinds(&batch));
    batches(log, 0, 1 << 20).into_iter().filter(control).map(described).collect()
}

fn compact(log: &Arc<Log>, now: i64) {
    put(log, now, &[("filler", "1")]);
    log.roll().unwrap();
    clean(log, now);
}

#[test]
fn aborted_records_go_and_markers_follow_when_nothing_is_left() {
    let mut bench = bench();
    bench.config.delete_retention_ms = 1_000;
    let log = bench.open_new();
    put(&log, 1, &[("a", "kept")]);
    follow(&log, data(1, 0, 1, &[("a", "aborted"), ("b", "aborted")]));
    follow(&log, data(2, 0, 1, &[("c", "committed")]));
    assert_eq!((end(&log, 1, false, 5), end(&log, 2, true, 5)), (4, 5));
    // So that these producers' last batches are others.
    follow(&log, data(1, 2, 9, &[("d", "later")]));
    follow(&log, data(2, 1, 9, &[("d", "last")]));
    end(&log, 1, true, 9);
    end(&log, 2, true, 9);

    compact(&log, 5_000);
    assert_eq!(told(&log)[..2], ["0 a=kept", "3 c=committed"]);
    assert_eq!(markers(&log)[..2], [(4, vec![ControlType::Abort]), (5, vec![ControlType::Commit])]);
    let aborted = log.aborted_transactions(Offset(0), Offset(20)).unwrap();
    assert_eq!(aborted.len(), 1, "a reader in the old segments may have met the records");

    // Nothing of the aborted transaction was met this time: the marker's time begins to run out.
    put(&log, 5_000, &[("c", "replaced")]);
    compact(&log, 6_000);
    let marker = headers(&log).into_iter().find(|header| header.base_offset.0 == 4).unwrap();
    assert_eq!(marker.delete_horizon(), Some(Millis(7_000)));
    assert_eq!(log.aborted_transactions(Offset(0), Offset(20)).unwrap(), []);
    assert_eq!(markers(&log)[1].0, 5, "a record of the committed one was still there to be met");

    compact(&log, 7_000);
    assert_eq!(markers(&log)[0].0, 5);
    compact(&log, 8_000);
    assert!(!markers(&log).iter().any(|(offset, _)| [4, 5].contains(offset)), "{:?}", markers(&log));
    log.close().unwrap();
    let log = bench.open(true, 0).unwrap();
    assert_eq!(records(&log).iter().filter(|found| found.key.as_deref() == Some(b"a")).count(), 1);
}

#[test]
fn nothing_beyond_an_open_transaction_is_cleaned() {
    let bench = bench();
    let log = bench.open_new();
    put(&log, 1, &[("a", "1")]);
    log.roll().unwrap();
    put(&log, 2, &[("a", "2")]);
    log.roll().unwrap();
    follow(&log, data(1, 0, 3, &[("a", "open")]));
    log.roll().unwrap();
    put(&log, 4, &[("a", "4")]);
    log.roll().unwrap();
    clean(&log, 5_000);
    assert_eq!(told(&log), ["1 a=2", "2 a=open", "3 a=4"]);
    end(&log, 1, false, 5);
    log.roll().unwrap();
    clean(&log, 5_000);
    assert_eq!(committed(&log).len(), 1);
    assert_eq!(records(&log).iter().filter(|found| found.value.as_deref() == Some(b"open")).count(), 0);
}

#[test]
fn an_aborted_transaction_over_several_segments_is_found_in_all() {
    let mut bench = bench();
    bench.config.segment_bytes = 400;
    let log = bench.open_new();
    let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
    for (n, key) in keys.iter().enumerate() {
        follow(&log, data(1, n as i32, 1, &[(key, "aborted")]));
        put(&log, 1, &[(key, "kept")]);
    }
    assert!(log.segment_count() > 10);
    end(&log, 1, false, 2);
    log.roll().unwrap();
    let kept: Vec<String> = committed(&log).iter().map(|found| format!("{found:?}")).collect();
    assert_eq!(kept.len(), 40);
    // Also where the memory for keys makes it several passes that end in the middle of the transaction.
    for _ in 0..30 {
        try_clean(&log, 5_000, 5).unwrap();
        assert_eq!(committed(&log).iter().map(|found| format!("{found:?}")).collect::<Vec<_>>(), kept);
    }
    assert_eq!(records(&log).iter().filter(|found| found.value.as_deref() == Some(b"aborted")).count(), 0);
}
