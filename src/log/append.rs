//! What Kafka checks before records enter a log, and what it changes in them. Pure: bytes and rules in, bytes or the
//! reason against them out.

mod error;
mod records;
mod rules;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

pub use error::{AppendError, RecordRejection, RecordRejections};
pub use rules::{AppendOrigin, AppendRules, TargetCompression, TopicRules};

use crate::protocol::batch::{
    BATCH_HEADER_LEN, BATCH_PATCHED_LEN, BatchError, BatchHeader, BatchRef, MAGIC, TimestampType, split_batches,
};
use crate::protocol::compression::{Compression, Decompressor};
use crate::protocol::control::EndTxnMarker;
use crate::types::{LeaderEpoch, Millis, Offset};
use records::Walked;

/// The first Produce version that may carry zstd (KIP-110).
const ZSTD_PRODUCE_VERSION: i16 = 7;

/// A batch that may enter the log.
#[derive(Clone, Debug)]
pub struct ValidatedBatch {
    /// The whole batch. All but its first 16 bytes are final; those are stamped by [`ValidatedBatch::assign`].
    pub bytes: Bytes,
    /// The header of `bytes`, and after `assign` as it will stand in the log.
    pub header: BatchHeader,
    /// The largest timestamp, or the time of the append where the topic says so.
    pub max_timestamp: Millis,
    /// The first record with that timestamp, counted from the base offset; the last record where none was read.
    pub offset_of_max_timestamp_delta: i64,
    /// What a transaction marker says.
    pub marker: Option<EndTxnMarker>,
}

impl ValidatedBatch {
    fn new(
        bytes: Bytes,
        header: BatchHeader,
        offset_of_max_timestamp_delta: i64,
        decompressor: &mut Decompressor,
    ) -> Result<ValidatedBatch, AppendError> {
        let marker = if header.is_control() && header.has_producer_id() {
            EndTxnMarker::of(&BatchRef { header, bytes: &bytes }, decompressor)?
        } else {
            None
        };
        Ok(ValidatedBatch { bytes, header, max_timestamp: header.max_timestamp, offset_of_max_timestamp_delta, marker })
    }

    /// Gives the batch its place in the log; returns the bytes that replace the first 16 of `bytes`.
    pub fn assign(&mut self, base_offset: Offset, leader_epoch: LeaderEpoch) -> [u8; BATCH_PATCHED_LEN] {
        self.header.base_offset = base_offset;
        self.header.leader_epoch = leader_epoch;
        self.header.patched_prefix()
    }

    /// The batch from the 17th byte on: what follows the bytes that `assign` returns.
    pub fn after_prefix(&self) -> &[u8] {
        &self.bytes[BATCH_PATCHED_LEN..]
    }
}

/// What passed the checks, in the order in which it is to be appended.
#[derive(Clone, Debug)]
pub struct ValidatedBatches {
    pub batches: Vec<ValidatedBatch>,
    /// Records, as the headers count them.
    pub record_count: usize,
    /// Bytes of all batches.
    pub size: usize,
    /// Who made the append.
    pub origin: AppendOrigin,
    /// The time that was stamped on the records, if the topic asks for it.
    pub log_append_time: Option<Millis>,
}

impl ValidatedBatches {
    fn new(batches: Vec<ValidatedBatch>, rules: &AppendRules<'_>) -> ValidatedBatches {
        let stamped = rules.topic.timestamp_type == TimestampType::LogAppendTime && rules.origin.assigns_offsets();
        ValidatedBatches {
            record_count: batches.iter().map(|batch| batch.header.record_count.max(0) as usize).sum(),
            size: batches.iter().map(|batch| batch.bytes.len()).sum(),
            batches,
            origin: rules.origin,
            log_append_time: stamped.then_some(rules.now),
        }
    }

    /// Whether the log gives the offsets; otherwise they are in the headers.
    pub fn assigns_offsets(&self) -> bool {
        self.origin.assigns_offsets()
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}

/// Checks `records` against the rules, off every lock. Incomplete bytes at the end are dropped, as Kafka does.
pub fn validate(
    records: Bytes,
    rules: &AppendRules<'_>,
    decompressor: &mut Decompressor,
) -> Result<ValidatedBatches, AppendError> {
    if let Some(version) = rules.produce_version {
        check_produce_request(version, &records)?;
    }
    let batches = if rules.origin.assigns_offsets() {
        Vec::from_iter(validate_leader_batch(&records, rules, decompressor)?)
    } else {
        validate_verbatim(&records, rules, decompressor)?
    };
    let validated = ValidatedBatches::new(batches, rules);
    // Replicated appends may be many batches, which the log spreads over segments.
    if rules.origin.assigns_offsets() && validated.size > rules.topic.segment_bytes {
        return Err(AppendError::ExceedsSegment { size: validated.size, limit: rules.topic.segment_bytes });
    }
    Ok(validated)
}

/// The checks of a produce request that come before the partition is looked at: one batch of magic 2, and no codec
/// that the version does not know.
pub fn check_produce_request(version: i16, records: &[u8]) -> Result<(), AppendError> {
    let mut batches = split_batches(records);
    let first = batches.next().ok_or(AppendError::NoBatch { version })?.map_err(AppendError::of_first_batch)?;
    if version < ZSTD_PRODUCE_VERSION && first.header.compression()? == Compression::Zstd {
        return Err(AppendError::ZstdTooEarly { version });
    }
    match batches.next() {
        None => Ok(()),
        Some(Ok(_) | Err(BatchError::Magic(0..MAGIC))) => Err(AppendError::SeveralBatches),
        Some(Err(error)) => Err(error.into()),
    }
}

/// The one batch of an append whose offsets this log gives.
fn validate_leader_batch(
    records: &Bytes,
    rules: &AppendRules<'_>,
    decompressor: &mut Decompressor,
) -> Result<Option<ValidatedBatch>, AppendError> {
    let mut split = split_batches(records);
    let Some(batch) = split.next().transpose()? else { return Ok(None) };
    check_batch(&batch, rules)?;
    if split.next().transpose()?.is_some() {
        return Err(AppendError::SeveralBatches);
    }
    if rules.origin == AppendOrigin::Client {
        check_client_header(&batch.header)?;
    }
    let source = batch.header.compression()?;
    let (target, level) = rules.topic.compression.resolve(source);
    let keeps_codec = source == target || (source == Compression::None && batch.header.is_control());

    let walked = records::walk(&batch, rules, keeps_codec, decompressor)?;
    if keeps_codec && (walked.offsets_sequential || batch.header.is_control()) {
        return keep(records, &batch, rules, &walked, decompressor).map(Some);
    }
    let bytes = records::rebuild(&batch, rules, (target, level), decompressor)?;
    check_size(bytes.len(), rules)?;
    let header = BatchHeader::parse(&bytes)?;
    ValidatedBatch::new(bytes, header, walked.max_timestamp_delta(rules), decompressor).map(Some)
}

/// Keeps the bytes that arrived, but for the timestamp fields where Kafka corrects them.
fn keep(
    records: &Bytes,
    batch: &BatchRef<'_>,
    rules: &AppendRules<'_>,
    walked: &Walked,
    decompressor: &mut Decompressor,
) -> Result<ValidatedBatch, AppendError> {
    let mut header = batch.header;
    let max_timestamp = match rules.topic.timestamp_type {
        TimestampType::CreateTime => walked.max_timestamp,
        TimestampType::LogAppendTime => rules.now,
    };
    let bytes = if (header.timestamp_type(), header.max_timestamp) == (rules.topic.timestamp_type, max_timestamp) {
        records.slice(..batch.bytes.len())
    } else {
        header.set_timestamp_type(rules.topic.timestamp_type);
        header.max_timestamp = max_timestamp;
        header.renew_crc(batch.payload());
        let mut bytes = BytesMut::with_capacity(batch.bytes.len());
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(&batch.bytes[BATCH_HEADER_LEN..]);
        bytes.freeze()
    };
    ValidatedBatch::new(bytes, header, walked.max_timestamp_delta(rules), decompressor)
}

/// Size and CRC, and for clients the base offset.
fn check_batch(batch: &BatchRef<'_>, rules: &AppendRules<'_>) -> Result<(), AppendError> {
    if rules.origin == AppendOrigin::Client && batch.header.base_offset != Offset::ZERO {
        return Err(AppendError::BaseOffset(batch.header.base_offset));
    }
    check_size(batch.bytes.len(), rules)?;
    batch.check_crc()?;
    Ok(())
}

fn check_size(size: usize, rules: &AppendRules<'_>) -> Result<(), AppendError> {
    if size > rules.topic.max_message_bytes {
        return Err(AppendError::TooLarge { size, limit: rules.topic.max_message_bytes });
    }
    Ok(())
}

/// What a client's header may not say.
fn check_client_header(header: &BatchHeader) -> Result<(), AppendError> {
    let (count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if last_offset_delta < 0 {
        return Err(AppendError::OffsetRange { last_offset_delta });
    }
    if count <= 0 {
        return Err(AppendError::Count(count));
    }
    if i64::from(last_offset_delta) + 1 != i64::from(count) {
        return Err(AppendError::CountMismatch { count, last_offset_delta });
    }
    if header.is_control() {
        return Err(AppendError::ControlFromClient);
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(AppendError::Sequence { producer_id: header.producer_id, sequence: header.base_sequence });
    }
    Ok(())
}

/// Batches that bring their offsets: from the quorum's leader, or from the leader of a partition we follow. Their
/// records were checked where they were first appended.
fn validate_verbatim(
    records: &Bytes,
    rules: &AppendRules<'_>,
    decompressor: &mut Decompressor,
) -> Result<Vec<ValidatedBatch>, AppendError> {
    let mut batches = Vec::new();
    let mut last = Offset::NONE;
    for batch in split_batches(records) {
        let batch = batch?;
        let header = batch.header;
        match rules.origin {
            AppendOrigin::RaftLeader if header.leader_epoch != rules.leader_epoch => {
                return Err(AppendError::LeaderEpoch { expected: rules.leader_epoch, found: header.leader_epoch });
            }
            // What a leader sent after it lost its leadership is left for the next leader to say (KAFKA-18723).
            AppendOrigin::Replication if header.leader_epoch > rules.leader_epoch => break,
            _ => {}
        }
        if header.last_offset() <= last {
            return Err(AppendError::OffsetsOutOfOrder { last, next: header.last_offset() });
        }
        last = header.last_offset();
        batch.check_crc()?;
        let bytes = records.slice_ref(batch.bytes);
        batches.push(ValidatedBatch::new(bytes, header, i64::from(header.last_offset_delta), decompressor)?);
    }
    Ok(batches)
}
