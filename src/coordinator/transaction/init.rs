//! InitProducerId: who bears the transactional id from now on (KIP-98, KIP-360).

use crate::types::{ErrorCode, Millis, ProducerEpoch, ProducerId};

use super::machine::{Decision, Reply, TransactionMachine};
use super::state::State;
use super::txn::{Producer, Transaction};

/// What an InitProducerId comes to.
enum Initialized {
    /// The id is borne anew.
    Anew(Transaction),
    /// The open transaction is aborted first, and the client comes again.
    Fenced(Transaction),
    NeedsProducerId,
    Refused(ErrorCode),
}

impl TransactionMachine {
    pub(super) fn init(
        &self,
        id: &str,
        timeout_ms: i32,
        expected: Option<Producer>,
        fresh: Option<ProducerId>,
        now: Millis,
    ) -> Decision {
        let initialized = match (self.transactions.get(id), fresh) {
            (None, None) => Initialized::NeedsProducerId,
            (None, Some(fresh)) => raise_epoch(&Transaction::new(fresh, timeout_ms, now), expected, timeout_ms, now),
            (Some(known), fresh) => self.init_known(known, timeout_ms, expected, fresh, now),
        };
        match initialized {
            Initialized::NeedsProducerId => (Reply::NeedsProducerId, None),
            Initialized::Refused(error) => (Reply::Init(Err(error)), None),
            Initialized::Anew(transaction) => (Reply::Init(Ok(transaction.producer)), Some(transaction)),
            Initialized::Fenced(aborting) => (Reply::Init(Err(ErrorCode::ConcurrentTransactions)), Some(aborting)),
        }
    }

    fn init_known(
        &self,
        known: &Transaction,
        timeout_ms: i32,
        expected: Option<Producer>,
        fresh: Option<ProducerId>,
        now: Millis,
    ) -> Initialized {
        if known.state.is_prepared() {
            return Initialized::Refused(ErrorCode::ConcurrentTransactions);
        }
        if expected.is_some_and(|expected| !may_claim(known, expected)) {
            return Initialized::Refused(ErrorCode::ProducerFenced);
        }
        match known.state {
            State::Ongoing => match self.fenced(known, fresh, now) {
                Some(aborting) => Initialized::Fenced(aborting),
                None => Initialized::NeedsProducerId,
            },
            State::Empty | State::CompleteCommit | State::CompleteAbort => {
                let current = |expected: Producer| expected.epoch == known.producer.epoch;
                match fresh {
                    _ if !(known.producer.is_exhausted() && expected.is_none_or(current)) => {
                        raise_epoch(known, expected, timeout_ms, now)
                    }
                    None => Initialized::NeedsProducerId,
                    Some(id) => {
                        let last = expected.map_or(ProducerEpoch::NONE, |_| known.producer.epoch);
                        let producer = Producer { id, epoch: ProducerEpoch(0) };
                        Initialized::Anew(known.initialized(producer, last, timeout_ms, now))
                    }
                }
            }
            State::PrepareCommit | State::PrepareAbort => unreachable!("answered above"),
        }
    }
}

/// Whether a client that believes to be `expected` may go on with the id: its producer is the current one, or the
/// one whose epochs were used up when the client last asked and missed the answer.
fn may_claim(known: &Transaction, expected: Producer) -> bool {
    known.producer.epoch == ProducerEpoch::NONE
        || expected.id == known.producer.id
        || (expected.id == known.previous_id && expected.is_exhausted())
}

/// The next epoch; for a client that missed the answer to its last raise, the epoch it missed.
fn raise_epoch(known: &Transaction, expected: Option<Producer>, timeout_ms: i32, now: Millis) -> Initialized {
    let Producer { id, epoch } = known.producer;
    if known.producer.is_exhausted() {
        // A client that does not know of the last epochs cannot be given the next.
        return Initialized::Refused(ErrorCode::UnknownServerError);
    }
    let raised = ProducerEpoch(epoch.0 + 1);
    let (epoch, last) = match expected.map(|expected| expected.epoch) {
        None => (raised, ProducerEpoch::NONE),
        Some(expected) if epoch == ProducerEpoch::NONE || expected == epoch => (raised, epoch),
        Some(expected) if expected == known.last_epoch => (epoch, known.last_epoch),
        Some(_) => return Initialized::Refused(ErrorCode::ProducerFenced),
    };
    Initialized::Anew(known.initialized(Producer { id, epoch }, last, timeout_ms, now))
}
