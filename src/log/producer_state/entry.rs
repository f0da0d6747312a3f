//! One producer of a partition.

use crate::protocol::batch::{BatchHeader, NO_SEQUENCE, NO_TIMESTAMP, sequence_before};
use crate::types::{Millis, Offset, ProducerEpoch, ProducerId};

/// How many batches a producer may have in flight and repeat.
const BATCHES_MAX: usize = 5;

/// One of the last batches of a producer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchMetadata {
    pub last_sequence: i32,
    pub last_offset: Offset,
    pub offset_delta: i32,
    pub timestamp: Millis,
}

impl BatchMetadata {
    /// The sequence of the batch's first record.
    pub fn first_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }

    /// The offset of the batch's first record.
    pub fn first_offset(&self) -> Offset {
        Offset(self.last_offset.0.wrapping_sub(i64::from(self.offset_delta)))
    }

    const NONE: BatchMetadata = BatchMetadata {
        last_sequence: NO_SEQUENCE,
        last_offset: Offset::NONE,
        offset_delta: 0,
        timestamp: NO_TIMESTAMP,
    };
}

/// The last batches, oldest first, in place.
#[derive(Clone, Copy, Debug)]
struct LastBatches {
    batches: [BatchMetadata; BATCHES_MAX],
    len: usize,
}

impl LastBatches {
    const EMPTY: LastBatches = LastBatches { batches: [BatchMetadata::NONE; BATCHES_MAX], len: 0 };

    fn push(&mut self, batch: BatchMetadata) {
        if self.len == BATCHES_MAX {
            self.batches.rotate_left(1);
        } else {
            self.len += 1;
        }
        self.batches[self.len - 1] = batch;
    }

    fn as_slice(&self) -> &[BatchMetadata] {
        &self.batches[..self.len]
    }
}

/// A producer as DescribeProducers tells of it and as a snapshot keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerEntry {
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    /// The epoch of the coordinator that wrote the last marker; -1 before the first.
    pub coordinator_epoch: i32,
    pub last_timestamp: Millis,
    pub current_txn_first_offset: Option<Offset>,
    /// The last batch, unless a marker raised the epoch after it.
    pub last_batch: Option<BatchMetadata>,
}

impl ProducerEntry {
    /// The last sequence, -1 where there is none.
    pub fn last_sequence(&self) -> i32 {
        self.last_batch.map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }
}

/// What is remembered of a producer.
#[derive(Clone, Debug)]
pub(super) struct ProducerState {
    pub(super) producer_id: ProducerId,
    pub(super) epoch: ProducerEpoch,
    pub(super) coordinator_epoch: i32,
    pub(super) last_timestamp: Millis,
    pub(super) current_txn_first_offset: Option<Offset>,
    batches: LastBatches,
}

impl ProducerState {
    /// A producer of which nothing is known.
    pub(super) fn unknown(producer_id: ProducerId) -> ProducerState {
        ProducerState {
            producer_id,
            epoch: ProducerEpoch::NONE,
            coordinator_epoch: -1,
            last_timestamp: NO_TIMESTAMP,
            current_txn_first_offset: None,
            batches: LastBatches::EMPTY,
        }
    }

    /// The state that an append starts from: everything but the batches, to which it adds its own.
    pub(super) fn without_batches(&self) -> ProducerState {
        ProducerState { batches: LastBatches::EMPTY, ..self.clone() }
    }

    pub(super) fn from_entry(entry: &ProducerEntry) -> ProducerState {
        let mut state = ProducerState::unknown(entry.producer_id);
        state.epoch = entry.producer_epoch;
        state.coordinator_epoch = entry.coordinator_epoch;
        state.last_timestamp = entry.last_timestamp;
        state.current_txn_first_offset = entry.current_txn_first_offset;
        if let Some(batch) = entry.last_batch {
            state.batches.push(batch);
        }
        state
    }

    pub(super) fn to_entry(&self) -> ProducerEntry {
        ProducerEntry {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            coordinator_epoch: self.coordinator_epoch,
            last_timestamp: self.last_timestamp,
            current_txn_first_offset: self.current_txn_first_offset,
            last_batch: self.batches.as_slice().last().copied(),
        }
    }

    /// Whether it wrote nothing for `limit_ms` and has no transaction open.
    pub(super) fn expired(&self, now: Millis, limit_ms: i64) -> bool {
        self.current_txn_first_offset.is_none() && now.0.saturating_sub(self.last_timestamp.0) >= limit_ms
    }

    /// The last sequence, if a batch of this epoch is remembered.
    pub(super) fn last_sequence(&self) -> Option<i32> {
        self.batches.as_slice().last().map(|batch| batch.last_sequence)
    }

    pub(super) fn has_batches(&self) -> bool {
        self.batches.len > 0
    }

    /// The remembered batch with the same epoch and sequences as `batch`.
    pub(super) fn duplicate_of(&self, batch: &BatchHeader) -> Option<BatchMetadata> {
        let range = (batch.base_sequence, batch.last_sequence());
        let same = |of: &&BatchMetadata| (of.first_sequence(), of.last_sequence) == range;
        if batch.producer_epoch == self.epoch { self.batches.as_slice().iter().find(same).copied() } else { None }
    }

    fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches = LastBatches::EMPTY;
        }
    }

    pub(super) fn add_batch(&mut self, epoch: ProducerEpoch, batch: BatchMetadata) {
        self.set_epoch(epoch);
        self.batches.push(batch);
        self.last_timestamp = batch.timestamp;
    }

    /// A marker ended the transaction, if there was one.
    pub(super) fn end_transaction(&mut self, epoch: ProducerEpoch, coordinator_epoch: i32, timestamp: Millis) {
        self.set_epoch(epoch);
        self.coordinator_epoch = coordinator_epoch;
        self.current_txn_first_offset = None;
        self.last_timestamp = timestamp;
    }

    /// Takes over what an append did to a state made by `without_batches`.
    pub(super) fn merge(&mut self, appended: &ProducerState) {
        self.set_epoch(appended.epoch);
        for &batch in appended.batches.as_slice() {
            self.batches.push(batch);
        }
        self.coordinator_epoch = appended.coordinator_epoch;
        self.current_txn_first_offset = appended.current_txn_first_offset;
        self.last_timestamp = appended.last_timestamp;
    }
}
