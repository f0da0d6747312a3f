//! What a share group's coordinator is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::admin::text;
use crate::client::{Client, ClientError, Node, Target};
use crate::protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use crate::protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use crate::protocol::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use crate::protocol::messages::{
    AlterShareGroupOffsetsRequest, DeleteGroupsRequest, DeleteShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequest, GroupId, ShareGroupDescribeRequest, TopicName,
};
use crate::protocol::newer::DescribeShareGroupOffsetsResponse;
use crate::types::{ErrorCode, TopicPartition};

/// A share group.
pub(super) struct Group {
    pub coordinator: Node,
    pub state: String,
    pub epoch: i32,
    pub assignment_epoch: i32,
    pub members: Vec<Member>,
}

pub(super) struct Member {
    pub id: String,
    pub client_id: String,
    pub host: String,
    pub epoch: i32,
    pub assigned: Vec<TopicPartition>,
}

/// Where a group is in a partition. `None`: it has not begun.
pub(super) type Position = Option<(i64, Option<i32>, Option<i64>)>;

fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

pub(super) fn describe(client: &mut Client, group: &str) -> Result<Group, ClientError> {
    let request = ShareGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let mut answer = client.call(Target::Group(group), "describeShareGroups", &request, |answer| {
        answer.groups.first().map_or(0, |group| group.error_code)
    })?;
    let Some(found) = answer.groups.pop() else { return Err(ClientError::of(ErrorCode::UnknownServerError)) };
    ClientError::from_wire(found.error_code, found.error_message.as_deref())?;
    let members = found.members.into_iter().map(|member| {
        let topics = member.assignment.topic_partitions.iter();
        let assigned = topics.flat_map(|topic| {
            let name: Arc<str> = topic.topic_name.as_str().into();
            topic.partitions.iter().map(move |index| TopicPartition::new(name.clone(), *index))
        });
        Member {
            id: member.member_id.to_string(),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            epoch: member.member_epoch,
            assigned: assigned.collect(),
        }
    });
    Ok(Group {
        state: found.group_state.to_string(),
        epoch: found.group_epoch,
        assignment_epoch: found.assignment_epoch,
        members: members.collect(),
        coordinator: client.coordinator(group)?,
    })
}

pub(super) fn delete_group(client: &mut Client, group: &str) -> Result<(), ClientError> {
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(group)]);
    let answer = client.call(Target::Group(group), "deleteShareGroups", &request, |answer| {
        answer.results.first().map_or(0, |result| result.error_code)
    })?;
    answer.results.iter().try_for_each(|result| ClientError::from_wire(result.error_code, None))
}

/// The offsets of all partitions that the group has any of.
pub(super) fn offsets(client: &mut Client, group: &str) -> Result<BTreeMap<TopicPartition, Position>, ClientError> {
    let asked = DescribeShareGroupOffsetsRequestGroup::default().with_group_id(group_id(group)).with_topics(None);
    let request = DescribeShareGroupOffsetsRequest::default().with_groups(vec![asked]);
    const NEWEST: i16 = 1;
    let answer: DescribeShareGroupOffsetsResponse = client.call_own(
        NEWEST,
        Target::Group(group),
        "describeShareGroupOffsets",
        &request,
        |answer: &DescribeShareGroupOffsetsResponse| answer.groups.first().map_or(0, |group| group.error_code),
    )?;
    let mut offsets = BTreeMap::new();
    for found in answer.groups {
        ClientError::from_wire(found.error_code, found.error_message.as_deref())?;
        for topic in found.topics {
            let name: Arc<str> = topic.topic_name.as_str().into();
            for partition in topic.partitions.into_iter().filter(|partition| partition.error_code == 0) {
                let known = |number: i64| (number >= 0).then_some(number);
                let epoch = (partition.leader_epoch >= 0).then_some(partition.leader_epoch);
                let position = known(partition.start_offset).map(|offset| (offset, epoch, known(partition.lag)));
                offsets.insert(TopicPartition::new(name.clone(), partition.partition_index), position);
            }
        }
    }
    Ok(offsets)
}

/// Moves offsets. The first partition that could not be moved is the error, and names all.
pub(super) fn alter_offsets(
    client: &mut Client,
    group: &str,
    offsets: &[(TopicPartition, i64)],
) -> Result<(), ClientError> {
    let mut topics: BTreeMap<&str, Vec<AlterShareGroupOffsetsRequestPartition>> = BTreeMap::new();
    for (partition, offset) in offsets {
        let asked = AlterShareGroupOffsetsRequestPartition::default();
        let asked = asked.with_partition_index(partition.partition).with_start_offset(*offset);
        topics.entry(&partition.topic).or_default().push(asked);
    }
    let topic = |(name, partitions): (&str, Vec<AlterShareGroupOffsetsRequestPartition>)| {
        AlterShareGroupOffsetsRequestTopic::default().with_topic_name(TopicName(text(name))).with_partitions(partitions)
    };
    let request = AlterShareGroupOffsetsRequest::default()
        .with_group_id(group_id(group))
        .with_topics(topics.into_iter().map(topic).collect());
    let fault = |answer: &crate::protocol::messages::AlterShareGroupOffsetsResponse| answer.error_code;
    let answer = client.call(Target::Group(group), "alterShareGroupOffsets", &request, fault)?;
    let mut failed: Vec<TopicPartition> = Vec::new();
    let mut first = ErrorCode::None;
    let mut note = |partition: TopicPartition, code: i16| {
        if let Err(error) = ClientError::from_wire(code, None) {
            if first == ErrorCode::None {
                first = error.code().unwrap_or(ErrorCode::UnknownServerError);
            }
            failed.push(partition);
        }
    };
    match answer.error_code {
        0 => answer.responses.iter().for_each(|topic| {
            for partition in &topic.partitions {
                let name = TopicPartition::new(topic.topic_name.as_str(), partition.partition_index);
                note(name, partition.error_code);
            }
        }),
        code => offsets.iter().for_each(|(partition, _)| note(partition.clone(), code)),
    }
    if failed.is_empty() {
        return Ok(());
    }
    super::offsets::in_map_order(&mut failed);
    let names: Vec<String> = failed.iter().map(TopicPartition::to_string).collect();
    let message = format!("Failed altering group offsets for the following partitions: [{}]", names.join(", "));
    Err(ClientError::with_message(first, Some(&message)))
}

/// Deletes the offsets of topics: what became of each.
pub(super) fn delete_offsets(
    client: &mut Client,
    group: &str,
    topics: &[&str],
) -> Result<BTreeMap<String, Result<(), ClientError>>, ClientError> {
    let topic = |name: &&str| DeleteShareGroupOffsetsRequestTopic::default().with_topic_name(TopicName(text(name)));
    let request = DeleteShareGroupOffsetsRequest::default()
        .with_group_id(group_id(group))
        .with_topics(topics.iter().map(topic).collect());
    let fault = |answer: &crate::protocol::messages::DeleteShareGroupOffsetsResponse| answer.error_code;
    let answer = client.call(Target::Group(group), "deleteShareGroupOffsets", &request, fault)?;
    ClientError::from_wire(answer.error_code, answer.error_message.as_deref())?;
    let outcomes = answer.responses.iter().map(|topic| {
        let outcome = ClientError::from_wire(topic.error_code, topic.error_message.as_deref());
        (topic.topic_name.to_string(), outcome)
    });
    Ok(outcomes.collect())
}
