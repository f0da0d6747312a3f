//! CreateDelegationToken (38): a PLAINTEXT connection may not ask for tokens.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::{CreateDelegationTokenRequest, CreateDelegationTokenResponse, ResponseKind};
use crate::types::ErrorCode;

/// The principal of every connection that did not authenticate.
const USER: &str = "User";
const ANONYMOUS: &str = "ANONYMOUS";

pub(super) async fn handle(call: &Call<'_>, request: CreateDelegationTokenRequest) -> Answer {
    let mut response = CreateDelegationTokenResponse::default();
    let mut owner = request.owner_principal_name.filter(|name| !name.is_empty());
    let error = match (&owner, &request.owner_principal_type) {
        // A name of no type, over which Kafka fails.
        (Some(_), None) => {
            owner = None;
            ErrorCode::UnknownServerError
        }
        _ => ErrorCode::DelegationTokenRequestNotAllowed,
    };
    response.error_code = error.code();
    response.principal_type = match (&owner, request.owner_principal_type) {
        (Some(_), Some(owner_type)) => owner_type,
        _ => StrBytes::from_static_str(USER),
    };
    response.principal_name = owner.unwrap_or_else(|| StrBytes::from_static_str(ANONYMOUS));
    if call.version() >= 3 {
        response.token_requester_principal_type = StrBytes::from_static_str(USER);
        response.token_requester_principal_name = StrBytes::from_static_str(ANONYMOUS);
    }
    response.issue_timestamp_ms = -1;
    response.expiry_timestamp_ms = -1;
    response.max_timestamp_ms = -1;
    ResponseKind::CreateDelegationToken(response).into()
}
