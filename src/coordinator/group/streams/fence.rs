//! How members leave a streams group: of their own will, by silence, or because they do not give up what they must.

use std::sync::Arc;

use super::super::machine::{GroupMachine, Live, Timer, Turn};
use super::super::undo::Undo;
use super::change::{Change, GroupEpoch};
use super::group::StreamsGroup;
use super::member::MemberState;
use crate::types::Millis;

impl GroupMachine {
    /// Takes a member out of the group.
    pub(super) fn fence_streams_member(&self, live: &mut Live, turn: &mut Turn, group: &StreamsGroup, id: &Arc<str>) {
        let mut step = self.streams_step(live, turn, group);
        step.changes.extend(removal(id));
        let epoch = GroupEpoch { epoch: group.epoch.epoch + 1, ..group.epoch.clone() };
        step.changes.push(Change::Epoch(Some(epoch)));
        step.cancel(Timer::Session(group.id.clone(), id.clone()));
        step.cancel(Timer::Rebalance(group.id.clone(), id.clone()));
        if group.members.len() == 1 {
            step.live.shutdown_requested_by = None;
        }
        step.conclude(live, turn);
    }

    /// The time of a member is up, whatever it was given for.
    pub(in super::super) fn fence_streams_late(&self, live: &mut Live, turn: &mut Turn, timer: Timer) {
        let (Timer::Session(id, member_id) | Timer::Rebalance(id, member_id)) = &timer else { return };
        let Some(group) = self.streams.get(id) else { return };
        let Some(member) = group.members.get(member_id) else { return };
        if matches!(timer, Timer::Rebalance(..)) && member.current.state != MemberState::UnrevokedTasks {
            return;
        }
        self.fence_streams_member(live, turn, group, &member.id);
        live.undo = Some(Undo::Retry(timer));
    }

    /// The timers of all members after the log was read.
    pub(in super::super) fn renew_streams_members(&self, turn: &mut Turn) {
        let image = self.surroundings.image();
        for group in self.streams.values() {
            let timeout = self.surroundings.streams_pace(&image, &group.id).session_timeout;
            for member in group.members.values() {
                turn.set(Timer::Session(group.id.clone(), member.id.clone()), turn.now.monotonic + timeout);
                if member.current.state == MemberState::UnrevokedTasks {
                    let patience = Millis(i64::from(member.metadata.rebalance_timeout_ms));
                    turn.set(Timer::Rebalance(group.id.clone(), member.id.clone()), turn.now.monotonic + patience);
                }
            }
        }
    }
}

/// Takes a member out of a group: in this order, so that nothing is left behind by a log that ends in between.
pub fn removal(member: &Arc<str>) -> [Change; 3] {
    let member = || member.clone();
    [
        Change::Current { member: member(), current: None },
        Change::Target { member: member(), tasks: None },
        Change::Member { member: member(), metadata: None },
    ]
}
