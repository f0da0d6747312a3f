//! What a log says of itself, held against its records.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::model::{Content, Kept};
use super::*;
use crate::log::AbortedTxn;
use crate::log::segment::Segment;
use crate::protocol::batch::{BatchHeader, BatchRef};
use crate::protocol::control::EndTxnMarker;

/// A batch of the log and where it stands in its segment.
pub struct Placed {
    pub position: u64,
    pub header: BatchHeader,
    pub bytes: Bytes,
}

/// The batches of a segment, all of them good.
fn placed(segment: &Segment) -> Result<Vec<Placed>, String> {
    let path = segment.path(crate::log::names::FileKind::Log);
    let bytes = Bytes::from(fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
    if bytes.len() as u64 != segment.size() {
        return Err(format!("{} has {} bytes, published are {}", path.display(), bytes.len(), segment.size()));
    }
    let mut found = Vec::new();
    for batch in split_batches(&bytes) {
        let batch = batch.map_err(|error| format!("{}: {error}", path.display()))?;
        if !batch.crc_valid() {
            return Err(format!("{}: a checksum at offset {}", path.display(), batch.header.base_offset));
        }
        let position = batch.bytes.as_ptr() as u64 - bytes.as_ptr() as u64;
        found.push(Placed { position, header: batch.header, bytes: bytes.slice_ref(batch.bytes) });
    }
    Ok(found)
}

/// Everything between the log's start and its end.
pub fn content(log: &Log) -> Result<Content, String> {
    let (start, end) = (log.log_start_offset().0, log.end_offset().0);
    let mut content = Content::new();
    let mut decompressor = Decompressor::new();
    let mut due = i64::MIN;
    for segment in log.segments.load().iter() {
        for Placed { header, bytes, .. } in placed(segment)? {
            if header.base_offset.0 < due || header.base_offset < segment.base() {
                return Err(format!("offset {} stands behind {due}", header.base_offset));
            }
            due = header.next_offset().0;
            if header.record_count == 0 {
                continue;
            }
            let batch = BatchRef { header, bytes: &bytes };
            let records = batch.records(&mut decompressor).map_err(|error| error.to_string())?;
            for record in records {
                let record = record.map_err(|error| error.to_string())?;
                let offset = header.offset_of(&record).0;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let (key, value) = match header.is_control() {
                    true => (None, None),
                    false => (record.key.map(text), record.value.map(text)),
                };
                if (start..end).contains(&offset) {
                    content.insert(offset, Kept { key, value, epoch: header.leader_epoch.0 });
                }
            }
        }
    }
    if due > end {
        return Err(format!("a record ends at {due}, the log at {end}"));
    }
    Ok(content)
}

/// Indexes, epochs, producers and aborted transactions agree with the records.
pub fn audit(log: &Log, known_from: Offset, is_compacted: bool) -> Result<(), String> {
    let (start, end) = (log.log_start_offset(), log.end_offset());
    let mut sequences: BTreeMap<i64, i32> = BTreeMap::new();
    let mut aborted = BTreeSet::new();
    for segment in log.segments.load().iter() {
        let batches = placed(segment)?;
        check_offset_index(segment, &batches)?;
        check_time_index(segment, &batches)?;
        for Placed { header, bytes, .. } in &batches {
            if header.base_offset >= start.max(known_from) && header.record_count > 0 {
                let told = log.epoch_for_offset(header.base_offset);
                if told != Some(header.leader_epoch) {
                    return Err(format!("epoch {told:?} at {}, not {}", header.base_offset, header.leader_epoch));
                }
            }
            if header.has_producer_id() && header.is_control() {
                let batch = BatchRef { header: *header, bytes };
                let marker = Decompressor::on_this_thread(|decompressor| EndTxnMarker::of(&batch, decompressor));
                if marker.map_err(|error| error.to_string())?.is_some_and(|marker| !marker.commit) {
                    aborted.insert((header.producer_id.0, header.base_offset.0));
                }
            } else if header.has_producer_id() && header.last_offset() >= start {
                sequences.insert(header.producer_id.0, header.last_sequence());
            }
        }
    }
    let told: BTreeMap<i64, i32> =
        log.producers().iter().map(|entry| (entry.producer_id.0, entry.last_sequence())).collect();
    // A compacted log may have lost the batch that a snapshot still tells of, when a later one was there.
    let differs = |told: Option<&i32>, found: &i32| match is_compacted {
        true => told < Some(found),
        false => told != Some(found),
    };
    if let Some((id, sequence)) = sequences.iter().find(|(id, sequence)| differs(told.get(id), sequence)) {
        return Err(format!("producer {id} is at {:?}, its last batch ends with {sequence}", told.get(id)));
    }
    let found = log.aborted_transactions(start, end).map_err(|error| error.to_string())?;
    let found: BTreeSet<(i64, i64)> =
        found.iter().map(|txn: &AbortedTxn| (txn.producer_id.0, txn.last_offset.0)).collect();
    // A marker may end a transaction of which nothing is left, or nothing was written.
    match found.iter().find(|txn| txn.1 >= start.0 && !aborted.contains(txn)) {
        Some(txn) => Err(format!("there is no marker of the aborted transaction {txn:?}")),
        None => Ok(()),
    }
}

fn check_offset_index(segment: &Segment, batches: &[Placed]) -> Result<(), String> {
    let entries = segment.offset_index.all(&|| segment.offset_file()).map_err(|error| error.to_string())?;
    let batch_at: BTreeMap<u64, i64> =
        batches.iter().map(|batch| (batch.position, batch.header.last_offset().0)).collect();
    for entry in &entries {
        let (position, offset) = (u64::from(entry.position), segment.base().0 + i64::from(entry.relative_offset));
        if batch_at.get(&position) != Some(&offset) {
            return Err(format!("{} is indexed at byte {position}, where {:?} is", offset, batch_at.get(&position)));
        }
    }
    let ascends = entries.windows(2).all(|pair| pair[0].position < pair[1].position);
    ascends.then_some(()).ok_or_else(|| format!("the offset index of {} does not ascend", segment.base()))
}

fn check_time_index(segment: &Segment, batches: &[Placed]) -> Result<(), String> {
    let entries = segment.time_index.all(&|| segment.time_file()).map_err(|error| error.to_string())?;
    for entry in &entries {
        let offset = segment.base().0 + i64::from(entry.relative_offset);
        let stands =
            |batch: &Placed| batch.header.last_offset().0 == offset && batch.header.max_timestamp.0 == entry.timestamp;
        if !batches.iter().any(stands) {
            return Err(format!("time {} is indexed at {offset}, where it is not", entry.timestamp));
        }
    }
    let newest = batches.iter().map(|batch| batch.header.max_timestamp).max().unwrap_or(Millis(-1));
    match segment.largest().map_err(|error| error.to_string())?.timestamp {
        largest if largest == newest => Ok(()),
        largest => Err(format!("the largest time of {} is {largest:?} and not {newest:?}", segment.base())),
    }
}

/// The indexes are those that a walk over nothing but the records makes.
pub fn audit_rebuilt(log: &Log, scratch: &Path, config: &TopicConfig) -> Result<(), String> {
    let _ = fs::remove_dir_all(scratch);
    fs::create_dir_all(scratch).expect("a directory");
    for segment in log.segments.load().iter() {
        let path = segment.path(crate::log::names::FileKind::Log);
        fs::copy(&path, scratch.join(path.file_name().expect("a name"))).map_err(|error| error.to_string())?;
    }
    let options = LogOptions {
        partition: log.partition().clone(),
        dir: scratch.to_path_buf(),
        config: Arc::new(config.clone()),
        clean: false,
        recovery_point: Offset::ZERO,
        log_start: log.log_start_offset(),
        high_watermark: Offset::ZERO,
    };
    let context = LogContext::new(8, Clock::Manual(Arc::default()), ProducerRules::default());
    let rebuilt = Log::open(&options, context).map_err(|error| error.to_string())?;
    if rebuilt.end_offset() != log.end_offset() {
        return Err(format!("rebuilt it ends at {}, not at {}", rebuilt.end_offset(), log.end_offset()));
    }
    let aborted = |log: &Log| -> Result<BTreeSet<(i64, i64)>, String> {
        let found =
            log.aborted_transactions(log.log_start_offset(), log.end_offset()).map_err(|error| error.to_string())?;
        Ok(found.iter().map(|txn| (txn.producer_id.0, txn.last_offset.0)).collect())
    };
    let (ours, theirs) = (aborted(log)?, aborted(&rebuilt)?);
    if let Some(txn) = theirs.iter().find(|txn| txn.1 >= log.log_start_offset().0 && !ours.contains(txn)) {
        return Err(format!("the aborted transaction {txn:?} is forgotten"));
    }
    for (ours, theirs) in log.segments.load().iter().zip(rebuilt.segments.load().iter()) {
        let offsets = |segment: &Segment| segment.offset_index.all(&|| segment.offset_file()).expect("readable");
        let times = |segment: &Segment| segment.time_index.all(&|| segment.time_file()).expect("readable");
        let offsets = |segment: &Segment| -> Vec<(u32, u32)> {
            offsets(segment).iter().map(|entry| (entry.relative_offset, entry.position)).collect()
        };
        let times = |segment: &Segment| -> Vec<(i64, u32)> {
            times(segment).iter().map(|entry| (entry.timestamp, entry.relative_offset)).collect()
        };
        let pairs = |segment: &Segment| (offsets(segment), times(segment));
        let (ours_at, theirs_at) = (pairs(ours), pairs(theirs));
        // At its end a walk enters the largest time: the one now, and those that were made where the log ended once.
        let times = &theirs_at.1[..theirs_at.1.len().saturating_sub(1)];
        if ours_at.0 != theirs_at.0 || times.iter().any(|entry| !ours_at.1.contains(entry)) {
            return Err(format!("the indexes of {} are {ours_at:?} and rebuilt {theirs_at:?}", ours.base()));
        }
    }
    Ok(())
}
