//! Arbitrary bytes as the files of a log directory, or of a metadata log: opening refuses with an error or opens, and
//! what opens can be read, appended to, closed, and opened again.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla::config::{ConfigStore, TopicConfig, load};
use ottla::log::append::{AppendOrigin, AppendRules, TopicRules, validate};
use ottla::log::producer_state::{ProducerRules, write_snapshot};
use ottla::log::{Log, LogContext, LogDirs, LogDirsOptions, MetaProperties};
use ottla::protocol::batch::{BatchBuilder, crc32c};
use ottla::protocol::compression::{Compression, Decompressor};
use ottla::protocol::control::EndTxnMarker;
use ottla::protocol::kraft::{MetadataRecord, NoOpRecord};
use ottla::quorum::{FormatOptions, InitialVoters, METADATA_LOG, Quorum, QuorumOptions, VoterSet, format_directories};
use ottla::state_machine::Journal;
use ottla::types::{
    BrokerEpoch, BrokerId, Clock, DirectoryId, LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, TopicPartition,
    Uuid,
};
use ottla_fuzz::{mend_batches, peak_during, plant};

/// The files of a log directory with one partition.
const NODE_FILES: [&str; 24] = [
    "t-0/00000000000000000000.log",
    "t-0/00000000000000000000.index",
    "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000000.txnindex",
    "t-0/00000000000000000003.log",
    "t-0/00000000000000000003.index",
    "t-0/00000000000000000003.timeindex",
    "t-0/00000000000000000003.snapshot",
    "t-0/00000000000000000002.snapshot",
    "t-0/leader-epoch-checkpoint",
    "t-0/partition.metadata",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "meta.properties",
    ".kafka_cleanshutdown",
    "t-0/09223372036854775807.log",
    "t-0/00000000000000000000.log.swap",
    "t-0/00000000000000000000.log.cleaned",
    "t-0/00000000000000000003.log.swap",
    "t-0/00000000000000000000.index.swap",
    "t-0/00000000000000000000.log.deleted",
    "t-0/00000000000000000003.txnindex",
    "t-0/00000000003000000000.log",
];

/// The files of a metadata log.
const METADATA_FILES: [&str; 12] = [
    "__cluster_metadata-0/00000000000000000000.log",
    "__cluster_metadata-0/quorum-state",
    "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
    "__cluster_metadata-0/00000000000000000003-0000000001.checkpoint",
    "__cluster_metadata-0/leader-epoch-checkpoint",
    "__cluster_metadata-0/partition.metadata",
    "__cluster_metadata-0/00000000000000000000.index",
    "__cluster_metadata-0/00000000000000000000.timeindex",
    "__cluster_metadata-0/00000000000000000003.log",
    "__cluster_metadata-0/00000000000000000002.snapshot",
    "bootstrap.checkpoint",
    "__cluster_metadata-0/09223372036854775806-2147483647.checkpoint",
];

const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qk";
const NOW: i64 = 1_700_000_000_000;
const ID: DirectoryId = Uuid([7; 16]);

const METADATA: u8 = 1;
const MEND: u8 = 2;
const MEND_LENGTH: u8 = 4;
const CLEAN: u8 = 8;
const IDENTIFIED: u8 = 16;
const STATIC_VOTERS: u8 = 32;

static CONFIG: LazyLock<Arc<TopicConfig>> = LazyLock::new(|| {
    let loaded = load(None, &[], &|_: &str| None).expect("the defaults are valid");
    Arc::new(ConfigStore::new(loaded.broker).topic_config(&BTreeMap::new()))
});

/// In memory where that is possible: what is synced here need not last.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    parent.join(format!("ottla-fuzz-{}", std::process::id()))
});

fuzz_target!(init: { LazyLock::force(&CONFIG); plant(seeds()) }, |data: &[u8]| {
    let Some((&flags, sections)) = data.split_first() else { return };
    let _ = fs::remove_dir_all(&*ROOT);
    let is_metadata = flags & METADATA != 0;
    write_files(flags, sections, if is_metadata { &METADATA_FILES[..] } else { &NODE_FILES[..] });
    let (_, peak) = peak_during(|| if is_metadata { open_quorum(flags) } else { open_node() });
    let bound = (8 << 20) + 256 * data.len();
    assert!(peak <= bound, "{} bytes took {peak}, more than {bound}", data.len());
    let _ = fs::remove_dir_all(&*ROOT);
});

/// Each section is the number of a file, a length of two bytes, and the content.
fn write_files(flags: u8, mut sections: &[u8], names: &[&str]) {
    for folder in ["t-0", METADATA_LOG] {
        fs::create_dir_all(ROOT.join(folder)).expect("a folder can be made");
    }
    if flags & IDENTIFIED != 0 {
        identity().write(&ROOT).expect("the identity can be written");
    }
    if flags & CLEAN != 0 {
        fs::write(ROOT.join(".kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":4}")
            .expect("a file can be written");
    }
    while let Some((&[file, high, low], rest)) = sections.split_first_chunk() {
        let len = rest.len().min(usize::from(u16::from_be_bytes([high, low])));
        let (content, rest) = rest.split_at(len);
        sections = rest;
        let Some(name) = names.get(usize::from(file)) else { continue };
        let mut content = content.to_vec();
        if flags & MEND != 0 && [".log", ".swap", ".cleaned", ".checkpoint"].iter().any(|end| name.ends_with(end)) {
            mend_batches(&mut content, flags & MEND_LENGTH != 0);
        } else if flags & MEND != 0 && name.ends_with(".snapshot") && content.len() > 6 {
            let crc = crc32c(&content[6..]);
            content[2..6].copy_from_slice(&crc.to_be_bytes());
        }
        fs::write(ROOT.join(name), content).expect("a file can be written");
    }
}

fn identity() -> MetaProperties {
    MetaProperties { cluster_id: CLUSTER.to_string(), node_id: BrokerId(1), directory_id: Some(ID) }
}

fn clock() -> Clock {
    Clock::Manual(Arc::new(AtomicI64::new(NOW)))
}

fn claim() -> Option<LogDirs> {
    let options = LogDirsOptions {
        dirs: vec![ROOT.clone()],
        identity: identity(),
        recovery_threads_per_dir: 1,
        retention_check_interval: Millis(300_000),
        recovery_checkpoint_interval: Millis(60_000),
        log_start_checkpoint_interval: Millis(60_000),
        high_watermark_checkpoint_interval: Millis(5_000),
        reserve_bytes: Some(0),
    };
    let dirs = LogDirs::claim(options, LogContext::new(8, clock(), ProducerRules::default())).ok()?;
    dirs.load(&|_| CONFIG.clone()).ok()?;
    Some(dirs)
}

fn open_node() {
    let Some(dirs) = claim() else { return };
    let partition = TopicPartition::new("t", 0);
    let Some(log) = dirs.get(&partition) else { return };
    let ended = use_log(&log);
    let _ = dirs.describe();
    drop(log);
    let closed = dirs.close(BrokerEpoch(4));
    drop(dirs);
    let Some(end) = ended.filter(|_| closed.is_ok()) else { return };
    let dirs = claim().expect("what was closed can be claimed");
    let log = dirs.get(&partition).unwrap_or_else(|| panic!("closed and not opened: {:?}", dirs.damage(&partition)));
    assert_eq!(log.end_offset(), end, "a clean stop keeps the end");
}

/// Reads, appends and cuts; answers with the end if all that changes the log went well.
fn use_log(log: &Arc<Log>) -> Option<Offset> {
    let (start, end) = (log.log_start_offset(), log.end_offset());
    assert!(start <= end && log.high_watermark() <= end, "{start} to {end}");
    for offset in [start, Offset(1), Offset(3), Offset(start.0.saturating_add(2)), end, Offset(i64::MAX), Offset(-1)] {
        for (max_bytes, min_one) in [(0, true), (100, false), (1 << 20, true)] {
            if let Ok(read) = log.read(offset, max_bytes, end, min_one)
                && let Some(range) = read.range
            {
                assert!(range.position + range.len as u64 <= log.size() + 1);
            }
        }
        let _ = log.aborted_transactions(offset, end);
        let _ = log.epoch_for_offset(offset);
    }
    for timestamp in [-1, 0, NOW, i64::MAX] {
        let _ = log.offset_for_timestamp(Millis(timestamp));
    }
    let _ = (log.max_timestamp_offset(), log.producers(), log.latest_epoch(), log.earliest_epoch());
    let _ = log.end_offset_for_epoch(LeaderEpoch(3));
    log.set_high_watermark(end);
    append(log)?;
    log.roll().ok()?;
    append(log)?;
    log.set_high_watermark(log.end_offset());
    log.delete_records_before(Offset(log.log_start_offset().0.saturating_add(1))).ok()?;
    log.expire_producers(Millis(i64::MAX));
    log.flush().ok()?;
    Some(log.end_offset())
}

fn append(log: &Log) -> Option<()> {
    let rules = AppendRules {
        partition: log.partition(),
        topic: &TopicRules::default(),
        origin: AppendOrigin::Client,
        now: Millis(NOW),
        leader_epoch: LeaderEpoch(9),
        produce_version: None,
    };
    let batches = validate(batch(Offset::ZERO, 2), &rules, &mut Decompressor::new()).expect("a good batch");
    log.append(batches, LeaderEpoch(9), AppendOrigin::Client).ok().map(|_| ())
}

fn open_quorum(flags: u8) {
    let Ok(opened) = Quorum::open(quorum_options(flags)) else { return };
    let appended = opened.quorum.append(&[MetadataRecord::NoOp(NoOpRecord::default())]);
    let _ = opened.quorum.info();
    let (closed, image) = (opened.quorum.close(), opened.quorum.image());
    drop(opened);
    if appended.is_ok() && closed.is_ok() {
        let again =
            Quorum::open(quorum_options(flags)).unwrap_or_else(|error| panic!("closed and not opened: {error}"));
        assert_eq!(again.image.to_records(), image.to_records(), "a stop keeps the state");
        let _ = again.quorum.close();
    }
}

fn quorum_options(flags: u8) -> QuorumOptions {
    let voters = VoterSet::parse_static("1@127.0.0.1:9093", "CONTROLLER").expect("a voter");
    QuorumOptions {
        node_id: BrokerId(1),
        log_dir: ROOT.clone(),
        directory_id: ID,
        endpoints: vec![("CONTROLLER".into(), "127.0.0.1".into(), 9093)],
        static_voters: (flags & STATIC_VOTERS != 0).then_some(voters),
        min_insync_replicas: 1,
        snapshot_bytes: 20 << 20,
        snapshot_interval: Millis(0),
        retention_bytes: 100 << 20,
        retention_age: Millis(-1),
        log_config: CONFIG.clone(),
        context: LogContext::new(8, clock(), ProducerRules::default()),
        clock: clock(),
    }
}

/// A batch of `count` records.
fn batch(base: Offset, count: u8) -> Bytes {
    let mut builder = BatchBuilder::new(base).leader_epoch(LeaderEpoch(2));
    for n in 0..count {
        builder.append(Millis(NOW + i64::from(n)), Some(b"k"), Some(&[n; 20]), &[]);
    }
    builder.build()
}

/// The input that writes these files.
fn input(flags: u8, names: &[&str], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut input = vec![flags];
    for (name, content) in files {
        let file = names.iter().position(|known| known == name).expect("a file of the list") as u8;
        input.push(file);
        input.extend(u16::try_from(content.len()).expect("a small file").to_be_bytes());
        input.extend(*content);
    }
    input
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = node_seeds();
    seeds.extend(metadata_seeds());
    seeds
}

fn node_seeds() -> Vec<(String, Vec<u8>)> {
    let producer = (ProducerId(7), ProducerEpoch(1));
    let mut open = BatchBuilder::new(Offset(3)).producer(producer.0, producer.1, 0).transactional();
    open.append(Millis(NOW), None, Some(b"v"), &[]);
    let marker = EndTxnMarker { commit: false, coordinator_epoch: 3, timestamp: Millis(NOW) };
    let aborted = [open.build(), marker.batch(Offset(4), LeaderEpoch(2), producer)].concat();
    let mut packed = BatchBuilder::new(Offset(5)).compression(Compression::Zstd, None);
    packed.append(Millis(NOW), None, Some(&[1; 50]), &[]);
    let (first, second) = (batch(Offset::ZERO, 3), [&aborted[..], &packed.build()].concat());
    let snapshot = write_snapshot(&[]);
    let metadata = b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ";
    let files: [(&str, &[u8]); 12] = [
        (NODE_FILES[0], &first),
        (NODE_FILES[1], &[0, 0, 0, 2, 0, 0, 0, 0]),
        (NODE_FILES[2], &[0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 2, 0, 0, 0, 2]),
        (NODE_FILES[3], &[0; 34]),
        (NODE_FILES[4], &second),
        (NODE_FILES[7], &snapshot),
        (NODE_FILES[9], b"0\n1\n2 0\n"),
        (NODE_FILES[10], metadata),
        (NODE_FILES[11], b"0\n1\nt 0 3\n"),
        (NODE_FILES[12], b"0\n1\nt 0 1\n"),
        (NODE_FILES[13], b"0\n1\nt 0 2\n"),
        (NODE_FILES[14], b"cluster.id=MkU3OEVBNTcwNTJENDM2Qk\nnode.id=1\nversion=1\n"),
    ];
    let mut seeds = vec![("nothing".to_string(), vec![IDENTIFIED])];
    for flags in [0, MEND, IDENTIFIED | MEND, CLEAN | IDENTIFIED | MEND, CLEAN, MEND | MEND_LENGTH] {
        seeds.push((format!("node-{flags}"), input(flags, &NODE_FILES, &files)));
        seeds.push((format!("node-log-{flags}"), input(flags, &NODE_FILES, &files[..1])));
        let swapped = [(NODE_FILES[17], &first[..]), (NODE_FILES[4], &second), (NODE_FILES[20], &[0; 8])];
        seeds.push((format!("node-swap-{flags}"), input(flags, &NODE_FILES, &swapped)));
        let high = [(NODE_FILES[16], &batch(Offset(i64::MAX - 1), 1)[..]), (NODE_FILES[0], &first)];
        seeds.push((format!("node-high-{flags}"), input(flags, &NODE_FILES, &high)));
    }
    seeds
}

/// What a run of our own leaves, stopped and not stopped.
fn metadata_seeds() -> Vec<(String, Vec<u8>)> {
    let _ = fs::remove_dir_all(&*ROOT);
    let mut seeds = Vec::new();
    for voters in [
        InitialVoters::Static,
        InitialVoters::Standalone { listener: "CONTROLLER".into(), host: "127.0.0.1".into(), port: 9093 },
    ] {
        let is_static = voters == InitialVoters::Static;
        let flags = METADATA | MEND | if is_static { STATIC_VOTERS } else { 0 };
        fs::create_dir_all(&*ROOT).expect("a folder can be made");
        let options = FormatOptions {
            cluster_id: CLUSTER.into(),
            node_id: BrokerId(1),
            log_dirs: vec![ROOT.clone()],
            metadata_log_dir: ROOT.clone(),
            release_version: None,
            features: BTreeMap::new(),
            ignore_formatted: false,
            records: vec![],
            voters,
            now: Millis(NOW),
        };
        format_directories(&options).expect("an empty folder can be formatted");
        let formatted = MetaProperties::read(&ROOT).ok().flatten().and_then(|found| found.directory_id);
        let directory_id = formatted.expect("formatting gives an id");
        seeds.push((format!("formatted-{is_static}"), collect(flags, directory_id)));
        let opened = Quorum::open(QuorumOptions { directory_id, ..quorum_options(flags) }).expect("it was formatted");
        seeds.push((format!("running-{is_static}"), collect(flags, directory_id)));
        opened.quorum.close().expect("it can be closed");
        seeds.push((format!("stopped-{is_static}"), collect(flags, directory_id)));
        fs::remove_dir_all(&*ROOT).expect("the folder can be removed");
    }
    seeds
}

/// The metadata files that exist, as an input, in the name of the directory that the target opens.
fn collect(flags: u8, directory_id: DirectoryId) -> Vec<u8> {
    let read = |name: &&'static str| {
        let mut content = fs::read(ROOT.join(name)).ok()?;
        while let Some(at) = content.windows(16).position(|window| window == directory_id.0) {
            content[at..at + 16].copy_from_slice(&ID.0);
        }
        Some((*name, content))
    };
    let found: Vec<(&str, Vec<u8>)> = METADATA_FILES.iter().filter_map(read).collect();
    let files: Vec<(&str, &[u8])> = found.iter().map(|(name, content)| (*name, &content[..])).collect();
    input(flags, &METADATA_FILES, &files)
}
