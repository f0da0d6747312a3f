//! SyncGroup (14): hands the leader's assignment to the members.

use super::{Answer, Call};
use crate::protocol::messages::{ResponseKind, SyncGroupRequest};

pub(super) async fn handle(call: &Call<'_>, request: SyncGroupRequest) -> Answer {
    // What it holds from now on is the group's.
    call.may_wait();
    ResponseKind::SyncGroup(call.node.groups.sync(request, call.version()).await).into()
}
