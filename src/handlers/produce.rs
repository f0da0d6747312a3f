//! Produce (0), versions 3 to 13: topics by name below 13, by id from there (KIP-516).

use std::sync::Arc;

use super::{Answer, Call};
use crate::metadata::{MetadataImage, TopicImage};
use crate::protocol::StrBytes;
use crate::protocol::batch::BatchHeader;
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use crate::protocol::messages::{ProduceRequest, ProduceResponse, ResponseKind};
use crate::log::LogAppendInfo;
use crate::replication::{Partition, ProduceError, ProduceRecords};
use crate::types::{ErrorCode, Millis, Offset, TopicId, is_internal_topic};

const ACKS_ALL: i16 = -1;
/// The first version that names topics by id.
const FIRST_VERSION_WITH_IDS: i16 = 13;

pub(super) async fn handle(call: &Call<'_>, request: ProduceRequest) -> Answer {
    let acks = request.acks;
    let refused = whole_request_error(&request);
    let image = call.node.image();
    let mut responses = Vec::with_capacity(request.topic_data.len());
    let mut waits = Vec::new();
    for topic in request.topic_data {
        let known = find_topic(call, &image, &topic);
        let mut response = TopicProduceResponse::default();
        if call.version() >= FIRST_VERSION_WITH_IDS {
            response.topic_id = topic.topic_id;
        } else {
            response.name = topic.name;
        }
        for partition in topic.partition_data {
            let index = partition.index;
            let outcome = match refused {
                Some(error) => Err(ProduceError::from(error)),
                None => known.map_err(ProduceError::from).and_then(|topic| append(call, topic, partition, acks)),
            };
            if let (Ok((replica, appended)), ACKS_ALL) = (&outcome, acks) {
                let at = (responses.len(), response.partition_responses.len());
                waits.push(Wait { at, replica: replica.clone(), through: appended.last_offset.next() });
            }
            response.partition_responses.push(shape(call, index, outcome.map(|(_, appended)| appended)));
        }
        responses.push(response);
    }
    await_replication(&mut responses, waits, Millis(request.timeout_ms.into())).await;
    if acks == 0 {
        return silence_unless_failed(&responses);
    }
    let mut response = ProduceResponse::default();
    response.responses = responses;
    ResponseKind::Produce(response).into()
}

/// What refuses every partition of a request at once.
fn whole_request_error(request: &ProduceRequest) -> Option<ErrorCode> {
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    if request.transactional_id.is_none() && partitions.any(is_transactional) {
        return Some(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    (!matches!(request.acks, ACKS_ALL | 0 | 1)).then_some(ErrorCode::InvalidRequiredAcks)
}

fn is_transactional(partition: &PartitionProduceData) -> bool {
    let records = partition.records.as_deref().unwrap_or_default();
    BatchHeader::parse(records).is_ok_and(|header| header.is_transactional())
}

fn find_topic<'a>(
    call: &Call<'_>,
    image: &'a MetadataImage,
    topic: &TopicProduceData,
) -> Result<&'a Arc<TopicImage>, ErrorCode> {
    if call.version() >= FIRST_VERSION_WITH_IDS {
        let id = TopicId::from(topic.topic_id);
        image.topics.with_id(id).ok_or(ErrorCode::UnknownTopicId)
    } else {
        image.topics.named(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
    }
}

fn append(
    call: &Call<'_>,
    topic: &TopicImage,
    partition: PartitionProduceData,
    acks: i16,
) -> Result<(Arc<Partition>, LogAppendInfo), ProduceError> {
    if !topic.partitions.contains_key(&partition.index) {
        return Err(ErrorCode::UnknownTopicOrPartition.into());
    }
    let Some(records) = partition.records.filter(|records| !records.is_empty()) else {
        return Err(ErrorCode::InvalidRecord.into());
    };
    if is_internal_topic(&topic.name) {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    let replica = call.node.partitions.find(topic.id, partition.index)?;
    let produced = ProduceRecords {
        records,
        all_acks: acks == ACKS_ALL,
        version: call.version(),
        now: call.node.clock.wall(),
    };
    let appended = replica.produce(produced)?;
    Ok((replica, appended))
}

fn shape(call: &Call<'_>, index: i32, outcome: Result<LogAppendInfo, ProduceError>) -> PartitionProduceResponse {
    let mut response = PartitionProduceResponse::default();
    response.index = index;
    match outcome {
        Ok(appended) => {
            response.base_offset = appended.first_offset.0;
            response.log_append_time_ms = appended.log_append_time.0;
            response.log_start_offset = appended.log_start_offset.0;
        }
        Err(error) => {
            response.error_code = error.code.code();
            response.base_offset = Offset::NONE.0;
            response.log_start_offset = error.log_start_offset.0;
            response.error_message = error.message.map(StrBytes::from_string);
            response.record_errors = error.record_errors.into_iter().map(record_error).collect();
            if let (Some((leader, epoch)), true) = (error.current_leader, call.version() >= 10) {
                let mut current = LeaderIdAndEpoch::default();
                current.leader_id = leader.0.into();
                current.leader_epoch = epoch.0;
                response.current_leader = current;
            }
        }
    }
    response
}

fn record_error((batch_index, message): (i32, String)) -> BatchIndexAndErrorMessage {
    let mut error = BatchIndexAndErrorMessage::default();
    error.batch_index = batch_index;
    error.batch_index_error_message = Some(StrBytes::from_string(message));
    error
}

/// An append that awaits its replicas: where its answer stands, and up to which offset it waits.
struct Wait {
    at: (usize, usize),
    replica: Arc<Partition>,
    through: Offset,
}

async fn await_replication(responses: &mut [TopicProduceResponse], waits: Vec<Wait>, timeout: Millis) {
    let deadline = tokio::time::Instant::now() + timeout.duration();
    for Wait { at: (topic, partition), replica, through } in waits {
        if let Err(error) = replica.committed(through, deadline).await {
            let response = &mut responses[topic].partition_responses[partition];
            response.error_code = error.code();
        }
    }
}

/// With acks=0 a producer learns of failure only by losing its connection.
fn silence_unless_failed(responses: &[TopicProduceResponse]) -> Answer {
    let mut partitions = responses.iter().flat_map(|topic| &topic.partition_responses);
    match partitions.find(|partition| partition.error_code != 0) {
        None => Answer::Silence,
        Some(partition) => {
            let error = ErrorCode::from_code(partition.error_code).unwrap_or(ErrorCode::UnknownServerError);
            Answer::Close(format!("a produce with acks=0 to partition {} failed: {error}", partition.index))
        }
    }
}
