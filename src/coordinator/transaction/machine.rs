//! The coordinator of one partition of `__transaction_state` as a state machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI16, Ordering};

use crate::config::BrokerConfig;
use crate::protocol::messages::{ListTransactionsResponse, describe_transactions_response};
use crate::state_machine::{JournalError, Now, Outcome, StateMachine, Ticket, TimerChange};
use crate::types::{ErrorCode, Millis, ProducerId, TopicPartition};

use super::describe::Filter;
use super::records::Record;
use super::state::State;
use super::txn::{Producer, Transaction};

/// The settings that the coordinator obeys; but for the last four each is Kafka's key of that name.
#[derive(Debug)]
pub struct Settings {
    pub transaction_max_timeout_ms: i32,
    pub transactional_id_expiration_ms: i32,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_timed_out_interval_ms: i32,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub remove_expired_interval_ms: i32,
    /// `transaction.two.phase.commit.enable`
    pub two_phase_commit_enable: bool,
    /// The level at which `transaction.version` is finalised in the cluster.
    pub transaction_version: AtomicI16,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            transaction_max_timeout_ms: 900_000,
            transactional_id_expiration_ms: 604_800_000,
            abort_timed_out_interval_ms: 10_000,
            remove_expired_interval_ms: 3_600_000,
            two_phase_commit_enable: false,
            transaction_version: AtomicI16::new(0),
        }
    }
}

impl From<&BrokerConfig> for Settings {
    fn from(config: &BrokerConfig) -> Settings {
        Settings {
            transaction_max_timeout_ms: config.transaction_max_timeout_ms,
            transactional_id_expiration_ms: config.transactional_id_expiration_ms,
            abort_timed_out_interval_ms: config.transaction_abort_timed_out_transaction_cleanup_interval_ms,
            remove_expired_interval_ms: config.transaction_remove_expired_transaction_cleanup_interval_ms,
            two_phase_commit_enable: config.transaction_two_phase_commit_enable,
            transaction_version: AtomicI16::new(0),
        }
    }
}

/// What the coordinator can be asked. `fresh` is a producer id that nobody has, given once the answer was that one is
/// needed.
#[derive(Clone, Debug)]
pub enum Command {
    Init {
        id: Arc<str>,
        timeout_ms: i32,
        expected: Option<Producer>,
        fresh: Option<ProducerId>,
    },
    Add {
        id: Arc<str>,
        producer: Producer,
        partitions: Vec<TopicPartition>,
        client_version: i16,
    },
    Verify {
        id: Arc<str>,
        producer: Producer,
        partitions: Vec<TopicPartition>,
    },
    End {
        id: Arc<str>,
        producer: Producer,
        commit: bool,
        client_version: i16,
        fresh: Option<ProducerId>,
    },
    TimeOut {
        id: Arc<str>,
        producer: Producer,
        fresh: ProducerId,
    },
    /// Parked until there is work; `anew`: also that which was given out before.
    NextWork {
        anew: bool,
    },
    Completed {
        id: Arc<str>,
        producer: Producer,
    },
    Describe {
        id: Arc<str>,
    },
    List(Filter),
}

/// The answer to the command of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Init(Result<Producer, ErrorCode>),
    Add(ErrorCode),
    Verify(Result<Vec<(TopicPartition, ErrorCode)>, ErrorCode>),
    End(Result<Producer, ErrorCode>),
    /// To be asked again with a fresh producer id.
    NeedsProducerId,
    Work(Vec<Work>),
    Done,
    Describe(describe_transactions_response::TransactionState),
    List(ListTransactionsResponse),
}

/// What somebody has to do for the coordinator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Markers are to be written to all partitions of a prepared transaction.
    WriteMarkers { id: Arc<str>, transaction: Box<Transaction> },
    /// A transaction has timed out, and its producer's epochs are used up: it takes a fresh producer id to abort it.
    FindProducerId { id: Arc<str>, producer: Producer },
}

/// What the coordinator waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// There is work to be given out.
    Work,
    /// The next look for transactions that have timed out.
    TimedOut,
    /// The next look for ids that have expired.
    Expired,
}

/// The hard state: what the log says.
#[derive(Debug)]
pub struct TransactionMachine {
    pub(super) settings: Arc<Settings>,
    pub(super) transactions: BTreeMap<Arc<str>, Transaction>,
}

/// What dies with the leadership.
#[derive(Default, Debug)]
pub struct Live {
    /// Prepared transactions that nobody writes markers for yet.
    pub unmarked: BTreeSet<Arc<str>>,
    /// Timed-out transactions that need a fresh producer id.
    pub exhausted: BTreeSet<Arc<str>>,
    /// Who waits for work.
    pub worker: Option<Ticket>,
    /// Whether [`Timer::TimedOut`] is set: there are open transactions.
    pub looks_for_timeouts: bool,
    /// Where the next stretch of the search for expired ids begins.
    pub expired_from: Option<Arc<str>>,
}

/// What a client is told, and what becomes of the transactional id, if it changes.
pub(super) type Decision = (Reply, Option<Transaction>);

/// How long a search waits after its findings could not be written.
const RETRY_AFTER: Millis = Millis(1_000);

impl TransactionMachine {
    /// A coordinator of nothing.
    pub fn new(settings: Arc<Settings>) -> TransactionMachine {
        TransactionMachine { settings, transactions: BTreeMap::new() }
    }

    /// Takes over one record of the log, in order of the offsets.
    pub fn load(&mut self, record: &Record) {
        match &record.transaction {
            Some(transaction) => self.transactions.insert(record.id.clone(), transaction.clone()),
            None => self.transactions.remove(&record.id),
        };
    }

    /// The level at which `transaction.version` is finalised.
    pub(super) fn transaction_version(&self) -> i16 {
        self.settings.transaction_version.load(Ordering::Acquire)
    }

    fn next_work(&self, live: &mut Live, ticket: Ticket, anew: bool) -> Outcome<TransactionMachine> {
        let mut outcome = Outcome::default();
        if anew {
            live.unmarked = self.prepared();
        }
        if let Some(superseded) = live.worker.replace(ticket) {
            outcome.answer(superseded, Reply::Work(Vec::new()));
        }
        self.give_out_work(live, &mut outcome);
        outcome
    }

    fn give_out_work(&self, live: &mut Live, outcome: &mut Outcome<TransactionMachine>) {
        if live.unmarked.is_empty() && live.exhausted.is_empty() {
            return;
        }
        let Some(worker) = live.worker.take() else { return };
        let marked = std::mem::take(&mut live.unmarked).into_iter().filter_map(|id| {
            let transaction = self.transactions.get(&id).filter(|transaction| transaction.state.is_prepared())?;
            Some(Work::WriteMarkers { id, transaction: Box::new(transaction.clone()) })
        });
        let exhausted = std::mem::take(&mut live.exhausted).into_iter().filter_map(|id| {
            let producer = self.transactions.get(&id)?.producer;
            Some(Work::FindProducerId { id, producer })
        });
        outcome.answer(worker, Reply::Work(marked.chain(exhausted).collect()));
    }

    fn prepared(&self) -> BTreeSet<Arc<str>> {
        let prepared = self.transactions.iter().filter(|(_, transaction)| transaction.state.is_prepared());
        prepared.map(|(id, _)| id.clone()).collect()
    }
}

impl StateMachine for TransactionMachine {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Timer = Timer;
    type Live = Live;

    fn start(&self, live: &mut Live, now: Now) -> Outcome<TransactionMachine> {
        live.unmarked = self.prepared();
        let mut outcome = Outcome::default();
        outcome.set(Timer::Work, now.monotonic);
        if self.transactions.values().any(|transaction| transaction.state == State::Ongoing) {
            self.look_for_timeouts(live, &mut outcome, now);
        }
        outcome.set(Timer::Expired, self.next_look(self.settings.remove_expired_interval_ms, now));
        outcome
    }

    fn decide(&self, live: &mut Live, ticket: Ticket, command: Command, now: Now) -> Outcome<TransactionMachine> {
        let wall = now.wall;
        let (id, (reply, changed)) = match command {
            Command::Init { id, timeout_ms, expected, fresh } => {
                let decision = self.init(&id, timeout_ms, expected, fresh, wall);
                (id, decision)
            }
            Command::Add { id, producer, partitions, client_version } => {
                let decision = self.add(&id, producer, partitions, client_version, wall);
                (id, decision)
            }
            Command::End { id, producer, commit, client_version, fresh } => {
                let decision = self.end(&id, producer, (commit, client_version), fresh, wall);
                (id, decision)
            }
            Command::TimeOut { id, producer, fresh } => {
                let aborting = self.time_out(&id, producer, fresh, wall);
                (id, (Reply::Done, aborting))
            }
            Command::Completed { id, producer } => {
                let completed = self.complete(&id, producer, wall);
                (id, (Reply::Done, completed))
            }
            Command::Verify { id, producer, partitions } => {
                return Outcome::reply(ticket, Reply::Verify(self.verify(&id, producer, partitions)));
            }
            Command::Describe { id } => return Outcome::reply(ticket, Reply::Describe(self.describe(&id))),
            Command::List(filter) => return Outcome::reply(ticket, Reply::List(self.list(&filter, wall))),
            Command::NextWork { anew } => return self.next_work(live, ticket, anew),
        };
        let mut outcome = Outcome::reply(ticket, reply);
        if let Some(changed) = changed {
            self.write(live, &mut outcome, id, changed, now);
        }
        outcome
    }

    fn expire(&self, live: &mut Live, timer: Timer, now: Now) -> Outcome<TransactionMachine> {
        let mut outcome = Outcome::default();
        match timer {
            Timer::Work => self.give_out_work(live, &mut outcome),
            Timer::TimedOut => self.time_out_transactions(live, &mut outcome, now),
            Timer::Expired => self.forget_expired_ids(live, &mut outcome, now),
        }
        outcome
    }

    fn replay(&mut self, live: &mut Live, record: &Record) {
        self.load(record);
        match &record.transaction {
            Some(transaction) if transaction.state.is_prepared() => live.unmarked.insert(record.id.clone()),
            Some(_) | None => live.unmarked.remove(&record.id),
        };
    }

    /// Nothing but timers and replies follows from a decision before its records are replayed: the searches go on
    /// later, and the replies fail.
    fn abandon(
        &self,
        _: &mut Live,
        failed: &Outcome<TransactionMachine>,
        _: &JournalError,
        now: Now,
    ) -> Outcome<TransactionMachine> {
        let later = |change: &TimerChange<Timer>| match change {
            TimerChange::Set(timer, at) => TimerChange::Set(timer.clone(), (*at).max(now.monotonic + RETRY_AFTER)),
            TimerChange::Cancel(timer) => TimerChange::Cancel(timer.clone()),
        };
        Outcome { timers: failed.timers.iter().map(later).collect(), ..Outcome::default() }
    }
}

impl TransactionMachine {
    /// Writes what the transactional id became. Prepared transactions are given out once that is replayed.
    pub(super) fn write(
        &self,
        live: &mut Live,
        outcome: &mut Outcome<TransactionMachine>,
        id: Arc<str>,
        transaction: Transaction,
        now: Now,
    ) {
        if transaction.state.is_prepared() {
            outcome.set(Timer::Work, now.monotonic);
        }
        if transaction.state == State::Ongoing && !live.looks_for_timeouts {
            self.look_for_timeouts(live, outcome, now);
        }
        outcome.records.push(Record { id, transaction: Some(transaction) });
    }

    pub(super) fn look_for_timeouts(&self, live: &mut Live, outcome: &mut Outcome<TransactionMachine>, now: Now) {
        live.looks_for_timeouts = true;
        outcome.set(Timer::TimedOut, self.next_look(self.settings.abort_timed_out_interval_ms, now));
    }

    pub(super) fn next_look(&self, interval_ms: i32, now: Now) -> Millis {
        now.monotonic + Millis(i64::from(interval_ms))
    }
}
