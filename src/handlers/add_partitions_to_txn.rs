//! AddPartitionsToTxn (24): one transaction of a client below version 4, many from there, which brokers add or verify
//! on behalf of producers (KIP-890).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Answer, Call};
use crate::coordinator::transaction::{Producer, TxnAdd};
use crate::protocol::StrBytes;
use crate::protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use crate::protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use crate::protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ResponseKind, TopicName,
};
use crate::types::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition, is_internal_topic};

/// The first version whose clients know PRODUCER_FENCED.
const FIRST_VERSION_WITH_FENCED: i16 = 2;
/// The first version of brokers.
const FIRST_VERSION_WITH_BATCHES: i16 = 4;

pub(super) async fn handle(call: &Call<'_>, request: AddPartitionsToTxnRequest) -> Answer {
    let mut response = AddPartitionsToTxnResponse::default();
    if call.version() < FIRST_VERSION_WITH_BATCHES {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(request.v3_and_below_transactional_id)
            .with_producer_id(request.v3_and_below_producer_id)
            .with_producer_epoch(request.v3_and_below_producer_epoch)
            .with_topics(request.v3_and_below_topics);
        response.results_by_topic_v3_and_below = add(call, transaction).await;
    } else {
        for transaction in request.transactions {
            let id = transaction.transactional_id.clone();
            let topics = add(call, transaction).await;
            let result = AddPartitionsToTxnResult::default().with_transactional_id(id).with_topic_results(topics);
            response.results_by_transaction.push(result);
        }
    }
    ResponseKind::AddPartitionsToTxn(response).into()
}

/// All partitions or none.
async fn add(call: &Call<'_>, transaction: AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult> {
    let image = call.node.image();
    let topics = &transaction.topics;
    let exists = |topic: &str, partition: i32| {
        image.topics.named(topic).is_some_and(|topic| topic.partitions.contains_key(&partition))
    };
    // Clients have no business in internal topics; brokers add a group's offsets.
    let refused = |topic: &str, partition: i32| match exists(topic, partition) {
        _ if call.version() < FIRST_VERSION_WITH_BATCHES && is_internal_topic(topic) => {
            Some(ErrorCode::TopicAuthorizationFailed)
        }
        true => None,
        false => Some(ErrorCode::UnknownTopicOrPartition),
    };
    if topics.iter().any(|topic| topic.partitions.iter().any(|partition| refused(&topic.name, *partition).is_some())) {
        let told = |topic: &str, partition| refused(topic, partition).unwrap_or(ErrorCode::OperationNotAttempted);
        return each_once(results(topics, told));
    }
    let partitions = topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.name.as_str().into();
        topic.partitions.iter().map(move |partition| TopicPartition::new(name.clone(), *partition))
    });
    let added = TxnAdd {
        id: transaction.transactional_id.as_str().into(),
        producer: Producer {
            id: ProducerId(transaction.producer_id.0),
            epoch: ProducerEpoch(transaction.producer_epoch),
        },
        partitions: partitions.collect(),
        client_version: if call.version() >= FIRST_VERSION_WITH_BATCHES { 2 } else { 0 },
    };
    if transaction.verify_only {
        let verified = call.node.transactions.verify(added).await;
        return each_once(results(topics, |topic, partition| {
            let result = verified.iter().find(|(asked, _)| &*asked.topic == topic && asked.partition == partition);
            result.map_or(ErrorCode::UnknownServerError, |(_, error)| *error)
        }));
    }
    let told = call.fenced_since(FIRST_VERSION_WITH_FENCED, call.node.transactions.add(added).await);
    results(topics, |_, _| told)
}

/// What is told of single partitions tells each of them once.
fn each_once(mut topics: Vec<AddPartitionsToTxnTopicResult>) -> Vec<AddPartitionsToTxnTopicResult> {
    for topic in &mut topics {
        let mut told = BTreeSet::new();
        topic.results_by_partition.retain(|partition| told.insert(partition.partition_index));
    }
    topics.retain(|topic| !topic.results_by_partition.is_empty());
    topics
}

fn results(
    topics: &[AddPartitionsToTxnTopic],
    result: impl Fn(&str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let partition = |topic: &StrBytes, partition: i32| {
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(partition)
            .with_partition_error_code(result(topic, partition).code())
    };
    let topic = |topic: &AddPartitionsToTxnTopic| {
        let partitions = topic.partitions.iter().map(|index| partition(&topic.name, *index));
        AddPartitionsToTxnTopicResult::default()
            .with_name(TopicName(topic.name.0.clone()))
            .with_results_by_partition(partitions.collect())
    };
    topics.iter().map(topic).collect()
}
