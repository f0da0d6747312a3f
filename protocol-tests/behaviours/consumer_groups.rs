//! Groups of the consumer protocol (KIP-848).

use std::collections::BTreeSet;

use ottla::protocol::StrBytes;
use ottla::protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla::protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla::protocol::messages::update_features_request::FeatureUpdateKey;
use ottla::protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, DeleteGroupsRequest,
    GroupId, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, UpdateFeaturesRequest,
};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, error, eventually, topic_name};

/// A group among the types of resources.
const GROUP: i8 = 32;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn group() -> GroupId {
    GroupId(text("g"))
}

fn heartbeat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1)
}

fn join(client: &mut Client, member: &str, topic: &str) -> ConsumerGroupHeartbeatResponse {
    let request = heartbeat(member, 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name(topic)]))
        .with_topic_partitions(Some(Vec::new()));
    client.call(1, &request)
}

/// The partitions told, if any are.
fn assigned(response: &ConsumerGroupHeartbeatResponse) -> Option<BTreeSet<i32>> {
    assert_eq!(error(response.error_code), ErrorCode::None, "{:?}", response.error_message);
    let topics = &response.assignment.as_ref()?.topic_partitions;
    Some(topics.iter().flat_map(|topic| topic.partitions.iter().copied()).collect())
}

/// Beats until the member is told just these partitions; it owns what it was told last.
fn beat_until(
    client: &mut Client,
    member: &str,
    epoch: &mut i32,
    mut owns: BTreeSet<i32>,
    wanted: &[i32],
    id: uuid::Uuid,
) {
    let wanted: BTreeSet<i32> = wanted.iter().copied().collect();
    eventually("the member is told its partitions", || {
        let topic = TopicPartitions::default().with_topic_id(id).with_partitions(owns.iter().copied().collect());
        let request = heartbeat(member, *epoch).with_topic_partitions(Some(vec![topic]));
        let response = client.call(1, &request);
        if let Some(told) = assigned(&response) {
            owns = told;
        }
        *epoch = response.member_epoch;
        owns == wanted
    });
}

fn commit(client: &mut Client, epoch: i32, offset: i64) -> ErrorCode {
    let partition = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(epoch)
        .with_member_id(text("a"))
        .with_topics(vec![topic]);
    error(client.call(9, &request).topics[0].partitions[0].error_code)
}

fn state(client: &mut Client) -> (ErrorCode, String, usize) {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group()]);
    let group = client.call(1, &request).groups.remove(0);
    (error(group.error_code), group.group_state.to_string(), group.members.len())
}

fn coordinated(broker: &Broker) -> Client {
    let mut client = broker.client();
    client.find_coordinator("g");
    client
}

#[test]
fn members_share_partitions_and_keep_them_over_a_crash() {
    let mut broker = Broker::start(&[]);
    let id = broker.client().create_topic("t", 4, &[]).topic_id;
    let mut client = coordinated(&broker);
    let first = join(&mut client, "a", "t");
    assert_eq!((first.member_epoch, assigned(&first)), (2, Some((0..4).collect())));
    assert_eq!(first.heartbeat_interval_ms, 5_000);
    // What the log does not hold is not answered, so a crash right behind the answer loses nothing.
    broker.kill();
    broker.launch();
    let mut client = broker.client();
    let mut epoch = 2;
    beat_until(&mut client, "a", &mut epoch, (0..4).collect(), &[0, 1, 2, 3], id);
    assert_eq!((epoch, state(&mut client)), (2, (ErrorCode::None, "Stable".to_owned(), 1)));
    let second = join(&mut client, "b", "t");
    assert_eq!(assigned(&second), Some(BTreeSet::new()));
    beat_until(&mut client, "a", &mut epoch, (0..4).collect(), &[0, 1], id);
    beat_until(&mut client, "a", &mut epoch, (0..2).collect(), &[0, 1], id);
    let mut other = second.member_epoch;
    beat_until(&mut client, "b", &mut other, BTreeSet::new(), &[2, 3], id);
    assert_eq!((epoch, other, state(&mut client).1), (3, 3, "Stable".to_owned()));
    assert_eq!(commit(&mut client, 3, 7), ErrorCode::None);
    assert_eq!(commit(&mut client, 4, 8), ErrorCode::StaleMemberEpoch);
    broker.kill();
    broker.launch();
    let mut client = broker.client();
    assert_eq!(state(&mut client), (ErrorCode::None, "Stable".to_owned(), 2));
    let fetch = OffsetFetchRequestGroup::default()
        .with_group_id(group())
        .with_member_id(Some(text("a")))
        .with_member_epoch(3)
        .with_topics(None);
    let fetched = client.call(9, &OffsetFetchRequest::default().with_groups(vec![fetch.clone()]));
    assert_eq!(fetched.groups[0].topics[0].partitions[0].committed_offset, 7);
    let stale = client.call(9, &OffsetFetchRequest::default().with_groups(vec![fetch.with_member_epoch(2)]));
    assert_eq!(error(stale.groups[0].error_code), ErrorCode::StaleMemberEpoch);
}

#[test]
fn groups_are_listed_emptied_and_deleted() {
    let broker = Broker::start(&[]);
    broker.client().create_topic("t", 1, &[]);
    let mut client = coordinated(&broker);
    join(&mut client, "a", "t");
    let listed = client.call(5, &ListGroupsRequest::default().with_types_filter(vec![text("consumer")])).groups;
    assert_eq!((listed.len(), &*listed[0].group_type, &*listed[0].group_state), (1, "consumer", "Stable"));
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    assert_eq!(error(client.call(2, &delete).results[0].error_code), ErrorCode::NonEmptyGroup);
    assert_eq!(client.call(1, &heartbeat("a", -1)).member_epoch, -1);
    assert_eq!(state(&mut client), (ErrorCode::None, "Empty".to_owned(), 0));
    assert_eq!(error(client.call(2, &delete).results[0].error_code), ErrorCode::None);
    assert_eq!(state(&mut client).0, ErrorCode::GroupIdNotFound);
}

#[test]
fn a_pattern_is_resolved_and_follows_new_topics() {
    let broker = Broker::start(&[]);
    let id = broker.client().create_topic("logs-a", 2, &[]).topic_id;
    let mut client = coordinated(&broker);
    let pattern = |pattern: &str| {
        heartbeat("a", 0)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_regex(Some(text(pattern)))
            .with_topic_partitions(Some(Vec::new()))
    };
    let refused = client.call(1, &pattern("logs-["));
    assert_eq!(error(refused.error_code), ErrorCode::InvalidRegularExpression);
    let message = refused.error_message.expect("a message");
    assert_eq!(&*message, "SubscribedTopicRegex `logs-[` is not a valid regular expression: missing closing ].");
    let joined = client.call(1, &pattern("logs-.*"));
    assert_eq!((joined.member_epoch, assigned(&joined)), (1, Some(BTreeSet::new())));
    let mut epoch = 1;
    beat_until(&mut client, "a", &mut epoch, BTreeSet::new(), &[0, 1], id);
}

#[test]
fn the_pace_of_a_group_is_its_config() {
    let broker = Broker::start(&[]);
    broker.client().create_topic("t", 1, &[]);
    let mut client = coordinated(&broker);
    client.set_config(GROUP, "g", "consumer.heartbeat.interval.ms", "7000");
    assert_eq!(join(&mut client, "a", "t").heartbeat_interval_ms, 7_000);
}

#[test]
fn the_feature_switches_the_protocol() {
    let broker = Broker::start(&[]);
    let mut client = coordinated(&broker);
    let set = |level: i16, kind: i8| {
        let update = FeatureUpdateKey::default()
            .with_feature(text("group.version"))
            .with_max_version_level(level)
            .with_upgrade_type(kind);
        UpdateFeaturesRequest::default().with_timeout_ms(10_000).with_feature_updates(vec![update])
    };
    assert_eq!(error(client.call(1, &set(0, 2)).error_code), ErrorCode::None);
    assert_eq!(error(join(&mut client, "a", "t").error_code), ErrorCode::UnsupportedVersion);
    assert_eq!(state(&mut client).0, ErrorCode::UnsupportedVersion);
    assert_eq!(error(client.call(1, &set(1, 1)).error_code), ErrorCode::None);
    assert_eq!(error(join(&mut client, "a", "t").error_code), ErrorCode::None);
}
