//! DeleteGroups (42): forgets groups without members.

use super::{Answer, Call};
use crate::protocol::messages::{DeleteGroupsRequest, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: DeleteGroupsRequest) -> Answer {
    ResponseKind::DeleteGroups(call.node.groups.delete_groups(request.groups_names).await).into()
}
