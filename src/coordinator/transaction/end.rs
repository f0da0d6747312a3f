//! EndTxn, the abort that fences a producer, and the completion of either.

use crate::types::{ErrorCode, Millis, ProducerEpoch, ProducerId};

use super::machine::{Decision, Reply, TransactionMachine};
use super::state::State;
use super::txn::{Producer, Transaction, raises_epoch};

/// For so long after an end a commit of nothing is taken for one that came too early. Java's producer may send it ahead
/// of the batches of its transaction; Kafka has not completed the end before by then and answers the same.
const EARLY_COMMIT: Millis = Millis(100);

/// What an EndTxn comes to.
enum End {
    Prepare,
    /// It was ended so before.
    Done,
    Refused(ErrorCode),
}

impl TransactionMachine {
    /// `how`: whether to commit, and the client's `transaction.version`.
    pub(super) fn end(
        &self,
        id: &str,
        producer: Producer,
        how: (bool, i16),
        fresh: Option<ProducerId>,
        now: Millis,
    ) -> Decision {
        let (commit, client_version) = how;
        let Some(known) = self.transactions.get(id) else {
            return (Reply::End(Err(ErrorCode::InvalidProducerIdMapping)), None);
        };
        let raises = raises_epoch(client_version);
        let end = if raises { end_and_raise(known, producer, commit, now) } else { end_only(known, producer, commit) };
        match end {
            End::Refused(error) => (Reply::End(Err(error)), None),
            // Clients of before do not expect to be told who they are.
            End::Done => (Reply::End(Ok(if raises { known.producer } else { Producer::NONE })), None),
            End::Prepare if raises && known.producer.is_exhausted() && fresh.is_none() => {
                (Reply::NeedsProducerId, None)
            }
            End::Prepare => {
                let needed = raises && known.producer.is_exhausted();
                let next_id = fresh.filter(|_| needed).unwrap_or(ProducerId::NONE);
                // What goes by the oldest rules is kept as such.
                let kept_version = if raises { client_version } else { 0 };
                let prepared = known.prepared(commit, kept_version, next_id, now);
                let told = if raises { prepared.producer_when_complete() } else { Producer::NONE };
                (Reply::End(Ok(told)), Some(prepared))
            }
        }
    }

    /// The abort of an open transaction that nobody asked for by EndTxn: its producer is fenced by an epoch that no
    /// client is ever given. `None` if that takes a fresh producer id.
    pub(super) fn fenced(&self, known: &Transaction, fresh: Option<ProducerId>, now: Millis) -> Option<Transaction> {
        let version = self.transaction_version();
        if raises_epoch(version) {
            let next_id = match known.producer.is_exhausted() {
                true => fresh?,
                false => ProducerId::NONE,
            };
            return Some(known.prepared(false, version, next_id, now));
        }
        let mut fenced = known.clone();
        fenced.producer.epoch = ProducerEpoch(known.producer.epoch.0.saturating_add(1));
        fenced.last_epoch = ProducerEpoch::NONE;
        Some(fenced.prepared(false, 0, ProducerId::NONE, now))
    }

    /// Every marker of `producer`'s prepared transaction stands.
    pub(super) fn complete(&self, id: &str, producer: Producer, now: Millis) -> Option<Transaction> {
        let known = self.transactions.get(id).filter(|known| known.producer == producer && known.state.is_prepared());
        known.map(|known| known.completed(now))
    }
}

/// Below `transaction.version` 2: an end may be repeated, and the state tells whether it is the same.
fn end_only(known: &Transaction, producer: Producer, commit: bool) -> End {
    if known.producer.id != producer.id {
        return End::Refused(ErrorCode::InvalidProducerIdMapping);
    }
    if known.producer.epoch != producer.epoch {
        return End::Refused(ErrorCode::ProducerFenced);
    }
    match (known.state, commit) {
        (State::PrepareCommit | State::PrepareAbort, _) => End::Refused(ErrorCode::ConcurrentTransactions),
        (State::Ongoing, _) => End::Prepare,
        (State::CompleteCommit, true) | (State::CompleteAbort, false) => End::Done,
        (State::CompleteCommit, false) | (State::CompleteAbort, true) | (State::Empty, _) => {
            End::Refused(ErrorCode::InvalidTxnState)
        }
    }
}

/// From `transaction.version` 2 on: the epoch tells whether an end repeats the last one or is the next.
fn end_and_raise(known: &Transaction, producer: Producer, commit: bool, now: Millis) -> End {
    if known.state.is_prepared() {
        return End::Refused(ErrorCode::ConcurrentTransactions);
    }
    let last_of_previous = Producer { id: known.previous_id, epoch: ProducerEpoch(i16::MAX - 1) };
    let over_the_end = producer == last_of_previous && known.producer.epoch == ProducerEpoch(0);
    let after_the_raise = i32::from(known.producer.epoch.0) == i32::from(producer.epoch.0) + 1;
    let current = producer.epoch == known.producer.epoch;
    if known.producer.id != producer.id && !over_the_end {
        return End::Refused(ErrorCode::InvalidProducerIdMapping);
    }
    let is_retry = over_the_end || after_the_raise;
    match (known.state, commit) {
        (State::Ongoing | State::Empty, _) if !current => End::Refused(ErrorCode::ProducerFenced),
        (State::CompleteCommit | State::CompleteAbort, _) if !(is_retry || current) => {
            End::Refused(ErrorCode::ProducerFenced)
        }
        (State::Ongoing, _) => End::Prepare,
        (State::CompleteCommit, true) | (State::CompleteAbort, false) if is_retry => End::Done,
        (State::CompleteCommit | State::CompleteAbort, true) if current && now - known.updated < EARLY_COMMIT => {
            End::Refused(ErrorCode::ConcurrentTransactions)
        }
        // A client that does not know whether it has begun a transaction aborts it to be sure.
        (State::Empty | State::CompleteAbort, false) => End::Prepare,
        (State::CompleteCommit, false) if !is_retry => End::Prepare,
        (State::Empty | State::CompleteCommit | State::CompleteAbort, _) => End::Refused(ErrorCode::InvalidTxnState),
        (State::PrepareCommit | State::PrepareAbort, _) => End::Refused(ErrorCode::ConcurrentTransactions),
    }
}
