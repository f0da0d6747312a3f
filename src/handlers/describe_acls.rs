//! DescribeAcls (29), as a broker without an authorizer answers it.

use super::{Answer, Call, UNKNOWN_ACL_ELEMENT};
use crate::protocol::StrBytes;
use crate::protocol::messages::{DescribeAclsRequest, DescribeAclsResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, request: DescribeAclsRequest) -> Answer {
    let DescribeAclsRequest { resource_type_filter, pattern_type_filter, operation, permission_type, .. } = request;
    if [resource_type_filter, pattern_type_filter, operation, permission_type].contains(&UNKNOWN_ACL_ELEMENT) {
        return Answer::Close("a DescribeAcls request holds unknown elements".into());
    }
    let mut response = DescribeAclsResponse::default();
    response.error_code = ErrorCode::SecurityDisabled.code();
    response.error_message = Some(StrBytes::from_static_str("No Authorizer is configured on the broker"));
    ResponseKind::DescribeAcls(response).into()
}
