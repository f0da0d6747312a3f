//! Tests of whole logs, against a model in memory and against files damaged in every way.

mod bounded;
mod compaction;
mod crash;
mod damage;
mod dirs;
mod full;
mod model;
mod opening;
mod power;
mod reading;
mod removal;
mod simulation;
mod synced;
mod transactions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bytes::Bytes;

use crate::config::{ConfigStore, TopicConfig, load};
use crate::log::append::{AppendOrigin, AppendRules, TopicRules, ValidatedBatches, validate};
use crate::log::producer_state::ProducerRules;
use crate::log::{Log, LogAppendInfo, LogContext, LogError, LogOptions};
use crate::protocol::batch::{BatchBuilder, split_batches};
use crate::protocol::compression::{Compression, Decompressor};
use crate::types::{Clock, LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, TopicId, TopicPartition};

/// A directory with one partition's log, and a clock that stands.
struct Bench {
    root: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    context: Arc<LogContext>,
    config: TopicConfig,
}

impl Bench {
    fn new() -> Bench {
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let context = LogContext::new(8, Clock::Manual(clock.clone()), ProducerRules::default());
        let bench = Bench { root: tempfile::tempdir().unwrap(), clock, context, config: topic_config() };
        std::fs::create_dir(bench.dir()).unwrap();
        bench
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("t-0")
    }

    fn options(&self, clean: bool, recovery_point: i64) -> LogOptions {
        LogOptions {
            partition: TopicPartition::new("t", 0),
            dir: self.dir(),
            config: Arc::new(self.config.clone()),
            clean,
            recovery_point: Offset(recovery_point),
            log_start: Offset::ZERO,
            high_watermark: Offset(i64::MAX),
        }
    }

    fn open(&self, clean: bool, recovery_point: i64) -> Result<Arc<Log>, LogError> {
        let log = Log::open(&self.options(clean, recovery_point), self.context.clone())?;
        assert!(log.assign_topic_id(TopicId::ONE)?);
        Ok(log)
    }

    fn open_new(&self) -> Arc<Log> {
        self.open(false, 0).unwrap()
    }
}

/// Kafka's defaults, as a broker without a file would give them.
fn topic_config() -> TopicConfig {
    let loaded = load(None, &[], &|_: &str| None).unwrap();
    ConfigStore::new(loaded.broker).topic_config(&BTreeMap::new())
}

/// One batch of records with these timestamps and values of `value_bytes`.
fn batch(timestamps: &[i64], value_bytes: usize, compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(compression, None);
    for (n, timestamp) in timestamps.iter().enumerate() {
        let value: Vec<u8> = (0..value_bytes).map(|byte| (byte * 31 + n * 7) as u8).collect();
        builder.append(Millis(*timestamp), None, Some(&value), &[]);
    }
    builder.build()
}

fn validated(records: Bytes, origin: AppendOrigin) -> ValidatedBatches {
    let partition = TopicPartition::new("t", 0);
    let topic = TopicRules::default();
    let rules = AppendRules {
        partition: &partition,
        topic: &topic,
        origin,
        now: Millis(1_000_000_000_000),
        leader_epoch: LeaderEpoch(0),
        produce_version: None,
    };
    validate(records, &rules, &mut Decompressor::new()).unwrap()
}

fn append(log: &Log, records: Bytes) -> LogAppendInfo {
    let info = log.append(validated(records, AppendOrigin::Client), LeaderEpoch(0), AppendOrigin::Client).unwrap();
    log.set_high_watermark(log.end_offset());
    info
}

/// Base and last offsets of the batches that one read returns.
fn read(log: &Log, offset: i64, max_bytes: usize, upper: i64, min_one: bool) -> Vec<(i64, i64)> {
    let read = log.read(Offset(offset), max_bytes, Offset(upper), min_one).unwrap();
    read.range.map_or(Vec::new(), |range| {
        let mut bytes = vec![0; range.len];
        std::os::unix::fs::FileExt::read_exact_at(&*range.file, &mut bytes, range.position).unwrap();
        let mut batches = split_batches(&bytes);
        let found = batches
            .by_ref()
            .map(|batch| {
                let batch = batch.unwrap();
                assert!(batch.crc_valid());
                (batch.header.base_offset.0, batch.header.last_offset().0)
            })
            .collect();
        assert!(batches.rest().is_empty(), "only whole batches are returned");
        found
    })
}

/// All batches from `offset`, read step by step within `max_bytes`.
fn read_all(log: &Log, offset: i64, max_bytes: usize) -> Vec<(i64, i64)> {
    let end = log.end_offset().0;
    let (mut all, mut next) = (Vec::new(), offset);
    while next < end {
        let step = read(log, next, max_bytes, end, true);
        assert!(!step.is_empty(), "a read at {next} with {max_bytes} bytes found nothing before {end}");
        next = step.last().unwrap().1 + 1;
        all.extend(step);
    }
    all
}

fn files(dir: &Path, suffix: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(suffix))
        .collect();
    names.sort();
    names
}
