//! Looking into one batch: its checksum and every record in it, with bounded memory.

use std::sync::Mutex;

use crate::log::LogError;
use crate::log::scan::{Located, Scanner};
use crate::protocol::batch::{BatchError, BatchHeader, BatchRef, RecordRef};
use crate::protocol::compression::{CompressionError, Decompressor};
use crate::protocol::control::ControlType;
use crate::types::{Offset, TopicPartition};

/// A batch of at most so many bytes is looked into by each thread for itself.
const BATCH_BYTES_MAX: usize = 2 << 20;
/// To so many bytes it may decompress.
const RECORDS_BYTES_MAX: usize = 4 << 20;
/// Larger ones, up to these, are looked into one at a time; of still larger ones only the checksum is.
const LARGE_BATCH_BYTES_MAX: usize = 12 << 20;
const LARGE_RECORDS_BYTES_MAX: usize = 16 << 20;

/// Who looks into a large batch.
static LARGE: Mutex<()> = Mutex::new(());

/// What a batch is.
#[derive(Debug)]
pub(super) enum Verdict {
    Good {
        /// The kind of the first record of a control batch.
        control: Option<ControlType>,
    },
    /// Whole and with a right checksum, but too large to be looked into.
    TooLarge,
    Bad {
        /// The checksum is right: it was written so.
        intact: bool,
        reason: String,
    },
}

/// Looks into batches, with memory that it uses again.
pub(super) struct BatchCheck {
    decompressor: Decompressor,
    /// A batch of at most so many bytes is read without asking whether another is being read.
    batch_bytes_max: usize,
}

/// Told of each record.
pub(super) type EachRecord<'a> = &'a mut dyn FnMut(&BatchHeader, &RecordRef<'_>);

impl BatchCheck {
    pub(super) fn new() -> BatchCheck {
        BatchCheck { decompressor: Decompressor::with_limit(RECORDS_BYTES_MAX), batch_bytes_max: BATCH_BYTES_MAX }
    }

    /// Looks into every batch, at whatever cost of memory.
    pub(super) fn unlimited() -> BatchCheck {
        let max = i32::MAX as usize;
        BatchCheck { decompressor: Decompressor::with_limit(max), batch_bytes_max: max }
    }

    /// Checks the batch and, if its checksum is right, tells `each` of its records.
    pub(super) fn check(
        &mut self,
        scanner: &mut Scanner,
        batch: &Located,
        each: EachRecord<'_>,
    ) -> Result<Verdict, LogError> {
        let len = batch.header.total_len();
        if len <= self.batch_bytes_max {
            let whole = BatchRef { header: batch.header, bytes: scanner.batch_slice(batch)? };
            if let Some(verdict) = look_into(&whole, &mut self.decompressor, each) {
                return Ok(verdict);
            }
        }
        let _one_at_a_time = LARGE.lock().expect("nothing panics with it");
        if len > LARGE_BATCH_BYTES_MAX {
            return Ok(match scanner.checksum_valid(batch)? {
                true => Verdict::TooLarge,
                false => bad_checksum(),
            });
        }
        let mut decompressor = Decompressor::with_limit(LARGE_RECORDS_BYTES_MAX);
        let whole = BatchRef { header: batch.header, bytes: scanner.batch_slice(batch)? };
        Ok(look_into(&whole, &mut decompressor, each).unwrap_or(Verdict::TooLarge))
    }
}

fn bad_checksum() -> Verdict {
    Verdict::Bad { intact: false, reason: "the batch's checksum does not match".to_owned() }
}

/// None: it decompresses to more than the decompressor's limit.
fn look_into(batch: &BatchRef<'_>, decompressor: &mut Decompressor, each: EachRecord<'_>) -> Option<Verdict> {
    if !batch.crc_valid() {
        return Some(bad_checksum());
    }
    match walk(batch, decompressor, each) {
        Ok(control) => Some(Verdict::Good { control }),
        Err(Unreadable::TooLarge) => None,
        Err(Unreadable::Wrong(reason)) => {
            let reason = format!("the batch's checksum is right, but its records cannot be read: {reason}");
            Some(Verdict::Bad { intact: true, reason })
        }
    }
}

enum Unreadable {
    TooLarge,
    Wrong(String),
}

impl From<BatchError> for Unreadable {
    fn from(error: BatchError) -> Unreadable {
        match error {
            BatchError::Compression(CompressionError::TooLarge { .. }) => Unreadable::TooLarge,
            error => Unreadable::Wrong(error.to_string()),
        }
    }
}

fn walk(
    batch: &BatchRef<'_>,
    decompressor: &mut Decompressor,
    each: EachRecord<'_>,
) -> Result<Option<ControlType>, Unreadable> {
    let header = &batch.header;
    let (mut previous, mut control) = (-1, None);
    for record in batch.records(decompressor)? {
        let record = record.map_err(|error| Unreadable::Wrong(error.to_string()))?;
        if record.offset_delta <= previous || record.offset_delta > header.last_offset_delta {
            let (offset, last) = (header.offset_of(&record), header.last_offset());
            return Err(Unreadable::Wrong(format!("a record of offset {offset} is out of place, the last is {last}")));
        }
        previous = record.offset_delta;
        if header.is_control() && control.is_none() {
            control = ControlType::parse(record.key).ok();
        }
        each(header, &record);
    }
    Ok(control)
}

/// What is wrong with a batch's offsets in the segment that begins at `base` and ends before `limit`, where `due` is
/// the least that may come.
pub(super) fn misplaced(header: &BatchHeader, base: Offset, limit: Option<Offset>, due: Offset) -> Option<String> {
    let (first, last) = (header.base_offset, header.last_offset());
    if header.last_offset_delta < 0 || header.record_count > header.last_offset_delta.saturating_add(1) {
        let (count, delta) = (header.record_count, header.last_offset_delta);
        return Some(format!("a batch of {count} records says that its last one is {delta} offsets behind its first"));
    }
    if first < base || limit.is_some_and(|limit| last >= limit) {
        let until = limit.map_or_else(String::new, |limit| format!(" up to the next one's {limit}"));
        return Some(format!("a batch of offsets {first} to {last} stands in the segment of {base}{until}"));
    }
    (first < due).then(|| format!("a batch begins at offset {first} where {due} is due"))
}

/// What the user can do about damage before good data.
pub(super) fn export_remedy(partition: &TopicPartition) -> String {
    format!("restore the file from a copy, or save what can be read with --export {partition}")
}
