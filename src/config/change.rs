//! Changes by clients: what AlterConfigs, IncrementalAlterConfigs and CreateTopics may set, with Kafka's messages.

use std::collections::BTreeMap;

use super::broker::{BROKER_KEYS, BrokerConfig, Texts};
use super::derived::split_listener_key;
use super::error::ConfigError;
use super::group;
use super::key::{ConfigKey, Status, Type, UpdateMode};
use super::load::{StaticConfig, base_name, is_refused};
use super::ottla::PREFIX;
use super::store::State;
use super::threads;
use super::topic::{self, TopicConfig};
use super::value::{InvalidValue, Value, Values, split_list};

/// Which brokers a change of broker configs is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The default for the cluster.
    AllBrokers,
    ThisBroker,
}

/// Keys that name the same setting, first the one that counts.
const SYNONYMS: [&[&str]; 3] = [
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
];

/// The keys that name the same broker setting, the given one's own included, and under a listener's prefix the key
/// without it.
pub(super) fn synonyms(key: &str) -> Vec<&str> {
    if let Some(names) = SYNONYMS.iter().find(|names| names.contains(&key)) {
        return names.to_vec();
    }
    match (key, split_listener_key(key)) {
        ("log.flush.interval.ms", _) => vec![key, "log.flush.scheduler.interval.ms"],
        (_, Some(_)) => vec![key, base_name(key)],
        _ => vec![key],
    }
}

/// Puts one layer over another. Other names of a key that is set are dropped, so that the layer above wins whatever
/// unit it uses.
pub(super) fn lay_over(texts: &mut Texts, layer: &Texts) {
    for (key, value) in layer {
        if split_listener_key(key).is_none() {
            for synonym in synonyms(key) {
                texts.remove(synonym);
            }
        }
        texts.insert(key.clone(), value.clone());
    }
}

/// Holds the assignment intervals within their bounds, as Kafka does with stored values.
pub(super) fn clamp(texts: &mut Texts) {
    for kind in ["consumer", "share", "streams"] {
        let key = format!("group.{kind}.assignment.interval.ms");
        let bound = |texts: &Texts, which: &str| {
            let key = format!("group.{kind}.{which}.assignment.interval.ms");
            let row = BrokerConfig::key(&key)?;
            match row.parse(texts.get(&key).map(String::as_str)) {
                Ok(Value::Int(bound)) => Some(bound),
                _ => None,
            }
        };
        let (low, high) = (bound(texts, "min"), bound(texts, "max"));
        if let (Some(low), Some(high), Some(text)) = (low, high, texts.get_mut(&key))
            && let Ok(value) = text.trim().parse::<i32>()
        {
            *text = value.min(high).max(low).to_string();
        }
    }
}

/// Keys that Kafka changes at run time and we at start only: listeners stay as they were opened, and providers
/// resolve what the file holds.
const AT_START_ONLY: [&str; 3] = ["listeners", "listener.security.protocol.map", "config.providers"];

/// Keeps what can be applied of a stored layer and says why the rest cannot.
pub(super) fn applicable(layer: Texts, scope: Scope, ignored: &mut Vec<String>) -> Texts {
    let mut kept = Texts::new();
    for (key, value) in layer {
        if AT_START_ONLY.contains(&key.as_str()) {
            ignored.push(format!("dynamic config {key} is ignored: it is read at start only"));
            continue;
        }
        let one = Texts::from([(key.clone(), value.clone())]);
        match check_layer(&one, scope).and_then(|()| check_refused(&one)) {
            Ok(()) => {
                kept.insert(key, value);
            }
            Err(message) => ignored.push(format!("dynamic config {key} is ignored: {message}")),
        }
    }
    kept
}

/// Checks a whole layer of broker configs as it would be after a change.
pub(super) fn validate_broker(
    base: &StaticConfig,
    state: &State,
    scope: Scope,
    configs: &Texts,
) -> Result<(), ConfigError> {
    check_layer(configs, scope).map_err(ConfigError::Change)?;
    check_refused(configs).map_err(ConfigError::Change)?;
    let mut texts = base.texts.clone();
    let mut current = base.texts.clone();
    lay_over(&mut current, &state.default_broker);
    lay_over(&mut current, &state.this_broker);
    match scope {
        Scope::AllBrokers => {
            lay_over(&mut texts, configs);
            lay_over(&mut texts, &state.this_broker);
        }
        Scope::ThisBroker => {
            lay_over(&mut texts, &state.default_broker);
            lay_over(&mut texts, configs);
        }
    }
    let (config, values) = BrokerConfig::parse(&texts, base.built_in)?;
    let current = threads::Layered { texts: &current, values: &state.values };
    threads::check(&current, &threads::Layered { texts: &texts, values: &values }, &config)
        .map_err(ConfigError::Change)?;
    let moved =
        AT_START_ONLY.iter().find(|key| configs.get(**key).is_some_and(|text| base.texts.get(**key) != Some(text)));
    if let Some(key) = moved {
        let message =
            format!("Cannot update these configs dynamically: [{key}]; change the properties file and restart");
        return Err(ConfigError::Change(message));
    }
    Ok(())
}

/// Names, types and scope of a layer, in Kafka's order.
fn check_layer(configs: &Texts, scope: Scope) -> Result<(), String> {
    let named = |what: &str, keys: Vec<&str>| {
        if keys.is_empty() { Ok(()) } else { Err(format!("{what}: [{}]", keys.join(", "))) }
    };
    let keys = || configs.keys().map(String::as_str);
    let read_only = |key: &&str| {
        key.starts_with(PREFIX) || BrokerConfig::key(key).is_some_and(|row| row.mode == UpdateMode::ReadOnly)
    };
    named("Cannot update these configs dynamically", keys().filter(read_only).collect())?;
    let bare = keys().filter(|key| is_tls(key)).collect();
    named("These security configs can be dynamically updated only per-listener using the listener prefix", bare)?;
    for (key, text) in configs {
        let base = split_listener_key(key).map_or(key.as_str(), |(_, base)| base);
        if let Some(row) = BROKER_KEYS.iter().find(|row| row.name == base && row.mode != UpdateMode::ReadOnly) {
            row.parse(Some(text)).map_err(|invalid| invalid.message)?;
        }
    }
    if scope == Scope::AllBrokers {
        let single = keys().filter(|key| is_per_broker(key)).collect();
        named("Cannot update these configs at default cluster level, broker id must be specified", single)?;
    }
    Ok(())
}

pub(super) fn check_refused(configs: &Texts) -> Result<(), String> {
    for (key, text) in configs {
        let Some(row) = BrokerConfig::key(base_name(key)) else { continue };
        let Status::Refused(reason) = row.status else { continue };
        if row.parse(Some(text)).is_ok_and(|value| is_refused(row, &value)) {
            return Err(format!("{key} is refused: {reason}"));
        }
    }
    Ok(())
}

/// The TLS keys that can change at run time, with a listener's prefix only.
fn is_tls(key: &str) -> bool {
    const NOT_RECONFIGURABLE: [&str; 1] = ["ssl.client.auth"];
    key.starts_with("ssl.")
        && !NOT_RECONFIGURABLE.contains(&key)
        && BrokerConfig::key(key).is_some_and(|row| row.mode == UpdateMode::PerBroker)
}

fn is_per_broker(key: &str) -> bool {
    const CLUSTER_LEVEL: [&str; 3] = ["max.connections", "max.connection.creation.rate", "num.network.threads"];
    match split_listener_key(key) {
        Some((_, base)) => !CLUSTER_LEVEL.contains(&base),
        None => BrokerConfig::key(key).is_some_and(|row| row.mode == UpdateMode::PerBroker),
    }
}

/// Checks what a topic would override.
pub(super) fn validate_topic(broker: &Values, configs: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    if let Some(unknown) = configs.keys().find(|key| TopicConfig::key(key).is_none()) {
        return Err(ConfigError::Change(format!("Unknown topic config name: {unknown}")));
    }
    let values = topic::parse(broker, configs)?;
    let (min, max): (i64, i64) = (values.get("min.compaction.lag.ms"), values.get("max.compaction.lag.ms"));
    if min > max {
        let message =
            format!("conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})");
        return Err(ConfigError::Change(message));
    }
    if values.get("remote.storage.enable") {
        let message = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.";
        return Err(ConfigError::Change(message.to_owned()));
    }
    Ok(())
}

/// Checks what a group would override.
pub(super) fn validate_group(broker: &Values, configs: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    if let Some(unknown) = configs.keys().find(|key| !group::GROUP_KEYS.iter().any(|row| row.name == **key)) {
        return Err(ConfigError::Change(format!("Unknown group config name: {unknown}")));
    }
    let values = group::parse(broker, configs)?;
    for bound in group::BOUNDS {
        if bound.when_set && !configs.contains_key(bound.key) {
            continue;
        }
        let value: i32 = values.get(bound.key);
        if let Some(min) = bound.min.filter(|min| value < broker.get::<i32>(min)) {
            return Err(ConfigError::Change(format!("{} must be greater than or equal to {min}", bound.key)));
        }
        if value > broker.get::<i32>(bound.max) {
            return Err(ConfigError::Change(format!("{} must be less than or equal to {}", bound.key, bound.max)));
        }
    }
    for kind in ["consumer", "share", "streams"] {
        let (session, heartbeat) = (format!("{kind}.session.timeout.ms"), format!("{kind}.heartbeat.interval.ms"));
        if values.get::<i32>(&session) <= values.get::<i32>(&heartbeat) {
            return Err(ConfigError::Change(format!("{session} must be greater than {heartbeat}")));
        }
    }
    Ok(())
}

/// What IncrementalAlterConfigs does to a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListOp {
    Append,
    Subtract,
}

impl ListOp {
    /// The list after the operation, `None` when the key is no list. `current` is the resource's own value.
    pub fn apply(self, key: &ConfigKey, current: Option<&str>, operand: &str) -> Option<String> {
        if key.kind != Type::List {
            return None;
        }
        let default = match key.default {
            super::key::Default::Is(text) => text,
            _ => "",
        };
        let mut entries = split_list(current.unwrap_or(default));
        for value in operand.split(',') {
            match self {
                ListOp::Append if !entries.iter().any(|entry| entry == value) => entries.push(value.to_owned()),
                ListOp::Append => {}
                ListOp::Subtract => {
                    if let Some(at) = entries.iter().position(|entry| entry == value) {
                        entries.remove(at);
                    }
                }
            }
        }
        Some(entries.join(","))
    }
}

impl From<InvalidValue> for String {
    fn from(invalid: InvalidValue) -> String {
        invalid.message
    }
}
