//! Batches of the metadata log and of snapshots: control records or metadata records, never both.

use bytes::Bytes;

use crate::protocol::batch::{BatchBuilder, BatchRef, split_batches};
use crate::protocol::compression::Decompressor;
use crate::protocol::kraft::{ControlRecord, MetadataRecord};
use crate::protocol::message::RecordError;
use crate::types::{LeaderEpoch, Millis, Offset};

/// Where and when a batch is written.
#[derive(Clone, Copy, Debug)]
pub struct BatchHead {
    pub base_offset: Offset,
    pub epoch: LeaderEpoch,
    pub timestamp: Millis,
}

/// A batch as it was read.
#[derive(Debug)]
pub struct Batch {
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub epoch: LeaderEpoch,
    pub max_timestamp: Millis,
    pub content: Content,
}

/// What a batch holds.
#[derive(Debug)]
pub enum Content {
    Control(Vec<ControlRecord>),
    Metadata(Vec<MetadataRecord>),
}

/// One batch of control records.
pub fn encode_control(head: BatchHead, records: &[ControlRecord]) -> Bytes {
    let mut builder = BatchBuilder::new(head.base_offset).leader_epoch(head.epoch).control();
    for record in records {
        builder.append(head.timestamp, Some(&record.key()), Some(&record.value()), &[]);
    }
    builder.build()
}

/// One batch of metadata records, encoded already.
pub fn encode_metadata(head: BatchHead, records: &[Bytes]) -> Bytes {
    let size = records.iter().map(|record| record.len() + RECORD_OVERHEAD_MAX).sum();
    let mut builder = BatchBuilder::new(head.base_offset).leader_epoch(head.epoch).reserve(size);
    for record in records {
        builder.append(head.timestamp, None, Some(record), &[]);
    }
    builder.build()
}

/// Length, attributes, two deltas, the lengths of key and value, and the header count of one record.
pub const RECORD_OVERHEAD_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 1;

/// The batches in `bytes`, checked; the iterator ends after the first error.
pub fn read_batches(bytes: &Bytes) -> impl Iterator<Item = Result<Batch, String>> {
    let mut batches = split_batches(bytes);
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let batch = match batches.next() {
            Some(batch) => batch.map_err(|error| error.to_string()),
            None if batches.rest().is_empty() => return None,
            None => Err("it ends within a batch".to_owned()),
        };
        let batch = batch.and_then(|batch| read_batch(&batch));
        failed = batch.is_err();
        Some(batch)
    })
}

/// Reads one batch whose checksum may not have been checked yet.
pub fn read_batch(batch: &BatchRef<'_>) -> Result<Batch, String> {
    batch.check_crc().map_err(|error| error.to_string())?;
    let head = batch.header;
    let content = Decompressor::on_this_thread(|decompressor| {
        let records = batch.records(decompressor).map_err(|error| error.to_string())?;
        read_content(records, head.is_control())
    })?;
    Ok(Batch {
        base_offset: head.base_offset,
        last_offset: head.last_offset(),
        epoch: head.leader_epoch,
        max_timestamp: head.max_timestamp,
        content,
    })
}

/// What is unknown is not damaged, and the remedy is another one.
fn unreadable(error: &RecordError) -> String {
    match error {
        RecordError::UnknownKey { .. } | RecordError::UnknownVersion { .. } => {
            format!("{error}: a newer Kafka wrote it, go on with that one")
        }
        RecordError::Malformed { .. } => error.to_string(),
    }
}

fn read_content(records: crate::protocol::batch::RecordIter<'_>, control: bool) -> Result<Content, String> {
    if control {
        let mut read = Vec::new();
        for record in records {
            let record = record.map_err(|error| error.to_string())?;
            let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
            read.push(ControlRecord::decode(key, value).map_err(|error| unreadable(&error))?);
        }
        return Ok(Content::Control(read));
    }
    let mut read = Vec::new();
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let (record, _) =
            MetadataRecord::decode(record.value.unwrap_or_default()).map_err(|error| unreadable(&error))?;
        read.push(record);
    }
    Ok(Content::Metadata(read))
}
