//! One partition's coordinator: the real runtime, polled by hand; it crashes, moves, and is read anew from its log.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicI16;
use std::task::{Context, Waker};

use super::log::{SimJournal, TRANSACTION_VERSION, write_groups, write_transactions};
use super::planted::Planted;
use super::world::{self, Sim};
use super::{coverage, markers};
use crate::broker::{group_log, transaction_log};
use crate::coordinator::error_of;
use crate::coordinator::group::{self, GroupMachine};
use crate::coordinator::transaction::{self, TransactionMachine};
use crate::state_machine::{Handle, Journal, JournalError, Options, Reload, Runtime, StateMachine, Stop, SubmitError};
use crate::types::{Clock, ErrorCode, Millis};

/// The coordinators of one partition: the one that clients find, and those before it that do not know of it yet.
pub struct Shard<M: StateMachine> {
    current: RefCell<Option<Handle<M>>>,
    running: RefCell<Vec<Running<M>>>,
    elections: Cell<u64>,
}

struct Running<M: StateMachine> {
    handle: Handle<M>,
    work: Pin<Box<dyn Future<Output = ()>>>,
    election: u64,
}

impl<M: StateMachine> Default for Shard<M> {
    fn default() -> Shard<M> {
        Shard { current: RefCell::new(None), running: RefCell::default(), elections: Cell::new(0) }
    }
}

impl<M: StateMachine> Shard<M> {
    /// Submits to the coordinator that clients find.
    pub async fn submit(&self, command: M::Command) -> Result<M::Reply, ErrorCode> {
        let handle = self.current.borrow().clone().ok_or(ErrorCode::CoordinatorLoadInProgress)?;
        submit_to(&handle, command).await.map_err(|error| code_of(&error))
    }

    /// Lets every coordinator do what it can, and look at the clock if that was turned.
    pub fn poll(&self, turned: bool) {
        let mut running = std::mem::take(&mut *self.running.borrow_mut());
        running.retain_mut(|running| {
            if turned {
                // The queue has room for it, so that it takes no time.
                let _ = pin!(running.handle.wake()).poll(&mut Context::from_waker(Waker::noop()));
            }
            !world::poll(&mut running.work)
        });
        self.running.borrow_mut().append(&mut running);
    }

    /// Everything that was not written is forgotten, and all requests are cut off.
    pub fn crash(&self) {
        *self.current.borrow_mut() = None;
        self.running.borrow_mut().clear();
    }

    /// Clients do not find it any more; it does not know yet. Answers which one that is.
    pub fn depose(&self) -> u64 {
        *self.current.borrow_mut() = None;
        self.elections.get()
    }

    /// It has learnt that it leads no more.
    pub fn resign(&self, election: u64) {
        for running in self.running.borrow_mut().iter_mut().filter(|running| running.election == election) {
            // Asked in one poll: the queue of stops is empty.
            let _ = pin!(running.handle.stop(Stop::Now)).poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Whether clients find one.
    pub fn is_up(&self) -> bool {
        self.current.borrow().is_some()
    }

    fn elect<J>(
        &self,
        machine: M,
        journal: J,
        clock: Clock,
        commit_timeout: i64,
        reload: Option<Reload<M>>,
    ) -> (Handle<M>, u64)
    where
        J: Journal<Record = M::Record>,
    {
        let options = Options { queue: 1024, commit_timeout: Millis(commit_timeout), reload };
        let (runtime, handle) = Runtime::new(machine, Arc::new(journal), clock, options);
        let election = self.elections.get() + 1;
        self.elections.set(election);
        let work = Box::pin(runtime.run());
        self.running.borrow_mut().push(Running { handle: handle.clone(), work, election });
        *self.current.borrow_mut() = Some(handle.clone());
        (handle, election)
    }
}

/// Submits to one coordinator, whether clients find it or not.
pub async fn submit_to<M: StateMachine>(handle: &Handle<M>, command: M::Command) -> Result<M::Reply, SubmitError> {
    handle.submit(command).await
}

/// As a client is told it.
pub fn code_of(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::Stopped => ErrorCode::NotCoordinator,
        SubmitError::CommitTimedOut => ErrorCode::CoordinatorNotAvailable,
        SubmitError::Append(why) | SubmitError::Lost(why) => error_of(why),
    }
}

/// Reads the groups from what is committed, and coordinates them.
pub fn elect_groups(sim: &Sim) {
    sim.group_log.replicate();
    let settings = Arc::new(group_settings());
    let mut machine = Planted::new(GroupMachine::new(settings, sim.surroundings.clone()), sim.planted);
    for stored in coverage::as_cleaned(sim, &sim.group_log) {
        group_log::read_batch(&stored.batch(), |record| machine.load(record)).expect("what was written can be read");
    }
    let leader_epoch = sim.group_log.leader_epoch();
    let journal = SimJournal { log: sim.group_log.clone(), leader_epoch, write: write_groups };
    let timeout = i64::from(group_settings().offsets_commit_timeout_ms);
    sim.groups.elect(machine, journal, sim.clock(), timeout, Some(lost()));
}

/// Reads the transactions from what is committed, and coordinates them.
pub fn elect_transactions(sim: &Sim) {
    sim.transaction_log.replicate();
    let mut machine = Planted::new(TransactionMachine::new(Arc::new(transaction_settings())), sim.planted);
    for stored in coverage::as_cleaned(sim, &sim.transaction_log) {
        transaction_log::read_batch(&stored.batch(), |record| machine.load(record))
            .expect("what was written can be read");
    }
    let leader_epoch = sim.transaction_log.leader_epoch();
    let journal = SimJournal { log: sim.transaction_log.clone(), leader_epoch, write: write_transactions };
    let (handle, election) = sim.transactions.elect(machine, journal, sim.clock(), 5_000, Some(lost()));
    sim.spawn(markers::work(sim.clone(), handle, election, leader_epoch));
}

/// A leadership that is lost is not regained but elected anew.
fn lost<M: StateMachine>() -> Reload<M> {
    Box::new(|| Box::pin(async { Err(JournalError::NotLeader) }))
}

/// Short times, so that much happens.
pub fn group_settings() -> group::Settings {
    group::Settings {
        group_initial_rebalance_delay_ms: 300,
        offsets_retention_minutes: 5,
        offsets_retention_check_interval_ms: 30_000,
        offsets_commit_timeout_ms: 2_000,
        ..group::Settings::default()
    }
}

/// How long a transactional id may be unused.
pub const ID_EXPIRATION_MS: i32 = 600_000;

fn transaction_settings() -> transaction::Settings {
    transaction::Settings {
        transactional_id_expiration_ms: ID_EXPIRATION_MS,
        abort_timed_out_interval_ms: 1_000,
        remove_expired_interval_ms: 30_000,
        transaction_version: AtomicI16::new(TRANSACTION_VERSION),
        ..transaction::Settings::default()
    }
}
