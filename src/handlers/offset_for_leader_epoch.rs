//! OffsetForLeaderEpoch (23): where an epoch ended, so that a client can see whether its log was truncated (KIP-320).

use super::{Answer, Call};
use crate::protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use crate::protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use crate::protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ResponseKind};
use crate::types::LeaderEpoch;

pub(super) async fn handle(call: &Call<'_>, request: OffsetForLeaderEpochRequest) -> Answer {
    let mut response = OffsetForLeaderEpochResponse::default();
    for topic in request.topics {
        let mut answered = OffsetForLeaderTopicResult::default();
        answered.partitions = topic.partitions.iter().map(|asked| end_offset(call, &topic.topic, asked)).collect();
        answered.topic = topic.topic;
        response.topics.push(answered);
    }
    ResponseKind::OffsetForLeaderEpoch(response).into()
}

fn end_offset(call: &Call<'_>, topic: &str, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let mut answer = EpochEndOffset::default();
    answer.partition = asked.partition;
    let current = LeaderEpoch(asked.current_leader_epoch);
    let found = call
        .node
        .partitions
        .named(topic, asked.partition)
        .and_then(|partition| partition.end_offset_for_epoch(LeaderEpoch(asked.leader_epoch), current));
    match found {
        Ok((epoch, end_offset)) => {
            answer.leader_epoch = epoch.0;
            answer.end_offset = end_offset.0;
        }
        Err(error) => answer.error_code = error.code(),
    }
    answer
}
