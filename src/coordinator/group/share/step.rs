//! One decision about a share group in the making: what changes in the group, its epoch, its target, a member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::assignor::{Assignment, GroupSpec, MemberSpec, simple};
use super::super::consumer::{GroupEpoch, MemberState, TargetEpoch, metadata_hash};
use super::super::machine::{GroupMachine, Live, Timer, Turn};
use super::super::surroundings::Pace;
use super::change::ShareChange;
use super::command::StateInit;
use super::group::{ShareCurrent, ShareGroup, ShareMember};
use super::partitions::{StateTopics, TopicPartitions};
use super::{INITIALIZE_RETRY_INTERVAL, ShareLive};
use crate::metadata::MetadataImage;
use crate::state_machine::{Now, TimerChange};
use crate::types::{Offset, TopicId};

/// Collects what shall happen; nothing of it does if the request is refused after all.
pub struct Step<'a> {
    pub group: &'a ShareGroup,
    pub image: &'a Arc<MetadataImage>,
    pub pace: Pace,
    pub now: Now,
    pub live: ShareLive,
    pub changes: Vec<ShareChange>,
    pub timers: Vec<TimerChange<Timer>>,
}

/// The group after a look at the metadata.
pub struct Progress {
    pub epoch: i32,
    pub is_raised: bool,
    subscribers: BTreeMap<Arc<str>, usize>,
}

impl GroupMachine {
    /// A decision about `group` that begins now.
    pub(super) fn share_step<'a>(
        &'a self,
        live: &Live,
        now: Now,
        group: &'a ShareGroup,
        image: &'a Arc<MetadataImage>,
    ) -> Step<'a> {
        Step {
            group,
            image,
            pace: self.surroundings.share_pace(image, &group.id),
            now,
            live: live.shares.get(&group.id).cloned().unwrap_or_default(),
            changes: Vec::new(),
            timers: Vec::new(),
        }
    }
}

impl Step<'_> {
    /// All of it happens.
    pub fn conclude(self, live: &mut Live, turn: &mut Turn) {
        let group = self.group;
        turn.outcome.records.extend(self.changes.into_iter().map(|change| group.record(change)));
        turn.outcome.timers.extend(self.timers);
        live.shares.insert(group.id.clone(), self.live);
    }

    /// Starts a member's session timeout anew.
    pub fn renew_session(&mut self, member: &Arc<str>) {
        let timer = Timer::Session(self.group.id.clone(), member.clone());
        self.timers.push(TimerChange::Set(timer, self.now.monotonic + self.pace.session_timeout));
    }

    /// Raises the group epoch if `topics_changed`, if partitions wait for an assignment, or if the topics are no longer what
    /// they were; looks at these only when something may have changed.
    pub fn raise_epoch(&mut self, topics_changed: bool, before: &ShareMember, now: &ShareMember) -> Progress {
        let group = self.group;
        let is_assigned = group.target_epoch.epoch >= group.epoch;
        let mut is_raised = topics_changed || is_assigned && group.has_unassigned_partitions(self.image);
        if !is_raised && !self.must_look() {
            return Progress { epoch: group.epoch, is_raised, subscribers: group.subscribers.clone() };
        }
        let known = group.members.get(&now.id).map(|_| before);
        let subscribers = group.subscribers_with(known, Some(now));
        let hash = metadata_hash(self.image, subscribers.keys().map(|name| &**name));
        is_raised |= hash != group.metadata_hash;
        let epoch = group.epoch + i32::from(is_raised);
        if is_raised {
            self.changes.push(ShareChange::Epoch(Some(GroupEpoch { epoch, metadata_hash: hash })));
        }
        self.live.looked_at = Some((Arc::downgrade(&self.image.topics), epoch));
        Progress { epoch, is_raised, subscribers }
    }

    fn must_look(&self) -> bool {
        match &self.live.looked_at {
            None => true,
            Some((topics, epoch)) => {
                !std::ptr::eq(topics.as_ptr(), Arc::as_ptr(&self.image.topics)) || self.group.epoch < *epoch
            }
        }
    }

    /// The target for the member: a new one if the group epoch is ahead of it, and the last one is not too fresh.
    pub fn target(&mut self, progress: &Progress, updated: &ShareMember) -> (i32, Assignment) {
        let last = self.group.target_epoch;
        let interval = self.pace.assignment_interval.0;
        let is_fresh =
            last.computed_at != 0 && interval != 0 && self.now.wall.0 < last.computed_at.saturating_add(interval);
        if last.epoch >= progress.epoch || is_fresh {
            return (last.epoch, self.group.target_of(&updated.id));
        }
        let mut members: BTreeMap<&Arc<str>, &ShareMember> = self.group.members.iter().collect();
        members.insert(&updated.id, updated);
        let count = members.len();
        let nothing = Assignment::new();
        let specs = members.into_iter().map(|(id, member)| {
            let topics = Arc::new(self.subscribed(member));
            let before = self.group.targets.get(id).unwrap_or(&nothing);
            (id.clone(), MemberSpec { instance_id: None, topics, before })
        });
        let members: BTreeMap<Arc<str>, MemberSpec> = specs.collect();
        let partitions = |id: &TopicId| self.image.topics.with_id(*id).map_or(0, |topic| topic.partitions.len() as i32);
        let topics = members.values().flat_map(|member| member.topics.iter());
        let partition_counts = topics.map(|id| (*id, partitions(id))).collect();
        let homogeneous = progress.subscribers.values().all(|subscribers| *subscribers == count);
        let mut assigned = simple::assign(&GroupSpec { members, homogeneous, partition_counts }, &self.initialized());
        let own = assigned.get(&updated.id).cloned().unwrap_or_default();
        assigned.retain(|id, assignment| self.group.targets.get(id) != Some(assignment));
        let changed = assigned.into_iter();
        self.changes
            .extend(changed.map(|(member, assignment)| ShareChange::Target { member, assignment: Some(assignment) }));
        let computed_at = self.now.wall.0;
        self.changes.push(ShareChange::TargetEpoch(Some(TargetEpoch { epoch: progress.epoch, computed_at })));
        (progress.epoch, own)
    }

    /// Takes the member to its target, as far as it still subscribes to its topics.
    pub fn reconcile(
        &mut self,
        member: ShareMember,
        (target_epoch, target): (i32, Assignment),
        is_raised: bool,
    ) -> ShareMember {
        if !is_raised && member.is_reconciled_to(target_epoch) {
            return member;
        }
        let topics = self.subscribed(&member);
        let assigned = target.into_iter().filter(|(topic, _)| topics.contains(topic)).collect();
        let before = member.current.clone();
        let current = match before.epoch == target_epoch {
            true => ShareCurrent { assigned, ..before },
            false => {
                let previous_epoch = before.epoch;
                ShareCurrent { epoch: target_epoch, previous_epoch, state: MemberState::Stable, assigned }
            }
        };
        if current != member.current {
            let current = Some(current.clone());
            self.changes.push(ShareChange::Current { member: member.id.clone(), current });
        }
        ShareMember { current, ..member }
    }

    /// Asks for the state of what is subscribed to and has none. What was asked for lately is not asked for again; what was
    /// asked for by an earlier coordinator is, as nobody waits for that any more.
    pub fn ask_for_state(&mut self, progress: &Progress) -> Option<StateInit> {
        let missing = self.without_state(progress.subscribers.keys());
        if missing.is_empty() {
            return None;
        }
        let nowhere = |topic: &TopicPartitions| topic.partitions.iter().map(|one| (*one, Offset::NONE)).collect();
        let starts = missing.iter().map(|(id, topic)| (*id, nowhere(topic))).collect();
        self.begin_initializing(&missing);
        Some(StateInit { group: self.group.id.clone(), state_epoch: progress.epoch, starts })
    }

    /// The state of these is asked for with this decision.
    pub fn begin_initializing(&mut self, asked: &StateTopics) {
        let now = self.now.monotonic;
        self.live.asked_at.extend(asked.keys().map(|topic| (*topic, now)));
        let mut partitions = self.group.partitions.clone().unwrap_or_default();
        partitions.begin(asked);
        self.live.asked_at.retain(|topic, _| partitions.initializing.contains_key(topic));
        self.changes.push(ShareChange::Partitions(Some(partitions)));
    }

    fn without_state<'n>(&self, names: impl Iterator<Item = &'n Arc<str>>) -> StateTopics {
        let is_fresh = |topic: &TopicId| {
            let asked = self.live.asked_at.get(topic);
            asked.is_some_and(|at| self.now.monotonic < *at + INITIALIZE_RETRY_INTERVAL)
        };
        let mut missing = StateTopics::new();
        for topic in names.filter_map(|name| self.image.topics.named(name)) {
            let mut left: BTreeSet<i32> = topic.partitions.keys().copied().collect();
            if let Some(known) = &self.group.partitions {
                let asked = known.initializing.get(&topic.id).filter(|_| is_fresh(&topic.id));
                let known = known.initialized.get(&topic.id).into_iter().chain(asked);
                known.flat_map(|known| &known.partitions).for_each(|partition| {
                    left.remove(partition);
                });
            }
            if !left.is_empty() {
                missing.insert(topic.id, TopicPartitions { name: topic.name.clone(), partitions: left });
            }
        }
        missing
    }

    fn subscribed(&self, member: &ShareMember) -> BTreeSet<TopicId> {
        let topics = member.metadata.topics.iter();
        topics.filter_map(|name| self.image.topics.named(name)).map(|topic| topic.id).collect()
    }

    fn initialized(&self) -> Assignment {
        let initialized = self.group.partitions.iter().flat_map(|partitions| &partitions.initialized);
        initialized.map(|(topic, partitions)| (*topic, partitions.partitions.clone())).collect()
    }
}
