//! What a container takes from its environment: the variables of Kafka's own image, as its settings.
//!
//! `KAFKA_ADVERTISED_LISTENERS` is `advertised.listeners`: `_` stands for a dot, `__` for an underscore and `___` for a
//! hyphen. Source: `kafka.docker.KafkaDockerWrapper`, and the scripts of the image around it.

use std::path::Path;

use super::broker::Texts;
use super::error::{ConfigError, Origin};
use super::properties;
use crate::logging::{LogLevel, UnknownLevel};

/// The cluster that a new container begins unless `CLUSTER_ID` names another; the same as with Kafka's image.
const CLUSTER_ID: &str = "5L6g3nShT-eMCtK--X86sw";
/// Where a container keeps its data when nothing says otherwise: the volume of the image.
const LOG_DIR: &str = "/var/lib/kafka/data";
/// Where Kafka's image keeps it, without any setting and with some but `log.dirs`. Neither is a volume; whoever
/// mounted one there means it.
const LOG_DIRS_OF_KAFKA: [&str; 2] = ["/tmp/kraft-combined-logs", "/tmp/kafka-logs"];
/// Variables of the image that are no settings of a broker, with the reason why they do nothing here.
const WITHOUT_EFFECT: [(&str, &str); 9] = [
    ("KAFKA_VERSION", ""),
    ("KAFKA_HEAP_OPTS", NO_JVM),
    ("KAFKA_OPTS", NO_JVM),
    ("KAFKA_JMX_OPTS", NO_JVM),
    ("KAFKA_JMX_HOSTNAME", NO_JVM),
    ("KAFKA_JVM_PERFORMANCE_OPTS", NO_JVM),
    ("KAFKA_GC_LOG_OPTS", NO_JVM),
    ("KAFKA_LOG4J_OPTS", NO_JVM),
    (
        "KAFKA_LOG4J_LOGGERS",
        "loggers have other names here; `kafka-configs --entity-type broker-loggers` lists and changes them",
    ),
];
const NO_JVM: &str = "there is no JVM";
/// It says how much the broker logs.
const LOG_LEVEL: &str = "KAFKA_LOG4J_ROOT_LOGLEVEL";
/// It says how much tools log, which is nothing unless they fail.
const TOOL_LOG_LEVEL: &str = "KAFKA_TOOLS_LOG4J_LOGLEVEL";

/// One node that clients on the same machine reach at `localhost:9092`; in force when nothing is set.
const DEFAULTS: [(&str, &str); 12] = [
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.quorum.voters", "1@localhost:9093"),
    ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("advertised.listeners", "PLAINTEXT://localhost:9092"),
    ("controller.listener.names", "CONTROLLER"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

/// What the environment of a container says.
#[derive(Clone, Debug)]
pub struct Container {
    /// Key, value and where it was set.
    pub(super) settings: Vec<(String, String, Origin)>,
    /// The cluster that empty directories are formatted for.
    pub cluster_id: String,
    /// How much is logged, if a variable says so.
    pub log_level: Option<LogLevel>,
    /// Variables that are set and do nothing.
    pub(super) warnings: Vec<String>,
}

impl Container {
    /// Reads the variables; those of others are passed over.
    pub fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Container, ConfigError> {
        let mut container = Container {
            settings: Vec::new(),
            cluster_id: CLUSTER_ID.to_owned(),
            log_level: None,
            warnings: Vec::new(),
        };
        for (name, text) in variables {
            match (name.as_str(), name.strip_prefix("KAFKA_")) {
                ("CLUSTER_ID", _) if !text.is_empty() => container.cluster_id = text,
                (LOG_LEVEL, _) if !text.is_empty() => container.log_level = Some(level(&text)?),
                (LOG_LEVEL, _) => {}
                (TOOL_LOG_LEVEL, _) => {}
                (_, Some(rest)) => match WITHOUT_EFFECT.iter().find(|(variable, _)| *variable == name) {
                    Some((_, "")) => {}
                    Some((_, reason)) => {
                        container.warnings.push(format!("environment variable {name} has no effect: {reason}"));
                    }
                    None => container.set(&key(rest), &text, Origin::Variable(name))?,
                },
                _ => {}
            }
        }
        container.settings.sort_by(|a, b| a.0.cmp(&b.0));
        container.listen_where_advertised();
        Ok(container)
    }

    /// The value is read as it would be from the properties file that Kafka's image writes it to.
    fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let syntax = |reason: String| ConfigError::Syntax { origin: origin.clone(), reason };
        let read = properties::parse(format!("value={text}").as_bytes()).map_err(|error| syntax(error.reason))?;
        match <[properties::Property; 1]>::try_from(read) {
            Ok([property]) => {
                self.settings.push((key.to_owned(), property.value, origin));
                Ok(())
            }
            Err(_) => Err(syntax("the value has several lines; end each but the last with a backslash".to_owned())),
        }
    }

    /// Without `listeners`, every address is listened at, with the ports that are advertised.
    fn listen_where_advertised(&mut self) {
        let found = |key: &str| self.settings.iter().find(|(name, ..)| name == key);
        if found("listeners").is_some() {
            return;
        }
        if let Some((_, advertised, origin)) = found("advertised.listeners").cloned() {
            let listeners: Vec<_> = advertised.split(',').map(anywhere).collect();
            self.settings.push(("listeners".to_owned(), listeners.join(","), origin));
        }
    }
}

/// What holds beside `texts`, all that a file and the environment say.
pub(super) fn defaults(texts: &Texts, is_directory: &dyn Fn(&Path) -> bool) -> Vec<(&'static str, &'static str)> {
    let mut defaults = if texts.is_empty() { DEFAULTS.to_vec() } else { Vec::new() };
    if !texts.contains_key("log.dirs") && !texts.contains_key("log.dir") {
        let mounted = LOG_DIRS_OF_KAFKA.into_iter().find(|dir| is_directory(Path::new(dir)));
        defaults.push(("log.dirs", mounted.unwrap_or(LOG_DIR)));
    }
    defaults
}

fn level(text: &str) -> Result<LogLevel, ConfigError> {
    text.parse().map_err(|error: UnknownLevel| ConfigError::Syntax {
        origin: Origin::Variable(LOG_LEVEL.to_owned()),
        reason: error.to_string(),
    })
}

/// The key that the rest of a variable's name, after `KAFKA_`, stands for.
fn key(rest: &str) -> String {
    rest.to_lowercase().replace('_', ".").replace("...", "-").replace("..", "_")
}

/// A listener on all addresses instead of its own.
fn anywhere(listener: &str) -> String {
    match (listener.split_once("://"), listener.rsplit_once(':')) {
        (Some((name, _)), Some((_, port))) => format!("{}://0.0.0.0:{port}", name.trim()),
        _ => listener.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Container {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Container::read(owned).expect("a readable environment")
    }

    fn settings(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        read(variables).settings.into_iter().map(|(key, value, _)| (key, value)).collect()
    }

    #[test]
    fn variables_become_keys_as_kafkas_image_maps_them() {
        for (variable, expected) in [
            ("NODE_ID", "node.id"),
            ("LISTENER_NAME_CLIENT___ONE_SASL_ENABLED_MECHANISMS", "listener.name.client-one.sasl.enabled.mechanisms"),
            ("A__B_C", "a_b.c"),
            ("OTTLA_ADMIN_LISTENER", "ottla.admin.listener"),
        ] {
            assert_eq!(key(variable), expected);
        }
        assert_eq!(settings(&[("PATH", "/bin"), ("KAFKA", "x"), ("kafka_node_id", "1"), ("KAFKA_VERSION", "4")]), []);
        let one = settings(&[("KAFKA_NODE_ID", " 1"), ("KAFKA_LOG_DIRS", "/a\\\\b")]);
        assert_eq!(one, [("log.dirs".into(), "/a\\b".into()), ("node.id".into(), "1".into())]);
        assert!(Container::read([("KAFKA_NODE_ID".into(), "1\nprocess.roles=broker".into())]).is_err());
    }

    #[test]
    fn what_is_no_setting_is_told_or_obeyed() {
        let container = read(&[
            ("KAFKA_HEAP_OPTS", "-Xmx1G"),
            ("KAFKA_LOG4J_ROOT_LOGLEVEL", "DEBUG"),
            ("KAFKA_TOOLS_LOG4J_LOGLEVEL", "ERROR"),
            ("CLUSTER_ID", "ours"),
        ]);
        assert_eq!(container.warnings, ["environment variable KAFKA_HEAP_OPTS has no effect: there is no JVM"]);
        assert_eq!((container.log_level, container.cluster_id.as_str()), (Some(LogLevel::Debug), "ours"));
        assert_eq!(read(&[("CLUSTER_ID", "")]).cluster_id, CLUSTER_ID);
        assert!(Container::read([(LOG_LEVEL.into(), "LOUD".into())]).is_err());
    }

    #[test]
    fn listeners_follow_what_is_advertised() {
        let advertised = ("KAFKA_ADVERTISED_LISTENERS", "IN://kafka:19092,OUT://[::1]:9092");
        let found = settings(&[advertised]);
        assert_eq!(found[1], ("listeners".into(), "IN://0.0.0.0:19092,OUT://0.0.0.0:9092".into()));
        assert_eq!(settings(&[advertised, ("KAFKA_LISTENERS", "IN://:1")])[1], ("listeners".into(), "IN://:1".into()));
    }

    #[test]
    fn nothing_set_means_one_node_on_the_volume() {
        let nowhere = |_: &Path| false;
        assert_eq!(defaults(&Texts::new(), &nowhere).len(), DEFAULTS.len() + 1);
        let some = Texts::from([("node.id".to_owned(), "1".to_owned())]);
        assert_eq!(defaults(&some, &nowhere), [("log.dirs", LOG_DIR)]);
        let mounted = |dir: &Path| dir == Path::new("/tmp/kafka-logs");
        assert_eq!(defaults(&some, &mounted), [("log.dirs", "/tmp/kafka-logs")]);
        let told = Texts::from([("log.dir".to_owned(), "/x".to_owned())]);
        assert_eq!(defaults(&told, &mounted), []);
    }
}
