//! A process that ends in the middle of a cleaning.

use std::collections::BTreeMap;
use std::fs;

use super::transactions::{committed, data, end};
use super::*;
use crate::log::disk::stop;

/// What a reader keeps who wants the last value of each key.
fn table(log: &Log) -> BTreeMap<Vec<u8>, (i64, Vec<u8>)> {
    let mut table = BTreeMap::new();
    for found in committed(log) {
        let key = found.key.unwrap();
        match found.value {
            Some(value) => table.insert(key, (found.offset, value)),
            None => table.remove(&key),
        };
    }
    table
}

/// Several groups of segments, with tombstones, aborted and committed transactions.
fn fill_log(log: &Arc<Log>) {
    for n in 0..30 {
        put(log, n, &[(&format!("k{}", n % 11), &format!("{n:060}"))]);
        match n % 10 {
            3 => drop(put(log, n, &[(&format!("k{}", n % 7), "")])),
            5 => drop(follow(log, data(1, n as i32, n, &[("k1", "aborted"), ("k20", "aborted")]))),
            7 => drop(end(log, 1, false, n)),
            8 => drop(follow(log, data(2, n as i32, n, &[("k2", "committed")]))),
            9 => drop(end(log, 2, true, n)),
            _ => {}
        }
    }
    log.roll().unwrap();
    put(log, 100, &[("k0", "active")]);
}

#[test]
fn a_cleaning_may_end_at_any_change_of_the_disk() {
    let mut bench = bench();
    bench.config.delete_retention_ms = 1_000;
    let log = bench.open_new();
    fill_log(&log);
    let (expected, end) = (table(&log), log.end_offset());
    log.close().unwrap();
    // So that several of the segments that were written become one.
    bench.config.segment_bytes = 2_500;
    let saved = bench.root.path().join("saved");
    copy_dir(&bench.dir(), &saved);
    // A machine that failed long after the records were synced, and one that came to an end before any were.
    for recovery_point in [0, end.0] {
        let mut forward = 0;
        for changes in 0.. {
            copy_dir(&saved, &bench.dir());
            let log = bench.open(false, recovery_point).unwrap();
            log.set_high_watermark(log.end_offset());
            stop::after(Some(changes));
            let outcome = try_clean(&log, 5_000, 100_000);
            stop::after(None);
            log.fail("the process has ended");
            drop(log);
            let swapped = files(&bench.dir(), ".swap").len() + files(&bench.dir(), ".log.deleted").len() > 0;

            let log = bench.open(false, recovery_point).unwrap();
            log.set_high_watermark(log.end_offset());
            assert_eq!((table(&log), log.end_offset()), (expected.clone(), end), "after {changes} changes");
            for state in [".cleaned", ".swap", ".deleted"] {
                assert_eq!(files(&bench.dir(), state), Vec::<String>::new(), "after {changes} changes");
            }
            forward += usize::from(swapped);
            clean(&log, 6_000);
            assert_eq!((table(&log), log.end_offset()), (expected.clone(), end), "after {changes} changes");
            if outcome.is_ok() {
                assert!(changes > 60, "only {changes} changes were tried");
                break;
            }
        }
        assert!(forward > 20, "{forward} crashes were in the middle of a swap");
    }
}

fn copy_dir(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
