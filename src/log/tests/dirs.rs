//! All directories of a node.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;

use super::*;
use crate::log::{LogDir, LogDirs, LogDirsOptions, MetaProperties, Work};
use crate::types::{BrokerEpoch, BrokerId};

/// Of a node with these directories.
pub fn options(dirs: Vec<PathBuf>, node_id: i32) -> LogDirsOptions {
    LogDirsOptions {
        dirs,
        identity: MetaProperties {
            cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".to_string(),
            node_id: BrokerId(node_id),
            directory_id: None,
        },
        recovery_threads_per_dir: 2,
        retention_check_interval: Millis(300_000),
        recovery_checkpoint_interval: Millis(60_000),
        log_start_checkpoint_interval: Millis(500),
        high_watermark_checkpoint_interval: Millis(5_000),
        reserve_bytes: Some(0),
    }
}

pub struct Node {
    root: tempfile::TempDir,
    pub clock: Arc<AtomicI64>,
    dirs: usize,
}

impl Node {
    pub fn new(dirs: usize) -> Node {
        Node { root: tempfile::tempdir().unwrap(), clock: Arc::new(AtomicI64::new(1_000_000)), dirs }
    }

    pub fn path(&self, n: usize) -> PathBuf {
        self.root.path().join(format!("d{n}"))
    }

    pub fn claim(&self, node_id: i32) -> Result<LogDirs, LogError> {
        self.claim_with(node_id, 2)
    }

    pub fn claim_with(&self, node_id: i32, recovery_threads_per_dir: usize) -> Result<LogDirs, LogError> {
        let dirs = (0..self.dirs).map(|n| self.path(n)).collect();
        let options = LogDirsOptions { recovery_threads_per_dir, ..options(dirs, node_id) };
        LogDirs::claim(options, LogContext::new(100, Clock::Manual(self.clock.clone()), ProducerRules::default()))
    }

    pub fn open(&self) -> LogDirs {
        let dirs = self.claim(1).unwrap();
        dirs.load(&|_| Arc::new(topic_config())).unwrap();
        dirs
    }

    /// Answers when something is due next.
    pub fn tick(&self, dirs: &LogDirs, later: i64) -> Millis {
        let now = Millis(self.clock.fetch_add(later, Ordering::SeqCst) + later);
        loop {
            let next = dirs.tick(now);
            if next > now {
                return next;
            }
        }
    }
}

pub(super) fn partition(n: i32) -> TopicPartition {
    TopicPartition::new("t", n)
}

pub(super) fn create(dirs: &LogDirs, n: i32) -> Arc<Log> {
    dirs.create(&partition(n), TopicId::ONE, Arc::new(topic_config()), None).unwrap()
}

#[test]
fn logs_come_back_after_clean_and_unclean_stops() {
    let node = Node::new(2);
    for round in 0..4i64 {
        let dirs = node.open();
        assert_eq!(dirs.previous_broker_epoch(), (round % 2 == 1).then_some(BrokerEpoch(40 + round - 1)));
        for n in 0..6 {
            let log = create(&dirs, n);
            assert_eq!((log.end_offset(), log.topic_id()), (Offset(round), Some(TopicId::ONE)), "round {round}");
            if round > 0 {
                assert_eq!(log.high_watermark(), Offset(round));
            }
            append(&log, batch(&[1], 10, Compression::None));
        }
        let counts: Vec<usize> = dirs.describe().iter().map(|dir| dir.replicas.len()).collect();
        assert_eq!(counts, [3, 3]);
        node.tick(&dirs, 60_000);
        if round % 2 == 0 {
            dirs.close(BrokerEpoch(40 + round)).unwrap();
            let text = fs::read_to_string(node.path(1).join(".kafka_cleanshutdown")).unwrap();
            assert_eq!(text, format!("{{\"version\":0,\"brokerEpoch\":{}}}", 40 + round));
        }
    }
}

/// A stop of so many syncs the whole file system instead of each file.
#[test]
fn a_stop_of_many_logs_writes_the_epochs_of_each() {
    let node = Node::new(2);
    let dirs = node.open();
    for n in 0..300 {
        let log = create(&dirs, n);
        let epoch = LeaderEpoch(n % 7);
        log.assign_epoch(epoch, Offset::ZERO);
        log.append(validated(batch(&[1], 10, Compression::None), AppendOrigin::Client), epoch, AppendOrigin::Client)
            .unwrap();
    }
    dirs.close(BrokerEpoch(1)).unwrap();
    for folder in [0, 1].map(|n| node.path(n)) {
        assert!(folder.join(".kafka_cleanshutdown").exists());
        let left = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("leader-epoch-checkpoint.tmp"));
        assert_eq!(left.filter(|path| path.exists()).count(), 0);
    }
    let dirs = node.open();
    for n in 0..300 {
        let log = dirs.get(&partition(n)).unwrap();
        assert_eq!(log.epoch_for_offset(Offset::ZERO), Some(LeaderEpoch(n % 7)));
    }
}

#[test]
fn another_nodes_directory_is_refused_by_name() {
    let node = Node::new(1);
    drop(node.claim(1).unwrap());
    let error = node.claim(2).unwrap_err().to_string();
    assert!(error.contains("meta.properties") && error.contains("node.id 1"), "{error}");
}

#[test]
fn cordoned_and_failed_directories_get_nothing_new() {
    let node = Node::new(3);
    let dirs = node.open();
    dirs.set_cordoned(BTreeSet::from([node.path(0)]));
    for n in 0..4 {
        create(&dirs, n);
    }
    let counts = |dirs: &LogDirs| dirs.describe().iter().map(|dir| dir.replicas.len()).collect::<Vec<_>>();
    assert_eq!(counts(&dirs), [0, 2, 2]);
    dirs.fail_dir(1, "the disk is on fire");
    create(&dirs, 4);
    assert_eq!(counts(&dirs), [0, 2, 3]);
    let failed = dirs.logs().iter().filter(|log| log.failure().is_some()).count();
    assert_eq!(failed, 2);
    dirs.close(BrokerEpoch(1)).unwrap();
    assert!(!node.path(1).join(".kafka_cleanshutdown").exists());
    assert!(node.path(2).join(".kafka_cleanshutdown").exists());
}

#[test]
fn a_partition_is_created_where_it_was_last_wanted() {
    let node = Node::new(3);
    let dirs = node.open();
    let ids: Vec<_> = dirs.dirs().iter().map(LogDir::id).collect();
    dirs.prefer(&partition(0), &node.path(1));
    dirs.prefer(&partition(0), &node.path(2));
    dirs.prefer(&partition(0), &node.path(7));
    dirs.create(&partition(0), TopicId::ONE, Arc::new(topic_config()), Some(ids[1])).unwrap();
    assert_eq!(dirs.directory_of(&partition(0)), Some(ids[2]));
    dirs.delete(&partition(0), Millis(0)).unwrap();
    dirs.create(&partition(0), TopicId::ONE, Arc::new(topic_config()), Some(ids[1])).unwrap();
    assert_eq!(dirs.directory_of(&partition(0)), Some(ids[1]), "the wish was fulfilled");
}

#[test]
fn deleted_partitions_free_the_disk_after_the_delay() {
    let node = Node::new(1);
    let dirs = node.open();
    let log = create(&dirs, 0);
    append(&log, batch(&[1], 10, Compression::None));
    let range = log.read(Offset(0), 1, Offset(1), true).unwrap().range.unwrap();
    assert!(dirs.delete(&partition(0), Millis(node.clock.load(Ordering::SeqCst))).unwrap());
    assert!(dirs.get(&partition(0)).is_none());
    assert_eq!(files(&node.path(0), "-delete").len(), 1);
    create(&dirs, 0);
    node.tick(&dirs, 59_999);
    assert_eq!(files(&node.path(0), "-delete").len(), 1);
    node.tick(&dirs, 1);
    assert_eq!(files(&node.path(0), "-delete").len(), 0);
    assert_eq!(dirs.get(&partition(0)).unwrap().end_offset(), Offset(0));
    let mut first = [0; 1];
    std::os::unix::fs::FileExt::read_exact_at(&*range.file, &mut first, range.position).unwrap();
}

#[test]
fn a_partition_moves_to_another_directory_with_its_records() {
    let node = Node::new(2);
    let dirs = node.open();
    let log = create(&dirs, 0);
    for n in 0..20 {
        append(&log, batch(&[n, n], 10, Compression::None));
    }
    log.delete_records_before(Offset(5)).unwrap();
    dirs.start_move(&partition(0), &node.path(1)).unwrap();
    assert_eq!(dirs.describe()[1].replicas.len(), 1);
    node.tick(&dirs, 1);
    let moved = dirs.get(&partition(0)).unwrap();
    assert_eq!(*moved.dir(), node.path(1).join("t-0"));
    assert!(!node.path(0).join("t-0").exists());
    assert_eq!((moved.log_start_offset(), moved.end_offset()), (Offset(5), Offset(40)));
    assert_eq!(read_all(&moved, 5, 1).len(), 18);
    assert!(log.failure().is_some());
    assert_eq!(append(&moved, batch(&[1], 1, Compression::None)).first_offset, Offset(40));
    dirs.close(BrokerEpoch(1)).unwrap();
    drop(dirs);
    let dirs = node.open();
    assert_eq!(dirs.get(&partition(0)).unwrap().end_offset(), Offset(41));
}

#[test]
fn a_move_that_was_cut_off_in_its_swap_is_finished_at_the_next_start() {
    let node = Node::new(2);
    let dirs = node.open();
    let log = create(&dirs, 0);
    for n in 0..20 {
        append(&log, batch(&[n, n], 10, Compression::None));
    }
    dirs.close(BrokerEpoch(1)).unwrap();
    drop(dirs);
    let future = crate::log::names::future_dir_name(&partition(0));
    fs::create_dir_all(node.path(1)).unwrap();
    fs::rename(node.path(0).join("t-0"), node.path(1).join(future)).unwrap();
    let dirs = node.open();
    let moved = dirs.get(&partition(0)).unwrap();
    assert_eq!(*moved.dir(), node.path(1).join("t-0"));
    assert_eq!(read_all(&moved, 0, 1).len(), 20);
}

#[test]
fn a_move_keeps_its_pace() {
    let node = Node::new(2);
    let dirs = node.open();
    let log = create(&dirs, 0);
    for _ in 0..20 {
        append(&log, batch(&[1], 1_000, Compression::None));
    }
    dirs.set_move_rate(1_000);
    dirs.start_move(&partition(0), &node.path(1)).unwrap();
    let copied = || dirs.describe()[1].replicas[0].end_offset;
    node.tick(&dirs, 1);
    assert_eq!(copied(), Some(Offset(1)));
    node.tick(&dirs, 100);
    assert_eq!(copied(), Some(Offset(1)));
    node.tick(&dirs, 1_000);
    assert_eq!(copied(), Some(Offset(2)));
    dirs.set_move_rate(i64::MAX);
    node.tick(&dirs, 1_100);
    assert_eq!(*dirs.get(&partition(0)).unwrap().dir(), node.path(1).join("t-0"));
}

#[test]
fn start_offsets_are_checkpointed_on_their_own_time() {
    let node = Node::new(1);
    let dirs = node.open();
    let log = create(&dirs, 0);
    append(&log, batch(&[1, 1], 10, Compression::None));
    log.delete_records_before(Offset(1)).unwrap();
    node.tick(&dirs, 501);
    let checkpoint = fs::read_to_string(node.path(0).join("log-start-offset-checkpoint")).unwrap();
    assert_eq!(checkpoint, "0\n1\nt 0 1\n");
    assert!(!node.path(0).join("recovery-point-offset-checkpoint").exists());
}

#[test]
fn one_damaged_partition_leaves_the_others_alone() {
    let node = Node::new(1);
    let dirs = node.open();
    for n in 0..3 {
        let log = create(&dirs, n);
        for _ in 0..3 {
            append(&log, batch(&[1], 100, Compression::None));
        }
    }
    let path = node.path(0).join("t-1/00000000000000000000.log");
    drop(dirs);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let dirs = node.open();
    assert_eq!(dirs.logs().len(), 2);
    assert!(matches!(dirs.damage(&partition(1)), Some(LogError::Damaged { position: 0, .. })));
    assert!(dirs.create(&partition(1), TopicId::ONE, Arc::new(topic_config()), None).is_err());
}

#[test]
fn damaged_checkpoints_count_as_absent() {
    let node = Node::new(1);
    let dirs = node.open();
    let log = create(&dirs, 0);
    append(&log, batch(&[1, 2], 10, Compression::None));
    node.tick(&dirs, 60_000);
    drop((log, dirs));
    for name in ["recovery-point", "log-start", "replication"] {
        fs::write(node.path(0).join(format!("{name}-offset-checkpoint")), "0\n1\nt 0").unwrap();
    }
    let dirs = node.open();
    assert_eq!(dirs.get(&partition(0)).unwrap().end_offset(), Offset(2));
}

#[test]
fn retention_and_flush_come_by_themselves() {
    let node = Node::new(1);
    let dirs = node.open();
    let config = TopicConfig { retention_ms: 1_000, flush_ms: 500, ..topic_config() };
    let log = dirs.create(&partition(0), TopicId::ONE, Arc::new(config), None).unwrap();
    append(&log, batch(&[5], 10, Compression::None));
    assert_eq!(log.recovery_point(), Offset(0));
    node.tick(&dirs, 1_001);
    assert_eq!(log.recovery_point(), Offset(1));
    node.tick(&dirs, 300_000);
    assert_eq!((log.log_start_offset(), log.size()), (Offset(1), 0));
}

#[test]
fn few_descriptors_serve_many_partitions() {
    let node = Node::new(1);
    let dirs = node.open();
    for n in 0..300 {
        append(&create(&dirs, n), batch(&[1], 10, Compression::None));
    }
    for n in 0..300 {
        assert_eq!(read_all(&dirs.get(&partition(n)).unwrap(), 0, 1).len(), 1);
    }
    assert!(dirs.context().cache.open_files() <= 100);
}

/// The thread that appends waits for no disk: the first records have the topic id synced by another.
#[test]
fn a_first_append_leaves_the_syncs_to_the_thread_for_them() {
    let node = Node::new(1);
    let dirs = node.open();
    let log = create(&dirs, 0);
    for n in 0..3 {
        append(&log, batch(&[n], 10, Compression::None));
    }
    let now = Millis(node.clock.load(Ordering::SeqCst));
    let left: Vec<Work> = std::iter::from_fn(|| dirs.context().work.pop(now)).collect();
    assert!(matches!(left[..], [Work::SyncMetadata(_)]), "{left:?}");
    assert!(!log.metadata_is_synced());
    left.into_iter().for_each(|work| dirs.context().work.push(work));
    node.tick(&dirs, 1);
    assert!(log.metadata_is_synced());
}

#[test]
fn a_flush_covers_the_topic_id() {
    let node = Node::new(1);
    let log = create(&node.open(), 0);
    append(&log, batch(&[1], 10, Compression::None));
    log.flush().unwrap();
    assert!(log.metadata_is_synced());
}

/// A crash of the machine may leave the file empty.
#[test]
fn a_lost_topic_id_is_written_again() {
    let node = Node::new(1);
    let dirs = node.open();
    append(&create(&dirs, 0), batch(&[1], 10, Compression::None));
    drop(dirs);
    let path = node.path(0).join("t-0/partition.metadata");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, "").unwrap();
    let dirs = node.open();
    assert_eq!(dirs.get(&partition(0)).unwrap().topic_id(), None);
    let log = create(&dirs, 0);
    assert_eq!((log.topic_id(), log.end_offset()), (Some(TopicId::ONE), Offset(1)));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}
