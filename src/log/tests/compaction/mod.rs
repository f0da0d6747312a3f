//! Compaction of whole logs.

mod concurrent;
mod crash;
mod kept;
mod model;
mod service;
mod transactions;

use super::*;
use crate::log::cleaner::{Cleanable, Interrupted, Memory, Pass, PassStats};
use crate::protocol::batch::{BatchHeader, BatchRef};

/// A record as a reader gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Found {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// A bench for a compacted log with small segments, in which every batch is indexed.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.config.cleanup_policy.compact = true;
    bench.config.cleanup_policy.delete = false;
    (bench.config.segment_bytes, bench.config.index_interval_bytes, bench.config.file_delete_delay_ms) = (1_000, 0, 0);
    bench
}

/// Room for so many keys.
fn memory(keys: usize) -> Memory {
    Memory { map_bytes: (keys * 24).max(48), load_factor: 1.0, io_bytes: 4096 }
}

fn try_clean(log: &Arc<Log>, now: i64, keys: usize) -> Result<PassStats, Interrupted> {
    let cleanable = Cleanable::of(log, log.cleaning.round(), Millis(now)).unwrap();
    Pass::new(&cleanable, memory(keys), Millis(now), &|_| Ok(())).run()
}

fn clean(log: &Arc<Log>, now: i64) -> PassStats {
    try_clean(log, now, 100_000).expect("nothing is in its way")
}

/// Appends one batch of keys and values, where an empty value stands for none.
fn put(log: &Log, timestamp: i64, records: &[(&str, &str)]) -> i64 {
    put_with(log, timestamp, records, Compression::None)
}

fn put_with(log: &Log, timestamp: i64, records: &[(&str, &str)], compression: Compression) -> i64 {
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(compression, None);
    fill(&mut builder, timestamp, records);
    append(log, builder.build()).first_offset.0
}

fn fill(builder: &mut BatchBuilder, timestamp: i64, records: &[(&str, &str)]) {
    for (n, (key, value)) in records.iter().enumerate() {
        let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
        builder.append(Millis(timestamp + n as i64), Some(key.as_bytes()), value, &[]);
    }
}

/// Appends a batch as a follower does: with whatever producer and flags it has.
fn follow(log: &Log, records: Bytes) -> i64 {
    let mut records = records.to_vec();
    let end = log.end_offset().0;
    records[..8].copy_from_slice(&end.to_be_bytes());
    records[12..16].copy_from_slice(&0i32.to_be_bytes());
    log.append_as_follower(&Bytes::from(records)).unwrap();
    log.set_high_watermark(log.end_offset());
    end
}

/// Every batch from `offset`, read in steps of `max_bytes`; each is whole, and none goes back.
fn batches(log: &Log, offset: i64, max_bytes: usize) -> Vec<Bytes> {
    let (mut next, end) = (offset, log.end_offset());
    let mut all = Vec::new();
    while let Some(range) = log.read(Offset(next), max_bytes, end, true).unwrap().range {
        let mut bytes = vec![0; range.len];
        std::os::unix::fs::FileExt::read_exact_at(&*range.file, &mut bytes, range.position).unwrap();
        for batch in split_batches(&bytes) {
            let batch = batch.unwrap();
            assert!(batch.crc_valid());
            assert!(batch.header.last_offset().0 >= next, "{:?} at {next}", batch.header);
            next = batch.header.next_offset().0;
            all.push(Bytes::copy_from_slice(batch.bytes));
        }
        if next >= end.0 {
            break;
        }
    }
    assert_eq!(next, end.0.max(offset), "the log can be read to its end");
    all
}

fn headers(log: &Log) -> Vec<BatchHeader> {
    batches(log, 0, 1 << 20).iter().map(|batch| BatchHeader::parse(batch).unwrap()).collect()
}

fn records_of(batch: &Bytes) -> Vec<Found> {
    let batch = BatchRef::parse(batch).unwrap();
    let header = batch.header;
    if header.record_count == 0 {
        return Vec::new();
    }
    let mut decompressor = Decompressor::new();
    let records = batch.records(&mut decompressor).unwrap();
    records
        .map(|record| {
            let record = record.unwrap();
            Found {
                offset: header.offset_of(&record).0,
                timestamp: header.timestamp_of(&record).0,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
            }
        })
        .collect()
}

fn records(log: &Log) -> Vec<Found> {
    batches(log, log.log_start_offset().0, 1 << 20).iter().flat_map(records_of).collect()
}

/// Records as text: `offset key=value`, with nothing after the sign for a tombstone.
fn told(log: &Log) -> Vec<String> {
    let text = |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap_or_default()).unwrap();
    records(log).iter().map(|found| format!("{} {}={}", found.offset, text(&found.key), text(&found.value))).collect()
}
