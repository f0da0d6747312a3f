//! DeleteRecords (21): moves the start of partitions, and answers where it stands.

use super::{Answer, Call};
use crate::protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use crate::protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, ResponseKind};
use crate::types::{ErrorCode, Offset, is_internal_topic};

pub(super) async fn handle(call: &Call<'_>, request: DeleteRecordsRequest) -> Answer {
    let image = call.node.image();
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut answered = DeleteRecordsTopicResult::default();
        for asked in topic.partitions {
            let known = image.partition(&topic.name, asked.partition_index).is_some();
            let outcome = match known {
                false => Err(ErrorCode::UnknownTopicOrPartition),
                true if is_internal_topic(&topic.name) => Err(ErrorCode::InvalidTopicException),
                true => delete(call, &topic.name, asked.partition_index, Offset(asked.offset)),
            };
            let mut result = DeleteRecordsPartitionResult::default();
            result.partition_index = asked.partition_index;
            match outcome {
                Ok(low_watermark) => result.low_watermark = low_watermark.0,
                Err(error) => {
                    result.low_watermark = Offset::NONE.0;
                    result.error_code = error.code();
                }
            }
            answered.partitions.push(result);
        }
        answered.name = topic.name;
        response.topics.push(answered);
    }
    ResponseKind::DeleteRecords(response).into()
}

fn delete(call: &Call<'_>, topic: &str, partition: i32, before: Offset) -> Result<Offset, ErrorCode> {
    call.node.partitions.named(topic, partition)?.delete_records(before)
}
