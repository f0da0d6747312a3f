//! GetTelemetrySubscriptions (71): which metrics a client is to push, and how often (KIP-714).

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, ResponseKind,
};
use crate::telemetry::ACCEPTED_COMPRESSION;

pub(super) async fn handle(call: &Call<'_>, request: GetTelemetrySubscriptionsRequest) -> Answer {
    let telemetry = &call.node.telemetry;
    let mut response = GetTelemetrySubscriptionsResponse::default();
    match telemetry.subscribe(request.client_instance_id.into(), &call.telemetry_client()) {
        Ok(told) => {
            response.client_instance_id = told.instance_id.into();
            response.subscription_id = told.subscription_id;
            response.accepted_compression_types = ACCEPTED_COMPRESSION.map(|codec| codec.id() as i8).to_vec();
            response.push_interval_ms = told.interval_ms;
            response.telemetry_max_bytes = i32::try_from(telemetry.max_bytes()).unwrap_or(i32::MAX);
            response.delta_temporality = true;
            response.requested_metrics = told.metrics.into_iter().map(StrBytes::from_string).collect();
        }
        Err(error) => response.error_code = error.code(),
    }
    ResponseKind::GetTelemetrySubscriptions(response).into()
}
