//! WriteTxnMarkers (27), versions 1 and 2: a transaction's coordinator ends it in partitions that are led here.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, Call, Node};
use crate::protocol::control::TxnMarker;
use crate::protocol::message::Message;
use crate::protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use crate::protocol::messages::{ResponseKind, TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use crate::protocol::{StrBytes, newer};
use crate::types::{ErrorCode, OFFSETS_TOPIC, ProducerEpoch, ProducerId, TopicPartition};

/// How long a marker may take to be replicated: as Kafka's `request.timeout.ms` by default.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn handle(call: &Call<'_>, _: WriteTxnMarkersRequest) -> Answer {
    let request = match newer::WriteTxnMarkersRequest::decode(call.body, call.version()) {
        Ok((request, _)) => request,
        Err(error) => return Answer::Close(error.to_string()),
    };
    // Kafka fails over a marker of no producer, and then tells nothing of the others.
    let is_impossible = request.markers.iter().any(|asked| asked.producer_id < 0 || asked.producer_epoch < 0);
    let mut response = WriteTxnMarkersResponse::default();
    // A producer that is named twice is answered once.
    let mut places: HashMap<i64, usize> = HashMap::new();
    for asked in request.markers {
        let place = *places.entry(asked.producer_id).or_insert(response.markers.len());
        if place == response.markers.len() {
            response.markers.push(WritableTxnMarkerResult::default().with_producer_id(asked.producer_id.into()));
        }
        let marker = TxnMarker {
            producer_id: ProducerId(asked.producer_id),
            producer_epoch: ProducerEpoch(asked.producer_epoch),
            commit: asked.transaction_result,
            coordinator_epoch: asked.coordinator_epoch,
            transaction_version: asked.transaction_version.into(),
        };
        for topic in asked.topics {
            let mut result =
                WritableTxnMarkerTopicResult::default().with_name(TopicName(StrBytes::from_string(topic.name.clone())));
            for index in topic.partition_indexes {
                let partition = TopicPartition::new(topic.name.as_str(), index);
                let error = match is_impossible {
                    true => ErrorCode::UnknownServerError,
                    false => write_marker(call.node, &partition, &marker).await,
                };
                let answered = WritableTxnMarkerPartitionResult::default();
                result.partitions.push(answered.with_partition_index(index).with_error_code(error.code()));
            }
            response.markers[place].topics.push(result);
        }
    }
    ResponseKind::WriteTxnMarkers(response).into()
}

/// Ends a producer's transaction in one partition, and waits until that is replicated.
pub async fn write_marker(node: &Node, partition: &TopicPartition, marker: &TxnMarker) -> ErrorCode {
    let TopicPartition { topic, partition: index } = partition;
    let Ok(replica) = node.partitions.named(topic, *index) else {
        return ErrorCode::UnknownTopicOrPartition;
    };
    if &**topic == OFFSETS_TOPIC {
        return node.groups.end_transaction(*index, *marker).await;
    }
    let offset = match replica.append_marker(marker, node.clock.wall()) {
        Ok(offset) => offset,
        Err(error) => return error.code(),
    };
    let replicated = replica.committed(offset.next(), Instant::now() + REPLICATION_TIMEOUT).await;
    replicated.err().unwrap_or(ErrorCode::None)
}
