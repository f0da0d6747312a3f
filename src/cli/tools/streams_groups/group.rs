//! What a streams group's coordinator knows: its topology, its members, its offsets.

use std::collections::{BTreeMap, BTreeSet};

use super::super::consumer_groups::{self, Committed};
use crate::client::{Client, ClientError, Target};
use crate::protocol::newer::{
    STREAMS_GROUP_DESCRIBE, StreamsDescribedMember, StreamsDescribedSubtopology, StreamsGroupDescribeRequest,
    StreamsGroupDescribeResponse,
};
use crate::types::{ErrorCode, TopicPartition};

/// A streams group.
pub(super) struct Group {
    pub state: String,
    pub epoch: i32,
    pub assignment_epoch: i32,
    pub topology_epoch: i32,
    pub subtopologies: Vec<StreamsDescribedSubtopology>,
    pub members: Vec<StreamsDescribedMember>,
}

pub(super) fn describe(client: &mut Client, group: &str) -> Result<Group, ClientError> {
    let request = StreamsGroupDescribeRequest { group_ids: vec![group.to_owned()], ..Default::default() };
    let mut answer: StreamsGroupDescribeResponse = client.call_newer(
        STREAMS_GROUP_DESCRIBE,
        Target::Group(group),
        "describeStreamsGroups",
        &request,
        |answer: &StreamsGroupDescribeResponse| answer.groups.first().map_or(0, |group| group.error_code),
    )?;
    let Some(found) = answer.groups.pop() else { return Err(ClientError::of(ErrorCode::UnknownServerError)) };
    ClientError::from_wire(found.error_code, found.error_message.as_deref())?;
    let topology =
        found.topology.ok_or_else(|| ClientError::Malformed("Topology information is missing".to_owned()))?;
    Ok(Group {
        state: found.group_state,
        epoch: found.group_epoch,
        assignment_epoch: found.assignment_epoch,
        topology_epoch: topology.epoch,
        subtopologies: topology.subtopologies.unwrap_or_default(),
        members: found.members,
    })
}

/// The topics that a subtopology reads: those of the application, and those it writes for itself.
pub(super) fn read_topics(subtopology: &StreamsDescribedSubtopology) -> impl Iterator<Item = &str> {
    let own = subtopology.repartition_source_topics.iter().map(|topic| topic.name.as_str());
    subtopology.source_topics.iter().map(String::as_str).chain(own)
}

/// The offsets that a group committed of the topics it reads.
pub(super) fn committed(client: &mut Client, group: &str) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
    let described = describe(client, group)?;
    let topics: BTreeSet<&str> = described.subtopologies.iter().flat_map(read_topics).collect();
    of_topics(client, group, &topics)
}

/// The partitions of the application's input topics of which the group committed offsets.
pub(super) fn input_partitions(client: &mut Client, group: &str) -> Result<Vec<TopicPartition>, ClientError> {
    let described = describe(client, group)?;
    let topics = described.subtopologies.iter().flat_map(|subtopology| &subtopology.source_topics);
    let offsets = of_topics(client, group, &topics.map(String::as_str).collect())?;
    Ok(offsets.into_keys().collect())
}

fn of_topics(
    client: &mut Client,
    group: &str,
    topics: &BTreeSet<&str>,
) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
    let mut offsets = consumer_groups::committed(client, group)?;
    offsets.retain(|partition, _| topics.contains(&*partition.topic));
    Ok(offsets)
}
