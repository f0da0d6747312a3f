//! From a directory to a leading quorum.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI16;
use std::sync::{Arc, Condvar, Mutex};

use tokio::sync::watch;

use crate::config::TopicConfig;
use crate::log::LogContext;
use crate::log::unopened::{self, Extent};
use crate::metadata::{ConfigResource, Feature, MetadataImage, MetadataVersion};
use crate::protocol::batch::BatchRef;
use crate::protocol::kraft::{AbortTransactionRecord, ConfigRecord, ControlRecord, MetadataRecord};
use crate::types::{BrokerId, Clock, DirectoryId, LeaderEpoch, Millis, Offset};

use super::batches::{BatchHead, Content, encode_control, encode_metadata, read_batch};
use super::commit::{Committed, Loading, Queue, Shared};
use super::election::{Candidate, Elected, elect};
use super::loader::Loader;
use super::metadata_log::MetadataLog;
use super::snapshot::{self, Retention, SnapshotId};
use super::{ElectionState, METADATA_LOG, Quorum, QuorumError, Voter, VoterSet, read_bootstrap};

/// What opening needs to know.
#[derive(Clone, Debug)]
pub struct QuorumOptions {
    pub node_id: BrokerId,
    /// The log directory that holds the metadata log (`metadata.log.dir`, else the first of `log.dirs`).
    pub log_dir: PathBuf,
    /// Its id in `meta.properties`.
    pub directory_id: DirectoryId,
    /// The advertised controller listeners: name, host, port.
    pub endpoints: Vec<(String, String, u16)>,
    /// `controller.quorum.voters`; None where voters are kept in the log.
    pub static_voters: Option<VoterSet>,
    /// `min.insync.replicas` of the file, which ELR makes a setting of the cluster when the log begins.
    pub min_insync_replicas: i32,
    /// `metadata.log.max.record.bytes.between.snapshots`
    pub snapshot_bytes: u64,
    /// `metadata.log.max.snapshot.interval.ms`
    pub snapshot_interval: Millis,
    /// `metadata.max.retention.bytes`
    pub retention_bytes: i64,
    /// `metadata.max.retention.ms`
    pub retention_age: Millis,
    /// Segment size and age of the metadata log; no retention of its own.
    pub log_config: Arc<TopicConfig>,
    pub context: Arc<LogContext>,
    pub clock: Clock,
}

/// A quorum that leads, and the image of all that was written before.
pub struct Opened {
    pub quorum: Quorum,
    pub image: Arc<MetadataImage>,
}

/// What reading the directory has found.
struct Found {
    loader: Loader,
    kraft_version: i16,
    voters: Option<VoterSet>,
    voters_in_log: bool,
    log_epoch: LeaderEpoch,
    last_timestamp: Millis,
    since_snapshot: u64,
    snapshot_end: Offset,
    end: Offset,
}

/// A directory that was read and in which this node may lead. Not a byte of it has changed.
pub struct Examined {
    options: QuorumOptions,
    found: Found,
    elected: Elected,
    /// What the log begins with, if it has not begun.
    bootstrap: Vec<MetadataRecord>,
}

impl Quorum {
    /// Opens the metadata log, wins the election, and begins the log if it is empty.
    pub fn open(options: QuorumOptions) -> Result<Opened, QuorumError> {
        Examined::read(options)?.open()
    }
}

/// Whether nothing was ever written to the metadata log in `log_dir`.
pub fn is_new(log_dir: &Path) -> Result<bool, QuorumError> {
    let directory = log_dir.join(METADATA_LOG);
    if !directory.exists() {
        return Ok(true);
    }
    let has_snapshot = snapshot::list(&directory)?.iter().any(|id| *id != SnapshotId::FORMATTED);
    Ok(!has_snapshot && !unopened::has_records(&directory)?)
}

impl Examined {
    /// Reads the metadata log and decides the election, without changing anything.
    pub fn read(options: QuorumOptions) -> Result<Examined, QuorumError> {
        let directory = options.log_dir.join(METADATA_LOG);
        let found = match directory.exists() {
            true => read_all(&directory)?,
            false => Found::nothing(),
        };
        let elected = choose(&options, &directory, &found)?;
        let bootstrap = match found.loader.image().metadata_version() {
            Some(_) => Vec::new(),
            None => read_bootstrap(&options.log_dir)?,
        };
        Ok(Examined { options, found, elected, bootstrap })
    }

    /// The metadata that was read.
    pub fn image(&self) -> &Arc<MetadataImage> {
        self.found.loader.image()
    }

    /// Opens the log, makes the election known, and begins the log if it is empty.
    pub fn open(self) -> Result<Opened, QuorumError> {
        let Examined { options, mut found, elected, bootstrap } = self;
        let (durable, config, context) = (found.snapshot_end, options.log_config.clone(), options.context.clone());
        let log = MetadataLog::open(&options.log_dir, durable, config, context)?;
        if log.end_offset() != found.end {
            let reason = format!("the log ends at {} and was read to {}", log.end_offset(), found.end);
            return Err(QuorumError::damaged(log.directory(), reason));
        }
        snapshot::remove_leftovers(log.directory())?;
        begin_epoch(&options, &log, &mut found, &elected)?;
        begin_log(&options, &log, elected.state.epoch, &mut found, bootstrap)?;
        log.sync()?;
        let image = found.loader.image().clone();
        let level = image.metadata_version().unwrap_or(MetadataVersion::LATEST).level();
        let now = options.clock.wall();
        let shared = Shared {
            node: options.node_id,
            epoch: elected.state.epoch,
            kraft_version: found.kraft_version,
            voters: elected.voters,
            snapshot_bytes: options.snapshot_bytes,
            snapshot_interval: options.snapshot_interval,
            retention: Retention { max_bytes: options.retention_bytes, max_age: options.retention_age },
            level: AtomicI16::new(level),
            queue: Mutex::new(Queue::default()),
            arrived: Condvar::new(),
            committed: watch::Sender::new(Committed { offset: Offset(log.end_offset().0 - 1), failure: None }),
            images: watch::Sender::new(image.clone()),
            loading: Mutex::new(Loading {
                loader: found.loader,
                listeners: Vec::new(),
                last_timestamp: found.last_timestamp,
                since_snapshot: found.since_snapshot,
                last_snapshot: now,
                not_before: Millis(0),
                snapshot_end: found.snapshot_end,
            }),
            log,
            clock: options.clock,
        };
        shared.clean(now)?;
        Ok(Opened { quorum: Quorum::start(shared)?, image })
    }
}

/// Reads the newest snapshot and the log behind it.
fn read_all(directory: &Path) -> Result<Found, QuorumError> {
    let mut found = Found::nothing();
    if let Some(id) = snapshot::list(directory)?.last().copied() {
        let mut image = MetadataImage::default();
        let read = snapshot::read(directory, id)?;
        for record in &read.records {
            image.replay(record).map_err(|source| QuorumError::Replay { offset: id.end_offset, source })?;
        }
        image.offset = Offset(id.end_offset.0 - 1);
        image.epoch = id.epoch;
        found.loader = Loader::new(image);
        found.kraft_version = read.kraft_version;
        found.voters = read.voters;
        found.voters_in_log = id != SnapshotId::FORMATTED;
        found.log_epoch = id.epoch;
        found.last_timestamp = read.last_timestamp;
        found.snapshot_end = id.end_offset;
    }
    let from = found.snapshot_end;
    let Extent { start, end } = unopened::read(directory, from, |batch| found.batch(directory, batch))?;
    if start > from || end < from {
        let reason = format!("the log holds {start} to {end}, which does not continue the snapshot at {from}");
        return Err(QuorumError::damaged(directory, reason));
    }
    found.end = end;
    Ok(found)
}

impl Found {
    fn nothing() -> Found {
        Found {
            loader: Loader::new(MetadataImage::default()),
            kraft_version: 0,
            voters: None,
            voters_in_log: false,
            log_epoch: LeaderEpoch(0),
            last_timestamp: Millis(0),
            since_snapshot: 0,
            snapshot_end: Offset::ZERO,
            end: Offset::ZERO,
        }
    }

    /// Takes one batch of the log, unless the snapshot covers it.
    fn batch(&mut self, directory: &Path, batch: &BatchRef<'_>) -> Result<(), QuorumError> {
        let (first, next) = (batch.header.base_offset, self.snapshot_end);
        self.log_epoch = self.log_epoch.max(batch.header.leader_epoch);
        if batch.header.last_offset() < next {
            return Ok(());
        }
        let read = read_batch(batch)
            .map_err(|reason| QuorumError::damaged(directory, format!("the batch at offset {first}: {reason}")))?;
        self.since_snapshot += batch.bytes.len() as u64;
        self.last_timestamp = read.max_timestamp;
        match read.content {
            Content::Control(records) => {
                records.into_iter().for_each(|record| self.control(record));
                self.loader.skip(read.last_offset, read.epoch);
            }
            Content::Metadata(records) => {
                // A snapshot may end within a batch.
                let covered = (next - read.base_offset).max(0) as usize;
                let records = records.get(covered..).unwrap_or_default();
                self.loader.apply(read.base_offset + covered as i64, read.epoch, records)?;
            }
        }
        Ok(())
    }

    fn control(&mut self, record: ControlRecord) {
        match record {
            ControlRecord::KRaftVersion(record) => self.kraft_version = record.k_raft_version,
            ControlRecord::Voters(record) => {
                self.voters = Some(VoterSet::from_record(&record));
                self.voters_in_log = true;
            }
            ControlRecord::LeaderChange(_) | ControlRecord::SnapshotHeader(_) | ControlRecord::SnapshotFooter(_) => {}
        }
    }
}

/// Stands for election. Nothing is written yet.
fn choose(options: &QuorumOptions, directory: &Path, found: &Found) -> Result<Elected, QuorumError> {
    let voters = match (&found.voters, &options.static_voters) {
        (Some(voters), _) if found.kraft_version >= 1 => voters,
        (_, Some(voters)) => voters,
        (_, None) => {
            let reason = "the metadata quorum has no voters: format the directory with --standalone, or set \
                          controller.quorum.voters";
            return Err(QuorumError::Refused(reason.to_owned()));
        }
    };
    let node = Voter { id: options.node_id, directory_id: options.directory_id, endpoints: options.endpoints.clone() };
    let candidate = Candidate {
        node: &node,
        state: ElectionState::read(directory)?.unwrap_or(ElectionState::NONE),
        log_epoch: found.log_epoch,
        kraft_version: found.kraft_version,
        voters,
        voters_in_log: found.voters_in_log,
    };
    elect(&candidate).map_err(QuorumError::Refused)
}

fn begin_epoch(
    options: &QuorumOptions,
    log: &MetadataLog,
    found: &mut Found,
    elected: &Elected,
) -> Result<(), QuorumError> {
    let ids: Vec<BrokerId> = elected.voters.voters().iter().map(|voter| voter.id).collect();
    elected.state.write(log.directory(), found.kraft_version, &ids)?;
    let head = BatchHead { base_offset: log.end_offset(), epoch: elected.state.epoch, timestamp: options.clock.wall() };
    log.append(encode_control(head, &elected.records))?;
    found.loader.skip(Offset(log.end_offset().0 - 1), elected.state.epoch);
    Ok(())
}

/// An empty log begins with the bootstrap records; a metadata transaction that a crash left open is aborted.
fn begin_log(
    options: &QuorumOptions,
    log: &MetadataLog,
    epoch: LeaderEpoch,
    found: &mut Found,
    bootstrap: Vec<MetadataRecord>,
) -> Result<(), QuorumError> {
    let mut records = Vec::new();
    if found.loader.in_transaction() {
        let reason = Some("Controller failover".to_owned());
        records.push(MetadataRecord::AbortTransaction(AbortTransactionRecord { reason }));
    }
    let mut image = (**found.loader.image()).clone();
    if image.metadata_version().is_none() {
        for record in &bootstrap {
            image.replay(record).map_err(|source| QuorumError::Replay { offset: log.end_offset(), source })?;
        }
        records.extend(bootstrap);
        if image.features.get(Feature::ELIGIBLE_LEADER_REPLICAS).is_some_and(|level| *level > 0) {
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: ConfigResource::BROKER,
                resource_name: String::new(),
                name: "min.insync.replicas".to_owned(),
                value: Some(options.min_insync_replicas.to_string()),
            }));
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let version = image.metadata_version().unwrap_or(MetadataVersion::LATEST);
    let encoded: Result<Vec<_>, _> =
        records.iter().map(|record| record.encode(version.record_version(record))).collect();
    let head = BatchHead { base_offset: log.end_offset(), epoch, timestamp: options.clock.wall() };
    let batch = encode_metadata(head, &encoded?);
    found.since_snapshot += batch.len() as u64;
    found.last_timestamp = head.timestamp;
    log.append(batch)?;
    found.loader.apply(head.base_offset, epoch, &records)?;
    Ok(())
}
