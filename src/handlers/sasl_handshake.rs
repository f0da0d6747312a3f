//! SaslHandshake (17): no listener here speaks SASL, so the request comes at the wrong time, as Kafka says on a
//! PLAINTEXT listener.

use super::{Answer, Call};
use crate::protocol::messages::{ResponseKind, SaslHandshakeRequest, SaslHandshakeResponse};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, _: SaslHandshakeRequest) -> Answer {
    let mut response = SaslHandshakeResponse::default();
    response.error_code = ErrorCode::IllegalSaslState.code();
    ResponseKind::SaslHandshake(response).into()
}
