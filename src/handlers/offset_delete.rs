//! OffsetDelete (47): forgets committed offsets of topics that the group does not consume.

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
        if !gone.is_empty() {
            let gone = topic.clone().with_partitions(gone);
            refused.push(refuse(&gone));
        }
        topic.partitions = exist;
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    let mut response: OffsetDeleteResponse = call.node.groups.delete_offsets(request).await;
    if response.error_code == 0 {
        for topic in refused {
            match response.topics.iter_mut().find(|other| other.name == topic.name) {
                Some(other) => other.partitions.extend(topic.partitions),
                None => response.topics.push(topic),
            }
        }
    }
    ResponseKind::OffsetDelete(response).into()
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
