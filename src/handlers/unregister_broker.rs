//! UnregisterBroker (64): forgets a broker that is gone for good.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::{ResponseKind, UnregisterBrokerRequest, UnregisterBrokerResponse};
use crate::types::BrokerId;

pub(super) async fn handle(call: &Call<'_>, request: UnregisterBrokerRequest) -> Answer {
    let outcome = call.node.controller.unregister_broker(BrokerId(request.broker_id.0)).await;
    let outcome = outcome.unwrap_or_else(|error| Err(super::not_submitted(&error)));
    let mut response = UnregisterBrokerResponse::default();
    if let Err(denied) = outcome {
        response.error_code = denied.code.code();
        response.error_message = denied.message.map(StrBytes::from_string);
    }
    ResponseKind::UnregisterBroker(response).into()
}
