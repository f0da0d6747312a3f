//! Finding batches in a segment: by offset, by position, by time.

use std::fs::File;
use std::sync::Arc;

use crate::types::{Millis, Offset};

use super::LogError;
use super::offset_index::OffsetEntry;
use super::recent::Place;
use super::scan::{Located, SEEK_WINDOW_BYTES, Scanner, Step, WALK_WINDOW_BYTES};
use super::segment::{RELATIVE_OFFSET_MAX, Segment};

/// Whole batches in a segment's log file.
#[derive(Debug)]
pub struct Slice {
    pub file: Arc<File>,
    pub position: u64,
    pub len: usize,
    /// The base offset of the first batch.
    pub first_base: Offset,
    /// Bytes from `position` to the upper bound, or to the segment's end.
    pub available: usize,
}

impl Segment {
    /// The batch that contains `offset`, or the first one behind it.
    pub fn locate(&self, offset: Offset) -> Result<Option<Located>, LogError> {
        let size = self.size();
        let relative = (offset - self.base()).clamp(0, i64::from(u32::MAX)) as u32;
        let entry = self.offset_index.last_where(&|| self.offset_file(), |entry| entry.relative_offset <= relative)?;
        let position = entry.map_or(0, |entry| u64::from(entry.position));
        let mut scanner = self.scanner(position, size, SEEK_WINDOW_BYTES)?;
        while let Some(batch) = scanner.next_good()? {
            if batch.header.last_offset() >= offset {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn place(&self, offset: Offset) -> Result<Option<Place>, LogError> {
        match self.recent.find(offset) {
            Some(place) => Ok(Some(place)),
            None => Ok(self.locate(offset)?.map(Place::from)),
        }
    }

    /// Whole batches from the one with `from` up to `upper`, at most `max_bytes` long, or one batch if `min_one`.
    /// `None` if nothing at or behind `from` is here, so that the next segment has to answer.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        upper: Offset,
        min_one: bool,
    ) -> Result<Option<Slice>, LogError> {
        let size = self.size();
        let next = self.next_offset();
        let Some(first) = self.place(from)? else { return Ok(None) };
        let limit = match upper >= next {
            true => size,
            false => match self.place(upper) {
                // What stands before it lies below the upper bound too.
                Err(LogError::Damaged { position, .. }) if position > first.position => position,
                found => found?.map_or(size, |batch| batch.position),
            },
        };
        let available = limit.saturating_sub(first.position) as usize;
        let len = match available {
            0 => 0,
            _ if available <= max_bytes => available,
            _ if first.len <= max_bytes => self.cut(&first, max_bytes as u64)?,
            _ if min_one => first.len,
            _ => 0,
        };
        let len = match self.damage.first_within(first.position, first.position + len as u64) {
            Some(bad) if bad.position <= first.position => return Err(bad.error()),
            Some(bad) => (bad.position - first.position) as usize,
            None => len,
        };
        Ok(Some(Slice { file: self.file()?, position: first.position, len, first_base: first.base_offset, available }))
    }

    /// A position at or before the first record of `offset`, as near as the index tells.
    pub fn position_before(&self, offset: Offset) -> u64 {
        let relative = (offset - self.base()).clamp(0, RELATIVE_OFFSET_MAX) as u32;
        let entry = self.offset_index.last_where(&|| self.offset_file(), |entry| entry.relative_offset < relative);
        entry.ok().flatten().map_or(0, |entry| u64::from(entry.position))
    }

    /// An offset that no record before `position` reaches, if the index knows one.
    pub fn upper_bound(&self, position: u64) -> Result<Option<Offset>, LogError> {
        let before = |entry: &OffsetEntry| u64::from(entry.position) < position;
        let entry = self.offset_index.first_unless(&|| self.offset_file(), before)?;
        Ok(entry.map(|entry| self.base() + i64::from(entry.relative_offset)))
    }

    /// The largest length of whole batches from `first` within `max_bytes`.
    fn cut(&self, first: &Place, max_bytes: u64) -> Result<usize, LogError> {
        let budget_end = first.position + max_bytes;
        let entry = self
            .offset_index
            .last_where(&|| self.offset_file(), |entry| u64::from(entry.position) <= budget_end)?
            .map_or(0, |entry| u64::from(entry.position));
        let mut end = entry.max(first.end());
        let mut scanner = self.scanner(end, self.size(), SEEK_WINDOW_BYTES)?;
        // Damage behind good batches is met by the read that begins with it.
        while let Step::Batch(batch) = scanner.step()? {
            if batch.end() > budget_end {
                break;
            }
            end = batch.end();
        }
        Ok((end - first.position) as usize)
    }

    /// Where the search for the first record at or after `timestamp` and `start` begins.
    pub fn scan_for_timestamp(&self, timestamp: Millis, start: Offset) -> Result<Scanner, LogError> {
        let entry = self.time_index.last_where(&|| self.time_file(), |entry| entry.timestamp <= timestamp.0)?;
        let offset = entry.map_or(self.base(), |entry| self.base() + i64::from(entry.relative_offset)).max(start);
        let relative = (offset - self.base()).clamp(0, i64::from(u32::MAX)) as u32;
        let entry = self.offset_index.last_where(&|| self.offset_file(), |entry| entry.relative_offset <= relative)?;
        self.scanner(entry.map_or(0, |entry| u64::from(entry.position)), self.size(), WALK_WINDOW_BYTES)
    }
}
