//! A share group (KIP-932): what the log says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::consumer::{GroupEpoch, LEAVE_EPOCH, MemberState, Refusal, TargetEpoch};
use super::super::records::Record;
use super::change::ShareChange;
use super::partitions::StatePartitions;
use crate::metadata::MetadataImage;
use crate::types::ErrorCode;

/// A share group.
#[derive(Clone, Debug)]
pub struct ShareGroup {
    pub id: Arc<str>,
    pub epoch: i32,
    /// See [`metadata_hash`](super::super::consumer::metadata_hash).
    pub metadata_hash: i64,
    pub members: BTreeMap<Arc<str>, ShareMember>,
    pub target_epoch: TargetEpoch,
    pub targets: BTreeMap<Arc<str>, Assignment>,
    /// How many members subscribe to each topic.
    pub subscribers: BTreeMap<Arc<str>, usize>,
    /// The partitions that have share state; none before any was asked for.
    pub partitions: Option<StatePartitions>,
}

/// A member as the coordinator knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct ShareMember {
    pub id: Arc<str>,
    pub metadata: ShareMetadata,
    pub current: ShareCurrent,
}

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShareMetadata {
    pub rack_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub topics: BTreeSet<Arc<str>>,
}

/// What a member has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShareCurrent {
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: MemberState,
    pub assigned: Assignment,
}

/// Where a share group stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShareGroupState {
    /// No members.
    Empty,
    Stable,
}

impl ShareGroupState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            ShareGroupState::Empty => "Empty",
            ShareGroupState::Stable => "Stable",
        }
    }
}

impl ShareGroup {
    /// A group without members.
    pub fn new(id: Arc<str>) -> ShareGroup {
        ShareGroup {
            id,
            epoch: 1,
            metadata_hash: 0,
            members: BTreeMap::new(),
            target_epoch: TargetEpoch { epoch: 1, computed_at: 0 },
            targets: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            partitions: None,
        }
    }

    pub fn state(&self) -> ShareGroupState {
        if self.members.is_empty() { ShareGroupState::Empty } else { ShareGroupState::Stable }
    }

    pub fn target_of(&self, member: &str) -> Assignment {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    /// The member of that id.
    pub fn member(&self, member: &str) -> Result<&ShareMember, Refusal> {
        self.members.get(member).ok_or_else(|| {
            Refusal::new(ErrorCode::UnknownMemberId, format!("Member {member} is not a member of group {}.", self.id))
        })
    }

    /// The subscribers with one member counted anew.
    pub fn subscribers_with(
        &self,
        before: Option<&ShareMember>,
        now: Option<&ShareMember>,
    ) -> BTreeMap<Arc<str>, usize> {
        let mut subscribers = self.subscribers.clone();
        recount(&mut subscribers, before, now);
        subscribers
    }

    /// Whether partitions that have share state are not, or not all, in the target although their topic is subscribed to.
    pub fn has_unassigned_partitions(&self, image: &MetadataImage) -> bool {
        let Some(partitions) = self.partitions.as_ref().filter(|_| !self.members.is_empty()) else { return false };
        let mut assigned = Assignment::new();
        for (topic, partitions) in self.targets.values().flatten() {
            assigned.entry(*topic).or_default().extend(partitions);
        }
        let mut wanted = partitions.initialized.iter().filter(|(_, topic)| self.subscribers.contains_key(&topic.name));
        wanted.any(|(id, topic)| {
            let Some(known) = image.topics.with_id(*id) else { return false };
            let is_assigned = |partition| assigned.get(id).is_some_and(|assigned| assigned.contains(partition));
            let mut exist = topic.partitions.iter().filter(|partition| known.partitions.contains_key(*partition));
            exist.any(|partition| !is_assigned(partition))
        })
    }

    /// Takes over one record. The caller removes the group after [`ShareChange::Epoch`] without a value.
    pub fn apply(&mut self, change: &ShareChange) {
        match change {
            ShareChange::Epoch(Some(GroupEpoch { epoch, metadata_hash })) => {
                self.epoch = *epoch;
                self.metadata_hash = *metadata_hash;
            }
            ShareChange::Epoch(None) => {}
            ShareChange::Member { member, metadata: Some(metadata) } => {
                let before = self.members.get(member).cloned();
                let now = before.unwrap_or_else(|| ShareMember::new(member.clone()));
                self.put(ShareMember { metadata: metadata.clone(), ..now });
            }
            ShareChange::Member { member, metadata: None } => {
                let before = self.members.remove(member);
                recount(&mut self.subscribers, before.as_ref(), None);
            }
            ShareChange::TargetEpoch(epoch) => {
                self.target_epoch = epoch.unwrap_or(TargetEpoch { epoch: -1, computed_at: 0 });
            }
            ShareChange::Target { member, assignment: Some(assignment) } => {
                self.targets.insert(member.clone(), assignment.clone());
            }
            ShareChange::Target { member, assignment: None } => {
                self.targets.remove(member);
            }
            ShareChange::Current { member, current: Some(current) } => {
                let before = self.members.get(member).cloned();
                let now = before.unwrap_or_else(|| ShareMember::new(member.clone()));
                self.put(ShareMember { current: current.clone(), ..now });
            }
            ShareChange::Current { member, current: None } => {
                if let Some(member) = self.members.get_mut(member) {
                    let state = member.current.state;
                    let assigned = Assignment::new();
                    member.current = ShareCurrent { epoch: LEAVE_EPOCH, previous_epoch: LEAVE_EPOCH, state, assigned };
                }
            }
            ShareChange::Partitions(partitions) => self.partitions.clone_from(partitions),
        }
    }

    /// The end of everything the log says of the group.
    pub fn tombstones(&self) -> Vec<Record> {
        let each = |change: fn(Arc<str>) -> ShareChange| self.members.keys().cloned().map(change);
        let mut changes: Vec<ShareChange> = Vec::new();
        changes.extend(each(|member| ShareChange::Current { member, current: None }));
        changes.extend(each(|member| ShareChange::Target { member, assignment: None }));
        changes.push(ShareChange::TargetEpoch(None));
        changes.extend(each(|member| ShareChange::Member { member, metadata: None }));
        changes.push(ShareChange::Partitions(None));
        changes.push(ShareChange::Epoch(None));
        changes.into_iter().map(|change| self.record(change)).collect()
    }

    /// The change as a record of this group.
    pub fn record(&self, change: ShareChange) -> Record {
        Record::Share { group: self.id.clone(), change }
    }

    fn put(&mut self, member: ShareMember) {
        let before = self.members.insert(member.id.clone(), member.clone());
        recount(&mut self.subscribers, before.as_ref(), Some(&member));
    }
}

impl ShareMember {
    /// A member of which nothing is known.
    pub fn new(id: Arc<str>) -> ShareMember {
        let (client_id, client_host) = (Arc::from(""), Arc::from(""));
        let metadata = ShareMetadata { rack_id: None, client_id, client_host, topics: BTreeSet::new() };
        let assigned = Assignment::new();
        let current = ShareCurrent { epoch: 0, previous_epoch: -1, state: MemberState::Stable, assigned };
        ShareMember { id, metadata, current }
    }

    /// Whether it has all that the target of that epoch gives it.
    pub fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == target_epoch
    }
}

fn recount(subscribers: &mut BTreeMap<Arc<str>, usize>, before: Option<&ShareMember>, now: Option<&ShareMember>) {
    for topic in before.into_iter().flat_map(|member| &member.metadata.topics) {
        if let Some(count) = subscribers.get_mut(topic) {
            *count = count.saturating_sub(1);
        }
    }
    for topic in now.into_iter().flat_map(|member| &member.metadata.topics) {
        *subscribers.entry(topic.clone()).or_default() += 1;
    }
    subscribers.retain(|_, count| *count > 0);
}
