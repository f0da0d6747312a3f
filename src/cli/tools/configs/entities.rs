//! Whose configs a call is about.

use std::net::ToSocketAddrs;

use super::super::Arguments;
use super::Failed;

pub(super) const TOPICS: &str = "topics";
pub(super) const CLIENTS: &str = "clients";
pub(super) const USERS: &str = "users";
pub(super) const BROKERS: &str = "brokers";
pub(super) const BROKER_LOGGERS: &str = "broker-loggers";
pub(super) const IPS: &str = "ips";
pub(super) const CLIENT_METRICS: &str = "client-metrics";
pub(super) const GROUPS: &str = "groups";

/// The types, in the order in which Kafka names them.
const TYPES: [&str; 8] = [TOPICS, CLIENTS, USERS, BROKERS, IPS, CLIENT_METRICS, GROUPS, BROKER_LOGGERS];

/// Flags that name an entity together with its type.
const FLAGS: [(&str, &str); 8] = [
    ("topic", TOPICS),
    ("client", CLIENTS),
    ("user", USERS),
    ("broker", BROKERS),
    ("broker-logger", BROKER_LOGGERS),
    ("ip", IPS),
    ("client-metrics", CLIENT_METRICS),
    ("group", GROUPS),
];

/// Flags that mean the default entity of a type.
const DEFAULTS: [(&str, &str); 4] =
    [("client-defaults", CLIENTS), ("user-defaults", USERS), ("broker-defaults", BROKERS), ("ip-defaults", IPS)];

/// Types and names; an empty name is the default entity. There may be fewer names than types.
pub(super) struct Entities {
    pub types: Vec<String>,
    pub names: Vec<String>,
}

impl Entities {
    /// Reads them from the flags and checks that they make sense together.
    pub(super) fn read(arguments: &Arguments) -> Result<Entities, Failed> {
        let given = |flags: &[(&str, &'static str)]| {
            let given = flags.iter().filter(|(flag, _)| arguments.has(flag)).map(|(_, kind)| kind.to_string());
            given.collect::<Vec<String>>()
        };
        let mut types: Vec<String> = arguments.values("entity-type").into_iter().map(str::to_owned).collect();
        types.extend(given(&FLAGS));
        types.extend(given(&DEFAULTS));
        let mut names = Vec::new();
        for (flag, value) in arguments.in_order() {
            match flag {
                "entity-name" => names.push(value.unwrap_or_default().to_owned()),
                "entity-default" => names.push(String::new()),
                _ => {}
            }
        }
        for (flag, _) in FLAGS {
            if let Some(name) = arguments.value(flag)? {
                names.push(name.to_owned());
            }
        }
        names.extend(given(&DEFAULTS).iter().map(|_| String::new()));
        let entities = Entities { types, names };
        entities.check(arguments)?;
        Ok(entities)
    }

    /// The type that decides what is done.
    pub(super) fn kind(&self) -> &str {
        self.types.first().map_or("", String::as_str)
    }

    fn has(&self, kind: &str) -> bool {
        self.types.iter().any(|present| present == kind)
    }

    fn check(&self, arguments: &Arguments) -> Result<(), Failed> {
        self.check_types(arguments)?;
        self.check_names(arguments)?;
        let joined = self.types.join(",");
        let has_name = self.names.iter().any(|name| !name.is_empty());
        let has_default = self.names.iter().any(String::is_empty);
        let knows_default = [USERS, CLIENTS, BROKERS, IPS].iter().any(|kind| self.has(kind));
        if arguments.has("describe") {
            if !knows_default && arguments.has("entity-default") {
                return wrong(format!("--entity-default must not be specified with --describe of {joined}"));
            }
            if self.has(BROKER_LOGGERS) && !has_name {
                return wrong(format!("An entity name must be specified with --describe of {joined}"));
            }
            return Ok(());
        }
        if knows_default && !has_name && !has_default {
            return wrong(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            );
        }
        if !knows_default && !has_name {
            return wrong(format!("An entity name must be specified with --alter of {joined}"));
        }
        if arguments.has("add-config") && arguments.has("add-config-file") {
            return wrong("Only one of --add-config or --add-config-file must be specified");
        }
        if arguments.count(&["add-config", "add-config-file", "delete-config"]) == 0 {
            return wrong(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            );
        }
        match self.types.len() == self.names.len() {
            true => Ok(()),
            false => wrong("An entity name must be specified for every entity type"),
        }
    }

    fn check_types(&self, arguments: &Arguments) -> Result<(), Failed> {
        let mut twice: Vec<&str> = Vec::new();
        for (at, kind) in self.types.iter().enumerate() {
            if self.types[..at].contains(kind) {
                twice.push(kind);
            }
        }
        if !twice.is_empty() {
            return wrong(format!("Duplicate entity type(s) specified: {}", twice.join(",")));
        }
        if arguments.count(&["bootstrap-server", "bootstrap-controller"]) == 0 {
            return wrong("Either --bootstrap-server or --bootstrap-controller must be specified.");
        }
        if let Some(unknown) = self.types.iter().find(|kind| !TYPES.contains(&kind.as_str())) {
            return wrong(format!(
                "Invalid entity type {unknown}, the entity type must be one of {} with a --bootstrap-server or \
                 --bootstrap-controller argument",
                TYPES.join(", ")
            ));
        }
        let is_user_and_client = self.types.len() == 2 && self.has(USERS) && self.has(CLIENTS);
        match self.types.len() {
            0 => return wrong("At least one entity type must be specified"),
            1 => {}
            _ if is_user_and_client => {}
            _ => return wrong("Only 'users' and 'clients' entity types may be specified together"),
        }
        let generic = arguments.count(&["entity-name", "entity-type", "entity-default"]) > 0;
        if generic && FLAGS.iter().chain(&DEFAULTS).any(|(flag, _)| arguments.has(flag)) {
            return wrong("--entity-{type,name,default} should not be used in conjunction with specific entity flags");
        }
        match arguments.count(&["bootstrap-server", "bootstrap-controller"]) {
            2 => wrong("Only one of --bootstrap-server or --bootstrap-controller can be specified"),
            _ => Ok(()),
        }
    }

    fn check_names(&self, arguments: &Arguments) -> Result<(), Failed> {
        let mut names = self.names.iter().filter(|name| !name.is_empty());
        let kind = self.kind();
        if self.has(BROKERS) || self.has(BROKER_LOGGERS) {
            arguments.value("entity-name")?;
            if let Some(name) = names.clone().find(|name| name.parse::<i32>().is_err()) {
                return wrong(format!(
                    "The entity name for {kind} must be a valid integer broker id, but it is: {name}"
                ));
            }
        }
        if self.has(IPS)
            && let Some(name) = names.find(|name| (name.as_str(), 0).to_socket_addrs().is_err())
        {
            return wrong(format!(
                "The entity name for {kind} must be a valid IP or resolvable host, but it is: {name}"
            ));
        }
        Ok(())
    }
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Failed> {
    Err(Failed::Wrong(message.into()))
}
