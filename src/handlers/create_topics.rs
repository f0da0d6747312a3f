//! CreateTopics (19), versions 2 to 7; the effective configs are echoed from 5.

use super::{Answer, Call, creation};
use crate::controller::{CreatedTopic, Denied, NewTopic};
use crate::protocol::StrBytes;
use crate::protocol::messages::create_topics_request::CreatableTopic;
use crate::protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use crate::protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, ResponseKind};
use crate::types::{BrokerId, ErrorCode, METADATA_TOPIC, Uuid};

/// The first version that echoes the topic.
const FIRST_VERSION_WITH_ECHO: i16 = 5;
const UNKNOWN: i32 = -1;

pub(super) async fn handle(call: &Call<'_>, request: CreateTopicsRequest) -> Answer {
    let mut response = CreateTopicsResponse::default();
    let names: Vec<StrBytes> = request.topics.iter().map(|topic| topic.name.0.clone()).collect();
    let (internal, topics): (Vec<_>, Vec<_>) = request.topics.into_iter().partition(|t| &**t.name == METADATA_TOPIC);
    if let Some(topic) = internal.first() {
        let message = format!("Creation of internal topic {METADATA_TOPIC} is prohibited.");
        response.topics.push(refused(&topic.name, Denied::new(ErrorCode::InvalidRequest, message)));
    }
    let is_open = || topics.iter().any(|topic| names.iter().filter(|name| **name == topic.name.0).count() == 1);
    if let Some(denied) = super::out_of_time(request.timeout_ms).filter(|_| is_open()) {
        response.topics = names.iter().map(|name| refused(name, denied.clone())).collect();
        return ResponseKind::CreateTopics(response).into();
    }
    let new = topics.into_iter().map(new_topic).collect();
    match creation::create_topics(call.node, new, request.validate_only).await {
        Ok(Ok(results)) => {
            for (name, result) in results {
                response.topics.push(match result {
                    Ok(created) => echo(call, &name, created),
                    Err(denied) => refused(&name, denied),
                });
            }
        }
        Ok(Err(denied)) => response.topics = names.iter().map(|name| refused(name, denied.clone())).collect(),
        Err(error) => {
            let denied = super::not_submitted(&error);
            response.topics = names.iter().map(|name| refused(name, denied.clone())).collect();
        }
    }
    ResponseKind::CreateTopics(response).into()
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let brokers = |ids: Vec<crate::protocol::messages::BrokerId>| ids.into_iter().map(|id| BrokerId(id.0)).collect();
    NewTopic {
        name: topic.name.to_string(),
        id: Uuid::random(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic.assignments.into_iter().map(|a| (a.partition_index, brokers(a.broker_ids))).collect(),
        configs: topic.configs.into_iter().map(|c| (c.name.to_string(), c.value.map(|v| v.to_string()))).collect(),
    }
}

fn refused(name: &str, denied: Denied) -> CreatableTopicResult {
    let mut result = CreatableTopicResult::default();
    result.name = StrBytes::from_string(name.to_owned()).into();
    result.error_code = denied.code.code();
    result.error_message = denied.message.map(StrBytes::from_string);
    result.num_partitions = UNKNOWN;
    result.replication_factor = UNKNOWN as i16;
    result
}

fn echo(call: &Call<'_>, name: &str, created: CreatedTopic) -> CreatableTopicResult {
    let mut result = CreatableTopicResult::default();
    result.name = StrBytes::from_string(name.to_owned()).into();
    result.topic_id = created.id.into();
    result.error_message = None;
    result.num_partitions = created.partitions;
    result.replication_factor = created.replication_factor;
    if call.version() >= FIRST_VERSION_WITH_ECHO {
        let config = |entry: crate::config::ConfigEntry| {
            let mut config = CreatableTopicConfigs::default();
            config.name = StrBytes::from_string(entry.name);
            config.value = entry.value.map(StrBytes::from_string);
            config.read_only = entry.read_only;
            config.config_source = entry.source.code();
            config.is_sensitive = entry.sensitive;
            config
        };
        let described = call.node.config.describe_topic(&created.configs);
        result.configs = Some(described.into_iter().map(config).collect());
    }
    result
}
