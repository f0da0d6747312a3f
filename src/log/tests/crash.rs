//! Opening after crashes and damage.

use std::fs::{self, OpenOptions};

use super::*;

fn filled(bench: &Bench, batches: i64) -> (u64, Vec<(i64, i64)>) {
    let log = bench.open_new();
    for n in 0..batches {
        append(&log, batch(&[n * 10, n * 10 + 5], 50, Compression::None));
    }
    log.flush().unwrap();
    (log.active().size(), read_all(&log, 0, 1 << 20))
}

fn copy_dir(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_tail_cut_at_any_byte_leaves_the_whole_batches() {
    let mut bench = Bench::new();
    (bench.config.segment_bytes, bench.config.index_interval_bytes) = (2_000, 300);
    let (size, batches) = filled(&bench, 30);
    let saved = bench.root.path().join("saved");
    copy_dir(&bench.dir(), &saved);
    let last = files(&bench.dir(), ".log").pop().unwrap();
    let base: i64 = last[..20].parse().unwrap();
    for cut in 0..=size {
        copy_dir(&saved, &bench.dir());
        let path = bench.dir().join(&last);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
        let log = bench.open(false, 0).unwrap();
        let kept = read_all(&log, 0, 1 << 20);
        assert_eq!(kept, batches[..kept.len()], "cut at {cut}");
        let sizes: u64 = fs::metadata(&path).unwrap().len();
        assert!(sizes <= cut && cut - sizes < 200);
        assert!(log.end_offset().0 >= base);
        let info = append(&log, batch(&[9_999], 10, Compression::None));
        assert_eq!(info.first_offset.0, kept.last().map_or(0, |last| last.1 + 1));
    }
}

#[test]
fn garbage_behind_the_end_is_cut_to_the_exact_size() {
    let half: Bytes = batch(&[1, 2, 3], 80, Compression::None).slice(..100);
    let tails: [&[u8]; 5] = [&[0; 4096], &[0xff; 700], b"x", &half, &[2; 5000]];
    for tail in tails {
        let bench = Bench::new();
        let (size, batches) = filled(&bench, 20);
        let path = bench.dir().join("00000000000000000000.log");
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(tail);
        fs::write(&path, bytes).unwrap();
        let log = bench.open(false, 0).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), size);
        assert_eq!(read_all(&log, 0, 1 << 20), batches);
    }
}

/// Kafka deletes everything behind the first bad batch; we keep it and say where it is.
#[test]
fn damage_before_good_data_is_reported_not_cut() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 2_000;
    filled(&bench, 40);
    let names = files(&bench.dir(), ".log");
    assert!(names.len() > 2);
    for name in &names {
        let path = bench.dir().join(name);
        let good = fs::read(&path).unwrap();
        for at in [8, 16, 70, 200] {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&path, &bad).unwrap();
            let error = bench.open(false, 0).unwrap_err();
            assert!(matches!(error, LogError::Damaged { .. }), "{name} at {at}: {error}");
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bad, "nothing was cut");
        }
        fs::write(&path, &good).unwrap();
    }
    bench.open(false, 0).unwrap();
}

#[test]
fn only_what_lies_behind_the_recovery_point_is_walked() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 2_000;
    let (_, batches) = filled(&bench, 40);
    let first = bench.dir().join(&files(&bench.dir(), ".log")[0]);
    let mut bytes = fs::read(&first).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&first, bytes).unwrap();
    assert!(bench.open(false, 0).is_err());
    let log = bench.open(false, batches.last().unwrap().1).unwrap();
    assert_eq!(log.end_offset().0, batches.last().unwrap().1 + 1);
}

#[test]
fn missing_and_malformed_indexes_are_rebuilt_the_same() {
    for clean in [true, false] {
        let mut bench = Bench::new();
        (bench.config.segment_bytes, bench.config.index_interval_bytes) = (3_000, 200);
        let log = bench.open_new();
        for n in 0..100 {
            append(&log, batch(&[n * 10, n * 10 + 5], 50, Compression::None));
        }
        let batches = read_all(&log, 0, 1);
        log.close().unwrap();
        let names: Vec<String> = [files(&bench.dir(), ".index"), files(&bench.dir(), ".timeindex")].concat();
        assert!(names.len() > 4);
        let good: Vec<Vec<u8>> = names.iter().map(|name| fs::read(bench.dir().join(name)).unwrap()).collect();
        for (n, name) in names.iter().enumerate() {
            let path = bench.dir().join(name);
            if n % 2 == 0 { fs::remove_file(path).unwrap() } else { fs::write(path, [7; 13]).unwrap() }
        }
        let log = bench.open(clean, if clean { 0 } else { 120 }).unwrap();
        assert_eq!(read_all(&log, 0, 1), batches);
        log.close().unwrap();
        for (name, good) in names.iter().zip(good) {
            assert_eq!(fs::read(bench.dir().join(name)).unwrap(), good, "{name}");
        }
    }
}

#[test]
fn a_clean_stop_leaves_nothing_to_do() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 2_000;
    let log = bench.open_new();
    for n in 0..50 {
        append(&log, batch(&[n], 100, Compression::None));
    }
    log.close().unwrap();
    assert!(
        log.append(
            validated(batch(&[1], 1, Compression::None), AppendOrigin::Client),
            LeaderEpoch(0),
            AppendOrigin::Client
        )
        .is_err()
    );
    assert_eq!(files(&bench.dir(), ".snapshot").pop().unwrap(), "00000000000000000050.snapshot");
    for name in files(&bench.dir(), ".log") {
        let index = name.replace(".log", ".index");
        assert_eq!(fs::metadata(bench.dir().join(index)).unwrap().len() % 8, 0);
    }
    let log = bench.open(true, 0).unwrap();
    assert_eq!(log.end_offset(), Offset(50));
    assert_eq!(log.recovery_point(), Offset(50));
    assert_eq!(log.max_timestamp_offset().unwrap().unwrap().offset, Offset(49));
    assert_eq!(read_all(&log, 0, 1).len(), 50);
}

/// Trap: recovery must not share the read budget.
#[test]
fn a_record_larger_than_every_buffer_is_recovered() {
    let bench = Bench::new();
    let log = bench.open_new();
    append(&log, batch(&[1], 100, Compression::None));
    let mut builder = BatchBuilder::new(Offset(1));
    builder.append(Millis(5), None, Some(&vec![7; 3 << 20]), &[]);
    log.append_as_follower(&builder.build()).unwrap();
    append(&log, batch(&[9], 100, Compression::None));
    drop(log);
    let log = bench.open(false, 0).unwrap();
    assert_eq!(read_all(&log, 0, 1), [(0, 0), (1, 1), (2, 2)]);
}

#[test]
fn leftovers_of_interrupted_changes_are_settled() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 2_000;
    let (_, batches) = filled(&bench, 40);
    let dir = bench.dir();
    let names = files(&dir, ".log");
    fs::write(dir.join("00000000000000000999.log.deleted"), b"x").unwrap();
    fs::write(dir.join("00000000000000000999.index"), b"x").unwrap();
    fs::rename(dir.join(&names[1]), dir.join(format!("{}.swap", names[1]))).unwrap();
    bench.open(false, 0).unwrap();
    fs::write(dir.join(format!("{}.cleaned", names[2])), b"half").unwrap();
    let log = bench.open(false, 0).unwrap();
    assert_eq!(read_all(&log, 0, 1), batches);
    assert_eq!(files(&dir, ".log"), names);
    for suffix in [".deleted", ".swap", ".cleaned", "999.index"] {
        assert_eq!(files(&dir, suffix), Vec::<String>::new());
    }
}

#[test]
fn leader_epochs_end_where_the_log_ends() {
    let bench = Bench::new();
    let log = bench.open_new();
    append(&log, batch(&[1, 2], 10, Compression::None));
    log.assign_epoch(LeaderEpoch(5), Offset(2));
    log.save_epochs().unwrap();
    drop(log);
    let log = bench.open(false, 0).unwrap();
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(0)));
    assert_eq!(log.end_offset_for_epoch(LeaderEpoch(0)), (LeaderEpoch(0), Offset(2)));
}

/// Overwrites the base offset of the batch at `position`, which no checksum covers.
fn set_base_offset(path: &Path, position: usize, offset: i64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[position..position + 8].copy_from_slice(&offset.to_be_bytes());
    fs::write(path, bytes).unwrap();
}

/// Nothing is walked after a clean stop, but an end that lies before the beginning is no end.
#[test]
fn offsets_out_of_place_are_damage_after_a_clean_stop_too() {
    for (base, clean) in [(-5, true), (i64::MAX, true), (i64::MAX, false), (i64::MIN, false)] {
        let bench = Bench::new();
        filled(&bench, 3);
        let path = bench.dir().join("00000000000000000000.log");
        set_base_offset(&path, 0, base);
        let error = bench.open(clean, 0).unwrap_err();
        assert!(matches!(error, LogError::Damaged { position: 0, .. }), "{base} {clean}: {error}");
    }
}

/// What a swap file claims decides which live segments it replaces, so it has to be good.
#[test]
fn a_damaged_swap_file_replaces_nothing() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 2_000;
    let (_, batches) = filled(&bench, 40);
    let names = files(&bench.dir(), ".log");
    let swap = bench.dir().join(format!("{}.swap", names[0]));
    let good = fs::read(bench.dir().join(&names[0])).unwrap();
    for damage in [0..8, 23..27, 70..71] {
        let mut bad = good.clone();
        bad[damage].fill(0x7f);
        fs::write(&swap, bad).unwrap();
        assert!(matches!(bench.open(false, 0).unwrap_err(), LogError::Damaged { .. }));
        assert_eq!(files(&bench.dir(), ".log"), names);
    }
    fs::write(&swap, good).unwrap();
    assert_eq!(read_all(&bench.open(false, 0).unwrap(), 0, 1), batches);
}

/// A header at every place where one fits, each claiming the rest of the file: checking them all would take hours.
#[test]
fn a_tail_made_of_headers_does_not_keep_the_log_from_an_answer() {
    let bench = Bench::new();
    filled(&bench, 1);
    let path = bench.dir().join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let (start, end) = (bytes.len(), 8 << 20);
    // What is due makes no sense, so that any of them may be good.
    bytes.extend_from_slice(&[0xff; 61]);
    let mut header = batch(&[1], 10, Compression::None)[..61].to_vec();
    header[..8].copy_from_slice(&9i64.to_be_bytes());
    header[17..21].fill(0);
    while bytes.len() + header.len() <= end {
        let claimed = (end - bytes.len() - 12) as i32;
        header[8..12].copy_from_slice(&claimed.to_be_bytes());
        bytes.extend_from_slice(&header);
    }
    bytes.resize(end, 0);
    fs::write(&path, &bytes).unwrap();
    let error = bench.open(false, 0).unwrap_err();
    assert!(matches!(error, LogError::Damaged { position, .. } if position == start as u64), "{error}");
}

/// A batch with these values at `offset`, as the broker stores it.
fn stored(offset: i64, values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new(Offset(offset)).leader_epoch(LeaderEpoch(0));
    for value in values {
        builder.append(Millis(5), None, Some(value), &[]);
    }
    builder.build()
}

/// A log of three small batches and one whose record holds `value`, cut `missing` bytes before its end.
fn torn_in(value: &[u8], missing: u64) -> Bench {
    let bench = Bench::new();
    let (size, _) = filled(&bench, 3);
    let log = bench.open(false, 0).unwrap();
    log.append_as_follower(&stored(6, &[value])).unwrap();
    drop(log);
    let path = bench.dir().join("00000000000000000000.log");
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let whole = file.metadata().unwrap().len();
    assert!(whole - missing > size + 61);
    file.set_len(whole - missing).unwrap();
    bench
}

/// Records of mirrors and dead letter queues hold batches as they are.
#[test]
fn batches_inside_a_torn_record_are_no_good_data_behind_it() {
    let copies = [
        stored(7, &[b"next"]).to_vec(),
        stored(6, &[b"same"]).to_vec(),
        [stored(7, &[b"a"]), stored(8, &[b"b"]), stored(9, &[b"c"])].concat(),
        // Within the copy there is another one.
        stored(7, &[&stored(8, &[b"inner"])[..]]).to_vec(),
    ];
    for copy in copies {
        let value = [&copy[..], &[0; 100]].concat();
        for missing in [1, 50, 101, 101 + copy.len() as u64 / 3] {
            let bench = torn_in(&value, missing);
            let log = bench.open(false, 0).unwrap();
            assert_eq!(log.end_offset(), Offset(6));
            assert_eq!(append(&log, batch(&[9], 10, Compression::None)).first_offset, Offset(6));
        }
    }
}

/// Whatever the record holds: with good data behind the batch nothing is cut, also if its length is what is wrong.
#[test]
fn a_broken_batch_with_good_ones_behind_it_is_damage_whatever_it_holds() {
    let value = [&stored(7, &[b"copy"])[..], &[0; 50]].concat();
    for (at, bit) in [(8, 0x10), (11, 0x01), (11, 0x80), (16, 0x40), (17, 0x01), (0, 0x20), (62, 0x04), (150, 0x01)] {
        let bench = Bench::new();
        let (size, _) = filled(&bench, 3);
        let log = bench.open(false, 0).unwrap();
        let batches = [stored(6, &[&value]), stored(7, &[b"good"]), stored(8, &[b"good"])].concat();
        log.append_as_follower(&batches.into()).unwrap();
        drop(log);
        let path = bench.dir().join("00000000000000000000.log");
        let mut bytes = fs::read(&path).unwrap();
        bytes[size as usize + at] ^= bit;
        fs::write(&path, &bytes).unwrap();
        let error = bench.open(false, 0).unwrap_err();
        assert!(matches!(error, LogError::Damaged { position, .. } if position == size), "{at}: {error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "nothing was cut");
    }
}
