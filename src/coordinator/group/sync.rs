//! SyncGroup: the leader hands in the assignment, everybody takes theirs out.

use std::collections::BTreeMap;

use crate::protocol::messages::SyncGroupRequest;
use crate::state_machine::Ticket;
use crate::types::ErrorCode;

use super::classic::{Group, detach};
use super::machine::{GroupMachine, Live, Timer, Turn};
use super::state::State;
use super::undo::Undo;

impl GroupMachine {
    pub(super) fn sync(&self, live: &mut Live, turn: &mut Turn, ticket: Ticket, request: &SyncGroupRequest) {
        if let Some(group) = self.consumers.get(request.group_id.as_str()) {
            return self.sync_with_consumer_group(live, turn, ticket, group, request);
        }
        let group = live.groups.get_mut(request.group_id.as_str()).filter(|group| group.state != State::Empty);
        match group {
            None => turn.answer_sync_error(ticket, ErrorCode::UnknownMemberId),
            Some(group) => live.undo = turn.sync(group, ticket, request),
        }
    }
}

impl Turn<'_> {
    fn sync(&mut self, group: &mut Group, ticket: Ticket, request: &SyncGroupRequest) -> Option<Undo> {
        if let Err(error) = validate(group, request) {
            self.answer_sync_error(ticket, error);
            return None;
        }
        match group.state {
            State::PreparingRebalance => self.answer_sync_error(ticket, ErrorCode::RebalanceInProgress),
            State::CompletingRebalance => {
                self.park_sync(group, ticket, &request.member_id);
                if group.is_leader(&request.member_id) {
                    return Some(self.take_assignment(group, request));
                }
            }
            State::Stable => {
                self.has_synced(group, &request.member_id);
                self.answer_sync(ticket, group, &group.members[request.member_id.as_str()]);
            }
            State::Empty | State::Dead => self.answer_sync_error(ticket, ErrorCode::UnknownMemberId),
        }
        None
    }

    fn park_sync(&mut self, group: &mut Group, ticket: Ticket, member_id: &str) {
        let member = group.members.get_mut(member_id).expect("validated");
        if let Some(superseded) = member.awaiting_sync.replace(ticket) {
            self.answer_sync_error(superseded, ErrorCode::RebalanceInProgress);
        }
        self.has_synced(group, member_id);
    }

    fn has_synced(&mut self, group: &mut Group, member_id: &str) {
        group.pending_sync.remove(member_id);
        if group.pending_sync.is_empty() {
            self.cancel(Timer::Sync(group.id.clone()));
        }
    }

    /// The generation is complete once this is written: replies wait for that. Members without an entry get an empty
    /// assignment.
    fn take_assignment(&mut self, group: &mut Group, request: &SyncGroupRequest) -> Undo {
        let given = request.assignments.iter().map(|given| (given.member_id.as_str(), &given.assignment));
        let given: BTreeMap<&str, _> = given.collect();
        for member in group.members.values_mut() {
            member.assignment = given.get(&*member.id).map(|bytes| detach(bytes)).unwrap_or_default();
        }
        // The record carries the time at which the group began to complete, as the JVM writes it before it turns
        // stable.
        self.persist(group);
        self.deliver_assignments(group);
        group.become_state(State::Stable, self.now.wall);
        Undo::Assignment { group: group.id.clone() }
    }
}

fn validate(group: &Group, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation_id != group.generation {
        return Err(ErrorCode::IllegalGeneration);
    }
    let differs = |asked: Option<&str>, is: Option<&str>| asked.is_some() && asked != is;
    let protocol_type = differs(request.protocol_type.as_deref(), group.protocol_type.as_deref());
    if protocol_type || differs(request.protocol_name.as_deref(), group.protocol.as_deref()) {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    Ok(())
}
