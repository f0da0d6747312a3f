//! Record batches, written and read.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ottla::protocol::batch::{BatchBuilder, split_batches};
use ottla::protocol::compression::Decompressor;
use ottla::types::{Millis, Offset, ProducerEpoch, ProducerId};

/// The time, as records carry it.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_millis() as i64
}

/// One batch of these values, at the present time.
pub fn batch(values: &[&[u8]]) -> Bytes {
    batch_at(now_ms(), values)
}

/// One batch of these values, all at `timestamp`.
pub fn batch_at(timestamp: i64, values: &[&[u8]]) -> Bytes {
    fill(BatchBuilder::new(Offset::ZERO), timestamp, values)
}

/// One batch of keys and values, all at `timestamp`; without a value a key is deleted.
pub fn keyed_batch(timestamp: i64, records: &[(&[u8], Option<&[u8]>)]) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for (key, value) in records {
        builder.append(Millis(timestamp), Some(key), *value, &[]);
    }
    builder.build()
}

/// One batch of an idempotent producer.
pub fn producer_batch(id: i64, epoch: i16, sequence: i32, values: &[&[u8]]) -> Bytes {
    let builder = BatchBuilder::new(Offset::ZERO).producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    fill(builder, now_ms(), values)
}

/// One batch of a transaction, of keys and values.
pub fn keyed_batch_in(id: i64, epoch: i16, sequence: i32, records: &[(&[u8], &[u8])]) -> Bytes {
    let mut builder =
        BatchBuilder::new(Offset::ZERO).producer(ProducerId(id), ProducerEpoch(epoch), sequence).transactional();
    for (key, value) in records {
        builder.append(Millis(now_ms()), Some(key), Some(value), &[]);
    }
    builder.build()
}

/// One batch of a transaction.
pub fn producer_batch_in(id: i64, epoch: i16, sequence: i32, values: &[&[u8]]) -> Bytes {
    let builder = BatchBuilder::new(Offset::ZERO).producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    fill(builder.transactional(), now_ms(), values)
}

/// One batch whose whole length is `len` bytes.
pub fn batch_of(len: usize) -> Bytes {
    let mut value_len = len.checked_sub(80).expect("room for a header");
    loop {
        let made = batch(&[&value_of_len(value_len)]);
        if made.len() == len {
            return made;
        }
        assert!(made.len() < len, "no batch of one record is {len} bytes long");
        value_len += 1;
    }
}

/// Bytes that do not compress to nothing.
pub fn value_of_len(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

fn fill(mut builder: BatchBuilder, timestamp: i64, values: &[&[u8]]) -> Bytes {
    for value in values {
        builder.append(Millis(timestamp), None, Some(value), &[]);
    }
    builder.build()
}

/// A record that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    pub value: Vec<u8>,
}

/// All records of whole batches, whose checksums must hold.
pub fn records_in(bytes: &[u8]) -> Vec<Record> {
    let mut decompressor = Decompressor::new();
    let mut records = Vec::new();
    for found in split_batches(bytes) {
        let found = found.expect("a batch");
        assert!(found.crc_valid(), "the checksum holds");
        for record in found.records(&mut decompressor).expect("records") {
            let record = record.expect("a record");
            let offset = found.header.offset_of(&record).0;
            records.push(Record { offset, value: record.value.unwrap_or_default().to_vec() });
        }
    }
    records
}

/// A record with its key, as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRecord {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// All records of whole batches, and the offset behind the last batch, which may be empty.
pub fn keyed_records_in(bytes: &[u8]) -> (Vec<KeyedRecord>, i64) {
    let mut decompressor = Decompressor::new();
    let (mut records, mut next) = (Vec::new(), -1);
    for found in split_batches(bytes) {
        let found = found.expect("a batch");
        assert!(found.crc_valid(), "the checksum holds");
        assert!(found.header.base_offset.0 >= next, "offsets rise");
        next = found.header.next_offset().0;
        for record in found.records(&mut decompressor).expect("records") {
            let record = record.expect("a record");
            let (offset, timestamp) = (found.header.offset_of(&record).0, found.header.timestamp_of(&record).0);
            let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
            records.push(KeyedRecord { offset, timestamp, key, value });
        }
    }
    (records, next)
}
