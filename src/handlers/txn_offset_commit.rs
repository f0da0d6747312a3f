//! TxnOffsetCommit (28), versions 0 to 5: offsets that are committed with a transaction; from version 5 on the broker
//! adds the group's partition to it (KIP-98, KIP-447, KIP-890).

use std::collections::HashMap;

use super::verification::{self, TxnQuestion, TxnSupport};
use super::{Answer, Call};
use crate::coordinator::transaction::Producer;
use crate::log::producer_state::VerificationGuard;
use crate::protocol::batch::NO_SEQUENCE;
use crate::protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use crate::protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use crate::protocol::messages::{ResponseKind, TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use crate::types::{ErrorCode, OFFSETS_TOPIC, ProducerEpoch, ProducerId};

/// The first version whose clients know COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const FIRST_VERSION_WITH_LOADING: i16 = 2;
const FIRST_VERSION_WITH_ABORTABLE: i16 = 4;
const FIRST_VERSION_THAT_ADDS: i16 = 5;

pub(super) async fn handle(call: &Call<'_>, mut request: TxnOffsetCommitRequest) -> Answer {
    let image = call.node.image();
    let mut topics = Vec::new();
    let mut known = Vec::new();
    for mut topic in std::mem::take(&mut request.topics) {
        let found = image.topics.named(&topic.name);
        let exists = |index: i32| found.is_some_and(|found| found.partitions.contains_key(&index));
        let (exist, missing): (Vec<_>, Vec<_>) =
            std::mem::take(&mut topic.partitions).into_iter().partition(|partition| exists(partition.partition_index));
        let refused = topic.clone().with_partitions(missing);
        if !refused.partitions.is_empty() {
            topics.push(refuse(&refused, ErrorCode::UnknownTopicOrPartition));
        }
        if !exist.is_empty() {
            known.push(topic.with_partitions(exist));
        }
    }
    if !known.is_empty() {
        request.topics = known;
        let refused = |error| request.topics.iter().map(|topic| refuse(topic, error)).collect();
        let committed: Vec<_> = match request.group_id.is_empty() {
            true => refused(ErrorCode::InvalidGroupId),
            false => match verify(call, &request).await {
                Err(error) => refused(error),
                Ok(guard) => call.node.groups.commit_in_transaction(request, guard).await.topics,
            },
        };
        topics.extend(committed);
    }
    let mut response = TxnOffsetCommitResponse::default().with_topics(merged(topics));
    if call.version() < FIRST_VERSION_WITH_LOADING {
        for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.error_code == ErrorCode::CoordinatorLoadInProgress.code() {
                partition.error_code = ErrorCode::CoordinatorNotAvailable.code();
            }
        }
    }
    ResponseKind::TxnOffsetCommit(response).into()
}

/// Has the transaction's coordinator know of the group's partition; what it says against it, as a group coordinator
/// tells it.
async fn verify(call: &Call<'_>, request: &TxnOffsetCommitRequest) -> Result<Option<VerificationGuard>, ErrorCode> {
    let node = call.node;
    let index = node.groups.partition_for(&request.group_id).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partition = node.partitions.named(OFFSETS_TOPIC, index).map_err(as_coordinator)?;
    let name = partition.topic_partition.clone();
    let question = TxnQuestion {
        id: &request.transactional_id,
        producer: Producer { id: ProducerId(request.producer_id.0), epoch: ProducerEpoch(request.producer_epoch) },
        support: TxnSupport::of(call.version(), FIRST_VERSION_WITH_ABORTABLE, FIRST_VERSION_THAT_ADDS),
    };
    let mut verified = verification::verify(node, &question, &[(partition, NO_SEQUENCE)]).await;
    verified.remove(&name).unwrap_or(Err(ErrorCode::UnknownServerError)).map_err(as_coordinator)
}

fn as_coordinator(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        error => error,
    }
}

fn refuse(topic: &TxnOffsetCommitRequestTopic, error: ErrorCode) -> TxnOffsetCommitResponseTopic {
    let partition = |index| {
        TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(error.code())
    };
    TxnOffsetCommitResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect())
}

/// Each topic once, where some of its partitions were refused before the rest was committed.
fn merged(topics: Vec<TxnOffsetCommitResponseTopic>) -> Vec<TxnOffsetCommitResponseTopic> {
    let mut merged: Vec<TxnOffsetCommitResponseTopic> = Vec::new();
    let mut places = HashMap::new();
    for topic in topics {
        let place = *places.entry(topic.name.clone()).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(same) => same.partitions.extend(topic.partitions),
            None => merged.push(topic),
        }
    }
    merged
}
