//! What a log remembers of its idempotent and transactional producers: sequences, epochs, open transactions (KIP-98).
//! Pure: batch headers go in, verdicts and snapshots come out.

mod check;
mod entry;
mod snapshot;
#[cfg(test)]
mod tests;
mod verification;

use std::collections::{BTreeMap, HashMap};

pub use check::{AppendContext, ProducerAppend, ProducerError, SequenceCheck};
pub use entry::{BatchMetadata, ProducerEntry};
pub use snapshot::{SnapshotError, read_snapshot, write_snapshot};
pub use verification::VerificationGuard;

use crate::types::{Millis, Offset, ProducerEpoch, ProducerId};
use entry::ProducerState;
use verification::Verification;

/// How long after its timeout a transaction counts as left hanging.
const LATE_TRANSACTION_BUFFER_MS: i64 = 5 * 60 * 1000;

/// The configuration that concerns producers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerRules {
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// `transaction.partition.verification.enable`
    pub transaction_verification: bool,
}

impl Default for ProducerRules {
    /// Kafka's defaults.
    fn default() -> ProducerRules {
        ProducerRules { producer_id_expiration_ms: 86_400_000, transaction_verification: true }
    }
}

/// A transaction that a marker has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompletedTxn {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
    /// The marker's offset.
    pub last_offset: Offset,
    pub aborted: bool,
    /// The last stable offset at that moment; it stands in the transaction index for aborted ones.
    pub last_stable_offset: Offset,
}

/// An open or not yet replicated transaction, filed under its first offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Txn {
    producer_id: ProducerId,
    /// The marker's offset, once there is one.
    last_offset: Option<Offset>,
}

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub struct ProducerStates {
    rules: ProducerRules,
    producers: HashMap<ProducerId, ProducerState, foldhash::fast::RandomState>,
    verifications: HashMap<ProducerId, Verification, foldhash::fast::RandomState>,
    guards_given: u64,
    /// Transactions without a marker, by first offset.
    ongoing: BTreeMap<Offset, Txn>,
    /// Transactions whose marker is not below the high watermark, by first offset.
    unreplicated: BTreeMap<Offset, Txn>,
    /// Everything below is reflected here.
    end_offset: Offset,
}

impl ProducerStates {
    /// No producers, at offset 0.
    pub fn new(rules: ProducerRules) -> ProducerStates {
        ProducerStates { rules, ..ProducerStates::default() }
    }

    /// Obeys `rules` from now on.
    pub fn set_rules(&mut self, rules: ProducerRules) {
        self.rules = rules;
    }

    /// Everything below this offset is reflected in the states.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Says that everything below `offset` is reflected, also where it came from no producer.
    pub fn set_end_offset(&mut self, offset: Offset) {
        self.end_offset = offset;
    }

    /// How many producers are remembered.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether there is neither a producer nor a transaction that waits to be replicated.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.unreplicated.is_empty()
    }

    /// Takes over what passed the checks and is now in the log, which ends at `end_offset`. Returns the transactions
    /// that came to their end, in order.
    pub fn commit(&mut self, append: ProducerAppend, end_offset: Offset) -> Vec<CompletedTxn> {
        let ProducerAppend { pending, mut completed, verified } = append;
        for producer in pending {
            let id = producer.state.producer_id;
            for first_offset in producer.started {
                self.ongoing.insert(first_offset, Txn { producer_id: id, last_offset: None });
            }
            match self.producers.get_mut(&id) {
                Some(state) => state.merge(&producer.state),
                None => {
                    self.producers.insert(id, producer.state);
                }
            }
        }
        for id in verified {
            self.verifications.remove(&id);
        }
        for txn in &mut completed {
            txn.last_stable_offset = self.stable_after(txn);
            let closed = Txn { producer_id: txn.producer_id, last_offset: Some(txn.last_offset) };
            self.ongoing.remove(&txn.first_offset);
            self.unreplicated.insert(txn.first_offset, closed);
        }
        self.end_offset = end_offset;
        completed
    }

    /// Where the next transaction of another producer began, or else the offset after the marker.
    fn stable_after(&self, completed: &CompletedTxn) -> Offset {
        let open = self.ongoing.iter().find(|(_, txn)| txn.producer_id != completed.producer_id);
        open.map_or(completed.last_offset.next(), |(&first_offset, _)| first_offset)
    }

    /// The first offset of a transaction that is open, or whose marker is not replicated yet: consumers of committed
    /// records may not read on from here.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let unreplicated = self.unreplicated.keys().next().copied();
        [self.first_undecided_offset(), unreplicated].into_iter().flatten().min()
    }

    /// The first offset of an open transaction, whatever is replicated.
    pub fn first_undecided_offset(&self) -> Option<Offset> {
        self.ongoing.keys().next().copied()
    }

    /// Markers below the high watermark are replicated.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        self.unreplicated.retain(|_, txn| txn.last_offset.is_none_or(|last| last >= high_watermark));
    }

    /// The log begins at `log_start_offset` now. Producers are kept: only time makes them be forgotten.
    pub fn on_log_start_offset(&mut self, log_start_offset: Offset) {
        self.on_high_watermark(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
    }

    /// Forgets everything, as before a reload from a snapshot at `offset` or for a log that begins anew there.
    pub fn restart_at(&mut self, offset: Offset) {
        self.producers.clear();
        self.ongoing.clear();
        self.unreplicated.clear();
        self.end_offset = offset;
    }

    /// Starts again from the snapshot taken at `offset`; producers that have expired meanwhile are left out. Nothing
    /// changes if the snapshot is bad.
    pub fn reload(&mut self, snapshot: &[u8], offset: Offset, now: Millis) -> Result<(), SnapshotError> {
        let states = read_snapshot(snapshot)?;
        self.restart_at(offset);
        for entry in states {
            let state = ProducerState::from_entry(&entry);
            if !state.expired(now, self.rules.producer_id_expiration_ms) {
                if let Some(first_offset) = state.current_txn_first_offset {
                    let txn = Txn { producer_id: state.producer_id, last_offset: None };
                    self.ongoing.insert(first_offset, txn);
                }
                self.producers.insert(state.producer_id, state);
            }
        }
        Ok(())
    }

    /// The contents of a snapshot file for `end_offset`.
    pub fn snapshot(&self) -> Vec<u8> {
        write_snapshot(&self.entries())
    }

    /// What is known of each producer, by id.
    pub fn entries(&self) -> Vec<ProducerEntry> {
        let mut entries: Vec<ProducerEntry> = self.producers.values().map(ProducerState::to_entry).collect();
        entries.sort_unstable_by_key(|entry| entry.producer_id);
        entries
    }

    /// Forgets producers that wrote nothing for too long and have no transaction open.
    pub fn expire(&mut self, now: Millis) {
        let limit = self.rules.producer_id_expiration_ms;
        self.producers.retain(|_, state| !state.expired(now, limit));
        self.verifications.retain(|_, verification| now.0.saturating_sub(verification.started.0) < limit);
    }

    /// Whether the oldest transaction is open for so long that it was probably left hanging.
    pub fn has_late_transaction(&self, now: Millis, transaction_max_timeout_ms: i64) -> bool {
        let oldest = self.ongoing.values().next().and_then(|txn| self.producers.get(&txn.producer_id));
        oldest.is_some_and(|state| {
            let last = state.last_timestamp.0;
            last > 0
                && now.0.saturating_sub(last) > transaction_max_timeout_ms.saturating_add(LATE_TRANSACTION_BUFFER_MS)
        })
    }

    /// Whether that producer has a transaction open in that epoch.
    pub fn has_ongoing_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.producers.get(&id).is_some_and(|state| state.current_txn_first_offset.is_some() && state.epoch == epoch)
    }

    /// Begins to ask the transaction coordinator about a batch's transaction. `None`: the transaction is known to be
    /// open, nothing need be asked.
    pub fn begin_verification(
        &mut self,
        id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: i32,
        supports_epoch_bump: bool,
        now: Millis,
    ) -> Result<Option<VerificationGuard>, ProducerError> {
        if let Some(state) = self.producers.get(&id).filter(|state| epoch < state.epoch) {
            return Err(ProducerError::StaleEpoch { producer_id: id, epoch, current: state.epoch });
        }
        if self.has_ongoing_transaction(id, epoch) {
            return Ok(None);
        }
        let verification = self.verifications.entry(id).or_insert_with(|| {
            self.guards_given += 1;
            Verification::new(VerificationGuard(self.guards_given), now, epoch, base_sequence, supports_epoch_bump)
        });
        verification.observe(epoch, base_sequence);
        Ok(Some(verification.guard))
    }
}
