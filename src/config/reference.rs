//! What people read about the keys: the reference page and the sample files, made from the tables.

use super::broker::{BROKER_KEYS, BrokerConfig};
use super::group::GROUP_KEYS;
use super::key::{ConfigKey, Default, Status, Type};
use super::ottla::OTTLA_KEYS;
use super::topic::TOPIC_KEYS;

/// The nodes there is a sample file for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sample {
    /// Broker and controller in one.
    Server,
    Broker,
    Controller,
}

impl Sample {
    /// Every sample.
    pub const ALL: [Sample; 3] = [Sample::Server, Sample::Broker, Sample::Controller];

    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Sample::Server => "server.properties",
            Sample::Broker => "broker.properties",
            Sample::Controller => "controller.properties",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Sample::Server => "One node that is broker and controller.",
            Sample::Broker => "A broker whose controllers run elsewhere.",
            Sample::Controller => "A controller without a broker.",
        }
    }

    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Sample::Server => &[
                ("process.roles", "broker,controller"),
                ("node.id", "1"),
                ("controller.quorum.bootstrap.servers", "localhost:9093"),
                ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
                ("advertised.listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
                ("controller.listener.names", "CONTROLLER"),
                ("log.dirs", "data"),
                ("offsets.topic.replication.factor", "1"),
                ("transaction.state.log.replication.factor", "1"),
                ("transaction.state.log.min.isr", "1"),
                ("share.coordinator.state.topic.replication.factor", "1"),
                ("share.coordinator.state.topic.min.isr", "1"),
            ],
            Sample::Broker => &[
                ("process.roles", "broker"),
                ("node.id", "2"),
                ("controller.quorum.bootstrap.servers", "localhost:9093"),
                ("listeners", "PLAINTEXT://:9092"),
                ("advertised.listeners", "PLAINTEXT://localhost:9092"),
                ("controller.listener.names", "CONTROLLER"),
                ("log.dirs", "data"),
            ],
            Sample::Controller => &[
                ("process.roles", "controller"),
                ("node.id", "1"),
                ("controller.quorum.bootstrap.servers", "localhost:9093"),
                ("listeners", "CONTROLLER://:9093"),
                ("advertised.listeners", "CONTROLLER://localhost:9093"),
                ("controller.listener.names", "CONTROLLER"),
                ("log.dirs", "data"),
            ],
        }
    }

    /// Keys worth knowing, shown with their defaults.
    fn hints(self) -> &'static [&'static str] {
        match self {
            Sample::Server | Sample::Broker => &[
                "num.partitions",
                "default.replication.factor",
                "auto.create.topics.enable",
                "log.retention.hours",
                "log.retention.bytes",
                "log.segment.bytes",
                "log.retention.check.interval.ms",
                "message.max.bytes",
                "log.flush.interval.messages",
                "num.recovery.threads.per.data.dir",
                "offsets.retention.minutes",
                "group.initial.rebalance.delay.ms",
                "socket.request.max.bytes",
                "max.connections",
                "connections.max.idle.ms",
            ],
            Sample::Controller => &[
                "num.partitions",
                "default.replication.factor",
                "metadata.log.max.record.bytes.between.snapshots",
                "metadata.max.retention.bytes",
                "broker.session.timeout.ms",
            ],
        }
    }

    /// The text of the file.
    pub fn text(self) -> String {
        let mut text =
            format!("# {}\n# All keys, what they mean and what they do here: docs/configuration.md\n", self.title());
        for (key, value) in self.settings() {
            let doc = BrokerConfig::key(key).map_or("", |row| row.doc);
            text.push_str(&format!("\n# {doc}\n{key}={value}\n"));
        }
        text.push_str("\n# Defaults of other keys worth knowing; remove the # to change them.\n");
        for row in self.hints().iter().filter_map(|key| BrokerConfig::key(key)).chain(OTTLA_KEYS) {
            let value = if let Default::Is(value) = row.default { value } else { "" };
            text.push_str(&format!("\n# {}\n#{}={value}\n", row.doc, row.name));
        }
        text
    }
}

/// The reference page, in Markdown.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Every key of Apache Kafka 4.3.1, and Ottla's own. This page is made from the tables in `src/config/`; \
         `UPDATE=1 cargo test --lib config::` writes it and the samples in `config/` anew.\n\n\
         A properties file is taken as it is. A key is *obeyed*, or *without effect*: then the start says so in one line, \
         with the reason below. Or it is *refused*: a value other than the default stops the start, because what guards \
         access is never accepted without effect. Unknown keys are warned about with the nearest known name; unknown keys \
         that begin with `ottla.` stop the start, as invalid values do.\n\n\
         Values may hold `${provider:path:key}` of a provider that `config.providers` names; the classes \
         `EnvVarConfigProvider`, `FileConfigProvider` and `DirectoryConfigProvider` of \
         `org.apache.kafka.common.config.provider` are known. `--override key=value` goes before the file.\n",
    );
    page.push_str("\n## Ottla's own keys\n\nThey stand in the properties file only.\n\n");
    page.push_str("| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n");
    for key in OTTLA_KEYS {
        page.push_str(&format!("| {} | {} |\n", facts(key), cell(key.doc)));
    }
    page.push_str("\n## Broker\n\n");
    page.push_str("| key | type | default | allowed | change | here | meaning |\n|---|---|---|---|---|---|---|\n");
    for key in sorted(BROKER_KEYS) {
        page.push_str(&format!("| {} | {} | {} | {} |\n", facts(key), key.mode, here(key), cell(key.doc)));
    }
    for (title, keys) in [("Topic", TOPIC_KEYS), ("Group", GROUP_KEYS)] {
        page.push_str(&format!("\n## {title}\n\n"));
        page.push_str(
            "| key | type | default | allowed | broker's key | here | meaning |\n|---|---|---|---|---|---|---|\n",
        );
        for key in sorted(keys) {
            let synonym = key.synonym.map_or(String::new(), |name| format!("`{name}`"));
            page.push_str(&format!("| {} | {synonym} | {} | {} |\n", facts(key), here(key), cell(key.doc)));
        }
    }
    page
}

fn sorted(keys: &'static [ConfigKey]) -> Vec<&'static ConfigKey> {
    let mut keys: Vec<&ConfigKey> = keys.iter().collect();
    keys.sort_by_key(|key| key.name);
    keys
}

/// What the key does here.
fn here(key: &ConfigKey) -> String {
    match key.status {
        Status::Obeyed => "obeyed".to_owned(),
        Status::WithoutEffect(reason) => cell(&format!("without effect: {reason}")),
        Status::Refused(reason) => cell(&format!("refused: {reason}")),
    }
}

fn facts(key: &ConfigKey) -> String {
    let default = match key.default {
        Default::Required => "required".to_owned(),
        default => cell(&default.to_string()),
    };
    let kind = if key.kind == Type::Password { "password, never shown" } else { key.kind.name() };
    format!("`{}` | {kind} | {default} | {}", key.name, cell(&key.valid.to_string()))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load;
    use crate::generated::check;

    #[test]
    fn the_reference_page_is_current() {
        check("docs/configuration.md", &reference_page());
    }

    #[test]
    fn the_samples_are_current_and_valid() {
        for sample in Sample::ALL {
            let path = format!("config/{}", sample.file_name());
            check(&path, &sample.text());
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            let loaded = load(Some(&path), &[], &|_| None).unwrap();
            assert_eq!(loaded.report.warnings, Vec::<String>::new());
        }
    }
}
