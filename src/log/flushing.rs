//! Making a log durable file by file, and how far that is.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use crate::types::{Millis, Offset};

use super::durability::bytes_behind;
use super::partition_log::Log;
use super::{LogError, disk, snapshots};

impl Log {
    /// Makes everything durable that is published now.
    pub fn flush(&self) -> Result<(), LogError> {
        self.flush_to(self.end_offset())
    }

    /// Makes all segments but the active one durable.
    pub fn flush_sealed(&self) -> Result<(), LogError> {
        self.flush_queued.store(false, Ordering::Release);
        let active = self.active().base();
        self.flush_to(active)
    }

    pub(super) fn flush_to(&self, up_to: Offset) -> Result<(), LogError> {
        self.ensure_online()?;
        let knows_epochs = match self.save_epochs() {
            Err(error) if error.is_out_of_space() => false,
            saved => saved.map(|()| true)?,
        };
        let _one_at_a_time = self.lock_flushing();
        // The sync that was waited for may have failed, and then this one would seem to succeed.
        self.ensure_online()?;
        let from = self.recovery_point();
        let indexed_to = self.saved_indexes_to(up_to);
        let segments = self.segments.load_full();
        for segment in segments.iter() {
            self.distrust(segment.sync_indexes())?;
            // The recovery point may be there already.
            self.distrust(segment.sync_cut())?;
        }
        if up_to > from {
            let appended = self.durability.appended();
            self.sync_metadata()?;
            for (n, segment) in segments.iter().enumerate() {
                let next_base = segments.get(n + 1).map_or(Offset(i64::MAX), |next| next.base());
                if next_base > from && segment.base() < up_to {
                    self.distrust(segment.sync())?;
                }
            }
            self.sync_names()?;
            let behind = segments.iter().filter(|segment| segment.base() >= up_to).map(|segment| segment.size()).sum();
            self.durability.note_synced(up_to, appended, behind);
        }
        // Without its epochs on disk the log has to be walked for them after a crash.
        if knows_epochs {
            self.raise_points(up_to, indexed_to);
        }
        self.last_flush.store(self.context.clock.wall().0, Ordering::Release);
        Ok(())
    }

    /// Makes the names of new files durable, and the newest snapshot.
    pub(super) fn sync_names(&self) -> Result<(), LogError> {
        if self.files_changed.swap(false, Ordering::AcqRel) {
            let synced = self.in_dir(|dir| snapshots::sync_latest(dir).and_then(|()| disk::sync_dir(dir)));
            synced.inspect_err(|_| self.files_changed.store(true, Ordering::Release))?;
        }
        Ok(())
    }

    /// Whether no file was created, renamed or removed since the directory was synced.
    pub(super) fn names_are_durable(&self) -> bool {
        !self.files_changed.load(Ordering::Acquire)
    }

    /// Up to where, and at most to `limit`, the index files hold what the indexes say.
    fn saved_indexes_to(&self, limit: Offset) -> Offset {
        // Who saves indexes holds it.
        let _writer = self.lock_writer();
        let segments = self.segments.load();
        let unsaved =
            segments.iter().filter(|segment| segment.base() < limit).filter_map(|segment| segment.unsaved_from());
        unsaved.min().map_or(limit, |unsaved| unsaved.min(limit))
    }

    /// From where a start has to walk, and where it has what it needs to begin there.
    ///
    /// A walk begins where the index says that the recovery point is, and believes what the indexes say before that. So
    /// a recovery point is written down only as far as the index files before it are on disk, too.
    pub(super) fn checkpointed_recovery_point(&self) -> Offset {
        self.recovery_point().min(Offset(self.indexed_to.load(Ordering::Acquire)))
    }

    /// When the oldest unflushed record could have been written, if there is one.
    pub fn dirty_since(&self) -> Option<Millis> {
        let dirty = self.recovery_point() < self.end_offset();
        dirty.then(|| Millis(self.last_flush.load(Ordering::Acquire)))
    }

    /// Records that are not known to be on disk.
    pub fn unflushed_records(&self) -> i64 {
        self.end_offset() - self.recovery_point()
    }

    /// Keeps syncs from beginning or ending: one that saw what is truncated now must not tell of it later.
    pub(super) fn lock_flushing(&self) -> MutexGuard<'_, ()> {
        self.flushing.lock().expect("this lock is never held across a panic")
    }

    /// Everything before `offset` was made durable, and the indexes with it.
    pub(super) fn raise_recovery_point(&self, offset: Offset) {
        // A sync of the log's own file may be about to tell that it failed.
        let _one_at_a_time = self.lock_flushing();
        if self.failure().is_some() {
            return;
        }
        let (appended, end) = (self.durability.appended(), self.end_offset());
        let offset = offset.min(end);
        self.durability.note_synced(offset, appended, bytes_behind(&self.segments.load(), offset, end));
        self.raise_points(offset, offset);
        self.last_flush.store(self.context.clock.wall().0, Ordering::Release);
    }

    /// Records are durable up to `synced`, index files up to `indexed`.
    pub(super) fn raise_points(&self, synced: Offset, indexed: Offset) {
        self.recovery_point.fetch_max(synced.0, Ordering::AcqRel);
        self.indexed_to.fetch_max(indexed.0, Ordering::AcqRel);
    }

    pub(super) fn lower_recovery_point(&self, offset: Offset) {
        self.recovery_point.fetch_min(offset.0, Ordering::AcqRel);
        self.indexed_to.fetch_min(offset.0, Ordering::AcqRel);
    }
}
