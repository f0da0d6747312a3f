//! DescribeAcls (29), as a broker without an authorizer answers it.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::{DescribeAclsRequest, DescribeAclsResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, _: DescribeAclsRequest) -> Answer {
    let mut response = DescribeAclsResponse::default();
    response.error_code = ErrorCode::SecurityDisabled.code();
    response.error_message = Some(StrBytes::from_static_str("No Authorizer is configured on the broker"));
    ResponseKind::DescribeAcls(response).into()
}
