//! ShareGroupDescribe (77): members, epochs and assignments of share groups (KIP-932).

use super::{Answer, Call, operations};
use crate::protocol::messages::share_group_describe_response::DescribedGroup;
use crate::protocol::messages::{GroupId, ResponseKind, ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use crate::types::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: ShareGroupDescribeRequest) -> Answer {
    let mut groups = match call.share_groups_enabled() {
        true => call.node.groups.share_describe(request.group_ids).await,
        false => request.group_ids.into_iter().map(unsupported).collect(),
    };
    if request.include_authorized_operations {
        let described = groups.iter_mut().filter(|group| group.error_code == ErrorCode::None.code());
        described.for_each(|group| group.authorized_operations = operations::GROUP);
    }
    ResponseKind::ShareGroupDescribe(ShareGroupDescribeResponse::default().with_groups(groups)).into()
}

fn unsupported(id: GroupId) -> DescribedGroup {
    DescribedGroup::default().with_group_id(id).with_error_code(ErrorCode::UnsupportedVersion.code())
}
