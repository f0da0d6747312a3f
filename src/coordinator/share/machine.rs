//! The coordinator of one partition of `__share_group_state` as a state machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::BrokerConfig;
use crate::state_machine::{JournalError, Now, Outcome, StateMachine, Ticket, TimerChange};
use crate::types::{ErrorCode, LeaderEpoch, Millis, Offset, TopicId};

use super::calls::{ReadState, Refusal, Summary};
use super::combine::combine;
use super::key::SharePartitionKey;
use super::records::{Change, Record};
use super::state::{ShareState, StateBatch, StateUpdate};

/// What the coordinator obeys.
#[derive(Debug)]
pub struct Settings {
    /// `share.coordinator.snapshot.update.records.per.snapshot`
    pub updates_per_snapshot: i32,
    /// Whether `share.version` is finalised at a level with share groups.
    pub share_groups_enabled: AtomicBool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { updates_per_snapshot: 500, share_groups_enabled: AtomicBool::new(false) }
    }
}

impl From<&BrokerConfig> for Settings {
    fn from(config: &BrokerConfig) -> Settings {
        Settings {
            updates_per_snapshot: config.share_coordinator_snapshot_update_records_per_snapshot,
            share_groups_enabled: AtomicBool::new(false),
        }
    }
}

/// What the leader of a share partition has to say of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Older ones than that of the state are refused; -1 is not checked.
    pub state_epoch: i32,
    /// Older ones than the newest that was seen are refused; [`LeaderEpoch::NONE`] is not checked.
    pub leader_epoch: LeaderEpoch,
    /// [`Offset::NONE`] where it stays.
    pub start_offset: Offset,
    pub delivery_complete_count: i32,
    pub batches: Vec<StateBatch>,
}

/// What the coordinator can be asked.
#[derive(Clone, Debug)]
pub enum Command {
    Of {
        key: SharePartitionKey,
        /// Whether the cluster has this partition of the topic.
        exists: bool,
        ask: Ask,
    },
    /// Answered with whether there is more to do, for which it is to be asked again.
    TopicsDeleted(Arc<[TopicId]>),
}

/// What it can be asked of one share partition.
#[derive(Clone, Debug)]
pub enum Ask {
    Initialize { state_epoch: i32, start_offset: Offset },
    Read { leader_epoch: LeaderEpoch },
    Write(Write),
    Delete,
    Summary,
}

/// The answer to the command of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Done(Result<(), Refusal>),
    Read(Result<ReadState, Refusal>),
    Summary(Result<Summary, Refusal>),
    TopicsDeleted { more: bool },
}

/// What the coordinator waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// The next look for states without a recent snapshot.
    Cold,
}

/// The hard state: what the log says.
#[derive(Debug)]
pub struct ShareMachine {
    settings: Arc<Settings>,
    states: BTreeMap<SharePartitionKey, Known>,
}

/// What is known of one share partition.
#[derive(Clone, PartialEq, Debug)]
struct Known {
    state: ShareState,
    /// The newest leader that wrote or read.
    newest_leader: LeaderEpoch,
    /// The highest state epoch of a snapshot, if there was one.
    newest_state: Option<i32>,
    /// Updates since the last snapshot that was due for their number.
    updates: i32,
}

/// What dies with the leadership.
#[derive(Default, Debug)]
pub struct Live {
    /// Where the next stretch of the look for cold states begins.
    cold_from: Option<SharePartitionKey>,
}

/// How often cold states get a snapshot, and how old those are that get one.
const COLD_INTERVAL: Millis = Millis(300_000);
/// How long the look waits after its snapshots could not be written.
const RETRY_AFTER: Millis = Millis(1_000);
/// Records written at a time, so that they fit into a batch; the rest follows at once.
const RECORDS_AT_A_TIME: usize = 500;
/// The batches of states in the records that are written at a time.
const BATCHES_AT_A_TIME: usize = 10_000;

impl ShareMachine {
    /// A coordinator of nothing.
    pub fn new(settings: Arc<Settings>) -> ShareMachine {
        ShareMachine { settings, states: BTreeMap::new() }
    }

    /// Takes over one record of the log, in order of the offsets.
    pub fn load(&mut self, record: &Record) {
        match &record.change {
            Change::Snapshot(state) => self.load_snapshot(&record.key, state),
            Change::Update(update) => self.load_update(&record.key, update),
            Change::Forgotten => {
                self.states.remove(&record.key);
            }
        }
    }

    fn load_snapshot(&mut self, key: &SharePartitionKey, state: &ShareState) {
        let before = self.states.get(key);
        let newest_leader = before.map_or(state.leader_epoch, |known| known.newest_leader.max(state.leader_epoch));
        let newest_state = before.and_then(|known| known.newest_state).max(Some(state.state_epoch));
        let updates = before.map_or(0, |known| known.updates);
        let updates = if updates >= self.settings.updates_per_snapshot { 0 } else { updates };
        self.states.insert(key.clone(), Known { state: state.clone(), newest_leader, newest_state, updates });
    }

    fn load_update(&mut self, key: &SharePartitionKey, update: &StateUpdate) {
        match self.states.get_mut(key) {
            Some(known) => {
                known.state = known.state.updated(update);
                known.newest_leader = known.newest_leader.max(update.leader_epoch);
                known.updates = known.updates.saturating_add(1);
            }
            None => {
                let (state, newest_leader) = (ShareState::from(update), update.leader_epoch);
                self.states.insert(key.clone(), Known { state, newest_leader, newest_state: None, updates: 1 });
            }
        }
    }

    fn initialize(
        &self,
        key: &SharePartitionKey,
        exists: bool,
        state_epoch: i32,
        start_offset: Offset,
        now: Millis,
    ) -> Result<Change, Refusal> {
        in_partition(key)?;
        let known = self.states.get(key);
        if known.is_some_and(|known| known.fences_state(state_epoch)) {
            return Err(ErrorCode::FencedStateEpoch.into());
        }
        in_cluster(exists)?;
        Ok(Change::Snapshot(ShareState {
            snapshot_epoch: known.map_or(0, |known| known.state.snapshot_epoch.saturating_add(1)),
            state_epoch,
            leader_epoch: LeaderEpoch(0),
            start_offset,
            // Nothing is delivered before an offset is known.
            delivery_complete_count: if start_offset == Offset::NONE { -1 } else { 0 },
            batches: Vec::new(),
            created: now,
            written: now,
        }))
    }

    fn read(
        &self,
        key: &SharePartitionKey,
        exists: bool,
        leader_epoch: LeaderEpoch,
        now: Millis,
    ) -> Result<(ReadState, Option<Change>), Refusal> {
        in_partition(key)?;
        let known = self.states.get(key).ok_or(Refusal::uninitialized("Read"))?;
        if known.fences_leader(leader_epoch) {
            return Err(ErrorCode::FencedLeaderEpoch.into());
        }
        in_cluster(exists)?;
        let state = &known.state;
        let read = ReadState {
            state_epoch: state.state_epoch,
            start_offset: state.start_offset,
            batches: state.batches.clone(),
        };
        let is_new_leader = leader_epoch != LeaderEpoch::NONE && leader_epoch != known.newest_leader;
        let change = is_new_leader.then(|| {
            let write = Write {
                state_epoch: state.state_epoch,
                leader_epoch,
                start_offset: state.start_offset,
                delivery_complete_count: state.delivery_complete_count,
                batches: Vec::new(),
            };
            self.change(known, write, leader_epoch, now)
        });
        Ok((read, change))
    }

    fn write(&self, key: &SharePartitionKey, exists: bool, write: Write, now: Millis) -> Result<Change, Refusal> {
        in_partition(key)?;
        let known = self.states.get(key).ok_or(Refusal::uninitialized("Write"))?;
        if known.fences_leader(write.leader_epoch) {
            return Err(ErrorCode::FencedLeaderEpoch.into());
        }
        if known.fences_state(write.state_epoch) {
            return Err(ErrorCode::FencedStateEpoch.into());
        }
        in_cluster(exists)?;
        if write.batches.iter().any(|batch| batch.last < batch.first) {
            return Err(ErrorCode::InvalidRequest.into());
        }
        Ok(self.change(known, write, known.state.leader_epoch, now))
    }

    /// A write as the record that it becomes: a snapshot when there are enough updates, else one more of these.
    fn change(&self, known: &Known, write: Write, leader_epoch: LeaderEpoch, now: Millis) -> Change {
        let Write { start_offset, delivery_complete_count, batches, .. } = write;
        let state = &known.state;
        let batches = combine(&[], &batches, start_offset);
        let update = StateUpdate {
            snapshot_epoch: state.snapshot_epoch,
            leader_epoch,
            start_offset,
            delivery_complete_count,
            batches,
        };
        if known.updates < self.settings.updates_per_snapshot {
            return Change::Update(update);
        }
        Change::Snapshot(ShareState {
            snapshot_epoch: state.snapshot_epoch.saturating_add(1),
            created: now,
            written: now,
            ..state.updated(&update)
        })
    }

    fn delete(&self, key: &SharePartitionKey, exists: bool) -> Result<Option<Change>, Refusal> {
        in_partition(key)?;
        in_cluster(exists)?;
        Ok(self.states.contains_key(key).then_some(Change::Forgotten))
    }

    fn summary(&self, key: &SharePartitionKey, exists: bool) -> Result<Summary, Refusal> {
        in_partition(key)?;
        in_cluster(exists)?;
        Ok(self.states.get(key).map_or(Summary::UNINITIALIZED, |known| Summary {
            state_epoch: known.state.state_epoch,
            leader_epoch: known.state.leader_epoch,
            start_offset: known.state.start_offset,
            delivery_complete_count: known.state.delivery_complete_count,
        }))
    }

    fn ask(&self, key: &SharePartitionKey, exists: bool, ask: Ask, now: Millis) -> (Reply, Option<Change>) {
        let done = |decided: Result<Option<Change>, Refusal>| match decided {
            Ok(change) => (Reply::Done(Ok(())), change),
            Err(refusal) => (Reply::Done(Err(refusal)), None),
        };
        match ask {
            Ask::Initialize { state_epoch, start_offset } => {
                done(self.initialize(key, exists, state_epoch, start_offset, now).map(Some))
            }
            Ask::Read { leader_epoch } => match self.read(key, exists, leader_epoch, now) {
                Ok((read, change)) => (Reply::Read(Ok(read)), change),
                Err(refusal) => (Reply::Read(Err(refusal)), None),
            },
            Ask::Write(write) => done(self.write(key, exists, write, now).map(Some)),
            Ask::Delete => done(self.delete(key, exists)),
            Ask::Summary => (Reply::Summary(self.summary(key, exists)), None),
        }
    }

    fn forget_topics(&self, ticket: Ticket, topics: &[TopicId]) -> Outcome<ShareMachine> {
        let mut gone = self.states.keys().filter(|key| topics.contains(&key.topic_id));
        let forgotten = |key: &SharePartitionKey| Record { key: key.clone(), change: Change::Forgotten };
        let records = gone.by_ref().take(RECORDS_AT_A_TIME).map(forgotten).collect();
        let more = gone.next().is_some();
        Outcome { records, replies: vec![(ticket, Reply::TopicsDeleted { more })], ..Outcome::default() }
    }

    /// One stretch of snapshots of the states that have no recent one, so that the log can be cut in front of them. While
    /// all states are at rest there is nothing to be won.
    fn snapshot_cold(&self, live: &mut Live, now: Now) -> Outcome<ShareMachine> {
        let mut outcome = Outcome::default();
        let from = live.cold_from.take();
        let is_at_rest = |known: &Known| known.state.created != known.state.written;
        if from.is_none() && self.states.values().all(is_at_rest) {
            outcome.set(Timer::Cold, now.monotonic + COLD_INTERVAL);
            return outcome;
        }
        let mut batches = 0;
        for (key, known) in self.states.iter().filter(|(key, _)| from.as_ref().is_none_or(|from| *key >= from)) {
            if now.wall - known.state.written < COLD_INTERVAL {
                continue;
            }
            if outcome.records.len() >= RECORDS_AT_A_TIME || batches >= BATCHES_AT_A_TIME {
                live.cold_from = Some(key.clone());
                outcome.set(Timer::Cold, now.monotonic);
                return outcome;
            }
            batches += known.state.batches.len();
            let snapshot_epoch = known.state.snapshot_epoch.saturating_add(1);
            let state = ShareState { snapshot_epoch, written: now.wall, ..known.state.clone() };
            outcome.records.push(Record { key: key.clone(), change: Change::Snapshot(state) });
        }
        outcome.set(Timer::Cold, now.monotonic + COLD_INTERVAL);
        outcome
    }
}

impl Known {
    fn fences_leader(&self, asked: LeaderEpoch) -> bool {
        asked != LeaderEpoch::NONE && asked < self.newest_leader
    }

    fn fences_state(&self, asked: i32) -> bool {
        asked != -1 && self.newest_state.is_some_and(|newest| asked < newest)
    }
}

impl StateMachine for ShareMachine {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Timer = Timer;
    type Live = Live;

    fn start(&self, _: &mut Live, now: Now) -> Outcome<ShareMachine> {
        let mut outcome = Outcome::default();
        outcome.set(Timer::Cold, now.monotonic + COLD_INTERVAL);
        outcome
    }

    fn decide(&self, _: &mut Live, ticket: Ticket, command: Command, now: Now) -> Outcome<ShareMachine> {
        match command {
            Command::Of { key, exists, ask } => {
                let (reply, change) = self.ask(&key, exists, ask, now.wall);
                let mut outcome = Outcome::reply(ticket, reply);
                outcome.records.extend(change.map(|change| Record { key, change }));
                outcome
            }
            Command::TopicsDeleted(topics) => self.forget_topics(ticket, &topics),
        }
    }

    fn expire(&self, live: &mut Live, timer: Timer, now: Now) -> Outcome<ShareMachine> {
        match timer {
            Timer::Cold if self.settings.share_groups_enabled.load(Ordering::Acquire) => self.snapshot_cold(live, now),
            Timer::Cold => self.start(live, now),
        }
    }

    fn replay(&mut self, _: &mut Live, record: &Record) {
        self.load(record);
    }

    /// Only the look for cold states sets a timer: it goes on later.
    fn abandon(
        &self,
        _: &mut Live,
        failed: &Outcome<ShareMachine>,
        _: &JournalError,
        now: Now,
    ) -> Outcome<ShareMachine> {
        let later = |change: &TimerChange<Timer>| match change {
            TimerChange::Set(timer, at) => TimerChange::Set(*timer, (*at).max(now.monotonic + RETRY_AFTER)),
            TimerChange::Cancel(timer) => TimerChange::Cancel(*timer),
        };
        Outcome { timers: failed.timers.iter().map(later).collect(), ..Outcome::default() }
    }
}

fn in_partition(key: &SharePartitionKey) -> Result<(), Refusal> {
    match key.partition {
        0.. => Ok(()),
        _ => Err(Refusal::new(ErrorCode::InvalidRequest, "The partition id cannot be a negative number.")),
    }
}

fn in_cluster(exists: bool) -> Result<(), Refusal> {
    if exists { Ok(()) } else { Err(ErrorCode::UnknownTopicOrPartition.into()) }
}
