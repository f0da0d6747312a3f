//! How members leave a consumer group: of their own will, by silence, or because they do not give up what they must.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::machine::{GroupMachine, Live, Timer, Turn};
use super::super::undo::Undo;
use super::change::{Change, GroupEpoch};
use super::group::ConsumerGroup;
use super::member::{MemberState, STATIC_LEAVE_EPOCH};
use super::members::removal;
use super::metadata_hash;
use crate::state_machine::TimerChange;
use crate::types::Millis;

impl GroupMachine {
    /// Takes members out of the group. If only members of the classic protocol are left, the group becomes theirs; then its
    /// id is returned.
    pub(super) fn fence(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        group: &ConsumerGroup,
        members: &BTreeSet<Arc<str>>,
    ) -> Option<Arc<str>> {
        if members.is_empty() {
            return None;
        }
        if self.becomes_classic(group, members) && self.downgrade(live, turn, group, members, None, true).is_ok() {
            return Some(group.id.clone());
        }
        let image = self.surroundings.image();
        let mut step = self.step(live, turn, group, &image);
        let mut subscribers = group.subscribers.clone();
        for id in members {
            step.changes.extend(removal(id));
            subscribers.replace(group.members.get(id), None);
        }
        for (regex, resolved) in &group.regexes {
            if subscribers.regexes.contains_key(regex) {
                continue;
            }
            step.changes.push(Change::Regex { regex: regex.clone(), resolved: None });
            resolved.topics.iter().for_each(|topic| subscribers.count_regex(topic, false));
        }
        let metadata_hash = metadata_hash(&image, subscribers.topics.keys().map(|name| &**name));
        step.changes.push(Change::Epoch(Some(GroupEpoch { epoch: group.epoch + 1, metadata_hash })));
        for id in members {
            let timer = |of: fn(Arc<str>, Arc<str>) -> Timer| of(group.id.clone(), id.clone());
            step.cancel(timer(Timer::Session));
            step.cancel(timer(Timer::Rebalance));
            step.cancel(timer(Timer::MemberJoin));
            step.cancel(timer(Timer::MemberSync));
            step.live.has_joined(id);
        }
        step.conclude(live, turn);
        None
    }

    /// The time of a member is up, whatever it was given for.
    pub(in super::super) fn fence_late(&self, live: &mut Live, turn: &mut Turn, timer: Timer) {
        let (Timer::Session(id, member_id)
        | Timer::Rebalance(id, member_id)
        | Timer::MemberJoin(id, member_id)
        | Timer::MemberSync(id, member_id)) = &timer
        else {
            return;
        };
        if let (Timer::MemberJoin(..), Some(kept)) = (&timer, live.consumers.get_mut(id)) {
            kept.has_joined(member_id);
        }
        let Some(group) = self.consumers.get(id) else { return };
        let Some(member) = group.members.get(member_id) else { return };
        let still_revoking = member.current.state == MemberState::UnrevokedPartitions;
        let is_away = member.epoch() == STATIC_LEAVE_EPOCH;
        if matches!(timer, Timer::Rebalance(..)) && (!still_revoking || is_away) {
            return;
        }
        let fenced = BTreeSet::from([member_id.clone()]);
        live.undo = Some(match self.fence(live, turn, group, &fenced) {
            Some(group) => Undo::Downgrade { group, retry: Some(timer) },
            None => Undo::Retry(timer),
        });
    }

    /// The timers of all members after the log was read.
    pub(in super::super) fn renew_members(&self, turn: &mut Turn) {
        let image = self.surroundings.image();
        for group in self.consumers.values() {
            let timeout = self.surroundings.pace(&image, &group.id).session_timeout;
            for member in group.members.values() {
                let timer = |of: fn(Arc<str>, Arc<str>) -> Timer| of(group.id.clone(), member.id.clone());
                let mut set = |timer: Timer, after: Millis| {
                    turn.outcome.timers.push(TimerChange::Set(timer, turn.now.monotonic + after));
                };
                set(timer(Timer::Session), timeout);
                if member.current.state == MemberState::UnrevokedPartitions {
                    set(timer(Timer::Rebalance), Millis(i64::from(member.metadata.rebalance_timeout_ms)));
                }
            }
        }
    }
}

impl super::ConsumerLive {
    /// Nobody waits for that member to join again any more.
    pub fn has_joined(&mut self, member: &str) {
        self.awaited.remove(member);
    }

    /// True if nobody waited for it yet.
    pub fn await_join(&mut self, member: &Arc<str>) -> bool {
        self.awaited.insert(member.clone())
    }
}
