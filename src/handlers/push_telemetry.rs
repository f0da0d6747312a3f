//! PushTelemetry (72): metrics that a client was asked for (KIP-714).

use super::{Answer, Call};
use crate::protocol::messages::{PushTelemetryRequest, PushTelemetryResponse, ResponseKind};
use crate::telemetry::Push;

pub(super) async fn handle(call: &Call<'_>, request: PushTelemetryRequest) -> Answer {
    let push = Push {
        instance_id: request.client_instance_id.into(),
        subscription_id: request.subscription_id,
        terminating: request.terminating,
        compression_type: request.compression_type,
        metrics: &request.metrics,
    };
    let mut response = PushTelemetryResponse::default();
    if let Err(error) = call.node.telemetry.push(&push, &call.telemetry_client()) {
        response.error_code = error.code();
    }
    ResponseKind::PushTelemetry(response).into()
}
