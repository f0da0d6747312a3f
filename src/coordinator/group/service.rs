//! The coordinator as the rest of the broker sees it: all partitions of `__consumer_offsets` that this broker leads.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::coordinator::{Election, ShardCounts, Shards};
use crate::protocol::StrBytes;
use crate::state_machine::{Journal, Reload};
use crate::types::{Clock, ErrorCode, Millis, Offset, TopicId, Uuid};

use super::machine::{Command, GroupMachine, Reply, Settings};
use super::records::Record;
use super::surroundings::Surroundings;

/// Who is asking: what a group remembers of a member's connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: Arc<str>,
    /// Its address as Java prints one: a slash, then the number.
    pub host: Arc<str>,
}

/// All groups that this broker coordinates.
pub struct Groups {
    pub(super) settings: Arc<Settings>,
    surroundings: Arc<Surroundings>,
    random: fn() -> Uuid,
    pub(super) shards: Shards<GroupMachine>,
}

impl Groups {
    /// Coordinates nothing yet; the machines will run on `runtime`, and member ids are made unique by `random`.
    pub fn new(
        settings: Settings,
        surroundings: Surroundings,
        clock: Clock,
        runtime: tokio::runtime::Handle,
        random: fn() -> Uuid,
    ) -> Groups {
        let commit_timeout = Millis(i64::from(settings.offsets_commit_timeout_ms));
        let (settings, surroundings) = (Arc::new(settings), Arc::new(surroundings));
        Groups { settings, surroundings, random, shards: Shards::new(clock, runtime, commit_timeout) }
    }

    /// `__consumer_offsets` has this many partitions.
    pub fn set_partition_count(&self, partitions: i32) {
        self.shards.set_partition_count(partitions);
    }

    /// The partition of `__consumer_offsets` that a group belongs to, if the topic exists.
    pub fn partition_for(&self, group: &str) -> Option<i32> {
        self.shards.partition_for(group)
    }

    /// This broker leads the partition and begins to read it. An earlier leadership of it ends here.
    pub fn begin(&self, partition: i32) -> Election {
        self.shards.begin(partition)
    }

    /// An empty machine, to be filled with [`GroupMachine::load`].
    pub fn machine(&self) -> GroupMachine {
        GroupMachine::new(self.settings.clone(), self.surroundings.clone())
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
        // Nobody but this coordinator speaks to the machine.
        let _ = self.shards.elect(election, machine, journal, reload);
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

    /// Ends all coordination: what is queued is decided and committed, what is parked is sent away.
    pub async fn stop(&self) {
        self.shards.stop().await;
    }

    /// Lets every machine look at a clock that was turned by hand.
    pub async fn wake(&self) {
        self.shards.wake().await;
    }

    /// Topics were created in the image of this offset.
    pub fn topics_created(&self, at: Offset) {
        self.surroundings.topics_created(at);
    }

    /// Offsets of deleted topics leave their groups.
    pub async fn topics_deleted(&self, topics: &[(Arc<str>, TopicId)]) {
        for handle in self.shards.active().into_values() {
            // A coordinator that fails or moves leaves them to the expiry or to its successor.
            while let Ok(Reply::TopicsDeleted { more: true }) =
                handle.submit(Command::TopicsDeleted(topics.to_vec())).await
            {}
        }
    }

    pub(super) async fn submit(&self, group: &str, command: Command) -> Result<Reply, ErrorCode> {
        self.shards.submit(group, command).await
    }

    pub(super) async fn submit_to(&self, partition: i32, command: Command) -> Result<Reply, ErrorCode> {
        self.shards.submit_to(partition, command).await
    }

    pub(super) async fn submit_at_once(&self, group: &str, command: Command) -> Result<Reply, ErrorCode> {
        self.shards.submit_at_once(group, command).await
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
        self.shards.all_loaded().await
    }

    /// A member id as members of consumer groups have it.
    pub(super) fn new_member_id(&self) -> String {
        (self.random)().to_string()
    }

    /// Text that no other member id has.
    pub(super) fn unique(&self) -> String {
        uuid::Uuid::from((self.random)()).to_string()
    }
}
