//! DeleteRecords (21): moves the start of partitions, and answers where it stands.

use super::by_topic::ByTopic;
use super::{Answer, Call};
use crate::protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use crate::protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, ResponseKind};
use crate::types::{ErrorCode, Offset, is_internal_topic};

pub(super) async fn handle(call: &Call<'_>, request: DeleteRecordsRequest) -> Answer {
    let image = call.node.image();
    // Of a partition that is named twice the last offset counts.
    let mut offsets = ByTopic::default();
    for topic in request.topics {
        for asked in topic.partitions {
            offsets.set(&topic.name, asked.partition_index, (asked.partition_index, Offset(asked.offset)));
        }
    }
    let mut response = DeleteRecordsResponse::default();
    response.topics = offsets.into_topics(|name, asked| {
        let mut answered = DeleteRecordsTopicResult::default();
        for (partition, offset) in asked {
            let known = image.partition(&name, partition).is_some();
            let outcome = match known {
                false => Err(ErrorCode::UnknownTopicOrPartition),
                true if is_internal_topic(&name) => Err(ErrorCode::InvalidTopicException),
                true => delete(call, &name, partition, offset),
            };
            answered.partitions.push(result(partition, outcome));
        }
        answered.name = name;
        answered
    });
    ResponseKind::DeleteRecords(response).into()
}

fn result(partition: i32, outcome: Result<Offset, ErrorCode>) -> DeleteRecordsPartitionResult {
    let mut result = DeleteRecordsPartitionResult::default();
    result.partition_index = partition;
    match outcome {
        Ok(low_watermark) => result.low_watermark = low_watermark.0,
        Err(error) => {
            result.low_watermark = Offset::NONE.0;
            result.error_code = error.code();
        }
    }
    result
}

fn delete(call: &Call<'_>, topic: &str, partition: i32, before: Offset) -> Result<Offset, ErrorCode> {
    call.node.partitions.named(topic, partition)?.delete_records(before)
}
