//! ListGroups (16): the groups coordinated here, by state and type.

use super::{Answer, Call};
use crate::protocol::messages::{ListGroupsRequest, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: ListGroupsRequest) -> Answer {
    let (version, mut response) = (call.version(), call.node.groups.list(&request).await);
    for group in &mut response.groups {
        if version < 4 {
            group.group_state = Default::default();
        }
        if version < 5 {
            group.group_type = Default::default();
        }
    }
    ResponseKind::ListGroups(response).into()
}
