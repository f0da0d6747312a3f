//! What stays, and in which form.

use super::*;
use crate::protocol::batch::TimestampType;

#[test]
fn the_last_value_of_each_key_stays_at_its_offset() {
    let bench = bench();
    let log = bench.open_new();
    for round in 0..20 {
        let value = format!("{round:050}");
        for key in 0..5 {
            put(&log, round * 10 + key, &[(&format!("k{key}"), &value), (&format!("only{round}"), &value)]);
        }
    }
    let before = records(&log);
    let (segments, active) = (log.segment_count(), log.active().base().0);
    assert!(segments > 10);
    log.update_config(Arc::new(TopicConfig { segment_bytes: 3_000, ..bench.config.clone() }));
    let stats = clean(&log, 5_000);
    assert_eq!((stats.end.0, log.cleaning.cleaned_to()), (active, Some(Offset(active))));
    assert!(log.segment_count() < segments, "small segments become one");
    let mut expected = before.clone();
    let last_below = |key: &Option<Vec<u8>>| before.iter().rfind(|found| found.offset < active && found.key == *key);
    expected.retain(|found| found.offset >= active || last_below(&found.key) == Some(found));
    assert_eq!(records(&log), expected);
    assert!(stats.bytes_written < stats.bytes_read && stats.records.kept < stats.records.read);

    // Again from every offset, in reads of one batch, so that the new indexes are used.
    for from in 0..log.end_offset().0 {
        let found: Vec<Found> = batches(&log, from, 1).iter().flat_map(records_of).collect();
        let expected: Vec<&Found> = expected.iter().filter(|found| found.offset >= from).collect();
        assert_eq!(found.iter().filter(|found| found.offset >= from).collect::<Vec<_>>(), expected, "from {from}");
    }
    for found in &expected {
        let at = log.offset_for_timestamp(Millis(found.timestamp)).unwrap().unwrap();
        assert!(at.timestamp.0 >= found.timestamp && at.offset.0 <= found.offset, "{at:?} for {found:?}");
    }

    // What was not dirty is left as it is.
    assert_eq!(clean(&log, 6_000).end.0, active);
    assert_eq!(records(&log), expected);
    log.close().unwrap();
    for clean in [true, false] {
        assert_eq!(records(&bench.open(clean, 0).unwrap()), expected);
    }
}

#[test]
fn indexes_of_cleaned_segments_are_complete() {
    let bench = bench();
    let log = bench.open_new();
    for n in 0..200 {
        put(&log, n, &[(&format!("k{}", n % 60), &format!("{n:030}"))]);
    }
    clean(&log, 5_000);
    log.close().unwrap();
    let mut entries = 0;
    for name in files(&bench.dir(), ".log") {
        let path = |ending: &str| bench.dir().join(name.replace(".log", ending));
        let size = std::fs::metadata(path(".log")).unwrap().len();
        let index = std::fs::read(path(".index")).unwrap();
        assert!(size < 200 || !index.is_empty() && std::fs::metadata(path(".timeindex")).unwrap().len() > 0, "{name}");
        let bytes = std::fs::read(path(".log")).unwrap();
        let base: i64 = name[..20].parse().unwrap();
        for entry in index.chunks_exact(8) {
            let field = |at: usize| u32::from_be_bytes(entry[at..at + 4].try_into().unwrap());
            let batch = BatchRef::parse(&bytes[field(4) as usize..]).unwrap();
            assert_eq!(batch.header.last_offset().0, base + i64::from(field(0)));
            entries += 1;
        }
    }
    assert!(entries > 50, "{entries}");
}

#[test]
fn little_memory_takes_more_passes_to_the_same_end() {
    let (one, many) = (bench(), bench());
    let [a, b] = [&one, &many].map(|bench| {
        let log = bench.open_new();
        for n in 0i64..300 {
            put(&log, n, &[(&format!("k{}", n * n % 97), &format!("v{n}")), (&format!("k{}", n % 7), "")]);
        }
        log
    });
    clean(&a, 5_000);
    let mut passes = 0;
    while b.cleaning.cleaned_to().is_none_or(|offset| offset < b.active().base()) {
        let before = b.cleaning.cleaned_to();
        assert!(try_clean(&b, 5_000, 9).unwrap().utilization <= 1.0);
        assert!(b.cleaning.cleaned_to() > before, "each pass comes further");
        passes += 1;
    }
    assert!(passes > 10, "{passes} passes with room for 8 keys");
    assert_eq!(records(&a), records(&b));
}

#[test]
fn batches_keep_their_offsets_codec_and_times() {
    for compression in Compression::ALL {
        let bench = bench();
        let log = bench.open_new();
        put_with(&log, 100, &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")], compression);
        put_with(&log, 200, &[("c", "2"), ("a", "2")], compression);
        put_with(&log, 300, &[("whole", "3")], compression);
        put_with(&log, 400, &[("a", "4"), ("d", "4")], compression);
        log.roll().unwrap();
        put(&log, 500, &[("a", "5")]);
        let before = headers(&log);
        clean(&log, 5_000);
        let after = headers(&log);
        assert_eq!(told(&log), ["1 b=1", "4 c=2", "6 whole=3", "7 a=4", "8 d=4", "9 a=5"], "{compression}");
        let ends = |header: &BatchHeader| (header.base_offset, header.last_offset(), header.leader_epoch);
        assert_eq!(after.iter().map(ends).collect::<Vec<_>>(), before.iter().map(ends).collect::<Vec<_>>());
        assert!(after[..4].iter().all(|header| header.compression().unwrap() == compression));
        assert_eq!(after[2..], before[2..], "what loses nothing stays as it was");
        assert_eq!(
            records(&log).iter().map(|found| found.timestamp).collect::<Vec<_>>(),
            [101, 200, 300, 400, 401, 500]
        );
        assert_eq!(after[0].max_timestamp, Millis(101));
    }
}

#[test]
fn the_time_of_the_append_stays() {
    let bench = bench();
    let log = bench.open_new();
    let mut builder = BatchBuilder::new(Offset::ZERO).log_append_time(Millis(77));
    fill(&mut builder, 1, &[("a", "1"), ("b", "")]);
    follow(&log, builder.build());
    put(&log, 100, &[("a", "2")]);
    log.roll().unwrap();
    clean(&log, 5_000);
    let header = headers(&log)[0];
    assert_eq!((header.timestamp_type(), header.max_timestamp), (TimestampType::LogAppendTime, Millis(77)));
    assert_eq!(records(&log)[0].timestamp, 77);
}

#[test]
fn tombstones_stay_until_their_time_is_over() {
    let mut bench = bench();
    bench.config.delete_retention_ms = 1_000;
    let log = bench.open_new();
    put(&log, 100, &[("a", "1"), ("b", "1")]);
    put(&log, 200, &[("a", "")]);
    log.roll().unwrap();
    clean(&log, 5_000);
    assert_eq!(told(&log), ["1 b=1", "2 a="]);
    let header = headers(&log)[1];
    assert_eq!(header.delete_horizon(), Some(Millis(6_000)));
    assert_eq!((records(&log)[1].timestamp, header.max_timestamp), (200, Millis(200)), "its time is what it was");
    // Of two tombstones of one key the later one stays, for its own time.
    for (now, expected) in [(5_999, vec!["1 b=1", "2 a=", "3 c="]), (6_000, vec!["1 b=1", "4 c="])] {
        put(&log, 300, &[("c", "")]);
        log.roll().unwrap();
        clean(&log, now);
        assert_eq!(told(&log), expected, "at {now}");
    }
    assert_eq!(headers(&log).last().unwrap().delete_horizon(), Some(Millis(7_000)));
}

#[test]
fn a_horizon_outlives_the_rewriting_of_its_batch() {
    let mut bench = bench();
    bench.config.delete_retention_ms = 1_000;
    let log = bench.open_new();
    put(&log, 100, &[("a", ""), ("b", "1")]);
    log.roll().unwrap();
    clean(&log, 5_000);
    put(&log, 200, &[("b", "2")]);
    log.roll().unwrap();
    clean(&log, 5_500);
    let header = headers(&log)[0];
    assert_eq!((header.record_count, header.delete_horizon()), (1, Some(Millis(6_000))));
    assert_eq!(records(&log)[0].timestamp, 100);
    assert_eq!(header.last_offset(), Offset(1), "it ends where it ended");
}

#[test]
fn records_without_a_key_go() {
    let bench = bench();
    let log = bench.open_new();
    append(&log, batch(&[1, 2], 10, Compression::None));
    put(&log, 3, &[("a", "1")]);
    log.roll().unwrap();
    put(&log, 4, &[("b", "1")]);
    assert_eq!(clean(&log, 5_000).records.without_key, 2);
    assert_eq!(told(&log), ["2 a=1", "3 b=1"]);
}

#[test]
fn the_end_of_what_was_cleaned_is_not_lost() {
    let bench = bench();
    let log = bench.open_new();
    put(&log, 1, &[("a", "1"), ("a", "2")]);
    append(&log, batch(&[2], 10, Compression::None));
    log.roll().unwrap();
    clean(&log, 5_000);
    let last = *headers(&log).last().unwrap();
    assert_eq!((last.record_count, last.last_offset(), last.total_len()), (0, Offset(2), 61));
    log.close().unwrap();
    let log = bench.open(true, 0).unwrap();
    assert_eq!(log.end_offset(), Offset(3));
    assert_eq!(told(&log), ["1 a=2"]);
}

#[test]
fn producers_go_on_from_their_last_sequence() {
    let mut bench = bench();
    bench.config.segment_bytes = 300;
    let log = bench.open_new();
    let produced = |sequence: i32| {
        let mut builder = BatchBuilder::new(Offset::ZERO).producer(ProducerId(9), ProducerEpoch(0), sequence);
        fill(&mut builder, 1_000_000, &[("a", "1"), ("b", "2")]);
        builder.build()
    };
    for n in 0..4 {
        append(&log, produced(n * 2));
    }
    for n in 0..10 {
        put(&log, 1_000_000, &[("a", &n.to_string()), ("b", "3")]);
    }
    log.roll().unwrap();
    clean(&log, 1_000_000);
    let kept: Vec<BatchHeader> = headers(&log).into_iter().filter(BatchHeader::has_producer_id).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].record_count, kept[0].last_sequence(), kept[0].last_offset()), (0, 7, Offset(7)));
    log.close().unwrap();
    for name in files(&bench.dir(), ".snapshot") {
        std::fs::remove_file(bench.dir().join(name)).unwrap();
    }
    let log = bench.open(false, 0).unwrap();
    assert!(append(&log, produced(6)).duplicate, "a repetition is known without a snapshot, too");
    assert!(!append(&log, produced(8)).duplicate);
    log.roll().unwrap();
    clean(&log, 1_000_000);
    let kept: Vec<i32> = headers(&log).iter().filter(|h| h.has_producer_id()).map(BatchHeader::last_sequence).collect();
    assert_eq!(kept, [9], "the earlier batch is needed no more");
}

#[test]
fn what_may_still_change_or_is_too_young_is_not_touched() {
    let mut bench = bench();
    bench.config.min_compaction_lag_ms = 1_000;
    let log = bench.open_new();
    for n in 0..6 {
        put(&log, n * 1_000, &[("a", &n.to_string())]);
        log.roll().unwrap();
    }
    let cleanable = |now| Cleanable::of(&log, 0, Millis(now)).unwrap();
    assert_eq!(cleanable(3_999).first_uncleanable, Offset(3));
    assert_eq!(cleanable(4_000).first_uncleanable, Offset(4));
    assert_eq!(cleanable(100_000).first_uncleanable, Offset(6));
    assert_eq!((cleanable(100_000).dirty_ratio(), cleanable(100_000).is_due()), (1.0, true));
    clean(&log, 3_999);
    assert_eq!(told(&log), ["2 a=2", "3 a=3", "4 a=4", "5 a=5"]);
    assert!(cleanable(3_999).cleanable_bytes == 0 && cleanable(3_999).clean_bytes > 0);

    let config = TopicConfig { max_compaction_lag_ms: 5_000, min_cleanable_dirty_ratio: 1.0, ..bench.config.clone() };
    log.update_config(Arc::new(config));
    assert_eq!((cleanable(8_000).overdue, cleanable(8_000).is_due()), (Millis(0), false));
    assert_eq!((cleanable(8_001).overdue, cleanable(8_001).is_due()), (Millis(1), true));
}
