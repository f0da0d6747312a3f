//! Cleaning while a log is read, written, cut, moved and deleted.

use std::cell::Cell;

use super::*;
use crate::log::Truncation;

/// A log whose cleaning reads enough to be asked in between whether to go on.
fn large() -> (Bench, Arc<Log>) {
    let mut bench = bench();
    bench.config.segment_bytes = 400_000;
    let log = bench.open_new();
    let value = "v".repeat(50_000);
    for n in 0..60 {
        put(&log, n, &[(&format!("k{}", n % 5), &value)]);
    }
    assert!(log.segment_count() > 6);
    (bench, log)
}

/// Cleans, and does something to the log the `times`-th time that the cleaning pays for what it read.
fn clean_and(log: &Arc<Log>, times: usize, action: impl Fn()) -> Result<PassStats, Interrupted> {
    let calls = Cell::new(0);
    let pay = |_| {
        calls.set(calls.get() + 1);
        if calls.get() == times {
            action();
        }
        Ok(())
    };
    let cleanable = Cleanable::of(log, log.cleaning.round(), Millis(5_000)).unwrap();
    let outcome = Pass::new(&cleanable, memory(1_000), Millis(5_000), &pay).run();
    assert!(calls.get() >= times, "it was asked {} times", calls.get());
    outcome
}

#[test]
fn readers_of_replaced_segments_go_on_in_the_old_files() {
    let bench = bench();
    let log = bench.open_new();
    for n in 0..40 {
        put(&log, n, &[(&format!("k{}", n % 3), &format!("{n:050}"))]);
    }
    let old = log.segments.load_full();
    let read = |segment: &crate::log::segment::Segment| {
        let slice = segment.read(segment.base(), 1 << 20, segment.next_offset(), true).unwrap().unwrap();
        let mut bytes = vec![0; slice.len];
        std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.position).unwrap();
        let located = segment.locate(segment.next_offset() + -1).unwrap().unwrap();
        (bytes, located.header, segment.aborted_transactions().unwrap())
    };
    let before: Vec<_> = old.iter().map(|segment| read(segment)).collect();
    clean(&log, 5_000);
    // Nothing is left open for them by chance.
    old.iter().for_each(|segment| segment.close_files());
    let after: Vec<_> = old.iter().map(|segment| read(segment)).collect();
    assert!(before == after && before.len() > 3);
    bench.context.work.pop(Millis(i64::MAX)).unwrap();
}

#[test]
fn appends_go_on() {
    let (_bench, log) = large();
    let before = log.end_offset();
    let append = || assert_eq!(put(&log, 100, &[("k0", "new"), ("other", "new")]), before.0);
    clean_and(&log, 5, append).unwrap();
    assert_eq!(log.end_offset(), before + 2);
    let keys: Vec<_> = records(&log).into_iter().filter(|found| found.offset >= before.0).collect();
    assert_eq!(keys.len(), 2);
}

#[test]
fn a_log_that_is_cut_is_cleaned_another_time() {
    for times in [2, 8, 12] {
        let (_bench, log) = large();
        let to = log.segments.load()[3].base() + 1;
        let outcome = clean_and(&log, times, || assert!(log.truncate(Truncation { to }).unwrap()));
        assert!(matches!(outcome, Err(Interrupted::GivenUp | Interrupted::Failed(_))), "{outcome:?}");
        assert_eq!((log.end_offset(), log.cleaning.cleaned_to()), (to, None));
        assert!(log.failure().is_none());
        put(&log, 100, &[("k0", "new")]);
        log.roll().unwrap();
        clean(&log, 6_000);
        let last = records(&log).into_iter().rfind(|found| found.key.as_deref() == Some(b"k0")).unwrap();
        assert_eq!(last.value.as_deref(), Some(&b"new"[..]));
        assert!(log.cleaning.cleaned_to() == Some(log.end_offset()));
    }
}

#[test]
fn a_mark_does_not_outlive_the_records_that_it_speaks_of() {
    let (_bench, log) = large();
    clean(&log, 5_000);
    let marked = log.cleaning.cleaned_to().unwrap();
    let base = log.segments.load()[0].base();
    log.truncate(Truncation { to: base + 1 }).unwrap();
    assert_eq!(log.cleaning.cleaned_to(), Some(base));
    for n in 0..marked.0 {
        put(&log, n, &[("k", &n.to_string())]);
    }
    log.roll().unwrap();
    clean(&log, 5_000);
    assert_eq!(records(&log).iter().filter(|found| found.key.as_deref() == Some(b"k")).count(), 1);
}

#[test]
fn a_change_of_the_policy_ends_a_cleaning() {
    let (bench, log) = large();
    let before = log.size();
    let mut config = bench.config.clone();
    (config.cleanup_policy.compact, config.cleanup_policy.delete) = (false, true);
    let config = Arc::new(config);
    assert!(matches!(clean_and(&log, 1, || log.update_config(config.clone())), Err(Interrupted::GivenUp)));
    assert_eq!(log.size(), before);
    assert_eq!(files(&bench.dir(), ".cleaned"), Vec::<String>::new());
}

#[test]
fn retention_that_comes_first_is_respected() {
    let (_bench, log) = large();
    let outcome = clean_and(&log, 13, || {
        log.delete_records_before(log.segments.load()[6].base()).unwrap();
        assert!(log.apply_retention(Millis(0), log.high_watermark()).unwrap() > 0);
    });
    assert!(outcome.is_err());
    let start = log.log_start_offset();
    assert_eq!(records(&log)[0].offset, start.0);
    clean(&log, 5_000);
    assert!(log.first_segment_base() >= start);
}

#[test]
fn a_failed_log_is_left_alone() {
    let (bench, log) = large();
    assert!(matches!(clean_and(&log, 3, || log.fail("the partition was deleted")), Err(Interrupted::GivenUp)));
    assert_eq!(files(&bench.dir(), ".cleaned"), Vec::<String>::new());
}
