//! SaslAuthenticate (36): a connection on a PLAINTEXT listener counts as authenticated, so there is nothing to do.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::{ResponseKind, SaslAuthenticateRequest, SaslAuthenticateResponse};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, _: SaslAuthenticateRequest) -> Answer {
    let mut response = SaslAuthenticateResponse::default();
    response.error_code = ErrorCode::IllegalSaslState.code();
    let message = "SaslAuthenticate request received after successful authentication";
    response.error_message = Some(StrBytes::from_static_str(message));
    ResponseKind::SaslAuthenticate(response).into()
}
