//! Heartbeat (12): a member is alive, and learns of rebalances.

use super::{Answer, Call};
use crate::protocol::messages::{HeartbeatRequest, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: HeartbeatRequest) -> Answer {
    ResponseKind::Heartbeat(call.node.groups.heartbeat(request).await).into()
}
