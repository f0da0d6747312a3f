//! CreateAcls (30), as a broker without an authorizer answers it.

use super::{Answer, Call, UNKNOWN_ACL_ELEMENT};
use crate::protocol::StrBytes;
use crate::protocol::messages::create_acls_request::AclCreation;
use crate::protocol::messages::create_acls_response::AclCreationResult;
use crate::protocol::messages::{CreateAclsRequest, CreateAclsResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, request: CreateAclsRequest) -> Answer {
    let is_unknown = |creation: &AclCreation| {
        let AclCreation { resource_type, resource_pattern_type, operation, permission_type, .. } = creation;
        [*resource_type, *resource_pattern_type, *operation, *permission_type].contains(&UNKNOWN_ACL_ELEMENT)
    };
    if request.creations.iter().any(is_unknown) {
        return Answer::Close("a CreateAcls request holds unknown elements".into());
    }
    let mut refused = AclCreationResult::default();
    refused.error_code = ErrorCode::SecurityDisabled.code();
    refused.error_message = Some(StrBytes::from_static_str("No Authorizer is configured."));
    let mut response = CreateAclsResponse::default();
    response.results = vec![refused; request.creations.len()];
    ResponseKind::CreateAcls(response).into()
}
