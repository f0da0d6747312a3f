//! Where the walk over a segment may begin: at the recovery point, as the offset index tells.

use crate::types::Offset;

use super::LogError;
use super::scan::{Located, SEEK_WINDOW_BYTES, Step};
use super::segment::Segment;

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
        let Some(entry) = entry.filter(|entry| u64::from(entry.position) < self.size()) else { return Ok(None) };
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
