//! CreateAcls (30), as a broker without an authorizer answers it.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::create_acls_response::AclCreationResult;
use crate::protocol::messages::{CreateAclsRequest, CreateAclsResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, request: CreateAclsRequest) -> Answer {
    let mut refused = AclCreationResult::default();
    refused.error_code = ErrorCode::SecurityDisabled.code();
    refused.error_message = Some(StrBytes::from_static_str("No Authorizer is configured."));
    let mut response = CreateAclsResponse::default();
    response.results = vec![refused; request.creations.len()];
    ResponseKind::CreateAcls(response).into()
}
