//! Control records: what stands in control batches instead of data.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{BatchBuilder, BatchError, BatchRef, RecordRef};
use super::compression::Decompressor;
use crate::types::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId};

/// The kinds of control record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ControlType {
    /// Ends a transaction: its records are to be skipped.
    Abort,
    /// Ends a transaction: its records are to be read.
    Commit,
    LeaderChange,
    SnapshotHeader,
    SnapshotFooter,
    KRaftVersion,
    KRaftVoters,
    /// A kind that is not known, to be skipped.
    Unknown(i16),
}

impl ControlType {
    /// The number in the record's key.
    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KRaftVersion => 5,
            ControlType::KRaftVoters => 6,
            ControlType::Unknown(id) => id,
        }
    }

    fn from_id(id: i16) -> ControlType {
        match id {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            2 => ControlType::LeaderChange,
            3 => ControlType::SnapshotHeader,
            4 => ControlType::SnapshotFooter,
            5 => ControlType::KRaftVersion,
            6 => ControlType::KRaftVoters,
            other => ControlType::Unknown(other),
        }
    }

    /// The key of a control record of this kind: version 0 and the number.
    pub fn key(self) -> [u8; 4] {
        let id = self.id().to_be_bytes();
        [0, 0, id[0], id[1]]
    }

    /// The kind that a control record's key names. Newer versions of the key begin like version 0.
    pub fn parse(key: Option<&[u8]>) -> Result<ControlType, ControlError> {
        let key = key.unwrap_or_default();
        let bytes: &[u8; 4] = key.first_chunk().ok_or(ControlError::KeyLength(key.len()))?;
        let version = i16::from_be_bytes([bytes[0], bytes[1]]);
        if version < 0 {
            return Err(ControlError::KeyVersion(version));
        }
        Ok(ControlType::from_id(i16::from_be_bytes([bytes[2], bytes[3]])))
    }
}

/// Why a control record cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ControlError {
    #[error("a control record's key has only {0} bytes")]
    KeyLength(usize),
    #[error("invalid version {0} of a control record's key")]
    KeyVersion(i16),
    #[error("control record type {0:?} does not end a transaction")]
    NotEndOfTransaction(ControlType),
    #[error("the value of an end transaction marker is malformed")]
    Marker,
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// A marker on its way to a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxnMarker {
    pub producer_id: ProducerId,
    /// From `transaction_version` 2 on the epoch that follows the transaction's.
    pub producer_epoch: ProducerEpoch,
    pub commit: bool,
    /// The leader epoch of the coordinator's partition.
    pub coordinator_epoch: i32,
    /// The `transaction.version` under which the transaction was ended.
    pub transaction_version: i16,
}

impl TxnMarker {
    /// The control batch of this marker, without a place in a log.
    pub fn batch(&self, timestamp: Millis) -> Bytes {
        let TxnMarker { commit, coordinator_epoch, .. } = *self;
        let marker = EndTxnMarker { commit, coordinator_epoch, timestamp };
        marker.batch(Offset::ZERO, LeaderEpoch::NONE, (self.producer_id, self.producer_epoch))
    }
}

/// The end of a producer's transaction on one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndTxnMarker {
    pub commit: bool,
    pub coordinator_epoch: i32,
    /// The time of the marker's record.
    pub timestamp: Millis,
}

impl EndTxnMarker {
    /// The marker in the first record of a control batch; `None` if the batch is empty, as compaction leaves it.
    pub fn of(batch: &BatchRef<'_>, decompressor: &mut Decompressor) -> Result<Option<EndTxnMarker>, ControlError> {
        let Some(record) = batch.records(decompressor)?.next() else { return Ok(None) };
        let record = record.map_err(BatchError::from)?;
        EndTxnMarker::parse(&record, batch.header.timestamp_of(&record)).map(Some)
    }

    /// The marker that `record` is; `timestamp` is the record's time.
    pub fn parse(record: &RecordRef<'_>, timestamp: Millis) -> Result<EndTxnMarker, ControlError> {
        let commit = match ControlType::parse(record.key)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            other => return Err(ControlError::NotEndOfTransaction(other)),
        };
        let value: &[u8; 6] = record.value.unwrap_or_default().first_chunk().ok_or(ControlError::Marker)?;
        if i16::from_be_bytes([value[0], value[1]]) < 0 {
            return Err(ControlError::Marker);
        }
        let coordinator_epoch = i32::from_be_bytes([value[2], value[3], value[4], value[5]]);
        Ok(EndTxnMarker { commit, coordinator_epoch, timestamp })
    }

    /// The control batch that writes this marker, of one record at `offset`.
    pub fn batch(&self, offset: Offset, epoch: LeaderEpoch, producer: (ProducerId, ProducerEpoch)) -> Bytes {
        let kind = if self.commit { ControlType::Commit } else { ControlType::Abort };
        let mut value = BytesMut::with_capacity(6);
        value.put_i16(0);
        value.put_i32(self.coordinator_epoch);
        let mut builder = BatchBuilder::new(offset)
            .leader_epoch(epoch)
            .producer(producer.0, producer.1, super::batch::NO_SEQUENCE)
            .transactional()
            .control();
        builder.append(self.timestamp, Some(&kind.key()), Some(&value), &[]);
        builder.build()
    }
}
