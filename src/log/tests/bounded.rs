//! What a start reads is bounded: it goes on from the recovery point, and that moves.

use std::fs::{self, OpenOptions};

use proptest::prelude::*;

use super::dirs::{Node, create, partition};
use super::transactions::{follow, marker, produced};
use super::*;
use crate::log::producer_state::{BatchMetadata, ProducerEntry};
use crate::log::{AbortedTxn, Work};

/// Syncs as the broker does from time to time; answers the recovery point.
fn sync(log: &Log) -> i64 {
    let end = log.prepare_sync().unwrap();
    log.flush_to(end).unwrap();
    assert_eq!(log.recovery_point(), end);
    end.0
}

fn segment_file(bench: &Bench, suffix: &str) -> PathBuf {
    bench.dir().join(format!("00000000000000000000{suffix}"))
}

/// A log in one segment, synced in the middle.
fn synced_in_the_middle(bench: &mut Bench) -> (Vec<(i64, i64)>, i64) {
    bench.config.index_interval_bytes = 300;
    let log = bench.open_new();
    let mut recovery_point = 0;
    for n in 0..40 {
        append(&log, batch(&[n * 10, n * 10 + 5], 50, Compression::None));
        if n == 25 {
            recovery_point = sync(&log);
        }
    }
    log.fail("crashed");
    (read_all(&log, 0, 1 << 20), recovery_point)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Damage is found where it is read: that is how a test sees what is.
#[test]
fn within_a_segment_too_only_what_lies_behind_the_recovery_point_is_read() {
    let mut bench = Bench::new();
    let (batches, recovery_point) = synced_in_the_middle(&mut bench);
    assert_eq!(recovery_point, 52);
    flip(&segment_file(&bench, ".log"), 100);
    assert!(bench.open(false, 0).is_err());
    let log = bench.open(false, recovery_point).unwrap();
    assert_eq!(read_all(&log, 2, 1 << 20), batches[1..]);
    log.fail("crashed");
    let size = fs::metadata(segment_file(&bench, ".log")).unwrap().len() as usize;
    flip(&segment_file(&bench, ".log"), size - 300);
    assert!(matches!(bench.open(false, recovery_point), Err(LogError::Damaged { .. })));
}

/// The process that moved the point said that all before it was on disk. If not even the file's length bears that out,
/// nothing of it is believed.
#[test]
fn a_log_that_ends_before_its_recovery_point_is_walked_as_a_whole() {
    let mut bench = Bench::new();
    let (batches, recovery_point) = synced_in_the_middle(&mut bench);
    let path = segment_file(&bench, ".log");
    let each = fs::metadata(&path).unwrap().len() / 40;
    for kept in [each * 20, each * 25 + 1, each * 26 - 1, each * 3, 0] {
        let (bytes, index) = (fs::read(&path).unwrap(), fs::read(segment_file(&bench, ".index")).unwrap());
        OpenOptions::new().write(true).open(&path).unwrap().set_len(kept).unwrap();
        let log = bench.open(false, recovery_point).unwrap();
        assert_eq!(read_all(&log, 0, 1 << 20), batches[..(kept / each) as usize]);
        assert!(log.recovery_point() <= log.end_offset());
        log.fail("crashed");
        fs::write(&path, bytes).unwrap();
        fs::write(segment_file(&bench, ".index"), index).unwrap();
    }
}

/// A JVM broker's indexes are as long as they may become until it stops; indexes can also be missing, or lie.
#[test]
fn indexes_that_were_not_left_by_a_sync_are_not_gone_by() {
    for damage in 0..5 {
        let mut bench = Bench::new();
        let (batches, recovery_point) = synced_in_the_middle(&mut bench);
        let (index, time) = (segment_file(&bench, ".index"), segment_file(&bench, ".timeindex"));
        let good = fs::read(&index).unwrap();
        match damage {
            0 => OpenOptions::new().write(true).open(&index).unwrap().set_len(8_000).unwrap(),
            1 => OpenOptions::new().write(true).open(&time).unwrap().set_len(12_000).unwrap(),
            2 => fs::remove_file(&time).unwrap(),
            3 => fs::write(&index, [good[..good.len() - 8].to_vec(), vec![0, 0, 0, 40, 0, 0, 0, 77]].concat()).unwrap(),
            _ => fs::write(&index, [&good[..good.len() - 4], &[0x7f; 4]].concat()).unwrap(),
        }
        let log = bench.open(false, recovery_point).unwrap();
        assert_eq!(read_all(&log, 0, 1), batches, "{damage}");
        log.close().unwrap();
        let rebuilt = fs::read(&index).unwrap();
        assert_eq!(rebuilt[..good.len() - 8], good[..good.len() - 8], "{damage}");
        assert_eq!(rebuilt.len() % 8, 0);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Produce { producer: i64, records: usize },
    EndTransaction { producer: i64, commit: bool },
    Roll,
    Sync,
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1i64..5, 1usize..6).prop_map(|(producer, records)| Step::Produce { producer, records }),
        4 => (1i64..5, any::<bool>()).prop_map(|(producer, commit)| Step::EndTransaction { producer, commit }),
        1 => Just(Step::Roll),
        2 => Just(Step::Sync),
        1 => Just(Step::Flush),
    ]
}

/// What one can see of a log, its index files included.
#[derive(PartialEq, Debug)]
struct Seen {
    batches: Vec<(i64, i64)>,
    aborted: Vec<AbortedTxn>,
    producers: Vec<ProducerEntry>,
    stable: Offset,
    files: Vec<(String, Vec<u8>)>,
}

/// A snapshot has one time for a producer's last batch and for the marker behind it.
fn known(producer: ProducerEntry) -> ProducerEntry {
    let last_batch = producer.last_batch.map(|batch| BatchMetadata { timestamp: producer.last_timestamp, ..batch });
    ProducerEntry { last_batch, ..producer }
}

fn seen(bench: &Bench, recovery_point: i64) -> Seen {
    let log = bench.open(false, recovery_point).unwrap();
    log.set_high_watermark(log.end_offset());
    let end = log.end_offset();
    let seen = Seen {
        batches: read_all(&log, 0, 1 << 20),
        aborted: log.aborted_transactions(Offset(0), end).unwrap(),
        producers: log.producers().into_iter().map(known).collect(),
        stable: log.last_stable_offset(end),
        files: Vec::new(),
    };
    log.close().unwrap();
    let names = [".index", ".timeindex", ".txnindex"].map(|suffix| files(&bench.dir(), suffix)).concat();
    let content = |name: String| {
        let bytes = fs::read(bench.dir().join(&name)).unwrap();
        (name, bytes)
    };
    // A file without entries says what a missing one says.
    let files = names.into_iter().map(content).filter(|(_, bytes)| !bytes.is_empty()).collect();
    Seen { files, ..seen }
}

pub(super) fn copy_of(bench: &Bench) -> Bench {
    let copy = Bench { config: bench.config.clone(), ..Bench::new() };
    for entry in fs::read_dir(bench.dir()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.dir().join(entry.file_name())).unwrap();
    }
    copy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happened before a crash, going on from the recovery point leads to what a walk over everything does.
    #[test]
    fn a_walk_from_the_recovery_point_finds_what_a_whole_walk_finds(
        steps in proptest::collection::vec(step(), 1..80),
        lost in 0u64..200,
    ) {
        let mut bench = Bench::new();
        (bench.config.segment_bytes, bench.config.index_interval_bytes) = (6_000, 150);
        let log = bench.open_new();
        let (mut sequences, mut open) = ([0; 5], [false; 5]);
        let mut synced_bytes = 0;
        for step in steps {
            match step {
                Step::Produce { producer, records } => {
                    follow(&log, produced(producer, sequences[producer as usize], records, true));
                    sequences[producer as usize] += records as i32;
                    open[producer as usize] = true;
                }
                Step::EndTransaction { producer, commit } if open[producer as usize] => {
                    marker(&log, producer, commit);
                    open[producer as usize] = false;
                }
                Step::EndTransaction { .. } => {}
                Step::Roll => log.roll().unwrap(),
                Step::Sync => { sync(&log); }
                Step::Flush => log.flush().unwrap(),
            }
            if log.recovery_point() == log.end_offset() {
                synced_bytes = log.active().size();
            } else if log.recovery_point() <= log.active().base() {
                synced_bytes = 0;
            }
        }
        let recovery_point = log.checkpointed_recovery_point().0;
        let active = log.active();
        let kept = active.size().saturating_sub(lost).max(synced_bytes);
        active.file().unwrap().set_len(kept).unwrap();
        log.fail("crashed");
        let copy = copy_of(&bench);
        prop_assert_eq!(seen(&bench, recovery_point), seen(&copy, 0));
    }
}

#[test]
fn recovery_points_move_by_time_and_by_bytes() {
    let node = Node::new(2);
    let dirs = node.open();
    let logs: Vec<Arc<Log>> = (0..100).map(|n| create(&dirs, n)).collect();
    let checkpointed = |n: usize| {
        let text = fs::read_to_string(node.path(n).join("recovery-point-offset-checkpoint")).unwrap_or_default();
        text.lines().skip(2).filter(|line| !line.ends_with(" 0")).count()
    };
    for log in &logs {
        append(log, batch(&[1], 10, Compression::None));
    }
    node.tick(&dirs, 59_000);
    assert_eq!((checkpointed(0), checkpointed(1)), (0, 0));
    node.tick(&dirs, 1_000);
    assert!(logs.iter().all(|log| log.recovery_point() == Offset(1)));
    assert_eq!((checkpointed(0), checkpointed(1)), (50, 50));

    append(&logs[0], batch(&[1], 10, Compression::None));
    let now = Millis(node.clock.load(std::sync::atomic::Ordering::SeqCst));
    let queued = || {
        std::iter::from_fn(|| dirs.context().work.pop(now + Millis(1_000))).any(|work| matches!(work, Work::SyncLogs))
    };
    dirs.context().note_appended(100 << 20);
    assert!(!queued());
    dirs.context().note_appended(100 << 20);
    dirs.context().note_appended(100 << 20);
    let next = dirs.context().work.next_due();
    assert_eq!(next, Some(now + Millis(1_000)), "not at once again after the last time");
    node.tick(&dirs, 1_000);
    assert_eq!(logs[0].recovery_point(), Offset(2));
    assert!(!queued(), "asked for once");
    drop((logs, dirs));
    let dirs = node.open();
    assert_eq!(dirs.get(&partition(0)).unwrap().recovery_point(), Offset(2));
}

/// Of the producers' snapshots only those are kept that a start may need.
#[test]
fn syncing_again_and_again_leaves_two_snapshots() {
    let bench = Bench::new();
    let log = bench.open_new();
    for n in 0..10 {
        append(&log, produced(7, n, 1, false));
        sync(&log);
    }
    assert_eq!(files(&bench.dir(), ".snapshot"), ["00000000000000000009.snapshot", "00000000000000000010.snapshot"]);
    log.fail("crashed");
    let log = bench.open(false, 10).unwrap();
    assert!(append(&log, produced(7, 9, 1, false)).duplicate);
}
