//! Whether a producer may append a batch now.

use super::entry::{BatchMetadata, ProducerState};
use super::verification::{Verification, VerificationGuard};
use super::{CompletedTxn, ProducerStates};
use crate::log::append::AppendOrigin;
use crate::protocol::batch::{BatchHeader, NO_SEQUENCE};
use crate::protocol::control::EndTxnMarker;
use crate::types::{ErrorCode, Millis, Offset, ProducerEpoch, ProducerId};

/// Why a producer may not append; the words are Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProducerError {
    #[error("Epoch of producer {producer_id} is {epoch}, which is smaller than the last seen epoch {current}")]
    StaleEpoch { producer_id: ProducerId, epoch: ProducerEpoch, current: ProducerEpoch },
    #[error(
        "Out of order sequence number for producer {producer_id} at offset {offset}: {sequence} (incoming seq. number), \
         {last} (current end sequence number)"
    )]
    OutOfOrderSequence { producer_id: ProducerId, offset: Offset, sequence: i32, last: i32 },
    #[error(
        "Invalid sequence number for new epoch of producer {producer_id} at offset {offset}: {epoch} (request epoch), \
         {sequence} (seq. number), {current} (current producer epoch)"
    )]
    SequenceOfNewEpoch {
        producer_id: ProducerId,
        offset: Offset,
        epoch: ProducerEpoch,
        sequence: i32,
        current: ProducerEpoch,
    },
    #[error(
        "Invalid sequence number for producer {producer_id} at offset {offset}: {sequence} (incoming seq. number), \
         expected at most {expected} while the transaction is being verified"
    )]
    SequenceBeyondVerification { producer_id: ProducerId, offset: Offset, sequence: i32, expected: i32 },
    #[error("Expected transactional write from producer {producer_id} at offset {offset}")]
    NotTransactional { producer_id: ProducerId, offset: Offset },
    #[error("Record was not part of an ongoing transaction")]
    NotVerified,
    #[error(
        "Invalid coordinator epoch for producerId {producer_id} at offset {offset}: {epoch} (zombie), {current} (current)"
    )]
    CoordinatorFenced { producer_id: ProducerId, offset: Offset, epoch: i32, current: i32 },
}

impl ProducerError {
    /// The code of the answer.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            ProducerError::StaleEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerError::OutOfOrderSequence { .. }
            | ProducerError::SequenceOfNewEpoch { .. }
            | ProducerError::SequenceBeyondVerification { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerError::NotTransactional { .. } | ProducerError::NotVerified => ErrorCode::InvalidTxnState,
            ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

/// The verdict on a batch that is not refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SequenceCheck {
    /// To be appended.
    New,
    /// Already in the log; nothing of this append is to be written.
    Duplicate { base_offset: Offset, last_offset: Offset, timestamp: Millis },
}

/// Under which circumstances a batch is appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AppendContext {
    pub origin: AppendOrigin,
    /// From [`ProducerStates::begin_verification`], if the coordinator was asked.
    pub guard: Option<VerificationGuard>,
    /// `transaction.version` of the coordinator that sends a marker; from 2 on it raises the epoch with each.
    pub transaction_version: i16,
}

impl AppendContext {
    /// An append without transaction.
    pub fn new(origin: AppendOrigin) -> AppendContext {
        AppendContext { origin, guard: None, transaction_version: 0 }
    }
}

/// A producer's state as an append would leave it.
#[derive(Clone, Debug)]
pub(super) struct PendingProducer {
    pub(super) state: ProducerState,
    /// First offsets of transactions that the append opens.
    pub(super) started: Vec<Offset>,
}

/// What an append will change, until it is in the log and handed to [`ProducerStates::commit`].
#[derive(Clone, Debug, Default)]
pub struct ProducerAppend {
    pub(super) pending: Vec<PendingProducer>,
    pub(super) completed: Vec<CompletedTxn>,
    /// Producers whose verification is over.
    pub(super) verified: Vec<ProducerId>,
}

impl ProducerStates {
    /// Checks one batch of an append, whose header bears its offsets, after the batches before it. `marker` is what a
    /// control batch says, `None` if it is empty.
    pub fn check(
        &self,
        append: &mut ProducerAppend,
        batch: &BatchHeader,
        marker: Option<&EndTxnMarker>,
        context: AppendContext,
    ) -> Result<SequenceCheck, ProducerError> {
        if !batch.has_producer_id() {
            return Ok(SequenceCheck::New);
        }
        let known = self.producers.get(&batch.producer_id);
        if context.origin == AppendOrigin::Client
            && let Some(duplicate) = known.and_then(|state| state.duplicate_of(batch))
        {
            return Ok(SequenceCheck::Duplicate {
                base_offset: duplicate.first_offset(),
                last_offset: duplicate.last_offset,
                timestamp: duplicate.timestamp,
            });
        }
        if batch.is_transactional() && context.origin.assigns_offsets() {
            self.check_transaction(batch, known, context)?;
        }

        let unknown = ProducerState::unknown(batch.producer_id);
        let current = known.unwrap_or(&unknown);
        let found = append.pending.iter().position(|pending| pending.state.producer_id == batch.producer_id);
        let index = found.unwrap_or(append.pending.len());
        if found.is_none() {
            append.pending.push(PendingProducer { state: current.without_batches(), started: Vec::new() });
        }
        let pending = &mut append.pending[index];
        if batch.is_control() {
            if let Some(marker) = marker {
                append.completed.extend(end_transaction(pending, batch, marker, context)?);
            }
        } else {
            let verification = self.verifications.get(&batch.producer_id);
            append_data(pending, current, batch, verification, context.origin)?;
        }
        if batch.is_transactional() && !self.verifies_next(batch) {
            append.verified.push(batch.producer_id);
        }
        Ok(SequenceCheck::New)
    }

    /// Whether a marker that raised the epoch comes after the next transaction began to be verified in that epoch.
    fn verifies_next(&self, batch: &BatchHeader) -> bool {
        let verification = self.verifications.get(&batch.producer_id);
        let next = |verification: &Verification| {
            verification.supports_epoch_bump && verification.epoch == batch.producer_epoch
        };
        batch.is_control() && verification.is_some_and(next)
    }

    /// A transactional batch must belong to a transaction that its coordinator knows about.
    fn check_transaction(
        &self,
        batch: &BatchHeader,
        known: Option<&ProducerState>,
        context: AppendContext,
    ) -> Result<(), ProducerError> {
        let (producer_id, epoch) = (batch.producer_id, batch.producer_epoch);
        if self.has_ongoing_transaction(producer_id, epoch) {
            return Ok(());
        }
        if let Some(state) = known.filter(|state| epoch < state.epoch) {
            return Err(ProducerError::StaleEpoch { producer_id, epoch, current: state.epoch });
        }
        let asked = self.verifications.get(&producer_id).map(|verification| verification.guard);
        let verified = context.guard.is_some() && context.guard == asked;
        if self.rules.transaction_verification && !batch.is_control() && !verified {
            return Err(ProducerError::NotVerified);
        }
        Ok(())
    }
}

/// A batch of data: epoch, sequence, and whether a transaction is open.
fn append_data(
    pending: &mut PendingProducer,
    current: &ProducerState,
    batch: &BatchHeader,
    verification: Option<&Verification>,
    origin: AppendOrigin,
) -> Result<(), ProducerError> {
    check_epoch(&pending.state, batch, 0, origin)?;
    if origin == AppendOrigin::Client {
        check_sequence(&pending.state, current, batch, verification)?;
    }
    pending.state.add_batch(
        batch.producer_epoch,
        BatchMetadata {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta,
            timestamp: batch.max_timestamp,
        },
    );
    match (pending.state.current_txn_first_offset, batch.is_transactional()) {
        (Some(_), false) => {
            Err(ProducerError::NotTransactional { producer_id: batch.producer_id, offset: batch.base_offset })
        }
        (None, true) => {
            pending.state.current_txn_first_offset = Some(batch.base_offset);
            pending.started.push(batch.base_offset);
            Ok(())
        }
        (Some(_), true) | (None, false) => Ok(()),
    }
}

/// An older epoch is fenced. From transaction version 2 on, a marker must even raise it, unless it repeats a marker
/// that ended the transaction already, or the epochs are used up.
fn check_epoch(
    state: &ProducerState,
    batch: &BatchHeader,
    transaction_version: i16,
    origin: AppendOrigin,
) -> Result<(), ProducerError> {
    let (epoch, current) = (batch.producer_epoch, state.epoch);
    let allowed = if transaction_version >= 2 && epoch == current {
        state.current_txn_first_offset.is_none() || epoch.0 == i16::MAX
    } else {
        epoch >= current
    };
    if allowed || origin == AppendOrigin::Replication {
        return Ok(());
    }
    Err(ProducerError::StaleEpoch { producer_id: batch.producer_id, epoch, current })
}

fn check_sequence(
    pending: &ProducerState,
    current: &ProducerState,
    batch: &BatchHeader,
    verification: Option<&Verification>,
) -> Result<(), ProducerError> {
    let (producer_id, offset, sequence) = (batch.producer_id, batch.base_offset, batch.base_sequence);
    if let Some(verification) = verification {
        let fresh = verification.supports_epoch_bump && !current.has_batches();
        let expected = if fresh { 0 } else { verification.lowest_sequence };
        if fresh && sequence != 0 || sequence > verification.lowest_sequence {
            return Err(ProducerError::SequenceBeyondVerification { producer_id, offset, sequence, expected });
        }
    }
    if batch.producer_epoch != pending.epoch {
        if sequence != 0 && pending.epoch != ProducerEpoch::NONE {
            let (epoch, current) = (batch.producer_epoch, pending.epoch);
            return Err(ProducerError::SequenceOfNewEpoch { producer_id, offset, epoch, sequence, current });
        }
        return Ok(());
    }
    // A producer whose records were all deleted and forgotten goes on with any sequence.
    if current.epoch == ProducerEpoch::NONE {
        return Ok(());
    }
    let of_current = || if batch.producer_epoch == current.epoch { current.last_sequence() } else { None };
    let last = pending.last_sequence().or_else(of_current).unwrap_or(NO_SEQUENCE);
    let follows = i64::from(sequence) == i64::from(last) + 1 || (sequence == 0 && last == i32::MAX);
    if !follows {
        return Err(ProducerError::OutOfOrderSequence { producer_id, offset, sequence, last });
    }
    Ok(())
}

/// A marker: it ends the transaction if one is open.
fn end_transaction(
    pending: &mut PendingProducer,
    batch: &BatchHeader,
    marker: &EndTxnMarker,
    context: AppendContext,
) -> Result<Option<CompletedTxn>, ProducerError> {
    let replicated = context.origin == AppendOrigin::Replication;
    let transaction_version = if replicated { 0 } else { context.transaction_version };
    check_epoch(&pending.state, batch, transaction_version, context.origin)?;
    if pending.state.coordinator_epoch > marker.coordinator_epoch && !replicated {
        return Err(ProducerError::CoordinatorFenced {
            producer_id: batch.producer_id,
            offset: batch.base_offset,
            epoch: marker.coordinator_epoch,
            current: pending.state.coordinator_epoch,
        });
    }
    let completed = pending.state.current_txn_first_offset.map(|first_offset| CompletedTxn {
        producer_id: batch.producer_id,
        first_offset,
        last_offset: batch.base_offset,
        aborted: !marker.commit,
        // Known once the append is committed.
        last_stable_offset: Offset::NONE,
    });
    pending.state.end_transaction(batch.producer_epoch, marker.coordinator_epoch, marker.timestamp);
    Ok(completed)
}
