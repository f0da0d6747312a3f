//! What AlterConfigs and IncrementalAlterConfigs have in common: a broker checks what it can answer for itself (broker
//! settings and loggers), the controller decides the rest. On a controller's listener only the second half runs, and
//! its refusals are worded differently, as in Kafka.

use std::collections::{BTreeMap, BTreeSet};

use super::Call;
use crate::config::{BrokerConfig, ListOp, Scope, change_logger, check_logger};
use crate::controller::{ConfigAlteration, ConfigOperation, Denied, Operation};
use crate::logging::ROOT_LOGGER;
use crate::metadata::ConfigResource;
use crate::protocol::StrBytes;
use crate::types::ErrorCode;

/// The operations by their numbers on the wire.
pub(super) const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// The kinds of resources that have configs.
pub(super) const KINDS: [i8; 5] = [
    ConfigResource::TOPIC,
    ConfigResource::BROKER,
    ConfigResource::BROKER_LOGGER,
    ConfigResource::CLIENT_METRICS,
    ConfigResource::GROUP,
];

/// Broker configs that a file cannot hold: where Kafka looks for lists, it does not know them.
const DYNAMIC_ONLY: [&str; 3] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// Whether what is not named stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    Replace,
    Change,
}

/// The changes that are asked for one resource.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub kind: i8,
    pub name: String,
    pub changes: Vec<Change>,
}

/// One change as it came.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub name: String,
    pub operation: i8,
    pub value: Option<String>,
}

/// What became of one resource.
pub(super) struct Outcome {
    pub kind: i8,
    pub name: String,
    pub result: Result<(), Denied>,
}

/// Error code and message of a result on the wire.
pub(super) fn told(result: Result<(), Denied>) -> (i16, Option<StrBytes>) {
    match result {
        Ok(()) => (0, None),
        Err(denied) => (denied.code.code(), denied.message.map(StrBytes::from_string)),
    }
}

/// Makes the changes, or with `validate_only` says what would come of them.
pub(super) async fn alter(call: &Call<'_>, asked: Vec<Asked>, manner: Manner, validate_only: bool) -> Vec<Outcome> {
    let sorted = match call.connection.listener.is_controller {
        true => Sorted::for_controller(call, asked, manner, validate_only),
        false => Sorted::for_broker(call, asked, manner, validate_only),
    };
    let mut decided = BTreeMap::new();
    let resources: Vec<ConfigResource> = sorted.open.iter().map(|operation| operation.resource.clone()).collect();
    if !sorted.open.is_empty() {
        let controller = &call.node.controller;
        let forwarded = !call.connection.listener.is_controller;
        let alteration = ConfigAlteration { resources: sorted.open, validate_only, forwarded };
        let answered = match manner {
            Manner::Replace => controller.replace_configs(alteration).await,
            Manner::Change => controller.alter_configs(alteration).await,
        };
        match answered {
            Ok(results) => decided.extend(results.into_iter().map(|result| (result.resource, result.result))),
            Err(error) => {
                let denied = super::not_submitted(&error);
                decided.extend(resources.into_iter().map(|resource| (resource, Err(denied.clone()))));
            }
        }
    }
    let outcome = |(resource, settled): (ConfigResource, Option<Result<(), Denied>>)| {
        let result = settled.or_else(|| decided.get(&resource).cloned());
        let result = result.unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into()));
        Outcome { kind: resource.kind, name: resource.name, result }
    };
    sorted.answers.into_iter().map(outcome).collect()
}

fn invalid(message: impl Into<String>) -> Denied {
    Denied::new(ErrorCode::InvalidRequest, message)
}

/// What is settled and what the controller has to decide.
#[derive(Default)]
struct Sorted {
    /// The resources in the order of the answer; None for those in `open`.
    answers: Vec<(ConfigResource, Option<Result<(), Denied>>)>,
    open: Vec<ConfigOperation>,
}

impl Sorted {
    fn settle(&mut self, resource: ConfigResource, result: Result<(), Denied>) {
        self.answers.push((resource, Some(result)));
    }

    fn leave_open(&mut self, resource: ConfigResource, changes: &[Change]) {
        match operations(changes) {
            Ok(changes) => {
                self.open.push(ConfigOperation { resource: resource.clone(), changes });
                self.answers.push((resource, None));
            }
            Err(denied) => self.settle(resource, Err(denied)),
        }
    }

    fn for_broker(call: &Call<'_>, asked: Vec<Asked>, manner: Manner, validate_only: bool) -> Sorted {
        let mut sorted = Sorted::default();
        let repeated = repeated(&asked);
        for asked in asked {
            let resource = ConfigResource { kind: asked.kind, name: asked.name };
            if repeated.contains(&resource) {
                sorted.settle(resource, Err(invalid("Each resource must appear at most once.")));
                continue;
            }
            let checked = check(call, &resource, &asked.changes, manner);
            match checked {
                Err(denied) => sorted.settle(resource, Err(denied)),
                Ok(()) if resource.kind == ConfigResource::BROKER_LOGGER => {
                    let result = change_loggers(call, &resource.name, &asked.changes, validate_only);
                    sorted.settle(resource, result);
                }
                Ok(()) => sorted.leave_open(resource, &asked.changes),
            }
        }
        sorted
    }

    fn for_controller(call: &Call<'_>, asked: Vec<Asked>, manner: Manner, validate_only: bool) -> Sorted {
        let mut sorted = Sorted::default();
        let repeated = repeated(&asked);
        let mut loggers = Vec::new();
        let mut seen = BTreeSet::new();
        for asked in asked {
            let resource = ConfigResource { kind: asked.kind, name: asked.name };
            let is_logger = resource.kind == ConfigResource::BROKER_LOGGER;
            if is_logger && manner == Manner::Change {
                let result = change_loggers(call, &resource.name, &asked.changes, validate_only);
                loggers.push((resource, Some(result)));
            } else if !KINDS.contains(&resource.kind) {
                let message = format!("Unknown resource type {}.", resource.kind);
                sorted.settle(resource, Err(Denied::new(ErrorCode::UnsupportedVersion, message)));
            } else if repeated.contains(&resource) {
                if seen.insert(resource.clone()) {
                    sorted.settle(resource, Err(invalid("Duplicate resource.")));
                }
            } else if is_logger {
                sorted.settle(resource, Err(invalid("Unexpected resource type BROKER_LOGGER.")));
            } else {
                let last: BTreeMap<String, Change> =
                    asked.changes.into_iter().map(|change| (change.name.clone(), change)).collect();
                sorted.leave_open(resource, &last.into_values().collect::<Vec<_>>());
            }
        }
        sorted.answers.extend(loggers);
        sorted
    }
}

/// The resources that are named more than once.
fn repeated(asked: &[Asked]) -> BTreeSet<ConfigResource> {
    let mut seen = BTreeSet::new();
    let resources = asked.iter().map(|asked| ConfigResource { kind: asked.kind, name: asked.name.clone() });
    resources.filter(|resource| !seen.insert(resource.clone())).collect()
}

/// What a broker refuses without asking the controller.
fn check(call: &Call<'_>, resource: &ConfigResource, changes: &[Change], manner: Manner) -> Result<(), Denied> {
    let names: BTreeSet<&String> = changes.iter().map(|change| &change.name).collect();
    if names.len() < changes.len() {
        return Err(invalid("Error due to duplicate config keys"));
    }
    let empty = |change: &&Change| change.operation != DELETE && change.value.is_none();
    let empty: Vec<&str> = changes.iter().filter(empty).map(|change| change.name.as_str()).collect();
    if !empty.is_empty() {
        return Err(invalid(format!("Null value not supported for : {}", empty.join(", "))));
    }
    match resource.kind {
        ConfigResource::TOPIC | ConfigResource::CLIENT_METRICS | ConfigResource::GROUP => Ok(()),
        ConfigResource::BROKER_LOGGER if manner == Manner::Change => Ok(()),
        ConfigResource::BROKER => check_broker(call, resource, changes, manner),
        kind => Err(invalid(format!("Unknown resource type {kind}"))),
    }
}

fn check_broker(call: &Call<'_>, resource: &ConfigResource, changes: &[Change], manner: Manner) -> Result<(), Denied> {
    let name = &resource.name;
    let scope = if name.is_empty() { Scope::AllBrokers } else { Scope::ThisBroker };
    if scope == Scope::ThisBroker {
        let id: i32 = name.parse().map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))?;
        let expected = call.node.broker_id;
        if id != expected.0 {
            return Err(invalid(format!("Unexpected broker id, expected {expected}, but received {name}")));
        }
    }
    if let Some(change) = changes.iter().find(|change| !(SET..=SUBTRACT).contains(&change.operation)) {
        return Err(invalid(format!("Unknown operations type {}", change.operation)));
    }
    let mut next = match manner {
        Manner::Replace => BTreeMap::new(),
        Manner::Change => (*call.node.image().config(resource)).clone(),
    };
    for (name, operation) in operations(changes)? {
        let value = match operation {
            Operation::Set(value) => Some(value),
            Operation::Delete => None,
            Operation::Append(value) => Some(changed_list(&next, &name, ListOp::Append, &value)?),
            Operation::Subtract(value) => Some(changed_list(&next, &name, ListOp::Subtract, &value)?),
        };
        match value {
            Some(value) => drop(next.insert(name, value)),
            None => drop(next.remove(&name)),
        }
    }
    call.node.config.validate_broker(scope, &next).map_err(|error| invalid(error.message()))
}

fn changed_list(
    configs: &BTreeMap<String, String>,
    name: &str,
    operation: ListOp,
    value: &str,
) -> Result<String, Denied> {
    let refuse = |message: String| Denied::new(ErrorCode::InvalidConfig, message);
    let key = BrokerConfig::key(name).filter(|_| !DYNAMIC_ONLY.contains(&name));
    let key = key.ok_or_else(|| refuse(format!("Unknown config name: {name}")))?;
    operation.apply(key, configs.get(name).map(String::as_str), value).ok_or_else(|| {
        let verb = match operation {
            ListOp::Append => "append",
            ListOp::Subtract => "subtract",
        };
        refuse(format!("Config value {verb} is not allowed for config key: {name}"))
    })
}

/// The changes as the controller takes them. Kafka fails without a word over an operation that does not exist, and over
/// adding nothing to a list.
fn operations(changes: &[Change]) -> Result<Vec<(String, Operation)>, Denied> {
    let operation = |change: &Change| {
        let operation = match (change.operation, change.value.clone()) {
            (DELETE, _) | (SET, None) => Operation::Delete,
            (SET, Some(value)) => Operation::Set(value),
            (APPEND, Some(value)) => Operation::Append(value),
            (SUBTRACT, Some(value)) => Operation::Subtract(value),
            _ => return Err(Denied { code: ErrorCode::UnknownServerError, message: None }),
        };
        Ok((change.name.clone(), operation))
    };
    changes.iter().map(operation).collect()
}

/// Changes levels of loggers: all of them or, when one change is refused, none.
fn change_loggers(call: &Call<'_>, name: &str, changes: &[Change], validate_only: bool) -> Result<(), Denied> {
    let id: i32 = name.parse().map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))?;
    let expected = call.node.broker_id;
    if id != expected.0 {
        return Err(invalid(format!("Unexpected node id. Expected {expected}, but received {id}")));
    }
    let levels = &call.node.log_levels;
    let mut wanted = Vec::new();
    for change in changes {
        let level = match change.operation {
            SET => Some(change.value.as_deref().unwrap_or("null")),
            DELETE => None,
            APPEND | SUBTRACT => {
                let verb = if change.operation == APPEND { "APPEND" } else { "SUBTRACT" };
                return Err(invalid(format!("{verb} operation is not allowed for the BROKER_LOGGER resource")));
            }
            _ => return Err(Denied { code: ErrorCode::UnknownServerError, message: None }),
        };
        let code = match (level, change.name.as_str()) {
            (None, ROOT_LOGGER) => ErrorCode::InvalidRequest,
            _ => ErrorCode::InvalidConfig,
        };
        check_logger(levels, &change.name, level).map_err(|error| Denied::new(code, error.message()))?;
        wanted.push((&change.name, level));
    }
    for (name, level) in wanted.into_iter().filter(|_| !validate_only) {
        change_logger(levels, name, level).map_err(|error| Denied::new(ErrorCode::InvalidConfig, error.message()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(operation: i8, value: Option<&str>) -> Change {
        Change { name: "k".to_owned(), operation, value: value.map(str::to_owned) }
    }

    #[test]
    fn operations_are_read_by_number() {
        let read = |operation, value| operations(&[change(operation, value)]).map(|mut read| read.remove(0).1);
        assert_eq!(read(SET, Some("1")), Ok(Operation::Set("1".to_owned())));
        assert_eq!(read(SET, None), Ok(Operation::Delete));
        assert_eq!(read(DELETE, Some("1")), Ok(Operation::Delete));
        assert_eq!(read(APPEND, Some("1")), Ok(Operation::Append("1".to_owned())));
        assert_eq!(read(SUBTRACT, Some("1")), Ok(Operation::Subtract("1".to_owned())));
        let failed = Denied { code: ErrorCode::UnknownServerError, message: None };
        assert_eq!(read(APPEND, None), Err(failed.clone()));
        assert_eq!(read(9, Some("1")), Err(failed));
    }

    #[test]
    fn resources_are_repeated_by_kind_and_name() {
        let asked = |kind, name: &str| Asked { kind, name: name.to_owned(), changes: Vec::new() };
        let all = [asked(2, "a"), asked(4, "a"), asked(2, "b"), asked(2, "a"), asked(2, "a")];
        assert_eq!(repeated(&all), BTreeSet::from([ConfigResource::topic("a")]));
    }

    #[test]
    fn lists_of_broker_configs_grow_and_shrink() {
        let configs = BTreeMap::from([("log.cleanup.policy".to_owned(), "delete".to_owned())]);
        let changed = |name, operation, value| changed_list(&configs, name, operation, value);
        assert_eq!(changed("log.cleanup.policy", ListOp::Append, "compact"), Ok("delete,compact".to_owned()));
        assert_eq!(changed("log.cleanup.policy", ListOp::Subtract, "delete"), Ok(String::new()));
        let refused = |name, operation| changed(name, operation, "1").unwrap_err().message.unwrap_or_default();
        assert_eq!(refused("foo.bar", ListOp::Append), "Unknown config name: foo.bar");
        assert_eq!(
            refused("log.cleaner.threads", ListOp::Subtract),
            "Config value subtract is not allowed for config key: log.cleaner.threads"
        );
    }
}
