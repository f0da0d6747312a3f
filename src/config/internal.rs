//! Keys that Kafka reads without documenting them, and keys that only its plugins read.

use super::broker::Texts;
use super::key::Default::{Is, Null};
use super::key::{ConfigKey, Default, Status, Type, UpdateMode, Valid};
use super::table::reasons::TIERED;
use super::value::{InvalidValue, Value};

const NO_AUTHORIZER: &str = "there is no authorizer";
const SAMPLES: &str = "controller events are not sampled";
const FIVE_MINUTES: &str = "the share coordinator looks after five minutes";
const METADATA_LOG: &str = "the metadata log has fixed limits";

/// Serves the versions of APIs that Kafka has not declared stable yet.
const UNSTABLE_API_VERSIONS: &str = "unstable.api.versions.enable";

/// Every internal key of Kafka 4.3.1.
pub(super) const INTERNAL_KEYS: &[ConfigKey] = &[
    row("controller.performance.always.log.threshold.ms", Type::Long, Is("2000"), SAMPLES),
    row("controller.performance.sample.period.ms", Type::Long, Is("60000"), SAMPLES),
    row(
        "group.consumer.regex.refresh.interval.ms",
        Type::Int,
        Is("600000"),
        "patterns are looked at again after ten minutes",
    ),
    row(
        "group.share.initialize.retry.interval.ms",
        Type::Int,
        Is("30000"),
        "the share coordinator is asked again after thirty seconds",
    ),
    row(
        "group.share.persister.class.name",
        Type::String,
        Is("org.apache.kafka.server.share.persister.DefaultStatePersister"),
        "Java classes cannot be loaded, and the share coordinator keeps what there is to keep",
    ),
    row("internal.metadata.delete.delay.millis", Type::Long, Is("60000"), METADATA_LOG),
    row("internal.metadata.log.segment.bytes", Type::Int, Null, METADATA_LOG),
    row("internal.metadata.max.batch.size.in.bytes", Type::Int, Is("8388608"), METADATA_LOG),
    row("log.initial.task.delay.ms", Type::Long, Is("30000"), "periodic work runs when it is due"),
    row("producer.id.expiration.check.interval.ms", Type::Int, Is("600000"), "producers expire when they are due"),
    row("remote.log.index.file.cache.ttl.ms", Type::Long, Is("900000"), TIERED),
    row("remote.log.manager.task.retry.backoff.max.ms", Type::Long, Is("30000"), TIERED),
    row("remote.log.manager.task.retry.backoff.ms", Type::Long, Is("500"), TIERED),
    row("remote.log.manager.task.retry.jitter", Type::Double, Is("0.2"), TIERED),
    row("server.max.startup.time.ms", Type::Long, Is("9223372036854775807"), "the start is not limited in time"),
    row("share.coordinator.cold.partition.snapshot.interval.ms", Type::Int, Is("300000"), FIVE_MINUTES),
    row("share.coordinator.state.topic.prune.interval.ms", Type::Int, Is("300000"), FIVE_MINUTES),
    row("unclean.leader.election.interval.ms", Type::Long, Is("300000"), "unclean elections happen on request"),
    ConfigKey { status: Status::Obeyed, ..row(UNSTABLE_API_VERSIONS, Type::Boolean, Is("false"), "") },
    row("unstable.feature.versions.enable", Type::Boolean, Is("false"), "unstable features are not offered"),
];

/// Keys of Kafka's own plugins, with the reason why nothing follows from them.
const PLUGIN_KEYS: [(&str, &str); 2] =
    [("allow.everyone.if.no.acl.found", NO_AUTHORIZER), ("super.users", NO_AUTHORIZER)];

/// Prefixes under which plugins and their like keep keys of their own.
const OPEN_PREFIXES: [&str; 4] = ["config.providers.", "rsm.config.", "rlmm.config.", "client.quota.callback."];

/// The row of an internal key.
pub(super) fn internal_key(name: &str) -> Option<&'static ConfigKey> {
    INTERNAL_KEYS.iter().find(|key| key.name == name)
}

/// The value of `unstable.api.versions.enable`.
pub(super) fn unstable_api_versions(texts: &Texts) -> Result<bool, InvalidValue> {
    let row = internal_key(UNSTABLE_API_VERSIONS).expect("a row of the table");
    let value = row.parse(texts.get(UNSTABLE_API_VERSIONS).map(String::as_str))?;
    Ok(value == Value::Boolean(true))
}

/// Why a key outside the tables has no effect; `None` when nothing is known of it.
pub(super) fn without_effect(name: &str) -> Option<&'static str> {
    let internal = internal_key(name).and_then(|row| match row.status {
        Status::WithoutEffect(reason) => Some(reason),
        Status::Obeyed | Status::Refused(_) => None,
    });
    internal.or_else(|| PLUGIN_KEYS.iter().find(|(key, _)| *key == name).map(|(_, reason)| *reason))
}

/// Whether a key may be anything, because a plugin or a provider gives it its meaning.
pub(super) fn is_open(name: &str) -> bool {
    OPEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const fn row(name: &'static str, kind: Type, default: Default, reason: &'static str) -> ConfigKey {
    ConfigKey {
        name,
        kind,
        default,
        valid: Valid::Any,
        mode: UpdateMode::ReadOnly,
        status: Status::WithoutEffect(reason),
        synonym: None,
        doc: "An internal setting of Kafka.",
    }
}
