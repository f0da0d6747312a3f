//! The journal of the controller, and the thread that makes it durable.

use std::sync::atomic::{AtomicI16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::metadata::{MetadataDelta, MetadataImage, MetadataVersion};
use crate::protocol::kraft::MetadataRecord;
use crate::state_machine::{Journal, JournalError};
use crate::types::{BrokerId, Clock, LeaderEpoch, Millis, Offset};

use super::batches::{BatchHead, RECORD_OVERHEAD_MAX, encode_metadata};
use super::loader::Loader;
use super::metadata_log::MetadataLog;
use super::snapshot::{self, Retention, SnapshotContent, SnapshotId};
use super::{BATCH_BYTES_MAX, QuorumError, VoterSet};

/// How long a snapshot is put off that found the disk full.
const PUT_OFF: Millis = Millis(60_000);

/// Is told of every change of the image, in order, on the committing thread, before anyone is told that the change is committed. It may wait
/// for disks but never for the controller.
pub type MetadataListener = Box<dyn FnMut(&MetadataDelta, &Arc<MetadataImage>) + Send>;

/// The metadata quorum of which this node is the leader and only voter.
pub struct Quorum {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What DescribeQuorum tells.
#[derive(Clone, Debug)]
pub struct QuorumInfo {
    pub leader_id: BrokerId,
    pub leader_epoch: LeaderEpoch,
    /// One behind the last committed offset.
    pub high_watermark: Offset,
    pub log_end_offset: Offset,
    pub kraft_version: i16,
    pub voters: VoterSet,
    /// When the leader last saw the log's end, which for itself is always now.
    pub now: Millis,
}

pub(super) struct Shared {
    pub log: MetadataLog,
    pub clock: Clock,
    pub node: BrokerId,
    pub epoch: LeaderEpoch,
    pub kraft_version: i16,
    pub voters: VoterSet,
    pub snapshot_bytes: u64,
    pub snapshot_interval: Millis,
    pub retention: Retention,
    /// Chooses record versions. Set by the FeatureLevelRecords that pass.
    pub level: AtomicI16,
    pub queue: Mutex<Queue>,
    pub arrived: Condvar,
    pub committed: watch::Sender<Committed>,
    pub images: watch::Sender<Arc<MetadataImage>>,
    pub loading: Mutex<Loading>,
}

/// Appended and not yet durable.
#[derive(Default)]
pub(super) struct Queue {
    pub batches: Vec<Appended>,
    pub stopping: bool,
}

pub(super) struct Appended {
    pub base_offset: Offset,
    pub timestamp: Millis,
    pub bytes: u64,
    pub records: Vec<MetadataRecord>,
}

#[derive(Clone, Debug)]
pub(super) struct Committed {
    /// The last durable offset.
    pub offset: Offset,
    pub failure: Option<JournalError>,
}

/// What the committing thread works on.
pub(super) struct Loading {
    pub loader: Loader,
    pub listeners: Vec<MetadataListener>,
    /// The time of the last committed record.
    pub last_timestamp: Millis,
    pub since_snapshot: u64,
    pub last_snapshot: Millis,
    /// No snapshot is tried earlier, as the disk was full.
    pub not_before: Millis,
    /// What the newest snapshot covers.
    pub snapshot_end: Offset,
}

impl Quorum {
    pub(super) fn start(shared: Shared) -> Result<Quorum, QuorumError> {
        let shared = Arc::new(shared);
        let worker = shared.clone();
        let thread = std::thread::Builder::new().name("quorum-commit".to_owned()).spawn(move || worker.run());
        let thread = thread.map_err(|error| QuorumError::Refused(format!("cannot start a thread: {error}")))?;
        Ok(Quorum { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Adds a listener and returns the image that its first delta starts from.
    pub fn subscribe(&self, listener: MetadataListener) -> Arc<MetadataImage> {
        let mut loading = lock(&self.shared.loading);
        loading.listeners.push(listener);
        loading.loader.image().clone()
    }

    /// The newest committed image.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.shared.images.borrow().clone()
    }

    /// Every newest image, as it is committed. One may miss those between.
    pub fn images(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.shared.images.subscribe()
    }

    /// The offset that the next record gets.
    pub fn next_offset(&self) -> Offset {
        self.shared.log.end_offset()
    }

    /// The epoch this node leads.
    pub fn epoch(&self) -> LeaderEpoch {
        self.shared.epoch
    }

    /// Waits until the metadata log has failed; answers how.
    pub async fn failed(&self) -> String {
        let mut committed = self.shared.committed.subscribe();
        match committed.wait_for(|state| state.failure.is_some()).await {
            Ok(state) => match &state.failure {
                Some(JournalError::Storage(reason)) => reason.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            },
            // The sender is held by `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// What DescribeQuorum tells.
    pub fn info(&self) -> QuorumInfo {
        let shared = &self.shared;
        QuorumInfo {
            leader_id: shared.node,
            leader_epoch: shared.epoch,
            high_watermark: shared.committed.borrow().offset.next(),
            log_end_offset: shared.log.end_offset(),
            kraft_version: shared.kraft_version,
            voters: shared.voters.clone(),
            now: shared.clock.wall(),
        }
    }

    /// Commits what is appended, writes a snapshot if there is anything new, and closes the log. Later appends are refused.
    pub fn close(&self) -> Result<(), QuorumError> {
        lock(&self.shared.queue).stopping = true;
        self.shared.arrived.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            thread.join().map_err(|_| QuorumError::Log("the committing thread panicked".to_owned()))?;
        }
        if let Some(failure) = self.shared.committed.borrow().failure.clone() {
            return Err(QuorumError::Log(failure.to_string()));
        }
        let mut loading = lock(&self.shared.loading);
        if loading.since_snapshot > 0 {
            self.shared.snapshot_if_room(&mut loading)?;
        }
        self.shared.log.close()
    }
}

impl Journal for Quorum {
    type Record = MetadataRecord;

    fn append(&self, records: &[MetadataRecord]) -> Result<Offset, JournalError> {
        let shared = &self.shared;
        let mut queue = lock(&shared.queue);
        if queue.stopping {
            return Err(JournalError::NotLeader);
        }
        if let Some(failure) = shared.committed.borrow().failure.clone() {
            return Err(failure);
        }
        let level = level_after(records).unwrap_or(shared.level.load(Ordering::Relaxed));
        let version = MetadataVersion::from_level(level).unwrap_or(MetadataVersion::LATEST);
        let encoded: Result<Vec<_>, _> =
            records.iter().map(|record| record.encode(version.record_version(record))).collect();
        let encoded = encoded.map_err(|error| JournalError::Storage(error.to_string()))?;
        let size = encoded.iter().map(|record| record.len() + RECORD_OVERHEAD_MAX).sum::<usize>();
        if size > BATCH_BYTES_MAX {
            return Err(JournalError::TooLarge { size, max: BATCH_BYTES_MAX });
        }
        let timestamp = shared.clock.wall();
        let base_offset = shared.log.end_offset();
        let batch = encode_metadata(BatchHead { base_offset, epoch: shared.epoch, timestamp }, &encoded);
        let bytes = batch.len() as u64;
        match shared.log.append(batch) {
            Ok(()) => {}
            // It is as if nobody had asked; there may be room for the next one.
            Err(error) if error.is_out_of_space() => return Err(JournalError::Storage(error.to_string())),
            Err(error) => return Err(shared.fail(&error)),
        }
        shared.level.store(level, Ordering::Relaxed);
        queue.batches.push(Appended { base_offset, timestamp, bytes, records: records.to_vec() });
        shared.arrived.notify_one();
        Ok(base_offset + (records.len() as i64 - 1))
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        let mut committed = self.shared.committed.subscribe();
        let state = committed.wait_for(|state| state.offset >= offset || state.failure.is_some()).await;
        let state = state.map_err(|_| JournalError::Unavailable)?;
        match &state.failure {
            Some(failure) if state.offset < offset => Err(failure.clone()),
            Some(_) | None => Ok(state.offset),
        }
    }
}

impl Shared {
    /// Nothing is appended or committed any more.
    fn fail(&self, error: &QuorumError) -> JournalError {
        tracing::error!("{error}");
        let failure = JournalError::Storage(error.to_string());
        self.committed.send_modify(|state| state.failure = Some(failure.clone()));
        failure
    }

    fn run(&self) {
        loop {
            let Some(batches) = self.wait() else { return };
            if let Err(error) = self.commit(batches) {
                self.fail(&error);
                return;
            }
        }
    }

    /// Waits for something to commit, or until a snapshot is due (then there may be nothing). None: stop.
    fn wait(&self) -> Option<Vec<Appended>> {
        let due = {
            let loading = lock(&self.loading);
            (loading.since_snapshot > 0 && self.snapshot_interval > Millis(0))
                .then(|| (loading.last_snapshot + self.snapshot_interval).max(loading.not_before) - self.clock.wall())
        };
        let mut queue = lock(&self.queue);
        loop {
            if !queue.batches.is_empty() {
                return Some(std::mem::take(&mut queue.batches));
            }
            if queue.stopping {
                return None;
            }
            queue = match due {
                Some(rest) if rest <= Millis(0) => return Some(Vec::new()),
                Some(rest) => {
                    let (queue, timeout) =
                        self.arrived.wait_timeout(queue, rest.duration()).expect("no holder of the lock panics");
                    if timeout.timed_out() && queue.batches.is_empty() && !queue.stopping {
                        return Some(Vec::new());
                    }
                    queue
                }
                None => self.arrived.wait(queue).expect("no holder of the lock panics"),
            };
        }
    }

    fn commit(&self, batches: Vec<Appended>) -> Result<(), QuorumError> {
        let mut loading = lock(&self.loading);
        if let Some(last) = batches.last() {
            self.log.sync()?;
            let offset = last.base_offset + (last.records.len() as i64 - 1);
            for batch in &batches {
                loading.since_snapshot += batch.bytes;
                loading.last_timestamp = batch.timestamp;
                self.publish(&mut loading, batch)?;
            }
            self.committed.send_modify(|state| state.offset = offset);
        }
        let now = self.clock.wall();
        if now < loading.not_before {
            return Ok(());
        }
        let elapsed = now - loading.last_snapshot;
        let by_time = self.snapshot_interval > Millis(0) && elapsed >= self.snapshot_interval;
        if loading.since_snapshot >= self.snapshot_bytes || (by_time && loading.since_snapshot > 0) {
            self.snapshot_if_room(&mut loading)?;
        }
        Ok(())
    }

    /// Writes a snapshot, or puts it off while the disk is full: the log holds it all.
    fn snapshot_if_room(&self, loading: &mut Loading) -> Result<(), QuorumError> {
        match self.snapshot(loading) {
            Err(error) if error.is_out_of_space() => {
                tracing::warn!("a metadata snapshot is put off: {error}");
                loading.not_before = self.clock.wall() + PUT_OFF;
                Ok(())
            }
            written => written,
        }
    }

    fn publish(&self, loading: &mut Loading, batch: &Appended) -> Result<(), QuorumError> {
        let Some(delta) = loading.loader.apply(batch.base_offset, self.epoch, &batch.records)? else { return Ok(()) };
        let image = loading.loader.image().clone();
        for listener in &mut loading.listeners {
            listener(&delta, &image);
        }
        self.images.send_replace(image);
        Ok(())
    }

    /// Writes a snapshot of the newest image and removes what need not be kept below it. Not within a metadata transaction.
    fn snapshot(&self, loading: &mut Loading) -> Result<(), QuorumError> {
        let image = loading.loader.image().clone();
        let now = self.clock.wall();
        let Some(version) = image.metadata_version().filter(|_| image.offset.next() > loading.snapshot_end) else {
            return Ok(());
        };
        let id = SnapshotId { end_offset: image.offset.next(), epoch: image.epoch };
        let content = SnapshotContent {
            kraft_version: self.kraft_version,
            voters: Some(&self.voters),
            records: &image.to_records(),
            version,
            last_timestamp: loading.last_timestamp,
        };
        let bytes = snapshot::write(self.log.directory(), id, &content, now)?;
        tracing::info!("wrote metadata snapshot {} ({bytes} bytes)", id.file_name());
        loading.snapshot_end = id.end_offset;
        loading.last_snapshot = now;
        loading.since_snapshot = 0;
        self.clean(now)
    }

    /// Removes old snapshots, and the log below the oldest that stays.
    pub(super) fn clean(&self, now: Millis) -> Result<(), QuorumError> {
        let directory = self.log.directory();
        let ids = snapshot::list(directory)?;
        let mut described = Vec::new();
        for id in &ids {
            described.push(snapshot::describe(directory, *id)?);
        }
        let count = snapshot::expired(&described, self.log.size(), self.retention, now);
        if count == 0 {
            return Ok(());
        }
        self.log.delete_before(ids[count].end_offset)?;
        ids[..count].iter().try_for_each(|id| snapshot::remove(directory, *id))
    }
}

fn level_after(records: &[MetadataRecord]) -> Option<i16> {
    records.iter().rev().find_map(|record| match record {
        MetadataRecord::FeatureLevel(record) if record.name == MetadataVersion::FEATURE => Some(record.feature_level),
        _ => None,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of the lock panics")
}
