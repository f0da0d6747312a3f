//! One decision about a consumer group in the making: what changes in the group, its epoch, its target, a member.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::machine::{Settings, Timer};
use super::super::surroundings::{Pace, Surroundings};
use super::change::{Change, GroupEpoch};
use super::group::ConsumerGroup;
use super::member::{ConsumerMember, MemberState};
use super::reconcile::{Goal, reconcile};
use super::target::{Task, subscribed_topics};
use super::{ConsumerLive, Refusal, metadata_hash};
use crate::metadata::MetadataImage;
use crate::state_machine::{Now, TimerChange};
use crate::types::{ErrorCode, Millis};

/// Collects what shall happen; nothing of it does if the request is refused after all.
pub struct Step<'a> {
    pub group: &'a ConsumerGroup,
    pub surroundings: &'a Surroundings,
    pub image: &'a Arc<MetadataImage>,
    pub settings: &'a Settings,
    pub pace: Pace,
    pub now: Now,
    pub live: ConsumerLive,
    pub changes: Vec<Change>,
    pub timers: Vec<TimerChange<Timer>>,
}

/// The group epoch after a look at the metadata.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub epoch: i32,
    /// Whether all members subscribe to the same topics.
    pub alike: bool,
}

impl Step<'_> {
    pub fn set(&mut self, timer: Timer, after: Millis) {
        self.timers.push(TimerChange::Set(timer, self.now.monotonic + after));
    }

    pub fn cancel(&mut self, timer: Timer) {
        self.timers.push(TimerChange::Cancel(timer));
    }

    /// Starts a member's session timeout anew.
    pub fn renew_session(&mut self, member: &Arc<str>, timeout: Millis) {
        self.set(Timer::Session(self.group.id.clone(), member.clone()), timeout);
    }

    /// Writes what a member says of itself if it is new, and tells whether it names other topics than before.
    pub fn write_member(&mut self, before: &ConsumerMember, now: &ConsumerMember) -> bool {
        if before == now {
            return false;
        }
        let metadata = Some(now.metadata.clone());
        self.changes.push(Change::Member { member: now.id.clone(), metadata });
        before.metadata.topics != now.metadata.topics
    }

    /// Raises the group epoch if `bump` says so, or if the topics are no longer what they were; looks at these only when
    /// something may have changed.
    pub fn raise_epoch(&mut self, bump: bool, before: &ConsumerMember, now: &ConsumerMember) -> Progress {
        let group = self.group;
        if !bump && !self.must_look() {
            return Progress { epoch: group.epoch, alike: group.subscribers.are_alike(group.members.len()) };
        }
        let mut subscribers = group.subscribers.clone();
        subscribers.replace(Some(before), Some(now));
        if let Some(left) = before.metadata.regex().filter(|regex| Some(*regex) != now.metadata.regex())
            && group.subscribers.regexes.get(left) == Some(&1)
        {
            let resolved = group.regexes.get(left);
            resolved.iter().flat_map(|resolved| &resolved.topics).for_each(|topic| {
                subscribers.count_regex(topic, false);
            });
        }
        let hash = metadata_hash(self.image, subscribers.topics.keys().map(|name| &**name));
        let mut epoch = group.epoch;
        if bump || hash != group.metadata_hash {
            epoch += 1;
            self.changes.push(Change::Epoch(Some(GroupEpoch { epoch, metadata_hash: hash })));
        }
        self.has_looked(epoch);
        if group.has_partition_metadata {
            self.changes.push(Change::PartitionMetadata { exists: false });
        }
        let is_known = group.members.contains_key(&now.id)
            || now.metadata.instance_id.as_ref().is_some_and(|id| group.static_members.contains_key(id));
        let members = group.members.len() + usize::from(!is_known);
        Progress { epoch, alike: subscribers.are_alike(members) }
    }

    fn must_look(&self) -> bool {
        match &self.live.looked_at {
            None => true,
            Some((topics, epoch)) => {
                !std::ptr::eq(topics.as_ptr(), Arc::as_ptr(&self.image.topics)) || self.group.epoch < *epoch
            }
        }
    }

    /// The metadata hash belongs to the topics of this image.
    pub fn has_looked(&mut self, epoch: i32) {
        self.live.looked_at = Some((Arc::downgrade(&self.image.topics), epoch));
    }

    /// The target for the member: a new one if the group epoch is ahead of it, and the last one is not too fresh.
    pub fn target(&mut self, progress: Progress, updated: &ConsumerMember) -> (i32, Assignment) {
        let last = self.group.target_epoch;
        let interval = self.pace.assignment_interval.0;
        let fresh =
            last.computed_at != 0 && interval != 0 && self.now.wall.0 < last.computed_at.saturating_add(interval);
        if last.epoch >= progress.epoch || fresh {
            return (last.epoch, self.group.target_of(&updated.id, updated.metadata.instance_id.as_deref()));
        }
        let task = Task {
            group: self.group,
            image: self.image,
            updated,
            epoch: progress.epoch,
            alike: progress.alike,
            default_assignor: self.settings.default_assignor(),
            now_ms: self.now.wall.0,
        };
        let (changes, own) = task.run();
        self.changes.extend(changes);
        (progress.epoch, own)
    }

    /// Takes the member one step towards its target.
    pub fn reconcile(
        &mut self,
        member: ConsumerMember,
        (target_epoch, target): (i32, &Assignment),
        subscription_changed: bool,
        owned: Option<&Assignment>,
    ) -> Result<ConsumerMember, Refusal> {
        if !subscription_changed && member.is_reconciled_to(target_epoch) {
            return Ok(member);
        }
        let group = self.group;
        let topics: BTreeSet<_> = subscribed_topics(&member.metadata, &group.regexes, self.image);
        let goal = Goal {
            target_epoch,
            target,
            topics: &topics,
            subscription_changed,
            owned,
            is_taken: &|topic, partition| group.partition_epoch(topic, partition).is_some(),
        };
        let next = reconcile(&member, &goal).map_err(|_| {
            let message = "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.";
            Refusal::new(ErrorCode::FencedMemberEpoch, message)
        })?;
        if next == member {
            return Ok(member);
        }
        self.changes.push(Change::Current { member: next.id.clone(), current: Some(next.current.clone()) });
        // Members of the classic protocol are bounded by their joins and syncs instead.
        if !next.uses_classic_protocol() {
            let timer = Timer::Rebalance(group.id.clone(), next.id.clone());
            match next.current.state {
                MemberState::UnrevokedPartitions => {
                    self.set(timer, Millis(i64::from(next.metadata.rebalance_timeout_ms)));
                }
                MemberState::Stable | MemberState::UnreleasedPartitions | MemberState::Unknown => self.cancel(timer),
            }
        }
        Ok(next)
    }
}
