//! The walk over every record of a batch, and the rebuilding of a batch.

use bytes::Bytes;

use super::error::{AppendError, RecordRejections};
use super::rules::AppendRules;
use crate::protocol::batch::{BatchBuilder, BatchHeader, BatchRef, NO_TIMESTAMP, RecordRef, TimestampType};
use crate::protocol::compression::{Compression, Decompressor};
use crate::types::{Millis, Offset, ProducerEpoch, ProducerId};

/// What the records of a batch add up to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Walked {
    pub(super) max_timestamp: Millis,
    /// The first record with that timestamp.
    max_timestamp_index: usize,
    /// Whether the records' own offsets count 0, 1, 2, …
    pub(super) offsets_sequential: bool,
}

impl Walked {
    /// The record that the time of the batch is found at: the first, where the broker stamps one time on all.
    pub(super) fn max_timestamp_delta(&self, rules: &AppendRules<'_>) -> i64 {
        match rules.topic.timestamp_type {
            TimestampType::CreateTime => self.max_timestamp_index as i64,
            TimestampType::LogAppendTime => 0,
        }
    }
}

/// Reads every record and holds it against the rules. Nothing is allocated unless a record breaks them.
pub(super) fn walk(
    batch: &BatchRef<'_>,
    rules: &AppendRules<'_>,
    keeps_codec: bool,
    decompressor: &mut Decompressor,
) -> Result<Walked, AppendError> {
    let checks = RecordChecks::new(&batch.header, rules, keeps_codec)?;
    let mut walked = Walked { max_timestamp: NO_TIMESTAMP, max_timestamp_index: 0, offsets_sequential: true };
    let mut rejections = RecordRejections::default();
    for (index, record) in batch.records(decompressor)?.enumerate() {
        let record = record?;
        let timestamp = batch.header.timestamp_of(&record);
        if !checks.allow(&record, timestamp) {
            checks.reject(index, &record, timestamp, &mut rejections);
        }
        if timestamp > walked.max_timestamp {
            walked.max_timestamp = timestamp;
            walked.max_timestamp_index = index;
        }
        walked.offsets_sequential &= record.offset_delta as usize == index;
    }
    rejections.into_result()?;
    Ok(walked)
}

/// The rules of an append, as far as they concern single records.
struct RecordChecks<'a> {
    rules: &'a AppendRules<'a>,
    header: BatchHeader,
    key_needed: bool,
    /// Whether a record without a time, or any record of a topic that stamps its own, must be refused because the
    /// producer claims to have stamped it for the broker.
    stamp_forged: bool,
    create_time: bool,
    /// How Java's code calls a record of which it reads no key, value or header.
    class_name: &'static str,
}

impl<'a> RecordChecks<'a> {
    fn new(
        header: &BatchHeader,
        rules: &'a AppendRules<'a>,
        keeps_codec: bool,
    ) -> Result<RecordChecks<'a>, AppendError> {
        let partial = keeps_codec && header.compression()? != Compression::None;
        Ok(RecordChecks {
            rules,
            header: *header,
            key_needed: rules.topic.compacted,
            stamp_forged: header.timestamp_type() == TimestampType::LogAppendTime,
            create_time: rules.topic.timestamp_type == TimestampType::CreateTime,
            class_name: if partial { "PartialDefaultRecord" } else { "DefaultRecord" },
        })
    }

    #[inline]
    fn allow(&self, record: &RecordRef<'_>, timestamp: Millis) -> bool {
        let key_allowed = record.key.is_some() || !self.key_needed;
        let time_allowed =
            if self.create_time && timestamp != NO_TIMESTAMP { self.in_bounds(timestamp) } else { !self.stamp_forged };
        key_allowed && time_allowed
    }

    /// Java's arithmetic, which wraps: with the default bound, no time in the past is too old.
    #[inline]
    fn in_bounds(&self, timestamp: Millis) -> bool {
        let age = self.rules.now.0.wrapping_sub(timestamp.0);
        age <= self.rules.topic.message_timestamp_before_max_ms
            && age.wrapping_neg() <= self.rules.topic.message_timestamp_after_max_ms
    }

    #[cold]
    fn reject(&self, index: usize, record: &RecordRef<'_>, timestamp: Millis, rejections: &mut RecordRejections) {
        let offset = self.header.offset_of(record);
        if self.key_needed && record.key.is_none() {
            rejections.push(index, false, || {
                let partition = self.rules.partition;
                format!("Compacted topic cannot accept message without key in topic partition {partition}")
            });
        } else if self.create_time && timestamp != NO_TIMESTAMP {
            let topic = self.rules.topic;
            let oldest = self.rules.now.0.wrapping_sub(topic.message_timestamp_before_max_ms);
            let newest = self.rules.now.0.wrapping_add(topic.message_timestamp_after_max_ms);
            rejections.push(index, true, || {
                format!(
                    "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be \
                     within [{oldest}, {newest}]"
                )
            });
        } else {
            rejections.push(index, true, || {
                let null_len = if self.class_name == "DefaultRecord" { 0 } else { -1 };
                let len = |bytes: Option<&[u8]>| bytes.map_or(null_len, |bytes| bytes.len() as i64);
                format!(
                    "Invalid timestamp type in message {}(offset={offset}, timestamp={timestamp}, key={} bytes, \
                     value={} bytes). Producer should not set timestamp type to LogAppendTime.",
                    self.class_name,
                    len(record.key),
                    len(record.value)
                )
            });
        }
    }
}

/// Writes the records of `batch`, which were walked, into a new batch: in another codec, or with offsets put right.
pub(super) fn rebuild(
    batch: &BatchRef<'_>,
    rules: &AppendRules<'_>,
    (target, level): (Compression, Option<i32>),
    decompressor: &mut Decompressor,
) -> Result<Bytes, AppendError> {
    let header = batch.header;
    if header.producer_id == ProducerId::NONE && header.is_transactional()
        || header.producer_id != ProducerId::NONE && header.producer_epoch == ProducerEpoch::NONE
    {
        return Err(AppendError::ProducerState);
    }
    let mut builder = BatchBuilder::new(Offset::ZERO)
        .compression(target, level)
        .producer(header.producer_id, header.producer_epoch, header.base_sequence)
        .reserve(batch.bytes.len());
    if header.is_transactional() {
        builder = builder.transactional();
    }
    if rules.topic.timestamp_type == TimestampType::LogAppendTime {
        builder = builder.log_append_time(rules.now);
    }
    for record in batch.records(decompressor)? {
        let record = record?;
        let timestamp = header.timestamp_of(&record);
        if timestamp < NO_TIMESTAMP {
            return Err(AppendError::NegativeTimestamp(timestamp.0));
        }
        builder.append_copy(timestamp, &record);
    }
    Ok(builder.build())
}
