//! Opening directories of ours and of a JVM's, and what is in the files afterwards.

mod crash;
mod newer;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tempfile::TempDir;

use super::batches::{Content, read_batches};
use super::snapshot::{Retention, expired};
use super::*;
use crate::config::{ConfigStore, TopicConfig, load};
use crate::log::producer_state::ProducerRules;
use crate::log::{LogContext, MetaProperties};
use crate::metadata::ConfigResource;
use crate::protocol::kraft::*;
use crate::state_machine::Journal;
use crate::types::{BrokerId, Clock, LeaderEpoch, Millis, Offset, Uuid};

const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qk";
const ENDPOINT: (&str, &str, u16) = ("CONTROLLER", "127.0.0.1", 29411);

fn topic_config() -> Arc<TopicConfig> {
    let store = ConfigStore::new(load(None, &[], &|_| None).unwrap().broker);
    Arc::new(store.topic_config(&BTreeMap::new()))
}

fn clock() -> Clock {
    Clock::Manual(Arc::new(AtomicI64::new(1_000_000)))
}

fn options(dir: &Path, directory_id: Uuid) -> QuorumOptions {
    let (name, host, port) = ENDPOINT;
    QuorumOptions {
        node_id: BrokerId(1),
        log_dir: dir.to_path_buf(),
        directory_id,
        endpoints: vec![(name.into(), host.into(), port)],
        static_voters: None,
        min_insync_replicas: 1,
        snapshot_bytes: 20 << 20,
        snapshot_interval: Millis(0),
        retention_bytes: 100 << 20,
        retention_age: Millis(-1),
        log_config: topic_config(),
        context: LogContext::new(100, clock(), ProducerRules::default()),
        clock: clock(),
    }
}

fn format(dir: &Path, voters: InitialVoters) -> Uuid {
    let options = FormatOptions {
        cluster_id: CLUSTER.into(),
        node_id: BrokerId(1),
        log_dirs: vec![dir.to_path_buf()],
        metadata_log_dir: dir.to_path_buf(),
        release_version: None,
        features: BTreeMap::new(),
        ignore_formatted: false,
        records: vec![],
        voters,
        now: Millis(5),
    };
    format_directories(&options).unwrap();
    MetaProperties::read(dir).unwrap().unwrap().directory_id.unwrap()
}

fn standalone() -> InitialVoters {
    let (listener, host, port) = ENDPOINT;
    InitialVoters::Standalone { listener: listener.into(), host: host.into(), port }
}

/// Each batch of the log: its epoch and its records in short.
fn log_text(dir: &Path) -> Vec<String> {
    let bytes = Bytes::from(fs::read(dir.join(METADATA_LOG).join("00000000000000000000.log")).unwrap());
    let batches = read_batches(&bytes).map(|batch| {
        let batch = batch.unwrap();
        let names: Vec<String> = match batch.content {
            Content::Control(records) => records.iter().map(|record| format!("control {}", record.kind())).collect(),
            Content::Metadata(records) => records.iter().map(|record| record.name().to_owned()).collect(),
        };
        format!("{}@{}: {}", batch.epoch, batch.base_offset, names.join(" "))
    });
    batches.collect()
}

fn topic(name: &str) -> MetadataRecord {
    TopicRecord { name: name.into(), topic_id: Uuid([name.len() as u8; 16]) }.into()
}

async fn append(quorum: &Quorum, records: &[MetadataRecord]) -> Offset {
    let offset = quorum.append(records).unwrap();
    quorum.committed(offset).await.unwrap();
    offset
}

#[tokio::test]
async fn a_formatted_directory_begins_with_an_election_and_the_bootstrap_records() {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), standalone());
    let Opened { quorum, image } = Quorum::open(options(dir.path(), id)).unwrap();
    assert_eq!(
        image.features.iter().map(|(name, level)| (name.as_str(), *level)).collect::<Vec<_>>(),
        [
            ("eligible.leader.replicas.version", 1),
            ("group.version", 1),
            ("metadata.version", 30),
            ("share.version", 1),
            ("streams.version", 1),
            ("transaction.version", 2)
        ]
    );
    assert_eq!(image.config(&ConfigResource::default_broker())["min.insync.replicas"], "1");
    assert_eq!(append(&quorum, &[topic("t")]).await, Offset(10));
    assert!(quorum.image().topics.named("t").is_some());
    assert_eq!(quorum.info().high_watermark, Offset(11));
    quorum.close().unwrap();
    assert_eq!(
        log_text(dir.path()),
        [
            "1@0: control 2 control 5 control 6",
            "1@3: FeatureLevelRecord FeatureLevelRecord FeatureLevelRecord FeatureLevelRecord FeatureLevelRecord \
             FeatureLevelRecord ConfigRecord",
            "1@10: TopicRecord"
        ]
    );
    let state = fs::read_to_string(dir.path().join(METADATA_LOG).join("quorum-state")).unwrap();
    let expected =
        r#"{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#;
    assert_eq!(state, expected);
    assert!(dir.path().join(METADATA_LOG).join("00000000000000000011-0000000001.checkpoint").exists());

    let Opened { quorum, image } = Quorum::open(options(dir.path(), id)).unwrap();
    assert!(image.topics.named("t").is_some());
    assert_eq!((quorum.epoch(), image.offset), (LeaderEpoch(2), Offset(11)), "a restart is an election");
    quorum.close().unwrap();
    assert_eq!(log_text(dir.path())[3], "2@11: control 2");
}

#[tokio::test]
async fn a_static_quorum_has_no_voters_in_its_log() {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), InitialVoters::Static);
    assert!(Quorum::open(options(dir.path(), id)).is_err(), "nobody says who votes");
    let voters = VoterSet::parse_static("1@127.0.0.1:29411", "CONTROLLER").unwrap();
    let with_voters = QuorumOptions { static_voters: Some(voters), ..options(dir.path(), id) };
    Quorum::open(with_voters).unwrap().quorum.close().unwrap();
    assert_eq!(log_text(dir.path())[0], "1@0: control 2");
    let state = fs::read_to_string(dir.path().join(METADATA_LOG).join("quorum-state")).unwrap();
    let expected = r#"{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
    assert_eq!(state, expected);
    let two = VoterSet::parse_static("1@a:1,2@b:2", "CONTROLLER").unwrap();
    let refused = Quorum::open(QuorumOptions { static_voters: Some(two), ..options(dir.path(), id) });
    assert!(refused.is_err_and(|error| error.to_string().contains("only a quorum of one is served")));
}

#[test]
fn a_jvm_directory_of_a_dynamic_quorum_opens() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join(METADATA_LOG);
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("00000000000000000000.log"), include_bytes!("testdata/jvm-dynamic-00000000000000000000.log"))
        .unwrap();
    fs::write(log.join("quorum-state"), include_bytes!("testdata/jvm-dynamic-quorum-state")).unwrap();
    fs::write(log.join(SnapshotId::FORMATTED.file_name()), include_bytes!("testdata/jvm-dynamic-formatted.checkpoint"))
        .unwrap();
    let id: Uuid = "VEHQTM6zTVWUbA3WOcxxQw".parse().unwrap();
    let Opened { quorum, image } = Quorum::open(options(dir.path(), id)).unwrap();
    assert_eq!(quorum.epoch(), LeaderEpoch(4));
    assert_eq!(quorum.next_offset(), Offset(125));
    let names: Vec<_> = {
        let mut names: Vec<_> = image.topics.iter().map(|topic| topic.name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names, ["t1", "t3"]);
    assert_eq!(image.partition("t1", 0).unwrap().elr, [BrokerId(1)]);
    assert!(image.broker(BrokerId(1)).unwrap().fenced);
    assert_eq!(image.scram[&1]["u"].iterations, 4096);
    quorum.close().unwrap();

    // The snapshot in the middle and the log behind it say the same as the whole log.
    fs::remove_file(log.join("00000000000000000125-0000000004.checkpoint")).unwrap();
    let middle = include_bytes!("testdata/jvm-dynamic-114-3.checkpoint");
    fs::write(log.join("00000000000000000114-0000000003.checkpoint"), middle).unwrap();
    let again = Quorum::open(options(dir.path(), id)).unwrap();
    assert_eq!(again.image.to_records(), image.to_records());
    let elsewhere = Quorum::open(options(dir.path(), Uuid([5; 16])));
    assert!(elsewhere.is_err_and(|error| error.to_string().contains("VEHQTM6zTVWUbA3WOcxxQw")));
}

#[test]
fn a_jvm_directory_of_a_static_quorum_opens() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join(METADATA_LOG);
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("00000000000000000000.log"), include_bytes!("testdata/jvm-static-00000000000000000000.log"))
        .unwrap();
    fs::write(log.join("quorum-state"), include_bytes!("testdata/jvm-static-quorum-state")).unwrap();
    let voters = VoterSet::parse_static("1@127.0.0.1:29421", "CONTROLLER").unwrap();
    let options = QuorumOptions { static_voters: Some(voters), ..options(dir.path(), Uuid([5; 16])) };
    let Opened { quorum, image } = Quorum::open(options).unwrap();
    assert_eq!(quorum.epoch(), LeaderEpoch(2));
    assert_eq!(image.metadata_version().unwrap().level(), 30);
    assert_eq!(quorum.info().kraft_version, 0);
}

#[test]
fn the_bootstrap_file_of_a_jvm_is_read() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("bootstrap.checkpoint"), include_bytes!("testdata/jvm-bootstrap.checkpoint")).unwrap();
    assert_eq!(read_bootstrap(dir.path()).unwrap().len(), 6);
    let empty = TempDir::new().unwrap();
    assert_eq!(read_bootstrap(empty.path()).unwrap().len(), 1, "the newest level, when nobody formatted");
}

#[tokio::test]
async fn listeners_see_a_change_before_it_is_called_committed() {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), standalone());
    let quorum = Quorum::open(options(dir.path(), id)).unwrap().quorum;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let before = quorum.subscribe(Box::new(move |delta, image| {
        let names: Vec<_> = delta.changed_topics().map(|change| change.topic.name.to_string()).collect();
        sink.lock().unwrap().push((names, image.offset));
    }));
    assert!(before.topics.is_empty());
    append(&quorum, &[topic("a"), topic("bb")]).await;
    assert_eq!(*seen.lock().unwrap(), [(vec!["a".to_owned(), "bb".to_owned()], Offset(11))]);
}

#[tokio::test]
async fn a_metadata_transaction_counts_as_a_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), standalone());
    let quorum = Quorum::open(options(dir.path(), id)).unwrap().quorum;
    let begin: MetadataRecord = BeginTransactionRecord::default().into();
    append(&quorum, &[begin.clone(), topic("a")]).await;
    assert!(quorum.image().topics.is_empty());
    append(&quorum, &[topic("bb"), EndTransactionRecord::default().into()]).await;
    assert_eq!(quorum.image().topics.len(), 2);
    append(&quorum, &[begin, topic("ccc")]).await;
    quorum.close().unwrap();
    let Opened { quorum, image } = Quorum::open(options(dir.path(), id)).unwrap();
    assert_eq!(image.topics.len(), 2);
    quorum.close().unwrap();
    assert!(log_text(dir.path()).last().unwrap().ends_with("AbortTransactionRecord"));
    assert_eq!(Quorum::open(options(dir.path(), id)).unwrap().image.topics.len(), 2);
}

#[tokio::test]
async fn enough_bytes_make_a_snapshot_and_old_ones_go() {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), standalone());
    let small = QuorumOptions { snapshot_bytes: 1, retention_bytes: 0, ..options(dir.path(), id) };
    let quorum = Quorum::open(small).unwrap().quorum;
    for name in ["a", "bb", "ccc"] {
        append(&quorum, &[topic(name)]).await;
    }
    quorum.close().unwrap();
    let snapshots = snapshot::list(&dir.path().join(METADATA_LOG)).unwrap();
    assert_eq!(snapshots, [SnapshotId { end_offset: Offset(13), epoch: LeaderEpoch(1) }]);
    let Opened { quorum, image } = Quorum::open(options(dir.path(), id)).unwrap();
    assert_eq!(image.topics.len(), 3);
    assert_eq!(quorum.info().voters.voters().len(), 1, "the snapshot has the voters");
}

#[test]
fn snapshots_expire_by_size_and_age_but_never_the_last() {
    let three = [(10, Millis(0)), (10, Millis(50)), (10, Millis(90))];
    let limits = |max_bytes, max_age| Retention { max_bytes, max_age: Millis(max_age) };
    let table =
        [(limits(-1, -1), 0), (limits(0, -1), 2), (limits(125, -1), 1), (limits(-1, 60), 1), (limits(-1, 0), 2)];
    for (limits, count) in table {
        assert_eq!(expired(&three, 100, limits, Millis(100)), count, "{limits:?}");
    }
}

#[test]
fn a_formatted_directory_is_not_formatted_twice() {
    let dir = TempDir::new().unwrap();
    format(dir.path(), standalone());
    let options = FormatOptions {
        cluster_id: CLUSTER.into(),
        node_id: BrokerId(1),
        log_dirs: vec![dir.path().to_path_buf()],
        metadata_log_dir: dir.path().to_path_buf(),
        release_version: None,
        features: BTreeMap::new(),
        ignore_formatted: false,
        records: vec![],
        voters: standalone(),
        now: Millis(5),
    };
    assert!(format_directories(&options).unwrap_err().to_string().contains("is already formatted."));
    let other = FormatOptions { cluster_id: "other".into(), ..options.clone() };
    assert!(format_directories(&other).unwrap_err().to_string().starts_with("Invalid cluster.id in: "));
    let ignoring = FormatOptions { ignore_formatted: true, ..options };
    assert!(format_directories(&ignoring).unwrap().formatted.is_empty());
}
