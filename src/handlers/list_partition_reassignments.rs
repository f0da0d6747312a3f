//! ListPartitionReassignments (46): the moves of replicas that are under way.

use super::{Answer, Call};
use crate::metadata::TopicImage;
use crate::protocol::StrBytes;
use crate::protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use crate::protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, ResponseKind};
use crate::types::BrokerId;

pub(super) async fn handle(call: &Call<'_>, request: ListPartitionReassignmentsRequest) -> Answer {
    let image = call.node.image();
    let topics: Vec<OngoingTopicReassignment> = match request.topics {
        Some(topics) => topics
            .iter()
            .filter_map(|asked| ongoing(image.topics.named(&asked.name)?, asked.partition_indexes.iter().copied()))
            .collect(),
        None => {
            let mut topics: Vec<_> = image.topics.iter().collect();
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            topics.into_iter().filter_map(|topic| ongoing(topic, topic.partitions.keys().copied())).collect()
        }
    };
    let mut response = ListPartitionReassignmentsResponse::default();
    response.error_message = None;
    response.topics = topics;
    ResponseKind::ListPartitionReassignments(response).into()
}

/// The partitions of a topic that are on the move; None if there is none.
fn ongoing(topic: &TopicImage, partitions: impl Iterator<Item = i32>) -> Option<OngoingTopicReassignment> {
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0.into()).collect();
    let mut told = OngoingTopicReassignment::default();
    for index in partitions {
        let Some(partition) = topic.partitions.get(&index).filter(|partition| partition.is_reassigning()) else {
            continue;
        };
        let mut ongoing = OngoingPartitionReassignment::default();
        ongoing.partition_index = index;
        ongoing.replicas = ids(&partition.replicas);
        ongoing.adding_replicas = ids(&partition.adding_replicas);
        ongoing.removing_replicas = ids(&partition.removing_replicas);
        told.partitions.push(ongoing);
    }
    told.name = StrBytes::from_string(topic.name.to_string()).into();
    (!told.partitions.is_empty()).then_some(told)
}
