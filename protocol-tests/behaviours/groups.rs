//! Classic groups and committed offsets.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla::protocol::StrBytes;
use ottla::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla::protocol::messages::leave_group_request::MemberIdentity;
use ottla::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla::protocol::messages::{
    DeleteGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, error, eventually, topic_name};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn group() -> GroupId {
    GroupId(text("g"))
}

fn join_request(member: &str, instance: Option<&str>) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"m"));
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_member_id(text(member))
        .with_group_instance_id(instance.map(text))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// Joins as clients do: without an id first, then with the one that was given.
fn join(client: &mut Client) -> JoinGroupResponse {
    let first = client.call(7, &join_request("", None));
    assert_eq!(error(first.error_code), ErrorCode::MemberIdRequired);
    let joined = client.call(7, &join_request(&first.member_id, None));
    assert_eq!(error(joined.error_code), ErrorCode::None);
    assert_eq!(joined.member_id, first.member_id);
    joined
}

/// Makes the only member's generation stable.
fn sync(client: &mut Client, joined: &JoinGroupResponse, instance: Option<&str>) -> ErrorCode {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"a"));
    let request = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_group_instance_id(instance.map(text))
        .with_assignments(vec![assignment]);
    error(client.call(4, &request).error_code)
}

fn heartbeat(client: &mut Client, member: &str, instance: Option<&str>, generation: i32) -> ErrorCode {
    let request = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(generation)
        .with_member_id(text(member))
        .with_group_instance_id(instance.map(text));
    error(client.call(3, &request).error_code)
}

fn commit(client: &mut Client, topic: &str, member: &str, generation: i32, offset: i64) -> ErrorCode {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1);
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member))
        .with_topics(vec![topic]);
    error(client.call(7, &request).topics[0].partitions[0].error_code)
}

fn fetch_all_request() -> OffsetFetchRequest {
    OffsetFetchRequest::default().with_group_id(group()).with_topics(None)
}

/// All committed offsets of the group, by topic.
fn committed(client: &mut Client) -> Vec<(String, i64)> {
    let response = client.call(7, &fetch_all_request());
    assert_eq!(error(response.error_code), ErrorCode::None);
    let topics = response.topics.into_iter();
    topics.map(|topic| (topic.name.to_string(), topic.partitions[0].committed_offset)).collect()
}

fn delete_group(client: &mut Client) -> ErrorCode {
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    error(client.call(2, &request).results[0].error_code)
}

#[test]
fn session_timeouts_have_bounds() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.find_coordinator("g");
    for (timeout, expected) in [
        (5_999, ErrorCode::InvalidSessionTimeout),
        (1_800_001, ErrorCode::InvalidSessionTimeout),
        (6_000, ErrorCode::MemberIdRequired),
        (1_800_000, ErrorCode::MemberIdRequired),
    ] {
        let response = client.call(7, &join_request("", None).with_session_timeout_ms(timeout));
        assert_eq!(error(response.error_code), expected, "{timeout} ms");
    }
}

#[test]
fn a_coordinator_serves_from_its_first_request() {
    let mut broker = Broker::start(&[]);
    broker.client().create_topic("t", 1, &[]);
    let mut client = broker.client();
    client.find_coordinator("g");
    let joined = join(&mut client);
    assert_eq!(sync(&mut client, &joined, None), ErrorCode::None);
    assert_eq!(heartbeat(&mut client, &joined.member_id, None, joined.generation_id), ErrorCode::None);
    assert_eq!(commit(&mut client, "t", &joined.member_id, joined.generation_id, 3), ErrorCode::None);
    // The member is known again after a crash, too.
    broker.kill();
    broker.launch();
    let mut client = broker.client();
    client.find_coordinator("g");
    assert_eq!(committed(&mut client), [("t".to_string(), 3)]);
    assert_eq!(heartbeat(&mut client, &joined.member_id, None, joined.generation_id), ErrorCode::None);
}

#[test]
fn the_initial_rebalance_delay_is_real() {
    let broker = Broker::start(&[("group.initial.rebalance.delay.ms", "700")]);
    let mut client = broker.client();
    client.find_coordinator("g");
    let began = Instant::now();
    join(&mut client);
    assert!(began.elapsed() >= Duration::from_millis(700));
}

#[test]
fn a_full_group_takes_nobody() {
    let broker = Broker::start(&[("group.max.size", "1")]);
    let mut client = broker.client();
    client.find_coordinator("g");
    let joined = join(&mut client);
    assert_eq!(sync(&mut client, &joined, None), ErrorCode::None);
    // The id may be refused already, or the join with it.
    let mut response = client.call(7, &join_request("", None));
    if error(response.error_code) == ErrorCode::MemberIdRequired {
        response = client.call(7, &join_request(&response.member_id, None));
    }
    assert_eq!(error(response.error_code), ErrorCode::GroupMaxSizeReached);
    assert_eq!(heartbeat(&mut client, &joined.member_id, None, joined.generation_id), ErrorCode::None);
}

#[test]
fn old_generations_and_unknown_members_are_fenced() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.find_coordinator("g");
    let joined = join(&mut client);
    assert_eq!(sync(&mut client, &joined, None), ErrorCode::None);
    let generation = joined.generation_id;
    assert_eq!(heartbeat(&mut client, &joined.member_id, None, generation - 1), ErrorCode::IllegalGeneration);
    assert_eq!(heartbeat(&mut client, "stranger", None, generation), ErrorCode::UnknownMemberId);
    assert_eq!(commit(&mut client, "t", &joined.member_id, generation + 1, 1), ErrorCode::IllegalGeneration);
    assert_eq!(commit(&mut client, "t", "stranger", generation, 1), ErrorCode::UnknownMemberId);
    assert_eq!(commit(&mut client, "t", "", -1, 1), ErrorCode::UnknownMemberId, "a simple commit to an active group");
    assert_eq!(committed(&mut client), []);
}

#[test]
fn a_static_member_that_is_replaced_is_fenced() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.find_coordinator("g");
    let first = client.call(7, &join_request("", Some("i")));
    assert_eq!(error(first.error_code), ErrorCode::None);
    assert_eq!(sync(&mut client, &first, Some("i")), ErrorCode::None);
    // It comes back without its id: same instance, no rebalance, a new id.
    let second = client.call(7, &join_request("", Some("i")));
    assert_eq!(error(second.error_code), ErrorCode::None);
    assert_ne!(second.member_id, first.member_id);
    assert_eq!(second.generation_id, first.generation_id);
    let generation = second.generation_id;
    assert_eq!(heartbeat(&mut client, &first.member_id, Some("i"), generation), ErrorCode::FencedInstanceId);
    assert_eq!(heartbeat(&mut client, &second.member_id, Some("i"), generation), ErrorCode::None);
}

#[test]
fn groups_are_deleted_when_they_are_empty_and_known() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.find_coordinator("g");
    assert_eq!(delete_group(&mut client), ErrorCode::GroupIdNotFound);
    let joined = join(&mut client);
    assert_eq!(sync(&mut client, &joined, None), ErrorCode::None);
    assert_eq!(commit(&mut client, "t", &joined.member_id, joined.generation_id, 5), ErrorCode::None);
    assert_eq!(delete_group(&mut client), ErrorCode::NonEmptyGroup);
    let member = MemberIdentity::default().with_member_id(joined.member_id);
    let request = LeaveGroupRequest::default().with_group_id(group()).with_members(vec![member]);
    assert_eq!(error(client.call(4, &request).error_code), ErrorCode::None);
    assert_eq!(committed(&mut client), [("t".to_string(), 5)]);
    assert_eq!(delete_group(&mut client), ErrorCode::None);
    assert_eq!(committed(&mut client), []);
}

#[test]
fn offsets_of_a_deleted_topic_leave_its_groups() {
    let mut broker = Broker::start(&[]);
    let mut client = broker.client();
    client.find_coordinator("g");
    for topic in ["stays", "goes"] {
        client.create_topic(topic, 1, &[]);
        assert_eq!(commit(&mut client, topic, "", -1, 7), ErrorCode::None);
    }
    assert_eq!(committed(&mut client).len(), 2);
    client.delete_topic("goes");
    eventually("the offsets are gone", || committed(&mut client) == [("stays".to_string(), 7)]);
    broker.stop();
    broker.launch();
    let mut client = broker.client();
    client.find_coordinator("g");
    client.create_topic("goes", 1, &[]);
    assert_eq!(committed(&mut client), [("stays".to_string(), 7)]);
}
