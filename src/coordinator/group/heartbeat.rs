//! Heartbeat: a member lives, and learns whether it has to join again.

use crate::protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use crate::state_machine::Ticket;
use crate::types::ErrorCode;

use super::machine::{GroupMachine, Live, Reply, Turn};
use super::state::State;

impl GroupMachine {
    pub(super) fn heartbeat(&self, live: &mut Live, turn: &mut Turn, ticket: Ticket, request: &HeartbeatRequest) {
        let result = match self.consumers.get(request.group_id.as_str()) {
            Some(group) => self.beat_in_consumer_group(live, turn, group, request),
            None => beat(live, turn, request),
        };
        let code = result.err().unwrap_or(ErrorCode::None).code();
        turn.outcome.answer(ticket, Reply::Heartbeat(HeartbeatResponse::default().with_error_code(code)));
    }
}

fn beat(live: &Live, turn: &mut Turn, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
    let group = live.groups.get(request.group_id.as_str()).ok_or(ErrorCode::UnknownMemberId)?;
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation_id != group.generation {
        return Err(ErrorCode::IllegalGeneration);
    }
    let renew = |turn: &mut Turn| turn.renew_session(group.id.clone(), &group.members[request.member_id.as_str()]);
    match group.state {
        State::PreparingRebalance => {
            renew(turn);
            Err(ErrorCode::RebalanceInProgress)
        }
        State::CompletingRebalance | State::Stable => {
            renew(turn);
            Ok(())
        }
        State::Empty | State::Dead => Err(ErrorCode::UnknownMemberId),
    }
}
