//! CreatePartitions (37): adds partitions to topics.

use std::collections::BTreeSet;

use super::{Answer, Call, creation};
use crate::controller::{Denied, NewPartitions};
use crate::protocol::StrBytes;
use crate::protocol::messages::create_partitions_request::CreatePartitionsTopic;
use crate::protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use crate::protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, ResponseKind};
use crate::types::{BrokerId, ErrorCode};

pub(super) async fn handle(call: &Call<'_>, request: CreatePartitionsRequest) -> Answer {
    let mut response = CreatePartitionsResponse::default();
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for topic in &request.topics {
        if !seen.insert(topic.name.to_string()) {
            repeated.insert(topic.name.to_string());
        }
    }
    let is_open = request.topics.iter().any(|topic| !repeated.contains(&**topic.name));
    if let (Some(denied), true) = (super::out_of_time(request.timeout_ms), is_open) {
        response.results = request.topics.iter().map(|topic| result(&topic.name, Err(denied.clone()))).collect();
        return ResponseKind::CreatePartitions(response).into();
    }
    for name in &repeated {
        let denied = Denied::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
        response.results.push(result(name, Err(denied)));
    }
    let wanted = request.topics.into_iter().filter(|topic| !repeated.contains(&**topic.name));
    let wanted: Vec<NewPartitions> = wanted.map(new_partitions).collect();
    let names: Vec<String> = wanted.iter().map(|topic| topic.topic.clone()).collect();
    match creation::create_partitions(call.node, wanted, request.validate_only).await {
        Ok(results) => response.results.extend(results.into_iter().map(|(name, outcome)| result(&name, outcome))),
        Err(error) => {
            let denied = super::not_submitted(&error);
            response.results.extend(names.iter().map(|name| result(name, Err(denied.clone()))));
        }
    }
    ResponseKind::CreatePartitions(response).into()
}

fn new_partitions(topic: CreatePartitionsTopic) -> NewPartitions {
    let brokers = |ids: Vec<crate::protocol::messages::BrokerId>| ids.into_iter().map(|id| BrokerId(id.0)).collect();
    let assignments = topic.assignments.map(|all| all.into_iter().map(|one| brokers(one.broker_ids)).collect());
    NewPartitions { topic: topic.name.to_string(), count: topic.count, assignments }
}

fn result(name: &str, outcome: Result<(), Denied>) -> CreatePartitionsTopicResult {
    let mut result = CreatePartitionsTopicResult::default();
    result.name = StrBytes::from_string(name.to_owned()).into();
    if let Err(denied) = outcome {
        result.error_code = denied.code.code();
        result.error_message = denied.message.map(StrBytes::from_string);
    }
    result
}
