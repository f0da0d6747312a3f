//! ConsumerGroupHeartbeat (68): membership in a consumer group, all of it (KIP-848).

use super::{Answer, Call};
use crate::protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: ConsumerGroupHeartbeatRequest) -> Answer {
    let response = match call.consumer_groups_enabled() {
        true => call.node.groups.consumer_heartbeat(&call.client(), request, call.version()).await,
        false => ConsumerGroupHeartbeatResponse::default().with_error_code(ErrorCode::UnsupportedVersion.code()),
    };
    ResponseKind::ConsumerGroupHeartbeat(response).into()
}
