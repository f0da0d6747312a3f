//! A transactional id: its producer, its transaction, and what each becomes.

use std::collections::BTreeSet;

use crate::types::{Millis, ProducerEpoch, ProducerId, TopicPartition};

use super::state::State;

/// The first level of `transaction.version` that raises the epoch with every end.
const EPOCH_BUMP_SINCE: i16 = 2;
/// The last epoch that a producer is given; the one behind it is left for fencing.
const LAST_EPOCH: ProducerEpoch = ProducerEpoch(i16::MAX - 1);
/// The timeout of a producer that takes part in a two-phase commit (KIP-939): none.
pub(super) const NO_TIMEOUT_MS: i32 = i32::MAX;
/// The start of a transaction that has not begun.
const NOT_STARTED: Millis = Millis(-1);

/// A producer in one of its epochs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Producer {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
}

impl Producer {
    pub const NONE: Producer = Producer { id: ProducerId::NONE, epoch: ProducerEpoch::NONE };

    /// Whether there is no epoch left to be given.
    pub fn is_exhausted(self) -> bool {
        self.epoch >= LAST_EPOCH
    }
}

/// Whether clients of that level have their epoch raised with every end (KIP-890).
pub fn raises_epoch(transaction_version: i16) -> bool {
    transaction_version >= EPOCH_BUMP_SINCE
}

/// The state of a transactional id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    pub producer: Producer,
    /// The producer before the latest change, which is mostly the same.
    pub previous_id: ProducerId,
    /// The producer that takes over when the prepared end is complete, where the epochs of this one are used up.
    pub next_id: ProducerId,
    /// The epoch before the latest raise, if a client may come back with it (KIP-360). Not kept in the log.
    pub last_epoch: ProducerEpoch,
    pub timeout_ms: i32,
    pub state: State,
    pub partitions: BTreeSet<TopicPartition>,
    /// -1 before the first partition was added.
    pub started: Millis,
    pub updated: Millis,
    /// The `transaction.version` that the client works by.
    pub client_version: i16,
}

impl Transaction {
    /// A transactional id that nobody has used, with the producer id it will get.
    pub fn new(id: ProducerId, timeout_ms: i32, now: Millis) -> Transaction {
        Transaction {
            producer: Producer { id, ..Producer::NONE },
            previous_id: ProducerId::NONE,
            next_id: ProducerId::NONE,
            last_epoch: ProducerEpoch::NONE,
            timeout_ms,
            state: State::Empty,
            partitions: BTreeSet::new(),
            started: NOT_STARTED,
            updated: now,
            client_version: 0,
        }
    }

    /// Begins anew: no transaction, and `producer` bears the id from now on.
    pub fn initialized(
        &self,
        producer: Producer,
        last_epoch: ProducerEpoch,
        timeout_ms: i32,
        now: Millis,
    ) -> Transaction {
        let partitions = BTreeSet::new();
        let started = NOT_STARTED;
        Transaction { producer, last_epoch, timeout_ms, partitions, started, ..self.becoming(State::Empty, now) }
    }

    /// `added` are part of the transaction, which begins with them if there is none.
    pub fn with_partitions(
        &self,
        added: impl IntoIterator<Item = TopicPartition>,
        client_version: i16,
        now: Millis,
    ) -> Transaction {
        let started = match self.state {
            State::Ongoing => self.started,
            State::Empty | State::CompleteCommit | State::CompleteAbort => now,
            State::PrepareCommit | State::PrepareAbort => unreachable!("a prepared transaction takes no partitions"),
        };
        let mut grown = Transaction { started, client_version, ..self.becoming(State::Ongoing, now) };
        grown.partitions.extend(added);
        grown
    }

    /// The decision to end. `next_id` takes over afterwards, if it is one.
    pub fn prepared(&self, commit: bool, client_version: i16, next_id: ProducerId, now: Millis) -> Transaction {
        let state = if commit { State::PrepareCommit } else { State::PrepareAbort };
        let mut prepared = Transaction { next_id, client_version, ..self.becoming(state, now) };
        if self.state != State::Ongoing {
            prepared.started = now;
        }
        if raises_epoch(client_version) {
            prepared.last_epoch = self.producer.epoch;
            prepared.producer.epoch = ProducerEpoch(self.producer.epoch.0.saturating_add(1));
        }
        prepared
    }

    /// Every marker stands.
    pub fn completed(&self, now: Millis) -> Transaction {
        let state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            State::PrepareAbort => State::CompleteAbort,
            State::Empty | State::Ongoing | State::CompleteCommit | State::CompleteAbort => {
                unreachable!("only a prepared transaction can be completed")
            }
        };
        Transaction {
            producer: self.producer_when_complete(),
            next_id: ProducerId::NONE,
            partitions: BTreeSet::new(),
            ..self.becoming(state, now)
        }
    }

    /// Who bears the id when the prepared end is complete.
    pub fn producer_when_complete(&self) -> Producer {
        match raises_epoch(self.client_version) && self.next_id != ProducerId::NONE {
            true => Producer { id: self.next_id, epoch: ProducerEpoch(0) },
            false => self.producer,
        }
    }

    /// Whether the transaction is open for longer than its producer allows.
    pub fn has_timed_out(&self, now: Millis) -> bool {
        let open = self.state == State::Ongoing && self.timeout_ms != NO_TIMEOUT_MS;
        open && self.started + Millis(i64::from(self.timeout_ms)) < now
    }

    /// Whether the id was unused for `expiration_ms`.
    pub fn has_expired(&self, now: Millis, expiration_ms: i32) -> bool {
        let idle = match self.state {
            State::Empty | State::CompleteCommit | State::CompleteAbort => true,
            State::Ongoing | State::PrepareCommit | State::PrepareAbort => false,
        };
        idle && self.updated <= now - Millis(i64::from(expiration_ms))
    }

    fn becoming(&self, state: State, now: Millis) -> Transaction {
        assert!(self.state.may_become(state), "{:?} does not become {state:?}", self.state);
        Transaction { state, previous_id: self.producer.id, updated: now, ..self.clone() }
    }
}
