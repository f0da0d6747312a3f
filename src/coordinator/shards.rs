//! The partitions of a coordinator's topic that this broker leads: which of them are being read, and the machine that
//! runs over each of the others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::state_machine::{
    Changes, Handle, Journal, JournalError, Options, Reload, Runtime, StateMachine, Stop, SubmitError,
};
use crate::types::{Clock, ErrorCode, Millis};

/// How long a request waits for its partition to be read. It takes milliseconds, unless much was written.
const LOAD_WAIT: Duration = Duration::from_secs(1);

/// Names one leadership of one partition, so that a late load of an earlier one is not taken for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Election {
    partition: i32,
    number: u64,
}

/// One machine for each partition led.
pub struct Shards<M: StateMachine> {
    clock: Clock,
    runtime: tokio::runtime::Handle,
    commit_timeout: Millis,
    /// Partitions of the topic; 0 until it exists.
    partition_count: AtomicI32,
    elections: AtomicU64,
    shards: Mutex<BTreeMap<i32, Shard<M>>>,
    /// Told when a partition is no longer being read.
    settled: Changes,
}

struct Shard<M: StateMachine> {
    election: Election,
    state: ShardState<M>,
}

enum ShardState<M: StateMachine> {
    Loading,
    Active {
        handle: Handle<M>,
        task: JoinHandle<()>,
    },
    /// It could not be read.
    Failed,
}

impl<M: StateMachine> Shard<M> {
    /// Whether a machine runs over it: it was read, and has not been lost since.
    fn is_active(&self) -> bool {
        matches!(&self.state, ShardState::Active { task, .. } if !task.is_finished())
    }
}

/// How many of the partitions led are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ShardCounts {
    pub loading: usize,
    pub active: usize,
    pub failed: usize,
}

impl<M: StateMachine> Shards<M> {
    /// No partition yet; the machines will run on `runtime`, and their replies wait at most `commit_timeout`.
    pub fn new(clock: Clock, runtime: tokio::runtime::Handle, commit_timeout: Millis) -> Shards<M> {
        Shards {
            clock,
            runtime,
            commit_timeout,
            partition_count: AtomicI32::new(0),
            elections: AtomicU64::new(0),
            shards: Mutex::default(),
            settled: Changes::default(),
        }
    }

    /// The topic has this many partitions.
    pub fn set_partition_count(&self, partitions: i32) {
        self.partition_count.store(partitions, Ordering::Release);
    }

    /// The partition that a key belongs to, if the topic exists.
    pub fn partition_for(&self, key: &str) -> Option<i32> {
        match self.partition_count.load(Ordering::Acquire) {
            count @ 1.. => Some(partition_of(key, count)),
            _ => None,
        }
    }

    /// This broker leads the partition and begins to read it. An earlier leadership of it ends here.
    pub fn begin(&self, partition: i32) -> Election {
        let election = Election { partition, number: self.elections.fetch_add(1, Ordering::Relaxed) };
        let before = self.lock().insert(partition, Shard { election, state: ShardState::Loading });
        self.end(before);
        election
    }

    /// The partition has been read into `machine`: coordinate from now on. `None`, and no effect, if the leadership
    /// has ended meanwhile.
    pub fn elect<J>(
        &self,
        election: Election,
        machine: M,
        journal: Arc<J>,
        reload: Option<Reload<M>>,
    ) -> Option<Handle<M>>
    where
        J: Journal<Record = M::Record>,
    {
        let mut shards = self.lock();
        let shard = shards.get_mut(&election.partition).filter(|shard| shard.election == election)?;
        let options = Options { queue: 1024, commit_timeout: self.commit_timeout, reload };
        let (runtime, handle) = Runtime::new(machine, journal, self.clock.clone(), options);
        let task = self.runtime.spawn(runtime.run());
        shard.state = ShardState::Active { handle: handle.clone(), task };
        drop(shards);
        self.settled.tell();
        Some(handle)
    }

    /// The load has failed: the partition stays without a coordinator until it is elected again.
    pub fn give_up(&self, election: Election) {
        let mut shards = self.lock();
        if let Some(shard) = shards.get_mut(&election.partition).filter(|shard| shard.election == election) {
            shard.state = ShardState::Failed;
            drop(shards);
            self.settled.tell();
        }
    }

    /// This broker does not lead the partition any more. Open requests are answered with NOT_COORDINATOR.
    pub fn resign(&self, partition: i32) {
        let before = self.lock().remove(&partition);
        self.settled.tell();
        self.end(before);
    }

    /// Ends all coordination: what is queued is decided and committed, what is parked is sent away.
    pub async fn stop(&self) {
        let shards = std::mem::take(&mut *self.lock());
        self.settled.tell();
        for shard in shards.into_values() {
            if let ShardState::Active { handle, task } = shard.state {
                handle.stop(Stop::Drain).await;
                // A machine that panicked has nothing left to stop.
                let _ = task.await;
            }
        }
    }

    /// Lets every machine look at a clock that was turned by hand.
    pub async fn wake(&self) {
        for handle in self.active().into_values() {
            handle.wake().await;
        }
    }

    /// Submits to the machine that a key belongs to, once its partition has been read.
    pub async fn submit(&self, key: &str, command: M::Command) -> Result<M::Reply, ErrorCode> {
        let partition = self.partition_for(key).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        self.submit_to(partition, command).await
    }

    /// Submits once the partition has been read; while that takes too long, Kafka's error says so.
    pub async fn submit_to(&self, partition: i32, command: M::Command) -> Result<M::Reply, ErrorCode> {
        let handle = self.when_loaded(|| self.handle_of(partition)).await?;
        handle.submit(command).await.map_err(|error| code_of(&error))
    }

    /// As [`Shards::submit`], without waiting for the partition to be read.
    pub async fn submit_at_once(&self, key: &str, command: M::Command) -> Result<M::Reply, ErrorCode> {
        let partition = self.partition_for(key).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        self.handle_of(partition)?.submit(command).await.map_err(|error| code_of(&error))
    }

    /// The partitions that are coordinated here, once all of them have been read.
    pub async fn all_loaded(&self) -> Result<Vec<i32>, ErrorCode> {
        self.when_loaded(|| {
            let shards = self.lock();
            match shards.values().any(|shard| matches!(shard.state, ShardState::Loading)) {
                true => Err(ErrorCode::CoordinatorLoadInProgress),
                false => Ok(shards.iter().filter(|(_, shard)| shard.is_active()).map(|(index, _)| *index).collect()),
            }
        })
        .await
    }

    /// The machines that run, by partition.
    pub fn active(&self) -> BTreeMap<i32, Handle<M>> {
        let shards = self.lock();
        let active = shards.iter().filter_map(|(partition, shard)| match &shard.state {
            ShardState::Active { handle, .. } => Some((*partition, handle.clone())),
            ShardState::Loading | ShardState::Failed => None,
        });
        active.collect()
    }

    /// The partitions led, counted by state.
    pub fn counts(&self) -> ShardCounts {
        let mut counts = ShardCounts::default();
        for shard in self.lock().values() {
            match shard.state {
                ShardState::Loading => counts.loading += 1,
                _ if shard.is_active() => counts.active += 1,
                _ => counts.failed += 1,
            }
        }
        counts
    }

    fn handle_of(&self, partition: i32) -> Result<Handle<M>, ErrorCode> {
        match self.lock().get(&partition).map(|shard| &shard.state) {
            None | Some(ShardState::Failed) => Err(ErrorCode::NotCoordinator),
            Some(ShardState::Loading) => Err(ErrorCode::CoordinatorLoadInProgress),
            Some(ShardState::Active { handle, .. }) => Ok(handle.clone()),
        }
    }

    /// Asks again while the answer is that something is being read.
    async fn when_loaded<T>(&self, ask: impl Fn() -> Result<T, ErrorCode>) -> Result<T, ErrorCode> {
        let unless_loading = || match ask() {
            Err(ErrorCode::CoordinatorLoadInProgress) => None,
            answer => Some(answer),
        };
        let answer = self.settled.answer(LOAD_WAIT, unless_loading).await;
        answer.unwrap_or(Err(ErrorCode::CoordinatorLoadInProgress))
    }

    fn end(&self, shard: Option<Shard<M>>) {
        if let Some(Shard { state: ShardState::Active { handle, .. }, .. }) = shard {
            self.runtime.spawn(async move { handle.stop(Stop::Now).await });
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Shard<M>>> {
        self.shards.lock().expect("no one panics while holding the shards")
    }
}

/// The partition, of `count`, that a group or a transactional id belongs to: Java's hash of the text.
pub fn partition_of(key: &str, count: i32) -> i32 {
    let hash = key.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // As Kafka's `Utils.abs`: the one number without a positive counterpart counts as 0.
    hash.checked_abs().unwrap_or(0) % count
}

/// What a client is told when its command has no reply.
fn code_of(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::Stopped => ErrorCode::NotCoordinator,
        SubmitError::CommitTimedOut => ErrorCode::CoordinatorNotAvailable,
        SubmitError::Append(why) | SubmitError::Lost(why) => error_of(why),
    }
}

/// What a client is told when its change could not be written.
pub fn error_of(why: &JournalError) -> ErrorCode {
    match why {
        JournalError::NotLeader | JournalError::Storage(_) => ErrorCode::NotCoordinator,
        JournalError::NotEnoughReplicas | JournalError::Unavailable => ErrorCode::CoordinatorNotAvailable,
        JournalError::TooLarge { .. } => ErrorCode::UnknownServerError,
        JournalError::Refused(code) => *code,
    }
}
