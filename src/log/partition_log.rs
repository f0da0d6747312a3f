//! A partition's log: its state, what readers see of it, and making it durable.
//!
//! Appends are in `writer.rs`, reads in `reader.rs`, syncs in `flushing.rs`, removal of records in `retention.rs`, opening
//! in `recovery.rs`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, Weak};

use arc_swap::ArcSwap;

use crate::config::TopicConfig;
use crate::types::{Clock, LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, TopicId, TopicPartition};

use super::cleaner::CleaningMark;
use super::descriptors::DescriptorCache;
use super::durability::{Durability, SyncAcks, bytes_behind};
use super::leader_epochs::LeaderEpochs;
use super::opening::Opening;
use super::producer_state::{ProducerEntry, ProducerError, ProducerRules, VerificationGuard};
use super::segment::{LogPath, Segment};
use super::space::{DirSpace, SpaceAlarm};
use super::syncing::SyncPace;
use super::work::{Work, WorkQueue};
use super::writer::{Pending, Writer};
use super::{LogError, checkpoint, disk};

/// What all logs of a node share.
#[derive(Debug)]
pub struct LogContext {
    pub cache: Arc<DescriptorCache>,
    pub work: Arc<WorkQueue>,
    pub clock: Clock,
    producer_rules: ArcSwap<ProducerRules>,
    /// Something was appended or replicated since the checkpoints were written.
    pub changed: AtomicBool,
    /// Some log met a failing disk.
    pub disk_failed: AtomicBool,
    pub(super) sync_pace: SyncPace,
    pub(super) sync_acks: OnceLock<SyncAcks>,
    /// Raised by a log that met a full disk.
    pub space_alarm: SpaceAlarm,
    pub(super) opening: Opening,
}

impl LogContext {
    /// What the logs of one node share: at most `descriptors_max` files open by themselves.
    pub fn new(descriptors_max: usize, clock: Clock, producer_rules: ProducerRules) -> Arc<LogContext> {
        Arc::new(LogContext {
            cache: Arc::new(DescriptorCache::new(descriptors_max)),
            work: Arc::default(),
            clock,
            producer_rules: ArcSwap::from_pointee(producer_rules),
            changed: AtomicBool::new(false),
            disk_failed: AtomicBool::new(false),
            sync_pace: SyncPace::default(),
            sync_acks: OnceLock::new(),
            space_alarm: SpaceAlarm::default(),
            opening: Opening::default(),
        })
    }

    /// When producers are forgotten, and whether transactions are verified.
    pub fn producer_rules(&self) -> ProducerRules {
        **self.producer_rules.load()
    }

    /// Has every log obey other rules, from the next time it looks for producers to forget.
    pub fn set_producer_rules(&self, rules: ProducerRules) {
        self.producer_rules.store(Arc::new(rules));
    }
}

/// What is known about a log before it is opened.
#[derive(Clone, Debug)]
pub struct LogOptions {
    pub partition: TopicPartition,
    pub dir: PathBuf,
    pub config: Arc<TopicConfig>,
    /// The last stop was a clean one: the files are complete and nothing needs to be checked.
    pub clean: bool,
    /// Everything before this offset is known to be on disk.
    pub recovery_point: Offset,
    /// The log's start, where it is not its first segment's base.
    pub log_start: Offset,
    /// The high watermark as last written down.
    pub high_watermark: Offset,
}

/// The log of one partition.
pub struct Log {
    pub(super) this: Weak<Log>,
    pub(super) partition: TopicPartition,
    pub(super) context: Arc<LogContext>,
    pub(super) path: Arc<LogPath>,
    pub(super) config: ArcSwap<TopicConfig>,
    pub(super) segments: ArcSwap<Vec<Arc<Segment>>>,
    pub(super) start: AtomicI64,
    pub(super) end: AtomicI64,
    pub(super) high_watermark: AtomicI64,
    /// The first offset of an undecided transaction, `i64::MAX` without one.
    pub(super) first_undecided: AtomicI64,
    pub(super) recovery_point: AtomicI64,
    /// What the indexes say before it is on disk, too.
    pub(super) indexed_to: AtomicI64,
    pub(super) epochs: RwLock<LeaderEpochs>,
    pub(super) epochs_dirty: AtomicBool,
    topic_id: OnceLock<TopicId>,
    metadata_synced: AtomicBool,
    metadata_sync_queued: AtomicBool,
    /// Appends that wait for the owner of the writer to take them along.
    pub(super) queue: Mutex<Vec<Pending>>,
    pub(super) writer: Mutex<Writer>,
    /// One flush at a time, so that the recovery point only moves over what was synced.
    pub(super) flushing: Mutex<()>,
    pub(super) last_flush: AtomicI64,
    pub(super) flush_queued: AtomicBool,
    failure: OnceLock<Arc<str>>,
    disk_failed: AtomicBool,
    /// A segment or a snapshot was created since the directory was synced.
    pub(super) files_changed: AtomicBool,
    pub(super) cleaning: CleaningMark,
    pub(super) durability: Durability,
    /// The room in the directory that holds the log, if that is one of several logs' directories.
    pub(super) space: OnceLock<Arc<DirSpace>>,
}

/// The parts that opening has put together.
pub(super) struct LogParts {
    pub path: Arc<LogPath>,
    pub segments: Vec<Arc<Segment>>,
    pub start: Offset,
    pub end: Offset,
    pub recovery_point: Offset,
    pub epochs: LeaderEpochs,
    pub epochs_dirty: bool,
    pub writer: Writer,
    pub topic_id: Option<TopicId>,
}

impl Log {
    pub(super) fn assemble(options: &LogOptions, context: Arc<LogContext>, parts: LogParts) -> Arc<Log> {
        let first_undecided = parts.writer.first_undecided();
        let high_watermark = options.high_watermark.clamp(parts.start, parts.end);
        let topic_id = OnceLock::new();
        parts.topic_id.map(|id| topic_id.set(id));
        let unsynced = bytes_behind(&parts.segments, parts.recovery_point, parts.end);
        let durability = Durability::new(&context, &options.partition.topic, unsynced);
        let high_watermark = durability.limit(high_watermark, || parts.recovery_point).max(parts.start);
        Arc::new_cyclic(|this| Log {
            this: this.clone(),
            partition: options.partition.clone(),
            last_flush: AtomicI64::new(context.clock.wall().0),
            context,
            path: parts.path,
            config: ArcSwap::new(options.config.clone()),
            segments: ArcSwap::from_pointee(parts.segments),
            start: AtomicI64::new(parts.start.0),
            end: AtomicI64::new(parts.end.0),
            high_watermark: AtomicI64::new(high_watermark.0),
            first_undecided: AtomicI64::new(first_undecided.0),
            recovery_point: AtomicI64::new(parts.recovery_point.0),
            indexed_to: AtomicI64::new(parts.recovery_point.0),
            epochs: RwLock::new(parts.epochs),
            epochs_dirty: AtomicBool::new(parts.epochs_dirty),
            metadata_synced: AtomicBool::new(parts.topic_id.is_some() && options.clean),
            metadata_sync_queued: AtomicBool::new(false),
            topic_id,
            queue: Mutex::default(),
            writer: Mutex::new(parts.writer),
            flushing: Mutex::default(),
            flush_queued: AtomicBool::new(false),
            failure: OnceLock::new(),
            disk_failed: AtomicBool::new(false),
            files_changed: AtomicBool::new(true),
            cleaning: CleaningMark::default(),
            durability,
            space: OnceLock::new(),
        })
    }

    /// The partition this is the log of.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The directory that holds the files.
    pub fn dir(&self) -> Arc<PathBuf> {
        self.path.load_full()
    }

    /// The first offset that can be read.
    pub fn log_start_offset(&self) -> Offset {
        Offset(self.start.load(Ordering::Acquire))
    }

    /// The offset that the next record gets.
    pub fn end_offset(&self) -> Offset {
        Offset(self.end.load(Ordering::Acquire))
    }

    /// Everything before it is on disk.
    pub fn recovery_point(&self) -> Offset {
        Offset(self.recovery_point.load(Ordering::Acquire))
    }

    /// Everything before it is on all in-sync replicas, as replication last said.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.high_watermark.load(Ordering::Acquire))
    }

    /// Notes how far replication has come; never outside the log, and never back: of two appends that end at the same
    /// time the later may tell first. Only truncation lowers it. Where records count once they are synced it waits for
    /// that.
    pub fn set_high_watermark(&self, offset: Offset) -> Offset {
        let offset = offset.clamp(self.log_start_offset(), self.end_offset());
        let offset = self.durability.limit(offset, || self.recovery_point());
        let offset = offset.max(Offset(self.high_watermark.fetch_max(offset.0, Ordering::AcqRel)));
        self.context.changed.store(true, Ordering::Release);
        if self.first_undecided.load(Ordering::Acquire) != i64::MAX {
            let mut writer = self.lock_writer();
            writer.on_high_watermark(offset);
            self.first_undecided.store(writer.first_undecided().0, Ordering::Release);
        }
        offset
    }

    /// Where a reader of committed transactions stops.
    pub fn last_stable_offset(&self, high_watermark: Offset) -> Offset {
        Offset(self.first_undecided.load(Ordering::Acquire)).max(self.log_start_offset()).min(high_watermark)
    }

    /// Bytes of all log files.
    pub fn size(&self) -> u64 {
        self.segments.load().iter().map(|segment| segment.size()).sum()
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.segments.load().len()
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<TopicConfig> {
        self.config.load_full()
    }

    /// Puts new settings in force.
    pub fn update_config(&self, config: Arc<TopicConfig>) {
        let stays_compacted = config.cleanup_policy.compact;
        if self.config.swap(config).cleanup_policy.compact && !stays_compacted {
            let _writer = self.lock_writer();
            self.cleaning.abort();
        }
    }

    /// The id of the topic, once it is known.
    pub fn topic_id(&self) -> Option<TopicId> {
        self.topic_id.get().copied()
    }

    /// Gives the log its topic id and writes it down; it is synced after the first append. Answers false if the log
    /// already belongs to another topic.
    pub fn assign_topic_id(&self, id: TopicId) -> Result<bool, LogError> {
        if let Some(known) = self.topic_id.get() {
            return Ok(*known == id);
        }
        checkpoint::write_topic_id(&self.dir(), id)?;
        self.metadata_synced.store(false, Ordering::Release);
        Ok(*self.topic_id.get_or_init(|| id) == id)
    }

    /// The newest leader epoch of the log.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.read_epochs(LeaderEpochs::latest)
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.read_epochs(|epochs| epochs.epoch_for_offset(offset))
    }

    /// The epoch of the log's first record, if that is known.
    pub fn earliest_epoch(&self) -> Option<LeaderEpoch> {
        let start = self.log_start_offset();
        self.read_epochs(LeaderEpochs::earliest).filter(|(_, first)| *first <= start).map(|(epoch, _)| epoch)
    }

    /// The end of `epoch`; see [`LeaderEpochs::end_offset_for_epoch`].
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let end = self.end_offset();
        self.read_epochs(|epochs| epochs.end_offset_for_epoch(epoch, end))
    }

    /// Notes that `epoch` begins at `start`, as a new leader does at its log's end.
    ///
    /// Written down at the next flush, checkpoint or stop: an epoch without records may be lost without harm.
    pub fn assign_epoch(&self, epoch: LeaderEpoch, start: Offset) {
        self.change_epochs(|epochs| epochs.assign(epoch, start));
    }

    /// Writes everything that lets the next start do without recovery: indexes, producer snapshot, synced data.
    pub fn close(&self) -> Result<(), LogError> {
        self.finish_files()?;
        self.save_epochs()?;
        self.sync_metadata()?;
        self.flush()?;
        self.active().sync_indexes()?;
        self.sync_names()?;
        self.seal_off();
        Ok(())
    }

    /// The part of [`Log::close`] that waits for no disk; the caller syncs the whole file system and then calls
    /// [`Log::seal_off`]. Answers whether [`Log::place_epochs`] is to be called, and that synced, in between.
    pub(super) fn finish(&self) -> Result<bool, LogError> {
        self.finish_files()?;
        let have_changed = self.epochs_dirty.load(Ordering::Acquire);
        if have_changed {
            self.write_epochs(checkpoint::write_epochs_beside)?;
        }
        Ok(have_changed)
    }

    /// Puts the leader epochs of [`Log::finish`] in their place; they are on disk.
    pub(super) fn place_epochs(&self) -> Result<(), LogError> {
        self.in_dir(|dir| disk::take_place(&dir.join(checkpoint::LEADER_EPOCH)))?;
        self.epochs_dirty.store(false, Ordering::Release);
        Ok(())
    }

    fn finish_files(&self) -> Result<(), LogError> {
        self.ensure_online()?;
        let mut writer = self.lock_writer();
        self.guard(self.active().seal())?;
        self.guard(self.snapshot(&mut writer))
    }

    /// Takes a finished log out of service; everything it holds is on disk.
    pub(super) fn seal_off(&self) {
        let end = self.end_offset();
        self.raise_points(end, end);
        self.fail("it was closed");
        self.segments.load().iter().for_each(|segment| segment.close_files());
    }

    /// Puts the log out of service; every later operation that writes answers `reason`.
    pub fn fail(&self, reason: &str) {
        let _ = self.failure.set(reason.into());
        self.durability.wake();
    }

    /// Why the log is out of service, if it is.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.failure.get().cloned()
    }

    /// An error if the log is out of service.
    pub fn ensure_online(&self) -> Result<(), LogError> {
        match self.failure.get() {
            None => Ok(()),
            Some(reason) => Err(LogError::Offline { partition: self.partition.clone(), reason: reason.clone() }),
        }
    }

    /// Has the topic id made durable by a thread that may wait for the disk, once there are records.
    pub(super) fn begin_metadata_sync(&self) {
        if !self.metadata_synced.load(Ordering::Acquire) && !self.metadata_sync_queued.swap(true, Ordering::AcqRel) {
            self.context.work.push(Work::SyncMetadata(self.this.clone()));
        }
    }

    /// Whether the topic id is on disk.
    #[cfg(test)]
    pub(super) fn metadata_is_synced(&self) -> bool {
        self.metadata_synced.load(Ordering::Acquire)
    }

    /// Makes the topic id durable, and the names that lead to it.
    pub fn sync_metadata(&self) -> Result<(), LogError> {
        if !self.metadata_synced.load(Ordering::Acquire) {
            self.in_dir(|dir| {
                let path = dir.join(checkpoint::PARTITION_METADATA);
                if self.topic_id().is_some() {
                    disk::sync_path(&path)?;
                }
                disk::sync_dir(dir)?;
                dir.parent().map_or(Ok(()), disk::sync_dir)
            })?;
            self.metadata_synced.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Writes the leader epochs if they have changed.
    pub fn save_epochs(&self) -> Result<(), LogError> {
        if self.epochs_dirty.swap(false, Ordering::AcqRel) {
            let written = self.write_epochs(checkpoint::write_epochs);
            written.inspect_err(|_| self.epochs_dirty.store(true, Ordering::Release))?;
        }
        Ok(())
    }

    fn write_epochs(
        &self,
        write: impl Fn(&Path, &[(LeaderEpoch, Offset)]) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let entries = self.read_epochs(|epochs| epochs.entries().to_vec());
        self.in_dir(|dir| write(&dir.join(checkpoint::LEADER_EPOCH), &entries))
    }

    /// As [`Log::save_epochs`], where the newest epoch has records; one without may be lost without harm, and after a
    /// start every log has one.
    pub(super) fn save_used_epochs(&self) -> Result<(), LogError> {
        let end = self.end_offset();
        match self.read_epochs(|epochs| epochs.entries().last().is_some_and(|(_, start)| *start < end)) {
            true => self.save_epochs(),
            false => Ok(()),
        }
    }

    /// Does what finds the log's files by name, again where they were not found because the directory was renamed
    /// meanwhile: the partition moved to another one, or was deleted. Not for one who holds the writer.
    pub(super) fn in_dir(&self, work: impl Fn(&Path) -> Result<(), LogError>) -> Result<(), LogError> {
        loop {
            let dir = self.dir();
            let outcome = work(&dir);
            let was_renamed = || {
                let _writer = self.lock_writer();
                self.dir() != dir
            };
            if !outcome.as_ref().is_err_and(LogError::is_not_found) || !was_renamed() {
                return self.guard(outcome);
            }
        }
    }

    /// A failed disk takes the log out of service; a full one refuses more for now; other errors pass.
    pub(super) fn guard<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        if result.as_ref().is_err_and(LogError::is_out_of_space) {
            self.space.get().iter().for_each(|space| space.refuse(self.context.clock.wall()));
            self.context.space_alarm.raise();
        }
        if let Err(error) = &result
            && error.is_disk_failure()
        {
            self.fail_with_disk(&error.to_string());
        }
        result
    }
    /// Puts the log out of service, and soon its directory.
    pub(super) fn fail_with_disk(&self, reason: &str) {
        self.fail(reason);
        self.disk_failed.store(true, Ordering::Release);
        self.context.disk_failed.store(true, Ordering::Release);
        self.context.work.wake();
    }

    /// Whether the log is out of service because of its disk.
    pub fn disk_failed(&self) -> bool {
        self.disk_failed.load(Ordering::Acquire)
    }

    /// The base offset of the oldest segment.
    pub fn first_segment_base(&self) -> Offset {
        self.segments.load()[0].base()
    }

    /// Forgets producers that were silent for too long.
    pub fn expire_producers(&self, now: Millis) {
        let mut writer = self.lock_writer();
        writer.producers.set_rules(self.context.producer_rules());
        writer.producers.expire(now);
    }

    /// The producers whose state the log keeps, for DescribeProducers.
    pub fn producers(&self) -> Vec<ProducerEntry> {
        self.lock_writer().producers.entries()
    }

    /// Begins to verify that a producer's transaction is known to its coordinator (KIP-890).
    pub fn begin_verification(
        &self,
        id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: i32,
        supports_epoch_bump: bool,
    ) -> Result<Option<VerificationGuard>, ProducerError> {
        let now = self.context.clock.wall();
        self.lock_writer().producers.begin_verification(id, epoch, base_sequence, supports_epoch_bump, now)
    }

    pub(super) fn active(&self) -> Arc<Segment> {
        self.segments.load().last().expect("a log always has a segment").clone()
    }

    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().expect("a panic while appending leaves the log unusable")
    }

    pub(super) fn read_epochs<T>(&self, read: impl FnOnce(&LeaderEpochs) -> T) -> T {
        read(&self.epochs.read().expect("this lock is never held across a panic"))
    }

    pub(super) fn change_epochs(&self, change: impl FnOnce(&mut LeaderEpochs) -> bool) -> bool {
        let changed = change(&mut self.epochs.write().expect("this lock is never held across a panic"));
        if changed {
            self.epochs_dirty.store(true, Ordering::Release);
        }
        changed
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (start, end) = (self.log_start_offset(), self.end_offset());
        write!(f, "Log({}, {start} to {end})", self.partition)
    }
}

/// By how much a segment rolls before `segment.ms`, so that the segments of many partitions do not all roll at once:
/// spread over the configured jitter by the partition and the base offset.
pub(super) fn roll_jitter(partition: &TopicPartition, base: Offset, config: &TopicConfig) -> Millis {
    let range = config.segment_jitter_ms.min(config.max_segment_ms());
    if range <= 0 {
        return Millis(0);
    }
    let mut hasher = DefaultHasher::new();
    (partition, base).hash(&mut hasher);
    Millis((hasher.finish() % range as u64) as i64)
}
