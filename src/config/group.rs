//! The configuration of a group.

use std::collections::BTreeMap;

use super::key::Default::Is;
use super::key::Status::Obeyed;
use super::key::Valid::*;
use super::key::{ConfigKey, Type, UpdateMode};
use super::value::{AutoOffsetReset, FromValue, InvalidValue, Value, Values};

macro_rules! declare {
    ($($field:ident: $type:ty = $key:literal, $kind:ident, $default:expr, $valid:expr, $synonym:expr, $status:expr, $doc:literal;)*) => {
        /// Every group key that Kafka 4.3.1 documents.
        pub const GROUP_KEYS: &[ConfigKey] = &[$(
            ConfigKey {
                name: $key,
                kind: Type::$kind,
                default: $default,
                valid: $valid,
                mode: UpdateMode::ClusterWide,
                status: $status,
                synonym: $synonym,
                doc: $doc,
            },
        )*];

        /// The configuration of a group: its own settings over the broker's.
        #[derive(Clone, PartialEq, Debug)]
        pub struct GroupConfig {
            $(#[doc = $doc] pub $field: $type,)*
        }

        impl GroupConfig {
            fn from_values(values: &Values) -> GroupConfig {
                GroupConfig { $($field: values.get($key),)* }
            }
        }

        #[cfg(test)]
        pub(super) const FIELDS: &[(&str, &str)] = &[$(($key, stringify!($field)),)*];
    };
}
declare! {
    consumer_assignment_interval_ms: i32 = "consumer.assignment.interval.ms", Int, Is("1000"), AtLeast(0), Some("group.consumer.assignment.interval.ms"), Obeyed,
        "Least time between two computed assignments of the consumer group.";
    consumer_heartbeat_interval_ms: i32 = "consumer.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), Some("group.consumer.heartbeat.interval.ms"), Obeyed,
        "Heartbeat interval given to the members of the consumer group.";
    consumer_session_timeout_ms: i32 = "consumer.session.timeout.ms", Int, Is("45000"), AtLeast(1), Some("group.consumer.session.timeout.ms"), Obeyed,
        "Session timeout given to the members of the consumer group.";
    share_assignment_interval_ms: i32 = "share.assignment.interval.ms", Int, Is("1000"), AtLeast(0), Some("group.share.assignment.interval.ms"), Obeyed,
        "Least time between two computed assignments of the share group.";
    share_auto_offset_reset: AutoOffsetReset = "share.auto.offset.reset", String, Is("latest"), AutoOffsetReset, None, Obeyed,
        "Where a share group begins: latest, earliest, or by_duration:<ISO 8601 duration>.";
    share_delivery_count_limit: i32 = "share.delivery.count.limit", Int, Is("5"), AtLeast(2), Some("group.share.delivery.count.limit"), Obeyed,
        "How often a record is delivered to the share group before it is given up.";
    share_heartbeat_interval_ms: i32 = "share.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), Some("group.share.heartbeat.interval.ms"), Obeyed,
        "Heartbeat interval given to the members of the share group.";
    share_isolation_level: IsolationLevel = "share.isolation.level", String, Is("read_uncommitted"), OneOf(&["read_committed", "read_uncommitted"]), None, Obeyed,
        "Whether the share group reads uncommitted records.";
    share_partition_max_record_locks: i32 = "share.partition.max.record.locks", Int, Is("2000"), AtLeast(100), Some("group.share.partition.max.record.locks"), Obeyed,
        "Records of a partition that the share group may lock at once.";
    share_record_lock_duration_ms: i32 = "share.record.lock.duration.ms", Int, Is("30000"), AtLeast(1000), Some("group.share.record.lock.duration.ms"), Obeyed,
        "How long a consumer holds a record before it is delivered again.";
    share_renew_acknowledge_enable: bool = "share.renew.acknowledge.enable", Boolean, Is("true"), Any, None, Obeyed,
        "Whether members may renew their record locks.";
    share_session_timeout_ms: i32 = "share.session.timeout.ms", Int, Is("45000"), AtLeast(1), Some("group.share.session.timeout.ms"), Obeyed,
        "Session timeout given to the members of the share group.";
    streams_assignment_interval_ms: i32 = "streams.assignment.interval.ms", Int, Is("1000"), AtLeast(0), Some("group.streams.assignment.interval.ms"), Obeyed,
        "Least time between two computed assignments of the streams group.";
    streams_heartbeat_interval_ms: i32 = "streams.heartbeat.interval.ms", Int, Is("5000"), AtLeast(1), Some("group.streams.heartbeat.interval.ms"), Obeyed,
        "Heartbeat interval given to the members of the streams group.";
    streams_initial_rebalance_delay_ms: i32 = "streams.initial.rebalance.delay.ms", Int, Is("3000"), AtLeast(0), Some("group.streams.initial.rebalance.delay.ms"), Obeyed,
        "How long the new streams group waits for more members.";
    streams_num_standby_replicas: i32 = "streams.num.standby.replicas", Int, Is("0"), AtLeast(0), Some("group.streams.num.standby.replicas"), Obeyed,
        "Standby replicas of each task of the streams group.";
    streams_session_timeout_ms: i32 = "streams.session.timeout.ms", Int, Is("45000"), AtLeast(1), Some("group.streams.session.timeout.ms"), Obeyed,
        "Session timeout given to the members of the streams group.";
}

/// Which records share groups get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IsolationLevel {
    ReadUncommitted,
    ReadCommitted,
}

impl GroupConfig {
    /// A group's own settings over the broker's, held within the broker's bounds. A stored value that is no longer
    /// allowed counts as not set.
    pub(super) fn resolve(broker: &Values, overrides: &BTreeMap<String, String>) -> GroupConfig {
        let mut values = effective(broker, overrides);
        for bound in BOUNDS {
            if let (true, Value::Int(value)) = (overrides.contains_key(bound.key), values.of(bound.key)) {
                let low = bound.min.map_or(i32::MIN, |key| broker.get(key));
                let high: i32 = broker.get(bound.max);
                let value = (*value).max(low).min(high);
                values.set(bound.key, Value::Int(value));
            }
        }
        GroupConfig::from_values(&values)
    }

    /// The row of a group key.
    pub fn key(name: &str) -> Option<&'static ConfigKey> {
        GROUP_KEYS.iter().find(|key| key.name == name)
    }
}

/// The broker keys that bound a group key.
pub(super) struct Bound {
    pub key: &'static str,
    pub min: Option<&'static str>,
    pub max: &'static str,
    /// Checked only when the group sets the key itself.
    pub when_set: bool,
}

const fn bound(key: &'static str, min: Option<&'static str>, max: &'static str, when_set: bool) -> Bound {
    Bound { key, min, max, when_set }
}

/// In the order in which Kafka checks them.
pub(super) const BOUNDS: &[Bound] = &[
    bound(
        "consumer.heartbeat.interval.ms",
        Some("group.consumer.min.heartbeat.interval.ms"),
        "group.consumer.max.heartbeat.interval.ms",
        false,
    ),
    bound(
        "consumer.session.timeout.ms",
        Some("group.consumer.min.session.timeout.ms"),
        "group.consumer.max.session.timeout.ms",
        false,
    ),
    bound(
        "consumer.assignment.interval.ms",
        Some("group.consumer.min.assignment.interval.ms"),
        "group.consumer.max.assignment.interval.ms",
        true,
    ),
    bound(
        "share.heartbeat.interval.ms",
        Some("group.share.min.heartbeat.interval.ms"),
        "group.share.max.heartbeat.interval.ms",
        false,
    ),
    bound(
        "share.session.timeout.ms",
        Some("group.share.min.session.timeout.ms"),
        "group.share.max.session.timeout.ms",
        false,
    ),
    bound(
        "share.record.lock.duration.ms",
        Some("group.share.min.record.lock.duration.ms"),
        "group.share.max.record.lock.duration.ms",
        false,
    ),
    bound(
        "share.delivery.count.limit",
        Some("group.share.min.delivery.count.limit"),
        "group.share.max.delivery.count.limit",
        false,
    ),
    bound(
        "share.partition.max.record.locks",
        Some("group.share.min.partition.max.record.locks"),
        "group.share.max.partition.max.record.locks",
        false,
    ),
    bound(
        "share.assignment.interval.ms",
        Some("group.share.min.assignment.interval.ms"),
        "group.share.max.assignment.interval.ms",
        true,
    ),
    bound(
        "streams.heartbeat.interval.ms",
        Some("group.streams.min.heartbeat.interval.ms"),
        "group.streams.max.heartbeat.interval.ms",
        false,
    ),
    bound(
        "streams.session.timeout.ms",
        Some("group.streams.min.session.timeout.ms"),
        "group.streams.max.session.timeout.ms",
        false,
    ),
    bound("streams.num.standby.replicas", None, "group.streams.max.standby.replicas", false),
    bound(
        "streams.assignment.interval.ms",
        Some("group.streams.min.assignment.interval.ms"),
        "group.streams.max.assignment.interval.ms",
        true,
    ),
];

/// Every group key's value: the group's own, else the broker's, else the built-in one.
pub(super) fn effective(broker: &Values, overrides: &BTreeMap<String, String>) -> Values {
    let mut values = Values::empty();
    for key in GROUP_KEYS {
        let own = overrides.get(key.name).and_then(|text| key.parse(Some(text)).ok());
        values.set(key.name, own.unwrap_or_else(|| inherited(key, broker)));
    }
    values
}

/// As [`effective`], but a value that is not allowed is an error.
pub(super) fn parse(broker: &Values, overrides: &BTreeMap<String, String>) -> Result<Values, InvalidValue> {
    let mut values = Values::empty();
    for key in GROUP_KEYS {
        let own = overrides.get(key.name).map(|text| key.parse(Some(text))).transpose()?;
        values.set(key.name, own.unwrap_or_else(|| inherited(key, broker)));
    }
    Ok(values)
}

fn inherited(key: &ConfigKey, broker: &Values) -> Value {
    match key.synonym {
        Some(synonym) => broker.of(synonym).clone(),
        None => key.parse(None).unwrap_or(Value::Null),
    }
}

impl FromValue for IsolationLevel {
    fn from_value(value: &Value) -> Option<IsolationLevel> {
        match String::from_value(value)?.as_str() {
            "read_uncommitted" => Some(IsolationLevel::ReadUncommitted),
            "read_committed" => Some(IsolationLevel::ReadCommitted),
            _ => None,
        }
    }
}
