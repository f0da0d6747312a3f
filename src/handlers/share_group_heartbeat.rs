//! ShareGroupHeartbeat (76): membership in a share group, all of it (KIP-932).

use super::{Answer, Call, share_groups};
use crate::protocol::messages::{ResponseKind, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use crate::types::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: ShareGroupHeartbeatRequest) -> Answer {
    if !call.share_groups_enabled() {
        let unsupported = ErrorCode::UnsupportedVersion.code();
        let response = ShareGroupHeartbeatResponse::default().with_error_code(unsupported);
        return ResponseKind::ShareGroupHeartbeat(response).into();
    }
    let (response, ask) = call.node.groups.share_heartbeat(&call.client(), request).await;
    if let Some(ask) = ask {
        // What could not be made is asked for again with a later heartbeat.
        let refused = share_groups::initialize(call.node, &ask).await;
        for ((topic, partition), why) in &refused {
            tracing::debug!("{} has no state in {topic}-{partition}: {}", ask.group, why.message);
        }
    }
    ResponseKind::ShareGroupHeartbeat(response).into()
}
