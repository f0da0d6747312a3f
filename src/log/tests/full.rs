//! A full disk: what it refuses is as if it had never been asked for.

use super::dirs::Node;
use super::transactions::{end_of_transaction, placed, produced};
use super::*;
use crate::log::disk::stop;
use crate::log::space::DirSpace;

/// Bytes that still fit into a file: some of a batch, so that it is cut short.
const ROOM: usize = 40;

fn refused(log: &Log, records: Bytes) {
    stop::fill(Some(ROOM));
    let batches = validated(records, AppendOrigin::Client);
    let error = log.append(batches, LeaderEpoch(0), AppendOrigin::Client).unwrap_err();
    stop::fill(None);
    assert!(error.is_out_of_space() && !error.is_disk_failure(), "{error}");
    assert_eq!(log.failure(), None);
}

fn log_bytes(bench: &Bench) -> u64 {
    let len = |name: &String| std::fs::metadata(bench.dir().join(name)).unwrap().len();
    files(&bench.dir(), ".log").iter().map(len).sum()
}

/// Whether the states were kept at hand, as while the disk is known to be short, or have to be read from the log.
#[test]
fn a_batch_that_was_refused_can_come_again() {
    for is_known in [false, true] {
        let mut bench = Bench::new();
        bench.config.segment_bytes = 700;
        let log = bench.open_new();
        let space = Arc::new(DirSpace::unknown());
        if is_known {
            log.lies_in(&space);
        }
        for sequence in 0..12 {
            append(&log, produced(7, sequence, 1, false));
            let size = log_bytes(&bench);
            if is_known {
                space.refuse(Millis(0));
            }
            refused(&log, produced(7, sequence + 1, 1, false));
            assert_eq!(log.is_short_of_space(), is_known);
            assert_eq!(log_bytes(&bench), size, "what was written of it is cut off");
            assert_eq!(log.end_offset(), Offset(i64::from(sequence) + 1));
            let again = append(&log, produced(7, sequence, 1, false));
            assert!(again.duplicate, "what was there before is still known");
        }
        drop(log);
        let log = bench.open(false, 0).unwrap();
        assert_eq!(read_all(&log, 0, 1 << 20).len(), 12);
        assert!(append(&log, produced(7, 11, 1, false)).duplicate);
        assert!(!append(&log, produced(7, 12, 1, false)).duplicate);
    }
}

#[test]
fn a_transaction_ends_when_there_is_room_again() {
    let bench = Bench::new();
    let log = bench.open_new();
    append(&log, batch(&[1], 10, Compression::None));
    let take = |records: Bytes, room: Option<usize>| {
        stop::fill(room);
        let taken = log.append_as_follower(&placed(&log, records));
        stop::fill(None);
        log.set_high_watermark(log.end_offset());
        assert!(taken.as_ref().err().is_none_or(LogError::is_out_of_space), "{taken:?}");
        taken.is_ok()
    };
    let stable = || log.last_stable_offset(log.high_watermark()).0;
    let aborted = || log.aborted_transactions(Offset(0), Offset(9)).unwrap().len();
    assert!(!take(produced(1, 0, 2, true), Some(ROOM)));
    assert_eq!((stable(), log.end_offset().0), (1, 1), "no transaction was begun");
    assert!(take(produced(1, 0, 2, true), None));
    assert!(!take(end_of_transaction(&log, 1, false), Some(ROOM)));
    assert_eq!((stable(), aborted(), log.end_offset().0), (1, 0, 3), "it is still open");
    assert!(take(end_of_transaction(&log, 1, false), None));
    assert_eq!((stable(), aborted(), log.end_offset().0), (4, 1, 4));
}

#[test]
fn a_group_that_was_refused_leaves_the_rest_in_order() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 500;
    let log = bench.open_new();
    for n in 0..20 {
        append(&log, batch(&[n], 100, Compression::None));
        refused(&log, batch(&[n, n], 200, Compression::None));
    }
    let kept: Vec<(i64, i64)> = (0..20).map(|n| (n, n)).collect();
    assert_eq!(read_all(&log, 0, 1 << 20), kept);
    drop(log);
    assert_eq!(read_all(&bench.open(false, 0).unwrap(), 0, 1 << 20), kept);
}

#[test]
fn a_shortage_has_deleted_files_removed_at_once() {
    let node = Node::new(1);
    let dirs = node.claim(1).unwrap();
    dirs.load(&|_| Arc::new(topic_config())).unwrap();
    let partition = TopicPartition::new("t", 0);
    dirs.create(&partition, TopicId::ONE, Arc::new(topic_config()), None).unwrap();
    dirs.delete(&partition, Millis(1_000_000)).unwrap();
    node.tick(&dirs, 1);
    assert_eq!(std::fs::read_dir(node.path(0)).unwrap().filter(is_dir).count(), 1);
    assert!(dirs.room_for_partitions().is_ok());
    dirs.dirs()[0].space.refuse(Millis(1_000_001));
    assert!(matches!(dirs.room_for_partitions(), Err(LogError::NoRoom { .. })));
    let next = dirs.look_for_space(Millis(1_000_002));
    assert!(next <= Millis(1_000_502), "looked at again soon: {next}");
    node.tick(&dirs, 1);
    assert_eq!(std::fs::read_dir(node.path(0)).unwrap().filter(is_dir).count(), 0);
    dirs.look_for_space(Millis(1_002_000));
    assert!(dirs.room_for_partitions().is_ok(), "there is room, and it was long ago that the disk refused");
}

fn is_dir(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}
