//! Writing batches.

use bytes::Bytes;

use super::varint::{put_varint, put_varlong, varint_len, varlong_len};
use super::{
    BATCH_HEADER_LEN, BATCH_PREFIX_LEN, BatchHeader, CONTROL, DELETE_HORIZON, LOG_APPEND_TIME, MAGIC, NO_SEQUENCE,
    NO_TIMESTAMP, RecordHeader, RecordRef, TRANSACTIONAL,
};
use crate::protocol::compression::Compression;
use crate::types::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId};

/// Collects records and writes them as one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    level: Option<i32>,
    /// Room for the header, then the records uncompressed.
    bytes: Vec<u8>,
    next_offset: Offset,
}

impl BatchBuilder {
    /// A batch whose first record is at `base_offset`: uncompressed, create time, no producer.
    pub fn new(base_offset: Offset) -> BatchBuilder {
        let header = BatchHeader {
            base_offset,
            batch_length: 0,
            leader_epoch: LeaderEpoch::NONE,
            magic: MAGIC,
            crc: 0,
            attributes: 0,
            last_offset_delta: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        };
        BatchBuilder { header, level: None, bytes: vec![0; BATCH_HEADER_LEN], next_offset: base_offset }
    }

    /// Compresses the records, at `level` or the codec's default.
    pub fn compression(mut self, compression: Compression, level: Option<i32>) -> BatchBuilder {
        self.header.attributes |= u16::from(compression.id());
        self.level = level;
        self
    }

    /// Marks the batch as stamped by the broker at `time`, which then is every record's time.
    pub fn log_append_time(mut self, time: Millis) -> BatchBuilder {
        self.header.attributes |= LOG_APPEND_TIME;
        self.header.max_timestamp = time;
        self
    }

    /// The producer, and the sequence of the first record (`NO_SEQUENCE` in control batches).
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> BatchBuilder {
        self.header.leader_epoch = epoch;
        self
    }

    pub fn transactional(mut self) -> BatchBuilder {
        self.header.attributes |= TRANSACTIONAL;
        self
    }

    pub fn control(mut self) -> BatchBuilder {
        self.header.attributes |= CONTROL;
        self
    }

    /// Sets the time at which the cleaner may drop tombstones; records' times then count from it.
    pub fn delete_horizon(mut self, horizon: Millis) -> BatchBuilder {
        assert_eq!(self.header.record_count, 0, "the horizon is the base of the records' times");
        self.header.attributes |= DELETE_HORIZON;
        self.header.base_timestamp = horizon;
        self
    }

    /// Makes room for `additional` bytes of records.
    pub fn reserve(mut self, additional: usize) -> BatchBuilder {
        self.bytes.reserve(additional);
        self
    }

    /// Appends a record at the next offset.
    pub fn append(
        &mut self,
        timestamp: Millis,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) {
        self.append_at(self.next_offset, timestamp, key, value, headers.iter().copied());
    }

    /// Appends a copy of `record` of another batch at the next offset.
    pub fn append_copy(&mut self, timestamp: Millis, record: &RecordRef<'_>) {
        self.append_at(self.next_offset, timestamp, record.key, record.value, record.headers);
    }

    /// Appends a record at `offset`, which must not be below the next one.
    pub fn append_at<'h, H>(
        &mut self,
        offset: Offset,
        timestamp: Millis,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) where
        H: IntoIterator<Item = RecordHeader<'h>>,
        H::IntoIter: Clone,
    {
        assert!(offset >= self.next_offset, "offsets rise within a batch");
        let offset_delta =
            i32::try_from(offset - self.header.base_offset).expect("a batch spans less than 2^31 offsets");
        if self.header.record_count == 0 && self.header.delete_horizon().is_none() {
            self.header.base_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.0.wrapping_sub(self.header.base_timestamp.0);
        let headers = headers.into_iter();
        let (count, headers_len) = headers
            .clone()
            .fold((0, 0), |(count, len), header| (count + 1, len + key_len(header.key) + value_len(header.value)));
        let len = 1
            + varlong_len(timestamp_delta)
            + varint_len(offset_delta)
            + value_len(key)
            + value_len(value)
            + varint_len(count)
            + headers_len;
        let out = &mut self.bytes;
        put_varint(out, i32::try_from(len).expect("a record is less than 2 GiB"));
        out.push(0);
        put_varlong(out, timestamp_delta);
        put_varint(out, offset_delta);
        put_nullable(out, key);
        put_nullable(out, value);
        put_varint(out, count);
        for header in headers {
            put_nullable(out, Some(header.key));
            put_nullable(out, header.value);
        }
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        self.next_offset = offset.next();
        if self.header.attributes & LOG_APPEND_TIME == 0 {
            self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        }
    }

    /// Keeps the offsets up to `last` in the batch although its last records are gone, as the cleaner must.
    pub fn keep_last_offset(&mut self, last: Offset) {
        let delta = i32::try_from(last - self.header.base_offset).expect("a batch spans less than 2^31 offsets");
        assert!(delta >= self.header.last_offset_delta, "the last offset is not before a record");
        self.header.last_offset_delta = delta;
        self.next_offset = last.next();
    }

    /// How many records were appended.
    pub fn record_count(&self) -> usize {
        self.header.record_count as usize
    }

    /// The offset of the next record.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The length of the batch if it were not compressed.
    pub fn uncompressed_len(&self) -> usize {
        self.bytes.len()
    }

    /// The finished batch.
    pub fn build(self) -> Bytes {
        let BatchBuilder { mut header, level, mut bytes, .. } = self;
        let compression = header.compression().expect("set from a codec");
        if compression != Compression::None {
            let mut compressed = Vec::with_capacity(BATCH_HEADER_LEN + bytes.len() / 2);
            compressed.resize(BATCH_HEADER_LEN, 0);
            compression.compress(level, &bytes[BATCH_HEADER_LEN..], &mut compressed);
            bytes = compressed;
        }
        header.batch_length = i32::try_from(bytes.len() - BATCH_PREFIX_LEN).expect("a batch is less than 2 GiB");
        header.renew_crc(&bytes[BATCH_HEADER_LEN..]);
        bytes[..BATCH_HEADER_LEN].copy_from_slice(&header.encode());
        Bytes::from(bytes)
    }
}

fn key_len(key: &[u8]) -> usize {
    varint_len(key.len() as i32) + key.len()
}

fn value_len(value: Option<&[u8]>) -> usize {
    value.map_or(1, key_len)
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}
