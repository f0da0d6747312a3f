//! What we declare must agree with the table, for every version of it.

use kafka_protocol::messages::RequestKind;

use super::*;
use crate::protocol::message::Message;
use crate::protocol::schema::{Direction, api, generate};

fn check<M: Message>(api_key: i16, direction: Direction) {
    let api = api(api_key).expect("the API exists");
    assert_eq!(M::VERSIONS, (api.min_version, api.max_version), "{}", M::NAME);
    for version in api.min_version..=api.max_version {
        for seed in 0..50 {
            let body = generate(api_key, direction, version, seed).expect("the version exists");
            let (message, trailing) = M::decode(&body, version).expect("it decodes");
            assert_eq!(trailing, 0, "{} version {version} seed {seed}", M::NAME);
            assert_eq!(message.encode(version).expect("it encodes"), body, "{} {version} {seed}", M::NAME);
        }
    }
}

#[test]
fn declared_messages_agree_with_the_table() {
    check::<OffsetCommitRequest>(8, Direction::Request);
    check::<OffsetFetchRequest>(9, Direction::Request);
    check::<InitProducerIdRequest>(22, Direction::Request);
    check::<WriteTxnMarkersRequest>(27, Direction::Request);
    check::<DescribeLogDirsResponse>(35, Direction::Response);
    check::<BrokerHeartbeatRequest>(63, Direction::Request);
    check::<ShareFetchRequest>(78, Direction::Request);
    check::<ShareAcknowledgeRequest>(79, Direction::Request);
    check::<ShareAcknowledgeResponse>(79, Direction::Response);
    check::<WriteShareGroupStateRequest>(85, Direction::Request);
    check::<ReadShareGroupStateSummaryResponse>(87, Direction::Response);
    check::<DescribeShareGroupOffsetsResponse>(90, Direction::Response);
    check::<AddRaftVoterRequest>(80, Direction::Request);
}

#[test]
fn a_commit_by_topic_id_reaches_handlers_with_the_id() {
    let topic_id = crate::types::Uuid([7; 16]);
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 42, ..Default::default() }];
    let topics = vec![OffsetCommitRequestTopic { topic_id, partitions, ..Default::default() }];
    let request = OffsetCommitRequest { group_id: "g".to_owned(), topics, ..Default::default() };
    let body = request.encode(10).expect("it encodes");
    let Some(Ok(RequestKind::OffsetCommit(older))) = decode_as_older(8, 10, &body) else { panic!("no commit") };
    assert_eq!(older.group_id.as_str(), "g");
    assert_eq!(crate::types::Uuid::from(older.topics[0].topic_id), topic_id);
    assert_eq!(older.topics[0].partitions[0].committed_offset, 42);
}
