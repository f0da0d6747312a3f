//! Removing records: from the start by age, size or request, from the end by truncation.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::types::{Millis, Offset};

use super::names::FileState;
use super::partition_log::{Log, roll_jitter};
use super::recovery::replay_batch;
use super::scan::WALK_WINDOW_BYTES;
use super::segment::Segment;
use super::work::Work;
use super::writer::Writer;
use super::{LogError, disk, snapshots};

/// Where to cut a log's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Truncation {
    /// The first offset to go.
    pub to: Offset,
}

impl Log {
    /// Moves the start of the log to `offset`, which the high watermark has reached. Answers the new start.
    pub fn delete_records_before(&self, offset: Offset) -> Result<Offset, LogError> {
        let mut writer = self.lock_writer();
        let (start, limit) = (self.log_start_offset(), self.high_watermark());
        if offset > limit || offset < Offset::ZERO {
            return Err(LogError::OffsetOutOfRange { asked: offset, start, end: limit });
        }
        self.advance_start(&mut writer, offset);
        Ok(self.log_start_offset())
    }

    /// Follows the start of the leader's log.
    pub fn follow_log_start(&self, offset: Offset) {
        let mut writer = self.lock_writer();
        self.advance_start(&mut writer, offset.min(self.end_offset()));
    }

    /// Removes segments that lie before the start, that exceed the size, or whose newest record is too old; none at
    /// or behind the high watermark. Answers how many went.
    pub fn apply_retention(&self, now: Millis, high_watermark: Offset) -> Result<usize, LogError> {
        self.ensure_online()?;
        let config = self.config();
        let start = self.log_start_offset();
        let mut removed =
            self.remove_while(high_watermark, |_, next| next.is_some_and(|next| next <= start), "log start")?;
        if !config.cleanup_policy.delete {
            return Ok(removed);
        }
        if config.retention_bytes >= 0 {
            let mut excess = self.size() as i64 - config.retention_bytes;
            let breached = |segment: &Segment| {
                let size = segment.size() as i64;
                let breached = excess - size >= 0;
                excess -= if breached { size } else { 0 };
                breached
            };
            let mut breached = breached;
            removed += self.remove_while(high_watermark, |segment, _| breached(segment), "size")?;
        }
        if config.retention_ms >= 0 {
            let expired = |segment: &Segment| {
                segment.retention_timestamp().is_ok_and(|newest| now - newest > Millis(config.retention_ms))
            };
            removed += self.remove_while(high_watermark, |segment, _| expired(segment), "age")?;
        }
        Ok(removed)
    }

    /// Removes segments from the start as long as `is_breached` says so; the active one is rolled away first.
    fn remove_while(
        &self,
        high_watermark: Offset,
        mut is_breached: impl FnMut(&Segment, Option<Offset>) -> bool,
        reason: &str,
    ) -> Result<usize, LogError> {
        let mut writer = self.lock_writer();
        let segments = self.segments.load_full();
        let mut count = 0;
        for (n, segment) in segments.iter().enumerate() {
            let next = segments.get(n + 1).map(|next| next.base());
            let behind = next.unwrap_or(self.end_offset());
            let is_empty_active = next.is_none() && segment.size() == 0;
            if is_empty_active || high_watermark < behind || !is_breached(segment, next) {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        if count == segments.len() {
            match self.guard(self.roll_at(&mut writer, self.end_offset())) {
                // What goes makes room for it.
                Err(error) if error.is_out_of_space() && count > 1 => count -= 1,
                rolled => rolled?,
            }
        }
        let segments = self.segments.load_full();
        let (gone, kept) = segments.split_at(count);
        self.advance_start(&mut writer, kept[0].base());
        self.segments.store(Arc::new(kept.to_vec()));
        // One that cannot be removed stays with those behind it: no gap must come between it and the others.
        let stays = |n: usize| self.segments.store(Arc::new(segments[n..].to_vec()));
        self.remove_files(gone).map_err(|(n, error)| {
            stays(n);
            error
        })?;
        drop(writer);
        self.sync_names()?;
        tracing::info!(partition = %self.partition, segments = count, reason, start = %kept[0].base(), "deleted segments");
        Ok(count)
    }

    fn advance_start(&self, writer: &mut Writer, offset: Offset) {
        if offset <= self.log_start_offset() {
            return;
        }
        self.start.store(offset.0, Ordering::Release);
        self.change_epochs(|epochs| epochs.truncate_start(offset));
        writer.producers.on_log_start_offset(offset);
        self.first_undecided.store(writer.first_undecided().0, Ordering::Release);
    }

    /// Renames the files away at once and has them removed when readers have had time to finish. An error comes with the
    /// number of the segment that could not be.
    fn remove_files(&self, segments: &[Arc<Segment>]) -> Result<(), (usize, LogError)> {
        let mut paths: Vec<PathBuf> = Vec::new();
        self.files_changed.store(true, Ordering::Release);
        let mut removed = Ok(());
        for (n, segment) in segments.iter().enumerate() {
            removed =
                self.guard(segment.mark_deleted()).map(|renamed| paths.extend(renamed)).map_err(|error| (n, error));
            if removed.is_err() {
                break;
            }
            if let Err(error) = snapshots::remove(&self.dir(), segment.base()) {
                tracing::warn!(partition = %self.partition, %error, "a producer snapshot is left behind");
            }
        }
        let at = self.context.clock.wall() + Millis(self.config().file_delete_delay_ms);
        self.context.work.push_at(at, Work::RemoveFiles(paths));
        removed
    }

    /// Cuts the end of the log, as a follower does that diverged from its leader. Answers whether anything went.
    pub fn truncate(&self, truncation: Truncation) -> Result<bool, LogError> {
        self.ensure_online()?;
        let to = truncation.to;
        if to >= self.end_offset() {
            self.change_epochs(|epochs| epochs.truncate_end(self.end_offset()));
            return Ok(false);
        }
        if to < self.segments.load()[0].base() {
            self.truncate_fully(to)?;
            return Ok(true);
        }
        {
            let _unflushed = self.lock_flushing();
            let mut writer = self.lock_writer();
            // Half of it done, the files are not those that memory has: the next start finds what they are.
            self.guard(self.cut_end(&mut writer, to)).inspect_err(|error| self.fail(&error.to_string()))?;
        }
        // Epochs that begin where nothing is any more must not be found beside other records. Where there is no room for
        // that, a start finds them by the recovery point, which went back as well.
        match self.save_epochs() {
            Err(error) if !error.is_out_of_space() => Err(error),
            _ => Ok(true),
        }
    }

    fn cut_end(&self, writer: &mut Writer, to: Offset) -> Result<(), LogError> {
        let segments = self.segments.load_full();
        let kept = segments.partition_point(|segment| segment.base() <= to);
        self.cleaning.truncate(segments[kept - 1].base());
        self.lower_recovery_point(to);
        self.durability.truncate(to);
        self.end.store(to.0, Ordering::Release);
        self.start.fetch_min(to.0, Ordering::AcqRel);
        self.high_watermark.fetch_min(to.0, Ordering::AcqRel);
        self.segments.store(Arc::new(segments[..kept].to_vec()));
        // The last one first, and all of it before the file is cut: a power cut must not leave a gap before the others, nor
        // producers that are told of nowhere else.
        let gone: Vec<Arc<Segment>> = segments[kept..].iter().rev().cloned().collect();
        self.remove_files(&gone).map_err(|(_, error)| error)?;
        for snapshot in snapshots::list(&self.dir())?.into_iter().rev().filter(|offset| *offset > to) {
            snapshots::remove(&self.dir(), snapshot)?;
        }
        disk::sync_dir(&self.dir())?;
        segments[kept - 1].truncate(to)?;
        segments[kept - 1].publish(segments[kept - 1].size(), to);
        self.change_epochs(|epochs| epochs.truncate_end(to));
        self.rebuild_producers(writer, to)?;
        tracing::info!(partition = %self.partition, %to, "truncated the log");
        Ok(())
    }

    /// Removes every record and goes on at `offset`.
    pub fn truncate_fully(&self, offset: Offset) -> Result<(), LogError> {
        self.ensure_online()?;
        let _unflushed = self.lock_flushing();
        let mut writer = self.lock_writer();
        self.cleaning.truncate(offset);
        let old = self.segments.load_full();
        let removed = self.remove_files(&old).map_err(|(_, error)| error);
        removed.inspect_err(|error| self.fail(&error.to_string()))?;
        for snapshot in snapshots::list(&self.dir())? {
            snapshots::remove(&self.dir(), snapshot)?;
        }
        let jitter = roll_jitter(&self.partition, offset, &self.config());
        let now = self.context.clock.wall();
        let first =
            self.guard(Segment::create(FileState::Live, &self.path, &self.context.cache, offset, now, jitter))?;
        self.lower_recovery_point(offset);
        self.durability.truncate(offset);
        self.files_changed.store(true, Ordering::Release);
        self.segments.store(Arc::new(vec![Arc::new(first)]));
        self.start.store(offset.0, Ordering::Release);
        self.end.store(offset.0, Ordering::Release);
        self.high_watermark.store(offset.0, Ordering::Release);
        self.change_epochs(|epochs| {
            epochs.clear();
            true
        });
        writer.producers.restart_at(offset);
        writer.last_snapshot = offset;
        self.first_undecided.store(i64::MAX, Ordering::Release);
        tracing::info!(partition = %self.partition, %offset, "removed all records");
        Ok(())
    }

    /// Brings producer states back to what they were at `end`.
    pub(super) fn rebuild_producers(&self, writer: &mut Writer, end: Offset) -> Result<(), LogError> {
        let dir = self.dir();
        let mut from = self.log_start_offset();
        writer.producers.restart_at(from);
        for offset in snapshots::list(&dir)?.into_iter().rev() {
            if offset > end {
                snapshots::remove(&dir, offset)?;
            } else if snapshots::load(&dir, offset, &mut writer.producers, self.context.clock.wall())? {
                from = offset;
                break;
            }
        }
        for segment in self.segments.load_full().iter().filter(|segment| segment.next_offset() > from) {
            let Some(first) = segment.locate(from)? else { continue };
            let mut scanner = segment.scanner(first.position, segment.size(), WALK_WINDOW_BYTES)?;
            while let Some(batch) = scanner.next_good()? {
                replay_batch(&mut writer.producers, &mut scanner, &batch)?;
            }
        }
        writer.producers.set_end_offset(end);
        writer.producers.on_high_watermark(self.high_watermark());
        writer.last_snapshot = snapshots::list(&dir)?.last().copied().unwrap_or(self.segments.load()[0].base());
        self.first_undecided.store(writer.first_undecided().0, Ordering::Release);
        Ok(())
    }
}
