//! OffsetFetch (9), versions 1 to 10: one group below 8, many from there; topics by id from 10.

use super::{Answer, Call};
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use crate::protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, ResponseKind};
use crate::types::ErrorCode;

/// The first version that asks for many groups.
const FIRST_VERSION_WITH_BATCHES: i16 = 8;
/// The first version that names topics by id.
const FIRST_VERSION_WITH_IDS: i16 = 10;
/// The first version with an error for the whole group.
const FIRST_VERSION_WITH_ERROR: i16 = 2;
const NO_OFFSET: i64 = -1;

pub(super) async fn handle(call: &Call<'_>, request: OffsetFetchRequest) -> Answer {
    let version = call.version();
    let mut response = OffsetFetchResponse::default();
    if version >= FIRST_VERSION_WITH_BATCHES {
        for group in request.groups {
            response.groups.push(fetch(call, group, request.require_stable).await);
        }
        return ResponseKind::OffsetFetch(response).into();
    }
    let topics = request.topics.map(|topics| {
        let topic = |topic: crate::protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics::default().with_name(topic.name).with_partition_indexes(topic.partition_indexes)
        };
        topics.into_iter().map(topic).collect()
    });
    let group = OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(topics);
    let answered = fetch(call, group, request.require_stable).await;
    if version >= FIRST_VERSION_WITH_ERROR {
        response.error_code = answered.error_code;
    }
    response.topics = answered.topics.into_iter().map(|topic| single(topic, version)).collect();
    ResponseKind::OffsetFetch(response).into()
}

async fn fetch(call: &Call<'_>, mut group: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup {
    let image = call.node.image();
    let by_id = call.version() >= FIRST_VERSION_WITH_IDS;
    let mut refused = Vec::new();
    if let (true, Some(topics)) = (by_id, &mut group.topics) {
        topics.retain_mut(|topic| match image.topics.with_id(topic.topic_id.into()) {
            Some(found) => {
                topic.name = StrBytes::from_string(found.name.to_string()).into();
                true
            }
            None => {
                refused.push(unknown(topic));
                false
            }
        });
    }
    let mut answered = call.node.groups.fetch(group, require_stable, call.version()).await;
    if by_id {
        name_by_id(&image, &mut answered);
    }
    if answered.error_code == 0 {
        answered.topics.extend(refused);
    }
    answered
}

fn unknown(topic: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let partition = |index: &i32| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(*index)
            .with_committed_offset(NO_OFFSET)
            .with_metadata(Some(StrBytes::default()))
            .with_error_code(ErrorCode::UnknownTopicId.code())
    };
    OffsetFetchResponseTopics::default()
        .with_topic_id(topic.topic_id)
        .with_partitions(topic.partition_indexes.iter().map(partition).collect())
}

/// A topic that is gone has no id, and is left out.
fn name_by_id(image: &MetadataImage, group: &mut OffsetFetchResponseGroup) {
    group.topics.retain_mut(|topic| match image.topics.named(&topic.name) {
        Some(found) => {
            topic.topic_id = found.id.into();
            topic.name = Default::default();
            true
        }
        None => false,
    });
}

fn single(topic: OffsetFetchResponseTopics, version: i16) -> OffsetFetchResponseTopic {
    let partition = |partition: OffsetFetchResponsePartitions| {
        let single = OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_metadata(partition.metadata)
            .with_error_code(partition.error_code);
        if version >= 5 { single.with_committed_leader_epoch(partition.committed_leader_epoch) } else { single }
    };
    OffsetFetchResponseTopic::default()
        .with_name(topic.name)
        .with_partitions(topic.partitions.into_iter().map(partition).collect())
}
