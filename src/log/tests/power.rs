//! What a power cut leaves: bytes that were not synced are missing, in any order.

use std::fs::{self, OpenOptions};

use super::bounded::copy_of;
use super::dirs::{Node, create, partition};
use super::*;
use crate::log::Truncation;
use crate::log::faults::{Chance, FaultyDisk, Plan};

/// The sizes of these batches are no parts of a sector.
fn filled(bench: &Bench, batches: i64, record_bytes: usize) -> Vec<(i64, i64)> {
    let log = bench.open_new();
    for n in 0..batches {
        append(&log, batch(&[n * 10], record_bytes, Compression::None));
    }
    log.flush().unwrap();
    let all = read_all(&log, 0, 1 << 20);
    log.fail("crashed");
    all
}

fn zero(path: &Path, from: usize, to: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[from..to].fill(0);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_sector_that_was_not_written_cuts_what_follows_it_unless_all_that_was_synced() {
    (300..316).for_each(each_sector_that_was_not_written_cuts);
}

fn each_sector_that_was_not_written_cuts(record_bytes: usize) {
    let bench = Bench::new();
    let batches = filled(&bench, 20, record_bytes);
    let path = bench.dir().join("00000000000000000000.log");
    let (good, each) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().len() as usize / 20);
    for sector in 0..good.len() / 512 {
        fs::write(&path, &good).unwrap();
        zero(&path, sector * 512, (sector + 1) * 512);
        let whole = sector * 512 / each;
        if (sector + 1) * 512 <= 19 * each {
            let synced = bench.open(false, 20);
            assert!(matches!(synced, Err(LogError::Damaged { .. })), "sector {sector}: {synced:?}");
        }
        let log = bench.open(false, whole as i64).unwrap();
        assert_eq!(read_all(&log, 0, 1 << 20), batches[..whole], "sector {sector}");
    }
}

/// The record before ends with a zero, and the batch behind begins with some: neither is a sector that is missing.
#[test]
fn zeros_that_belong_there_make_no_tear_of_a_damage() {
    for shift in 0..32 {
        let bench = Bench::new();
        let log = bench.open_new();
        append(&log, batch(&[1], 400 + shift, Compression::None));
        let from = log.active().size() as usize;
        for _ in 0..6 {
            append(&log, batch(&[1], 90, Compression::None));
        }
        log.fail("crashed");
        let path = bench.dir().join("00000000000000000000.log");
        let mut bytes = fs::read(&path).unwrap();
        bytes[from + 80] ^= 4;
        fs::write(&path, bytes).unwrap();
        let opened = bench.open(false, 0);
        assert!(matches!(opened, Err(LogError::Damaged { .. })), "{shift}: {opened:?}");
    }
}

#[test]
fn without_the_end_of_a_segment_that_was_not_synced_those_behind_go_too() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 2_000;
    let batches = filled(&bench, 20, 300);
    let names = files(&bench.dir(), ".log");
    let base = |name: &String| name[..20].parse::<i64>().unwrap();
    let second = bench.dir().join(&names[1]);
    let good = fs::read(&second).unwrap();
    let saved = copy_of(&bench);
    // A wrong length is damage, however short of bytes the last batch seems to be.
    let each = good.len() / 5;
    let mut longer = good.clone();
    longer[4 * each + 11] ^= 0x80;
    fs::write(&second, longer).unwrap();
    assert!(matches!(bench.open(false, base(&names[1])), Err(LogError::Damaged { .. })));
    for missing in [each, each + 1, each / 2, 1] {
        let bench = copy_of(&saved);
        let second = bench.dir().join(&names[1]);
        OpenOptions::new().write(true).open(second).unwrap().set_len((good.len() - missing) as u64).unwrap();
        let log = bench.open(false, base(&names[1])).unwrap();
        let end = base(&names[1]) + ((good.len() - missing) / each) as i64;
        assert_eq!(log.end_offset(), Offset(end));
        assert_eq!(read_all(&log, 0, 1 << 20), batches[..end as usize]);
        assert_eq!(files(&bench.dir(), ".log"), names[..2]);
    }
}

/// Otherwise a start would go on from an index of which a power cut took away a part.
#[test]
fn recovery_points_are_written_down_as_far_as_indexes_are_on_disk() {
    let mut bench = Bench::new();
    bench.config.index_interval_bytes = 400;
    let log = bench.open_new();
    for n in 0..10 {
        append(&log, batch(&[n], 150, Compression::None));
    }
    log.flush().unwrap();
    assert_eq!(log.recovery_point(), Offset(10));
    let first_indexed = log.active().unsaved_from().unwrap();
    assert_eq!(log.checkpointed_recovery_point(), first_indexed);
    log.prepare_sync().unwrap();
    assert_eq!(log.checkpointed_recovery_point(), first_indexed, "they are not synced");
    log.flush().unwrap();
    assert_eq!(log.checkpointed_recovery_point(), Offset(10));
}

#[test]
fn where_a_log_ends_before_its_recovery_point_that_is_written_down_before_it_grows() {
    let node = Node::new(1);
    let dirs = node.open();
    let log = create(&dirs, 0);
    for _ in 0..4 {
        append(&log, batch(&[1], 10, Compression::None));
    }
    let file = log.active().path(crate::log::names::FileKind::Log);
    let (len, checkpoint) = (log.size(), node.path(0).join("recovery-point-offset-checkpoint"));
    dirs.sync_logs();
    assert!(fs::read_to_string(&checkpoint).unwrap().ends_with("t 0 4\n"));
    drop((log, dirs));
    OpenOptions::new().write(true).open(file).unwrap().set_len(len / 2).unwrap();
    let dirs = node.open();
    assert_eq!(dirs.get(&partition(0)).unwrap().end_offset(), Offset(2));
    assert!(fs::read_to_string(&checkpoint).unwrap().ends_with("t 0 2\n"));
}

/// Nothing of it stands between what is appended in its place.
#[test]
fn what_was_truncated_does_not_come_back() {
    for seed in 0..40 {
        let bench = Bench::new();
        filled(&bench, 6, 300);
        let disk = FaultyDisk::lay(bench.root.path(), &bench.root.path().join("kept"), Plan::default()).unwrap();
        let log = bench.open(false, 6).unwrap();
        log.truncate(Truncation { to: Offset(2) }).unwrap();
        for _ in 0..2 {
            append(&log, batch(&[77], 500, Compression::None));
        }
        log.fail("crashed");
        drop(log);
        disk.cut_power(&mut Chance::new(seed)).unwrap();
        disk.lift();
        let log = bench.open(false, 2).unwrap();
        assert!((2..=4).contains(&log.end_offset().0), "seed {seed}: {log:?}");
        let newest = if log.end_offset() == Offset(2) { 10 } else { 77 };
        assert_eq!(log.active().largest().unwrap().timestamp, Millis(newest), "seed {seed}");
    }
}
