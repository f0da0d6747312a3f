//! Where the walk over a segment may begin: at the recovery point, as the offset index tells.

use std::fs;
use std::time::SystemTime;

use crate::types::{Millis, Offset};

use super::LogError;
use super::names::{FileKind, FileState, file_path, parse_file_name};
use super::offset_index::OffsetEntry;
use super::partition_log::{Log, LogContext, LogOptions};
use super::scan::{Located, SEEK_WINDOW_BYTES, Step};
use super::segment::{FileSizes, Segment, log_path};

impl Segment {
    /// The last indexed batch that lies before the recovery point as a whole. What comes before it, and what the
    /// indexes say of that, was synced. `None` if the whole segment has to be walked: nothing before the recovery point
    /// is indexed, or the indexes were not left by a process that had synced them.
    pub(super) fn resume_at(&self, recovery_point: Offset) -> Result<Option<Located>, LogError> {
        if recovery_point <= self.base() || !self.indexes_end_well()? {
            return Ok(None);
        }
        let relative = (recovery_point - self.base()).min(i64::from(u32::MAX)) as u32;
        let entry = self.offset_index.last_where(&|| self.offset_file(), |entry| entry.relative_offset < relative)?;
        // No entry is at the beginning: zeros are of a write behind the recovery point that a power cut took away.
        let plausible = |entry: &OffsetEntry| entry.position > 0 && u64::from(entry.position) < self.size();
        let Some(entry) = entry.filter(plausible) else { return Ok(None) };
        let mut scanner = self.scanner(entry.position.into(), self.size(), SEEK_WINDOW_BYTES)?;
        let Step::Batch(batch) = scanner.step()? else { return Ok(None) };
        let header = &batch.header;
        let is_the_one = header.base_offset >= self.base()
            && header.last_offset() == self.base() + i64::from(entry.relative_offset)
            && scanner.checksum_valid(&batch)?;
        Ok(is_the_one.then_some(batch))
    }

    /// Whether both indexes are there with an entry at their end. A JVM broker that was killed leaves zeros there: it
    /// maps files that are longer than their entries.
    fn indexes_end_well(&self) -> Result<bool, LogError> {
        if !self.offset_index.is_exact() || !self.time_index.is_exact() {
            return Ok(false);
        }
        let offset = self.offset_index.last(&|| self.offset_file())?;
        let time = self.time_index.last(&|| self.time_file())?;
        Ok(offset.is_some_and(|last| last.position > 0)
            && time.is_none_or(|last| last.relative_offset > 0 || last.timestamp > 0))
    }
}

/// What opening a log after an unclean stop has to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survey {
    /// Bytes of the log's files that have to be walked.
    pub bytes: u64,
    /// When the log was last appended to.
    pub written: SystemTime,
}

impl Log {
    /// Looks at a log that is not open, as far as file sizes and one index tell.
    pub(super) fn survey(options: &LogOptions, context: &LogContext) -> Result<Survey, LogError> {
        let dir = &options.dir;
        let mut segments = Vec::new();
        for entry in fs::read_dir(dir).map_err(LogError::io("list", dir))? {
            let entry = entry.map_err(LogError::io("list", dir))?;
            if let Some((base, FileKind::Log, FileState::Live)) = entry.file_name().to_str().and_then(parse_file_name) {
                let file = entry.metadata().map_err(LogError::io("stat", entry.path()))?;
                segments.push((base, file.len(), file.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
            }
        }
        segments.sort();
        let Some(&(.., written)) = segments.last() else {
            return Ok(Survey { bytes: 0, written: SystemTime::UNIX_EPOCH });
        };
        // As a walk is decided on: the last segment always, others if they end behind the recovery point.
        let next = segments.iter().skip(1).map(|(base, ..)| *base);
        let first = next.take_while(|next| *next < options.recovery_point).count();
        let (base, len, _) = segments[first];
        let size = |kind| fs::metadata(file_path(dir, base, kind, FileState::Live)).map_or(0, |file| file.len());
        let sizes = FileSizes {
            log: len,
            offset_index: size(FileKind::OffsetIndex),
            time_index: size(FileKind::TimeIndex),
            txn_index: 0,
        };
        let segment = Segment::with(&log_path(dir), &context.cache, base, sizes, base, Millis(0), Millis(0));
        segment.offset_index.note_exact();
        segment.time_index.note_exact();
        let resumed = segment.resume_at(options.recovery_point)?.map_or(0, |batch| batch.position);
        segment.close_files();
        let bytes = segments[first..].iter().map(|(_, len, _)| len).sum::<u64>() - resumed;
        Ok(Survey { bytes, written })
    }
}
