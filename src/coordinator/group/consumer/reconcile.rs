//! A member's next step towards its target: first it gives up what it shall not have, then it gets what is free.

use std::collections::{BTreeMap, BTreeSet};

use super::super::assignor::Assignment;
use super::member::{ConsumerMember, CurrentAssignment, MemberState, Owned};
use crate::types::TopicId;

/// What a member is to become.
pub struct Goal<'a> {
    pub target_epoch: i32,
    pub target: &'a Assignment,
    /// The topics it subscribes to, as far as they exist.
    pub topics: &'a BTreeSet<TopicId>,
    /// Whether it has just changed what it subscribes to.
    pub subscription_changed: bool,
    /// What it says it owns; none if it says nothing.
    pub owned: Option<&'a Assignment>,
    /// Whether some member has the partition.
    pub is_taken: &'a dyn Fn(TopicId, i32) -> bool,
}

/// The member comes from a newer coordinator and must begin anew.
#[derive(Debug)]
pub struct UnknownState;

/// The member after its next step, which may be none.
pub fn reconcile(member: &ConsumerMember, goal: &Goal) -> Result<ConsumerMember, UnknownState> {
    let current = &member.current;
    let next = match current.state {
        MemberState::Stable if current.epoch != goal.target_epoch => goal.next(current, current.epoch),
        MemberState::Stable if goal.subscription_changed => goal.follow_subscription(current),
        MemberState::Stable => current.clone(),
        MemberState::UnrevokedPartitions if goal.still_owns(&current.pending_revocation) => {
            match goal.subscription_changed {
                true => goal.follow_subscription(current),
                false => current.clone(),
            }
        }
        MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => goal.next(current, current.epoch),
        MemberState::Unknown if goal.owned.is_none_or(|owned| !owned.is_empty()) => return Err(UnknownState),
        MemberState::Unknown => goal.next(current, goal.target_epoch),
    };
    Ok(ConsumerMember { current: next, ..member.clone() })
}

impl Goal<'_> {
    /// A member that does not say what it owns may still own everything.
    fn still_owns(&self, revoked: &Owned) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|(topic, partitions)| {
            revoked.get(topic).is_some_and(|revoked| partitions.iter().any(|partition| revoked.contains_key(partition)))
        })
    }

    /// Takes away what is not subscribed to any more, without waiting for the next target.
    fn follow_subscription(&self, current: &CurrentAssignment) -> CurrentAssignment {
        let mut assigned = current.assigned.clone();
        let mut pending_revocation = current.pending_revocation.clone();
        assigned.retain(|topic, partitions| {
            let keeps = self.topics.contains(topic);
            if !keeps {
                pending_revocation.entry(*topic).or_default().append(partitions);
            }
            keeps
        });
        if assigned.len() == current.assigned.len() {
            return current.clone();
        }
        let previous_epoch = current.epoch;
        if self.still_owns(&pending_revocation) {
            let state = MemberState::UnrevokedPartitions;
            CurrentAssignment { state, previous_epoch, assigned, pending_revocation, ..*current }
        } else {
            let pending_revocation = current.pending_revocation.clone();
            CurrentAssignment { previous_epoch, assigned, pending_revocation, ..*current }
        }
    }

    fn next(&self, current: &CurrentAssignment, epoch: i32) -> CurrentAssignment {
        let mut assigned = Owned::new();
        let mut to_revoke = Owned::new();
        let mut to_assign: Vec<(TopicId, i32)> = Vec::new();
        let mut waits = false;
        let nothing = BTreeSet::new();
        let none = BTreeMap::new();
        let topics: BTreeSet<&TopicId> = self.target.keys().chain(current.assigned.keys()).collect();
        for topic in topics {
            let target = self.target.get(topic).filter(|_| self.topics.contains(topic)).unwrap_or(&nothing);
            let has = current.assigned.get(topic).unwrap_or(&none);
            let pending = current.pending_revocation.get(topic).unwrap_or(&none);
            for (partition, at) in has {
                let place = if target.contains(partition) { &mut assigned } else { &mut to_revoke };
                place.entry(*topic).or_default().insert(*partition, *at);
            }
            for partition in target.iter().filter(|partition| !has.contains_key(partition)) {
                // What the member itself was to give up is free for it, as it has just given it up.
                if (self.is_taken)(*topic, *partition) && !pending.contains_key(partition) {
                    waits = true;
                } else {
                    to_assign.push((*topic, *partition));
                }
            }
        }
        if !to_revoke.is_empty() && self.still_owns(&to_revoke) {
            return CurrentAssignment {
                state: MemberState::UnrevokedPartitions,
                previous_epoch: current.epoch,
                epoch,
                assigned,
                pending_revocation: to_revoke,
            };
        }
        for (topic, partition) in to_assign {
            assigned.entry(topic).or_default().insert(partition, self.target_epoch);
        }
        CurrentAssignment {
            state: if waits { MemberState::UnreleasedPartitions } else { MemberState::Stable },
            previous_epoch: current.epoch,
            epoch: self.target_epoch,
            assigned,
            pending_revocation: Owned::new(),
        }
    }
}
