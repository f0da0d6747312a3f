//! RenewDelegationToken (39): a PLAINTEXT connection may not ask for tokens.

use super::{Answer, Call};
use crate::protocol::messages::{RenewDelegationTokenRequest, RenewDelegationTokenResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, _: RenewDelegationTokenRequest) -> Answer {
    let mut response = RenewDelegationTokenResponse::default();
    response.error_code = ErrorCode::DelegationTokenRequestNotAllowed.code();
    response.expiry_timestamp_ms = -1;
    ResponseKind::RenewDelegationToken(response).into()
}
