//! The coordinator of one partition of `__consumer_offsets` as a state machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::BrokerConfig;
use crate::log::producer_state::VerificationGuard;
use crate::protocol::StrBytes;
use crate::protocol::control::TxnMarker;
use crate::protocol::messages::{
    ConsumerGroupHeartbeatResponse, DeleteGroupsResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupResponse,
    LeaveGroupResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    SyncGroupRequest, SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    consumer_group_describe_response::DescribedGroup as DescribedConsumerGroup,
    describe_groups_response::DescribedGroup, leave_group_request::MemberIdentity, list_groups_response::ListedGroup,
    offset_fetch_request::OffsetFetchRequestGroup, offset_fetch_response::OffsetFetchResponseGroup,
};
use crate::protocol::newer::StreamsDescribedGroup;
use crate::state_machine::{JournalError, Now, Outcome, StateMachine, Ticket, TimerChange};
use crate::types::{Millis, TopicId};

use super::assignor::Assignor;
use super::classic::Group;
use super::consumer::{Change, ConsumerBeat, ConsumerGroup, ConsumerLive, MigrationPolicy};
use super::join::JoinCommand;
use super::records::{CommittedOffset, GroupSnapshot, Record};
use super::share::{ShareChange, ShareCommand, ShareGroup, ShareLive, ShareReply};
use super::streams::{self, StreamsAnswer, StreamsBeat, StreamsGroup, StreamsLive};
use super::surroundings::Surroundings;
use super::transactions::OpenTransactions;
use super::undo::Undo;

/// The settings that the coordinator obeys; each is Kafka's key of that name.
#[derive(Clone, Debug)]
pub struct Settings {
    pub group_min_session_timeout_ms: i32,
    pub group_max_session_timeout_ms: i32,
    pub group_initial_rebalance_delay_ms: i32,
    pub group_max_size: i32,
    /// In order of preference; never empty.
    pub group_consumer_assignors: Vec<Assignor>,
    pub group_consumer_max_size: i32,
    pub group_consumer_migration_policy: MigrationPolicy,
    pub group_share_max_size: i32,
    pub group_streams_max_size: i32,
    pub offset_metadata_max_bytes: i32,
    pub offsets_retention_minutes: i32,
    pub offsets_retention_check_interval_ms: i64,
    pub offsets_commit_timeout_ms: i32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 3_000,
            group_max_size: i32::MAX,
            group_consumer_assignors: vec![Assignor::Uniform, Assignor::Range],
            group_consumer_max_size: i32::MAX,
            group_consumer_migration_policy: MigrationPolicy::Bidirectional,
            group_share_max_size: 200,
            group_streams_max_size: i32::MAX,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_minutes: 10_080,
            offsets_retention_check_interval_ms: 600_000,
            offsets_commit_timeout_ms: 5_000,
        }
    }
}

impl From<&BrokerConfig> for Settings {
    fn from(config: &BrokerConfig) -> Settings {
        Settings {
            group_min_session_timeout_ms: config.group_min_session_timeout_ms,
            group_max_session_timeout_ms: config.group_max_session_timeout_ms,
            group_initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms,
            group_max_size: config.group_max_size,
            group_consumer_assignors: assignors(&config.group_consumer_assignors),
            group_consumer_max_size: config.group_consumer_max_size,
            group_consumer_migration_policy: MigrationPolicy::named(&config.group_consumer_migration_policy)
                .unwrap_or(MigrationPolicy::Bidirectional),
            group_share_max_size: config.group_share_max_size,
            group_streams_max_size: config.group_streams_max_size,
            offset_metadata_max_bytes: config.offset_metadata_max_bytes,
            offsets_retention_minutes: config.offsets_retention_minutes,
            offsets_retention_check_interval_ms: config.offsets_retention_check_interval_ms,
            offsets_commit_timeout_ms: config.offsets_commit_timeout_ms,
        }
    }
}

impl Settings {
    /// The assignor where no member asks for one.
    pub fn default_assignor(&self) -> Assignor {
        self.group_consumer_assignors.first().copied().unwrap_or(Assignor::Uniform)
    }
}

/// A config that names others is refused when it is read.
fn assignors(names: &[String]) -> Vec<Assignor> {
    names.iter().filter_map(|name| Assignor::named(name)).collect()
}

/// What the coordinator can be asked.
pub enum Command {
    Join(Box<JoinCommand>),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    ConsumerHeartbeat(Box<ConsumerBeat>),
    ConsumerDescribe(Vec<StrBytes>),
    StreamsHeartbeat(Box<StreamsBeat>),
    StreamsDescribe(Vec<String>),
    Leave { group: StrBytes, members: Vec<MemberIdentity> },
    Commit { request: OffsetCommitRequest, version: i16 },
    CommitInTransaction { request: TxnOffsetCommitRequest, guard: Option<VerificationGuard> },
    EndTransaction(TxnMarker),
    Fetch { group: OffsetFetchRequestGroup, require_stable: bool },
    DeleteOffsets(OffsetDeleteRequest),
    DeleteGroups(Vec<StrBytes>),
    Describe { groups: Vec<StrBytes>, version: i16 },
    List { states: Vec<StrBytes>, types: Vec<StrBytes> },
    TopicsDeleted(Vec<(Arc<str>, TopicId)>),
    Share(ShareCommand),
}

/// The answer to the command of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    ConsumerHeartbeat(ConsumerGroupHeartbeatResponse),
    ConsumerDescribe(Vec<DescribedConsumerGroup>),
    StreamsHeartbeat(Box<StreamsAnswer>),
    StreamsDescribe(Vec<StreamsDescribedGroup>),
    Leave(LeaveGroupResponse),
    Commit(OffsetCommitResponse),
    TxnCommit(TxnOffsetCommitResponse),
    TransactionEnded,
    Fetch(OffsetFetchResponseGroup),
    DeleteOffsets(OffsetDeleteResponse),
    DeleteGroups(DeleteGroupsResponse),
    Describe(Vec<DescribedGroup>),
    List(Vec<ListedGroup>),
    /// Whether some offsets of the topics are still there, because one batch could not take all.
    TopicsDeleted {
        more: bool,
    },
    Share(ShareReply),
}

/// What the coordinator waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// A member's session, or a handed-out member id that nobody has used.
    Session(Arc<str>, Arc<str>),
    /// The end of a group's join phase.
    Join(Arc<str>),
    /// The end of a group's sync phase.
    Sync(Arc<str>),
    /// The end of a member's patience with partitions that it has to give up, in a consumer group.
    Rebalance(Arc<str>, Arc<str>),
    /// A classic member of a consumer group was told to join again.
    MemberJoin(Arc<str>, Arc<str>),
    /// A classic member of a consumer group has joined and is to fetch its assignment.
    MemberSync(Arc<str>, Arc<str>),
    /// The look at all topics for a consumer group's patterns.
    Regexes(Arc<str>),
    /// The end of the time for which a new streams group waits for members.
    InitialRebalance(Arc<str>),
    /// The next look for expired offsets.
    Expiry,
}

/// A group's committed offsets: topic to partition to offset.
pub type GroupOffsets = BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>;

/// The hard state: what the log says.
pub struct GroupMachine {
    pub(super) settings: Arc<Settings>,
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) offsets: BTreeMap<Arc<str>, GroupOffsets>,
    pub(super) open: OpenTransactions,
    pub(super) snapshots: BTreeMap<Arc<str>, GroupSnapshot>,
    pub(super) consumers: BTreeMap<Arc<str>, ConsumerGroup>,
    pub(super) shares: BTreeMap<Arc<str>, ShareGroup>,
    pub(super) streams: BTreeMap<Arc<str>, StreamsGroup>,
}

/// What dies with the leadership.
#[derive(Default, Debug)]
pub struct Live {
    /// The classic groups.
    pub groups: BTreeMap<Arc<str>, Group>,
    /// What goes with the consumer groups.
    pub consumers: BTreeMap<Arc<str>, ConsumerLive>,
    /// What goes with the share groups.
    pub shares: BTreeMap<Arc<str>, ShareLive>,
    /// What goes with the streams groups.
    pub streams: BTreeMap<Arc<str>, StreamsLive>,
    /// How to take back the live half of the latest decision.
    pub undo: Option<Undo>,
    /// Where the next stretch of the search for expired offsets begins.
    pub expiry_from: Option<Arc<str>>,
}

impl GroupMachine {
    /// A coordinator of nothing.
    pub fn new(settings: Arc<Settings>, surroundings: Arc<Surroundings>) -> GroupMachine {
        GroupMachine {
            settings,
            surroundings,
            offsets: BTreeMap::new(),
            open: OpenTransactions::default(),
            snapshots: BTreeMap::new(),
            consumers: BTreeMap::new(),
            shares: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// Takes over one record of the log, in order of the offsets.
    pub fn load(&mut self, record: &Record) {
        match record {
            Record::Offset { group, topic, partition, committed: Some(committed) } => {
                self.open.supersede_all(group, topic, *partition);
                self.keep_offset((group.clone(), topic.clone(), *partition), committed.clone());
            }
            Record::Offset { group, topic, partition, committed: None } => {
                self.open.forget(group, topic, *partition);
                self.forget_offset(group, topic, *partition);
            }
            Record::TxnOffset { producer, group, topic, partition, committed } => {
                self.open.add(producer.id, (group.clone(), topic.clone(), *partition), committed.clone());
            }
            Record::EndTxn(marker) => {
                for (place, committed) in self.open.end(marker.producer_id, marker.commit) {
                    self.keep_offset(place, committed);
                }
            }
            Record::Group { group, snapshot: Some(snapshot) } => {
                self.snapshots.insert(group.clone(), snapshot.clone());
            }
            Record::Group { group, snapshot: None } => {
                self.snapshots.remove(group);
            }
            Record::Consumer { group, change } => self.load_change(group, change),
            Record::Share { group, change } => self.load_share_change(group, change),
            Record::Streams { group, change } => self.load_streams_change(group, change),
        }
    }

    fn load_change(&mut self, group: &Arc<str>, change: &Change) {
        match change {
            Change::Epoch(None) => drop(self.consumers.remove(group)),
            // What ends in a group that is not there has ended already.
            change if change.is_end() && !self.consumers.contains_key(group) => {}
            change => {
                let new = || ConsumerGroup::new(group.clone());
                self.consumers.entry(group.clone()).or_insert_with(new).apply(change);
            }
        }
    }

    fn load_share_change(&mut self, group: &Arc<str>, change: &ShareChange) {
        match change {
            ShareChange::Epoch(None) => drop(self.shares.remove(group)),
            change if change.is_end() && !self.shares.contains_key(group) => {}
            change => {
                let new = || ShareGroup::new(group.clone());
                self.shares.entry(group.clone()).or_insert_with(new).apply(change);
            }
        }
    }

    fn load_streams_change(&mut self, group: &Arc<str>, change: &streams::Change) {
        match change {
            streams::Change::Epoch(None) => drop(self.streams.remove(group)),
            change if change.is_end() && !self.streams.contains_key(group) => {}
            change => {
                let new = || StreamsGroup::new(group.clone());
                self.streams.entry(group.clone()).or_insert_with(new).apply(change);
            }
        }
    }

    /// Whether the group is neither a classic nor a consumer group.
    pub(super) fn is_newer(&self, group: &str) -> bool {
        self.shares.contains_key(group) || self.streams.contains_key(group)
    }

    /// The committed offset of a group in a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.offsets.get(group)?.get(topic)?.get(&partition)
    }

    fn keep_offset(&mut self, (group, topic, partition): (Arc<str>, Arc<str>, i32), committed: CommittedOffset) {
        self.offsets.entry(group).or_default().entry(topic).or_default().insert(partition, committed);
    }

    fn forget_offset(&mut self, group: &Arc<str>, topic: &Arc<str>, partition: i32) {
        let Some(topics) = self.offsets.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.offsets.remove(group);
        }
    }
}

impl StateMachine for GroupMachine {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Timer = Timer;
    type Live = Live;

    fn start(&self, live: &mut Live, now: Now) -> Outcome<GroupMachine> {
        for (id, snapshot) in &self.snapshots {
            live.groups.insert(id.clone(), Group::from_snapshot(id.clone(), snapshot, now.wall));
        }
        let is_simple = |id: &&Arc<str>| !self.is_newer(id) && !self.consumers.contains_key(*id);
        for id in self.offsets.keys().chain(self.open.groups()).filter(is_simple) {
            live.groups.entry(id.clone()).or_insert_with(|| Group::empty(id.clone(), now.wall));
        }
        let mut turn = self.turn(now);
        for group in live.groups.values_mut() {
            turn.renew_sessions(group);
            if group.members.len() > turn.max_size() {
                turn.prepare_rebalance(group);
            }
        }
        self.renew_members(&mut turn);
        self.renew_share_sessions(&mut turn);
        self.renew_streams_members(&mut turn);
        turn.set(Timer::Expiry, now.monotonic + Millis(self.settings.offsets_retention_check_interval_ms));
        turn.outcome
    }

    fn decide(&self, live: &mut Live, ticket: Ticket, command: Command, now: Now) -> Outcome<GroupMachine> {
        live.undo = None;
        let mut turn = self.turn(now);
        turn.ticket = Some(ticket);
        match command {
            Command::Join(join) => self.join(live, &mut turn, ticket, *join),
            Command::Sync(request) => self.sync(live, &mut turn, ticket, &request),
            Command::Heartbeat(request) => self.heartbeat(live, &mut turn, ticket, &request),
            Command::ConsumerHeartbeat(beat) => self.consumer_heartbeat(live, &mut turn, ticket, &beat),
            Command::ConsumerDescribe(groups) => {
                turn.outcome.answer(ticket, Reply::ConsumerDescribe(self.describe_consumer_groups(live, &groups)));
            }
            Command::StreamsHeartbeat(beat) => self.streams_heartbeat(live, &mut turn, ticket, &beat),
            Command::StreamsDescribe(groups) => {
                turn.outcome.answer(ticket, Reply::StreamsDescribe(self.describe_streams_groups(live, &groups)));
            }
            Command::Leave { group, members } => self.leave(live, &mut turn, ticket, &group, members),
            Command::Commit { request, version } => self.commit(live, &mut turn, ticket, &request, version),
            Command::CommitInTransaction { request, guard } => {
                self.commit_in_transaction(live, &mut turn, ticket, &request, guard);
            }
            Command::EndTransaction(marker) => self.end_transaction(&mut turn, ticket, marker),
            Command::Fetch { group, require_stable } => {
                turn.outcome.answer(ticket, Reply::Fetch(self.fetch(live, &group, require_stable)));
            }
            Command::DeleteOffsets(request) => self.delete_offsets(live, &mut turn, ticket, &request),
            Command::DeleteGroups(groups) => self.delete_groups(live, &mut turn, ticket, groups),
            Command::Describe { groups, version } => {
                turn.outcome.answer(ticket, Reply::Describe(self.describe(live, &groups, version)));
            }
            Command::List { states, types } => {
                turn.outcome.answer(ticket, Reply::List(self.list(live, &states, &types)));
            }
            Command::TopicsDeleted(topics) => self.topics_deleted(&mut turn, ticket, &topics),
            Command::Share(command) => self.decide_share(live, &mut turn, ticket, command),
        }
        turn.outcome
    }

    fn expire(&self, live: &mut Live, timer: Timer, now: Now) -> Outcome<GroupMachine> {
        live.undo = None;
        let mut turn = self.turn(now);
        match timer {
            Timer::Session(group, member) if self.shares.contains_key(&group) => {
                self.share_session_expired(live, &mut turn, Timer::Session(group, member));
            }
            Timer::Session(ref group, _) | Timer::Rebalance(ref group, _) if self.streams.contains_key(group) => {
                self.fence_streams_late(live, &mut turn, timer);
            }
            Timer::InitialRebalance(group) => self.end_streams_delay(live, &mut turn, &group),
            Timer::Session(group, member) if !self.consumers.contains_key(&group) => {
                if let Some(group) = live.groups.get_mut(&group) {
                    turn.session_expired(group, &member);
                }
            }
            Timer::Session(..) | Timer::Rebalance(..) | Timer::MemberJoin(..) | Timer::MemberSync(..) => {
                self.fence_late(live, &mut turn, timer);
            }
            Timer::Regexes(group) => self.resolve_regexes(live, &mut turn, &group),
            Timer::Join(group) => {
                if let Some(group) = live.groups.get_mut(&group) {
                    turn.join_phase_over(group);
                }
            }
            Timer::Sync(group) => {
                if let Some(group) = live.groups.get_mut(&group) {
                    turn.sync_phase_over(group);
                }
            }
            Timer::Expiry => self.expire_offsets(live, &mut turn),
        }
        turn.outcome
    }

    fn replay(&mut self, live: &mut Live, record: &Record) {
        self.load(record);
        match record {
            Record::Group { group, snapshot: None } => drop(live.groups.remove(group)),
            Record::Consumer { group, change: Change::Epoch(None) } => drop(live.consumers.remove(group)),
            Record::Share { group, change: ShareChange::Epoch(None) } => drop(live.shares.remove(group)),
            Record::Streams { group, change: streams::Change::Epoch(None) } => drop(live.streams.remove(group)),
            // A group of only offsets needs no record of its own.
            Record::TxnOffset { group, committed, .. }
                if !self.consumers.contains_key(group) && !self.is_newer(group) =>
            {
                let empty = || Group::empty(group.clone(), committed.committed_at);
                live.groups.entry(group.clone()).or_insert_with(empty);
            }
            Record::Group { .. } | Record::Consumer { .. } | Record::Share { .. } | Record::Streams { .. } => {}
            Record::Offset { .. } | Record::TxnOffset { .. } | Record::EndTxn(_) => {}
        }
    }

    fn abandon(
        &self,
        live: &mut Live,
        failed: &Outcome<GroupMachine>,
        why: &JournalError,
        now: Now,
    ) -> Outcome<GroupMachine> {
        let mut turn = self.turn(now);
        match live.undo.take() {
            Some(undo) => self.undo(live, &mut turn, undo, failed, why),
            // Whoever was to go is still there: its timers run on. Timers of what is not there are without effect.
            None => {
                let is_set = |change: &&TimerChange<Timer>| matches!(change, TimerChange::Set(..));
                turn.outcome.timers = failed.timers.iter().filter(is_set).cloned().collect();
            }
        }
        turn.outcome
    }
}

impl GroupMachine {
    fn turn(&self, now: Now) -> Turn<'_> {
        Turn { settings: &self.settings, now, ticket: None, outcome: Outcome::default() }
    }
}

/// One decision in the making: the time, the settings, and what will happen.
pub struct Turn<'a> {
    pub settings: &'a Settings,
    pub now: Now,
    /// The command's, if a command it is.
    pub ticket: Option<Ticket>,
    pub outcome: Outcome<GroupMachine>,
}

impl Turn<'_> {
    pub fn set(&mut self, timer: Timer, at: Millis) {
        self.outcome.timers.push(TimerChange::Set(timer, at));
    }

    pub fn cancel(&mut self, timer: Timer) {
        self.outcome.timers.push(TimerChange::Cancel(timer));
    }

    pub fn max_size(&self) -> usize {
        usize::try_from(self.settings.group_max_size).unwrap_or(0)
    }

    /// Persists the group as it is now.
    pub fn persist(&mut self, group: &Group) {
        self.outcome.records.push(Record::Group { group: group.id.clone(), snapshot: Some(group.snapshot()) });
    }
}

/// Text for a reply.
pub fn text(text: &Arc<str>) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

/// Text that does not keep the frame alive from which it came.
pub fn own(text: &str) -> Arc<str> {
    Arc::from(text)
}
