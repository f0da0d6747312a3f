//! Producer states in the log: duplicates, transactions, snapshots.

use super::*;
use crate::log::AbortedTxn;
use crate::protocol::control::EndTxnMarker;

pub(super) fn produced(producer: i64, sequence: i32, records: usize, transactional: bool) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO).producer(ProducerId(producer), ProducerEpoch(0), sequence);
    if transactional {
        builder = builder.transactional();
    }
    for _ in 0..records {
        builder.append(Millis(10), None, Some(b"v"), &[]);
    }
    builder.build()
}

pub(super) fn follow(log: &Log, records: Bytes) {
    log.append_as_follower(&placed(log, records)).unwrap();
    log.set_high_watermark(log.end_offset());
}

/// A batch with the offset and the epoch that it would get from a leader.
pub(super) fn placed(log: &Log, records: Bytes) -> Bytes {
    let mut records = records.to_vec();
    records[..8].copy_from_slice(&log.end_offset().0.to_be_bytes());
    records[12..16].copy_from_slice(&0i32.to_be_bytes());
    Bytes::from(records)
}

pub(super) fn marker(log: &Log, producer: i64, commit: bool) {
    follow(log, end_of_transaction(log, producer, commit));
}

/// The end of a producer's transaction, as the next batch of a log.
pub(super) fn end_of_transaction(log: &Log, producer: i64, commit: bool) -> Bytes {
    let marker = EndTxnMarker { commit, coordinator_epoch: 0, timestamp: Millis(20) };
    marker.batch(log.end_offset(), LeaderEpoch(0), (ProducerId(producer), ProducerEpoch(0)))
}

#[test]
fn a_repeated_batch_gets_its_old_offsets_also_after_a_restart() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 400;
    let mut log = bench.open_new();
    for clean in [false, true, false] {
        let sequence = log.end_offset().0 as i32;
        for n in 0..4 {
            let info = append(&log, produced(7, sequence + n * 3, 3, false));
            assert_eq!((info.first_offset.0 as i32, info.duplicate), (sequence + n * 3, false));
        }
        let info = append(&log, produced(7, sequence + 9, 3, false));
        assert_eq!((info.first_offset.0 as i32, info.last_offset.0 as i32), (sequence + 9, sequence + 11));
        assert!(info.duplicate);
        let batches = validated(produced(7, sequence + 20, 1, false), AppendOrigin::Client);
        let error = log.append(batches, LeaderEpoch(0), AppendOrigin::Client).unwrap_err();
        assert!(matches!(error, LogError::Producer(_)), "{error}");
        if clean {
            log.close().unwrap();
        }
        drop(log);
        log = bench.open(clean, 0).unwrap();
        let info = append(&log, produced(7, sequence + 9, 3, false));
        assert!(info.duplicate, "the last batch of each producer outlives a restart");
    }
}

#[test]
fn open_transactions_hold_readers_back_and_aborted_ones_are_found() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 300;
    let log = bench.open_new();
    follow(&log, produced(1, 0, 2, true));
    follow(&log, produced(2, 0, 2, true));
    assert_eq!(log.last_stable_offset(log.high_watermark()), Offset(0));
    marker(&log, 1, false);
    assert_eq!(log.last_stable_offset(log.high_watermark()), Offset(2));
    marker(&log, 2, true);
    assert_eq!(log.last_stable_offset(log.high_watermark()), Offset(6));
    follow(&log, produced(3, 0, 1, true));
    let aborted = AbortedTxn {
        producer_id: ProducerId(1),
        first_offset: Offset(0),
        last_offset: Offset(4),
        last_stable_offset: Offset(2),
    };
    assert_eq!(log.aborted_transactions(Offset(0), Offset(6)).unwrap(), [aborted]);
    assert_eq!(log.aborted_transactions(Offset(5), Offset(6)).unwrap(), []);
    drop(log);
    let log = bench.open(false, 0).unwrap();
    log.set_high_watermark(log.end_offset());
    assert_eq!(log.aborted_transactions(Offset(0), Offset(6)).unwrap(), [aborted]);
    assert_eq!(log.last_stable_offset(log.high_watermark()), Offset(6));
    assert_eq!(log.producers().len(), 3);
    marker(&log, 3, false);
    assert_eq!(log.last_stable_offset(log.high_watermark()), Offset(8));
    log.truncate(crate::log::Truncation { to: Offset(7) }).unwrap();
    assert_eq!(log.aborted_transactions(Offset(0), Offset(9)).unwrap(), [aborted]);
    assert_eq!(log.last_stable_offset(log.high_watermark()), Offset(6));
}

#[test]
fn readers_are_told_of_the_aborted_transactions_of_what_they_read() {
    let mut bench = Bench::new();
    bench.config.index_interval_bytes = 1;
    let log = bench.open_new();
    for producer in 1..=4 {
        follow(&log, produced(producer, 0, 1, true));
        marker(&log, producer, false);
    }
    let told = |from: i64, max_bytes: usize| {
        let read = log.read(Offset(from), max_bytes, log.end_offset(), true).unwrap();
        let aborted = log.aborted_in(Offset(from), &read).unwrap();
        aborted.iter().map(|txn| txn.producer_id.0).collect::<Vec<_>>()
    };
    assert_eq!(told(0, 1), [1], "one batch");
    assert_eq!(told(0, 1 << 20), [1, 2, 3, 4]);
    assert_eq!(told(4, 1), [3]);
    assert_eq!(told(5, 1 << 20), [3, 4], "the marker of the third ends it");
    assert_eq!(told(8, 1 << 20), [0; 0], "nothing is read");
}
