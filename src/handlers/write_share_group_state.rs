//! WriteShareGroupState (85), versions 0 and 1: the leader of partitions says what became of records (KIP-932).

use std::sync::Arc;

use super::by_topic::ByTopic;
use super::{Answer, Call, share_state};
use crate::coordinator::share::{SharePartitionKey, StateBatch, Write};
use crate::protocol::message::Message;
use crate::protocol::messages::write_share_group_state_response::{PartitionResult, WriteStateResult};
use crate::protocol::messages::{ResponseKind, WriteShareGroupStateRequest, WriteShareGroupStateResponse};
use crate::protocol::newer::{self, WriteShareStateBatch, WriteShareStatePartition};
use crate::types::{LeaderEpoch, Offset};

pub(super) async fn handle(call: &Call<'_>, _: WriteShareGroupStateRequest) -> Answer {
    let request = match newer::WriteShareGroupStateRequest::decode(call.body, call.version()) {
        Ok((request, _)) => request,
        Err(error) => return Answer::Close(error.to_string()),
    };
    let mut answers = ByTopic::default();
    let group: Arc<str> = request.group_id.into();
    let is_complete = share_state::is_complete(&group, request.topics.iter().map(|topic| topic.partitions.len()));
    let topics = if is_complete { request.topics } else { Vec::new() };
    for topic in topics {
        for asked in topic.partitions {
            let index = asked.partition;
            let key = SharePartitionKey::new(group.clone(), topic.topic_id, index);
            let done = call.node.share_states.write(key, write(asked)).await;
            let (code, message) = done.err().map(share_state::told).unwrap_or_default();
            let answer = PartitionResult::default().with_partition(index);
            answers.set(&topic.topic_id, index, answer.with_error_code(code).with_error_message(message));
        }
    }
    let results = answers
        .into_topics(|id, partitions| WriteStateResult::default().with_topic_id(id.into()).with_partitions(partitions));
    ResponseKind::WriteShareGroupState(WriteShareGroupStateResponse::default().with_results(results)).into()
}

fn write(asked: WriteShareStatePartition) -> Write {
    let batch = |batch: WriteShareStateBatch| StateBatch {
        first: Offset(batch.first_offset),
        last: Offset(batch.last_offset),
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    Write {
        state_epoch: asked.state_epoch,
        leader_epoch: LeaderEpoch(asked.leader_epoch),
        start_offset: Offset(asked.start_offset),
        delivery_complete_count: asked.delivery_complete_count,
        batches: asked.state_batches.into_iter().map(batch).collect(),
    }
}
