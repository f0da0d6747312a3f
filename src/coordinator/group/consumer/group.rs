//! A consumer group (KIP-848): what the log says of it.
//!
//! The group epoch rises when members or what they subscribe to change; the target assignment is computed for an epoch;
//! each member then goes from its own epoch to that of the target at its own pace. A partition is given to its new
//! owner only when its former one has given it up: [`ConsumerGroup::partition_epoch`] says that somebody has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::change::{Change, ResolvedRegex, TargetEpoch};
use super::member::{ConsumerMember, CurrentAssignment, LEAVE_EPOCH, Owned};
use crate::types::{ErrorCode, TopicId};

/// A consumer group.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    pub id: Arc<str>,
    pub epoch: i32,
    /// See [`metadata_hash`](super::metadata_hash).
    pub metadata_hash: i64,
    pub members: BTreeMap<Arc<str>, ConsumerMember>,
    /// Instance id to member id.
    pub static_members: BTreeMap<Arc<str>, Arc<str>>,
    pub target_epoch: TargetEpoch,
    pub targets: BTreeMap<Arc<str>, Assignment>,
    pub regexes: BTreeMap<Arc<str>, ResolvedRegex>,
    pub subscribers: Subscribers,
    /// A record that Kafka wrote before 4.0 is to be deleted.
    pub has_partition_metadata: bool,
    partition_epochs: Owned,
}

/// How many members subscribe to what.
#[derive(Clone, Default, Debug)]
pub struct Subscribers {
    pub topics: BTreeMap<Arc<str>, TopicSubscribers>,
    pub regexes: BTreeMap<Arc<str>, usize>,
}

/// Who subscribes to a topic.
#[derive(Clone, Copy, Default, Debug)]
pub struct TopicSubscribers {
    /// Members that name it.
    pub by_name: usize,
    /// Patterns that describe it.
    pub by_regex: usize,
}

/// Where a consumer group stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsumerGroupState {
    /// No members.
    Empty,
    /// The target is not yet computed for the group's epoch.
    Assigning,
    /// Members are on their way to the target.
    Reconciling,
    /// Every member has what it shall have.
    Stable,
}

impl ConsumerGroupState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            ConsumerGroupState::Empty => "Empty",
            ConsumerGroupState::Assigning => "Assigning",
            ConsumerGroupState::Reconciling => "Reconciling",
            ConsumerGroupState::Stable => "Stable",
        }
    }
}

impl ConsumerGroup {
    /// A group without members.
    pub fn new(id: Arc<str>) -> ConsumerGroup {
        ConsumerGroup {
            id,
            epoch: 1,
            metadata_hash: 0,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            target_epoch: TargetEpoch { epoch: 1, computed_at: 0 },
            targets: BTreeMap::new(),
            regexes: BTreeMap::new(),
            subscribers: Subscribers::default(),
            has_partition_metadata: false,
            partition_epochs: Owned::new(),
        }
    }

    pub fn state(&self) -> ConsumerGroupState {
        if self.members.is_empty() {
            ConsumerGroupState::Empty
        } else if self.epoch > self.target_epoch.epoch {
            ConsumerGroupState::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.target_epoch.epoch)) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    /// The epoch of the member that has the partition; none if nobody has.
    pub fn partition_epoch(&self, topic: TopicId, partition: i32) -> Option<i32> {
        self.partition_epochs.get(&topic)?.get(&partition).copied()
    }

    /// The member that holds an instance id.
    pub fn static_member(&self, instance_id: &str) -> Option<&ConsumerMember> {
        self.members.get(self.static_members.get(instance_id)?)
    }

    /// What a member shall own. A static member inherits from the one whose instance id it has.
    pub fn target_of(&self, member_id: &str, instance_id: Option<&str>) -> Assignment {
        let id = match instance_id {
            None => Some(member_id),
            Some(instance) => self.static_members.get(instance).map(|id| &**id),
        };
        id.and_then(|id| self.targets.get(id)).cloned().unwrap_or_default()
    }

    /// Whether a member names the topic, or a pattern describes it.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribers.topics.contains_key(topic)
    }

    /// The member, and whether the request comes from the one that now holds its instance id.
    pub fn validated(&self, member_id: &str, instance_id: Option<&str>) -> Result<&ConsumerMember, ErrorCode> {
        match instance_id {
            None => self.members.get(member_id).ok_or(ErrorCode::UnknownMemberId),
            Some(instance) => {
                let holder = self.static_member(instance).ok_or(ErrorCode::UnknownMemberId)?;
                if &*holder.id == member_id { Ok(holder) } else { Err(ErrorCode::FencedInstanceId) }
            }
        }
    }

    /// Takes over one record. The caller removes the group after [`Change::Epoch`] without a value.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Epoch(Some(epoch)) => {
                self.epoch = epoch.epoch;
                self.metadata_hash = epoch.metadata_hash;
            }
            Change::Epoch(None) => {}
            Change::PartitionMetadata { exists } => self.has_partition_metadata = *exists,
            Change::Member { member, metadata: Some(metadata) } => {
                let before = self.members.get(member).cloned();
                let now = before.unwrap_or_else(|| ConsumerMember::new(member.clone()));
                self.put(ConsumerMember { metadata: metadata.clone(), ..now });
            }
            Change::Member { member, metadata: None } => self.remove(member),
            Change::Target { member, assignment: Some(assignment) } => {
                self.targets.insert(member.clone(), assignment.clone());
            }
            Change::Target { member, assignment: None } => {
                self.targets.remove(member);
            }
            Change::TargetEpoch(epoch) => {
                self.target_epoch = epoch.unwrap_or(TargetEpoch { epoch: -1, computed_at: 0 });
            }
            Change::Current { member, current: Some(current) } => {
                let before = self.members.get(member).cloned();
                let now = before.unwrap_or_else(|| ConsumerMember::new(member.clone()));
                self.put(ConsumerMember { current: current.clone(), ..now });
            }
            Change::Current { member, current: None } => {
                if let Some(before) = self.members.get(member).cloned() {
                    let gone = CurrentAssignment {
                        epoch: LEAVE_EPOCH,
                        previous_epoch: LEAVE_EPOCH,
                        state: before.current.state,
                        assigned: Owned::new(),
                        pending_revocation: Owned::new(),
                    };
                    self.put(ConsumerMember { current: gone, ..before });
                }
            }
            Change::Regex { regex, resolved } => self.resolve(regex, resolved.as_ref()),
        }
    }

    fn put(&mut self, member: ConsumerMember) {
        let before = self.members.insert(member.id.clone(), member.clone());
        self.subscribers.replace(before.as_ref(), Some(&member));
        if let Some(before) = &before {
            self.release(&before.current);
        }
        for (topic, partitions) in member.current.assigned.iter().chain(&member.current.pending_revocation) {
            let epochs = self.partition_epochs.entry(*topic).or_default();
            for partition in partitions.keys() {
                let epoch = epochs.entry(*partition).or_insert(member.current.epoch);
                *epoch = (*epoch).max(member.current.epoch);
            }
        }
        if let Some(instance) = &member.metadata.instance_id {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
    }

    fn remove(&mut self, member_id: &str) {
        let Some(before) = self.members.remove(member_id) else { return };
        self.subscribers.replace(Some(&before), None);
        self.release(&before.current);
        if let Some(instance) = &before.metadata.instance_id
            && self.static_members.get(instance).is_some_and(|holder| **holder == *member_id)
        {
            self.static_members.remove(instance);
        }
    }

    /// Partitions that another member has taken since, at a later epoch, stay with that one.
    fn release(&mut self, current: &CurrentAssignment) {
        for (topic, partitions) in current.assigned.iter().chain(&current.pending_revocation) {
            let Some(epochs) = self.partition_epochs.get_mut(topic) else { continue };
            epochs.retain(|partition, epoch| !(partitions.contains_key(partition) && *epoch == current.epoch));
            if epochs.is_empty() {
                self.partition_epochs.remove(topic);
            }
        }
    }

    fn resolve(&mut self, regex: &Arc<str>, resolved: Option<&ResolvedRegex>) {
        if let Some(before) = self.regexes.remove(regex) {
            before.topics.iter().for_each(|topic| self.subscribers.count_regex(topic, false));
        }
        if let Some(resolved) = resolved {
            resolved.topics.iter().for_each(|topic| self.subscribers.count_regex(topic, true));
            self.regexes.insert(regex.clone(), resolved.clone());
        }
    }
}

impl Subscribers {
    /// Counts a member anew.
    pub fn replace(&mut self, before: Option<&ConsumerMember>, now: Option<&ConsumerMember>) {
        for (member, adds) in [(before, false), (now, true)] {
            let Some(member) = member else { continue };
            for topic in &member.metadata.topics {
                self.count(topic, |subscribers| count(&mut subscribers.by_name, adds));
            }
            if let Some(regex) = member.metadata.regex() {
                let subscribers = self.regexes.entry(regex.clone()).or_default();
                count(subscribers, adds);
                if *subscribers == 0 {
                    self.regexes.remove(regex);
                }
            }
        }
    }

    /// A pattern describes the topic, or no longer.
    pub fn count_regex(&mut self, topic: &Arc<str>, adds: bool) {
        self.count(topic, |subscribers| count(&mut subscribers.by_regex, adds));
    }

    /// Whether, of `members`, all subscribe to the same topics.
    pub fn are_alike(&self, members: usize) -> bool {
        match self.regexes.values().next() {
            None => self.topics.values().all(|subscribers| subscribers.by_name == members),
            Some(all) if *all == members => {
                self.topics.values().all(|subscribers| subscribers.by_regex == 1 && subscribers.by_name == 0)
            }
            Some(_) => false,
        }
    }

    fn count(&mut self, topic: &Arc<str>, change: impl FnOnce(&mut TopicSubscribers)) {
        let subscribers = self.topics.entry(topic.clone()).or_default();
        change(subscribers);
        if subscribers.by_name == 0 && subscribers.by_regex == 0 {
            self.topics.remove(topic);
        }
    }
}

fn count(number: &mut usize, adds: bool) {
    *number = if adds { *number + 1 } else { number.saturating_sub(1) };
}
