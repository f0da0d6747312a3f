//! JoinGroup (11): enters a classic group; answers when its next generation begins.

use super::{Answer, Call};
use crate::protocol::messages::{JoinGroupRequest, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: JoinGroupRequest) -> Answer {
    // What it holds from now on is the group's.
    call.may_wait();
    let response = call.node.groups.join(&call.client(), request, call.version()).await;
    ResponseKind::JoinGroup(response).into()
}
