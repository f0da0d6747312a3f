//! Making logs durable ahead of time, so that what a start has to read stays bounded, whatever the segments' size.
//!
//! A recovery point moves over what was synced, and beside it lie the indexes and a snapshot of the producers: a start
//! walks on from there. It moves every `log.flush.offset.checkpoint.interval.ms`, and as soon as
//! [`UNSYNCED_BYTES_MAX`] were appended, though never so often that syncing takes more than a part of the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::types::{Millis, Offset};

use super::housekeeping::Checkpoint;
use super::log_dirs::LogDirs;
use super::partition_log::{Log, LogContext};
use super::work::Work;
use super::{LogError, snapshots};

/// Appended bytes, in all logs together, after which they are synced: a fraction of a second's reading.
const UNSYNCED_BYTES_MAX: u64 = 128 << 20;
/// The shortest time from one sync to the next that bytes ask for.
const PAUSE_MIN: Millis = Millis(1_000);
/// A sync is followed by a pause of so many times its length.
const PAUSE_FACTOR: i64 = 3;
/// Up to so many logs are synced file by file; for more the file system is synced as a whole: one commit of its journal
/// instead of one for each file, all of which stand in the way of appends.
const SYNCED_ONE_BY_ONE_MAX: usize = 1;

/// When the logs are to be synced next, as far as bytes ask for it.
#[derive(Debug, Default)]
pub(super) struct SyncPace {
    appended_bytes: AtomicU64,
    queued: AtomicBool,
    not_before: AtomicI64,
}

impl LogContext {
    /// Counts bytes that are in a file and not yet synced.
    pub(super) fn note_appended(&self, bytes: u64) {
        let pace = &self.sync_pace;
        let appended = pace.appended_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if appended >= UNSYNCED_BYTES_MAX
            && !pace.queued.load(Ordering::Relaxed)
            && !pace.queued.swap(true, Ordering::AcqRel)
        {
            self.work.push_at(Millis(pace.not_before.load(Ordering::Acquire)), Work::SyncLogs);
        }
    }
}

impl LogDirs {
    /// Makes everything durable that was appended until now, and writes down how far that is.
    pub fn sync_logs(&self) {
        let (pace, clock) = (&self.context.sync_pace, &self.context.clock);
        let began = clock.wall();
        pace.queued.store(false, Ordering::Release);
        pace.appended_bytes.store(0, Ordering::Relaxed);
        for n in (0..self.dirs.len()).filter(|n| self.dirs[*n].failure().is_none()) {
            self.sync_logs_of(n);
        }
        self.checkpoint_dirs(&[Checkpoint::RecoveryPoint, Checkpoint::Cleaned]);
        let now = clock.wall();
        let pause = Millis((now - began).0.saturating_mul(PAUSE_FACTOR)).max(PAUSE_MIN);
        pace.not_before.store((now + pause).0, Ordering::Release);
    }

    fn sync_logs_of(&self, dir: usize) {
        let mut due = self.logs_in(dir);
        due.retain(|log| log.failure().is_none() && log.is_unsynced());
        let at_once = due.len() > SYNCED_ONE_BY_ONE_MAX;
        let mut prepared = Vec::with_capacity(due.len());
        for log in due {
            let outcome = log.prepare_sync().and_then(|end| match at_once {
                true => {
                    prepared.push((log.clone(), end));
                    Ok(())
                }
                false => log.flush_to(end),
            });
            if let Err(error) = outcome
                && !matches!(error, LogError::Offline { .. })
                && !error.is_out_of_space()
            {
                tracing::warn!(partition = %log.partition(), %error, "the log was not synced");
            }
        }
        if at_once && self.watch(dir, self.dirs[dir].sync_file_system()).is_ok() {
            prepared.iter().for_each(|(log, end)| log.raise_recovery_point(*end));
        }
    }

    pub(super) fn logs_in(&self, dir: usize) -> Vec<Arc<Log>> {
        self.read(&self.logs).values().filter(|placed| placed.dir == dir).map(|placed| placed.log.clone()).collect()
    }
}

impl Log {
    /// Whether a start would have to walk or replay anything.
    fn is_unsynced(&self) -> bool {
        let end = self.end_offset();
        self.recovery_point() < end || self.lock_writer().last_snapshot < end
    }

    /// Writes what a start goes on from beside the records: indexes, producers, epochs. Answers the end they belong to,
    /// which becomes the recovery point once everything is synced.
    pub(super) fn prepare_sync(&self) -> Result<Offset, LogError> {
        self.ensure_online()?;
        self.save_used_epochs()?;
        let mut writer = self.lock_writer();
        let end = self.end_offset();
        // A recovery on a full disk leaves entries of sealed segments in memory, too.
        let segments = self.segments.load_full();
        let mut unsaved = segments.iter().filter(|segment| segment.has_unsaved_indexes());
        self.guard(unsaved.try_for_each(|segment| segment.save_indexes()))?;
        if writer.last_snapshot < end {
            let bases: Vec<Offset> = self.segments.load().iter().map(|segment| segment.base()).collect();
            // The newest is durable, and no other is needed beside those that segments begin with.
            self.guard(snapshots::remove_strays(&self.dir(), &bases))?;
            self.guard(self.snapshot(&mut writer))?;
        }
        Ok(end)
    }
}
