//! DeleteGroups (42): forgets groups without members.

use super::{Answer, Call, share_groups};
use crate::protocol::messages::delete_groups_response::DeletableGroupResult;
use crate::protocol::messages::{DeleteGroupsRequest, GroupId, ResponseKind};
use crate::types::ErrorCode;

/// The state of a share group is deleted before the group is, and a group whose state could not be deleted stays.
pub(super) async fn handle(call: &Call<'_>, request: DeleteGroupsRequest) -> Answer {
    let mut groups = request.groups_names;
    let mut kept = Vec::new();
    for (id, state) in call.node.groups.begin_share_deletion(&groups).await {
        let error = match state {
            Ok(state) => share_groups::delete(call.node, &state).await.into_values().next().map(|why| why.code),
            Err(error) => Some(error),
        };
        if let Some(error) = error.filter(|error| *error != ErrorCode::None) {
            groups.retain(|group| group.0 != id);
            kept.push(DeletableGroupResult::default().with_group_id(GroupId(id)).with_error_code(error.code()));
        }
    }
    let mut response = call.node.groups.delete_groups(groups).await;
    response.results.append(&mut kept);
    ResponseKind::DeleteGroups(response).into()
}
