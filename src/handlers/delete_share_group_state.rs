//! DeleteShareGroupState (86): what groups keep of partitions is forgotten (KIP-932).

use std::sync::Arc;

use super::by_topic::ByTopic;
use super::{Answer, Call, share_state};
use crate::coordinator::share::SharePartitionKey;
use crate::protocol::messages::delete_share_group_state_response::{DeleteStateResult, PartitionResult};
use crate::protocol::messages::{DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: DeleteShareGroupStateRequest) -> Answer {
    let mut answers = ByTopic::default();
    let group: Arc<str> = request.group_id.as_str().into();
    let is_complete = share_state::is_complete(&group, request.topics.iter().map(|topic| topic.partitions.len()));
    let topics = if is_complete { request.topics } else { Vec::new() };
    for topic in topics {
        for asked in topic.partitions {
            let key = SharePartitionKey::new(group.clone(), topic.topic_id.into(), asked.partition);
            let done = call.node.share_states.delete(key).await;
            let (code, message) = done.err().map(share_state::told).unwrap_or_default();
            let answer = PartitionResult::default().with_partition(asked.partition);
            answers.set(&topic.topic_id, asked.partition, answer.with_error_code(code).with_error_message(message));
        }
    }
    let results = answers
        .into_topics(|id, partitions| DeleteStateResult::default().with_topic_id(id).with_partitions(partitions));
    ResponseKind::DeleteShareGroupState(DeleteShareGroupStateResponse::default().with_results(results)).into()
}
