//! Values that several keys give together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::broker::{BROKER_KEYS, ListenerLimits, ProcessRoles, Texts, Voter};
use super::internal::unstable_api_versions;
use super::listeners::{Listener, SecurityProtocol, parse_listeners, protocol_map};
use super::ottla::{OttlaConfig, sync_ack_topics};
use super::topic::TopicConfig;
use super::topic_patterns::TopicPatterns;
use super::value::{FromValue, InvalidValue, Value, Values, bootstrap_server, split_list, voter};

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The fields of [`BrokerConfig`](super::BrokerConfig) that are no single key's value.
pub(super) struct Derived {
    pub process_roles: ProcessRoles,
    pub listeners: Vec<Listener>,
    pub controller_listener_names: Vec<String>,
    pub advertised_listeners: Vec<Listener>,
    pub advertised_controller_listeners: Vec<Listener>,
    pub advertises_arrival_address: bool,
    pub inter_broker_listener_name: String,
    pub controller_quorum_voters: Vec<Voter>,
    pub controller_quorum_bootstrap_servers: Vec<(String, u16)>,
    pub log_dirs: Vec<PathBuf>,
    pub metadata_log_dir: PathBuf,
    pub cordoned_log_dirs: Vec<PathBuf>,
    pub max_connections_per_ip_overrides: BTreeMap<String, i32>,
    pub listener_limits: BTreeMap<String, ListenerLimits>,
    pub topic_defaults: TopicConfig,
    pub sync_ack_topics: TopicPatterns,
    pub unstable_api_versions_enable: bool,
    pub ottla: OttlaConfig,
    pub ignored_authorizer: bool,
    pub closed_listeners: Vec<Listener>,
}

impl Derived {
    /// Leaves the listeners closed whose protocol is not served. What the controllers' listeners are called stays, as the quorum's
    /// voters are known by it.
    pub fn close_secured(&mut self) {
        let is_plain = |listener: &Listener| listener.protocol == SecurityProtocol::Plaintext;
        let (open, closed) = std::mem::take(&mut self.listeners).into_iter().partition(is_plain);
        (self.listeners, self.closed_listeners) = (open, closed);
        self.advertised_listeners.retain(is_plain);
    }
}

/// Puts the fields together.
pub(super) fn derive(values: &Values, texts: &Texts, built_in: bool) -> Result<Derived, InvalidValue> {
    let roles: Vec<String> = values.get("process.roles");
    let has = |role: &str| roles.iter().any(|name| name == role);
    let endpoints = Endpoints::read(values, texts)?;
    let log_dirs: Vec<PathBuf> = values
        .get::<Option<Vec<_>>>("log.dirs")
        .unwrap_or_else(|| values.get("log.dir"))
        .iter()
        .map(PathBuf::from)
        .collect();
    let first_dir = log_dirs.first().cloned().unwrap_or_default();
    let cordoned: Vec<String> = values.get::<Option<Vec<String>>>("cordoned.log.dirs").unwrap_or_default();
    let cordoned_log_dirs = if cordoned.iter().any(|dir| dir == "*") {
        log_dirs.clone()
    } else {
        cordoned.iter().map(PathBuf::from).collect()
    };
    let ottla = OttlaConfig::parse(texts)?;
    Ok(Derived {
        process_roles: ProcessRoles { broker: has("broker"), controller: has("controller") },
        advertised_listeners: endpoints.advertised_brokers(),
        advertised_controller_listeners: endpoints.advertised_controllers(values),
        advertises_arrival_address: built_in && endpoints.advertised.is_none() && endpoints.all_loopback(),
        inter_broker_listener_name: inter_broker_listener_name(values, texts, &endpoints)?,
        listeners: endpoints.listeners,
        controller_listener_names: endpoints.controller_names,
        controller_quorum_voters: voters(values),
        controller_quorum_bootstrap_servers: bootstrap_servers(values),
        metadata_log_dir: values.get::<Option<String>>("metadata.log.dir").map_or(first_dir, PathBuf::from),
        log_dirs,
        cordoned_log_dirs,
        max_connections_per_ip_overrides: per_ip_overrides(values)?,
        listener_limits: listener_limits(texts)?,
        topic_defaults: TopicConfig::defaults(values),
        sync_ack_topics: sync_ack_topics(texts)?,
        unstable_api_versions_enable: unstable_api_versions(texts)?,
        ignored_authorizer: ottla.takeover_ignore_security && !values.get::<String>("authorizer.class.name").is_empty(),
        ottla,
        closed_listeners: Vec::new(),
    })
}

/// `log.retention.ms`, or the minutes, or the hours; everything negative is for ever.
pub(super) fn log_retention_ms(values: &Values) -> i64 {
    let ms = values.get::<Option<i64>>("log.retention.ms").unwrap_or_else(|| {
        match values.get::<Option<i32>>("log.retention.minutes") {
            Some(minutes) => i64::from(minutes) * MINUTE_MS,
            None => i64::from(values.get::<i32>("log.retention.hours")) * HOUR_MS,
        }
    });
    ms.max(-1)
}

/// `log.roll.ms`, or the hours.
pub(super) fn log_roll_ms(values: &Values) -> i64 {
    let hours: i32 = values.get("log.roll.hours");
    values.get::<Option<i64>>("log.roll.ms").unwrap_or(i64::from(hours) * HOUR_MS)
}

/// `log.roll.jitter.ms`, or the hours.
pub(super) fn log_roll_jitter_ms(values: &Values) -> i64 {
    let hours: i32 = values.get("log.roll.jitter.hours");
    values.get::<Option<i64>>("log.roll.jitter.ms").unwrap_or(i64::from(hours) * HOUR_MS)
}

/// `log.flush.interval.ms`, or the scheduler's interval.
pub(super) fn log_flush_interval_ms(values: &Values) -> i64 {
    values.get::<Option<i64>>("log.flush.interval.ms").unwrap_or_else(|| values.get("log.flush.scheduler.interval.ms"))
}

/// What a topic key takes from the broker: the synonym's value, in the topic key's unit.
pub(super) fn topic_default(values: &Values, synonym: &str) -> Value {
    match synonym {
        "log.retention.ms" => Value::Long(log_retention_ms(values)),
        "log.roll.ms" => Value::Long(log_roll_ms(values)),
        "log.roll.jitter.ms" => Value::Long(log_roll_jitter_ms(values)),
        "log.flush.interval.ms" => Value::Long(log_flush_interval_ms(values)),
        _ => values.of(synonym).clone(),
    }
}

struct Endpoints {
    listeners: Vec<Listener>,
    advertised: Option<Vec<Listener>>,
    controller_names: Vec<String>,
    protocols: BTreeMap<String, SecurityProtocol>,
}

impl Endpoints {
    fn read(values: &Values, texts: &Texts) -> Result<Endpoints, InvalidValue> {
        let controller_names: Vec<String> = values.get("controller.listener.names");
        let entries: Vec<String> = values.get("listeners");
        let map_key = "listener.security.protocol.map";
        let explicit = texts.contains_key(map_key);
        let protocols = protocol_map(&values.get::<String>(map_key), explicit, &controller_names, &entries)
            .map_err(|message| InvalidValue::because(map_key, message))?;
        let listeners = parse_listeners(&entries, &protocols, true)
            .map_err(|message| InvalidValue::because("listeners", message))?;
        let advertised = values
            .get::<Option<Vec<String>>>("advertised.listeners")
            .map(|entries| parse_listeners(&entries, &protocols, false))
            .transpose()
            .map_err(|message| InvalidValue::because("advertised.listeners", message))?;
        Ok(Endpoints { listeners, advertised, controller_names, protocols })
    }

    fn is_controller(&self, listener: &Listener) -> bool {
        self.controller_names.contains(&listener.name)
    }

    fn advertised_brokers(&self) -> Vec<Listener> {
        let advertised = self.advertised.as_ref().unwrap_or(&self.listeners);
        advertised.iter().filter(|listener| !self.is_controller(listener)).cloned().collect()
    }

    /// A controller's listener is advertised as configured, else as the quorum's voters know it, else as it is opened.
    fn advertised_controllers(&self, values: &Values) -> Vec<Listener> {
        let find = |listeners: &[Listener], name: &str| {
            listeners
                .iter()
                .find(|listener| self.is_controller(listener) && listener.name == name.to_uppercase())
                .cloned()
        };
        let node_id: i32 = values.get("node.id");
        let voters = voters(values);
        let voter = voters.iter().find(|voter| voter.id == node_id);
        let mut endpoints = Vec::new();
        for (at, name) in self.controller_names.iter().enumerate() {
            if let Some(advertised) = self.advertised.as_ref().and_then(|advertised| find(advertised, name)) {
                endpoints.push(advertised);
                continue;
            }
            let Some(mut opened) = find(&self.listeners, name) else { continue };
            if opened.host.is_empty() || opened.host == "0.0.0.0" {
                opened.host.clear();
                if let (0, Some(voter)) = (at, voter) {
                    opened.host.clone_from(&voter.host);
                    opened.port = voter.port;
                }
            }
            endpoints.push(opened);
        }
        endpoints
    }

    fn all_loopback(&self) -> bool {
        self.listeners.iter().all(|listener| matches!(listener.host.as_str(), "127.0.0.1" | "localhost" | "::1"))
    }
}

fn inter_broker_listener_name(values: &Values, texts: &Texts, endpoints: &Endpoints) -> Result<String, InvalidValue> {
    let (name_key, protocol_key) = ("inter.broker.listener.name", "security.inter.broker.protocol");
    let Some(name) = values.get::<Option<String>>(name_key) else { return Ok(values.get(protocol_key)) };
    if texts.contains_key(protocol_key) {
        let message = format!("Only one of {name_key} and {protocol_key} should be set.");
        return Err(InvalidValue::because(protocol_key, message));
    }
    let name = name.to_uppercase();
    if !endpoints.protocols.contains_key(&name) {
        let message =
            format!("Listener with name {name} defined in {name_key} not found in listener.security.protocol.map.");
        return Err(InvalidValue::because(name_key, message));
    }
    Ok(name)
}

pub(super) fn voters(values: &Values) -> Vec<Voter> {
    let entries: Vec<String> = values.get("controller.quorum.voters");
    // The table has checked each entry.
    let parsed = entries.iter().filter_map(|entry| voter("controller.quorum.voters", entry).ok());
    parsed.map(|(id, host, port)| Voter { id, host, port }).collect()
}

fn bootstrap_servers(values: &Values) -> Vec<(String, u16)> {
    let key = "controller.quorum.bootstrap.servers";
    let entries: Vec<String> = values.get(key);
    entries.iter().filter_map(|entry| bootstrap_server(key, entry).ok()).collect()
}

fn per_ip_overrides(values: &Values) -> Result<BTreeMap<String, i32>, InvalidValue> {
    let key = "max.connections.per.ip.overrides";
    let text: String = values.get(key);
    let mut overrides = BTreeMap::new();
    for entry in split_list(&text) {
        let parsed = entry.rsplit_once(':').and_then(|(host, count)| Some((host.trim(), count.trim().parse().ok()?)));
        let Some((host, count)) = parsed else {
            let message = format!("Error parsing configuration property '{key}': {entry} is not host:number");
            return Err(InvalidValue::because(key, message));
        };
        if !super::listeners::valid_host(host) {
            return Err(InvalidValue::because(key, format!("{key} contains invalid addresses : {host}")));
        }
        overrides.insert(host.to_owned(), count);
    }
    Ok(overrides)
}

/// The keys with a listener's prefix that limit it. Others are about TLS and SASL, which no listener here speaks.
fn listener_limits(texts: &Texts) -> Result<BTreeMap<String, ListenerLimits>, InvalidValue> {
    let mut limits: BTreeMap<String, ListenerLimits> = BTreeMap::new();
    for (key, text) in texts {
        let Some((listener, base)) = split_listener_key(key) else { continue };
        let limit = limits.entry(listener.to_uppercase()).or_default();
        let field = match base {
            "max.connections" => &mut limit.max_connections,
            "max.connection.creation.rate" => &mut limit.max_connection_creation_rate,
            _ => continue,
        };
        let Some(row) = BROKER_KEYS.iter().find(|row| row.name == base) else { continue };
        let value = row.parse(Some(text)).map_err(|invalid| InvalidValue { key: key.clone(), ..invalid })?;
        *field = i32::from_value(&value);
    }
    Ok(limits)
}

/// `listener.name.<name>.<key>` as name and key.
pub(super) fn split_listener_key(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("listener.name.")?.split_once('.')
}
