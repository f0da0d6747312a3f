//! Putting a cleaned segment in the place of those that it was copied from.
//!
//! Its files bear `.cleaned` until they are complete and synced; then `.swap`, from when on a crash leads forward to it;
//! then its originals become `.deleted`; then it takes its final name. The log's file goes first each time, by which
//! `recovery.rs` tells how far this came. Readers go on in the originals, which hold their files open.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::filter::LastRecord;
use crate::log::LogError;
use crate::log::names::{FileKind, FileState};
use crate::log::partition_log::{Log, roll_jitter};
use crate::log::segment::Segment;
use crate::log::work::Work;
use crate::log::{disk, snapshots};
use crate::types::{Millis, Offset, ProducerId};

/// A cleaning that cannot go on.
#[derive(Debug)]
pub enum Interrupted {
    /// The log was changed, closed or deleted meanwhile, or the cleaner is to stop: nothing is wrong.
    GivenUp,
    Failed(LogError),
}

impl From<LogError> for Interrupted {
    fn from(error: LogError) -> Interrupted {
        Interrupted::Failed(error)
    }
}

impl Log {
    /// The producers of which the log remembers something, with the last that they wrote.
    pub(super) fn last_records(&self) -> HashMap<ProducerId, LastRecord> {
        let entries = self.producers().into_iter();
        let last = |data_offset, epoch| LastRecord { data_offset, epoch };
        entries
            .map(|entry| {
                (entry.producer_id, last(entry.last_batch.map(|batch| batch.last_offset), entry.producer_epoch))
            })
            .collect()
    }

    /// Fails once the cleaning of `round` is to be given up.
    pub(super) fn ensure_round(&self, round: u64) -> Result<(), Interrupted> {
        match self.cleaning.round() == round && self.failure().is_none() {
            true => Ok(()),
            false => Err(Interrupted::GivenUp),
        }
    }

    /// Creates the files of a segment that is to replace those from `base` on.
    pub(super) fn begin_cleaned(&self, base: Offset, round: u64) -> Result<Segment, Interrupted> {
        // A directory that is renamed, and another one that gets its name, must not come in between.
        let _writer = self.lock_writer();
        self.ensure_round(round)?;
        let jitter = roll_jitter(&self.partition, base, &self.config());
        Ok(Segment::create(
            FileState::Cleaned,
            &self.path,
            &self.context.cache,
            base,
            self.context.clock.wall(),
            jitter,
        )?)
    }

    /// Makes a written segment complete and durable, and as old as `like`, so that retention judges it the same.
    pub(super) fn complete_cleaned(&self, cleaned: &Segment, like: &Segment, round: u64) -> Result<(), Interrupted> {
        {
            let _writer = self.lock_writer();
            self.ensure_round(round)?;
            cleaned.publish(cleaned.size(), like.next_offset());
            cleaned.seal()?;
        }
        let path = like.path(FileKind::Log);
        let modified = like.file()?.metadata().and_then(|meta| meta.modified());
        let file = cleaned.file()?;
        modified.and_then(|modified| file.set_modified(modified)).map_err(LogError::io("copy the time of", path))?;
        cleaned.sync()?;
        cleaned.sync_indexes()?;
        Ok(())
    }

    /// Puts `cleaned` in the place of `originals`, which follow each other. Gives up if they are not all there any more.
    pub(super) fn replace(
        &self,
        cleaned: &Arc<Segment>,
        originals: &[Arc<Segment>],
        round: u64,
    ) -> Result<(), Interrupted> {
        let gone = {
            let _writer = self.lock_writer();
            self.ensure_round(round)?;
            let segments = self.segments.load_full();
            let first = segments.iter().position(|segment| Arc::ptr_eq(segment, &originals[0]));
            let (before, after) = first.map_or((&segments[..0], &segments[..0]), |first| {
                (&segments[..first], segments.get(first + originals.len()..).unwrap_or_default())
            });
            let covered = segments.iter().skip(before.len()).zip(originals).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
            if covered < originals.len() || after.is_empty() {
                return Err(Interrupted::GivenUp);
            }
            for segment in originals {
                segment.hold()?;
            }
            let gone = self.rename_all(cleaned, originals)?;
            let replaced = before.iter().cloned().chain([cleaned.clone()]).chain(after.iter().cloned());
            self.segments.store(Arc::new(replaced.collect()));
            gone
        };
        self.in_dir(disk::sync_dir)?;
        for segment in &originals[1..] {
            snapshots::remove(&self.dir(), segment.base())?;
        }
        let at = self.context.clock.wall() + Millis(self.config().file_delete_delay_ms);
        self.context.work.push_at(at, Work::RemoveFiles(gone));
        Ok(())
    }

    /// Once this has begun, the log is what it was or what it will be only after a restart: a failure takes it out of
    /// service.
    fn rename_all(&self, cleaned: &Segment, originals: &[Arc<Segment>]) -> Result<Vec<PathBuf>, LogError> {
        let renamed = || -> Result<Vec<PathBuf>, LogError> {
            let mut gone = Vec::new();
            cleaned.rename_to(FileState::Swap)?;
            for segment in originals {
                gone.extend(segment.mark_deleted()?);
            }
            cleaned.rename_to(FileState::Live)?;
            Ok(gone)
        };
        self.guard(renamed()).inspect_err(|error| self.fail(&error.to_string()))
    }

    /// Notes up to where a cleaning came, unless the log was changed meanwhile.
    pub(super) fn finish_cleaning(&self, end: Offset, round: u64) -> Result<(), Interrupted> {
        let _writer = self.lock_writer();
        self.ensure_round(round)?;
        self.cleaning.set_cleaned_to(end);
        Ok(())
    }
}
