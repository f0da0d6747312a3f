//! The tables against the facts, and whole configurations from file to verdict.

mod dynamic;
mod honest;

use std::fs;

use super::key::ConfigKey;
use super::*;

/// The facts about Kafka 4.3.1, taken from its own documentation.
const FACTS: &str = include_str!("../fixtures/kafka-4.3.1.txt");

fn facts(section: &str) -> Vec<String> {
    let header = format!("[{section}]");
    let lines = FACTS.lines().skip_while(|line| *line != header).skip(1);
    let mut facts: Vec<String> = lines.take_while(|line| !line.starts_with('[')).map(str::to_owned).collect();
    facts.sort();
    facts
}

fn rows(keys: &[ConfigKey], last: impl Fn(&ConfigKey) -> String) -> Vec<String> {
    let row = |key: &ConfigKey| format!("{}|{}|{}|{}|{}", key.name, key.kind.name(), key.default, key.valid, last(key));
    let mut rows: Vec<String> = keys.iter().map(row).collect();
    rows.sort();
    rows
}

#[test]
fn the_tables_have_every_key_of_kafka() {
    assert_eq!(rows(BROKER_KEYS, |key| key.mode.to_string()), facts("broker"));
    assert_eq!(rows(TOPIC_KEYS, |key| key.synonym.unwrap_or("null").to_owned()), facts("topic"));
    let groups = facts("group");
    assert_eq!(rows(GROUP_KEYS, |_| String::new()), groups);
    assert_eq!((BROKER_KEYS.len(), TOPIC_KEYS.len(), GROUP_KEYS.len()), (343, 33, 17));
}

#[test]
fn fields_spell_their_keys() {
    for (key, field) in broker::FIELDS.iter().chain(topic::FIELDS).chain(group::FIELDS) {
        assert_eq!(key.replace('.', "_"), *field);
    }
}

#[test]
fn synonyms_exist() {
    for key in TOPIC_KEYS.iter().chain(GROUP_KEYS) {
        assert!(key.synonym.is_none_or(|name| BrokerConfig::key(name).is_some()), "{}", key.name);
    }
}

fn load_text(text: &str) -> Result<LoadedConfig, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.properties");
    fs::write(&path, text).unwrap();
    load(Some(&path), &[], &|_| None)
}

const COMBINED: &str = "process.roles=broker,controller
node.id=7
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=localhost:9093
log.dirs=/tmp/a,/tmp/b
";

/// The error of a combined node's file with `extra` at its end, without the directory.
fn refusal(extra: &str) -> String {
    let error = load_text(&format!("{COMBINED}{extra}")).expect_err(extra).to_string();
    error.split_once("server.properties:").map(|(_, rest)| rest.to_owned()).unwrap_or(error)
}

#[test]
fn the_built_in_configuration_is_valid() {
    let loaded = load(None, &[], &|_| None).unwrap();
    let config = &loaded.broker.config;
    assert_eq!(config.node_id, 1);
    assert_eq!(config.advertised_listeners[0].to_string(), "PLAINTEXT://127.0.0.1:9092");
    assert!(config.advertises_arrival_address);
    assert_eq!(config.offsets_topic_replication_factor, 1);
    assert_eq!(config.topic_defaults.retention_ms, 604_800_000);
    assert_eq!(config.ottla_admin_listener, Some(("127.0.0.1".to_owned(), 9644)));
    assert!(config.process_roles.broker && config.process_roles.controller);
}

#[test]
fn a_file_is_read_as_it_is() {
    let loaded =
        load_text(&format!("{COMBINED}log.retention.minutes=2\nlog.roll.hours=1\nnum.io.threads=3\nfoo.bar=1\n"))
            .unwrap();
    let config = &loaded.broker.config;
    assert_eq!(
        (config.node_id, config.topic_defaults.retention_ms, config.topic_defaults.segment_ms),
        (7, 120_000, 3_600_000)
    );
    assert_eq!(config.log_dirs.len(), 2);
    assert_eq!(config.inter_broker_listener_name, "PLAINTEXT");
    assert_eq!(loaded.report.without_effect[0].0, "num.io.threads");
    assert!(loaded.report.warnings[0].ends_with("10: unknown configuration foo.bar"), "{:?}", loaded.report.warnings);
}

#[test]
fn invalid_values_name_file_line_key_and_what_is_allowed() {
    for (extra, expected) in [
        (
            "num.partitions=0",
            "7: Invalid value 0 for configuration num.partitions: Value must be at least 1 (allowed: int [1,...])",
        ),
        (
            "num.partitions=x",
            "7: Invalid value x for configuration num.partitions: Not a number of type INT (allowed: int [1,...])",
        ),
        (
            "log.message.timestamp.type=Now",
            "7: Invalid value Now for configuration log.message.timestamp.type: String must be one of: CreateTime, LogAppendTime (allowed: string [CreateTime, LogAppendTime])",
        ),
        ("\nottla.admin.listner=x", "8: unknown configuration ottla.admin.listner; did you mean ottla.admin.listener?"),
        (
            "ottla.log.format=xml",
            "7: Invalid value xml for configuration ottla.log.format: String must be one of: human, json (allowed: string [human, json])",
        ),
        (
            "process.roles=worker",
            "7: Invalid value worker for configuration process.roles: String must be one of: broker, controller (allowed: list [broker, controller])",
        ),
    ] {
        assert_eq!(refusal(extra), expected);
    }
}

#[test]
fn what_guards_access_stops_the_start() {
    for (extra, key) in [
        ("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "authorizer.class.name"),
        ("ssl.client.auth=required", "ssl.client.auth"),
        ("listener.name.plaintext.ssl.client.auth=required", "listener.name.plaintext.ssl.client.auth"),
        ("create.topic.policy.class.name=com.example.Policy", "create.topic.policy.class.name"),
        ("principal.builder.class=com.example.Builder", "principal.builder.class"),
        (
            "listeners=SASL_PLAINTEXT://:9092,CONTROLLER://:9093\nlistener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\nsecurity.inter.broker.protocol=SASL_PLAINTEXT",
            "listeners",
        ),
    ] {
        let refusal = refusal(extra);
        assert!(refusal.starts_with(&format!("7: {key} is set to ")), "{refusal}");
        assert!(!refusal.contains("to secret,"), "{refusal}");
    }
    assert!(load_text(&format!("{COMBINED}authorizer.class.name=\nssl.client.auth=none\n")).is_ok());
}

#[test]
fn the_report_groups_what_has_no_effect() {
    let extra = "num.io.threads=1\nnum.network.threads=1\nssl.protocol=TLS\nsuper.users=User:a\n";
    let report = load_text(&format!("{COMBINED}{extra}")).unwrap().report;
    assert_eq!(
        report.lines(),
        ["set without effect: ssl.protocol (there is no TLS listener); super.users (there is no authorizer); \
             num.io.threads, num.network.threads (work is spread over the processors, there are no thread pools)"]
    );
    assert_eq!(load(None, &[], &|_| None).unwrap().report, StartupReport::default());
}

#[test]
fn overrides_go_before_the_file_and_repeats_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.properties");
    fs::write(&path, format!("{COMBINED}num.partitions=2\nnum.partitions=3\n")).unwrap();
    let loaded = load(Some(&path), &[("log.dirs".to_owned(), "/x".to_owned())], &|_| None).unwrap();
    assert_eq!(loaded.broker.config.num_partitions, 3);
    assert_eq!(loaded.broker.config.log_dirs, [std::path::PathBuf::from("/x")]);
    assert!(
        loaded.report.warnings[0].contains("server.properties:8: num.partitions was set at "),
        "{:?}",
        loaded.report
    );
    let error = load(Some(&path), &[("num.partitions".to_owned(), "0".to_owned())], &|_| None).unwrap_err();
    assert!(error.to_string().starts_with("--override: Invalid value 0"), "{error}");
}

#[test]
fn the_written_file_says_the_same_without_our_own_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.properties");
    let overrides = [("ottla.log.format".to_owned(), "json".to_owned())];
    let built_in = load(None, &overrides, &|_| None).unwrap().broker;
    built_in.write_properties(&path).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert!(!written.contains("ottla.") && !written.contains("broker.id"), "{written}");
    let read = load(Some(&path), &[], &|_| None).unwrap().broker;
    assert!(read.config.log_dirs[0].is_absolute());
    assert_eq!(read.config.listeners, built_in.config.listeners);
    fs::write(&path, "kept").unwrap();
    built_in.write_properties(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
}

#[test]
fn only_a_node_that_is_everything_can_start() {
    let check = |extra: &str| load_text(&format!("{COMBINED}{extra}")).unwrap().broker.check_single_node();
    assert!(check("").is_ok());
    assert!(check("controller.quorum.voters=7@localhost:9093").is_ok());
    assert!(check("controller.quorum.voters=7@localhost:9093,8@other:9093").is_err());
    let broker = "process.roles=broker\nlisteners=PLAINTEXT://:9092\n";
    assert!(check(broker).unwrap_err().to_string().contains("process.roles is set to broker, which is refused"));
}

#[test]
fn rules_between_keys_are_kafkas() {
    for (extra, expected) in [
        ("broker.id=3", "You must set `node.id` to the same value as `broker.id`."),
        ("log.retention.ms=0", "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        (
            "controller.quorum.voters=1@localhost:9093",
            "the node id 7 must be included in the set of voters controller.quorum.voters=Set(1)",
        ),
        ("controller.quorum.voters=7-localhost:9093", "Each entry should be in the form `{id}@{host}:{port}`."),
        ("controller.listener.names=OTHER", "No security protocol defined for listener CONTROLLER"),
        ("advertised.listeners=PLAINTEXT://0.0.0.0:9092", "cannot use the nonroutable meta-address 0.0.0.0"),
        (
            "inter.broker.listener.name=INTERNAL",
            "Listener with name INTERNAL defined in inter.broker.listener.name not found in listener.security.protocol.map.",
        ),
        ("cordoned.log.dirs=/tmp/c", "Missing entries : /tmp/c"),
        ("queued.max.request.bytes=1", "queued.max.request.bytes must be larger or equal to socket.request.max.bytes"),
        (
            "group.consumer.session.timeout.ms=1",
            "group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        ("log.dirs=", "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value"),
        ("group.coordinator.rebalance.protocols=consumer", "Disabling the 'classic' protocol is not supported."),
    ] {
        let refusal = refusal(extra);
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn listeners_have_limits_of_their_own() {
    let extra = "listener.name.plaintext.max.connections=5\nlistener.name.CONTROLLER.max.connection.creation.rate=6\n";
    let config = &load_text(&format!("{COMBINED}{extra}")).unwrap().broker.config;
    assert_eq!(config.listener_limits["PLAINTEXT"].max_connections, Some(5));
    assert_eq!(config.listener_limits["CONTROLLER"].max_connection_creation_rate, Some(6));
    assert!(refusal("listener.name.plaintext.max.connections=x").contains("listener.name.plaintext.max.connections"));
}
