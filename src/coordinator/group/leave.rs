//! LeaveGroup: members go at once instead of after their session timeout.

use crate::protocol::StrBytes;
use crate::protocol::messages::LeaveGroupResponse;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::leave_group_response::MemberResponse;
use crate::state_machine::Ticket;
use crate::types::ErrorCode;

use super::classic::Group;
use super::machine::{GroupMachine, Live, Reply, Timer, Turn, own};
use super::state::State;

impl GroupMachine {
    pub(super) fn leave(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        ticket: Ticket,
        group: &StrBytes,
        members: Vec<MemberIdentity>,
    ) {
        if let Some(group) = self.consumers.get(group.as_str()) {
            let results = self.leave_consumer_group(live, turn, group, &members);
            let replies = members.into_iter().zip(results).map(|(member, result)| response(member, result));
            let reply = LeaveGroupResponse::default().with_members(replies.collect());
            return turn.outcome.answer(ticket, Reply::Leave(reply));
        }
        let replies = match live.groups.get_mut(group.as_str()) {
            None => members.into_iter().map(|member| response(member, Err(ErrorCode::UnknownMemberId))).collect(),
            Some(group) => turn.leave(group, members),
        };
        turn.outcome.answer(ticket, Reply::Leave(LeaveGroupResponse::default().with_members(replies)));
    }
}

impl Turn<'_> {
    fn leave(&mut self, group: &mut Group, members: Vec<MemberIdentity>) -> Vec<MemberResponse> {
        let mut somebody_left = false;
        let mut replies = Vec::with_capacity(members.len());
        for member in members {
            let result = self.let_go(group, &member);
            somebody_left |= result.is_ok();
            replies.push(response(member, result));
        }
        if somebody_left {
            match group.state {
                State::Stable | State::CompletingRebalance => self.rebalance_or_complete_join(group),
                State::PreparingRebalance => self.complete_join_if_all_joined(group),
                State::Empty | State::Dead => {}
            }
        }
        replies
    }

    /// An administrator names a static member by its instance id alone.
    fn let_go(&mut self, group: &mut Group, member: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance = member.group_instance_id.as_deref();
        let member_id = match (member.member_id.as_str(), instance) {
            ("", Some(instance)) => group.static_members.get(instance).cloned().ok_or(ErrorCode::UnknownMemberId)?,
            ("", None) => return Err(ErrorCode::UnknownMemberId),
            (id, _) if group.pending.contains(id) => own(id),
            (id, instance) => {
                group.validate_member(id, instance)?;
                own(id)
            }
        };
        self.cancel(Timer::Session(group.id.clone(), member_id.clone()));
        if !group.pending.remove(&member_id) {
            self.remove_member(group, &member_id);
        }
        Ok(())
    }
}

fn response(member: MemberIdentity, result: Result<(), ErrorCode>) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(member.member_id)
        .with_group_instance_id(member.group_instance_id)
        .with_error_code(result.err().unwrap_or(ErrorCode::None).code())
}
