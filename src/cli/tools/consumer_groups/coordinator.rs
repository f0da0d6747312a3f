//! What a group's coordinator knows: its members, its state, its offsets.

use std::collections::BTreeMap;

use super::super::admin::text;
use crate::client::{Client, ClientError, Node, Target};
use crate::protocol::internal::ConsumerProtocolAssignment;
use crate::protocol::message::Message;
use crate::protocol::messages::consumer_group_describe_response::{Assignment, DescribedGroup as NewerGroup};
use crate::protocol::messages::describe_groups_response::DescribedGroup as ClassicGroup;
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, OffsetFetchRequest};
use crate::types::{ErrorCode, TopicPartition};

/// A group of consumers, of either type.
pub(in crate::cli::tools) struct Group {
    pub coordinator: Node,
    pub state: String,
    pub assignor: String,
    pub epoch: Option<i32>,
    pub assignment_epoch: Option<i32>,
    pub members: Vec<Member>,
}

/// A member of a group. What only the newer type has is `None` for the classic.
pub(in crate::cli::tools) struct Member {
    pub id: String,
    pub instance: String,
    pub rack: Option<String>,
    pub client_id: String,
    pub host: String,
    pub epoch: Option<i32>,
    pub assigned: Vec<TopicPartition>,
    pub target: Vec<TopicPartition>,
    /// Whether the member speaks the newer protocol, where that is told.
    pub upgraded: Option<bool>,
}

/// An offset that a group committed.
#[derive(Clone, Copy)]
pub(in crate::cli::tools) struct Committed {
    pub offset: i64,
    pub leader_epoch: Option<i32>,
}

/// The name of a group on the wire.
pub(super) fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// Asks for a group of the newer type, and for a classic one when it is none.
pub(in crate::cli::tools) fn describe(client: &mut Client, group: &str) -> Result<Group, ClientError> {
    let newer = describe_newer(client, group);
    match newer {
        Err(error) if error.code() == Some(ErrorCode::UnsupportedVersion) => describe_classic(client, group, None),
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
            describe_classic(client, group, Some(&error.to_string()))
        }
        newer => newer,
    }
}

fn describe_newer(client: &mut Client, group: &str) -> Result<Group, ClientError> {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let mut answer = client.call(Target::Group(group), "describeConsumerGroups", &request, |answer| {
        answer.groups.first().map_or(0, |group| group.error_code)
    })?;
    let Some(found) = answer.groups.pop() else { return Err(ClientError::of(ErrorCode::UnknownServerError)) };
    ClientError::from_wire(found.error_code, found.error_message.as_deref())?;
    Ok(of_newer(found, client.coordinator(group)?))
}

fn of_newer(found: NewerGroup, coordinator: Node) -> Group {
    let members = found.members.into_iter().map(|member| Member {
        id: member.member_id.to_string(),
        instance: member.instance_id.map_or(String::new(), |id| id.to_string()),
        rack: member.rack_id.map(|rack| rack.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: Some(member.member_epoch),
        assigned: partitions(&member.assignment),
        target: partitions(&member.target_assignment),
        upgraded: (member.member_type != -1).then_some(member.member_type == 1),
    });
    Group {
        coordinator,
        state: found.group_state.to_string(),
        assignor: found.assignor_name.to_string(),
        epoch: Some(found.group_epoch),
        assignment_epoch: Some(found.assignment_epoch),
        members: members.collect(),
    }
}

fn partitions(assignment: &Assignment) -> Vec<TopicPartition> {
    let of_topic = assignment.topic_partitions.iter();
    of_topic
        .flat_map(|topic| topic.partitions.iter().map(|id| TopicPartition::new(topic.topic_name.as_str(), *id)))
        .collect()
}

/// `reason`: what the newer API said of a group it does not know, which is more than the classic one says.
fn describe_classic(client: &mut Client, group: &str, reason: Option<&str>) -> Result<Group, ClientError> {
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
    let mut answer = client.call(Target::Group(group), "describeConsumerGroups", &request, |answer| {
        answer.groups.first().map_or(0, |group| group.error_code)
    })?;
    let Some(found) = answer.groups.pop() else { return Err(ClientError::of(ErrorCode::UnknownServerError)) };
    ClientError::from_wire(found.error_code, reason.or(found.error_message.as_deref()))?;
    if !matches!(found.protocol_type.as_str(), "" | "consumer") {
        return Err(ClientError::Config(format!("GroupId {group} is not a consumer group ({}).", found.protocol_type)));
    }
    of_classic(found, client.coordinator(group)?)
}

fn of_classic(found: ClassicGroup, coordinator: Node) -> Result<Group, ClientError> {
    let mut members = Vec::new();
    for member in found.members {
        let mut assigned = Vec::new();
        if !member.member_assignment.is_empty() {
            let (assignment, _) = ConsumerProtocolAssignment::decode_versioned(&member.member_assignment)
                .map_err(|error| ClientError::Malformed(error.to_string()))?;
            for topic in assignment.assigned_partitions {
                assigned.extend(topic.partitions.iter().map(|id| TopicPartition::new(topic.topic.as_str(), *id)));
            }
        }
        members.push(Member {
            id: member.member_id.to_string(),
            instance: member.group_instance_id.map_or(String::new(), |id| id.to_string()),
            rack: None,
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            epoch: None,
            assigned,
            target: Vec::new(),
            upgraded: None,
        });
    }
    Ok(Group {
        coordinator,
        state: found.group_state.to_string(),
        assignor: found.protocol_data.to_string(),
        epoch: None,
        assignment_epoch: None,
        members,
    })
}

/// All offsets that a group committed.
pub(in crate::cli::tools) fn committed(
    client: &mut Client,
    group: &str,
) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
    let request = |version: i16| {
        Ok(match version >= 8 {
            true => OffsetFetchRequest::default()
                .with_groups(vec![OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(None)]),
            false => OffsetFetchRequest::default().with_group_id(group_id(group)).with_topics(None),
        })
    };
    let answer = client.call_versioned::<OffsetFetchRequest>(
        Target::Group(group),
        "listConsumerGroupOffsets",
        request,
        |answer| answer.groups.first().map_or(answer.error_code, |group| group.error_code),
    )?;
    ClientError::from_wire(answer.groups.first().map_or(answer.error_code, |group| group.error_code), None)?;
    let older = answer.topics.iter().flat_map(|topic| {
        let rows = topic.partitions.iter();
        rows.map(|row| {
            (&topic.name, row.partition_index, row.committed_offset, row.committed_leader_epoch, row.error_code)
        })
    });
    let newer = answer.groups.iter().flat_map(|group| &group.topics).flat_map(|topic| {
        let rows = topic.partitions.iter();
        rows.map(|row| {
            (&topic.name, row.partition_index, row.committed_offset, row.committed_leader_epoch, row.error_code)
        })
    });
    let rows = older.chain(newer).filter(|(_, _, offset, _, error)| *error == 0 && *offset >= 0);
    Ok(rows
        .map(|(topic, id, offset, epoch, _)| {
            let committed = Committed { offset, leader_epoch: (epoch >= 0).then_some(epoch) };
            (TopicPartition::new(topic.as_str(), id), committed)
        })
        .collect())
}
