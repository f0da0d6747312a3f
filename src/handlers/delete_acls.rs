//! DeleteAcls (31), as a broker without an authorizer answers it.

use super::{Answer, Call, UNKNOWN_ACL_ELEMENT};
use crate::protocol::StrBytes;
use crate::protocol::messages::delete_acls_request::DeleteAclsFilter;
use crate::protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use crate::protocol::messages::{DeleteAclsRequest, DeleteAclsResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, request: DeleteAclsRequest) -> Answer {
    let is_unknown = |filter: &DeleteAclsFilter| {
        let DeleteAclsFilter { resource_type_filter, pattern_type_filter, operation, permission_type, .. } = filter;
        [*resource_type_filter, *pattern_type_filter, *operation, *permission_type].contains(&UNKNOWN_ACL_ELEMENT)
    };
    if request.filters.iter().any(is_unknown) {
        return Answer::Close("a DeleteAcls request holds unknown elements".into());
    }
    let mut refused = DeleteAclsFilterResult::default();
    refused.error_code = ErrorCode::SecurityDisabled.code();
    refused.error_message = Some(StrBytes::from_static_str("No Authorizer is configured."));
    let mut response = DeleteAclsResponse::default();
    response.filter_results = vec![refused; request.filters.len()];
    ResponseKind::DeleteAcls(response).into()
}
