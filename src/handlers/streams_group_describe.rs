//! StreamsGroupDescribe (89): topology, members, epochs and tasks of streams groups (KIP-1071).

use super::{Answer, Call, operations};
use crate::protocol::newer::{StreamsDescribedGroup, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse};
use crate::types::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: StreamsGroupDescribeRequest) -> Answer {
    let mut groups = match call.streams_groups_enabled() {
        true => call.node.groups.streams_describe(request.group_ids).await,
        false => request.group_ids.into_iter().map(unsupported).collect(),
    };
    if request.include_authorized_operations {
        let described = groups.iter_mut().filter(|group| group.error_code == ErrorCode::None.code());
        described.for_each(|group| group.authorized_operations = operations::GROUP);
    }
    Answer::own(call, &StreamsGroupDescribeResponse { groups, ..Default::default() })
}

fn unsupported(group_id: String) -> StreamsDescribedGroup {
    StreamsDescribedGroup { group_id, error_code: ErrorCode::UnsupportedVersion.code(), ..Default::default() }
}
