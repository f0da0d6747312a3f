//! Settings of topics, brokers and groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{
    BrokerConfig, GroupConfig, ListOp, SubscriptionFault, TopicConfig, check_client_metrics, split_list,
};
use crate::metadata::ConfigResource;
use crate::protocol::kraft::{ClearElrRecord, ConfigRecord, MetadataRecord};
use crate::types::{BrokerId, ErrorCode};

use super::Denied;
use super::machine::{Controller, Decision};

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
const CORDONED_LOG_DIRS: &str = "cordoned.log.dirs";

/// What shall happen to one setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    Set(String),
    Delete,
    /// Adds to a list what is not in it.
    Append(String),
    /// Takes from a list what is in it.
    Subtract(String),
}

/// Changes of one resource's settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigOperation {
    pub resource: ConfigResource,
    pub changes: Vec<(String, Operation)>,
}

/// Changes of settings, as they were asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigAlteration {
    pub resources: Vec<ConfigOperation>,
    pub validate_only: bool,
    /// They come through a broker, which has checked what concerns it.
    pub forwarded: bool,
}

/// What became of one resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigResult {
    pub resource: ConfigResource,
    pub result: Result<(), Denied>,
}

impl Controller {
    pub(super) fn alter_configs(&self, alteration: ConfigAlteration) -> Decision<Vec<ConfigResult>> {
        let forwarded = alteration.forwarded;
        self.alter(alteration, |operation| self.alter_one(operation, forwarded))
    }

    pub(super) fn replace_configs(&self, alteration: ConfigAlteration) -> Decision<Vec<ConfigResult>> {
        let forwarded = alteration.forwarded;
        self.alter(alteration, |operation| self.replace_one(operation, forwarded))
    }

    fn alter(
        &self,
        alteration: ConfigAlteration,
        alter: impl Fn(&ConfigOperation) -> Result<Vec<MetadataRecord>, Denied>,
    ) -> Decision<Vec<ConfigResult>> {
        let ConfigAlteration { resources, validate_only, .. } = alteration;
        let mut counts = BTreeMap::<ConfigResource, usize>::new();
        resources.iter().for_each(|operation| *counts.entry(operation.resource.clone()).or_default() += 1);
        let mut records = Vec::new();
        let mut results = Vec::new();
        for operation in resources {
            let result = match counts[&operation.resource] {
                1 => alter(&operation).map(|new| records.extend(new)),
                _ => Err(Denied::new(ErrorCode::InvalidRequest, "Each resource must appear at most once.")),
            };
            results.push(ConfigResult { resource: operation.resource, result });
        }
        records.extend(self.clear_elr(&records));
        if validate_only {
            records.clear();
        }
        (records, results)
    }

    /// The settings of a topic that is about to be created.
    pub(super) fn new_topic_configs(&self, operation: &ConfigOperation) -> Result<BTreeMap<String, String>, Denied> {
        let mut configs = BTreeMap::new();
        for (name, change) in &operation.changes {
            if let Operation::Set(value) = change {
                self.check_value(&operation.resource, name, Some(value), true)?;
                configs.insert(name.clone(), value.clone());
            }
        }
        self.validate(&operation.resource, &configs)?;
        Ok(configs)
    }

    fn alter_one(&self, operation: &ConfigOperation, forwarded: bool) -> Result<Vec<MetadataRecord>, Denied> {
        let names: BTreeSet<&String> = operation.changes.iter().map(|(name, _)| name).collect();
        if names.len() < operation.changes.len() {
            return Err(Denied::new(ErrorCode::InvalidRequest, "Error due to duplicate config keys"));
        }
        let resource = &operation.resource;
        let current = self.image.config(resource);
        let mut next = (*current).clone();
        let mut records = Vec::new();
        for (name, change) in &operation.changes {
            let before = current.get(name);
            let value = match change {
                Operation::Set(value) => Some(value.clone()),
                Operation::Delete => None,
                Operation::Append(value) | Operation::Subtract(value) => {
                    Some(self.changed_list(resource, name, before, value, matches!(change, Operation::Append(_)))?)
                }
            };
            // Brokers reload on a record even if the value is the old one.
            if before != value.as_ref() || resource.kind == ConfigResource::BROKER {
                self.check_value(resource, name, value.as_deref(), forwarded)?;
                records.push(record(resource, name, value.as_deref()));
            }
            match value {
                Some(value) => drop(next.insert(name.clone(), value)),
                None => drop(next.remove(name)),
            }
        }
        self.validate(resource, &next)?;
        self.check_exists(resource)?;
        Ok(records)
    }

    fn replace_one(&self, operation: &ConfigOperation, forwarded: bool) -> Result<Vec<MetadataRecord>, Denied> {
        let resource = &operation.resource;
        let current = self.image.config(resource);
        let mut next = BTreeMap::new();
        let mut records = Vec::new();
        for (name, change) in &operation.changes {
            let Operation::Set(value) = change else { continue };
            if current.get(name) != Some(value) || resource.kind == ConfigResource::BROKER {
                self.check_value(resource, name, Some(value), forwarded)?;
                records.push(record(resource, name, Some(value)));
            }
            next.insert(name.clone(), value.clone());
        }
        for name in current.keys().filter(|name| !next.contains_key(*name)) {
            self.check_value(resource, name, None, forwarded)?;
            records.push(record(resource, name, None));
        }
        self.validate(resource, &next)?;
        self.check_exists(resource)?;
        Ok(records)
    }

    /// A list after something was added to it or taken from it. What is not set begins at its default.
    fn changed_list(
        &self,
        resource: &ConfigResource,
        name: &str,
        before: Option<&String>,
        change: &str,
        append: bool,
    ) -> Result<String, Denied> {
        let key = match resource.kind {
            ConfigResource::TOPIC => TopicConfig::key(name),
            ConfigResource::BROKER => BrokerConfig::key(name),
            ConfigResource::GROUP => GroupConfig::key(name),
            _ => None,
        };
        let operation = if append { ListOp::Append } else { ListOp::Subtract };
        let changed = key.and_then(|key| operation.apply(key, before.map(String::as_str), change));
        changed.ok_or_else(|| {
            let verb = if append { "APPEND" } else { "SUBTRACT" };
            Denied::new(ErrorCode::InvalidConfig, format!("Can't {verb} to key {name} because its type is not LIST."))
        })
    }

    fn check_value(
        &self,
        resource: &ConfigResource,
        name: &str,
        value: Option<&str>,
        forwarded: bool,
    ) -> Result<(), Denied> {
        let refuse = |message: String| Err(Denied::new(ErrorCode::InvalidConfig, message));
        let broker_level = resource.kind == ConfigResource::BROKER;
        if name == MIN_INSYNC_REPLICAS && broker_level && self.image.elr_enabled() {
            if !resource.name.is_empty() {
                return refuse("Broker-level min.insync.replicas cannot be altered while ELR is enabled.".to_owned());
            }
            if value.is_none() {
                return refuse("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.".to_owned());
            }
        }
        if name == CORDONED_LOG_DIRS && broker_level && !self.version().cordoned_directories() {
            return refuse(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0"
                    .to_owned(),
            );
        }
        if name == CORDONED_LOG_DIRS && broker_level && !forwarded {
            let current = self.image.config(resource);
            let current = current.get(name).map(|dirs| split_list(dirs)).unwrap_or_default();
            if value.map(split_list).unwrap_or_default().iter().any(|dir| !current.contains(dir)) {
                return refuse(
                    "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current \
                     configuration value."
                        .to_owned(),
                );
            }
        }
        match value {
            Some(value) if value.encode_utf16().count() > i16::MAX as usize => refuse(format!(
                "The configuration value cannot be added because it exceeds the maximum value size of {} bytes.",
                i16::MAX
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn validate(&self, resource: &ConfigResource, configs: &BTreeMap<String, String>) -> Result<(), Denied> {
        let store = &self.options.configs;
        let result = match resource.kind {
            ConfigResource::TOPIC if resource.name.is_empty() => {
                let message = "Default topic resources are not allowed.";
                return Err(Denied::new(ErrorCode::InvalidRequest, message));
            }
            ConfigResource::TOPIC => {
                if let Some(fault) = crate::types::topic_name_fault(&resource.name) {
                    let message = format!("Topic name is invalid: {fault}");
                    return Err(Denied::new(ErrorCode::InvalidTopicException, message));
                }
                store.validate_topic(configs)
            }
            // Brokers check their configs before they pass them on; what is stored and cannot be applied they ignore.
            ConfigResource::BROKER => {
                check_broker_name(&resource.name)?;
                store.refuse_guards(configs)
            }
            ConfigResource::GROUP if resource.name.is_empty() => {
                let message = "Default group resources are not allowed.";
                return Err(Denied::new(ErrorCode::InvalidRequest, message));
            }
            ConfigResource::GROUP => store.validate_group(configs),
            ConfigResource::CLIENT_METRICS => {
                return check_client_metrics(&resource.name, configs).map_err(|fault| match fault {
                    SubscriptionFault::Request(message) => Denied::new(ErrorCode::InvalidRequest, message),
                    SubscriptionFault::Config(message) => Denied::new(ErrorCode::InvalidConfig, message),
                });
            }
            _ => {
                let message = format!("Unknown resource type {}", resource.kind);
                return Err(Denied::new(ErrorCode::InvalidRequest, message));
            }
        };
        result.map_err(|error| Denied::new(ErrorCode::InvalidConfig, error.message()))
    }

    fn check_exists(&self, resource: &ConfigResource) -> Result<(), Denied> {
        match resource.kind {
            ConfigResource::TOPIC if self.image.topics.named(&resource.name).is_none() => {
                let message = format!("The topic '{}' does not exist.", resource.name);
                Err(Denied::new(ErrorCode::UnknownTopicOrPartition, message))
            }
            ConfigResource::BROKER if !resource.name.is_empty() => {
                let known = |id| self.image.broker(id).is_some() || self.image.controllers.contains_key(&id);
                match resource.name.parse().is_ok_and(|id| known(BrokerId(id))) {
                    true => Ok(()),
                    false => {
                        let message = format!("No node with id {} found.", resource.name);
                        Err(Denied::new(ErrorCode::BrokerIdNotRegistered, message))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    /// A new minimum of in-sync replicas makes what was derived from the old one worthless.
    fn clear_elr(&self, records: &[MetadataRecord]) -> Vec<MetadataRecord> {
        if !self.image.elr_enabled() {
            return Vec::new();
        }
        let mut topics = BTreeSet::new();
        for record in records {
            if let MetadataRecord::Config(config) = record
                && config.name == MIN_INSYNC_REPLICAS
            {
                match config.resource_type {
                    ConfigResource::TOPIC => drop(topics.insert(config.resource_name.clone())),
                    ConfigResource::BROKER => return vec![ClearElrRecord { topic_name: String::new() }.into()],
                    _ => {}
                }
            }
        }
        topics.into_iter().map(|topic_name| ClearElrRecord { topic_name }.into()).collect()
    }
}

/// A broker's name is its id; all brokers have the empty name.
fn check_broker_name(name: &str) -> Result<(), Denied> {
    let fault = match name.parse::<i32>() {
        Ok(0..) => return Ok(()),
        Err(_) if name.is_empty() => return Ok(()),
        Ok(_) => "Invalid negative broker ID.",
        Err(_) => "Unable to parse broker name as a base 10 number.",
    };
    Err(Denied::new(ErrorCode::InvalidRequest, fault))
}

pub(super) fn record(resource: &ConfigResource, name: &str, value: Option<&str>) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: resource.kind,
        resource_name: resource.name.clone(),
        name: name.to_owned(),
        value: value.map(str::to_owned),
    })
}
