//! Reads the configuration the process starts with: a file, overrides, providers; then the verdict of the tables.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::broker::{BrokerConfig, Texts};
use super::container::{self, Container};
use super::derived::split_listener_key;
use super::error::{Allowed, ConfigError, Origin};
use super::guards;
use super::internal::{internal_key, is_open, without_effect};
use super::key::{ConfigKey, Status, Valid};
use super::nearest::nearest_key;
use super::ottla::{OTTLA_KEYS, PREFIX};
use super::properties::{self, escape_value};
use super::providers::{Environment, ProviderError, Providers};
use super::value::{InvalidValue, Value, Values};

/// What the process starts with, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    pub broker: Arc<StaticConfig>,
    pub report: StartupReport,
}

/// The layer of configuration that does not change while the process runs.
#[derive(Clone, Debug)]
pub struct StaticConfig {
    pub config: BrokerConfig,
    /// What was set, providers resolved.
    pub(super) texts: Texts,
    pub(super) values: Values,
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) built_in: bool,
}

/// Lines for the log at start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StartupReport {
    /// Keys that are set and do nothing here, with the reason.
    pub without_effect: Vec<(String, &'static str)>,
    /// Everything that deserves a warning: unknown keys with the nearest known name, doubtful values.
    pub warnings: Vec<String>,
}

impl StartupReport {
    /// One line that lists the keys without effect; `None` when there are none.
    pub fn without_effect_line(&self) -> Option<String> {
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, reason) in &self.without_effect {
            by_reason.entry(reason).or_default().push(key);
        }
        let groups: Vec<String> =
            by_reason.iter().map(|(reason, keys)| format!("{} ({reason})", keys.join(", "))).collect();
        (!groups.is_empty()).then(|| format!("set without effect: {}", groups.join("; ")))
    }

    /// All lines.
    pub fn lines(&self) -> Vec<String> {
        self.without_effect_line().into_iter().chain(self.warnings.iter().cloned()).collect()
    }
}

impl fmt::Display for StartupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// Reads `file`, or the built-in configuration when there is none, with `overrides` on top.
pub fn load(
    file: Option<&Path>,
    overrides: &[(String, String)],
    environment: Environment,
) -> Result<LoadedConfig, ConfigError> {
    let mut report = StartupReport::default();
    let mut source = match file {
        Some(path) => Source::read(path, &mut report)?,
        None => Source::built_in(),
    };
    source.override_with(overrides);
    judge(source, file.is_none(), report, environment)
}

/// As [`load`], with the variables of a container on top of the file, and a container's defaults below both.
pub fn load_container(
    file: Option<&Path>,
    container: &Container,
    overrides: &[(String, String)],
    environment: Environment,
) -> Result<LoadedConfig, ConfigError> {
    let mut report = StartupReport { warnings: container.warnings.clone(), ..StartupReport::default() };
    let mut source = match file {
        Some(path) => Source::read(path, &mut report)?,
        None => Source::empty(),
    };
    for (key, value, origin) in &container.settings {
        source.set(key, value, origin.clone());
    }
    for (key, value) in container::defaults(&source.texts, &Path::is_dir) {
        source.set(key, value, Origin::BuiltIn);
    }
    source.override_with(overrides);
    judge(source, false, report, environment)
}

/// The verdict of the tables on everything that is set.
fn judge(
    mut source: Source,
    built_in: bool,
    mut report: StartupReport,
    environment: Environment,
) -> Result<LoadedConfig, ConfigError> {
    source.resolve(environment, &mut report)?;
    source.judge_names(&mut report)?;
    source.populate_synonyms();
    let (config, values) = BrokerConfig::parse(&source.texts, built_in).map_err(|invalid| source.explain(invalid))?;
    source.judge_status(&config, &values, &mut report)?;
    source.judge_listeners(&config, &mut report)?;
    let Source { texts, origins, .. } = source;
    let broker = Arc::new(StaticConfig { config, texts, values, origins, built_in });
    Ok(LoadedConfig { broker, report })
}

/// The built-in configuration: one node on loopback with its data below the working directory.
pub const BUILT_IN: [(&str, &str); 11] = [
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.quorum.bootstrap.servers", "127.0.0.1:9093"),
    ("listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"),
    ("controller.listener.names", "CONTROLLER"),
    ("log.dirs", "data"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

impl StaticConfig {
    /// What the file and the overrides set, as Kafka's tools take it.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Where a key was set.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// Whether this process can be what the file wants: a node that is broker and the only controller.
    pub fn check_single_node(&self) -> Result<(), ConfigError> {
        let refused = |key: &str, reason: &str| {
            let value = self.texts.get(key).cloned().unwrap_or_default();
            let origin = self.origins.get(key).cloned();
            Err(ConfigError::Refused { origin, key: key.to_owned(), value, reason: reason.to_owned() })
        };
        let roles = self.config.process_roles;
        if !(roles.broker && roles.controller) {
            return refused("process.roles", "a node has to be both, set it to broker,controller");
        }
        if self.config.controller_quorum_voters.len() > 1 {
            let reason = "a quorum of several voters is not served; leave only this node's own entry";
            return refused("controller.quorum.voters", reason);
        }
        Ok(())
    }

    /// Whether nobody gave a file, so that the embedded default is in force.
    pub fn is_built_in(&self) -> bool {
        self.built_in
    }

    /// Writes a file with which a JVM broker starts on the same data: the settings in force, with absolute
    /// directories and without our own keys. An existing file is left alone.
    pub fn write_properties(&self, path: &Path) -> io::Result<()> {
        let mut file = match fs::OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            opened => opened?,
        };
        let mut text = String::from(
            "# The configuration this node was first started with; a JVM broker can be started with it too.\n",
        );
        for (key, value) in &self.texts {
            let absolute = |dir: &str| std::path::absolute(dir).map(|dir| dir.display().to_string());
            let value = match key.as_str() {
                "broker.id" => continue,
                own if own.starts_with(PREFIX) => continue,
                "log.dir" | "log.dirs" | "metadata.log.dir" | "cordoned.log.dirs" if value != "*" => {
                    let dirs: io::Result<Vec<_>> =
                        super::value::split_list(value).iter().map(|dir| absolute(dir)).collect();
                    dirs?.join(",")
                }
                _ => value.clone(),
            };
            text.push_str(&format!("{key}={}\n", escape_value(&value)));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// What is set, and where.
struct Source {
    texts: Texts,
    origins: BTreeMap<String, Origin>,
}

impl Source {
    fn read(path: &Path, report: &mut StartupReport) -> Result<Source, ConfigError> {
        let bytes = fs::read(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        let shared: Arc<Path> = path.into();
        let place = |line| Origin::File { path: Arc::clone(&shared), line };
        let properties = properties::parse(&bytes)
            .map_err(|error| ConfigError::Syntax { origin: place(error.line), reason: error.reason })?;
        let mut source = Source::empty();
        for property in properties {
            let place = place(property.line);
            if let Some(earlier) = source.origins.get(&property.key) {
                report
                    .warnings
                    .push(format!("{place}: {} was set at {earlier} already; the later one counts", property.key));
            }
            source.set(&property.key, &property.value, place);
        }
        Ok(source)
    }

    fn empty() -> Source {
        Source { texts: Texts::new(), origins: BTreeMap::new() }
    }

    fn built_in() -> Source {
        let mut source = Source::empty();
        for (key, value) in BUILT_IN {
            source.set(key, value, Origin::BuiltIn);
        }
        source
    }

    fn set(&mut self, key: &str, value: &str, origin: Origin) {
        self.texts.insert(key.to_owned(), value.to_owned());
        self.origins.insert(key.to_owned(), origin);
    }

    fn override_with(&mut self, overrides: &[(String, String)]) {
        for (key, value) in overrides {
            self.set(key, value, Origin::Override);
        }
    }

    fn resolve(&mut self, environment: Environment, report: &mut StartupReport) -> Result<(), ConfigError> {
        let providers = match Providers::declared(&self.texts, environment) {
            Ok(providers) => providers,
            Err(ProviderError { key, reason }) => return Err(self.invalid(&key, &reason, "")),
        };
        let mut resolved = Texts::new();
        for (key, text) in &self.texts {
            let value = providers.resolve(text).map_err(|reason| self.invalid(key, &reason, ""))?;
            if let Some(provider) = ["env", "file", "dir"].iter().find(|name| value.contains(&format!("${{{name}:"))) {
                let place = self.origins.get(key).map_or(String::new(), |origin| format!("{origin}: "));
                report.warnings.push(format!(
                    "{place}{key} keeps its ${{{provider}:…}} as text, because config.providers does not name {provider}"
                ));
            }
            resolved.insert(key.clone(), value);
        }
        self.texts = resolved;
        Ok(())
    }

    /// `node.id` and its old name stand for each other.
    fn populate_synonyms(&mut self) {
        for (from, to) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
            if let (Some(text), false) = (self.texts.get(from).cloned(), self.texts.contains_key(to)) {
                let origin = self.origins.get(from).cloned().unwrap_or(Origin::BuiltIn);
                self.set(to, &text, origin);
            }
        }
    }

    /// Warns of names nobody knows, except those that only plugins read. Unknown names of our own are errors.
    fn judge_names(&self, report: &mut StartupReport) -> Result<(), ConfigError> {
        for key in self.texts.keys() {
            if known(key) {
                continue;
            }
            let nearest = nearest_key(base_name(key));
            let origin = self.origins.get(key).cloned();
            let unknown = ConfigError::Unknown { origin, key: key.clone(), nearest };
            if key.starts_with(PREFIX) {
                return Err(unknown);
            }
            report.warnings.push(unknown.to_string());
        }
        Ok(())
    }

    /// Lists what has no effect and stops at what is refused.
    fn judge_status(
        &self,
        config: &BrokerConfig,
        values: &Values,
        report: &mut StartupReport,
    ) -> Result<(), ConfigError> {
        for (key, text) in &self.texts {
            let base = base_name(key);
            let Some(row) = BrokerConfig::key(base) else {
                report.without_effect.extend(without_effect(base).map(|reason| (key.clone(), reason)));
                continue;
            };
            match row.status {
                Status::Obeyed => {}
                Status::WithoutEffect(_) if self.origins.get(key) == Some(&Origin::BuiltIn) => {}
                Status::WithoutEffect(reason) => report.without_effect.push((key.clone(), reason)),
                Status::Refused(reason) => {
                    let value =
                        if key == base { values.of(row.name).clone() } else { self.listener_value(row, key, text)? };
                    if is_refused(row, &value) {
                        let value = if row.sensitive() { "[hidden]".to_owned() } else { text.clone() };
                        let origin = self.origins.get(key).cloned();
                        let is_guard = guards::is_guard(row);
                        if is_guard && config.ottla_takeover_ignore_security {
                            report.warnings.push(guards::ignored(&format!("{key}={value}"), reason));
                            continue;
                        }
                        let remedy = if is_guard { guards::REMEDY } else { "" };
                        let reason = format!("{reason}{remedy}");
                        return Err(ConfigError::Refused { origin, key: key.clone(), value, reason });
                    }
                }
            }
        }
        Ok(())
    }

    fn listener_value(&self, row: &ConfigKey, key: &str, text: &str) -> Result<Value, ConfigError> {
        row.parse(Some(text)).map_err(|invalid| self.explain(InvalidValue { key: key.to_owned(), ..invalid }))
    }

    /// A listener that promises more than plaintext must not be opened as plaintext.
    fn judge_listeners(&self, config: &BrokerConfig, report: &mut StartupReport) -> Result<(), ConfigError> {
        let refused = |value: String, reason: String| {
            let (origin, key) = (self.origins.get("listeners").cloned(), "listeners".to_owned());
            Err(ConfigError::Refused { origin, key, value, reason })
        };
        if let Some(listener) = guards::secured(&config.listeners) {
            return refused(listener.to_string(), format!("{}{}", guards::not_served(listener), guards::REMEDY));
        }
        if config.process_roles.broker && config.advertised_listeners.is_empty() {
            let closed: Vec<String> = config.closed_listeners.iter().map(ToString::to_string).collect();
            let reason = "none of them is a PLAINTEXT listener for clients, so nothing could be served; add one";
            return refused(closed.join(","), reason.to_owned());
        }
        let closed = config.closed_listeners.iter();
        report.warnings.extend(
            closed.map(|listener| guards::ignored(&format!("listener {listener}"), &guards::stays_closed(listener))),
        );
        Ok(())
    }

    fn explain(&self, invalid: InvalidValue) -> ConfigError {
        let row = BrokerConfig::key(base_name(&invalid.key))
            .or_else(|| OTTLA_KEYS.iter().find(|row| row.name == invalid.key));
        let allowed = row.map(|row| match row.valid {
            Valid::Any => row.kind.name().to_owned(),
            valid => match valid.to_string().as_str() {
                "" => row.kind.name().to_owned(),
                valid => format!("{} {valid}", row.kind.name()),
            },
        });
        self.invalid(&invalid.key, &invalid.message, &allowed.unwrap_or_default())
    }

    fn invalid(&self, key: &str, message: &str, allowed: &str) -> ConfigError {
        let text = self.texts.get(key);
        let sensitive = BrokerConfig::key(base_name(key)).is_some_and(ConfigKey::sensitive);
        let message = match text {
            Some(text) if !sensitive && !message.contains(text.as_str()) => format!("{key}={text}: {message}"),
            _ if message.contains(key) => message.to_owned(),
            _ => format!("{key}: {message}"),
        };
        ConfigError::Invalid {
            origin: self.origins.get(key).cloned(),
            key: key.to_owned(),
            message,
            allowed: Allowed(allowed.to_owned()),
        }
    }
}

/// Whether a refused key has a value that matters: anything but its default, and not nothing.
pub(super) fn is_refused(row: &ConfigKey, value: &Value) -> bool {
    let default = row.parse(None).unwrap_or(Value::Null);
    *value != default && *value != Value::Null && *value != Value::Text(String::new())
}

fn known(key: &str) -> bool {
    let base = base_name(key);
    BrokerConfig::key(base).is_some()
        || OTTLA_KEYS.iter().any(|row| row.name == key)
        || internal_key(base).is_some()
        || without_effect(base).is_some()
        || is_open(key)
}

/// A key without its listener's prefix, and without a SASL mechanism's.
pub(super) fn base_name(key: &str) -> &str {
    let Some((_, base)) = split_listener_key(key) else { return key };
    const PER_MECHANISM: [&str; 5] = [
        "sasl.jaas.config",
        "sasl.login.callback.handler.class",
        "sasl.login.class",
        "sasl.server.callback.handler.class",
        "connections.max.reauth.ms",
    ];
    PER_MECHANISM.into_iter().find(|name| base.ends_with(name)).unwrap_or(base)
}
