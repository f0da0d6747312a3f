//! JoinGroup: how a member enters a group, or comes back to it.

use std::sync::Arc;

use crate::protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, Millis};

use super::classic::{Group, detach};
use super::machine::{GroupMachine, Live, Reply, Timer, Turn, own, text};
use super::member::{Member, Protocols};
use super::rebalance::{generation_of, join_error, roster};
use super::records::{GroupSnapshot, Record};
use super::state::State;
use super::streams::StreamsGroup;
use super::undo::Undo;

/// From this version on a dynamic member gets its id before it joins (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;
/// From this version on a returning static leader is told not to assign again (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;
/// How long a member that does not know its id yet may stay parked.
const NEW_MEMBER_TIMEOUT: Millis = Millis(5 * 60 * 1000);

/// A JoinGroup request with what its connection and chance add to it.
pub struct JoinCommand {
    pub request: JoinGroupRequest,
    pub version: i16,
    pub client_id: Arc<str>,
    /// As Java prints an address: with a slash before it.
    pub client_host: Arc<str>,
    /// Random text that makes a new member id unique.
    pub unique: String,
}

impl JoinCommand {
    fn protocols(&self) -> Protocols {
        let each = self.request.protocols.iter();
        each.map(|protocol| (own(&protocol.name), detach(&protocol.metadata))).collect()
    }

    fn new_member_id(&self) -> Arc<str> {
        let owner = self.request.group_instance_id.as_deref().unwrap_or(&self.client_id);
        Arc::from(format!("{owner}-{}", self.unique))
    }

    fn member(&self, id: Arc<str>, ticket: Ticket) -> Member {
        Member {
            id,
            instance_id: self.request.group_instance_id.as_deref().map(own),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.request.rebalance_timeout_ms,
            session_timeout_ms: self.request.session_timeout_ms,
            protocols: self.protocols(),
            assignment: bytes::Bytes::new(),
            awaiting_join: Some(ticket),
            awaiting_sync: None,
            is_new: true,
        }
    }
}

impl GroupMachine {
    pub(super) fn join(&self, live: &mut Live, turn: &mut Turn, ticket: Ticket, join: JoinCommand) {
        let id = own(&join.request.group_id);
        let member_id = join.request.member_id.as_str();
        let streams = self.streams.get(&id);
        if self.shares.contains_key(&id) || streams.is_some_and(|group| !group.members.is_empty()) {
            return turn.answer_join_error(ticket, "", ErrorCode::InconsistentGroupProtocol);
        }
        let emptied = match self.consumers.get(&id) {
            Some(group) if !group.members.is_empty() => {
                return self.join_consumer_group(live, turn, ticket, group, &join);
            }
            Some(group) => group.tombstones(None),
            None => streams.map(StreamsGroup::tombstones).unwrap_or_default(),
        };
        let is_new = !live.groups.contains_key(&id);
        if is_new && !member_id.is_empty() {
            return turn.answer_join_error(ticket, member_id, ErrorCode::UnknownMemberId);
        }
        let group = live.groups.entry(id.clone()).or_insert_with(|| Group::empty(id.clone(), turn.now.wall));
        let undo = turn.join(group, ticket, &join);
        let joined = !group.members.is_empty() || !group.pending.is_empty();
        if is_new && joined {
            // An empty group of a newer kind makes way.
            turn.outcome.records.extend(emptied);
            let snapshot = GroupSnapshot::of_new_group(group.state_since.unwrap_or(turn.now.wall));
            turn.outcome.records.push(Record::Group { group: id.clone(), snapshot: Some(snapshot) });
            live.undo = Some(Undo::NewGroup { group: id, ticket });
        } else if is_new {
            live.groups.remove(&id);
        } else {
            live.undo = undo;
        }
    }
}

impl Turn<'_> {
    fn join(&mut self, group: &mut Group, ticket: Ticket, join: &JoinCommand) -> Option<Undo> {
        let member_id = join.request.member_id.as_str();
        if !self.has_room_for(group, member_id) {
            self.remove_member(group, member_id);
            self.answer_join_error(ticket, "", ErrorCode::GroupMaxSizeReached);
            // It may have been the last one that the others waited for.
            self.complete_join_if_all_joined(group);
            None
        } else if !group.supports(&join.request.protocol_type, &join.protocols()) {
            self.answer_join_error(ticket, member_id, ErrorCode::InconsistentGroupProtocol);
            None
        } else if member_id.is_empty() {
            self.join_without_id(group, ticket, join)
        } else {
            self.join_with_id(group, ticket, join);
            None
        }
    }

    /// In the join phase those who wait count, not the members: the size may have been lowered, and the last to come
    /// back are left out.
    fn has_room_for(&self, group: &Group, member_id: &str) -> bool {
        let member = group.members.get(member_id);
        match group.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join.is_some()) || group.awaiting_join() < self.max_size()
            }
            State::CompletingRebalance | State::Stable => member.is_some() || group.members.len() < self.max_size(),
        }
    }

    fn join_without_id(&mut self, group: &mut Group, ticket: Ticket, join: &JoinCommand) -> Option<Undo> {
        let new_id = join.new_member_id();
        let instance = join.request.group_instance_id.as_deref();
        match instance {
            Some(instance) if group.static_members.contains_key(instance) => {
                return self.replace_static_member(group, ticket, join, instance, new_id);
            }
            Some(_) => self.add_member(group, join, new_id, ticket),
            None if join.version >= MEMBER_ID_REQUIRED_SINCE => {
                let until = self.now.monotonic + Millis(i64::from(join.request.session_timeout_ms));
                self.set(Timer::Session(group.id.clone(), new_id.clone()), until);
                self.answer_join_error(ticket, &new_id, ErrorCode::MemberIdRequired);
                group.pending.insert(new_id);
            }
            None => self.add_member(group, join, new_id, ticket),
        }
        None
    }

    fn join_with_id(&mut self, group: &mut Group, ticket: Ticket, join: &JoinCommand) {
        let member_id = join.request.member_id.as_str();
        let instance = join.request.group_instance_id.as_deref();
        if group.pending.contains(member_id) && instance.is_none() {
            return self.add_member(group, join, own(member_id), ticket);
        }
        if let Err(error) = group.validate_member(member_id, instance) {
            return self.answer_join_error(ticket, member_id, error);
        }
        let unchanged = group.members[member_id].protocols == join.protocols();
        match group.state {
            State::PreparingRebalance => self.rejoin(group, ticket, join),
            // The reply to its join was lost on the way.
            State::CompletingRebalance if unchanged => self.answer_join(ticket, group, member_id),
            State::CompletingRebalance => self.rejoin(group, ticket, join),
            // A leader that joins again wants to assign again, for a reason that its metadata need not show.
            State::Stable if group.is_leader(member_id) || !unchanged => self.rejoin(group, ticket, join),
            State::Stable => {
                self.outcome.answer(ticket, Reply::Join(generation_of(group, member_id)));
            }
            State::Empty | State::Dead => self.answer_join_error(ticket, member_id, ErrorCode::UnknownMemberId),
        }
    }

    fn add_member(&mut self, group: &mut Group, join: &JoinCommand, member_id: Arc<str>, ticket: Ticket) {
        if let Some(delay) = &mut group.initial_delay {
            delay.extended = true;
        }
        if group.members.is_empty() {
            group.protocol_type = Some(own(&join.request.protocol_type));
        }
        let member = join.member(member_id, ticket);
        // Without an id it cannot send heartbeats; this only bounds how long its parked join is believed in.
        self.set(Timer::Session(group.id.clone(), member.id.clone()), self.now.monotonic + NEW_MEMBER_TIMEOUT);
        group.add(member);
        self.rebalance_or_complete_join(group);
    }

    fn rejoin(&mut self, group: &mut Group, ticket: Ticket, join: &JoinCommand) {
        self.update_member(group, &join.request.member_id, join, Some(ticket));
        self.rebalance_or_complete_join(group);
    }

    fn update_member(&mut self, group: &mut Group, member_id: &str, join: &JoinCommand, ticket: Option<Ticket>) {
        let Some(member) = group.members.get_mut(member_id) else { return };
        member.protocols = join.protocols();
        member.rebalance_timeout_ms = join.request.rebalance_timeout_ms;
        member.session_timeout_ms = join.request.session_timeout_ms;
        let superseded = std::mem::replace(&mut member.awaiting_join, ticket);
        if let Some(superseded) = superseded {
            self.answer_join_error(superseded, member_id, ErrorCode::RebalanceInProgress);
        }
    }

    /// A static member has restarted: it takes its old place under a new member id, and what the old one has parked is
    /// fenced.
    fn replace_static_member(
        &mut self,
        group: &mut Group,
        ticket: Ticket,
        join: &JoinCommand,
        instance: &str,
        new_id: Arc<str>,
    ) -> Option<Undo> {
        let leader_before = group.leader.clone();
        let old = group.replace_static(instance, new_id.clone())?;
        if let Some(parked) = old.awaiting_join {
            self.answer_join_error(parked, &old.id, ErrorCode::FencedInstanceId);
        }
        if let Some(parked) = old.awaiting_sync {
            self.answer_sync_error(parked, ErrorCode::FencedInstanceId);
        }
        if group.pending_sync.remove(&old.id) {
            group.pending_sync.insert(new_id.clone());
        }
        self.cancel(Timer::Session(group.id.clone(), old.id.clone()));
        self.update_member(group, &new_id, join, None);
        self.renew_session(group.id.clone(), &group.members[&new_id]);
        if group.state == State::Stable && group.select_protocol() == group.protocol {
            self.outcome.answer(ticket, Reply::Join(returning_static(group, &new_id, leader_before, join.version)));
            self.persist(group);
            return Some(Undo::StaticMember { group: group.id.clone(), new_id, old: Box::new(old), ticket });
        }
        if let Some(member) = group.members.get_mut(&new_id) {
            member.awaiting_join = Some(ticket);
        }
        match group.state {
            // In the sync phase the leader may be assigning to the old id already.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(group),
            State::PreparingRebalance | State::Empty | State::Dead => self.complete_join_if_all_joined(group),
        }
        None
    }
}

/// What a static member is told that comes back without a rebalance. A leader of an old version must not learn that it
/// leads, lest it assigns again; a newer one is told to skip the assignment.
fn returning_static(group: &Group, new_id: &str, leader_before: Option<Arc<str>>, version: i16) -> JoinGroupResponse {
    let reply = generation_of(group, new_id);
    if version < SKIP_ASSIGNMENT_SINCE {
        return reply.with_leader(leader_before.as_ref().map(text).unwrap_or_default());
    }
    let leads = group.is_leader(new_id);
    let members = if leads { roster(group) } else { Vec::new() };
    reply.with_members(members).with_skip_assignment(leads)
}

/// The refusal of a join that could not be written down.
pub fn unwritten_join(group: &Group, error: ErrorCode) -> Reply {
    let reply = join_error("", error).with_generation_id(group.generation);
    Reply::Join(reply)
}
