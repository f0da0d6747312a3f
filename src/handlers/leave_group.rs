//! LeaveGroup (13): members go, one below version 3, many from there.

use super::{Answer, Call};
use crate::protocol::messages::{LeaveGroupRequest, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: LeaveGroupRequest) -> Answer {
    ResponseKind::LeaveGroup(call.node.groups.leave(request, call.version()).await).into()
}
