//! Topics that come into being because a client asks for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Call, Node, creation};
use crate::config::BrokerConfig;
use crate::controller::{Denied, NewTopic};
use crate::protocol::internal::StreamsTopicInfo;
use crate::types::{
    ErrorCode, METADATA_TOPIC, OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTIONS_TOPIC, Uuid, topic_name_fault,
};

/// The broker's default.
const DEFAULT: i32 = -1;

/// Creates those of the topics that are missing and may be created; they serve when this returns.
pub async fn topics(call: &Call<'_>, names: &BTreeSet<Arc<str>>) {
    let config = call.node.config.broker();
    if !config.auto_create_topics_enable {
        return;
    }
    let image = call.node.image();
    let may_be = |name: &str| name != METADATA_TOPIC && topic_name_fault(name).is_none();
    let missing = names.iter().filter(|name| image.topics.named(name).is_none() && may_be(name));
    let missing: Vec<NewTopic> = missing.map(|name| new_topic(call.node, &config, name)).collect();
    if missing.is_empty() {
        return;
    }
    match creation::create_topics(call.node, missing, false).await {
        Ok(Ok(results)) => {
            for (name, denied) in results.iter().filter_map(|(name, result)| Some((name, result.as_ref().err()?))) {
                if denied.code != ErrorCode::TopicAlreadyExists {
                    let message = denied.message.as_deref().unwrap_or_default();
                    tracing::warn!("topic {name} was asked for and cannot be created: {}: {message}", denied.code);
                }
            }
        }
        Ok(Err(denied)) => tracing::warn!("topics were asked for and cannot be created: {}", denied.code),
        Err(error) => tracing::warn!("topics were asked for and cannot be created: {error}"),
    }
}

/// Makes sure that an internal topic is there.
pub async fn internal_topic(node: &Node, name: &str) -> Result<(), ErrorCode> {
    if node.image().topics.named(name).is_some() {
        return Ok(());
    }
    let topic = new_topic(node, &node.config.broker(), name);
    let created = creation::create_topics(node, vec![topic], false).await;
    let refused = match created {
        Ok(Ok(results)) => results.into_iter().find_map(|(_, result)| result.err()),
        Ok(Err(denied)) => Some(denied),
        Err(_) => return Err(ErrorCode::CoordinatorNotAvailable),
    };
    match refused {
        None => Ok(()),
        Some(denied) if denied.code == ErrorCode::TopicAlreadyExists => Ok(()),
        Some(denied) => {
            let message = denied.message.as_deref().unwrap_or_default();
            tracing::warn!("internal topic {name} cannot be created: {}: {message}", denied.code);
            Err(ErrorCode::CoordinatorNotAvailable)
        }
    }
}

/// Makes the internal topics of a streams group; answers which of them cannot be made, and why. Another member may have
/// had them made meanwhile.
pub async fn streams_topics(call: &Call<'_>, topics: Vec<StreamsTopicInfo>) -> Vec<(String, String)> {
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let new = topics.into_iter().map(|topic| NewTopic {
        name: topic.name,
        id: Uuid::random(),
        partitions: topic.partitions,
        replication_factor: if topic.replication_factor == 0 { DEFAULT as i16 } else { topic.replication_factor },
        assignments: Vec::new(),
        configs: topic.topic_configs.into_iter().map(|config| (config.key, Some(config.value))).collect(),
    });
    let reason = |denied: &Denied| denied.message.clone().unwrap_or_else(|| denied.code.message().to_owned());
    let all = |why: String| names.iter().map(|name| (name.clone(), why.clone())).collect();
    match creation::create_topics(call.node, new.collect(), false).await {
        Ok(Ok(results)) => {
            let failed = results.iter().filter_map(|(name, result)| Some((name, result.as_ref().err()?)));
            let failed = failed.filter(|(_, denied)| denied.code != ErrorCode::TopicAlreadyExists);
            failed.map(|(name, denied)| (name.to_string(), reason(denied))).collect()
        }
        Ok(Err(denied)) => all(reason(&denied)),
        Err(error) => all(error.to_string()),
    }
}

fn new_topic(node: &Node, config: &BrokerConfig, name: &str) -> NewTopic {
    let plain = |partitions, replication_factor| NewTopic {
        name: name.to_owned(),
        id: Uuid::random(),
        partitions,
        replication_factor,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    let set = |key: &str, value: String| (key.to_owned(), Some(value));
    let (configs, partitions, factor) = match name {
        OFFSETS_TOPIC => {
            let configs = vec![
                set("cleanup.policy", "compact".into()),
                set("compression.type", "producer".into()),
                set("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
            ];
            (configs, config.offsets_topic_num_partitions, config.offsets_topic_replication_factor)
        }
        TRANSACTIONS_TOPIC => {
            let configs = vec![
                set("unclean.leader.election.enable", "false".into()),
                set("compression.type", "uncompressed".into()),
                set("cleanup.policy", "compact".into()),
                set("min.insync.replicas", config.transaction_state_log_min_isr.to_string()),
                set("segment.bytes", config.transaction_state_log_segment_bytes.to_string()),
            ];
            let factor = config.transaction_state_log_replication_factor;
            (configs, config.transaction_state_log_num_partitions, factor)
        }
        SHARE_STATE_TOPIC => {
            let configs = vec![
                set("cleanup.policy", "delete".into()),
                set("compression.type", "producer".into()),
                set("segment.bytes", config.share_coordinator_state_topic_segment_bytes.to_string()),
                set("min.insync.replicas", config.share_coordinator_state_topic_min_isr.to_string()),
                set("retention.ms", "-1".into()),
            ];
            let factor = config.share_coordinator_state_topic_replication_factor;
            (configs, config.share_coordinator_state_topic_num_partitions, factor)
        }
        _ => return plain(DEFAULT, DEFAULT as i16),
    };
    NewTopic { configs, ..plain(partitions, replicas_here(node, name, factor)) }
}

/// With one broker, an internal topic gets one replica: a node that stands alone would never have its coordinators.
fn replicas_here(node: &Node, name: &str, factor: i16) -> i16 {
    if node.image().brokers.len() == 1 && factor > 1 {
        tracing::warn!("{name} gets 1 replica instead of {factor}: there is only one broker");
        return 1;
    }
    factor
}
