//! Reads by offset and by time.

use super::*;

/// Trap: a read cut by its budget inside a sealed segment must go on in the next one.
#[test]
fn every_budget_finds_every_batch_across_segments() {
    let mut bench = Bench::new();
    (bench.config.segment_bytes, bench.config.index_interval_bytes) = (4_000, 500);
    let log = bench.open_new();
    for n in 0..200 {
        append(&log, batch(&vec![1000 + n; 1 + n as usize % 3], 40 + n as usize % 90, Compression::None));
    }
    assert!(log.segment_count() > 4);
    let expected = read_all(&log, 0, 1);
    assert_eq!(expected.len(), 200);
    for max_bytes in [100, 137, 500, 1_000, 3_999, 4_000, 100_000] {
        assert_eq!(read_all(&log, 0, max_bytes), expected, "budget {max_bytes}");
    }
    for (base, last) in &expected {
        for offset in *base..=*last {
            assert_eq!(read(&log, offset, 1, i64::MAX, true), [(*base, *last)], "offset {offset}");
        }
    }
}

#[test]
fn budget_upper_bound_and_range_are_kept() {
    let bench = Bench::new();
    let log = bench.open_new();
    for _ in 0..10 {
        append(&log, batch(&[1, 2], 100, Compression::None));
    }
    let len = log.read(Offset(0), 1, Offset(20), true).unwrap().range.unwrap().len;
    assert_eq!(read(&log, 0, len - 1, 20, false), []);
    assert_eq!(read(&log, 0, len - 1, 20, true), [(0, 1)]);
    assert_eq!(read(&log, 0, 3 * len - 1, 20, true), [(0, 1), (2, 3)]);
    assert_eq!(read(&log, 3, 1 << 20, 8, true), [(2, 3), (4, 5), (6, 7)]);
    assert_eq!(read(&log, 4, 1 << 20, 7, true), [(4, 5)]);
    assert_eq!(read(&log, 4, 1 << 20, 4, true), []);
    assert_eq!(read(&log, 20, 1 << 20, 20, true), []);
    let error = log.read(Offset(21), 1, Offset(20), true).unwrap_err();
    assert!(matches!(error, LogError::OffsetOutOfRange { .. }), "{error}");
    log.delete_records_before(Offset(5)).unwrap();
    assert!(log.read(Offset(4), 1, Offset(20), true).is_err());
    assert_eq!(read(&log, 5, 1, 20, true), [(4, 5)]);
}

#[test]
fn times_lead_to_the_exact_record() {
    let mut bench = Bench::new();
    (bench.config.segment_bytes, bench.config.index_interval_bytes) = (2_000, 200);
    for compression in Compression::ALL {
        let log = bench.open(false, 0).unwrap();
        log.truncate_fully(Offset::ZERO).unwrap();
        for n in 0..60 {
            append(&log, batch(&[n * 100, n * 100 + 50, n * 100 + 20], 60, compression));
        }
        let found = |timestamp| log.offset_for_timestamp(Millis(timestamp)).unwrap().map(|found| found.offset.0);
        for n in 0..60 {
            assert_eq!(found(n * 100), Some(n * 3), "{compression:?}");
            assert_eq!(found(n * 100 + 1), Some(n * 3 + 1));
            assert_eq!(found(n * 100 + 50), Some(n * 3 + 1));
        }
        assert_eq!(found(5_951), None);
        let max = log.max_timestamp_offset().unwrap().unwrap();
        assert_eq!((max.timestamp, max.offset), (Millis(5_950), Offset(178)));
        log.delete_records_before(Offset(31)).unwrap();
        assert_eq!(found(0), Some(31));
    }
}

#[test]
fn an_empty_log_answers_politely() {
    let bench = Bench::new();
    let log = bench.open_new();
    assert_eq!(read(&log, 0, 100, 0, true), []);
    assert!(log.read(Offset(1), 1, Offset(1), true).is_err());
    assert_eq!(log.offset_for_timestamp(Millis(0)).unwrap(), None);
    assert_eq!(log.max_timestamp_offset().unwrap(), None);
}

#[test]
fn a_gap_between_batches_leads_to_the_next_one() {
    let bench = Bench::new();
    let log = bench.open_new();
    for base in [0i64, 10, 5_000_000_000] {
        let mut builder = BatchBuilder::new(Offset(base)).leader_epoch(LeaderEpoch(3));
        builder.append(Millis(1), None, Some(b"v"), &[]);
        log.append_as_follower(&builder.build()).unwrap();
    }
    assert_eq!(log.segment_count(), 2, "offsets of a segment fit into 31 bits");
    for (asked, found) in [(0, 0), (1, 10), (10, 10), (11, 5_000_000_000), (4_000_000_000, 5_000_000_000)] {
        assert_eq!(read(&log, asked, 1, i64::MAX, true)[0].0, found, "asked {asked}");
    }
    assert_eq!(log.end_offset(), Offset(5_000_000_001));
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(3)));
}
