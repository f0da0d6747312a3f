//! How offsets and groups end: by age, with their topic, or by an administrator.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::protocol::StrBytes;
use crate::protocol::messages::delete_groups_response::DeletableGroupResult;
use crate::protocol::messages::{DeleteGroupsResponse, GroupId};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, Millis, TopicId};

use super::classic::Group;
use super::consumer::ConsumerGroup;
use super::machine::{GroupMachine, Live, Reply, Timer, Turn, own};
use super::records::{CommittedOffset, Record};
use super::share::StatePartitions;
use super::state::State;
use super::streams::StreamsGroup;

/// Tombstones written at a time, so that they fit into a batch; the rest follows at once.
const TOMBSTONES_AT_A_TIME: usize = 1_000;

impl GroupMachine {
    /// One stretch of the search for what has expired.
    pub(super) fn expire_offsets(&self, live: &mut Live, turn: &mut Turn) {
        let from = live.expiry_from.take();
        let ids = live.groups.keys().chain(self.consumers.keys()).chain(self.streams.keys());
        let ids: BTreeSet<&Arc<str>> = ids.collect();
        for id in ids.into_iter().filter(|id| from.as_ref().is_none_or(|from| *id >= from)) {
            if turn.outcome.records.len() >= TOMBSTONES_AT_A_TIME {
                live.expiry_from = Some(id.clone());
                return turn.set(Timer::Expiry, turn.now.monotonic);
            }
            match (self.consumers.get(id), self.streams.get(id), live.groups.get(id)) {
                (Some(group), _, _) => self.expire_consumer_group(turn, group),
                (None, Some(group), _) => self.expire_streams_group(turn, group),
                (None, None, Some(group)) => self.expire_group(turn, group),
                (None, None, None) => {}
            }
        }
        if turn.outcome.records.len() >= TOMBSTONES_AT_A_TIME {
            // The last group may have been cut short.
            return turn.set(Timer::Expiry, turn.now.monotonic);
        }
        turn.set(Timer::Expiry, turn.now.monotonic + Millis(self.settings.offsets_retention_check_interval_ms));
    }

    fn expire_consumer_group(&self, turn: &mut Turn, group: &ConsumerGroup) {
        let wall = turn.now.wall;
        let all_gone = self.expire_offsets_of(turn, &group.id, |topic, committed, retention| {
            !group.is_subscribed_to(topic) && is_older(committed, committed.committed_at, wall, retention)
        });
        if all_gone && group.members.is_empty() {
            turn.outcome.records.extend(group.tombstones(None));
        }
    }

    fn expire_streams_group(&self, turn: &mut Turn, group: &StreamsGroup) {
        let wall = turn.now.wall;
        let all_gone = self.expire_offsets_of(turn, &group.id, |topic, committed, retention| {
            !group.is_subscribed_to(topic) && is_older(committed, committed.committed_at, wall, retention)
        });
        if all_gone && group.members.is_empty() {
            turn.outcome.records.extend(group.tombstones());
        }
    }

    /// Says whether the group has no offsets any more, pending ones included.
    fn expire_offsets_of(
        &self,
        turn: &mut Turn,
        group: &Arc<str>,
        is_expired: impl Fn(&str, &CommittedOffset, Millis) -> bool,
    ) -> bool {
        let retention = Millis(i64::from(self.settings.offsets_retention_minutes) * 60_000);
        let mut all_gone = self.open.partitions_of(group).next().is_none();
        for (topic, partitions) in self.offsets.get(group).into_iter().flatten() {
            for (partition, committed) in partitions {
                let room = turn.outcome.records.len() < TOMBSTONES_AT_A_TIME;
                let is_needed = self.open.holds(group, topic, *partition);
                if room && !is_needed && is_expired(topic, committed, retention) {
                    turn.forget(group, topic, *partition);
                } else {
                    all_gone = false;
                }
            }
        }
        all_gone
    }

    fn expire_group(&self, turn: &mut Turn, group: &Group) {
        let wall = turn.now.wall;
        let all_gone = self.expire_offsets_of(turn, &group.id, |topic, committed, retention| {
            !group.is_subscribed_to(topic) && is_expired(group, committed, wall, retention)
        });
        if all_gone && group.state == State::Empty && group.pending.is_empty() {
            turn.outcome.records.push(Record::Group { group: group.id.clone(), snapshot: None });
        }
    }

    /// Offsets of deleted topics leave their groups; those of a new topic of the same name stay.
    pub(super) fn topics_deleted(&self, turn: &mut Turn, ticket: Ticket, deleted: &[(Arc<str>, TopicId)]) {
        let mut more = false;
        for (group, topics) in &self.offsets {
            for (name, id) in deleted {
                let partitions = topics.get(name).into_iter().flatten();
                for (partition, committed) in partitions {
                    if committed.topic_id != TopicId::ZERO && committed.topic_id != *id {
                        continue;
                    }
                    if turn.outcome.records.len() < TOMBSTONES_AT_A_TIME {
                        turn.forget(group, name, *partition);
                    } else {
                        more = true;
                    }
                }
            }
        }
        for (name, id) in deleted {
            for (group, partition, pending) in self.open.of_topic(name) {
                let is_of_it = pending.topic_id == TopicId::ZERO || pending.topic_id == *id;
                if is_of_it && turn.outcome.records.len() < TOMBSTONES_AT_A_TIME {
                    turn.forget(group, name, partition);
                } else {
                    more |= is_of_it;
                }
            }
        }
        more |= self.forget_share_topics(turn, deleted, TOMBSTONES_AT_A_TIME);
        turn.outcome.answer(ticket, Reply::TopicsDeleted { more });
    }

    pub(super) fn delete_groups(&self, live: &Live, turn: &mut Turn, ticket: Ticket, groups: Vec<StrBytes>) {
        let mut results: Vec<DeletableGroupResult> = Vec::with_capacity(groups.len());
        for id in groups {
            if results.iter().any(|done| done.group_id == id) {
                continue;
            }
            let result = self.delete_group(live, turn, &own(&id));
            let code = result.err().unwrap_or(ErrorCode::None).code();
            results.push(DeletableGroupResult::default().with_group_id(GroupId(id)).with_error_code(code));
        }
        turn.outcome.answer(ticket, Reply::DeleteGroups(DeleteGroupsResponse::default().with_results(results)));
    }

    fn delete_group(&self, live: &Live, turn: &mut Turn, id: &Arc<str>) -> Result<(), ErrorCode> {
        if let Some(group) = self.shares.get(id) {
            // Its share state is deleted before it is.
            let has_state = group.partitions.as_ref().is_some_and(StatePartitions::may_have_state);
            if has_state || !group.members.is_empty() {
                return Err(ErrorCode::NonEmptyGroup);
            }
            turn.outcome.records.extend(group.tombstones());
            return Ok(());
        }
        let mut end = vec![Record::Group { group: id.clone(), snapshot: None }];
        if let Some(group) = self.streams.get(id) {
            if !group.members.is_empty() {
                return Err(ErrorCode::NonEmptyGroup);
            }
            end = group.tombstones();
            turn.cancel(Timer::InitialRebalance(id.clone()));
        }
        match (self.consumers.get(id), live.groups.get(id).map(|group| group.state)) {
            (None, None) if self.streams.contains_key(id) => {}
            (Some(group), _) if !group.members.is_empty() => return Err(ErrorCode::NonEmptyGroup),
            (Some(group), _) => end = group.tombstones(None),
            (None, Some(State::Empty)) => {}
            (None, Some(State::PreparingRebalance | State::CompletingRebalance | State::Stable)) => {
                return Err(ErrorCode::NonEmptyGroup);
            }
            (None, Some(State::Dead) | None) => return Err(ErrorCode::GroupIdNotFound),
        }
        for (topic, partitions) in self.offsets.get(id).into_iter().flatten() {
            partitions.keys().for_each(|partition| turn.forget(id, topic, *partition));
        }
        let pending = self.open.partitions_of(id);
        pending
            .filter(|(topic, partition)| self.committed(id, topic, *partition).is_none())
            .for_each(|(topic, partition)| turn.forget(id, topic, partition));
        turn.outcome.records.extend(end);
        Ok(())
    }
}

/// An offset's age counts from the commit, or in an empty group from the time at which it became empty.
fn is_expired(group: &Group, committed: &CommittedOffset, wall: Millis, retention: Millis) -> bool {
    let since = match (&group.protocol_type, group.state) {
        (None, _) => committed.committed_at,
        (Some(_), State::Empty) => group.state_since.unwrap_or(committed.committed_at),
        (Some(_), State::Stable) if group.uses_consumer_protocol() && group.subscribed_topics.is_some() => {
            committed.committed_at
        }
        (Some(_), State::Stable | State::PreparingRebalance | State::CompletingRebalance | State::Dead) => {
            return false;
        }
    };
    is_older(committed, since, wall, retention)
}

fn is_older(committed: &CommittedOffset, since: Millis, wall: Millis, retention: Millis) -> bool {
    match committed.expires_at {
        Some(at) => wall >= at,
        None => wall - since >= retention,
    }
}
