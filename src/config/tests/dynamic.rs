//! Dynamic configs: what a JVM broker describes and answers, and what this one does.

use std::collections::BTreeMap;

use super::*;
use crate::config::load::load;

/// `kafka-configs.sh --describe --all` of a JVM broker 4.3.1 in the state that [`jvm_store`] builds.
const JVM: &str = include_str!("../fixtures/jvm-describe.txt");

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn store(text: &str) -> ConfigStore {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.properties");
    fs::write(&path, text).unwrap();
    ConfigStore::new(load(Some(&path), &[], &|_| None).unwrap().broker)
}

const JVM_FILE: &str = "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:29292,CONTROLLER://127.0.0.1:29293
advertised.listeners=PLAINTEXT://127.0.0.1:29292,CONTROLLER://127.0.0.1:29293
controller.listener.names=CONTROLLER
log.dirs=/var/lib/kafka
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
controller.quorum.bootstrap.servers=127.0.0.1:29293
";

fn jvm_store() -> ConfigStore {
    let store = store(JVM_FILE);
    let default_broker = texts(&[("log.roll.ms", "70000"), ("min.insync.replicas", "1")]);
    let ignored = store.set_dynamic(default_broker, texts(&[("foo.bar", "3"), ("log.roll.ms", "80000")]));
    assert_eq!(ignored, Vec::<String>::new());
    store
}

/// As the tool prints an entry.
fn shown(entry: &ConfigEntry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let source = |source: ConfigSource| match source {
        ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
    };
    let synonym = |synonym: &Synonym| format!("{}:{}={}", source(synonym.source), synonym.name, text(&synonym.value));
    let synonyms: Vec<String> = entry.synonyms.iter().map(synonym).collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}",
        entry.name,
        text(&entry.value),
        entry.sensitive,
        synonyms.join(", ")
    )
}

#[track_caller]
fn check(jvm: &str, section: &str, entries: &[ConfigEntry]) {
    let mut expected: Vec<&str> = jvm
        .lines()
        .skip_while(|line| !line.contains(section))
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .collect();
    let mut actual: Vec<String> = entries.iter().map(shown).collect();
    expected.sort_unstable();
    actual.sort_unstable();
    for (actual, expected) in actual.iter().zip(&expected) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.len(), expected.len());
}

#[test]
fn every_resource_is_described_as_the_jvm_does() {
    let store = jvm_store();
    check(JVM, "configs for broker 1", &store.describe_broker());
    check(JVM, "Default configs for brokers", &store.describe_default_broker());
    check(JVM, "configs for topic t", &store.describe_topic(&texts(&[("retention.ms", "1000")])));
    check(JVM, "configs for group g", &store.describe_group(&BTreeMap::new()));
}

/// The same from a broker whose file has passwords, blanks, unknown and internal keys, and keys of one listener.
const JVM_RICH: &str = include_str!("../fixtures/jvm-describe-rich.txt");

#[test]
fn a_richer_file_is_described_as_the_jvm_does() {
    let lines = [
        JVM_FILE,
        "log.retention.hours=5",
        "sasl.jaas.config=x required;",
        "listener.name.plaintext.max.connections=7",
        "foo=bar",
        "log.cleanup.policy=compact, delete",
        "super.users=User:a",
        "min.insync.replicas=1",
        "group.consumer.session.timeout.ms=50000",
        "message.max.bytes=2000000 ",
        "log.cleaner.io.max.bytes.per.second=1e7",
        "unstable.api.versions.enable=true",
        "listener.name.plaintext.ssl.keystore.password=abc",
        "log.flush.scheduler.interval.ms=5000",
        "cordoned.log.dirs=",
    ];
    let store = store(&lines.join("\n"));
    let all = texts(&[("log.retention.ms", "70000"), ("max.connections", "1000"), ("min.insync.replicas", "1")]);
    let own =
        [("leader.replication.throttled.rate", "1000"), ("log.retention.ms", "60000"), ("log.cleaner.threads", "2")];
    assert_eq!(store.set_dynamic(all, texts(&own)), Vec::<String>::new());
    check(JVM_RICH, "configs for broker 1", &store.describe_broker());
    check(JVM_RICH, "Default configs for brokers", &store.describe_default_broker());
    check(JVM_RICH, "configs for topic t", &store.describe_topic(&texts(&[("cleanup.policy", "delete,compact")])));
    check(JVM_RICH, "configs for group g", &store.describe_group(&texts(&[("consumer.session.timeout.ms", "46000")])));
}

#[test]
fn read_only_follows_the_update_mode() {
    let entries = jvm_store().describe_broker();
    let read_only = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap().read_only;
    assert!(read_only("num.partitions") && read_only("foo.bar"));
    assert!(!read_only("log.roll.ms") && !read_only("listeners"));
}

#[test]
fn broker_changes_are_refused_as_the_jvm_refuses_them() {
    use Scope::{AllBrokers, ThisBroker};
    let store = jvm_store();
    for (scope, key, value, message) in [
        (ThisBroker, "num.partitions", "3", "Cannot update these configs dynamically: [num.partitions]"),
        (AllBrokers, "log.retention.hours", "5", "Cannot update these configs dynamically: [log.retention.hours]"),
        (
            AllBrokers,
            "ssl.keystore.type",
            "JKS",
            "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.type]",
        ),
        (
            AllBrokers,
            "listener.name.plaintext.ssl.keystore.type",
            "JKS",
            "Cannot update these configs at default cluster level, broker id must be specified: [listener.name.plaintext.ssl.keystore.type]",
        ),
        (
            AllBrokers,
            "log.retention.ms",
            "abc",
            "Invalid value abc for configuration log.retention.ms: Not a number of type LONG",
        ),
        (
            AllBrokers,
            "log.retention.ms",
            "0",
            "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        ),
        (
            AllBrokers,
            "log.cleanup.policy",
            "foo",
            "Invalid value foo for configuration log.cleanup.policy: String must be one of: compact, delete",
        ),
        (
            ThisBroker,
            "max.connections.per.ip",
            "0",
            "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        ),
        (ThisBroker, "ottla.log.format", "json", "Cannot update these configs dynamically: [ottla.log.format]"),
    ] {
        let error = store.validate_broker(scope, &texts(&[(key, value)])).expect_err(key);
        assert_eq!(error.message(), message);
    }
    for (scope, key, value) in
        [(ThisBroker, "foo.bar", "3"), (AllBrokers, "log.roll.ms", "7"), (ThisBroker, "num.io.threads", "4")]
    {
        store.validate_broker(scope, &texts(&[(key, value)])).unwrap();
    }
}

#[test]
fn thread_counts_change_within_the_bounds_of_the_jvm() {
    use Scope::{AllBrokers, ThisBroker};
    let store = jvm_store();
    let pool = |key: &str, value: &str, reason: &str| {
        let key = key.rsplit_once("plaintext.").map_or(key, |(_, key)| key);
        format!("Dynamic thread count update validation failed for {key}={value}, value should {reason}")
    };
    let half = |now| format!("be at least half the current value {now}");
    let double = |now| format!("not be greater than double the current value {now}");
    for (key, value, reason) in [
        ("num.io.threads", "17", double(8)),
        ("num.io.threads", "3", half(8)),
        ("num.network.threads", "7", double(3)),
        ("listener.name.plaintext.num.network.threads", "7", double(3)),
        ("background.threads", "4", half(10)),
        ("num.replica.fetchers", "3", double(1)),
        ("num.recovery.threads.per.data.dir", "5", double(2)),
        ("remote.log.reader.threads", "30", double(10)),
        ("remote.log.manager.follower.thread.pool.size", "100", double(2)),
    ] {
        let message = pool(key, value, &reason);
        for scope in [AllBrokers, ThisBroker] {
            let error = store.validate_broker(scope, &texts(&[(key, value)])).expect_err(key).message();
            let begin = "Invalid value org.apache.kafka.common.config.ConfigException: ";
            assert_eq!(error, format!("{begin}{message} for configuration Invalid dynamic configuration"));
        }
    }
    let error = store.validate_broker(AllBrokers, &texts(&[("log.cleaner.threads", "3")])).unwrap_err().message();
    assert_eq!(
        error,
        "Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads cannot be increased to more \
         than double the current value 1 for configuration Invalid dynamic configuration"
    );
    for (key, value) in [
        ("num.io.threads", "16"),
        ("num.io.threads", "4"),
        ("num.network.threads", "1"),
        ("listener.name.controller.num.network.threads", "7"),
        ("log.cleaner.threads", "2"),
    ] {
        store.validate_broker(AllBrokers, &texts(&[(key, value)])).unwrap();
    }
    // What counts is the size in force, also for going back to the file's.
    store.set_dynamic(texts(&[("num.io.threads", "32")]), BTreeMap::new());
    store.validate_broker(ThisBroker, &texts(&[("num.io.threads", "64")])).unwrap();
    assert!(store.validate_broker(AllBrokers, &BTreeMap::new()).is_err());
}

#[test]
fn topic_and_group_changes_are_refused_as_the_jvm_refuses_them() {
    let store = jvm_store();
    for (pairs, message) in [
        (&[("foo.bar", "3")][..], "Unknown topic config name: foo.bar"),
        (&[("message.downconversion.enable", "true")], "Unknown topic config name: message.downconversion.enable"),
        (&[("segment.bytes", "3")], "Invalid value 3 for configuration segment.bytes: Value must be at least 1048576"),
        (
            &[("cleanup.policy", "foo")],
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            &[("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "3")],
            "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (3)",
        ),
        (
            &[("remote.storage.enable", "true")],
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ),
    ] {
        assert_eq!(store.validate_topic(&texts(pairs)).expect_err(message).message(), message);
    }
    for (key, value, message) in [
        ("foo", "1", "Unknown group config name: foo"),
        (
            "consumer.session.timeout.ms",
            "1",
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
    ] {
        assert_eq!(store.validate_group(&texts(&[(key, value)])).expect_err(message).message(), message);
    }
    store.validate_topic(&texts(&[("cleanup.policy", "compact,delete"), ("retention.ms", "-1")])).unwrap();
    store.validate_topic(&texts(&[("cleanup.policy", "")])).unwrap();
}

#[test]
fn layers_come_in_order() {
    let store = store(&format!("{COMBINED}log.retention.hours=1\n"));
    let retention = |overrides: &[(&str, &str)]| store.topic_config(&texts(overrides)).retention_ms;
    assert_eq!(retention(&[]), 3_600_000);
    store.set_dynamic(texts(&[("log.retention.ms", "20")]), BTreeMap::new());
    assert_eq!(retention(&[]), 20);
    store.set_dynamic(texts(&[("log.retention.ms", "20")]), texts(&[("log.retention.ms", "30")]));
    assert_eq!(retention(&[]), 30);
    assert_eq!(retention(&[("retention.ms", "40")]), 40);
    assert_eq!(retention(&[("retention.ms", "nonsense")]), 30);
    store.set_dynamic(BTreeMap::new(), BTreeMap::new());
    assert_eq!(retention(&[]), 3_600_000);
}

#[test]
fn stored_configs_that_do_not_apply_are_left_out() {
    let store = store(COMBINED);
    let stored = texts(&[("num.partitions", "9"), ("log.segment.bytes", "1"), ("log.roll.ms", "5")]);
    let ignored = store.set_dynamic(stored, texts(&[("listener.name.plaintext.ssl.client.auth", "required")]));
    assert_eq!(ignored.len(), 3, "{ignored:?}");
    let config = store.broker();
    assert_eq!((config.num_partitions, config.topic_defaults.segment_ms), (1, 5));
    assert_eq!(config.topic_defaults.segment_bytes, 1 << 30);
}

#[test]
fn group_settings_stay_within_the_brokers_bounds() {
    let store = store(&format!("{COMBINED}group.consumer.session.timeout.ms=50000\n"));
    assert_eq!(store.group_config(&BTreeMap::new()).consumer_session_timeout_ms, 50_000);
    let stored = texts(&[("consumer.session.timeout.ms", "1"), ("streams.num.standby.replicas", "9")]);
    let config = store.group_config(&stored);
    assert_eq!((config.consumer_session_timeout_ms, config.streams_num_standby_replicas), (45_000, 2));
}

#[test]
fn lists_are_appended_to_and_subtracted_from() {
    let key = TopicConfig::key("cleanup.policy").unwrap();
    for (op, current, operand, expected) in [
        (ListOp::Append, None, "compact", Some("delete,compact")),
        (ListOp::Append, Some("compact"), "compact", Some("compact")),
        (ListOp::Subtract, Some("compact,delete"), "delete", Some("compact")),
        (ListOp::Subtract, Some("compact"), "delete", Some("compact")),
        (ListOp::Subtract, None, "delete", Some("")),
    ] {
        assert_eq!(op.apply(key, current, operand).as_deref(), expected);
    }
    assert_eq!(ListOp::Append.apply(TopicConfig::key("retention.ms").unwrap(), None, "1"), None);
}

#[test]
fn the_internal_segment_size_is_taken_as_the_jvm_takes_it() {
    const KEY: &str = "internal.segment.bytes";
    let store = jvm_store();
    for value in ["2000", "14", "0", "-1"] {
        store.validate_topic(&texts(&[(KEY, value)])).unwrap();
    }
    let error = store.validate_topic(&texts(&[(KEY, "abc")])).unwrap_err().message();
    assert_eq!(error, "Invalid value abc for configuration internal.segment.bytes: Not a number of type INT");
    let overrides = texts(&[(KEY, "2000"), ("segment.bytes", "3000000")]);
    assert_eq!(store.topic_config(&overrides).segment_bytes, 2_000);
    assert_eq!(store.topic_config(&texts(&[(KEY, "-1")])).segment_bytes, 0);
    let described = |overrides| store.describe_topic(overrides).iter().find(|entry| entry.name == KEY).map(shown);
    let line = "  internal.segment.bytes=2000 sensitive=false \
                synonyms={DYNAMIC_TOPIC_CONFIG:internal.segment.bytes=2000}";
    assert_eq!(described(&overrides).as_deref(), Some(line));
    assert_eq!(described(&BTreeMap::new()), None);
    assert!(store.validate_broker(Scope::AllBrokers, &texts(&[(KEY, "5000")])).is_ok(), "no broker key, as any other");
}
