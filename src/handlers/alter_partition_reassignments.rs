//! AlterPartitionReassignments (45): begins moves of replicas and takes them back.

use super::{Answer, Call};
use crate::controller::{Denied, Reassignment};
use crate::protocol::StrBytes;
use crate::protocol::messages::alter_partition_reassignments_request::ReassignableTopic;
use crate::protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ResponseKind,
};
use crate::types::BrokerId;

pub(super) async fn handle(call: &Call<'_>, request: AlterPartitionReassignmentsRequest) -> Answer {
    let mut response = AlterPartitionReassignmentsResponse::default();
    if request.topics.is_empty() {
        return ResponseKind::AlterPartitionReassignments(response).into();
    }
    let may_change_factor = request.allow_replication_factor_change;
    let moves: Vec<Reassignment> = request.topics.iter().flat_map(moves).collect();
    let decided = match super::out_of_time(request.timeout_ms) {
        Some(denied) => Err(denied),
        None => {
            let decided = call.node.controller.alter_reassignments((moves.clone(), may_change_factor)).await;
            decided.map_err(|error| super::not_submitted(&error))
        }
    };
    let outcomes: Vec<Result<(), Denied>> = match decided {
        Ok(results) => {
            response.allow_replication_factor_change = may_change_factor;
            response.error_message = None;
            results.into_iter().map(|(_, _, outcome)| outcome).collect()
        }
        Err(denied) => {
            response.error_code = denied.code.code();
            response.error_message = denied.message.clone().map(StrBytes::from_string);
            vec![Err(denied); moves.len()]
        }
    };
    let mut outcomes = outcomes.into_iter();
    for topic in request.topics {
        let mut result = ReassignableTopicResponse::default();
        result.name = topic.name;
        for (partition, outcome) in topic.partitions.iter().zip(outcomes.by_ref()) {
            result.partitions.push(partition_result(partition.partition_index, outcome));
        }
        response.responses.push(result);
    }
    ResponseKind::AlterPartitionReassignments(response).into()
}

fn moves(topic: &ReassignableTopic) -> Vec<Reassignment> {
    let brokers = |ids: &Vec<crate::protocol::messages::BrokerId>| ids.iter().map(|id| BrokerId(id.0)).collect();
    let partitions = topic.partitions.iter().map(|partition| Reassignment {
        topic: topic.name.to_string(),
        partition: partition.partition_index,
        replicas: partition.replicas.as_ref().map(brokers),
    });
    partitions.collect()
}

fn partition_result(partition: i32, outcome: Result<(), Denied>) -> ReassignablePartitionResponse {
    let mut result = ReassignablePartitionResponse::default();
    result.partition_index = partition;
    result.error_message = None;
    if let Err(denied) = outcome {
        result.error_code = denied.code.code();
        // A code's own message is not repeated here.
        let message = denied.message.filter(|message| message != denied.code.message());
        result.error_message = message.map(StrBytes::from_string);
    }
    result
}
