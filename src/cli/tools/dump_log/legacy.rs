//! Records of magic 0 and 1, which logs from before Kafka 0.11 may still hold.

use crate::protocol::compression::{Compression, Decompressor};

/// Offset and length, in front of each record.
const PREFIX_LEN: usize = 12;
/// In the attributes: the broker set the time.
const LOG_APPEND_TIME: u8 = 0x08;

/// A record without its prefix: checksum, magic, attributes, time from magic 1 on, key, value.
#[derive(Clone)]
pub(super) struct LegacyRecord {
    bytes: Vec<u8>,
    key: Option<(usize, usize)>,
    value: Option<(usize, usize)>,
    /// The wrapper's, where this record was in one whose time the broker set.
    wrapper: Option<(i64, bool)>,
}

impl LegacyRecord {
    /// Finds the fields.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<LegacyRecord, String> {
        let too_short = || "Record size is less than the minimum record overhead".to_owned();
        let magic = *bytes.get(4).ok_or_else(too_short)?;
        let fields = if magic == 0 { 6 } else { 14 };
        let mut at = fields;
        let mut field = || -> Result<Option<(usize, usize)>, String> {
            let len = bytes.get(at..at + 4).ok_or_else(too_short)?;
            let len = i32::from_be_bytes(len.try_into().expect("four bytes"));
            at += 4;
            let Ok(len) = usize::try_from(len) else { return Ok(None) };
            let range = (at, at.checked_add(len).filter(|end| *end <= bytes.len()).ok_or_else(too_short)?);
            at = range.1;
            Ok(Some(range))
        };
        let (key, value) = (field()?, field()?);
        Ok(LegacyRecord { bytes, key, value, wrapper: None })
    }

    pub(super) fn magic(&self) -> i8 {
        self.bytes[4] as i8
    }

    pub(super) fn crc(&self) -> u32 {
        u32::from_be_bytes(self.bytes[..4].try_into().expect("four bytes"))
    }

    /// Whether the checksum (CRC-32) is that of what follows it.
    pub(super) fn is_valid(&self) -> bool {
        let mut crc = flate2::Crc::new();
        crc.update(&self.bytes[4..]);
        crc.sum() == self.crc()
    }

    pub(super) fn compression(&self) -> Result<Compression, String> {
        let id = self.bytes[5] & 0x07;
        Compression::from_id(id).ok_or_else(|| format!("Unknown compression type id: {id}"))
    }

    /// Kafka's name of who set the time.
    pub(super) fn timestamp_type(&self) -> &'static str {
        match (self.magic(), self.wrapper, self.bytes[5] & LOG_APPEND_TIME) {
            (0, ..) => "NoTimestampType",
            (_, Some((_, true)), _) => "LogAppendTime",
            (_, None, flag) if flag != 0 => "LogAppendTime",
            _ => "CreateTime",
        }
    }

    pub(super) fn timestamp(&self) -> i64 {
        match (self.magic(), self.wrapper) {
            (0, _) => -1,
            (_, Some((time, true))) => time,
            _ => i64::from_be_bytes(self.bytes[6..14].try_into().expect("eight bytes")),
        }
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        self.key.map(|(start, end)| &self.bytes[start..end])
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        self.value.map(|(start, end)| &self.bytes[start..end])
    }

    /// The records that stand at `offset`, with their offsets: this one, or those that are compressed in its value.
    pub(super) fn records(&self, offset: i64) -> Result<Vec<(i64, LegacyRecord)>, String> {
        let compression = self.compression()?;
        if compression == Compression::None {
            return Ok(vec![(offset, self.clone())]);
        }
        let value = self
            .value()
            .ok_or_else(|| format!("Found invalid compressed record set with null value (magic = {})", self.magic()))?;
        let mut decompressor = Decompressor::with_limit(i32::MAX as usize);
        let mut rest = decompressor.decompress(compression, value).map_err(|error| error.to_string())?;
        let mut records = Vec::new();
        while let Some((prefix, after)) = rest.split_at_checked(PREFIX_LEN) {
            let inner = i64::from_be_bytes(prefix[..8].try_into().expect("eight bytes"));
            let len = i32::from_be_bytes(prefix[8..].try_into().expect("four bytes"));
            let Some((bytes, left)) = usize::try_from(len).ok().and_then(|len| after.split_at_checked(len)) else {
                break;
            };
            let mut record = LegacyRecord::parse(bytes.to_vec())?;
            if record.compression()? != Compression::None {
                return Err("Inner messages must not be compressed".to_owned());
            }
            record.wrapper = Some((self.timestamp(), self.timestamp_type() == "LogAppendTime"));
            records.push((inner, record));
            rest = left;
        }
        let last = records.last().ok_or("Found invalid compressed record set with no inner records")?.0;
        // From magic 1 on the inner offsets count from 0, and the wrapper has the last one's.
        let base = if self.magic() == 0 || offset == 0 { 0 } else { offset - last };
        records.iter_mut().for_each(|(inner, _)| *inner += base);
        Ok(records)
    }
}
