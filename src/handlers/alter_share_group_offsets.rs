//! AlterShareGroupOffsets (91): where an empty share group begins anew (KIP-932).

use super::{Answer, Call, share_groups};
use crate::protocol::StrBytes;
use crate::protocol::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, ResponseKind};
use crate::types::{ErrorCode, TopicId};

pub(super) async fn handle(call: &Call<'_>, request: AlterShareGroupOffsetsRequest) -> Answer {
    ResponseKind::AlterShareGroupOffsets(alter(call, request).await).into()
}

async fn alter(call: &Call<'_>, request: AlterShareGroupOffsetsRequest) -> AlterShareGroupOffsetsResponse {
    if !call.share_groups_enabled() {
        let unsupported = ErrorCode::UnsupportedVersion;
        let message = StrBytes::from_static_str(unsupported.message());
        let response = AlterShareGroupOffsetsResponse::default().with_error_code(unsupported.code());
        return response.with_error_message(Some(message));
    }
    let (mut response, ask) = call.node.groups.alter_share_offsets(request).await;
    let Some(ask) = ask else { return response };
    let refused = share_groups::initialize(call.node, &ask).await;
    for topic in &mut response.responses {
        let id = TopicId::from(topic.topic_id);
        for partition in &mut topic.partitions {
            if let Some(why) = refused.get(&(id, partition.partition_index)) {
                partition.error_code = why.code.code();
                partition.error_message = Some(StrBytes::from_string(why.message.clone()));
            }
        }
    }
    response
}
