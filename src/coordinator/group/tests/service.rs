//! The facade over its runtimes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::super::machine::Settings;
use super::super::records::Record;
use super::super::service::{Client, Groups};
use super::script::{str_bytes, subscription, surroundings};
use crate::coordinator::testing::Memory;
use crate::coordinator::{ShardCounts, partition_of};
use crate::protocol::frame::encode_response;
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::protocol::messages::{
    DescribeGroupsResponse, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    ListGroupsRequest, OffsetCommitRequest, ResponseKind, SyncGroupRequest, TopicName,
};
use crate::types::{Clock, ErrorCode, Uuid};

struct Bench {
    groups: Arc<Groups>,
    time: Arc<AtomicI64>,
    journal: Arc<Memory<Record>>,
}

impl Bench {
    /// A coordinator of the one partition of the topic.
    fn new() -> Bench {
        let time = Arc::new(AtomicI64::new(0));
        let clock = Clock::Manual(time.clone());
        let surroundings = surroundings(&Arc::default());
        let here = tokio::runtime::Handle::current();
        let groups = Arc::new(Groups::new(Settings::default(), surroundings, clock, here, Uuid::random));
        Bench { groups, time, journal: Arc::default() }
    }

    fn elected() -> Bench {
        let bench = Bench::new();
        bench.groups.set_partition_count(1);
        bench.elect();
        bench
    }

    fn elect(&self) {
        let election = self.groups.begin(0);
        let mut machine = self.groups.machine();
        self.journal.0.lock().unwrap().iter().for_each(|record| machine.load(record));
        self.groups.elect(election, machine, self.journal.clone(), None);
    }

    fn join(&self, member_id: &str, version: i16) -> tokio::task::JoinHandle<JoinGroupResponse> {
        let groups = self.groups.clone();
        let request = join_request(member_id);
        tokio::spawn(async move { groups.join(&client(), request, version).await })
    }

    async fn turn(&self, to: i64) {
        settle().await;
        self.time.store(to, Ordering::SeqCst);
        self.groups.wake().await;
        settle().await;
    }
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn client() -> Client {
    Client { id: "c".into(), host: "/127.0.0.1".into() }
}

fn group() -> GroupId {
    GroupId(str_bytes("g"))
}

fn join_request(member_id: &str) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_member_id(str_bytes(member_id))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(-1)
        .with_protocol_type(str_bytes("consumer"))
        .with_protocols(vec![
            JoinGroupRequestProtocol::default().with_name(str_bytes("range")).with_metadata(subscription("t")),
        ])
}

fn commit_request(group: &str) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(5);
    let topic =
        OffsetCommitRequestTopic::default().with_name(TopicName(str_bytes("t"))).with_partitions(vec![partition]);
    OffsetCommitRequest::default().with_group_id(GroupId(str_bytes(group))).with_topics(vec![topic])
}

fn fetch_request(group: &str) -> OffsetFetchRequestGroup {
    OffsetFetchRequestGroup::default().with_group_id(GroupId(str_bytes(group))).with_topics(None)
}

async fn commit_code(groups: &Groups, group: &str) -> ErrorCode {
    let reply = groups.commit(commit_request(group), 9).await;
    ErrorCode::from_code(reply.topics[0].partitions[0].error_code).unwrap()
}

#[test]
fn groups_are_placed_as_java_places_them() {
    // "polygenelubricants" hashes to the one number that has no absolute value.
    assert_eq!(partition_of("polygenelubricants", 50), 0);
    assert_eq!(partition_of("", 50), 0);
    assert_eq!(partition_of("g", 50), 3);
    assert_eq!(partition_of("console-consumer-12345", 50), 6);
    assert_eq!(partition_of("gruppe-äöü-😀", 50), 14);
}

#[tokio::test]
async fn a_group_lives_from_its_first_join_to_its_last_leave() {
    let bench = Bench::elected();
    let first = bench.join("", 9).await.unwrap();
    assert_eq!(first.error_code, ErrorCode::MemberIdRequired.code());
    assert!(first.member_id.starts_with("c-"));
    let joined = bench.join(&first.member_id, 9);
    bench.turn(3_000).await;
    let joined = joined.await.unwrap();
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_member_id(joined.member_id.clone())
        .with_generation_id(1);
    let nameless = bench.groups.sync(sync.clone(), 5).await;
    assert_eq!(nameless.error_code, ErrorCode::InconsistentGroupProtocol.code());
    assert_eq!(bench.groups.sync(sync, 4).await.error_code, 0);
    let beat = HeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(joined.member_id.clone())
        .with_generation_id(1);
    assert_eq!(bench.groups.heartbeat(beat).await.error_code, 0);
    let described = bench.groups.describe(vec![group()], 6).await;
    assert_eq!(&*described[0].members[0].client_host, "/127.0.0.1");
    let leave = LeaveGroupRequest::default().with_group_id(group()).with_member_id(joined.member_id.clone());
    let left = bench.groups.leave(leave.clone(), 2).await;
    assert_eq!((left.error_code, left.members.len()), (0, 0), "old versions have no list");
    let again = bench.groups.leave(leave, 0).await;
    assert_eq!(again.error_code, ErrorCode::UnknownMemberId.code());
    let listed = bench.groups.list(&ListGroupsRequest::default()).await;
    assert_eq!(&*listed.groups[0].group_state, "Empty");
    let deleted = bench.groups.delete_groups(vec![group(), group()]).await;
    assert_eq!((deleted.results.len(), deleted.results[0].error_code), (1, 0));
}

fn encode(api_key: i16, version: i16, reply: ResponseKind) {
    encode_response(api_key, version, 1, &reply).expect("no field is set that the version does not have");
}

/// The crate refuses to encode a field that the version does not have.
#[tokio::test]
async fn every_reply_can_be_said_in_every_version() {
    let bench = Bench::elected();
    for version in 0..=9 {
        let refused = bench.groups.join(&client(), join_request("ghost"), version).await;
        encode(11, version, ResponseKind::JoinGroup(refused.clone()));
        let bench = Bench::elected();
        let mut joined = bench.join("", version);
        bench.turn(3_000).await;
        if version >= 4 {
            let handed_out = joined.await.unwrap();
            encode(11, version, ResponseKind::JoinGroup(handed_out.clone()));
            joined = bench.join(&handed_out.member_id, version);
            bench.turn(6_000).await;
        }
        let joined = joined.await.unwrap();
        assert_eq!((joined.error_code, joined.members.len()), (0, 1), "version {version}");
        encode(11, version, ResponseKind::JoinGroup(joined.clone()));
        let sync = SyncGroupRequest::default()
            .with_group_id(group())
            .with_member_id(joined.member_id.clone())
            .with_generation_id(1)
            .with_protocol_type(Some(str_bytes("consumer")))
            .with_protocol_name(Some(str_bytes("range")));
        let version_of_sync = version.min(5);
        let synced = bench.groups.sync(sync, version_of_sync).await;
        assert_eq!(synced.error_code, 0);
        encode(14, version_of_sync, ResponseKind::SyncGroup(synced.clone()));
        let described = bench.groups.describe(vec![group(), GroupId(str_bytes("other"))], version.min(6)).await;
        let described = DescribeGroupsResponse::default().with_groups(described);
        encode(15, version.min(6), ResponseKind::DescribeGroups(described.clone()));
        let listed = bench.groups.list(&ListGroupsRequest::default()).await;
        encode(16, version.min(5), ResponseKind::ListGroups(listed.clone()));
        let committed = bench.groups.commit(commit_request("other"), version.max(2)).await;
        encode(8, version.max(2), ResponseKind::OffsetCommit(committed.clone()));
        let leave = LeaveGroupRequest::default().with_group_id(group()).with_member_id(joined.member_id.clone());
        let members = vec![MemberIdentity::default().with_member_id(joined.member_id)];
        let leave = if version < 3 { leave } else { leave.with_members(members) };
        let left = bench.groups.leave(leave, version.min(5)).await;
        encode(13, version.min(5), ResponseKind::LeaveGroup(left.clone()));
    }
}

#[tokio::test]
async fn requests_are_checked_before_any_machine() {
    let bench = Bench::elected();
    let join = |session: i32| bench.groups.join(const_client(), join_request("").with_session_timeout_ms(session), 3);
    assert_eq!(join(5_999).await.error_code, ErrorCode::InvalidSessionTimeout.code());
    assert_eq!(join(1_800_001).await.error_code, ErrorCode::InvalidSessionTimeout.code());
    let nameless = join_request("").with_group_id(GroupId::default());
    let refused = bench.groups.join(&client(), nameless, 6).await;
    assert_eq!(refused.error_code, ErrorCode::InvalidGroupId.code());
    assert_eq!(refused.protocol_name, Some(str_bytes("")), "null cannot be said before version 7");
    assert_eq!(bench.groups.sync(SyncGroupRequest::default(), 0).await.error_code, ErrorCode::InvalidGroupId.code());
    assert_eq!(bench.groups.heartbeat(HeartbeatRequest::default()).await.error_code, ErrorCode::InvalidGroupId.code());
    assert_eq!(bench.groups.leave(LeaveGroupRequest::default(), 4).await.error_code, ErrorCode::InvalidGroupId.code());
    assert_eq!(commit_code(&bench.groups, "").await, ErrorCode::None, "old clients commit to the empty group");
}

fn const_client() -> &'static Client {
    static CLIENT: std::sync::LazyLock<Client> = std::sync::LazyLock::new(client);
    &CLIENT
}

#[tokio::test]
async fn where_no_coordinator_is_kafkas_errors_say_why() {
    let bench = Bench::new();
    assert_eq!(commit_code(&bench.groups, "g").await, ErrorCode::CoordinatorNotAvailable, "no topic yet");
    bench.groups.set_partition_count(1);
    assert_eq!(commit_code(&bench.groups, "g").await, ErrorCode::NotCoordinator);
    let election = bench.groups.begin(0);
    let beat = HeartbeatRequest::default().with_group_id(group());
    let (beat, began) = (bench.groups.heartbeat(beat).await, Instant::now());
    assert_eq!(beat.error_code, 0, "while it loads, everybody is alive");
    let all = ListGroupsRequest::default();
    let (committed, listed, fetched) = tokio::join!(
        commit_code(&bench.groups, "g"),
        bench.groups.list(&all),
        bench.groups.fetch(fetch_request("g"), true, 8)
    );
    assert!(began.elapsed() >= Duration::from_secs(1), "they wait before they give up");
    let loading = ErrorCode::CoordinatorLoadInProgress;
    assert_eq!((committed, listed.error_code, fetched.error_code), (loading, loading.code(), loading.code()));
    bench.groups.resign(0);
    bench.groups.elect(election, bench.groups.machine(), bench.journal.clone(), None);
    assert_eq!(commit_code(&bench.groups, "g").await, ErrorCode::NotCoordinator, "the load came too late");
    bench.elect();
    assert_eq!(commit_code(&bench.groups, "g").await, ErrorCode::None);
}

#[tokio::test]
async fn a_request_that_comes_during_the_load_is_served_after_it() {
    let bench = Bench::new();
    bench.groups.set_partition_count(1);
    let election = bench.groups.begin(0);
    let groups = bench.groups.clone();
    let commit = tokio::spawn(async move { commit_code(&groups, "g").await });
    let groups = bench.groups.clone();
    let list = tokio::spawn(async move { groups.list(&ListGroupsRequest::default()).await });
    settle().await;
    assert!(!commit.is_finished() && !list.is_finished());
    bench.groups.elect(election, bench.groups.machine(), bench.journal.clone(), None);
    assert_eq!((commit.await.unwrap(), list.await.unwrap().error_code), (ErrorCode::None, 0));
    for failed in [1, 0] {
        let election = bench.groups.begin(0);
        let groups = bench.groups.clone();
        let commit = tokio::spawn(async move { commit_code(&groups, "g").await });
        settle().await;
        assert_eq!(bench.groups.counts(), ShardCounts { loading: 1, ..ShardCounts::default() });
        match failed {
            0 => bench.groups.resign(0),
            _ => bench.groups.give_up(election),
        }
        assert_eq!(commit.await.unwrap(), ErrorCode::NotCoordinator);
        assert_eq!(bench.groups.counts(), ShardCounts { failed, ..ShardCounts::default() });
        let listed = bench.groups.list(&ListGroupsRequest::default()).await;
        assert_eq!(listed.error_code, 0, "one partition without a coordinator fails no list");
    }
}

#[tokio::test]
async fn who_is_parked_is_sent_away_when_the_partition_moves() {
    let bench = Bench::elected();
    let joined = bench.join("", 3);
    settle().await;
    bench.groups.resign(0);
    assert_eq!(joined.await.unwrap().error_code, ErrorCode::NotCoordinator.code());
}

#[tokio::test]
async fn offsets_outlive_a_move_and_a_stop() {
    let bench = Bench::elected();
    assert_eq!(commit_code(&bench.groups, "g").await, ErrorCode::None);
    bench.elect();
    let fetched = bench.groups.fetch(fetch_request("g"), false, 8).await;
    assert_eq!(fetched.topics[0].partitions[0].committed_offset, 5);
    bench.groups.topics_deleted(&[("t".into(), crate::types::TopicId::ZERO)]).await;
    assert!(bench.groups.fetch(fetch_request("g"), false, 8).await.topics.is_empty());
    bench.groups.stop().await;
    assert_eq!(commit_code(&bench.groups, "g").await, ErrorCode::NotCoordinator);
}
