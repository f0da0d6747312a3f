//! ListOffsets (2), versions 1 to 11: the offset of a time, or one of the named positions.

use std::collections::HashSet;

use super::by_topic::ByTopic;
use super::{Answer, Call};
use crate::protocol::messages::list_offsets_request::ListOffsetsPartition;
use crate::protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use crate::protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, ResponseKind};
use crate::replication::{Isolation, OffsetOfTime, OffsetQuery};
use crate::types::{ErrorCode, LeaderEpoch, Millis};

/// A replica id that may ask any replica: tools that compare them.
const DEBUGGING_REPLICA: i32 = -2;
const CONSUMER: i32 = -1;
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

pub(super) async fn handle(call: &Call<'_>, request: ListOffsetsRequest) -> Answer {
    if !matches!(request.isolation_level, READ_UNCOMMITTED | READ_COMMITTED) {
        return failed(call, request);
    }
    let isolation = match (request.replica_id.0, request.isolation_level) {
        (CONSUMER, READ_COMMITTED) => Isolation::ReadCommitted,
        (CONSUMER, _) => Isolation::ReadUncommitted,
        _ => Isolation::LogEnd,
    };
    let mut seen = HashSet::new();
    let mut duplicate = HashSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            if !seen.insert((topic.name.clone(), partition.partition_index)) {
                duplicate.insert((topic.name.clone(), partition.partition_index));
            }
        }
    }
    let mut topics = ByTopic::default();
    for topic in request.topics {
        for asked in topic.partitions {
            let outcome = match duplicate.contains(&(topic.name.clone(), asked.partition_index)) {
                true => Err(ErrorCode::InvalidRequest),
                false => list(call, &topic.name, &asked, isolation, request.replica_id.0 != DEBUGGING_REPLICA),
            };
            topics.set(&topic.name, asked.partition_index, shape(call, asked.partition_index, outcome));
        }
    }
    let mut response = ListOffsetsResponse::default();
    response.topics = topics.into_topics(|name, partitions| {
        let mut answered = ListOffsetsTopicResponse::default();
        answered.name = name;
        answered.partitions = partitions;
        answered
    });
    ResponseKind::ListOffsets(response).into()
}

/// The answer to a request that Kafka fails over as a whole.
fn failed(call: &Call<'_>, request: ListOffsetsRequest) -> Answer {
    let mut response = ListOffsetsResponse::default();
    for topic in request.topics {
        let mut answered = ListOffsetsTopicResponse::default();
        answered.name = topic.name;
        let indexes = topic.partitions.into_iter().map(|asked| asked.partition_index);
        answered.partitions = indexes.map(|index| shape(call, index, Err(ErrorCode::UnknownServerError))).collect();
        response.topics.push(answered);
    }
    ResponseKind::ListOffsets(response).into()
}

fn list(
    call: &Call<'_>,
    topic: &str,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
    from_leader: bool,
) -> Result<Option<OffsetOfTime>, ErrorCode> {
    let query = query(asked.timestamp, call.version()).ok_or(ErrorCode::UnsupportedVersion)?;
    let partition = call.node.partitions.named(topic, asked.partition_index)?;
    partition.list_offset(query, isolation, LeaderEpoch(asked.current_leader_epoch), from_leader)
}

/// What a timestamp means in a version: times are not negative, and each named position came with a version.
fn query(timestamp: i64, version: i16) -> Option<OffsetQuery> {
    match timestamp {
        0.. => Some(OffsetQuery::Time(Millis(timestamp))),
        -1 => Some(OffsetQuery::Latest),
        -2 => Some(OffsetQuery::Earliest),
        -3 if version >= 7 => Some(OffsetQuery::MaxTimestamp),
        -4 if version >= 8 => Some(OffsetQuery::Earliest),
        -5 if version >= 9 => Some(OffsetQuery::Tiered),
        -6 if version >= 11 => Some(OffsetQuery::Tiered),
        _ => None,
    }
}

fn shape(
    call: &Call<'_>,
    index: i32,
    outcome: Result<Option<OffsetOfTime>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let mut response = ListOffsetsPartitionResponse::default();
    response.partition_index = index;
    match outcome {
        Ok(Some(found)) => {
            response.timestamp = found.timestamp.0;
            response.offset = found.offset.0;
            if call.version() >= 4 {
                response.leader_epoch = found.leader_epoch.0;
            }
        }
        Ok(None) => {}
        Err(ErrorCode::OffsetNotAvailable) if call.version() < 5 => {
            response.error_code = ErrorCode::LeaderNotAvailable.code();
        }
        Err(error) => response.error_code = error.code(),
    }
    response
}
