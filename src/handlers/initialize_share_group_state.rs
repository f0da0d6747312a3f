//! InitializeShareGroupState (83): a group begins, or begins anew, in partitions (KIP-932).

use std::sync::Arc;

use super::by_topic::ByTopic;
use super::{Answer, Call, share_state};
use crate::coordinator::share::SharePartitionKey;
use crate::protocol::messages::initialize_share_group_state_response::{InitializeStateResult, PartitionResult};
use crate::protocol::messages::{InitializeShareGroupStateRequest, InitializeShareGroupStateResponse, ResponseKind};
use crate::types::Offset;

pub(super) async fn handle(call: &Call<'_>, request: InitializeShareGroupStateRequest) -> Answer {
    let mut answers = ByTopic::default();
    let group: Arc<str> = request.group_id.as_str().into();
    let topics = if group.is_empty() { Vec::new() } else { request.topics };
    for topic in topics {
        for asked in topic.partitions {
            let key = SharePartitionKey::new(group.clone(), topic.topic_id.into(), asked.partition);
            let start_offset = Offset(asked.start_offset);
            let done = call.node.share_states.initialize(key, asked.state_epoch, start_offset).await;
            let (code, message) = done.err().map(share_state::told).unwrap_or_default();
            let answer = PartitionResult::default().with_partition(asked.partition);
            answers.set(&topic.topic_id, asked.partition, answer.with_error_code(code).with_error_message(message));
        }
    }
    let results = answers
        .into_topics(|id, partitions| InitializeStateResult::default().with_topic_id(id).with_partitions(partitions));
    let response = InitializeShareGroupStateResponse::default().with_results(results);
    ResponseKind::InitializeShareGroupState(response).into()
}
