//! The calls about transactions, with the messages of Kafka's client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::super::admin::text;
use super::super::leaders::{Outcomes, by_leader};
use super::{hash_order, sort_partitions};
use crate::client::{Client, ClientError, Target, no_fault};
use crate::protocol::messages::describe_producers_request::TopicRequest;
use crate::protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use crate::protocol::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, InitProducerIdRequest, ListTransactionsRequest, TopicName,
    TransactionalId, WriteTxnMarkersRequest,
};
use crate::types::{BrokerId, ErrorCode, TopicPartition};

pub(super) use crate::protocol::messages::describe_producers_response::ProducerState;

/// Which transactions to list.
pub(super) struct Listing<'a> {
    /// Milliseconds for which a transaction must have been open; negative for all.
    pub duration_filter: i64,
    pub pattern: Option<&'a str>,
    /// Empty for all.
    pub producer_ids: Vec<i64>,
}

/// A transactional id as it is listed.
pub(super) struct Listed {
    pub id: String,
    pub coordinator: BrokerId,
    pub producer_id: i64,
    pub state: String,
}

/// The transactional ids of all coordinators.
pub(super) fn list(client: &mut Client, asked: &Listing<'_>) -> Result<Vec<Listed>, ClientError> {
    client.refresh("listTransactions(api=METADATA)")?;
    let request = |version: i16| {
        let unsupported = |message: &str| Err(ClientError::with_message(ErrorCode::UnsupportedVersion, Some(message)));
        if version < 1 && asked.duration_filter >= 0 {
            return unsupported(
                "Duration filter can be set only when using API version 1 or higher. If client is connected to an \
                 older broker, do not specify duration filter or set duration filter to -1.",
            );
        }
        if version < 2 && asked.pattern.is_some() {
            return unsupported(
                "Transactional ID pattern filter can be set only when using API version 2 or higher. If client is \
                 connected to an older broker, do not specify the pattern filter.",
            );
        }
        let ids = asked.producer_ids.iter().map(|id| (*id).into()).collect();
        let mut request = ListTransactionsRequest::default().with_producer_id_filters(ids);
        if version >= 1 {
            request.duration_filter = asked.duration_filter;
        }
        if version >= 2 {
            request.transactional_id_pattern = asked.pattern.map(text);
        }
        Ok(request)
    };
    let mut listed = Vec::new();
    let mut nodes = client.nodes()?;
    hash_order::sort(&mut nodes, None, |node| node.id.0);
    for node in nodes {
        let fault = |answer: &crate::protocol::messages::ListTransactionsResponse| answer.error_code;
        let target = Target::Broker(node.id);
        let answer = client.call_versioned::<ListTransactionsRequest>(target, "listTransactions", request, fault)?;
        ClientError::from_wire(answer.error_code, None).map_err(|error| {
            let broker = node.id.0;
            reworded(
                error,
                format!("ListTransactions request sent to broker {broker} failed with an unexpected exception"),
            )
        })?;
        listed.extend(answer.transaction_states.into_iter().map(|found| Listed {
            id: found.transactional_id.to_string(),
            coordinator: node.id,
            producer_id: found.producer_id.0,
            state: state_name(&found.transaction_state),
        }));
    }
    Ok(listed)
}

/// The same error with another message.
fn reworded(error: ClientError, message: String) -> ClientError {
    match error {
        ClientError::Kafka { code, .. } => ClientError::Kafka { code, message },
        error => error,
    }
}

/// A state that Kafka's client knows.
fn state_name(text: &str) -> String {
    const KNOWN: [&str; 7] =
        ["Ongoing", "PrepareAbort", "PrepareCommit", "CompleteAbort", "CompleteCommit", "Empty", "PrepareEpochFence"];
    KNOWN.into_iter().find(|known| *known == text).unwrap_or("Unknown").to_owned()
}

/// A transactional id described.
pub(super) struct Described {
    pub coordinator: BrokerId,
    pub state: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub timeout_ms: i32,
    /// Negative while no transaction is open.
    pub start_ms: i64,
    /// In the order of Java's set.
    pub partitions: Vec<TopicPartition>,
}

pub(super) fn describe(client: &mut Client, id: &str) -> Result<Described, ClientError> {
    let ids = vec![TransactionalId(text(id))];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let target = Target::Transaction(id);
    let answer = client.call(target, "describeTransactions", &request, |answer| {
        answer.transaction_states.first().map_or(0, |state| state.error_code)
    })?;
    let state = answer.transaction_states.into_iter().next();
    let state = state.ok_or_else(|| ClientError::Malformed("an answer without the transaction".to_owned()))?;
    ClientError::from_wire(state.error_code, None).map_err(|error| {
        let why = match error.code() {
            Some(ErrorCode::TransactionalIdAuthorizationFailed) => "authorization failure",
            Some(ErrorCode::TransactionalIdNotFound) => {
                let message = format!(
                    "DescribeTransactions request for transactionalId `{id}` failed because the ID could not be found"
                );
                return reworded(error, message);
            }
            _ => "unexpected error",
        };
        reworded(error, format!("DescribeTransactions request for transactionalId `{id}` failed due to {why}"))
    })?;
    let partitions = state.topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.topic.as_str().into();
        topic.partitions.iter().map(move |index| TopicPartition::new(name.clone(), *index))
    });
    let mut partitions: Vec<TopicPartition> = partitions.collect();
    sort_partitions(&mut partitions);
    Ok(Described {
        coordinator: client.last_coordinator(target).unwrap_or(BrokerId::NONE),
        state: state_name(&state.transaction_state),
        producer_id: state.producer_id.0,
        producer_epoch: state.producer_epoch,
        timeout_ms: state.transaction_timeout_ms,
        start_ms: state.transaction_start_time_ms,
        partitions,
    })
}

/// Raises the epoch of a transactional id, which aborts its open transaction.
pub(super) fn fence(client: &mut Client, id: &str) -> Result<(), ClientError> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(super::admin::timeout_ms(client))
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let answer = client.call(Target::Transaction(id), "fenceProducer", &request, |answer| answer.error_code)?;
    ClientError::from_wire(answer.error_code, None).map_err(|error| {
        let why = match error.code() {
            Some(ErrorCode::ClusterAuthorizationFailed) => "cluster authorization failure",
            Some(ErrorCode::TransactionalIdAuthorizationFailed) => "transactional ID authorization failure",
            _ => "unexpected error",
        };
        reworded(error, format!("InitProducerId request for transactionalId `{id}` failed due to {why}"))
    })
}

/// The producers of partitions: as their leaders know them, or one broker.
pub(super) fn describe_producers(
    client: &mut Client,
    partitions: &[TopicPartition],
    broker: Option<i32>,
) -> Outcomes<Vec<ProducerState>> {
    const NAME: &str = "describeProducers";
    let timeout = client.config.api_timeout;
    let outcomes = match broker {
        None => by_leader(client, NAME, partitions, timeout, ask_producers),
        Some(id) => {
            let broker = BrokerId(id);
            let api = format!("{NAME}(api=DESCRIBE_PRODUCERS)");
            let outcomes = client.retry(&api, Instant::now() + timeout, |client| {
                let outcomes = ask_producers(client, broker, partitions)?;
                let unknown = |outcome: &Result<_, ClientError>| match outcome {
                    Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => Some(error.clone()),
                    _ => None,
                };
                match outcomes.iter().find_map(|(_, outcome)| unknown(outcome)) {
                    Some(error) => Err(error),
                    None => Ok(outcomes),
                }
            });
            outcomes.unwrap_or_else(|error| partitions.iter().map(|p| (p.clone(), Err(error.clone()))).collect())
        }
    };
    let told = |(partition, outcome): (TopicPartition, Result<_, ClientError>)| {
        let outcome = outcome.map_err(|error| producers_error(error, &partition, broker));
        (partition, outcome)
    };
    outcomes.into_iter().map(told).collect()
}

fn producers_error(error: ClientError, partition: &TopicPartition, broker: Option<i32>) -> ClientError {
    let topic = &partition.topic;
    let message = match (error.code(), broker) {
        (Some(ErrorCode::RequestTimedOut) | None, _) => return error,
        (Some(ErrorCode::NotLeaderOrFollower), Some(id)) => {
            format!("Failed to describe active producers for partition {partition} on brokerId {id}")
        }
        (Some(ErrorCode::InvalidTopicException), None) => {
            format!("Failed to fetch metadata for partition {partition} due to invalid topic `{topic}`")
        }
        (Some(ErrorCode::InvalidTopicException), Some(_)) => format!(
            "Failed to fetch metadata for partition {partition} due to invalid topic error: {}",
            ErrorCode::InvalidTopicException.message()
        ),
        (Some(ErrorCode::TopicAuthorizationFailed), None) => {
            format!("Failed to fetch metadata for partition {partition} due to topic authorization failure")
        }
        (Some(ErrorCode::TopicAuthorizationFailed), Some(_)) => format!(
            "Failed to describe active producers for partition {partition} due to authorization failure on topic `{topic}`"
        ),
        _ => format!("Failed to describe active producers for partition {partition} due to unexpected error"),
    };
    reworded(error, message)
}

fn ask_producers(
    client: &mut Client,
    broker: BrokerId,
    partitions: &[TopicPartition],
) -> Result<Outcomes<Vec<ProducerState>>, ClientError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        TopicRequest::default().with_name(TopicName(text(name))).with_partition_indexes(partitions)
    });
    let request = DescribeProducersRequest::default().with_topics(topics.collect());
    let answer = client.call(Target::Broker(broker), "describeProducers", &request, no_fault)?;
    let outcomes = answer.topics.into_iter().flat_map(|topic| {
        let name: Arc<str> = topic.name.as_str().into();
        topic.partitions.into_iter().map(move |partition| {
            let outcome = ClientError::from_wire(partition.error_code, partition.error_message.as_deref());
            let outcome = outcome.map(|()| partition.active_producers);
            (TopicPartition::new(name.clone(), partition.partition_index), outcome)
        })
    });
    Ok(outcomes.collect())
}

/// A transaction to abort in one partition.
pub(super) struct AbortSpec {
    pub partition: TopicPartition,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub coordinator_epoch: i32,
}

impl std::fmt::Display for AbortSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let AbortSpec { partition, producer_id, producer_epoch, coordinator_epoch } = self;
        write!(
            f,
            "AbortTransactionSpec(topicPartition={partition}, producerId={producer_id}, \
             producerEpoch={producer_epoch}, coordinatorEpoch={coordinator_epoch})"
        )
    }
}

/// Has the leader write the marker that aborts it.
pub(super) fn write_abort_marker(client: &mut Client, spec: &AbortSpec) -> Result<(), ClientError> {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(TopicName(text(&spec.partition.topic)))
        .with_partition_indexes(vec![spec.partition.partition]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(spec.producer_id.into())
        .with_producer_epoch(spec.producer_epoch)
        .with_coordinator_epoch(spec.coordinator_epoch)
        .with_transaction_result(false)
        .with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let timeout = client.config.api_timeout;
    let partitions = std::slice::from_ref(&spec.partition);
    let outcomes = by_leader(client, "abortTransaction", partitions, timeout, |client, leader, _| {
        let answer = client.call(Target::Broker(leader), "abortTransaction", &request, no_fault)?;
        let outcomes = answer.markers.iter().flat_map(|marker| &marker.topics).flat_map(|topic| &topic.partitions);
        let outcome = |code: i16| ClientError::from_wire(code, None).map_err(|error| abort_error(error, spec));
        Ok(outcomes.map(|found| (spec.partition.clone(), outcome(found.error_code))).collect())
    });
    match outcomes.into_iter().next() {
        Some((_, outcome)) => outcome,
        None => Err(ClientError::Malformed(format!(
            "WriteTxnMarkers response included unexpected marker entries: [](expected to find exactly one entry with \
             producerId {})",
            spec.producer_id
        ))),
    }
}

fn abort_error(error: ClientError, spec: &AbortSpec) -> ClientError {
    use ErrorCode::*;
    let message = match error.code() {
        Some(NotLeaderOrFollower | ReplicaNotAvailable | BrokerNotAvailable | UnknownTopicOrPartition) => return error,
        Some(ClusterAuthorizationFailed) => {
            format!("WriteTxnMarkers request with {spec} failed due to cluster authorization error")
        }
        Some(InvalidProducerEpoch) => {
            format!("WriteTxnMarkers request with {spec} failed due an invalid producer epoch")
        }
        Some(TransactionCoordinatorFenced) => format!(
            "WriteTxnMarkers request with {spec} failed since the provided coordinator epoch {} has been fenced by the \
             active coordinator",
            spec.coordinator_epoch
        ),
        _ => format!("WriteTxnMarkers request with {spec} failed due to unexpected error: {error}"),
    };
    reworded(error, message)
}
