//! The broker's configuration as the rest of the program sees it: typed, checked, and one field per key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::derived;
use super::key::Default::{Is, Null, Required};
use super::key::Status::{Obeyed, Refused, WithoutEffect};
use super::key::Valid::*;
use super::key::{ConfigKey, Type, UpdateMode};
use super::listeners::Listener;
use super::ottla::LogFormat;
use super::rules;
use super::table::reasons::*;
use super::topic::TopicConfig;
use super::topic_patterns::TopicPatterns;
use super::value::{InvalidValue, Values};

/// Texts by key: what a layer of configuration sets.
pub type Texts = BTreeMap<String, String>;

macro_rules! declare {
    (; $($($field:ident: $type:ty =)? $key:literal, $kind:ident, $default:expr, $valid:expr, $mode:ident, $status:expr, $doc:literal;)*) => {
        /// Every broker key that Kafka 4.3.1 documents.
        pub const BROKER_KEYS: &[ConfigKey] = &[$(
            ConfigKey {
                name: $key,
                kind: Type::$kind,
                default: $default,
                valid: $valid,
                mode: UpdateMode::$mode,
                status: $status,
                synonym: None,
                doc: $doc,
            },
        )*];

        /// The broker's configuration. A field spells its key; those whose value takes several keys, or more than a
        /// number or a text, are described where they are declared.
        #[derive(Clone, PartialEq, Debug)]
        pub struct BrokerConfig {
            $($(#[doc = $doc] pub $field: $type,)?)*
            /// What this process does (`process.roles`).
            pub process_roles: ProcessRoles,
            /// Everything that is opened here (`listeners`), controllers' listeners included.
            pub listeners: Vec<Listener>,
            /// `controller.listener.names`, as written.
            pub controller_listener_names: Vec<String>,
            /// What clients and brokers are told (`advertised.listeners`), without the controllers' listeners.
            pub advertised_listeners: Vec<Listener>,
            /// What other controllers are told.
            pub advertised_controller_listeners: Vec<Listener>,
            /// Nobody said what to advertise: clients are told the address they came by.
            pub advertises_arrival_address: bool,
            /// The name, in capitals, of the listener that brokers use among themselves.
            pub inter_broker_listener_name: String,
            /// The fixed voters; empty for a dynamic quorum.
            pub controller_quorum_voters: Vec<Voter>,
            /// Where a dynamic quorum is found: hosts and ports.
            pub controller_quorum_bootstrap_servers: Vec<(String, u16)>,
            /// `log.dirs`, or `log.dir`.
            pub log_dirs: Vec<PathBuf>,
            /// `metadata.log.dir`, or the first data directory.
            pub metadata_log_dir: PathBuf,
            /// The data directories that get no new partitions.
            pub cordoned_log_dirs: Vec<PathBuf>,
            /// Exceptions to `max.connections.per.ip`, by host.
            pub max_connections_per_ip_overrides: BTreeMap<String, i32>,
            /// Limits of single listeners (`listener.name.<name>.…`), by name in capitals.
            pub listener_limits: BTreeMap<String, ListenerLimits>,
            /// What a topic has that overrides nothing.
            pub topic_defaults: TopicConfig,
            /// `unstable.api.versions.enable`: also versions of APIs that Kafka may still change.
            pub unstable_api_versions_enable: bool,
            /// `ottla.sync.ack.topics`: whose records count once they are synced.
            pub ottla_sync_ack_topics: TopicPatterns,
            /// `ottla.admin.listener`: host and port of health and metrics; `None` when switched off.
            pub ottla_admin_listener: Option<(String, u16)>,
            /// `ottla.log.format`.
            pub ottla_log_format: LogFormat,
            /// `ottla.request.memory.bytes`: what all requests in hand may hold together.
            pub ottla_request_memory_bytes: u64,
            /// `ottla.takeover.ignore.security`: starts although what guards access is not enforced.
            pub ottla_takeover_ignore_security: bool,
            /// Whether an authorizer is configured that is not asked because security is ignored.
            pub ignored_authorizer: bool,
            /// The listeners that are not opened because their protocol is not served and security is ignored.
            pub closed_listeners: Vec<Listener>,
            /// `ottla.disk.reserve.bytes`: what is kept free on the disks of the log directories.
            pub ottla_disk_reserve_bytes: Option<u64>,
            /// `ottla.scrub.bytes.per.second`: how fast logs are looked through for damage; 0 for never.
            pub ottla_scrub_bytes_per_second: u64,
        }

        impl BrokerConfig {
            fn assemble(values: &Values, derived: derived::Derived) -> BrokerConfig {
                BrokerConfig {
                    $($($field: values.get($key),)?)*
                    process_roles: derived.process_roles,
                    listeners: derived.listeners,
                    controller_listener_names: derived.controller_listener_names,
                    advertised_listeners: derived.advertised_listeners,
                    advertised_controller_listeners: derived.advertised_controller_listeners,
                    advertises_arrival_address: derived.advertises_arrival_address,
                    inter_broker_listener_name: derived.inter_broker_listener_name,
                    controller_quorum_voters: derived.controller_quorum_voters,
                    controller_quorum_bootstrap_servers: derived.controller_quorum_bootstrap_servers,
                    log_dirs: derived.log_dirs,
                    metadata_log_dir: derived.metadata_log_dir,
                    cordoned_log_dirs: derived.cordoned_log_dirs,
                    max_connections_per_ip_overrides: derived.max_connections_per_ip_overrides,
                    listener_limits: derived.listener_limits,
                    topic_defaults: derived.topic_defaults,
                    unstable_api_versions_enable: derived.unstable_api_versions_enable,
                    ottla_sync_ack_topics: derived.sync_ack_topics,
                    ottla_admin_listener: derived.ottla.admin_listener,
                    ottla_log_format: derived.ottla.log_format,
                    ottla_request_memory_bytes: derived.ottla.request_memory_bytes,
                    ottla_takeover_ignore_security: derived.ottla.takeover_ignore_security,
                    ignored_authorizer: derived.ignored_authorizer,
                    closed_listeners: derived.closed_listeners,
                    ottla_disk_reserve_bytes: derived.ottla.disk_reserve_bytes,
                    ottla_scrub_bytes_per_second: derived.ottla.scrub_bytes_per_second,
                }
            }
        }

        #[cfg(test)]
        pub(super) const FIELDS: &[(&str, &str)] = &[$($(($key, stringify!($field)),)?)*];
    };
}
broker_keys! { declare }

/// Keys that exist only as dynamic configs: DescribeConfigs leaves them out until they are set.
pub const DYNAMIC_ONLY: [&str; 3] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// What a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcessRoles {
    pub broker: bool,
    pub controller: bool,
}

/// A voter of a fixed quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voter {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

/// Limits that a listener has of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListenerLimits {
    pub max_connections: Option<i32>,
    pub max_connection_creation_rate: Option<i32>,
}

impl BrokerConfig {
    /// Reads and checks the keys that are set, `built_in` when no file says what to listen on.
    pub fn parse(texts: &Texts, built_in: bool) -> Result<(BrokerConfig, Values), InvalidValue> {
        let values = Values::parse(BROKER_KEYS, |key| texts.get(key).map(String::as_str))?;
        let mut derived = derived::derive(&values, texts, built_in)?;
        rules::check(&values, texts, &derived)?;
        if derived.ottla.takeover_ignore_security {
            derived.close_secured();
        }
        Ok((BrokerConfig::assemble(&values, derived), values))
    }

    /// The row of a broker key.
    pub fn key(name: &str) -> Option<&'static ConfigKey> {
        BROKER_KEYS.iter().find(|key| key.name == name)
    }

    /// Whether a listener serves controllers.
    pub fn is_controller_listener(&self, name: &str) -> bool {
        self.controller_listener_names.iter().any(|controller| controller.eq_ignore_ascii_case(name))
    }

    /// The listeners that clients and brokers connect to.
    pub fn broker_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| !self.is_controller_listener(&listener.name))
    }

    /// The listeners that serve controllers.
    pub fn controller_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| self.is_controller_listener(&listener.name))
    }
}
