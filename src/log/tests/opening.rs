//! Logs that are opened one after the other, while others are asked for, deleted, or the broker stops.

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::dirs::{Node, create, partition};
use super::*;
use crate::log::{LogDirs, OpenedListener, Unopened};
use crate::types::BrokerEpoch;

const CHECKPOINTS: [&str; 3] =
    ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"];

/// A directory with logs of three records each, of which the first was deleted, left by a crash or by a clean stop.
fn left(clean: bool) -> Node {
    let node = Node::new(1);
    let dirs = node.open();
    for n in 0..4 {
        let log = create(&dirs, n);
        for _ in 0..3 {
            append(&log, batch(&[1], 10, Compression::None));
        }
        log.delete_records_before(Offset(1)).unwrap();
    }
    node.tick(&dirs, 60_000);
    if clean {
        dirs.close(BrokerEpoch(1)).unwrap();
    }
    node
}

fn found(node: &Node) -> LogDirs {
    let dirs = node.claim(1).unwrap();
    dirs.find_logs(&|_| Arc::new(topic_config())).unwrap();
    dirs
}

/// The lines of a checkpoint, whatever their order.
fn lines(node: &Node, name: &str) -> Vec<String> {
    let text = fs::read_to_string(node.path(0).join(name)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

fn is_marked_clean(node: &Node) -> bool {
    node.path(0).join(".kafka_cleanshutdown").exists()
}

/// A node of many partitions that nobody writes to starts after a kill as it does after a stop.
#[test]
fn an_empty_log_costs_a_start_no_file() {
    let node = Node::new(1);
    drop(create(&node.open(), 0));
    let dir = node.path(0).join("t-0");
    let before = files(&dir, "");
    let dirs = node.open();
    assert_eq!(files(&dir, ""), before);
    assert_eq!(dirs.context().cache.open_files(), 0);
    append(&dirs.get(&partition(0)).unwrap(), batch(&[1], 10, Compression::None));
    drop(dirs);
    assert_eq!(node.open().get(&partition(0)).unwrap().end_offset(), Offset(1));
}

#[test]
fn coordinators_come_first_and_then_what_was_written_last() {
    let node = Node::new(1);
    let dirs = node.open();
    let names = [("t", 0, 10), ("t", 1, 40), ("__consumer_offsets", 3, 5), ("t", 2, 20), ("__transaction_state", 0, 1)];
    for (topic, n, at) in names {
        let name = TopicPartition::new(topic, n);
        append(
            &dirs.create(&name, TopicId::ONE, Arc::new(topic_config()), None).unwrap(),
            batch(&[1], 10, Compression::None),
        );
        let file = node.path(0).join(format!("{topic}-{n}/00000000000000000000.log"));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + at);
        fs::File::options().append(true).open(file).unwrap().set_modified(time).unwrap();
    }
    drop(dirs);
    let dirs = node.claim_with(1, 1).unwrap();
    dirs.find_logs(&|_| Arc::new(topic_config())).unwrap();
    assert_eq!(dirs.unopened(), Unopened { partitions: 5, bytes: 0 });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    dirs.on_opened(OpenedListener(Box::new(move |partition| told.lock().unwrap().push(partition.to_string()))));
    dirs.open_logs();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[..], ["__consumer_offsets-3", "__transaction_state-0", "t-1", "t-2", "t-0"]);
    assert_eq!(dirs.unopened(), Unopened::default());
    assert!(dirs.wait_until_open(Duration::ZERO));
}

#[test]
fn a_log_that_is_not_open_is_not_made_anew() {
    let node = left(false);
    let dirs = found(&node);
    assert!(dirs.is_opening(&partition(0)) && dirs.get(&partition(0)).is_none());
    assert!(!dirs.wait_until_open(Duration::from_millis(1)));
    assert!(dirs.create(&partition(0), TopicId::ONE, Arc::new(topic_config()), None).is_err());
    dirs.open_logs();
    assert!(!dirs.is_opening(&partition(0)));
    assert_eq!(create(&dirs, 0).end_offset(), Offset(3));
}

/// Who sums sizes while logs are being opened is told of all of them, each once.
#[test]
fn sizes_of_logs_that_are_not_open_are_those_of_their_files() {
    let node = left(false);
    let sizes = |dirs: &LogDirs| {
        let replicas = dirs.describe().remove(0).replicas.into_iter();
        let mut sizes: Vec<_> = replicas.map(|one| (one.partition, one.size, one.is_future, one.end_offset)).collect();
        sizes.sort();
        sizes
    };
    let dirs = found(&node);
    dirs.delete(&partition(3), Millis(0)).unwrap();
    let before = sizes(&dirs);
    assert!(before.iter().all(|(.., end)| end.is_none()), "{before:?}");
    dirs.open_logs();
    let after = sizes(&dirs);
    assert_eq!(after.iter().map(|(name, ..)| name.partition).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(after.iter().all(|(_, size, _, end)| *size > 0 && *end == Some(Offset(3))), "{after:?}");
    let but_ends = |rows: Vec<(TopicPartition, u64, bool, Option<Offset>)>| -> Vec<_> {
        rows.into_iter().map(|(name, size, is_future, _)| (name, size, is_future)).collect()
    };
    assert_eq!(but_ends(before), but_ends(after));
}

/// The files are written anew while some logs are not open: nothing is forgotten of those.
#[test]
fn checkpoints_keep_what_they_say_of_logs_that_are_not_open() {
    let node = left(false);
    let before = CHECKPOINTS.map(|name| lines(&node, name));
    let dirs = found(&node);
    append(&create(&dirs, 7), batch(&[1], 10, Compression::None));
    node.tick(&dirs, 60_000);
    for (name, before) in CHECKPOINTS.iter().zip(&before) {
        let now = lines(&node, name);
        assert!(before[2..].iter().all(|line| now.contains(line)), "{name}: {now:?}, before: {before:?}");
    }
    dirs.open_logs();
    assert_eq!(dirs.get(&partition(1)).unwrap().log_start_offset(), Offset(1));
    assert_eq!(dirs.get(&partition(1)).unwrap().high_watermark(), Offset(3));
}

#[test]
fn a_topic_deleted_before_its_log_is_open_is_gone() {
    let node = left(false);
    let dirs = found(&node);
    assert!(dirs.delete(&partition(2), Millis(0)).unwrap());
    dirs.open_logs();
    assert!(dirs.get(&partition(2)).is_none() && !dirs.is_opening(&partition(2)));
    assert!(!node.path(0).join("t-2").exists());
    assert_eq!(create(&dirs, 2).end_offset(), Offset(0));
    node.tick(&dirs, 60_001);
    assert_eq!(files(&node.path(0), "-delete"), Vec::<String>::new());
    node.tick(&dirs, 60_000);
    assert!(!lines(&node, CHECKPOINTS[1]).iter().any(|line| line.starts_with("t 2 ")));
}

/// A recovery that was not finished is none.
#[test]
fn a_stop_before_all_is_open_is_clean_only_if_the_last_one_was() {
    for clean in [false, true] {
        let node = left(clean);
        let before = CHECKPOINTS.map(|name| lines(&node, name));
        let dirs = found(&node);
        dirs.stop_opening();
        dirs.open_logs();
        assert_eq!(dirs.unopened().partitions, 4);
        dirs.close(BrokerEpoch(2)).unwrap();
        assert_eq!(is_marked_clean(&node), clean);
        assert_eq!(CHECKPOINTS.map(|name| lines(&node, name)), before);
        drop(dirs);
        let dirs = node.open();
        assert_eq!(dirs.get(&partition(3)).unwrap().end_offset(), Offset(3));
        assert_eq!(dirs.get(&partition(3)).unwrap().log_start_offset(), Offset(1));
        dirs.close(BrokerEpoch(3)).unwrap();
        assert!(is_marked_clean(&node));
    }
}

/// After a clean stop nothing would be checked, and the damage be taken for good.
#[test]
fn a_damaged_log_is_looked_at_again_after_a_clean_stop() {
    let node = Node::new(1);
    let dirs = node.open();
    for _ in 0..3 {
        append(&create(&dirs, 0), batch(&[1], 100, Compression::None));
    }
    create(&dirs, 1);
    drop(dirs);
    let path = node.path(0).join("t-0/00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for _ in 0..2 {
        let dirs = node.open();
        assert!(matches!(dirs.damage(&partition(0)), Some(LogError::Damaged { position: 0, .. })));
        dirs.close(BrokerEpoch(1)).unwrap();
        assert!(!is_marked_clean(&node));
    }
}

#[test]
fn what_is_left_to_read_is_told() {
    let node = Node::new(1);
    let dirs = node.open();
    for n in 0..3 {
        append(&create(&dirs, n), batch(&[1], 1_000, Compression::None));
    }
    let each = dirs.get(&partition(0)).unwrap().size();
    drop(dirs);
    let dirs = found(&node);
    let most = Arc::new(Mutex::new(Unopened::default()));
    let (told, weak) = (most.clone(), Arc::new(dirs));
    let asked = Arc::downgrade(&weak);
    weak.on_opened(OpenedListener(Box::new(move |_| {
        let now = asked.upgrade().unwrap().unopened();
        let mut most = told.lock().unwrap();
        most.bytes = most.bytes.max(now.bytes);
    })));
    weak.open_logs();
    assert!([2 * each, 3 * each].contains(&most.lock().unwrap().bytes));
    assert_eq!(weak.unopened(), Unopened::default());
}
