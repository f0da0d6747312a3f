//! What a cleaning keeps of a batch. Pure: a batch goes in, what is to be written comes out.

use std::collections::HashMap;

use bytes::Bytes;

use super::offset_map::{KEYS_TOGETHER, KeyHash, OffsetMap};
use super::transactions::CleanedTransactions;
use crate::protocol::batch::{BatchBuilder, BatchError, BatchHeader, BatchRef, TimestampType};
use crate::protocol::compression::Decompressor;
use crate::protocol::control::{ControlError, ControlType};
use crate::types::{Millis, Offset, ProducerEpoch, ProducerId};

/// Which records and batches go, in one cleaning of a log.
pub struct Filter<'a> {
    pub map: &'a OffsetMap,
    /// The producers that the log remembers.
    pub producers: &'a HashMap<ProducerId, LastRecord>,
    /// The time at which the cleaning began.
    pub now: Millis,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// Where the part that may be cleaned ends.
    pub end: Offset,
}

/// The last that a producer wrote to a log.
#[derive(Clone, Copy, Debug)]
pub struct LastRecord {
    /// Where its last batch of data ends, if there was one in its epoch.
    pub data_offset: Option<Offset>,
    pub epoch: ProducerEpoch,
}

/// What stays of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept {
    /// The batch as it is.
    Whole,
    /// Some of its records, or only its header.
    Rewritten(Bytes),
    Nothing,
}

/// Records counted by a cleaning.
#[derive(Clone, Copy, Default, Debug)]
pub struct RecordCounts {
    pub read: u64,
    pub kept: u64,
    /// Records without a key, which a compacted log cannot keep.
    pub without_key: u64,
}

/// Which records of a batch stay, and what is still to be looked up for that; kept for its memory.
#[derive(Default)]
pub struct Marks {
    stays: Vec<bool>,
    questions: Vec<Question>,
}

/// Whether a record is the last of its key.
struct Question {
    record: usize,
    key: KeyHash,
    offset: Offset,
    is_tombstone: bool,
}

/// Why a batch cannot be cleaned.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FilterError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the record at offset {0} is out of place in its batch")]
    Misplaced(Offset),
}

/// What stands in a control batch, if it is not empty.
pub fn control_type(batch: &BatchRef<'_>, decompressor: &mut Decompressor) -> Result<Option<ControlType>, FilterError> {
    if batch.header.record_count == 0 {
        return Ok(None);
    }
    let Some(record) = batch.records(decompressor)?.next() else { return Ok(None) };
    let record = record.map_err(BatchError::from)?;
    Ok(Some(ControlType::parse(record.key)?))
}

impl Filter<'_> {
    /// Decides on the next batch of the log. `marks` is scratch space.
    pub fn apply(
        &self,
        batch: &BatchRef<'_>,
        transactions: &mut CleanedTransactions,
        decompressor: &mut Decompressor,
        marks: &mut Marks,
        counts: &mut RecordCounts,
    ) -> Result<Kept, FilterError> {
        let header = &batch.header;
        // Of its transaction nothing is left, or it was aborted.
        let is_needless = match header.is_control() {
            true => transactions.on_control(header, control_type(batch, decompressor)?),
            false => transactions.on_data(header),
        };
        // A reader that has met the transaction's records gets the time to meet the marker.
        let is_overdue = !header.is_control() || header.delete_horizon().is_some_and(|horizon| horizon <= self.now);
        let empty = || match self.must_stay(header) {
            true => Kept::Rewritten(Bytes::copy_from_slice(&header.emptied().encode())),
            false => Kept::Nothing,
        };
        if is_needless && is_overdue {
            counts.read += header.record_count.max(0) as u64;
            return Ok(empty());
        }
        if header.record_count == 0 {
            return Ok(empty());
        }
        let (kept, has_tombstones) = self.mark(batch, decompressor, marks, counts)?;
        if kept == 0 {
            return Ok(empty());
        }
        let starts_horizon = (has_tombstones || is_needless) && header.delete_horizon().is_none();
        if kept == marks.stays.len() && !starts_horizon {
            return Ok(Kept::Whole);
        }
        let horizon = match starts_horizon {
            true => Some(self.now + Millis(self.delete_retention_ms)),
            false => header.delete_horizon(),
        };
        Ok(Kept::Rewritten(rewrite(batch, &marks.stays, horizon, decompressor)?))
    }

    /// Whether the batch stays without records too: its producer goes on from its sequence or epoch, or the log would
    /// seem to end before it.
    fn must_stay(&self, header: &BatchHeader) -> bool {
        let is_last = |last: &LastRecord| match last.data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.is_control() && header.producer_epoch == last.epoch,
        };
        header.has_producer_id() && self.producers.get(&header.producer_id).is_some_and(is_last)
            || header.next_offset() == self.end
    }

    /// Marks the records that stay. Answers how many there are, and whether one is a tombstone.
    fn mark(
        &self,
        batch: &BatchRef<'_>,
        decompressor: &mut Decompressor,
        marks: &mut Marks,
        counts: &mut RecordCounts,
    ) -> Result<(usize, bool), FilterError> {
        let header = &batch.header;
        marks.stays.clear();
        marks.questions.clear();
        let (mut has_tombstones, mut least) = (false, 0i64);
        for record in batch.records(decompressor)? {
            let record = record.map_err(BatchError::from)?;
            let (delta, offset) = (i64::from(record.offset_delta), header.offset_of(&record));
            if delta < least || record.offset_delta > header.last_offset_delta {
                return Err(FilterError::Misplaced(offset));
            }
            least = delta + 1;
            let (stays, is_tombstone) = (header.is_control() || offset > self.map.latest(), record.value.is_none());
            has_tombstones |= stays && is_tombstone;
            marks.stays.push(stays);
            match record.key {
                _ if stays => {}
                None => counts.without_key += 1,
                Some(key) => {
                    let (record, key) = (marks.stays.len() - 1, KeyHash::of(key));
                    marks.questions.push(Question { record, key, offset, is_tombstone });
                }
            }
            if marks.questions.len() == KEYS_TOGETHER {
                has_tombstones |= self.look_up(header, marks);
            }
        }
        has_tombstones |= self.look_up(header, marks);
        let kept = marks.stays.iter().filter(|stays| **stays).count();
        counts.read += marks.stays.len() as u64;
        counts.kept += kept as u64;
        Ok((kept, has_tombstones))
    }

    /// Marks what stays of the records in question. Answers whether one is a tombstone.
    fn look_up(&self, header: &BatchHeader, marks: &mut Marks) -> bool {
        let tombstones_are_over = header.delete_horizon().is_some_and(|horizon| horizon <= self.now);
        let mut has_tombstones = false;
        self.map.prefetch(marks.questions.iter().map(|question| question.key));
        for Question { record, key, offset, is_tombstone } in marks.questions.drain(..) {
            let is_last = self.map.get(key).is_none_or(|last| offset >= last);
            let stays = is_last && !(is_tombstone && tombstones_are_over);
            marks.stays[record] = stays;
            has_tombstones |= stays && is_tombstone;
        }
        has_tombstones
    }
}

/// The batch with only the marked records, with its offsets, producer and codec. From then on its tombstones and
/// markers are counted down to `horizon` (KIP-534).
fn rewrite(
    batch: &BatchRef<'_>,
    marks: &[bool],
    horizon: Option<Millis>,
    decompressor: &mut Decompressor,
) -> Result<Bytes, FilterError> {
    let header = &batch.header;
    let mut builder = BatchBuilder::new(header.base_offset)
        .compression(header.compression()?, None)
        .producer(header.producer_id, header.producer_epoch, header.base_sequence)
        .leader_epoch(header.leader_epoch);
    if header.timestamp_type() == TimestampType::LogAppendTime {
        builder = builder.log_append_time(header.max_timestamp);
    }
    if header.is_transactional() {
        builder = builder.transactional();
    }
    if header.is_control() {
        builder = builder.control();
    }
    if let Some(horizon) = horizon {
        builder = builder.delete_horizon(horizon);
    }
    for (record, _) in batch.records(decompressor)?.zip(marks).filter(|(_, stays)| **stays) {
        let record = record.map_err(BatchError::from)?;
        let (offset, timestamp) = (header.offset_of(&record), header.timestamp_of(&record));
        builder.append_at(offset, timestamp, record.key, record.value, record.headers);
    }
    builder.keep_last_offset(header.last_offset());
    Ok(builder.build())
}
