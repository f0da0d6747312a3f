//! DeleteAcls (31), as a broker without an authorizer answers it.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use crate::protocol::messages::{DeleteAclsRequest, DeleteAclsResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, request: DeleteAclsRequest) -> Answer {
    let mut refused = DeleteAclsFilterResult::default();
    refused.error_code = ErrorCode::SecurityDisabled.code();
    refused.error_message = Some(StrBytes::from_static_str("No Authorizer is configured."));
    let mut response = DeleteAclsResponse::default();
    response.filter_results = vec![refused; request.filters.len()];
    ResponseKind::DeleteAcls(response).into()
}
