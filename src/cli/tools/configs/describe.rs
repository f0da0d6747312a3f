//! Configs described.

use super::super::admin::{broker_of, config_resources, describe_configs, list_topics, resource, source};
use super::super::groups::list_groups;
use super::super::{Arguments, Output, hash_order};
use super::entities::{BROKER_LOGGERS, BROKERS, CLIENT_METRICS, Entities, GROUPS, IPS, TOPICS};
use super::{Failed, quotas};
use crate::client::{Client, ClientError, Target};
use crate::protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use crate::types::{ErrorCode, topic_name_fault};

pub(super) fn describe(
    client: &mut Client,
    arguments: &Arguments,
    entities: &Entities,
    output: &mut Output,
) -> Result<(), Failed> {
    match entities.kind() {
        TOPICS | BROKERS | BROKER_LOGGERS | CLIENT_METRICS | GROUPS => {
            describe_resources(client, entities, arguments.has("all"), output)
        }
        IPS => quotas::describe(client, entities, output),
        _ => {
            quotas::describe(client, entities, output)?;
            quotas::describe_credentials(client, entities, output)
        }
    }
}

fn describe_resources(client: &mut Client, entities: &Entities, all: bool, output: &mut Output) -> Result<(), Failed> {
    let kind = entities.kind();
    let singular = &kind[..kind.len() - 1];
    let names = match entities.names.first() {
        Some(name) => {
            if !all && !exists(client, kind, name)? {
                output.line(format!("The {singular} '{name}' doesn't exist and doesn't have dynamic config."));
                return Ok(());
            }
            vec![name.clone()]
        }
        None => every(client, kind)?,
    };
    for name in names {
        match name.is_empty() {
            true => output.line(format!("Default configs for {kind} in the cluster are:")),
            false => {
                let which = if all { "All" } else { "Dynamic" };
                output.line(format!("{which} configs for {singular} {name} are:"));
            }
        }
        // What was found so far is shown even when this one cannot be described.
        output.flush();
        for config in configs_of(client, kind, &name, true, all)? {
            let value = |value: &Option<crate::protocol::StrBytes>| {
                value.as_ref().map_or("null".to_owned(), |value| value.to_string())
            };
            let synonyms: Vec<String> = config
                .synonyms
                .iter()
                .map(|synonym| format!("{}:{}={}", source_name(synonym.source), synonym.name, value(&synonym.value)))
                .collect();
            output.line(format!(
                "  {}={} sensitive={} synonyms={{{}}}",
                config.name,
                value(&config.value),
                config.is_sensitive,
                synonyms.join(", ")
            ));
        }
    }
    Ok(())
}

fn exists(client: &mut Client, kind: &str, name: &str) -> Result<bool, Failed> {
    Ok(match kind {
        TOPICS => {
            check_topic(name)?;
            list_topics(client, true)?.iter().any(|topic| topic.name == name)
        }
        BROKERS | BROKER_LOGGERS => {
            client.refresh("listNodes")?;
            name.is_empty() || client.nodes()?.iter().any(|node| node.id.0.to_string() == name)
        }
        CLIENT_METRICS => config_resources(client, resource::CLIENT_METRICS)?.iter().any(|found| found == name),
        _ => {
            list_groups(client, &[], &[])?.iter().any(|group| group.id == name)
                || group_resources(client)?.is_none_or(|found| found.iter().any(|found| found == name))
        }
    })
}

/// The names of all entities of a type, in the order in which Kafka's tool comes upon them.
fn every(client: &mut Client, kind: &str) -> Result<Vec<String>, Failed> {
    Ok(match kind {
        TOPICS => {
            let mut names: Vec<String> = list_topics(client, true)?.into_iter().map(|topic| topic.name).collect();
            hash_order::sort(&mut names, None, |name| hash_order::of_text(name));
            names
        }
        BROKERS | BROKER_LOGGERS => {
            client.refresh("listNodes")?;
            let ids = client.nodes()?.into_iter().map(|node| node.id.0.to_string());
            ids.chain([String::new()]).collect()
        }
        CLIENT_METRICS => config_resources(client, resource::CLIENT_METRICS)?,
        _ => {
            let mut names: Vec<String> = list_groups(client, &[], &[])?.into_iter().map(|group| group.id).collect();
            for name in group_resources(client)?.unwrap_or_default() {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        }
    })
}

/// Groups that have configs; `None` where the cluster cannot or may not tell.
fn group_resources(client: &mut Client) -> Result<Option<Vec<String>>, Failed> {
    match config_resources(client, resource::GROUP) {
        Ok(names) => Ok(Some(names)),
        Err(error)
            if matches!(error.code(), Some(ErrorCode::UnsupportedVersion | ErrorCode::ClusterAuthorizationFailed)) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn check_topic(name: &str) -> Result<(), Failed> {
    match topic_name_fault(name) {
        Some(fault) => Err(Failed::Wrong(format!("Topic name is invalid: {fault}"))),
        None => Ok(()),
    }
}

/// The configs of one entity in the order of their names: all, or those that its own level sets.
pub(super) fn configs_of(
    client: &mut Client,
    kind: &str,
    name: &str,
    synonyms: bool,
    all: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Failed> {
    if kind == TOPICS && !name.is_empty() {
        check_topic(name)?;
    }
    let (resource, own) = match kind {
        TOPICS => (resource::TOPIC, Some(source::TOPIC)),
        BROKERS if name.is_empty() => (resource::BROKER, Some(source::BROKER_DEFAULT)),
        BROKERS => (resource::BROKER, Some(source::BROKER)),
        BROKER_LOGGERS => (resource::BROKER_LOGGER, None),
        CLIENT_METRICS => (resource::CLIENT_METRICS, Some(source::CLIENT_METRICS)),
        _ => (resource::GROUP, Some(source::GROUP)),
    };
    if let Target::Broker(id) = broker_of(resource, &[name]) {
        client.refresh("describeConfigs")?;
        if client.node(id).is_none() {
            let message = "Timed out waiting for a node assignment. Call: describeConfigs";
            return Err(ClientError::timeout(message).into());
        }
    }
    let found = describe_configs(client, resource, &[name], synonyms)?;
    let mut configs = Vec::new();
    for result in found {
        ClientError::from_wire(result.error_code, result.error_message.as_deref())?;
        configs.extend(result.configs);
    }
    configs.retain(|config| all || own.is_none_or(|own| config.config_source == own));
    configs.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    Ok(configs)
}

fn source_name(source: i8) -> &'static str {
    match source {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
        8 => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}
