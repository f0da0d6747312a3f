//! DescribeDelegationToken (41): a PLAINTEXT connection may not ask for tokens.

use super::{Answer, Call};
use crate::protocol::messages::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, _: DescribeDelegationTokenRequest) -> Answer {
    let mut response = DescribeDelegationTokenResponse::default();
    response.error_code = ErrorCode::DelegationTokenRequestNotAllowed.code();
    ResponseKind::DescribeDelegationToken(response).into()
}
