//! DescribeProducers (61): the idempotent producers that a partition remembers.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use crate::protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ResponseKind};
use crate::log::producer_state::ProducerEntry;
use crate::types::{ErrorCode, Offset, topic_name_fault};

pub(super) async fn handle(call: &Call<'_>, request: DescribeProducersRequest) -> Answer {
    let mut response = DescribeProducersResponse::default();
    for topic in request.topics {
        let mut answered = TopicResponse::default();
        answered.partitions = topic.partition_indexes.iter().map(|index| describe(call, &topic.name, *index)).collect();
        answered.name = topic.name;
        response.topics.push(answered);
    }
    ResponseKind::DescribeProducers(response).into()
}

fn describe(call: &Call<'_>, topic: &str, index: i32) -> PartitionResponse {
    let mut response = PartitionResponse::default();
    response.partition_index = index;
    if let Some(fault) = topic_name_fault(topic) {
        response.error_code = ErrorCode::InvalidTopicException.code();
        response.error_message = Some(StrBytes::from_string(format!("Topic name is invalid: {fault}")));
        return response;
    }
    match call.node.partitions.named(topic, index) {
        Ok(partition) => response.active_producers = partition.producers().into_iter().map(producer).collect(),
        Err(error) => {
            response.error_code = error.code();
            // Kafka explains an unknown topic, and leaves an unknown partition of a known one to its code.
            let topic_unknown = call.node.image().topics.named(topic).is_none();
            response.error_message = topic_unknown.then(|| StrBytes::from_static_str(error.message()));
        }
    }
    response
}

fn producer(entry: ProducerEntry) -> ProducerState {
    let mut state = ProducerState::default();
    state.producer_id = entry.producer_id.0.into();
    state.producer_epoch = entry.producer_epoch.0.into();
    state.last_sequence = entry.last_sequence();
    state.last_timestamp = entry.last_timestamp.0;
    state.coordinator_epoch = entry.coordinator_epoch;
    state.current_txn_start_offset = entry.current_txn_first_offset.unwrap_or(Offset::NONE).0;
    state
}
