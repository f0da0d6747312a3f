//! DeleteShareGroupOffsets (92): an empty share group forgets topics (KIP-932).

use super::{Answer, Call, share_groups};
use crate::coordinator::group::StateOf;
use crate::protocol::StrBytes;
use crate::protocol::messages::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use crate::protocol::messages::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, ResponseKind, TopicName,
};
use crate::types::{ErrorCode, TopicId};

pub(super) async fn handle(call: &Call<'_>, request: DeleteShareGroupOffsetsRequest) -> Answer {
    let response = match call.share_groups_enabled() {
        true => delete(call, request).await,
        false => failed(ErrorCode::UnsupportedVersion),
    };
    ResponseKind::DeleteShareGroupOffsets(response).into()
}

async fn delete(call: &Call<'_>, request: DeleteShareGroupOffsetsRequest) -> DeleteShareGroupOffsetsResponse {
    let (mut response, of) = call.node.groups.delete_share_offsets(request).await;
    let Some(of) = of else { return response };
    let refused = share_groups::delete(call.node, &of).await;
    let gone: Vec<TopicId> = of.partitions.keys().copied().filter(|topic| !refused.contains_key(topic)).collect();
    if !gone.is_empty()
        && let Err(error) = call.node.groups.share_offsets_deleted(&of.group, gone).await
    {
        return failed(error);
    }
    let answers = topics(call, &of).map(|(id, topic)| match refused.get(&id) {
        None => topic,
        Some(why) => topic
            .with_error_code(why.code.code())
            .with_error_message(Some(StrBytes::from_static_str(why.code.message()))),
    });
    response.responses.extend(answers);
    response
}

fn topics(call: &Call<'_>, of: &StateOf) -> impl Iterator<Item = (TopicId, DeleteShareGroupOffsetsResponseTopic)> {
    let image = call.node.image();
    of.partitions.keys().map(move |id| {
        let name = image.topics.with_id(*id).map(|topic| topic.name.to_string()).unwrap_or_default();
        let topic = DeleteShareGroupOffsetsResponseTopic::default().with_topic_id((*id).into());
        (*id, topic.with_topic_name(TopicName(StrBytes::from_string(name))))
    })
}

fn failed(error: ErrorCode) -> DeleteShareGroupOffsetsResponse {
    let message = StrBytes::from_static_str(error.message());
    DeleteShareGroupOffsetsResponse::default().with_error_code(error.code()).with_error_message(Some(message))
}
