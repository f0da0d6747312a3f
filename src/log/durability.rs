//! What a log promises of its disk: how much of it a power cut would take away now, and, for the topics of
//! `ottla.sync.ack.topics`, that nothing counts before it is synced.
//!
//! Such a log has its high watermark follow what is synced: no producer is told and no reader sees what a power cut
//! could take back. One sync at a time is under way for each log, by a thread that may wait; what is appended meanwhile
//! shares the next one. A sync that fails takes the log out of service before anybody else can sync it: what the
//! kernel could not write it may have dropped, and a second sync would find nothing wrong.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;

use crate::config::TopicPatterns;
use crate::state_machine::Waiters;
use crate::types::{METADATA_TOPIC, Offset};

use super::LogError;
use super::log_dirs::LogDirs;
use super::partition_log::{Log, LogContext};
use super::segment::Segment;
use super::work::Work;

/// Whose appends count once they are synced, and on which threads the syncs wait.
#[derive(Debug)]
pub(super) struct SyncAcks {
    topics: TopicPatterns,
    /// Without it the syncs are left to housekeeping.
    blocking: Option<Handle>,
}

/// What one log knows of its disk.
#[derive(Debug, Default)]
pub(super) struct Durability {
    /// Bytes of log files since the log was opened, and those of them that are synced.
    appended: AtomicU64,
    synced: AtomicU64,
    /// Every record before it is on disk, whatever of the files beside the log's is.
    synced_to: AtomicI64,
    acks: Option<Acks>,
    /// Told when a sync has ended or the log has failed.
    waiters: ArcSwapOption<Waiters>,
}

/// Of a log whose appends count once they are synced.
#[derive(Debug, Default)]
struct Acks {
    /// Where the high watermark would be if everything were synced.
    replicated: AtomicI64,
    /// A sync is under way or about to begin.
    is_syncing: AtomicBool,
    /// Files with bytes that are not synced. The kernel tells of bytes that it could not write only who has the file open.
    held: Mutex<Vec<Arc<File>>>,
}

impl Durability {
    /// Of a log that is being opened with `unsynced` bytes that may be in memory only.
    pub fn new(context: &LogContext, topic: &str, unsynced: u64) -> Durability {
        // The quorum syncs its own log.
        let acks = topic != METADATA_TOPIC && context.sync_acks.get().is_some_and(|acks| acks.topics.contains(topic));
        Durability { appended: AtomicU64::new(unsynced), acks: acks.then(Acks::default), ..Durability::default() }
    }

    /// Keeps a file that was written to open until it is synced, if that is waited for.
    pub fn hold(&self, file: impl FnOnce() -> Result<Arc<File>, LogError>) -> Result<(), LogError> {
        if let Some(acks) = &self.acks {
            let file = file()?;
            let mut held = acks.held.lock().expect("this lock is never held across a panic");
            if !held.last().is_some_and(|last| Arc::ptr_eq(last, &file)) {
                held.push(file);
            }
        }
        Ok(())
    }

    pub fn note_appended(&self, bytes: u64) {
        self.appended.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Taken before a sync, for [`Durability::note_synced`] behind it.
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// All but `behind` of the first `appended` bytes are on disk, and with them the records before `to`.
    pub fn note_synced(&self, to: Offset, appended: u64, behind: u64) {
        self.synced_to.fetch_max(to.0, Ordering::SeqCst);
        self.synced.fetch_max(appended.saturating_sub(behind), Ordering::Relaxed);
    }

    /// Up to where the high watermark may move that would be at `offset`.
    pub fn limit(&self, offset: Offset, recovery_point: impl FnOnce() -> Offset) -> Offset {
        let Some(acks) = &self.acks else { return offset };
        acks.replicated.fetch_max(offset.0, Ordering::SeqCst);
        // Either this sees the sync that ends now, or that sees the offset.
        fence(Ordering::SeqCst);
        offset.min(recovery_point().max(Offset(self.synced_to.load(Ordering::SeqCst))))
    }

    /// The log ends at `end` now.
    pub fn truncate(&self, end: Offset) {
        self.synced_to.fetch_min(end.0, Ordering::SeqCst);
        if let Some(acks) = &self.acks {
            acks.replicated.fetch_min(end.0, Ordering::SeqCst);
        }
    }

    pub fn wake(&self) {
        self.waiters.load().iter().for_each(|waiters| waiters.wake());
    }
}

impl LogContext {
    /// Has appends to `topics` count once they are synced, in logs that are opened from now on; the syncs wait on
    /// threads of `blocking`. The first call counts.
    pub fn acknowledge_synced(&self, topics: TopicPatterns, blocking: Option<Handle>) {
        if !topics.is_empty() {
            let _ = self.sync_acks.set(SyncAcks { topics, blocking });
        }
    }
}

impl Log {
    /// Whether an append counts only once it is synced (`ottla.sync.ack.topics`).
    pub fn acks_after_sync(&self) -> bool {
        self.durability.acks.is_some()
    }

    /// Every record before it is on disk.
    pub fn synced_offset(&self) -> Offset {
        self.recovery_point().max(Offset(self.durability.synced_to.load(Ordering::SeqCst)))
    }

    /// Has `waiters` woken when a sync has moved the high watermark, and when the log goes out of service.
    pub fn wakes(&self, waiters: Arc<Waiters>) {
        self.durability.waiters.store(Some(waiters));
    }

    /// Bytes of the log's files that are not known to be on disk.
    pub fn unsynced_bytes(&self) -> u64 {
        let synced = self.durability.synced.load(Ordering::Relaxed);
        match self.durability.appended().saturating_sub(synced) {
            0 => 0,
            // Some of them may be truncated or deleted since.
            unsynced => unsynced.min(self.size()),
        }
    }

    /// Has what was appended synced if it counts only then.
    pub(super) fn begin_sync(&self) {
        let Some(acks) = &self.durability.acks else { return };
        fence(Ordering::SeqCst);
        if acks.is_syncing.swap(true, Ordering::SeqCst) {
            return;
        }
        match self.context.sync_acks.get().and_then(|acks| acks.blocking.as_ref()) {
            None => self.context.work.push(Work::SyncAppended(self.this.clone())),
            Some(blocking) => {
                let log = self.this.clone();
                blocking.spawn_blocking(move || log.upgrade().map(|log| log.sync_appended()));
            }
        }
    }

    /// Syncs until nothing waits for it. After a failure the log is out of service and never synced again.
    pub(super) fn sync_appended(&self) {
        let Some(acks) = &self.durability.acks else { return };
        loop {
            if self.settle_acks().is_err() {
                return;
            }
            acks.is_syncing.store(false, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let waits = self.synced_offset() < self.end_offset();
            if !waits || acks.is_syncing.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Has everything count that was appended so far: waits for the disk if it has to be synced before.
    pub fn settle_acks(&self) -> Result<(), LogError> {
        let Some(acks) = &self.durability.acks else { return Ok(()) };
        let held = std::mem::take(&mut *acks.held.lock().expect("this lock is never held across a panic"));
        self.distrust(self.flush())?;
        drop(held);
        fence(Ordering::SeqCst);
        let replicated = Offset(acks.replicated.load(Ordering::SeqCst));
        if replicated > self.high_watermark() {
            self.set_high_watermark(replicated);
        }
        self.durability.waiters.load().iter().for_each(|waiters| waiters.wake_up_to(self.synced_offset()));
        Ok(())
    }

    /// A sync that failed is the last one: whatever the reason, what it should have written may be lost.
    pub(super) fn distrust<T>(&self, synced: Result<T, LogError>) -> Result<T, LogError> {
        match &synced {
            Ok(_) | Err(LogError::Offline { .. }) => {}
            Err(error) => self.fail_with_disk(&error.to_string()),
        }
        synced
    }
}

impl LogDirs {
    /// Bytes of the logs' files that a power cut would take away now, by directory.
    pub fn unsynced_bytes(&self) -> Vec<(PathBuf, u64)> {
        let mut bytes: Vec<(PathBuf, u64)> = self.dirs.iter().map(|dir| (dir.path().to_path_buf(), 0)).collect();
        for logs in [self.read(&self.logs), self.read(&self.futures)] {
            logs.values().for_each(|placed| bytes[placed.dir].1 += placed.log.unsynced_bytes());
        }
        bytes
    }
}

/// Bytes of `segments` behind `recovery_point`, or a little more: as much as the indexes tell.
pub(super) fn bytes_behind(segments: &[Arc<Segment>], recovery_point: Offset, end: Offset) -> u64 {
    if recovery_point >= end {
        return 0;
    }
    let first = segments.partition_point(|segment| segment.base() <= recovery_point).saturating_sub(1);
    let before = segments[first].position_before(recovery_point);
    segments[first..].iter().map(|segment| segment.size()).sum::<u64>().saturating_sub(before)
}
