//! ExpireDelegationToken (40): a PLAINTEXT connection may not ask for tokens.

use super::{Answer, Call};
use crate::protocol::messages::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, _: ExpireDelegationTokenRequest) -> Answer {
    let mut response = ExpireDelegationTokenResponse::default();
    response.error_code = ErrorCode::DelegationTokenRequestNotAllowed.code();
    response.expiry_timestamp_ms = -1;
    ResponseKind::ExpireDelegationToken(response).into()
}
