//! Dumping the files beside a log: its indexes, and the snapshots of its producers.

use std::cmp::Ordering;
use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::log::offset_index::OffsetEntry;
use crate::log::producer_state::{SnapshotError, read_snapshot};
use crate::log::sparse_index::Entry;
use crate::log::time_index::TimeEntry;
use crate::log::txn_index::{self, AbortedTxn};
use crate::protocol::batch::{BATCH_HEADER_LEN, BatchRef, NO_TIMESTAMP};
use crate::protocol::compression::Decompressor;

use super::batches::{Batch, Header, LogFile};
use super::file_name::FileName;
use super::{DumpLog, Findings};

/// No limit.
const WHOLE_FILE: u64 = u64::MAX >> 1;

/// An offset index as it lies there; entries that run backwards are as good as any.
struct OffsetIndex {
    base: i64,
    len: u64,
    entries: Vec<OffsetEntry>,
}

impl OffsetIndex {
    fn open(path: &Path, base: i64) -> Result<OffsetIndex, String> {
        let (len, entries) = read_entries(path, OffsetEntry::SIZE, OffsetEntry::parse)?;
        Ok(OffsetIndex { base, len, entries })
    }

    fn offset(&self, entry: &OffsetEntry) -> i64 {
        self.base.wrapping_add(i64::from(entry.relative_offset as i32))
    }

    /// Where Kafka's binary search begins to look for `offset`.
    fn lookup(&self, offset: i64) -> i32 {
        if self.entries.first().is_none_or(|first| self.offset(first) > offset) {
            return 0;
        }
        let (mut low, mut high) = (0, self.entries.len() - 1);
        while low < high {
            let middle = (low + high).div_ceil(2);
            match self.offset(&self.entries[middle]).cmp(&offset) {
                Ordering::Equal => return self.entries[middle].position as i32,
                Ordering::Less => low = middle,
                Ordering::Greater => high = middle - 1,
            }
        }
        self.entries[low].position as i32
    }

    fn check(&self, file: &FileName) -> Result<(), String> {
        let file = file.absolute();
        if let Some(last) = self.entries.last().map(|last| self.offset(last)).filter(|last| *last < self.base) {
            return Err(format!(
                "Corrupt index found, index file {file} has non-zero size but the last offset is {last} which is less \
                 than the base offset {}",
                self.base
            ));
        }
        check_length("Index file", &file, self.len, OffsetEntry::SIZE)
    }
}

pub(super) fn dump_offsets(
    file: &FileName,
    options: &DumpLog<'_>,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let base = file.base_offset()?;
    let mut log = LogFile::open(&file.beside(".log"), WHOLE_FILE)?;
    let index = OffsetIndex::open(file.path(), base)?;
    if index.entries.is_empty() {
        writeln!(out, "{file} is empty.")?;
        return Ok(());
    }
    if options.arguments.has("index-sanity-check") {
        index.check(file)?;
        writeln!(out, "{file} passed sanity check.")?;
        return Ok(());
    }
    let max_bytes = u64::try_from(options.max_message_size()?).unwrap_or_default();
    for (at, entry) in index.entries.iter().enumerate() {
        let offset = index.offset(entry);
        // A preallocated file ends in zeros.
        if offset == base && at > 0 {
            break;
        }
        log.slice(entry.position as i32, max_bytes)?;
        let batch = log.next()?.ok_or_else(|| {
            format!("{file}: no batch of at most {max_bytes} bytes at position {} of the log", entry.position)
        })?;
        if batch.last_offset() != offset {
            findings.index_mismatches.entry(file.absolute()).or_default().insert(offset, batch.last_offset());
        }
        if !options.arguments.has("verify-index-only") {
            writeln!(out, "offset: {offset} position: {}", entry.position as i32)?;
        }
    }
    Ok(())
}

pub(super) fn dump_times(
    file: &FileName,
    options: &DumpLog<'_>,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let base = file.base_offset()?;
    let mut log = LogFile::open(&file.beside(".log"), WHOLE_FILE)?;
    let index = OffsetIndex::open(&file.beside(".index"), base)?;
    let (len, times) = read_entries(file.path(), TimeEntry::SIZE, TimeEntry::parse)?;
    let offset_of = |entry: &TimeEntry| base.wrapping_add(i64::from(entry.relative_offset as i32));
    if options.arguments.has("index-sanity-check") {
        check_times(file, len, &times, base)?;
        writeln!(out, "{file} passed sanity check.")?;
        return Ok(());
    }
    let mut previous = NO_TIMESTAMP.0;
    for (at, entry) in times.iter().enumerate() {
        let offset = offset_of(entry);
        if offset == base && at > 0 {
            break;
        }
        log.slice(index.lookup(offset), WHOLE_FILE)?;
        let mut found = None;
        while let Some(batch) = log.next()? {
            if found.is_none() && batch.last_offset() >= offset {
                found = Some(batch);
            }
            // The script walks to the log's end from every entry: what is damaged there shows at the first.
            if found.is_some() && at > 0 {
                break;
            }
        }
        match &found {
            Some(batch) if batch.last_offset() == offset => {
                let latest = latest_time(&mut log, batch)?;
                if latest != entry.timestamp {
                    findings.time_mismatches.entry(file.absolute()).or_default().push((entry.timestamp, latest));
                }
                if previous >= entry.timestamp {
                    findings.out_of_order.entry(file.absolute()).or_default().push((entry.timestamp, previous));
                }
            }
            other => {
                let found = other.as_ref().map_or(-1, Batch::last_offset);
                findings.not_found.entry(file.absolute()).or_default().push((offset, found));
            }
        }
        if !options.arguments.has("verify-index-only") {
            writeln!(out, "timestamp: {} offset: {offset}", entry.timestamp)?;
        }
        previous = entry.timestamp;
    }
    Ok(())
}

pub(super) fn dump_producers(file: &FileName, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(file.path()).map_err(|error| format!("{file}: {error}"))?;
    let entries = match read_snapshot(&bytes) {
        Ok(entries) => entries,
        Err(error) => {
            let schema = matches!(error, SnapshotError::Version(_) | SnapshotError::Length(_));
            eprintln!("{}{error}", if schema { "Snapshot failed schema validation: " } else { "" });
            return Ok(());
        }
    };
    for entry in entries {
        let first_offset = entry.current_txn_first_offset;
        write!(
            out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {}",
            entry.producer_id.0,
            entry.producer_epoch.0,
            entry.coordinator_epoch,
            first_offset.map_or("OptionalLong.empty".to_owned(), |offset| format!("OptionalLong[{}]", offset.0)),
            entry.last_timestamp.0
        )?;
        if let Some(batch) = entry.last_batch {
            write!(
                out,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.first_sequence(),
                batch.last_sequence,
                batch.last_offset.0,
                batch.offset_delta,
                batch.timestamp.0
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

pub(super) fn dump_aborted(file: &FileName, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    file.base_offset()?;
    let bytes = match fs::read(file.path()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|error| format!("{file}: {error}"))?,
    };
    for entry in bytes.chunks_exact(txn_index::ENTRY_BYTES) {
        let txn = AbortedTxn::parse(entry).ok_or_else(|| {
            let version = i16::from_be_bytes([entry[0], entry[1]]);
            let file = file.absolute();
            format!(
                "Unexpected aborted transaction version {version} in transaction index {file}, current version is 0"
            )
        })?;
        writeln!(
            out,
            "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            txn.producer_id.0, txn.first_offset.0, txn.last_offset.0, txn.last_stable_offset.0
        )?;
    }
    Ok(())
}

/// The largest time of a batch's records.
fn latest_time(log: &mut LogFile, batch: &Batch) -> Result<i64, Box<dyn Error>> {
    let mut latest = NO_TIMESTAMP.0;
    match &batch.header {
        Header::Legacy(record) => {
            for (_, record) in record.records(batch.offset)? {
                latest = latest.max(record.timestamp());
            }
        }
        Header::Default(header) => {
            let bytes = log.batch_bytes(batch)?;
            if bytes.len() < BATCH_HEADER_LEN {
                return Err("a batch that is shorter than its header".into());
            }
            let mut decompressor = Decompressor::with_limit(i32::MAX as usize);
            for record in (BatchRef { header: *header, bytes }).records(&mut decompressor)? {
                latest = latest.max(header.timestamp_of(&record?).0);
            }
        }
    }
    Ok(latest)
}

fn check_times(file: &FileName, len: u64, times: &[TimeEntry], base: i64) -> Result<(), String> {
    let file = file.absolute();
    if let (Some(first), Some(last)) = (times.first(), times.last()) {
        if last.timestamp < first.timestamp {
            return Err(format!(
                "Corrupt time index found, time index file ({file}) has non-zero size but the last timestamp is {} \
                 which is less than the first timestamp {}",
                last.timestamp, first.timestamp
            ));
        }
        let last = base.wrapping_add(i64::from(last.relative_offset as i32));
        if last < base {
            return Err(format!(
                "Corrupt time index found, time index file ({file}) has non-zero size but the last offset is {last} \
                 which is less than the first offset {base}"
            ));
        }
    }
    check_length("Time index file", &file, len, TimeEntry::SIZE)
}

fn check_length(kind: &str, file: &str, len: u64, entry: usize) -> Result<(), String> {
    match len % entry as u64 {
        0 => Ok(()),
        _ => Err(format!(
            "{kind} {file} is corrupt, found {len} bytes which is neither positive nor a multiple of {entry}"
        )),
    }
}

/// The file's length and its whole entries.
fn read_entries<E>(path: &Path, size: usize, parse: impl Fn(&[u8]) -> E) -> Result<(u64, Vec<E>), String> {
    let bytes = fs::read(path).map_err(|error: io::Error| format!("{}: {error}", path.display()))?;
    Ok((bytes.len() as u64, bytes.chunks_exact(size).map(parse).collect()))
}
