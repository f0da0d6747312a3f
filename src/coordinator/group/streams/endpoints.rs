//! What is to be found behind the endpoints that members tell of (interactive queries).

use std::collections::{BTreeMap, BTreeSet};

use super::configure::ConfiguredSubtopology;
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::tasks::TaskIds;
use crate::metadata::MetadataImage;
use crate::protocol::newer::{StreamsEndpointPartitions, StreamsTopicPartitions};

/// The source partitions of the tasks behind each endpoint, with `updated` as it will be.
pub fn endpoints(
    group: &StreamsGroup,
    updated: &StreamsMember,
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
    image: &MetadataImage,
) -> Vec<StreamsEndpointPartitions> {
    let others = group.members.values().filter(|member| member.id != updated.id);
    let each = others.chain([updated]).filter_map(|member| {
        let assigned = &member.current.assigned;
        Some(StreamsEndpointPartitions {
            user_endpoint: member.metadata.user_endpoint.clone()?,
            active_partitions: source_partitions(&assigned.active_ids(), subtopologies, image),
            standby_partitions: source_partitions(&assigned.standby, subtopologies, image),
        })
    });
    each.collect()
}

fn source_partitions(
    tasks: &TaskIds,
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
    image: &MetadataImage,
) -> Vec<StreamsTopicPartitions> {
    let known = tasks.iter().filter_map(|(id, partitions)| Some((subtopologies.get(&**id)?, partitions)));
    let each = known.flat_map(|(subtopology, partitions)| {
        let sources = subtopology.source_topics.iter().chain(subtopology.repartition_source_topics.keys());
        let sources: BTreeSet<&String> = sources.collect();
        sources.into_iter().filter_map(|name| image.topics.named(name)).map(|topic| StreamsTopicPartitions {
            topic: topic.name.to_string(),
            partitions: partitions.iter().copied().take(topic.partitions.len()).collect(),
        })
    });
    each.collect()
}
