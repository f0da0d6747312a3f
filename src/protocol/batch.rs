//! Record batches of magic 2: the header, a borrowed view, and cutting a buffer into batches.

mod builder;
mod record;
#[cfg(test)]
mod tests;
mod varint;

pub use builder::BatchBuilder;
pub use record::{HeaderIter, RecordError, RecordHeader, RecordIter, RecordRef};

use crate::protocol::compression::{Compression, CompressionError, Decompressor};
use crate::types::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId};

/// The length of a batch's header.
pub const BATCH_HEADER_LEN: usize = 61;
/// The header's beginning, up to and including the length of what follows.
pub const BATCH_PREFIX_LEN: usize = 12;
/// The header's beginning, up to and including the leader epoch: what a leader may change without renewing the CRC.
pub const BATCH_PATCHED_LEN: usize = 16;
/// The only batch format that Kafka 4 takes.
pub const MAGIC: i8 = 2;
/// What an absent timestamp is written as.
pub const NO_TIMESTAMP: Millis = Millis(-1);
/// What an absent sequence is written as.
pub const NO_SEQUENCE: i32 = -1;

/// The CRC covers everything from the attributes on.
const CRC_START: usize = 21;
/// The shortest batch of any magic, after the prefix.
const LEGACY_LEN_MIN: i32 = 14;

const COMPRESSION_MASK: u16 = 0x07;
const LOG_APPEND_TIME: u16 = 0x08;
const TRANSACTIONAL: u16 = 0x10;
const CONTROL: u16 = 0x20;
const DELETE_HORIZON: u16 = 0x40;

/// Kafka's checksum of batches and snapshots: CRC-32C.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Who sets the time of a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TimestampType {
    /// The producer.
    #[default]
    CreateTime,
    /// The broker, one time for the whole batch.
    LogAppendTime,
}

/// Why bytes are not a batch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    /// The buffer ends before the batch does.
    #[error("a batch of {needed} bytes has only {available}")]
    Incomplete { needed: usize, available: usize },
    /// The length is shorter than any batch.
    #[error("batch length {0} is less than the smallest batch")]
    Length(i32),
    /// Not magic 2.
    #[error("batch has magic {0}")]
    Magic(i8),
    /// The stored CRC is not that of the bytes.
    #[error("batch is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc { stored: u32, computed: u32 },
    /// A number that stands for no codec.
    #[error("unknown compression type id: {0}")]
    CompressionType(u8),
    /// The codec cannot read the payload.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// A record, or the number of records, is wrong.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn array<const N: usize>(bytes: &[u8; BATCH_HEADER_LEN], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a fixed range of the header")
}

/// The header of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// Bytes after the prefix; never less than the rest of the header.
    pub batch_length: i32,
    pub leader_epoch: LeaderEpoch,
    pub magic: i8,
    pub crc: u32,
    pub attributes: u16,
    pub last_offset_delta: i32,
    /// The time that records' deltas count from, or the delete horizon if that flag is set.
    pub base_timestamp: Millis,
    pub max_timestamp: Millis,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the beginning of `bytes`, which need not hold the whole batch.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let incomplete = BatchError::Incomplete { needed: BATCH_HEADER_LEN, available: bytes.len() };
        let header = BatchHeader::read(bytes.first_chunk().ok_or(incomplete)?);
        if header.magic != MAGIC {
            return Err(BatchError::Magic(header.magic));
        }
        if header.batch_length < (BATCH_HEADER_LEN - BATCH_PREFIX_LEN) as i32 {
            return Err(BatchError::Length(header.batch_length));
        }
        Ok(header)
    }

    /// What stands in the bytes of a header, which may be those of no batch at all.
    pub fn read(bytes: &[u8; BATCH_HEADER_LEN]) -> BatchHeader {
        BatchHeader {
            base_offset: Offset(i64::from_be_bytes(array(bytes, 0))),
            batch_length: i32::from_be_bytes(array(bytes, 8)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(array(bytes, 12))),
            magic: bytes[16] as i8,
            crc: u32::from_be_bytes(array(bytes, 17)),
            attributes: u16::from_be_bytes(array(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)),
            base_timestamp: Millis(i64::from_be_bytes(array(bytes, 27))),
            max_timestamp: Millis(i64::from_be_bytes(array(bytes, 35))),
            producer_id: ProducerId(i64::from_be_bytes(array(bytes, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(array(bytes, 51))),
            base_sequence: i32::from_be_bytes(array(bytes, 53)),
            record_count: i32::from_be_bytes(array(bytes, 57)),
        }
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; BATCH_HEADER_LEN] {
        let mut bytes = [0; BATCH_HEADER_LEN];
        bytes[0..8].copy_from_slice(&self.base_offset.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.leader_epoch.0.to_be_bytes());
        bytes[16] = self.magic as u8;
        bytes[17..21].copy_from_slice(&self.crc.to_be_bytes());
        bytes[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.0.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.0.to_be_bytes());
        bytes[43..51].copy_from_slice(&self.producer_id.0.to_be_bytes());
        bytes[51..53].copy_from_slice(&self.producer_epoch.0.to_be_bytes());
        bytes[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        bytes
    }

    /// The header's first bytes, which a leader stamps and the CRC does not cover: base offset, length, leader epoch.
    pub fn patched_prefix(&self) -> [u8; BATCH_PATCHED_LEN] {
        *self.encode().first_chunk().expect("shorter than the header")
    }

    /// The length of the whole batch in bytes.
    pub fn total_len(&self) -> usize {
        BATCH_PREFIX_LEN + self.batch_length as usize
    }

    /// The offset of the batch's last record, whether that record still exists or not.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.wrapping_add(i64::from(self.last_offset_delta)))
    }

    /// The offset after the batch.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// The sequence of the last record; sequences go on at 0 after the largest.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            NO_SEQUENCE => NO_SEQUENCE,
            base => sequence_after(base, self.last_offset_delta),
        }
    }

    /// The codec of the records.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let id = (self.attributes & COMPRESSION_MASK) as u8;
        Compression::from_id(id).ok_or(BatchError::CompressionType(id))
    }

    pub fn timestamp_type(&self) -> TimestampType {
        match self.attributes & LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// When the cleaner may drop this batch's tombstones and markers, if it has decided so.
    pub fn delete_horizon(&self) -> Option<Millis> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// The time of `record`, which is of this batch.
    pub fn timestamp_of(&self, record: &RecordRef<'_>) -> Millis {
        match self.timestamp_type() {
            TimestampType::CreateTime => Millis(self.base_timestamp.0.wrapping_add(record.timestamp_delta)),
            TimestampType::LogAppendTime => self.max_timestamp,
        }
    }

    /// The offset of `record`, which is of this batch.
    pub fn offset_of(&self, record: &RecordRef<'_>) -> Offset {
        Offset(self.base_offset.0.wrapping_add(i64::from(record.offset_delta)))
    }

    /// Sets the timestamp type and drops attribute bits that mean nothing, as Kafka does where it renews the CRC.
    pub fn set_timestamp_type(&mut self, timestamp_type: TimestampType) {
        self.attributes &= COMPRESSION_MASK | TRANSACTIONAL | CONTROL | DELETE_HORIZON;
        if timestamp_type == TimestampType::LogAppendTime {
            self.attributes |= LOG_APPEND_TIME;
        }
    }

    /// The header that stays of a batch when all its records are gone: its offsets, producer and time, without a codec.
    pub fn emptied(&self) -> BatchHeader {
        let mut header = BatchHeader {
            batch_length: (BATCH_HEADER_LEN - BATCH_PREFIX_LEN) as i32,
            attributes: self.attributes & (LOG_APPEND_TIME | TRANSACTIONAL | CONTROL),
            base_timestamp: NO_TIMESTAMP,
            record_count: 0,
            ..*self
        };
        header.renew_crc(&[]);
        header
    }

    /// Computes the CRC for this header over `payload`, the bytes after the header.
    pub fn renew_crc(&mut self, payload: &[u8]) {
        self.crc = crc32c::crc32c_append(crc32c(&self.encode()[CRC_START..]), payload);
    }
}

/// The sequence `increment` after `sequence`: the largest is followed by 0.
pub fn sequence_after(sequence: i32, increment: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(increment) {
        return increment.wrapping_sub(i32::MAX.wrapping_sub(sequence)).wrapping_sub(1);
    }
    sequence.wrapping_add(increment)
}

/// The sequence `decrement` before `sequence`: 0 comes after the largest.
pub fn sequence_before(sequence: i32, decrement: i32) -> i32 {
    if sequence < decrement {
        return i32::MAX.wrapping_sub(decrement.wrapping_sub(sequence)).wrapping_add(1);
    }
    sequence.wrapping_sub(decrement)
}

/// A whole batch within a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchRef<'a> {
    pub header: BatchHeader,
    /// The batch, header and all, and nothing else.
    pub bytes: &'a [u8],
}

impl<'a> BatchRef<'a> {
    /// The batch at the beginning of `bytes`. Its CRC is not checked.
    pub fn parse(bytes: &'a [u8]) -> Result<BatchRef<'a>, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let needed = header.total_len();
        let whole = bytes.get(..needed).ok_or(BatchError::Incomplete { needed, available: bytes.len() })?;
        Ok(BatchRef { header, bytes: whole })
    }

    /// Whether the stored CRC is that of the bytes.
    pub fn crc_valid(&self) -> bool {
        self.check_crc().is_ok()
    }

    /// Fails if the stored CRC is not that of the bytes.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c(&self.bytes[CRC_START..]);
        if computed != self.header.crc {
            return Err(BatchError::Crc { stored: self.header.crc, computed });
        }
        Ok(())
    }

    /// The bytes after the header: the records, compressed as the header says.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[BATCH_HEADER_LEN..]
    }

    /// Walks the records, which borrow from the batch or from the decompressor.
    pub fn records<'s>(&self, decompressor: &'s mut Decompressor) -> Result<RecordIter<'s>, BatchError>
    where
        'a: 's,
    {
        let bytes = decompressor.decompress(self.header.compression()?, self.payload())?;
        Ok(RecordIter::new(bytes, self.header.record_count)?)
    }

    /// The offset of the first record that has the batch's largest timestamp.
    pub fn offset_of_max_timestamp(&self, decompressor: &mut Decompressor) -> Result<Option<Offset>, BatchError> {
        for record in self.records(decompressor)? {
            let record = record?;
            if self.header.timestamp_of(&record) == self.header.max_timestamp {
                return Ok(Some(self.header.offset_of(&record)));
            }
        }
        Ok(None)
    }
}

/// Cuts `bytes` into batches. Ends silently where the rest is less than a whole batch; an error is the last item.
pub fn split_batches(bytes: &[u8]) -> SplitBatches<'_> {
    SplitBatches { rest: bytes }
}

/// The iterator of [`split_batches`].
#[derive(Clone, Debug)]
pub struct SplitBatches<'a> {
    rest: &'a [u8],
}

impl<'a> SplitBatches<'a> {
    /// What has not been returned: an incomplete tail, once the iterator has ended.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn cut(&mut self) -> Result<Option<BatchRef<'a>>, BatchError> {
        let Some(prefix) = self.rest.first_chunk::<BATCH_PREFIX_LEN>() else { return Ok(None) };
        let length = i32::from_be_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
        if length < LEGACY_LEN_MIN {
            return Err(BatchError::Length(length));
        }
        match self.rest.get(16) {
            Some(&magic) if magic as i8 == MAGIC => {}
            Some(&magic) => return Err(BatchError::Magic(magic as i8)),
            None => return Ok(None),
        }
        match self.rest.split_at_checked(BATCH_PREFIX_LEN + length as usize) {
            Some((batch, rest)) => {
                let header = BatchHeader::parse(batch).map_err(|error| match error {
                    BatchError::Incomplete { .. } => BatchError::Length(length),
                    other => other,
                })?;
                self.rest = rest;
                Ok(Some(BatchRef { header, bytes: batch }))
            }
            None => Ok(None),
        }
    }
}

impl<'a> Iterator for SplitBatches<'a> {
    type Item = Result<BatchRef<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cut = self.cut();
        if !matches!(cut, Ok(Some(_))) {
            // Whoever asks again after the end or an error gets the end.
            let ended = std::mem::take(&mut self.rest);
            if cut.is_ok() {
                self.rest = ended;
            }
        }
        cut.transpose()
    }
}
