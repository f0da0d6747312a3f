//! The share partitions that this broker leads: opened when somebody reads them, every change written before it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::config::{ConfigStore, GroupConfig};
use crate::coordinator::share::{Refusal, SharePartitionKey, ShareStates, StateBatch};
use crate::metadata::{ConfigResource, MetadataImage};
use crate::state_machine::{Changes, Deadlines, TimerChange, Waiters};
use crate::types::{Clock, ErrorCode, LeaderEpoch, Millis, Offset, TopicId, TopicIdPartition};

use super::acknowledge::{AckError, Acknowledgement};
use super::partition::{Begun, Limits, SharePartition};
use super::session::{Departed, ShareSessions};

/// Finds where a group begins in a partition that it has not read, as `share.auto.offset.reset` says.
pub type Beginning = Box<dyn FnOnce(&GroupConfig) -> Result<Offset, ErrorCode> + Send>;

/// All share partitions of this broker, and the sessions of those who read them.
pub struct SharePartitions {
    pub sessions: ShareSessions,
    states: Arc<ShareStates>,
    image: Arc<ArcSwap<MetadataImage>>,
    configs: Arc<ConfigStore>,
    clock: Clock,
    runtime: tokio::runtime::Handle,
    open: Mutex<BTreeMap<SharePartitionKey, Arc<Shared>>>,
    /// When the first lock of each share partition times out.
    deadlines: Mutex<Deadlines<SharePartitionKey>>,
    earlier: Notify,
}

/// One share partition, and who waits for it.
pub struct Shared {
    pub key: SharePartitionKey,
    state: Mutex<Status>,
    settled: Changes,
    waiters: Waiters,
    /// Held by whoever writes: the coordinator gets changes in the order in which they are made.
    turn: tokio::sync::Mutex<()>,
}

enum Status {
    Loading,
    Open(Box<SharePartition>),
    /// It could not be loaded, or is not to be used any more.
    Closed(Refusal),
}

impl Shared {
    /// Who waits for the share partition to move.
    pub fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Waits until it is loaded, or could not be; `None` if that takes longer than `limit`.
    pub async fn loaded(&self, limit: Duration) -> Option<Result<(), Refusal>> {
        let look = || match &*self.lock() {
            Status::Loading => None,
            Status::Open(_) => Some(Ok(())),
            Status::Closed(refusal) => Some(Err(refusal.clone())),
        };
        self.settled.answer(limit, look).await
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharePartitions {
    /// No share partition is open. States are those of `states`, tasks run on `runtime`.
    pub fn new(
        sessions: ShareSessions,
        states: Arc<ShareStates>,
        image: Arc<ArcSwap<MetadataImage>>,
        configs: Arc<ConfigStore>,
        clock: Clock,
        runtime: tokio::runtime::Handle,
    ) -> Arc<SharePartitions> {
        let partitions = Arc::new(SharePartitions {
            sessions,
            states,
            image,
            configs,
            clock,
            runtime,
            open: Mutex::default(),
            deadlines: Mutex::default(),
            earlier: Notify::new(),
        });
        let weak = Arc::downgrade(&partitions);
        partitions.states.on_reset(Box::new(move |key| {
            if let Some(partitions) = weak.upgrade() {
                partitions.close(key, ErrorCode::NotLeaderOrFollower.into());
            }
        }));
        partitions
    }

    /// The configs of a group.
    pub fn config(&self, group: &str) -> GroupConfig {
        self.configs.group_config(&self.image.load().config(&ConfigResource::group(group)))
    }

    /// What a group is allowed.
    pub fn limits(&self, group: &str) -> Limits {
        let config = self.config(group);
        Limits {
            record_locks: config.share_partition_max_record_locks,
            delivery_count: config.share_delivery_count_limit,
            lock_duration: Millis(i64::from(config.share_record_lock_duration_ms)),
            may_renew: config.share_renew_acknowledge_enable,
        }
    }

    /// The share partition, which is loaded if it is not open: then `beginning` says where a group begins that has read
    /// nothing.
    pub fn open(self: &Arc<Self>, key: &SharePartitionKey, epoch: LeaderEpoch, beginning: Beginning) -> Arc<Shared> {
        let mut open = self.lock();
        if let Some(shared) = open.get(key) {
            return shared.clone();
        }
        let shared = Arc::new(Shared {
            key: key.clone(),
            state: Mutex::new(Status::Loading),
            settled: Changes::default(),
            waiters: Waiters::default(),
            turn: tokio::sync::Mutex::default(),
        });
        open.insert(key.clone(), shared.clone());
        drop(open);
        let (partitions, loading) = (self.clone(), shared.clone());
        self.runtime.spawn(async move {
            let loaded = partitions.load(&loading.key, epoch, beginning).await;
            partitions.loaded(&loading, loaded);
        });
        shared
    }

    async fn load(
        &self,
        key: &SharePartitionKey,
        epoch: LeaderEpoch,
        beginning: Beginning,
    ) -> Result<SharePartition, Refusal> {
        let read = self.states.read(key.clone(), epoch).await.map_err(told)?;
        let start = match read.start_offset {
            Offset::NONE => beginning(&self.config(&key.group)).map_err(Refusal::from)?,
            start => start,
        };
        SharePartition::load(start, &read, epoch).map_err(|error| {
            tracing::error!("share partition {key} cannot be loaded: {error}");
            ErrorCode::UnknownServerError.into()
        })
    }

    fn loaded(&self, shared: &Arc<Shared>, loaded: Result<SharePartition, Refusal>) {
        match loaded {
            Ok(partition) => {
                let mut status = shared.lock();
                if matches!(*status, Status::Loading) {
                    *status = Status::Open(Box::new(partition));
                }
            }
            Err(refusal) => self.close_if(shared, refusal),
        }
        shared.settled.tell();
        shared.waiters.wake();
    }

    /// Looks at a share partition, or changes it, if it is open.
    pub fn with<T>(&self, shared: &Shared, act: impl FnOnce(&mut SharePartition) -> T) -> Option<T> {
        let mut status = shared.lock();
        let Status::Open(partition) = &mut *status else { return None };
        let outcome = act(partition);
        self.schedule(&shared.key, partition.next_deadline());
        Some(outcome)
    }

    /// What a member says of records it has. An answer comes once it is written; it goes on if nobody waits for it.
    pub async fn acknowledge(
        self: &Arc<Self>,
        key: &SharePartitionKey,
        member: &Arc<str>,
        said: Vec<Acknowledgement>,
    ) -> Result<(), Refusal> {
        let shared = self.lock().get(key).cloned().ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let (limits, now) = (self.limits(&key.group), self.clock.monotonic());
        let begun = self.with(&shared, |partition| partition.acknowledge(member, &said, &limits, now));
        match begun.ok_or(ErrorCode::UnknownTopicOrPartition)? {
            Ok(begun) => self.write(shared, begun).await,
            Err(AckError::State(message)) => Err(refusal(ErrorCode::InvalidRecordState, message)),
            Err(AckError::Request(message)) => Err(refusal(ErrorCode::InvalidRequest, message)),
        }
    }

    /// Ends a session, and gives back what its member has.
    pub fn end_session(self: &Arc<Self>, group: &Arc<str>, member: &Arc<str>) {
        if let Some(partitions) = self.sessions.remove(group, member) {
            self.release(group, member, &partitions);
        }
    }

    /// A connection has ended: what the member of its session has is given back.
    pub fn disconnected(self: &Arc<Self>, connection: u64) {
        let Some(Departed { group, member, partitions, group_is_empty }) = self.sessions.disconnected(connection)
        else {
            return;
        };
        let partitions = self.release(&group, &member, &partitions);
        if group_is_empty {
            let this = self.clone();
            self.runtime.spawn(async move {
                for written in partitions {
                    // What could not be written is read back as it was.
                    let _ = written.await;
                }
                // Somebody may have come meanwhile.
                if !this.sessions.has_members(&group) {
                    this.close_where(|key| key.group == group, ErrorCode::NotLeaderOrFollower);
                }
            });
        }
    }

    fn release(
        self: &Arc<Self>,
        group: &Arc<str>,
        member: &Arc<str>,
        partitions: &[TopicIdPartition],
    ) -> Vec<tokio::task::JoinHandle<Result<(), Refusal>>> {
        let limits = self.limits(group);
        let mut written = Vec::new();
        for TopicIdPartition { topic_id, partition } in partitions {
            let key = SharePartitionKey::new(group.clone(), *topic_id, *partition);
            let Some(shared) = self.lock().get(&key).cloned() else { continue };
            if let Some(begun) = self.with(&shared, |partition| partition.release(member, &limits)) {
                let this = self.clone();
                written.push(self.runtime.spawn(async move { this.write(shared, begun).await }));
            }
        }
        written
    }

    /// Writes what was begun and completes it, in a task of its own: whoever asked may go away.
    async fn write(self: &Arc<Self>, shared: Arc<Shared>, begun: Begun) -> Result<(), Refusal> {
        if begun.0.is_empty() {
            return Ok(());
        }
        let this = self.clone();
        let writing = self.runtime.spawn(async move {
            let written = this.persist(&shared, begun.0.clone()).await;
            this.with(&shared, |partition| partition.complete(&begun, written.is_ok()));
            if let Err(refusal) = &written
                && is_fencing(refusal.code)
            {
                this.close_if(&shared, refusal.clone());
            }
            shared.waiters.wake();
            written
        });
        writing.await.unwrap_or_else(|_| Err(ErrorCode::UnknownServerError.into()))
    }

    async fn persist(&self, shared: &Shared, batches: Vec<StateBatch>) -> Result<(), Refusal> {
        let _turn = shared.turn.lock().await;
        let write = self.with(shared, |partition| partition.write(batches)).ok_or(ErrorCode::NotLeaderOrFollower)?;
        self.states.write(shared.key.clone(), write).await.map_err(told)
    }

    /// When the next lock times out.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.deadlines().next()
    }

    /// Waits until a lock times out earlier than the one before.
    pub async fn deadline_moved(&self) {
        self.earlier.notified().await;
    }

    /// Takes back what is locked for too long.
    pub fn expire(self: &Arc<Self>) {
        let now = self.clock.monotonic();
        loop {
            let Some(key) = self.deadlines().pop_due(now) else { return };
            let Some(shared) = self.lock().get(&key).cloned() else { continue };
            let limits = self.limits(&key.group);
            let expired = self.with(&shared, |partition| partition.expire(&limits, now)).unwrap_or_default();
            shared.waiters.wake();
            if !expired.is_empty() {
                let this = self.clone();
                self.runtime.spawn(async move {
                    if let Err(refusal) = this.persist(&shared, expired).await {
                        tracing::debug!("timed-out locks of {} are not written: {}", shared.key, refusal.message);
                    }
                    if this.with(&shared, SharePartition::advance).unwrap_or(false) {
                        shared.waiters.wake();
                    }
                });
            }
        }
    }

    /// This broker does not lead the partition any more, or leads it anew, or it is gone.
    pub fn resign(&self, topic_id: TopicId, partition: i32) {
        self.close_where(|key| key.topic_id == topic_id && key.partition == partition, ErrorCode::NotLeaderOrFollower);
    }

    /// Share groups are switched off.
    pub fn clear(&self) {
        self.sessions.clear();
        self.close_where(|_| true, ErrorCode::NotLeaderOrFollower);
    }

    fn close_where(&self, wanted: impl Fn(&SharePartitionKey) -> bool, why: ErrorCode) {
        let keys: Vec<_> = self.lock().keys().filter(|key| wanted(key)).cloned().collect();
        keys.iter().for_each(|key| self.close(key, why.into()));
    }

    fn close(&self, key: &SharePartitionKey, why: Refusal) {
        let shared = self.lock().get(key).cloned();
        if let Some(shared) = shared {
            self.close_if(&shared, why);
        }
    }

    /// Closes a share partition, unless another one has taken its place already.
    fn close_if(&self, shared: &Arc<Shared>, why: Refusal) {
        let mut open = self.lock();
        if open.get(&shared.key).is_some_and(|other| Arc::ptr_eq(other, shared)) {
            open.remove(&shared.key);
            self.deadlines().apply(TimerChange::Cancel(shared.key.clone()));
        }
        drop(open);
        *shared.lock() = Status::Closed(why);
        shared.settled.tell();
        shared.waiters.wake();
    }

    fn schedule(&self, key: &SharePartitionKey, at: Option<Millis>) {
        let mut deadlines = self.deadlines();
        if deadlines.when(key) == at {
            return;
        }
        let before = deadlines.next();
        deadlines.apply(match at {
            Some(at) => TimerChange::Set(key.clone(), at),
            None => TimerChange::Cancel(key.clone()),
        });
        let after = deadlines.next();
        drop(deadlines);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.earlier.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SharePartitionKey, Arc<Shared>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deadlines(&self) -> MutexGuard<'_, Deadlines<SharePartitionKey>> {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(code: ErrorCode, message: &str) -> Refusal {
    Refusal { code, message: message.to_owned() }
}

/// What members are told when the coordinator of states refuses.
fn told(refused: Refusal) -> Refusal {
    let code = match refused.code {
        ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::FencedLeaderEpoch | ErrorCode::FencedStateEpoch => ErrorCode::NotLeaderOrFollower,
        code @ (ErrorCode::GroupIdNotFound | ErrorCode::UnknownTopicOrPartition) => code,
        _ => ErrorCode::UnknownServerError,
    };
    Refusal { code, ..refused }
}

/// Whether somebody else has the share partition now, or nobody.
fn is_fencing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NotLeaderOrFollower | ErrorCode::GroupIdNotFound | ErrorCode::UnknownTopicOrPartition)
}
