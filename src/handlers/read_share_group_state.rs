//! ReadShareGroupState (84): a new leader of partitions reads what groups keep of them (KIP-932).

use std::sync::Arc;

use super::by_topic::ByTopic;
use super::{Answer, Call, share_state};
use crate::coordinator::share::{ReadState, Refusal, SharePartitionKey, StateBatch};
use crate::protocol::messages::read_share_group_state_response as answer;
use crate::protocol::messages::{ReadShareGroupStateRequest, ReadShareGroupStateResponse, ResponseKind};
use crate::types::LeaderEpoch;

pub(super) async fn handle(call: &Call<'_>, request: ReadShareGroupStateRequest) -> Answer {
    let mut answers = ByTopic::default();
    let group: Arc<str> = request.group_id.as_str().into();
    let is_complete = share_state::is_complete(&group, request.topics.iter().map(|topic| topic.partitions.len()));
    let topics = if is_complete { request.topics } else { Vec::new() };
    for topic in topics {
        for asked in topic.partitions {
            let key = SharePartitionKey::new(group.clone(), topic.topic_id.into(), asked.partition);
            let read = call.node.share_states.read(key, LeaderEpoch(asked.leader_epoch)).await;
            answers.set(&topic.topic_id, asked.partition, result(asked.partition, read));
        }
    }
    let results = answers
        .into_topics(|id, partitions| answer::ReadStateResult::default().with_topic_id(id).with_partitions(partitions));
    ResponseKind::ReadShareGroupState(ReadShareGroupStateResponse::default().with_results(results)).into()
}

fn result(partition: i32, read: Result<ReadState, Refusal>) -> answer::PartitionResult {
    let result = answer::PartitionResult::default().with_partition(partition);
    let batch = |batch: StateBatch| {
        answer::StateBatch::default()
            .with_first_offset(batch.first.0)
            .with_last_offset(batch.last.0)
            .with_delivery_state(batch.delivery_state)
            .with_delivery_count(batch.delivery_count)
    };
    match read {
        Ok(state) => result
            .with_state_epoch(state.state_epoch)
            .with_start_offset(state.start_offset.0)
            .with_state_batches(state.batches.into_iter().map(batch).collect()),
        Err(refusal) => {
            let (code, message) = share_state::told(refusal);
            result.with_error_code(code).with_error_message(message)
        }
    }
}
