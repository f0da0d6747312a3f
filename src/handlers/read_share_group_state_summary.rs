//! ReadShareGroupStateSummary (87), versions 0 and 1: where groups stand in partitions (KIP-932).

use std::sync::Arc;

use super::by_topic::ByTopic;
use super::{Answer, Call, share_state};
use crate::coordinator::share::{Refusal, SharePartitionKey, Summary};
use crate::protocol::messages::ReadShareGroupStateSummaryRequest;
use crate::protocol::newer::{
    ReadShareGroupStateSummaryResponse, ReadShareStateSummary, ReadShareStateSummaryPartition,
};

pub(super) async fn handle(call: &Call<'_>, request: ReadShareGroupStateSummaryRequest) -> Answer {
    let mut answers = ByTopic::default();
    let group: Arc<str> = request.group_id.as_str().into();
    let is_complete = share_state::is_complete(&group, request.topics.iter().map(|topic| topic.partitions.len()));
    let topics = if is_complete { request.topics } else { Vec::new() };
    for topic in topics {
        for asked in topic.partitions {
            let key = SharePartitionKey::new(group.clone(), topic.topic_id.into(), asked.partition);
            let summary = call.node.share_states.summary(key).await;
            answers.set(&topic.topic_id, asked.partition, result(asked.partition, summary));
        }
    }
    let results = answers.into_topics(|id, partitions| ReadShareStateSummary { topic_id: id.into(), partitions });
    Answer::own(call, &ReadShareGroupStateSummaryResponse { results })
}

fn result(partition: i32, summary: Result<Summary, Refusal>) -> ReadShareStateSummaryPartition {
    let answer = ReadShareStateSummaryPartition { partition, ..Default::default() };
    match summary {
        Ok(summary) => ReadShareStateSummaryPartition {
            state_epoch: summary.state_epoch,
            leader_epoch: summary.leader_epoch.0,
            start_offset: summary.start_offset.0,
            delivery_complete_count: summary.delivery_complete_count,
            ..answer
        },
        Err(refusal) => ReadShareStateSummaryPartition {
            error_code: refusal.code.code(),
            error_message: Some(refusal.message),
            ..answer
        },
    }
}
