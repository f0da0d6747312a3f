//! The coordinator as the rest of the broker sees it: all partitions of `__transaction_state` that this broker leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::coordinator::{Election, ShardCounts, Shards};
use crate::state_machine::{Changes, Handle, Journal, Reload, SubmitError};
use crate::types::{Clock, Millis, ProducerId};

use super::machine::{Command, Reply, Settings, TransactionMachine, Work};
use super::records::Record;
use super::txn::Producer;

/// How long an append may take to be replicated: as Kafka's `request.timeout.ms` by default.
const COMMIT_TIMEOUT: Millis = Millis(30_000);

/// All transactions that this broker coordinates.
pub struct Transactions {
    pub(super) settings: Arc<Settings>,
    pub(super) shards: Shards<TransactionMachine>,
    ends: Arc<Ends>,
}

/// Ends that were completed here, for those who wait for one.
#[derive(Default)]
struct Ends {
    count: AtomicU64,
    changes: Changes,
}

impl Transactions {
    /// Coordinates nothing yet; the machines will run on `runtime`.
    pub fn new(settings: Settings, clock: Clock, runtime: tokio::runtime::Handle) -> Transactions {
        let shards = Shards::new(clock, runtime, COMMIT_TIMEOUT);
        Transactions { settings: Arc::new(settings), shards, ends: Arc::default() }
    }

    /// `__transaction_state` has this many partitions.
    pub fn set_partition_count(&self, partitions: i32) {
        self.shards.set_partition_count(partitions);
    }

    /// The cluster has finalised `transaction.version` at that level.
    pub fn set_transaction_version(&self, level: i16) {
        self.settings.transaction_version.store(level, Ordering::Release);
    }

    /// The level at which the cluster has finalised `transaction.version`.
    pub fn transaction_version(&self) -> i16 {
        self.settings.transaction_version.load(Ordering::Acquire)
    }

    /// The partition of `__transaction_state` that a transactional id belongs to, if the topic exists.
    pub fn partition_for(&self, id: &str) -> Option<i32> {
        self.shards.partition_for(id)
    }

    /// This broker leads the partition and begins to read it. An earlier leadership of it ends here.
    pub fn begin(&self, partition: i32) -> Election {
        self.shards.begin(partition)
    }

    /// An empty machine, to be filled with [`TransactionMachine::load`].
    pub fn machine(&self) -> TransactionMachine {
        TransactionMachine::new(self.settings.clone())
    }

    /// The partition has been read into `machine`: coordinate from now on. Answers where the work of the partition is
    /// to be asked for; `None` if the leadership has ended meanwhile.
    pub fn elect<J>(
        &self,
        election: Election,
        machine: TransactionMachine,
        journal: Arc<J>,
        reload: Option<Reload<TransactionMachine>>,
    ) -> Option<Worker>
    where
        J: Journal<Record = Record>,
    {
        let handle = self.shards.elect(election, machine, journal, reload)?;
        Some(Worker { handle, ends: self.ends.clone() })
    }

    /// The load has failed: the partition stays without a coordinator until it is elected again.
    pub fn give_up(&self, election: Election) {
        self.shards.give_up(election);
    }

    /// This broker does not lead the partition any more. Open requests are answered with NOT_COORDINATOR.
    pub fn resign(&self, partition: i32) {
        self.shards.resign(partition);
    }

    /// The partitions led, counted by state.
    pub fn counts(&self) -> ShardCounts {
        self.shards.counts()
    }

    /// Ends all coordination; what is prepared is finished after the next start.
    pub async fn stop(&self) {
        self.shards.stop().await;
    }

    /// How many ends were completed here.
    pub fn ends(&self) -> u64 {
        self.ends.count.load(Ordering::Acquire)
    }

    /// Waits until there are more ends than `before`, but not longer than `limit`.
    pub async fn await_end(&self, before: u64, limit: Duration) {
        // Whoever waits in vain asks again as well.
        let _ = self.ends.changes.answer(limit, || (self.ends() > before).then_some(())).await;
    }

    /// Lets every machine look at a clock that was turned by hand.
    pub async fn wake(&self) {
        self.shards.wake().await;
    }
}

/// Where somebody who writes markers finds the work of one partition, for as long as that is led.
#[derive(Clone)]
pub struct Worker {
    handle: Handle<TransactionMachine>,
    ends: Arc<Ends>,
}

impl Worker {
    /// Waits for work; with `anew` also for what was given out before. `Ok(None)`: there will be none any more. An
    /// error means that work may have got lost on the way, and is to be asked for anew.
    pub async fn next(&self, anew: bool) -> Result<Option<Vec<Work>>, SubmitError> {
        match self.handle.submit(Command::NextWork { anew }).await {
            Ok(Reply::Work(work)) => Ok(Some(work)),
            Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
            Err(SubmitError::Stopped) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All markers of `producer`'s prepared transaction stand.
    pub async fn completed(&self, id: &Arc<str>, producer: Producer) -> Result<(), SubmitError> {
        self.handle.submit(Command::Completed { id: id.clone(), producer }).await?;
        self.ends.count.fetch_add(1, Ordering::AcqRel);
        self.ends.changes.tell();
        Ok(())
    }

    /// Aborts the timed-out transaction of `producer`, whose epochs are used up, in favour of a fresh id.
    pub async fn time_out(&self, id: &Arc<str>, producer: Producer, fresh: ProducerId) -> Result<(), SubmitError> {
        self.handle.submit(Command::TimeOut { id: id.clone(), producer, fresh }).await.map(|_| ())
    }
}
