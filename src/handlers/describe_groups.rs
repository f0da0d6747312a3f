//! DescribeGroups (15): state, members and assignments of classic groups.

use super::{operations, Answer, Call};
use crate::protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, ResponseKind};

/// The first version that may ask for authorised operations.
const FIRST_VERSION_WITH_OPERATIONS: i16 = 3;

pub(super) async fn handle(call: &Call<'_>, request: DescribeGroupsRequest) -> Answer {
    let mut response = DescribeGroupsResponse::default();
    response.groups = call.node.groups.describe(request.groups, call.version()).await;
    if call.version() >= FIRST_VERSION_WITH_OPERATIONS && request.include_authorized_operations {
        for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
            group.authorized_operations = operations::GROUP;
        }
    }
    ResponseKind::DescribeGroups(response).into()
}
