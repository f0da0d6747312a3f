//! DescribeShareGroupOffsets (90): where share groups stand in their partitions, and how much is left (KIP-932, KIP-1226).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, Call, share_groups};
use crate::coordinator::share::Summary;
use crate::protocol::messages::DescribeShareGroupOffsetsRequest;
use crate::protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use crate::protocol::newer::{
    DescribeShareGroupOffsetsResponse, ShareGroupOffsets, ShareGroupPartitionOffset, ShareGroupTopicOffsets,
};
use crate::replication::{Isolation, OffsetQuery};
use crate::types::{ErrorCode, LeaderEpoch, Offset, TopicId};

/// What is not known.
const ABSENT: i64 = -1;

pub(super) async fn handle(call: &Call<'_>, request: DescribeShareGroupOffsetsRequest) -> Answer {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        let group_id = group.group_id.to_string();
        let described = match call.share_groups_enabled() {
            true => describe(call, group).await,
            false => Err(ErrorCode::UnsupportedVersion),
        };
        groups.push(match described {
            Ok(topics) => ShareGroupOffsets { group_id, topics, ..ShareGroupOffsets::default() },
            Err(error) => {
                // Kafka explains every refusal but this.
                let is_explained = error != ErrorCode::UnsupportedVersion;
                let error_message = is_explained.then(|| error.message().to_owned());
                ShareGroupOffsets { group_id, topics: Vec::new(), error_code: error.code(), error_message }
            }
        });
    }
    Answer::own(call, &DescribeShareGroupOffsetsResponse { throttle_time_ms: 0, groups })
}

async fn describe(
    call: &Call<'_>,
    group: DescribeShareGroupOffsetsRequestGroup,
) -> Result<Vec<ShareGroupTopicOffsets>, ErrorCode> {
    let id: Arc<str> = group.group_id.as_str().into();
    let image = call.node.image();
    let mut unknown = Vec::new();
    let mut wanted: BTreeMap<TopicId, (String, Vec<i32>)> = BTreeMap::new();
    match group.topics {
        None => {
            for (topic, partitions) in call.node.groups.share_partitions(&group.group_id).await? {
                if let Some(known) = image.topics.with_id(topic) {
                    wanted.insert(topic, (known.name.to_string(), partitions.into_iter().collect()));
                }
            }
        }
        Some(topics) => {
            for topic in topics {
                match image.topics.named(&topic.topic_name) {
                    Some(known) => {
                        wanted.insert(known.id, (known.name.to_string(), topic.partitions));
                    }
                    None => unknown.push(absent(topic)),
                }
            }
        }
    }
    let mut described = Vec::with_capacity(wanted.len() + unknown.len());
    for (topic, (topic_name, indexes)) in wanted {
        let mut partitions = Vec::with_capacity(indexes.len());
        for index in indexes {
            // A state that cannot be had counts as absent, as for offsets of consumer groups.
            let summary = call.node.share_states.summary(share_groups::key(&id, (topic, index))).await;
            partitions.push(partition(call, &topic_name, index, summary.unwrap_or(Summary::UNINITIALIZED)));
        }
        described.push(ShareGroupTopicOffsets { topic_name, topic_id: topic, partitions });
    }
    described.append(&mut unknown);
    Ok(described)
}

fn partition(call: &Call<'_>, topic: &str, index: i32, summary: Summary) -> ShareGroupPartitionOffset {
    let known = ShareGroupPartitionOffset {
        partition_index: index,
        start_offset: summary.start_offset.0,
        leader_epoch: summary.leader_epoch.0,
        ..ShareGroupPartitionOffset::default()
    };
    if summary.start_offset == Offset::NONE || summary.delivery_complete_count < 0 {
        return known;
    }
    let replica = call.node.partitions.named(topic, index);
    let end = replica.and_then(|replica| {
        replica.list_offset(OffsetQuery::Latest, Isolation::ReadUncommitted, LeaderEpoch::NONE, true)
    });
    match end {
        Ok(Some(end)) => {
            let lag = end.offset.0 - summary.start_offset.0 - i64::from(summary.delivery_complete_count);
            ShareGroupPartitionOffset { lag, ..known }
        }
        Ok(None) => known,
        Err(error) => ShareGroupPartitionOffset {
            partition_index: index,
            error_code: error.code(),
            error_message: Some(error.message().to_owned()),
            ..ShareGroupPartitionOffset::default()
        },
    }
}

/// A topic that does not exist has no offsets, which is no error.
fn absent(topic: DescribeShareGroupOffsetsRequestTopic) -> ShareGroupTopicOffsets {
    let partitions = topic.partitions.into_iter().map(|partition_index| ShareGroupPartitionOffset {
        partition_index,
        start_offset: ABSENT,
        ..ShareGroupPartitionOffset::default()
    });
    ShareGroupTopicOffsets {
        topic_name: topic.topic_name.to_string(),
        topic_id: TopicId::ZERO,
        partitions: partitions.collect(),
    }
}
