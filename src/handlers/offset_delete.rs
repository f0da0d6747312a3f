//! OffsetDelete (47): forgets committed offsets of topics that the group does not consume.

use std::collections::HashMap;

use super::{Answer, Call};
use crate::protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use crate::protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use crate::protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse, ResponseKind};
use crate::types::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, mut request: OffsetDeleteRequest) -> Answer {
    let image = call.node.image();
    let mut refused: Vec<OffsetDeleteResponseTopic> = Vec::new();
    for topic in &mut request.topics {
        let exists = |index| image.partition(&topic.name, index).is_some();
        let (exist, gone): (Vec<_>, Vec<_>) = topic.partitions.iter().cloned().partition(|p| exists(p.partition_index));
        if !gone.is_empty() || image.topics.named(&topic.name).is_none() {
            let gone = topic.clone().with_partitions(gone);
            refused.push(refuse(&gone));
        }
        topic.partitions = exist;
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    let mut response: OffsetDeleteResponse = call.node.groups.delete_offsets(request).await;
    if response.error_code == 0 && !refused.is_empty() {
        response.topics = merged(refused.into_iter().chain(response.topics));
    }
    ResponseKind::OffsetDelete(response).into()
}

/// Kafka answers each topic once where some partitions were refused before the rest was looked at.
fn merged(topics: impl Iterator<Item = OffsetDeleteResponseTopic>) -> Vec<OffsetDeleteResponseTopic> {
    let mut merged: Vec<OffsetDeleteResponseTopic> = Vec::new();
    let mut places = HashMap::new();
    for topic in topics {
        let place = *places.entry(topic.name.clone()).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(same) => same.partitions.extend(topic.partitions),
            None => merged.push(topic),
        }
    }
    merged
}

fn refuse(topic: &OffsetDeleteRequestTopic) -> OffsetDeleteResponseTopic {
    let partition = |index| {
        OffsetDeleteResponsePartition::default()
            .with_partition_index(index)
            .with_error_code(ErrorCode::UnknownTopicOrPartition.code())
    };
    OffsetDeleteResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(topic.partitions.iter().map(|p| partition(p.partition_index)).collect())
}
