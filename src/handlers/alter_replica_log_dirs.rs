//! AlterReplicaLogDirs (34): moves partitions between the directories of this node.

use std::collections::BTreeMap;

use super::describe_log_dirs::{self, Directory};
use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use crate::protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, ResponseKind};
use crate::types::{ErrorCode, TopicPartition};

/// The longest name of a directory that file systems take.
const NAME_BYTES_MAX: usize = 255;
/// What a partition's directory name gets while the copy is made: a dot, 32 digits, and `-future`.
const FUTURE_SUFFIX_BYTES: usize = 1 + 32 + 7;

pub(super) async fn handle(call: &Call<'_>, request: AlterReplicaLogDirsRequest) -> Answer {
    // Of several destinations for one partition, the last counts.
    let mut wanted: BTreeMap<TopicPartition, StrBytes> = BTreeMap::new();
    for dir in request.dirs {
        for topic in dir.topics {
            for partition in topic.partitions {
                wanted.insert(TopicPartition::new(&**topic.name, partition), dir.path.clone());
            }
        }
    }
    let dirs = describe_log_dirs::directories(call).await;
    let mut response = AlterReplicaLogDirsResponse::default();
    for (partition, path) in wanted {
        let outcome = begin_move(call, &dirs, &partition, &path);
        if let Err(error) = outcome {
            tracing::warn!(%partition, path = %&*path, %error, "the partition cannot be moved");
        }
        let mut result = AlterReplicaLogDirPartitionResult::default();
        result.partition_index = partition.partition;
        result.error_code = outcome.err().unwrap_or(ErrorCode::None).code();
        match response.results.last_mut() {
            Some(topic) if **topic.topic_name == *partition.topic => topic.partitions.push(result),
            _ => {
                let mut topic = AlterReplicaLogDirTopicResult::default();
                topic.topic_name = StrBytes::from_string(partition.topic.to_string()).into();
                topic.partitions = vec![result];
                response.results.push(topic);
            }
        }
    }
    ResponseKind::AlterReplicaLogDirs(response).into()
}

fn begin_move(call: &Call<'_>, dirs: &[Directory], partition: &TopicPartition, path: &str) -> Result<(), ErrorCode> {
    if partition.to_string().len() + FUTURE_SUFFIX_BYTES > NAME_BYTES_MAX {
        return Err(ErrorCode::InvalidTopicException);
    }
    let to = dirs.iter().find(|dir| dir.path == path).ok_or(ErrorCode::LogDirNotFound)?;
    let to = to.online.as_ref().ok_or(ErrorCode::KafkaStorageError)?;
    if to.is_cordoned {
        return Err(ErrorCode::InvalidReplicaAssignment);
    }
    let (topic, index) = (&partition.topic, partition.partition);
    if let Err(error) = call.node.partitions.named(topic, index) {
        let known = call.node.image().partition(topic, index).is_some();
        if error == ErrorCode::UnknownTopicOrPartition {
            call.node.log_dirs.prefer(partition, &to.path);
        }
        return Err(match error {
            ErrorCode::UnknownTopicOrPartition if known => ErrorCode::ReplicaNotAvailable,
            error => error,
        });
    }
    let is_there = to.replicas.iter().any(|replica| replica.partition == *partition);
    // A directory that is offline may hold a copy already.
    if !is_there && dirs.iter().any(|dir| dir.online.is_none()) {
        return Err(ErrorCode::KafkaStorageError);
    }
    call.node.log_dirs.start_move(partition, &to.path).map_err(|error| error.code())
}
