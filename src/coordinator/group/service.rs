//! The coordinator as the rest of the broker sees it: all partitions of `__consumer_offsets` that this broker leads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::protocol::StrBytes;
use crate::state_machine::{Changes, Handle, Journal, Options, Reload, Runtime, Stop, SubmitError};
use crate::types::{Clock, ErrorCode, Millis, TopicId, Uuid};

use super::machine::{Command, GroupMachine, Reply, Settings};
use super::records::Record;
use super::undo::error_of;

/// How long a request waits for its partition to be read. It takes milliseconds, unless much was committed.
const LOAD_WAIT: Duration = Duration::from_secs(1);

/// Who is asking: what a group remembers of a member's connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: Arc<str>,
    /// Its address as Java prints one: a slash, then the number.
    pub host: Arc<str>,
}

/// Names one leadership of one partition, so that a late load of an earlier one is not taken for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Election {
    partition: i32,
    number: u64,
}

/// All groups that this broker coordinates.
pub struct Groups {
    pub(super) settings: Arc<Settings>,
    clock: Clock,
    runtime: tokio::runtime::Handle,
    random: fn() -> Uuid,
    /// Partitions of `__consumer_offsets`; 0 until it exists.
    partition_count: AtomicI32,
    elections: AtomicU64,
    shards: Mutex<BTreeMap<i32, Shard>>,
    /// Told when a partition is no longer being read.
    settled: Changes,
}

struct Shard {
    election: Election,
    state: ShardState,
}

enum ShardState {
    Loading,
    Active { handle: Handle<GroupMachine>, task: JoinHandle<()> },
}

impl Groups {
    /// Coordinates nothing yet; the machines will run on `runtime`, and member ids are made unique by `random`.
    pub fn new(settings: Settings, clock: Clock, runtime: tokio::runtime::Handle, random: fn() -> Uuid) -> Groups {
        Groups {
            settings: Arc::new(settings),
            clock,
            runtime,
            random,
            partition_count: AtomicI32::new(0),
            elections: AtomicU64::new(0),
            shards: Mutex::default(),
            settled: Changes::default(),
        }
    }

    /// `__consumer_offsets` has this many partitions.
    pub fn set_partition_count(&self, partitions: i32) {
        self.partition_count.store(partitions, Ordering::Release);
    }

    /// The partition of `__consumer_offsets` that a group belongs to, if the topic exists.
    pub fn partition_for(&self, group: &str) -> Option<i32> {
        match self.partition_count.load(Ordering::Acquire) {
            count @ 1.. => Some(partition_of(group, count)),
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

    /// An empty machine, to be filled with [`GroupMachine::load`].
    pub fn machine(&self) -> GroupMachine {
        GroupMachine::new(self.settings.clone())
    }

    /// The partition has been read into `machine`: coordinate from now on. Without effect if the leadership has ended
    /// meanwhile.
    pub fn elect<J>(
        &self,
        election: Election,
        machine: GroupMachine,
        journal: Arc<J>,
        reload: Option<Reload<GroupMachine>>,
    ) where
        J: Journal<Record = Record>,
    {
        let mut shards = self.lock();
        let Some(shard) = shards.get_mut(&election.partition) else { return };
        if shard.election != election {
            return;
        }
        let commit_timeout = Millis(i64::from(self.settings.offsets_commit_timeout_ms));
        let options = Options { queue: 1024, commit_timeout, reload };
        let (runtime, handle) = Runtime::new(machine, journal, self.clock.clone(), options);
        let task = self.runtime.spawn(runtime.run());
        shard.state = ShardState::Active { handle, task };
        drop(shards);
        self.settled.tell();
    }

    /// The load has failed: the partition stays without a coordinator until it is elected again.
    pub fn give_up(&self, election: Election) {
        let mut shards = self.lock();
        if shards.get(&election.partition).is_some_and(|shard| shard.election == election) {
            let before = shards.remove(&election.partition);
            drop(shards);
            self.settled.tell();
            self.end(before);
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

    /// Offsets of deleted topics leave their groups.
    pub async fn topics_deleted(&self, topics: &[(Arc<str>, TopicId)]) {
        for handle in self.active().into_values() {
            // A coordinator that fails or moves leaves them to the expiry or to its successor.
            while let Ok(Reply::TopicsDeleted { more: true }) =
                handle.submit(Command::TopicsDeleted(topics.to_vec())).await
            {}
        }
    }

    pub(super) async fn submit(&self, group: &str, command: Command) -> Result<Reply, ErrorCode> {
        let partition = self.partition_for(group).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        self.submit_to(partition, command).await
    }

    /// Submits once the partition has been read; while that takes too long, Kafka's error says so.
    pub(super) async fn submit_to(&self, partition: i32, command: Command) -> Result<Reply, ErrorCode> {
        let handle = self.when_loaded(|| self.handle_of(partition)).await?;
        handle.submit(command).await.map_err(|error| code_of(&error))
    }

    /// As [`Groups::submit`], without waiting for the partition to be read.
    pub(super) async fn submit_at_once(&self, group: &str, command: Command) -> Result<Reply, ErrorCode> {
        let partition = self.partition_for(group).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        self.handle_of(partition)?.submit(command).await.map_err(|error| code_of(&error))
    }

    fn handle_of(&self, partition: i32) -> Result<Handle<GroupMachine>, ErrorCode> {
        match self.lock().get(&partition).map(|shard| &shard.state) {
            None => Err(ErrorCode::NotCoordinator),
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

    /// The groups of one request by the partition that answers for them; those without one apart.
    pub(super) fn by_partition(&self, groups: Vec<StrBytes>) -> (BTreeMap<i32, Vec<StrBytes>>, Vec<StrBytes>) {
        let mut shards: BTreeMap<i32, Vec<StrBytes>> = BTreeMap::new();
        let mut homeless = Vec::new();
        for group in groups {
            match self.partition_for(&group) {
                Some(partition) => shards.entry(partition).or_default().push(group),
                None => homeless.push(group),
            }
        }
        (shards, homeless)
    }

    /// The partitions that are coordinated here, once all of them have been read.
    pub(super) async fn all_loaded(&self) -> Result<Vec<i32>, ErrorCode> {
        self.when_loaded(|| {
            let shards = self.lock();
            match shards.values().any(|shard| matches!(shard.state, ShardState::Loading)) {
                true => Err(ErrorCode::CoordinatorLoadInProgress),
                false => Ok(shards.keys().copied().collect()),
            }
        })
        .await
    }

    fn active(&self) -> BTreeMap<i32, Handle<GroupMachine>> {
        let shards = self.lock();
        let active = shards.iter().filter_map(|(partition, shard)| match &shard.state {
            ShardState::Active { handle, .. } => Some((*partition, handle.clone())),
            ShardState::Loading => None,
        });
        active.collect()
    }

    /// Text that no other member id has.
    pub(super) fn unique(&self) -> String {
        uuid::Uuid::from((self.random)()).to_string()
    }

    fn end(&self, shard: Option<Shard>) {
        if let Some(Shard { state: ShardState::Active { handle, .. }, .. }) = shard {
            self.runtime.spawn(async move { handle.stop(Stop::Now).await });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<i32, Shard>> {
        self.shards.lock().expect("no one panics while holding the shards")
    }
}

/// The partition, of `count`, that a group belongs to: Java's hash of the id.
pub fn partition_of(group: &str, count: i32) -> i32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // As Kafka's `Utils.abs`: the one number without a positive counterpart counts as 0.
    hash.checked_abs().unwrap_or(0) % count
}

/// What a client is told when its command has no reply.
pub(super) fn code_of(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::Stopped => ErrorCode::NotCoordinator,
        SubmitError::CommitTimedOut => ErrorCode::CoordinatorNotAvailable,
        SubmitError::Append(why) | SubmitError::Lost(why) => error_of(why),
    }
}
