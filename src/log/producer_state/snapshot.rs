//! Kafka's producer snapshot file: version 1, a CRC-32C, and one entry a producer with its last batch only.

use bytes::{Buf, BufMut};

use super::entry::{BatchMetadata, ProducerEntry};
use crate::protocol::batch::crc32c;
use crate::types::{Millis, Offset, ProducerEpoch, ProducerId};

const VERSION: i16 = 1;
/// Version and CRC; the CRC covers what follows.
const PREFIX_LEN: usize = 6;
/// Ids, epochs, sequence, offsets and times of one entry.
const ENTRY_LEN: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// Why a snapshot cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("Snapshot contained an unknown file version {0}")]
    Version(i16),
    #[error("Snapshot has {0} bytes, which is not what its entries need")]
    Length(usize),
    #[error("Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}")]
    Crc { stored: u32, computed: u32 },
}

/// The contents of a snapshot file.
pub fn write_snapshot(entries: &[ProducerEntry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREFIX_LEN + 4 + entries.len() * ENTRY_LEN);
    bytes.put_i16(VERSION);
    bytes.put_u32(0);
    bytes.put_i32(i32::try_from(entries.len()).expect("producers are fewer than 2^31"));
    for entry in entries {
        bytes.put_i64(entry.producer_id.0);
        bytes.put_i16(entry.producer_epoch.0);
        bytes.put_i32(entry.last_sequence());
        bytes.put_i64(entry.last_batch.map_or(Offset::NONE, |batch| batch.last_offset).0);
        bytes.put_i32(entry.last_batch.map_or(0, |batch| batch.offset_delta));
        bytes.put_i64(entry.last_timestamp.0);
        bytes.put_i32(entry.coordinator_epoch);
        bytes.put_i64(entry.current_txn_first_offset.unwrap_or(Offset::NONE).0);
    }
    let crc = crc32c(&bytes[PREFIX_LEN..]);
    bytes[2..PREFIX_LEN].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// The producers in a snapshot file.
pub fn read_snapshot(bytes: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotError> {
    if bytes.len() < PREFIX_LEN + 4 {
        return Err(SnapshotError::Length(bytes.len()));
    }
    let mut reader = bytes;
    let version = reader.get_i16();
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let (stored, computed) = (reader.get_u32(), crc32c(&bytes[PREFIX_LEN..]));
    let count = usize::try_from(reader.get_i32()).map_err(|_| SnapshotError::Length(bytes.len()))?;
    if count.checked_mul(ENTRY_LEN).is_none_or(|len| len > reader.len()) {
        return Err(SnapshotError::Length(bytes.len()));
    }
    if stored != computed {
        return Err(SnapshotError::Crc { stored, computed });
    }
    Ok((0..count).map(|_| read_entry(&mut reader)).collect())
}

fn read_entry(reader: &mut &[u8]) -> ProducerEntry {
    let producer_id = ProducerId(reader.get_i64());
    let producer_epoch = ProducerEpoch(reader.get_i16());
    let last_sequence = reader.get_i32();
    let last_offset = Offset(reader.get_i64());
    let offset_delta = reader.get_i32();
    let last_timestamp = Millis(reader.get_i64());
    let coordinator_epoch = reader.get_i32();
    let current_txn_first_offset = Some(Offset(reader.get_i64())).filter(|offset| *offset >= Offset::ZERO);
    let batch = BatchMetadata { last_sequence, last_offset, offset_delta, timestamp: last_timestamp };
    ProducerEntry {
        producer_id,
        producer_epoch,
        coordinator_epoch,
        last_timestamp,
        current_txn_first_offset,
        last_batch: (last_offset >= Offset::ZERO).then_some(batch),
    }
}
