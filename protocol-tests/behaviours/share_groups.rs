//! Share groups (KIP-932): membership, and where a group stands.

use std::collections::BTreeSet;

use ottla::protocol::StrBytes;
use ottla::protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use ottla::protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use ottla::protocol::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use ottla::protocol::messages::{
    AlterShareGroupOffsetsRequest, DeleteGroupsRequest, DeleteShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequest, GroupId, ListGroupsRequest, ShareGroupDescribeRequest,
    ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, batch, error, eventually, topic_name};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn group() -> GroupId {
    GroupId(text("g"))
}

fn heartbeat(client: &mut Client, member: &str, epoch: i32) -> ShareGroupHeartbeatResponse {
    let topics = (epoch == 0).then(|| vec![topic_name("t")]);
    let request = ShareGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_subscribed_topic_names(topics);
    client.call(1, &request)
}

/// Beats until the member is told just these partitions.
fn beat_until(client: &mut Client, member: &str, epoch: &mut i32, wanted: &[i32]) {
    let wanted: BTreeSet<i32> = wanted.iter().copied().collect();
    eventually("the member is told its partitions", || {
        let response = heartbeat(client, member, *epoch);
        assert_eq!(error(response.error_code), ErrorCode::None, "{:?}", response.error_message);
        *epoch = response.member_epoch;
        let topics = response.assignment.iter().flat_map(|assignment| &assignment.topic_partitions);
        topics.flat_map(|topic| topic.partitions.iter().copied()).collect::<BTreeSet<i32>>() == wanted
    });
}

/// Start offsets by partition.
fn offsets(client: &mut Client) -> Vec<(i32, i64)> {
    let asked = DescribeShareGroupOffsetsRequestGroup::default().with_group_id(group()).with_topics(None);
    let request = DescribeShareGroupOffsetsRequest::default().with_groups(vec![asked]);
    let group = client.call(0, &request).groups.remove(0);
    assert_eq!(error(group.error_code), ErrorCode::None);
    let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| (partition.partition_index, partition.start_offset)).collect()
}

fn set_offset(client: &mut Client, partition: i32, offset: i64) -> ErrorCode {
    let row = AlterShareGroupOffsetsRequestPartition::default();
    let row = row.with_partition_index(partition).with_start_offset(offset);
    let topic =
        AlterShareGroupOffsetsRequestTopic::default().with_topic_name(topic_name("t")).with_partitions(vec![row]);
    let request = AlterShareGroupOffsetsRequest::default().with_group_id(group()).with_topics(vec![topic]);
    let response = client.call(0, &request);
    let partition = response.responses.first().map(|topic| topic.partitions[0].error_code);
    error(partition.unwrap_or(response.error_code))
}

fn delete_group(client: &mut Client) -> ErrorCode {
    error(client.call(2, &DeleteGroupsRequest::default().with_groups_names(vec![group()])).results[0].error_code)
}

fn state(client: &mut Client) -> (ErrorCode, String, usize) {
    let request = ShareGroupDescribeRequest::default().with_group_ids(vec![group()]);
    let group = client.call(1, &request).groups.remove(0);
    (error(group.error_code), group.group_state.to_string(), group.members.len())
}

fn with_group(broker: &Broker) -> Client {
    let mut client = broker.client();
    client.find_coordinator("g");
    client.set_config(32, "g", "share.assignment.interval.ms", "0");
    client
}

#[test]
fn members_get_partitions_once_these_have_state_and_keep_them_over_a_crash() {
    let mut broker = Broker::start(&[]);
    broker.client().create_topic("t", 2, &[]);
    let mut client = with_group(&broker);
    let first = heartbeat(&mut client, "a", 0);
    assert_eq!((first.member_epoch, first.heartbeat_interval_ms), (2, 5_000));
    assert!(first.assignment.is_some_and(|assignment| assignment.topic_partitions.is_empty()));
    let mut epoch = 2;
    beat_until(&mut client, "a", &mut epoch, &[0, 1]);
    assert_eq!(offsets(&mut client), [(0, -1), (1, -1)]);
    broker.kill();
    broker.launch();
    let mut client = broker.client();
    assert_eq!(heartbeat(&mut client, "a", epoch).member_epoch, epoch);
    assert_eq!(state(&mut client), (ErrorCode::None, "Stable".to_owned(), 1));
    assert_eq!(heartbeat(&mut client, "a", epoch + 1).error_code, ErrorCode::FencedMemberEpoch.code());
    assert_eq!(set_offset(&mut client, 0, 0), ErrorCode::NonEmptyGroup);
    assert_eq!(delete_group(&mut client), ErrorCode::NonEmptyGroup);
    let other = heartbeat(&mut client, "b", 0).member_epoch;
    let mut others = other;
    beat_until(&mut client, "a", &mut epoch, &[1]);
    assert_eq!(heartbeat(&mut client, "a", -1).member_epoch, -1);
    beat_until(&mut client, "b", &mut others, &[0, 1]);
}

#[test]
fn an_administrator_sets_and_deletes_where_an_empty_group_stands() {
    let mut broker = Broker::start(&[]);
    let mut client = with_group(&broker);
    client.create_topic("t", 2, &[]);
    client.append("t", 1, batch(&[b"a", b"b", b"c"]));
    assert_eq!(set_offset(&mut client, 1, 2), ErrorCode::None);
    assert_eq!(set_offset(&mut client, 2, 2), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(offsets(&mut client), [(1, 2)]);
    let listed = client.call(5, &ListGroupsRequest::default()).groups.remove(0);
    let told = [&*listed.protocol_type, &*listed.group_state, &*listed.group_type].map(str::to_owned);
    assert_eq!(told, ["share", "Empty", "share"]);
    broker.kill();
    broker.launch();
    let mut client = broker.client();
    assert_eq!(offsets(&mut client), [(1, 2)]);
    let topic = DeleteShareGroupOffsetsRequestTopic::default().with_topic_name(topic_name("t"));
    let request = DeleteShareGroupOffsetsRequest::default().with_group_id(group()).with_topics(vec![topic]);
    assert_eq!(error(client.call(0, &request).responses[0].error_code), ErrorCode::None);
    assert_eq!(offsets(&mut client), []);
    assert_eq!(error(client.call(0, &request).responses[0].error_code), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(set_offset(&mut client, 0, 1), ErrorCode::None);
    assert_eq!(delete_group(&mut client), ErrorCode::None);
    assert_eq!(state(&mut client).0, ErrorCode::GroupIdNotFound);
    // A group of that name begins anew.
    heartbeat(&mut client, "a", 0);
    let mut epoch = 2;
    beat_until(&mut client, "a", &mut epoch, &[0, 1]);
    assert_eq!(offsets(&mut client), [(0, -1), (1, -1)]);
}
