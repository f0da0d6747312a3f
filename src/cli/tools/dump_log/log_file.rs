//! Dumping the batches and records of a `.log` file or a metadata snapshot.

use std::error::Error;
use std::io::Write;

use crate::protocol::batch::{BATCH_HEADER_LEN, BatchHeader, BatchRef, NO_SEQUENCE, RecordIter, RecordRef};
use crate::protocol::batch::{TimestampType, sequence_after};
use crate::protocol::compression::{Compression, Decompressor};
use crate::protocol::control::{ControlType, EndTxnMarker};
use crate::protocol::kraft::ControlRecord;

use super::Findings;
use super::batches::{Batch, Header, LogFile};
use super::decoder::Decoder;
use super::file_name::FileName;
use super::legacy::LegacyRecord;

/// The snapshot with which a log directory is formatted.
const BOOTSTRAP_SNAPSHOT: &str = "bootstrap.checkpoint";

/// How a log is to be dumped.
pub(super) struct LogDump {
    pub(super) decoder: Decoder,
    pub(super) print_contents: bool,
    pub(super) deep: bool,
    pub(super) skip_record_metadata: bool,
    pub(super) max_bytes: i32,
}

/// The file that is being dumped, and where its dump goes.
struct Dumping<'a> {
    options: &'a LogDump,
    file: &'a FileName,
    out: &'a mut dyn Write,
    findings: &'a mut Findings,
    decompressor: Decompressor,
    last_offset: i64,
}

impl LogDump {
    pub(super) fn dump(
        &self,
        file: &FileName,
        out: &mut dyn Write,
        findings: &mut Findings,
    ) -> Result<(), Box<dyn Error>> {
        match file.suffix() {
            Some(".log") => writeln!(out, "Log starting offset: {}", file.base_offset()?)?,
            _ if file.name() == BOOTSTRAP_SNAPSHOT => writeln!(out, "KRaft bootstrap snapshot")?,
            _ => {
                let (offset, epoch) = snapshot_id(file)?;
                writeln!(out, "Snapshot end offset: {offset}, epoch: {epoch}")?;
            }
        }
        let max_bytes = u64::try_from(self.max_bytes).map_err(|_| format!("Invalid size: {}", self.max_bytes))?;
        let mut log = LogFile::open(file.path(), max_bytes)?;
        let decompressor = Decompressor::with_limit(i32::MAX as usize);
        let mut dumping = Dumping { options: self, file, out, findings, decompressor, last_offset: -1 };
        while let Some(batch) = log.next()? {
            let bytes = log.batch_bytes(&batch)?;
            dumping.batch(&batch, bytes)?;
        }
        let left = log.len();
        if left > 0 && self.max_bytes == i32::MAX {
            writeln!(dumping.out, "Found {left} invalid bytes at the end of {}", file.name())?;
        }
        Ok(())
    }
}

impl Dumping<'_> {
    fn batch(&mut self, batch: &Batch, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let (position, size) = (batch.position, batch.size);
        match &batch.header {
            Header::Legacy(record) => {
                writeln!(
                    self.out,
                    "offset: {} position: {position} {}: {} size: {size} magic: {} compresscodec: {} crc: {} isvalid: {}",
                    batch.offset,
                    record.timestamp_type(),
                    record.timestamp(),
                    record.magic(),
                    record.compression()?,
                    record.crc(),
                    record.is_valid()
                )?;
                match self.options.deep {
                    true => self.legacy_records(batch.offset, record),
                    false => Ok(()),
                }
            }
            Header::Default(header) => {
                self.batch_level(header)?;
                let compression = header.compression()?;
                let whole = BatchRef { header: *header, bytes };
                writeln!(
                    self.out,
                    " position: {position} {}: {} size: {size} magic: {} compresscodec: {compression} crc: {} isvalid: {}",
                    timestamp_type(header),
                    header.max_timestamp.0,
                    header.magic,
                    header.crc,
                    size >= BATCH_HEADER_LEN && whole.crc_valid()
                )?;
                match self.options.deep {
                    true => self.records(&whole, compression),
                    false => Ok(()),
                }
            }
        }
    }

    fn batch_level(&mut self, header: &BatchHeader) -> Result<(), Box<dyn Error>> {
        let horizon = header.delete_horizon();
        let horizon = horizon.map_or("OptionalLong.empty".to_owned(), |time| format!("OptionalLong[{}]", time.0));
        write!(
            self.out,
            "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
             producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
            header.base_offset.0,
            header.last_offset().0,
            header.record_count,
            header.base_sequence,
            header.last_sequence(),
            header.producer_id.0,
            header.producer_epoch.0,
            header.leader_epoch.0,
            header.is_transactional(),
            header.is_control()
        )?;
        Ok(())
    }

    /// Records of a compressed batch are all read before the first is printed, as Kafka reads them.
    fn records(&mut self, batch: &BatchRef<'_>, compression: Compression) -> Result<(), Box<dyn Error>> {
        let payload = batch.bytes.get(BATCH_HEADER_LEN..).ok_or("a batch that is shorter than its header")?;
        let mut decompressor = std::mem::take(&mut self.decompressor);
        let bytes = decompressor.decompress(compression, payload)?;
        let records = RecordIter::new(bytes, batch.header.record_count)?;
        if compression != Compression::None {
            records.clone().try_for_each(|record| record.map(drop))?;
        }
        for record in records {
            self.record(&batch.header, &record?)?;
        }
        self.decompressor = decompressor;
        Ok(())
    }

    fn record(&mut self, header: &BatchHeader, record: &RecordRef<'_>) -> Result<(), Box<dyn Error>> {
        let offset = header.offset_of(record).0;
        self.follow(offset);
        if !self.options.skip_record_metadata {
            let keys: Vec<_> = record.headers.map(|header| String::from_utf8_lossy(header.key)).collect();
            write!(
                self.out,
                "| offset: {offset} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
                timestamp_type(header),
                header.timestamp_of(record).0,
                size(record.key),
                size(record.value),
                sequence(header, record),
                keys.join(",")
            )?;
            if header.is_control() {
                self.control(record)?;
            }
        }
        if !header.is_control() {
            self.contents(offset, record.key, record.value)?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn legacy_records(&mut self, offset: i64, record: &LegacyRecord) -> Result<(), Box<dyn Error>> {
        for (offset, record) in record.records(offset)? {
            self.follow(offset);
            if !self.options.skip_record_metadata {
                write!(
                    self.out,
                    "| offset: {offset} {}: {} keySize: {} valueSize: {} isValid: {} crc: {}",
                    record.timestamp_type(),
                    record.timestamp(),
                    size(record.key()),
                    size(record.value()),
                    record.is_valid(),
                    record.crc()
                )?;
            }
            self.contents(offset, record.key(), record.value())?;
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// Notes a gap in front of `offset`.
    fn follow(&mut self, offset: i64) {
        let previous = std::mem::replace(&mut self.last_offset, offset);
        if offset != previous.wrapping_add(1) {
            self.findings.gaps.entry(self.file.absolute()).or_default().insert(previous, offset);
        }
    }

    fn contents(&mut self, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Box<dyn Error>> {
        if !self.options.print_contents {
            return Ok(());
        }
        let (key, value) = self.options.decoder.decode(offset, key, value)?;
        let mut prefix = if self.options.skip_record_metadata { "| " } else { " " };
        if let Some(key) = key {
            write!(self.out, "{prefix}key: {key}")?;
            prefix = " ";
        }
        if let Some(value) = value {
            write!(self.out, "{prefix}payload: {value}")?;
        }
        Ok(())
    }

    fn control(&mut self, record: &RecordRef<'_>) -> Result<(), Box<dyn Error>> {
        let kind = ControlType::parse(record.key)?;
        let name = match kind {
            ControlType::Abort | ControlType::Commit => {
                let marker = EndTxnMarker::parse(record, crate::protocol::batch::NO_TIMESTAMP)?;
                let name = if marker.commit { "COMMIT" } else { "ABORT" };
                write!(self.out, " endTxnMarker: {name} coordinatorEpoch: {}", marker.coordinator_epoch)?;
                return Ok(());
            }
            ControlType::Unknown(id) => {
                write!(self.out, " controlType: UNKNOWN({id})")?;
                return Ok(());
            }
            ControlType::LeaderChange => "LeaderChange:",
            ControlType::SnapshotHeader => "SnapshotHeader",
            ControlType::SnapshotFooter => "SnapshotFooter",
            ControlType::KRaftVersion => "KRaftVersion",
            ControlType::KRaftVoters => "KRaftVoters",
        };
        let control = ControlRecord::decode(record.key.unwrap_or_default(), record.value.unwrap_or_default())?;
        write!(self.out, " {name} {}", control.to_json())?;
        Ok(())
    }
}

/// The offset and epoch in a snapshot's name.
fn snapshot_id(file: &FileName) -> Result<(i64, i32), String> {
    let parse = || {
        let offset = file.name().get(..20)?.parse().ok()?;
        Some((offset, file.name().get(21..31)?.parse().ok()?))
    };
    parse().ok_or_else(|| format!("{file}: the name of a snapshot is an offset of 20 digits, a dash, an epoch of 10"))
}

fn timestamp_type(header: &BatchHeader) -> &'static str {
    match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn sequence(header: &BatchHeader, record: &RecordRef<'_>) -> i32 {
    match header.base_sequence {
        base if base < 0 => NO_SEQUENCE,
        base => sequence_after(base, record.offset_delta),
    }
}

/// Bytes of a key or a value, -1 if it is null.
fn size(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}
