//! ConsumerGroupDescribe (69): members, epochs and assignments of consumer groups (KIP-848).

use super::{Answer, Call, operations};
use crate::protocol::messages::consumer_group_describe_response::DescribedGroup;
use crate::protocol::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, ResponseKind};
use crate::types::ErrorCode;

/// The first version that tells members of the classic protocol from others.
const FIRST_VERSION_WITH_MEMBER_TYPE: i16 = 1;
const UNKNOWN_MEMBER_TYPE: i8 = -1;

pub(super) async fn handle(call: &Call<'_>, request: ConsumerGroupDescribeRequest) -> Answer {
    let mut groups = match call.consumer_groups_enabled() {
        true => call.node.groups.consumer_describe(request.group_ids).await,
        false => request.group_ids.into_iter().map(unsupported).collect(),
    };
    for group in groups.iter_mut().filter(|group| group.error_code == ErrorCode::None.code()) {
        if request.include_authorized_operations {
            group.authorized_operations = operations::GROUP;
        }
        if call.version() < FIRST_VERSION_WITH_MEMBER_TYPE {
            group.members.iter_mut().for_each(|member| member.member_type = UNKNOWN_MEMBER_TYPE);
        }
    }
    ResponseKind::ConsumerGroupDescribe(ConsumerGroupDescribeResponse::default().with_groups(groups)).into()
}

fn unsupported(id: GroupId) -> DescribedGroup {
    DescribedGroup::default().with_group_id(id).with_error_code(ErrorCode::UnsupportedVersion.code())
}
