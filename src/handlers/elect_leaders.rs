//! ElectLeaders (43): preferred elections, and from version 1 unclean ones.

use super::{Answer, Call};
use crate::controller::{Denied, ElectionType};
use crate::protocol::StrBytes;
use crate::protocol::messages::elect_leaders_request::TopicPartitions;
use crate::protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use crate::protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, ResponseKind};
use crate::types::ErrorCode;

/// The first version whose answer has an error of its own.
const FIRST_VERSION_WITH_ERROR: i16 = 1;

pub(super) async fn handle(call: &Call<'_>, request: ElectLeadersRequest) -> Answer {
    let asked = request.topic_partitions.map(|topics| topics.into_iter().map(named).collect::<Vec<_>>());
    if asked.as_ref().is_some_and(Vec::is_empty) {
        return ResponseKind::ElectLeaders(ElectLeadersResponse::default()).into();
    }
    if let Some(denied) = super::out_of_time(request.timeout_ms) {
        return refused(call, asked.unwrap_or_default(), &denied);
    }
    let kind = match request.election_type {
        0 => ElectionType::Preferred,
        1 => ElectionType::Unclean,
        unknown => {
            let denied = Denied::new(ErrorCode::InvalidRequest, format!("Unknown election type {unknown}"));
            return refused(call, asked.unwrap_or_default(), &denied);
        }
    };
    match call.node.controller.elect_leaders((kind, asked.clone())).await {
        Ok(results) => {
            let mut response = ElectLeadersResponse::default();
            response.replica_election_results =
                results.into_iter().map(|result| topic_result(result.topic, result.partitions)).collect();
            ResponseKind::ElectLeaders(response).into()
        }
        Err(error) => refused(call, asked.unwrap_or_default(), &super::not_submitted(&error)),
    }
}

fn named(topic: TopicPartitions) -> (String, Vec<i32>) {
    (topic.topic.to_string(), topic.partitions)
}

fn refused(call: &Call<'_>, asked: Vec<(String, Vec<i32>)>, denied: &Denied) -> Answer {
    let mut response = ElectLeadersResponse::default();
    if call.version() >= FIRST_VERSION_WITH_ERROR {
        response.error_code = denied.code.code();
    }
    for (topic, partitions) in asked {
        let partitions = partitions.into_iter().map(|partition| (partition, Err(denied.clone())));
        response.replica_election_results.push(topic_result(topic, partitions.collect()));
    }
    ResponseKind::ElectLeaders(response).into()
}

fn topic_result(topic: String, partitions: Vec<(i32, Result<(), Denied>)>) -> ReplicaElectionResult {
    let mut result = ReplicaElectionResult::default();
    result.topic = StrBytes::from_string(topic).into();
    for (partition, outcome) in partitions {
        let mut told = PartitionResult::default();
        told.partition_id = partition;
        told.error_message = None;
        if let Err(denied) = outcome {
            told.error_code = denied.code.code();
            told.error_message = denied.message.map(StrBytes::from_string);
        }
        result.partition_result.push(told);
    }
    result
}
