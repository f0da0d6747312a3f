//! Reading: by offset, by time, and which transactions of a stretch were aborted.

use std::sync::Arc;

use crate::protocol::batch::BatchRef;
use crate::protocol::compression::Decompressor;
use crate::types::{FileRange, LeaderEpoch, Millis, Offset};

use super::LogError;
use super::partition_log::Log;
use super::scan::{Located, Scanner};
use super::segment::Segment;
use super::txn_index::AbortedTxn;

/// The answer to a read.
#[derive(Clone, Debug, Default)]
pub struct LogRead {
    /// Whole batches; `None` if there are none below the upper bound or within the budget.
    pub range: Option<FileRange>,
    /// The base offset of the first batch, which may lie before the offset asked for.
    pub first_batch_base: Offset,
    /// Bytes from the first batch to the upper bound, or to the end of its segment; the budget does not count.
    pub available: usize,
    /// Whether there is more below the upper bound in a later segment, which takes another read.
    pub continues: bool,
    /// Whether the segment gets no more records.
    pub is_sealed: bool,
}

impl LogRead {
    fn nothing(at: Offset) -> LogRead {
        LogRead { first_batch_base: at, ..LogRead::default() }
    }
}

/// A record found by its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimestampedOffset {
    pub timestamp: Millis,
    pub offset: Offset,
    /// The epoch of the batch that holds the record.
    pub leader_epoch: LeaderEpoch,
}

impl Log {
    /// Whole batches from the one that contains `offset`, at most `max_bytes` long, of which every record is before
    /// `upper`. With `min_one` the first batch is returned even if it is larger.
    pub fn read(&self, offset: Offset, max_bytes: usize, upper: Offset, min_one: bool) -> Result<LogRead, LogError> {
        let end = self.end_offset();
        self.check_range(offset, end)?;
        let upper = upper.min(end);
        if offset >= upper {
            return Ok(LogRead::nothing(offset));
        }
        let segments = self.segments.load_full();
        let holder = segments.partition_point(|segment| segment.base() <= offset).saturating_sub(1);
        for (index, segment) in segments.iter().enumerate().skip(holder) {
            if segment.base() >= upper {
                break;
            }
            let found = segment.read(offset, max_bytes, upper, min_one);
            let found = found.inspect_err(|error| self.note_damage(segment, error));
            let Some(slice) = self.settle(offset, found)? else { continue };
            let range = FileRange { file: slice.file, position: slice.position, len: slice.len };
            return Ok(LogRead {
                range: (slice.len > 0).then_some(range),
                first_batch_base: slice.first_base,
                available: slice.available,
                continues: segments.get(index + 1).is_some_and(|next| next.base() < upper),
                is_sealed: index + 1 < segments.len(),
            });
        }
        Ok(LogRead::nothing(offset))
    }

    /// The first record that is not before `timestamp`.
    pub fn offset_for_timestamp(&self, timestamp: Millis) -> Result<Option<TimestampedOffset>, LogError> {
        let start = self.log_start_offset();
        for segment in self.segments.load_full().iter() {
            if segment.largest()?.timestamp < timestamp {
                continue;
            }
            let mut scanner = segment.scan_for_timestamp(timestamp, start)?;
            while let Some(batch) = scanner.next_good()? {
                if batch.header.max_timestamp < timestamp || batch.header.last_offset() < start {
                    continue;
                }
                let wanted = |offset: Offset, at: Millis| offset >= start && at >= timestamp;
                if let Some(found) = find_record(&mut scanner, &batch, wanted)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The first record that has the largest timestamp of the log.
    pub fn max_timestamp_offset(&self) -> Result<Option<TimestampedOffset>, LogError> {
        let segments = self.segments.load_full();
        let mut latest: Option<(&Arc<Segment>, Millis)> = None;
        for segment in segments.iter() {
            let largest = segment.largest()?.timestamp;
            if latest.is_none_or(|(_, timestamp)| largest > timestamp) {
                latest = Some((segment, largest));
            }
        }
        let Some((segment, timestamp)) = latest else { return Ok(None) };
        let Some(batch) = segment.locate(segment.largest()?.offset)? else { return Ok(None) };
        let mut scanner = segment.scanner(batch.position, batch.end(), batch.header.total_len())?;
        find_record(&mut scanner, &batch, |_, at| at == timestamp)
    }

    /// Aborted transactions that a reader of `read`, which began at `from`, has to know of: those with records from
    /// there to about its end, which is known as precisely as the offset index knows it.
    pub fn aborted_in(&self, from: Offset, read: &LogRead) -> Result<Vec<AbortedTxn>, LogError> {
        let Some(range) = &read.range else { return Ok(Vec::new()) };
        let segments = self.segments.load_full();
        let holder = segments.partition_point(|segment| segment.base() <= read.first_batch_base).saturating_sub(1);
        let next = segments.get(holder + 1).map_or(self.end_offset(), |next| next.base());
        let upper = segments[holder].upper_bound(range.position + range.len as u64)?.unwrap_or(next);
        self.aborted_transactions(from, upper)
    }

    /// Aborted transactions with records from `from` to before `upper`, in the order of their markers.
    pub fn aborted_transactions(&self, from: Offset, upper: Offset) -> Result<Vec<AbortedTxn>, LogError> {
        let segments = self.segments.load_full();
        let holder = segments.partition_point(|segment| segment.base() <= from).saturating_sub(1);
        let mut found = Vec::new();
        for segment in &segments[holder..] {
            for txn in segment.aborted_transactions()? {
                if txn.last_offset >= from && txn.first_offset < upper {
                    found.push(txn);
                }
                if txn.last_stable_offset >= upper {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    fn check_range(&self, asked: Offset, end: Offset) -> Result<(), LogError> {
        let start = self.log_start_offset();
        if asked < start || asked > end {
            return Err(LogError::OffsetOutOfRange { asked, start, end });
        }
        Ok(())
    }

    /// A read that failed because retention removed the segment meanwhile is a read before the log's start.
    fn settle<T>(&self, asked: Offset, found: Result<T, LogError>) -> Result<T, LogError> {
        if found.is_err() {
            self.ensure_online()?;
            self.check_range(asked, self.end_offset())?;
        }
        self.guard_read(found)
    }

    /// A device that cannot read takes the log out of service, and with it the directory.
    pub(super) fn guard_read<T>(&self, read: Result<T, LogError>) -> Result<T, LogError> {
        match read {
            Err(error) if error.is_device_failure() => self.guard(Err(error)),
            read => read,
        }
    }
}

fn find_record(
    scanner: &mut Scanner,
    batch: &Located,
    wanted: impl Fn(Offset, Millis) -> bool,
) -> Result<Option<TimestampedOffset>, LogError> {
    let bytes = scanner.batch_bytes(batch)?;
    let header = batch.header;
    let invalid = |reason: String| scanner.damaged(header.base_offset, reason);
    Decompressor::on_this_thread(|decompressor| {
        let records = BatchRef { header, bytes: &bytes }.records(decompressor);
        for record in records.map_err(|error| invalid(error.to_string()))? {
            let record = record.map_err(|error| invalid(error.to_string()))?;
            let (offset, timestamp) = (header.offset_of(&record), header.timestamp_of(&record));
            if wanted(offset, timestamp) {
                return Ok(Some(TimestampedOffset { timestamp, offset, leader_epoch: header.leader_epoch }));
            }
        }
        Ok(None)
    })
}
