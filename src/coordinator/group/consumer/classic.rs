//! SyncGroup, Heartbeat and LeaveGroup of members of the classic protocol in a consumer group.

use std::collections::BTreeSet;

use super::super::machine::{GroupMachine, Live, Reply, Timer, Turn};
use super::super::subscription::CONSUMER_PROTOCOL_TYPE;
use super::super::undo::Undo;
use super::embedded;
use super::epoch::Step;
use super::group::ConsumerGroup;
use super::member::{ConsumerMember, MemberState, without_epochs};
use super::migrate::classic_session_timeout;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::{HeartbeatRequest, SyncGroupRequest, SyncGroupResponse};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, Millis};

impl GroupMachine {
    pub(in super::super) fn sync_with_consumer_group(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        ticket: Ticket,
        group: &ConsumerGroup,
        request: &SyncGroupRequest,
    ) {
        let image = self.surroundings.image();
        let mut step = self.step(live, turn, group, &image);
        let reply = step.sync(request);
        // Also a refusal may wait for the member to join again.
        step.conclude(live, turn);
        let refused = |error: ErrorCode| SyncGroupResponse::default().with_error_code(error.code());
        turn.outcome.answer(ticket, Reply::Sync(reply.unwrap_or_else(refused)));
    }

    pub(in super::super) fn beat_in_consumer_group(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        group: &ConsumerGroup,
        request: &HeartbeatRequest,
    ) -> Result<(), ErrorCode> {
        let image = self.surroundings.image();
        let mut step = self.step(live, turn, group, &image);
        let result = step.classic_beat(request);
        step.conclude(live, turn);
        result
    }

    /// Takes the members out that there are; says of each whether it was one.
    pub(in super::super) fn leave_consumer_group(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        group: &ConsumerGroup,
        members: &[MemberIdentity],
    ) -> Vec<Result<(), ErrorCode>> {
        let mut leaving = BTreeSet::new();
        let find = |identity: &MemberIdentity| match identity.group_instance_id.as_deref() {
            // An administrator names a static member by its instance id alone.
            Some(instance) if identity.member_id.is_empty() => {
                group.static_member(instance).ok_or(ErrorCode::UnknownMemberId)
            }
            instance => group.validated(&identity.member_id, instance),
        };
        let each = members.iter().map(|identity| {
            find(identity).map(|member| {
                leaving.insert(member.id.clone());
            })
        });
        let results = each.collect();
        live.undo = self.fence(live, turn, group, &leaving).map(Undo::downgrade);
        results
    }
}

impl Step<'_> {
    fn sync(&mut self, request: &SyncGroupRequest) -> Result<SyncGroupResponse, ErrorCode> {
        let group = self.group;
        let member = group.validated(&request.member_id, request.group_instance_id.as_deref())?;
        let (Some(classic), Some(timeout)) = (&member.metadata.classic, classic_session_timeout(member)) else {
            return Err(ErrorCode::UnknownMemberId);
        };
        if request.generation_id != member.epoch() {
            return Err(ErrorCode::IllegalGeneration);
        }
        let (name, metadata) = classic.protocols.first().ok_or(ErrorCode::UnknownServerError)?;
        let other_type = request.protocol_type.as_deref().is_some_and(|kind| kind != CONSUMER_PROTOCOL_TYPE);
        if other_type || request.protocol_name.as_deref().is_some_and(|asked| asked != &**name) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        // One that is still giving partitions up has joined already; it will be told to join again when it is done.
        let behind = group.target_epoch.epoch > member.epoch();
        if behind && member.current.state != MemberState::UnrevokedPartitions {
            self.await_join(member);
            return Err(ErrorCode::RebalanceInProgress);
        }
        let owns = without_epochs(&member.current.assigned);
        let assignment = embedded::assignment_for(metadata, &owns, self.image).ok_or(ErrorCode::UnknownServerError)?;
        self.cancel(Timer::MemberSync(group.id.clone(), member.id.clone()));
        self.renew_session(&member.id, timeout);
        let reply = SyncGroupResponse::default().with_protocol_type(request.protocol_type.clone());
        Ok(reply.with_protocol_name(request.protocol_name.clone()).with_assignment(assignment))
    }

    fn classic_beat(&mut self, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let group = self.group;
        let member = group.validated(&request.member_id, request.group_instance_id.as_deref())?;
        let timeout = classic_session_timeout(member).ok_or(ErrorCode::UnknownMemberId)?;
        if request.generation_id != member.epoch() {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.renew_session(&member.id, timeout);
        let must_rejoin = member.epoch() < group.target_epoch.epoch
            || match member.current.state {
                MemberState::UnrevokedPartitions => true,
                MemberState::UnreleasedPartitions => !group.waits_for_others(member),
                MemberState::Stable | MemberState::Unknown => false,
            };
        if !must_rejoin {
            return Ok(());
        }
        self.await_join(member);
        Err(ErrorCode::RebalanceInProgress)
    }

    /// The member has its rebalance timeout from the first time it is told.
    fn await_join(&mut self, member: &ConsumerMember) {
        if self.live.await_join(&member.id) {
            let timer = Timer::MemberJoin(self.group.id.clone(), member.id.clone());
            self.set(timer, Millis(i64::from(member.metadata.rebalance_timeout_ms)));
        }
    }
}

impl ConsumerGroup {
    /// Whether somebody still has what the member shall own.
    fn waits_for_others(&self, member: &ConsumerMember) -> bool {
        let target = self.targets.get(&member.id);
        target.into_iter().flatten().any(|(topic, partitions)| {
            let has = member.current.assigned.get(topic);
            partitions.iter().any(|partition| {
                !has.is_some_and(|has| has.contains_key(partition))
                    && self.partition_epoch(*topic, *partition).is_some()
            })
        })
    }
}
