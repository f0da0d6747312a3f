//! Which version to name to the message crate.

use bytes::Bytes;
use kafka_protocol::messages::RequestKind;

use super::messages::*;
use crate::protocol::message::{Message, RecordError};

const LIST_OFFSETS: i16 = 2;
const OFFSET_COMMIT: i16 = 8;
const OFFSET_FETCH: i16 = 9;
const INIT_PRODUCER_ID: i16 = 22;
const WRITE_TXN_MARKERS: i16 = 27;
const DESCRIBE_LOG_DIRS: i16 = 35;
const BROKER_HEARTBEAT: i16 = 63;
const SHARE_FETCH: i16 = 78;
const SHARE_ACKNOWLEDGE: i16 = 79;
const ADD_RAFT_VOTER: i16 = 80;
const WRITE_SHARE_GROUP_STATE: i16 = 85;
const READ_SHARE_GROUP_STATE_SUMMARY: i16 = 87;
const DESCRIBE_SHARE_GROUP_OFFSETS: i16 = 90;

/// The version whose layout a request of `version` has in the message crate's eyes. A heartbeat's cordoned
/// directories are left among the unknown tagged fields; [`BrokerHeartbeatRequest`] reads them.
pub fn request_layout(api_key: i16, version: i16) -> i16 {
    match (api_key, version) {
        (LIST_OFFSETS, 11) => 10,
        (DESCRIBE_LOG_DIRS, 5) => 4,
        (BROKER_HEARTBEAT, 2) => 1,
        (READ_SHARE_GROUP_STATE_SUMMARY | DESCRIBE_SHARE_GROUP_OFFSETS, 1) => 0,
        _ => version,
    }
}

/// The version whose layout a response of `version` has in the message crate's eyes.
pub fn response_layout(api_key: i16, version: i16) -> i16 {
    match (api_key, version) {
        (LIST_OFFSETS, 11) => 10,
        (WRITE_TXN_MARKERS | BROKER_HEARTBEAT | SHARE_FETCH, 2) => 1,
        (ADD_RAFT_VOTER | WRITE_SHARE_GROUP_STATE, 1) => 0,
        _ => version,
    }
}

/// A request of a newer layout as the message crate's struct. Topics of OffsetCommit and OffsetFetch have their ids in
/// `topic_id` and no names. Lost is only whether AddRaftVoter answers before the commit, whether InitProducerId asks for
/// two-phase commit, and all of WriteTxnMarkers, ShareFetch, ShareAcknowledge and WriteShareGroupState: handlers that care
/// read [`AddRaftVoterRequest`], [`InitProducerIdRequest`] and so on.
pub fn decode_as_older(api_key: i16, version: i16, body: &Bytes) -> Option<Result<RequestKind, RecordError>> {
    Some(match (api_key, version) {
        (OFFSET_COMMIT, 10) => {
            OffsetCommitRequest::decode(body, version).map(|(request, _)| RequestKind::OffsetCommit(request.into()))
        }
        (OFFSET_FETCH, 10) => {
            OffsetFetchRequest::decode(body, version).map(|(request, _)| RequestKind::OffsetFetch(request.into()))
        }
        (INIT_PRODUCER_ID, 6) => {
            InitProducerIdRequest::decode(body, version).map(|(request, _)| RequestKind::InitProducerId(request.into()))
        }
        // Nothing of it has a place in the crate's struct that a handler would not rather read itself.
        (WRITE_TXN_MARKERS, 2) => WriteTxnMarkersRequest::decode(body, version)
            .map(|_| RequestKind::WriteTxnMarkers(kafka_protocol::messages::WriteTxnMarkersRequest::default())),
        (SHARE_FETCH, 2) => ShareFetchRequest::decode(body, version)
            .map(|_| RequestKind::ShareFetch(kafka_protocol::messages::ShareFetchRequest::default())),
        (SHARE_ACKNOWLEDGE, 2) => ShareAcknowledgeRequest::decode(body, version)
            .map(|_| RequestKind::ShareAcknowledge(kafka_protocol::messages::ShareAcknowledgeRequest::default())),
        (WRITE_SHARE_GROUP_STATE, 1) => WriteShareGroupStateRequest::decode(body, version).map(|_| {
            RequestKind::WriteShareGroupState(kafka_protocol::messages::WriteShareGroupStateRequest::default())
        }),
        (ADD_RAFT_VOTER, 1) => {
            AddRaftVoterRequest::decode(body, version).map(|(request, _)| RequestKind::AddRaftVoter(request.into()))
        }
        _ => return None,
    })
}
