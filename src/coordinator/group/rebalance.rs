//! The two phases of a rebalance: everybody joins, then the leader's assignment reaches everybody.

use std::sync::Arc;

use crate::protocol::StrBytes;
use crate::protocol::messages::join_group_response::JoinGroupResponseMember;
use crate::protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, Millis};

use super::classic::{Group, InitialDelay};
use super::machine::{Reply, Timer, Turn, text};
use super::member::Member;
use super::state::State;

impl Turn<'_> {
    /// Asks all members to join again if the group's state allows it, else looks whether the join phase is complete.
    pub fn rebalance_or_complete_join(&mut self, group: &mut Group) {
        if group.can_rebalance() {
            self.prepare_rebalance(group);
        } else {
            self.complete_join_if_all_joined(group);
        }
    }

    /// Begins the join phase.
    pub fn prepare_rebalance(&mut self, group: &mut Group) {
        if group.state == State::CompletingRebalance {
            self.fail_assignment(group, ErrorCode::RebalanceInProgress);
        }
        group.pending_sync.clear();
        self.cancel(Timer::Sync(group.id.clone()));
        let initial = group.state == State::Empty;
        group.become_state(State::PreparingRebalance, self.now.wall);
        if initial {
            let delay = Millis(i64::from(self.settings.group_initial_rebalance_delay_ms.max(0)));
            let remaining = (group.rebalance_timeout() - delay).max(Millis(0));
            group.initial_delay = Some(InitialDelay { delay, remaining, extended: false });
            self.set(Timer::Join(group.id.clone()), self.now.monotonic + delay);
        } else if group.has_all_joined() {
            self.complete_join(group);
        } else {
            self.set(Timer::Join(group.id.clone()), self.now.monotonic + group.rebalance_timeout());
        }
    }

    /// Ends the join phase early when nobody is missing; the first rebalance of an empty group waits out its delay.
    pub fn complete_join_if_all_joined(&mut self, group: &mut Group) {
        let may = group.state == State::PreparingRebalance && group.previous_state != State::Empty;
        if may && group.has_all_joined() {
            self.complete_join(group);
        }
    }

    /// The join phase's time is up.
    pub fn join_phase_over(&mut self, group: &mut Group) {
        if group.state != State::PreparingRebalance {
            return;
        }
        match group.initial_delay {
            Some(InitialDelay { delay, remaining, extended: true }) if remaining > Millis(0) => {
                let next = Millis(i64::from(self.settings.group_initial_rebalance_delay_ms.max(0))).min(remaining);
                let remaining = (remaining - delay).max(Millis(0));
                group.initial_delay = Some(InitialDelay { delay: next, remaining, extended: false });
                self.set(Timer::Join(group.id.clone()), self.now.monotonic + next);
            }
            Some(_) | None => self.complete_join(group),
        }
    }

    /// Goes on to the next generation with those who have joined; static members stay even if they have not.
    pub fn complete_join(&mut self, group: &mut Group) {
        self.cancel(Timer::Join(group.id.clone()));
        group.initial_delay = None;
        let missing = |member: &&Member| member.awaiting_join.is_none() && member.instance_id.is_none();
        let missing: Vec<_> = group.members.values().filter(missing).map(|member| member.id.clone()).collect();
        for member_id in missing {
            self.cancel(Timer::Session(group.id.clone(), member_id.clone()));
            self.remove_member(group, &member_id);
        }
        if !group.elect_joined_leader() && !group.members.is_empty() {
            // Only static members are left and none has come back: wait until their sessions end.
            self.set(Timer::Join(group.id.clone()), self.now.monotonic + group.rebalance_timeout());
            return;
        }
        group.next_generation(self.now.wall);
        if group.state == State::Empty {
            self.persist(group);
        } else {
            self.announce_generation(group);
        }
    }

    /// Members that have not sent their SyncGroup in time are out.
    pub fn sync_phase_over(&mut self, group: &mut Group) {
        let syncing = matches!(group.state, State::CompletingRebalance | State::Stable);
        if !syncing || group.pending_sync.is_empty() {
            return;
        }
        for member_id in group.pending_sync.clone() {
            self.cancel(Timer::Session(group.id.clone(), member_id.clone()));
            self.remove_member(group, &member_id);
        }
        self.prepare_rebalance(group);
    }

    /// A member was silent for its session timeout, or a member id was handed out and not used.
    pub fn session_expired(&mut self, group: &mut Group, member_id: &str) {
        if group.pending.contains(member_id) {
            group.remove(member_id);
            if group.state == State::PreparingRebalance && group.has_all_joined() {
                self.complete_join(group);
            }
            return;
        }
        let expired = group.members.get(member_id).is_some_and(|member| !member.is_kept_alive_by_a_parked_request());
        if !expired {
            return;
        }
        self.remove_member(group, member_id);
        match group.state {
            State::Stable | State::CompletingRebalance => self.rebalance_or_complete_join(group),
            State::PreparingRebalance if group.has_all_joined() => self.complete_join(group),
            State::PreparingRebalance | State::Empty | State::Dead => {}
        }
    }

    /// Takes a member out and answers what it has parked.
    pub fn remove_member(&mut self, group: &mut Group, member_id: &str) {
        let Some(member) = group.remove(member_id) else { return };
        if let Some(ticket) = member.awaiting_join {
            self.answer_join_error(ticket, "", ErrorCode::UnknownMemberId);
        }
        if let Some(ticket) = member.awaiting_sync {
            self.answer_sync_error(ticket, ErrorCode::UnknownMemberId);
        }
    }

    /// Starts the session timeout of every member anew.
    pub fn renew_sessions(&mut self, group: &Group) {
        for member in group.members.values() {
            self.renew_session(group.id.clone(), member);
        }
    }

    /// Starts a member's session timeout anew.
    pub fn renew_session(&mut self, group: Arc<str>, member: &Member) {
        let at = self.now.monotonic + Millis(i64::from(member.session_timeout_ms));
        self.set(Timer::Session(group, member.id.clone()), at);
    }

    /// Drops the assignments that were being made and sends whoever waits for one away.
    pub fn fail_assignment(&mut self, group: &mut Group, error: ErrorCode) {
        let waiting: Vec<(Arc<str>, Ticket)> = group
            .members
            .values_mut()
            .filter_map(|member| {
                member.assignment = bytes::Bytes::new();
                member.awaiting_sync.take().map(|ticket| (member.id.clone(), ticket))
            })
            .collect();
        for (member_id, ticket) in waiting {
            self.answer_sync_error(ticket, error);
            self.renew_session(group.id.clone(), &group.members[&member_id]);
        }
    }

    /// Sends whoever waits for it its assignment.
    pub fn deliver_assignments(&mut self, group: &mut Group) {
        let waiting: Vec<(Arc<str>, Ticket)> = group
            .members
            .values_mut()
            .filter_map(|member| member.awaiting_sync.take().map(|ticket| (member.id.clone(), ticket)))
            .collect();
        for (member_id, ticket) in waiting {
            let member = &group.members[&member_id];
            self.answer_sync(ticket, group, member);
            // A parked sync stood for the heartbeats: they are due again from here.
            self.renew_session(group.id.clone(), member);
        }
    }

    fn announce_generation(&mut self, group: &mut Group) {
        let ids: Vec<Arc<str>> = group.members.keys().cloned().collect();
        for member_id in ids {
            if let Some(ticket) = group.members.get_mut(&member_id).and_then(|member| member.awaiting_join.take()) {
                self.answer_join(ticket, group, &member_id);
            }
            let member = group.members.get_mut(&member_id).expect("listed above");
            member.is_new = false;
            self.renew_session(group.id.clone(), &group.members[&member_id]);
            group.pending_sync.insert(member_id);
        }
        self.set(Timer::Sync(group.id.clone()), self.now.monotonic + group.rebalance_timeout());
    }

    /// Tells a member the current generation; the leader learns of all members.
    pub fn answer_join(&mut self, ticket: Ticket, group: &Group, member_id: &str) {
        let members = if group.is_leader(member_id) { roster(group) } else { Vec::new() };
        self.outcome.answer(ticket, Reply::Join(generation_of(group, member_id).with_members(members)));
    }

    pub fn answer_join_error(&mut self, ticket: Ticket, member_id: &str, error: ErrorCode) {
        self.outcome.answer(ticket, Reply::Join(join_error(member_id, error)));
    }

    pub fn answer_sync(&mut self, ticket: Ticket, group: &Group, member: &Member) {
        let reply = SyncGroupResponse::default()
            .with_protocol_type(group.protocol_type.as_ref().map(text))
            .with_protocol_name(group.protocol.as_ref().map(text))
            .with_assignment(member.assignment.clone());
        self.outcome.answer(ticket, Reply::Sync(reply));
    }

    pub fn answer_sync_error(&mut self, ticket: Ticket, error: ErrorCode) {
        self.outcome.answer(ticket, Reply::Sync(SyncGroupResponse::default().with_error_code(error.code())));
    }
}

/// A join reply that says which generation the member is in, without the roster.
pub fn generation_of(group: &Group, member_id: &str) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_generation_id(group.generation)
        .with_protocol_type(group.protocol_type.as_ref().map(text))
        .with_protocol_name(group.protocol.as_ref().map(text))
        .with_leader(group.leader.as_ref().map(text).unwrap_or_default())
        .with_member_id(StrBytes::from_string(member_id.to_owned()))
}

/// A join reply that refuses.
pub fn join_error(member_id: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_protocol_name(None)
        .with_member_id(StrBytes::from_string(member_id.to_owned()))
}

/// All members with their metadata for the chosen protocol, as the leader needs them.
pub fn roster(group: &Group) -> Vec<JoinGroupResponseMember> {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let entry = |member: &Member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&member.id))
            .with_group_instance_id(member.instance_id.as_ref().map(text))
            .with_metadata(member.metadata(protocol))
    };
    group.members.values().map(entry).collect()
}
