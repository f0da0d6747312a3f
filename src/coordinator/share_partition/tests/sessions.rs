//! Share sessions.

use std::sync::Arc;

use super::super::session::{SessionPartition, ShareContext, ShareSessionRequest, ShareSessions};
use crate::types::{ErrorCode, TopicId, TopicIdPartition};

fn named(partition: i32) -> SessionPartition {
    SessionPartition { partition: TopicIdPartition { topic_id: TopicId::ONE, partition }, is_known: true }
}

fn request(member: &str, epoch: i32, partitions: &[i32]) -> ShareSessionRequest {
    ShareSessionRequest {
        group: "g".into(),
        member: member.into(),
        epoch,
        partitions: partitions.iter().map(|partition| named(*partition)).collect(),
        forgotten: Vec::new(),
        has_acknowledgements: false,
        connection: 1,
    }
}

fn numbers(context: &ShareContext) -> Vec<i32> {
    context.partitions().iter().map(|named| named.partition.partition).collect()
}

#[test]
fn a_session_counts_its_requests_and_knows_its_partitions() {
    let sessions = ShareSessions::new(2);
    let refused = |request| sessions.begin(&request).unwrap_err();
    assert_eq!(refused(request("a", 1, &[])), ErrorCode::ShareSessionNotFound);
    assert_eq!(refused(request("a", -1, &[])), ErrorCode::ShareSessionNotFound);
    assert_eq!(refused(request("a", 0, &[1, 1])), ErrorCode::UnknownServerError);
    let early = ShareSessionRequest { has_acknowledgements: true, ..request("a", 0, &[1]) };
    assert_eq!(refused(early), ErrorCode::InvalidRequest);
    assert_eq!(numbers(&sessions.begin(&request("a", 0, &[2, 1])).unwrap()), [2, 1]);
    assert_eq!(refused(request("a", 2, &[])), ErrorCode::InvalidShareSessionEpoch);
    let next = ShareSessionRequest { forgotten: vec![named(2).partition], ..request("a", 1, &[3, 1]) };
    assert_eq!(numbers(&sessions.begin(&next).unwrap()), [1, 3]);
    let (group, member): (Arc<str>, Arc<str>) = ("g".into(), "a".into());
    assert_eq!(sessions.acknowledge(&group, &member, 0), Err(ErrorCode::InvalidShareSessionEpoch));
    assert_eq!(sessions.acknowledge(&group, &member, 1), Err(ErrorCode::InvalidShareSessionEpoch));
    assert_eq!(sessions.acknowledge(&group, &member, 2), Ok(()));
    assert_eq!(sessions.acknowledge(&group, &member, -1), Ok(()));
    assert_eq!(numbers(&sessions.begin(&request("a", 3, &[])).unwrap()), [1, 3]);
    assert_eq!(sessions.begin(&request("a", -1, &[])), Ok(ShareContext::Final));
    assert_eq!(sessions.remove(&group, &member).unwrap().len(), 2);
    assert_eq!(sessions.acknowledge(&group, &member, -1), Err(ErrorCode::ShareSessionNotFound));
}

#[test]
fn only_news_is_told_and_whoever_had_records_comes_last() {
    let sessions = ShareSessions::new(2);
    let (group, member): (Arc<str>, Arc<str>) = ("g".into(), "a".into());
    sessions.begin(&request("a", 0, &[0, 1])).unwrap();
    sessions.begin(&request("a", 1, &[2])).unwrap();
    let answers = |records: i32, error: i32| {
        let one = |index: i32| (named(index).partition, index == records, index == error);
        (0..3).map(one).collect::<Vec<_>>()
    };
    // What is new to the session is told of once.
    assert_eq!(sessions.select(&group, &member, 1, &answers(0, 9)), Ok(vec![true, false, true]));
    assert_eq!(numbers(&sessions.begin(&request("a", 2, &[])).unwrap()), [1, 2, 0]);
    assert_eq!(sessions.select(&group, &member, 2, &answers(9, 1)), Ok(vec![false, true, false]));
    sessions.begin(&request("a", 3, &[])).unwrap();
    // So is that an error is over.
    assert_eq!(sessions.select(&group, &member, 3, &answers(9, 9)), Ok(vec![false, true, false]));
    assert_eq!(sessions.select(&group, &member, 2, &answers(9, 9)), Err(ErrorCode::InvalidShareSessionEpoch));
}

#[test]
fn sessions_are_limited_and_end_with_their_connections() {
    let sessions = ShareSessions::new(2);
    let on = |member, connection| ShareSessionRequest { connection, ..request(member, 0, &[0]) };
    sessions.begin(&on("a", 1)).unwrap();
    sessions.begin(&on("b", 2)).unwrap();
    assert_eq!(sessions.begin(&on("c", 3)), Err(ErrorCode::ShareSessionLimitReached));
    // A session that began anew on another connection outlives the first.
    sessions.begin(&on("a", 4)).unwrap();
    let departed = sessions.disconnected(1).unwrap();
    assert_eq!((departed.partitions.len(), departed.group_is_empty), (0, false));
    let departed = sessions.disconnected(4).unwrap();
    assert_eq!((&*departed.member, departed.partitions.len(), departed.group_is_empty), ("a", 1, false));
    let departed = sessions.disconnected(2).unwrap();
    assert_eq!((&*departed.member, departed.partitions.len(), departed.group_is_empty), ("b", 1, true));
    assert_eq!(sessions.disconnected(2), None);
}
