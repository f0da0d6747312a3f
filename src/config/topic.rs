//! The configuration of a topic.

use std::collections::BTreeMap;

use super::derived::topic_default;
use super::key::Default::{Is, Null};
use super::key::Status::{Obeyed, WithoutEffect};
use super::key::Valid::*;
use super::key::{ConfigKey, Type, UpdateMode};
use super::table::reasons::{ALONE, GROWING, TIERED};
use super::value::{FromValue, InvalidValue, Value, Values};

macro_rules! declare {
    ($($field:ident: $type:ty = $key:literal, $kind:ident, $default:expr, $valid:expr, $synonym:expr, $status:expr, $doc:literal;)*) => {
        /// Every topic key that Kafka 4.3.1 documents.
        pub const TOPIC_KEYS: &[ConfigKey] = &[$(
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

        /// The configuration of a topic: its own settings over the broker's.
        #[derive(Clone, PartialEq, Debug)]
        pub struct TopicConfig {
            $(#[doc = $doc] pub $field: $type,)*
        }

        impl TopicConfig {
            fn from_values(values: &Values) -> TopicConfig {
                TopicConfig { $($field: values.get($key),)* }
            }
        }

        #[cfg(test)]
        pub(super) const FIELDS: &[(&str, &str)] = &[$(($key, stringify!($field)),)*];
    };
}
declare! {
    cleanup_policy: CleanupPolicy = "cleanup.policy", List, Is("delete"), ListOf(&["compact", "delete"]), Some("log.cleanup.policy"), Obeyed,
        "What happens to old segments: delete, compact, both, or neither.";
    compression_gzip_level: i32 = "compression.gzip.level", Int, Is("-1"), GzipLevel, Some("compression.gzip.level"), Obeyed,
        "Level of gzip where the broker compresses; -1 is the codec's own.";
    compression_lz4_level: i32 = "compression.lz4.level", Int, Is("9"), Between(1, 17), Some("compression.lz4.level"), Obeyed,
        "Level of lz4 where the broker compresses.";
    compression_type: TopicCompression = "compression.type", String, Is("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Some("compression.type"), Obeyed,
        "How stored batches are compressed: a codec, uncompressed, or producer to keep what the producer chose.";
    compression_zstd_level: i32 = "compression.zstd.level", Int, Is("3"), Between(-131072, 22), Some("compression.zstd.level"), Obeyed,
        "Level of zstd where the broker compresses.";
    delete_retention_ms: i64 = "delete.retention.ms", Long, Is("86400000"), AtLeast(0), Some("log.cleaner.delete.retention.ms"), Obeyed,
        "How long tombstones are kept once the topic is compacted.";
    file_delete_delay_ms: i64 = "file.delete.delay.ms", Long, Is("60000"), AtLeast(0), Some("log.segment.delete.delay.ms"), Obeyed,
        "How long a deleted file stays on disk under its .deleted name.";
    flush_messages: i64 = "flush.messages", Long, Is("9223372036854775807"), AtLeast(1), Some("log.flush.interval.messages"), Obeyed,
        "Records appended to a partition before it is flushed to disk.";
    flush_ms: i64 = "flush.ms", Long, Is("9223372036854775807"), AtLeast(0), Some("log.flush.interval.ms"), Obeyed,
        "Longest time a record stays unflushed.";
    follower_replication_throttled_replicas: Vec<String> = "follower.replication.throttled.replicas", List, Is(""), ThrottledReplicas, None, WithoutEffect(ALONE),
        "Replicas whose followers are throttled, as partition:broker, or * for all.";
    index_interval_bytes: i32 = "index.interval.bytes", Int, Is("4096"), AtLeast(0), Some("log.index.interval.bytes"), Obeyed,
        "Bytes of log between two index entries.";
    leader_replication_throttled_replicas: Vec<String> = "leader.replication.throttled.replicas", List, Is(""), ThrottledReplicas, None, WithoutEffect(ALONE),
        "Replicas whose leaders are throttled, as partition:broker, or * for all.";
    local_retention_bytes: i64 = "local.retention.bytes", Long, Is("-2"), AtLeast(-2), Some("log.local.retention.bytes"), WithoutEffect(TIERED),
        "Bytes of a tiered partition that stay on local disk; -2 takes retention.bytes.";
    local_retention_ms: i64 = "local.retention.ms", Long, Is("-2"), AtLeast(-2), Some("log.local.retention.ms"), WithoutEffect(TIERED),
        "Milliseconds that tiered segments stay on local disk; -2 takes retention.ms.";
    max_compaction_lag_ms: i64 = "max.compaction.lag.ms", Long, Is("9223372036854775807"), AtLeast(1), Some("log.cleaner.max.compaction.lag.ms"), Obeyed,
        "Longest time a record may stay uncompacted.";
    max_message_bytes: i32 = "max.message.bytes", Int, Is("1048588"), AtLeast(0), Some("message.max.bytes"), Obeyed,
        "Largest record batch accepted, after compression.";
    message_timestamp_after_max_ms: i64 = "message.timestamp.after.max.ms", Long, Is("3600000"), AtLeast(0), Some("log.message.timestamp.after.max.ms"), Obeyed,
        "How far a record's timestamp may be ahead of the broker's clock.";
    message_timestamp_before_max_ms: i64 = "message.timestamp.before.max.ms", Long, Is("9223372036854775807"), AtLeast(0), Some("log.message.timestamp.before.max.ms"), Obeyed,
        "How far a record's timestamp may be behind the broker's clock.";
    message_timestamp_type: TimestampType = "message.timestamp.type", String, Is("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), Some("log.message.timestamp.type"), Obeyed,
        "Whether records keep the producer's time or get the time of the append.";
    min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio", Double, Is("0.5"), Between(0, 1), Some("log.cleaner.min.cleanable.ratio"), Obeyed,
        "Share of uncompacted bytes that makes a log worth compacting.";
    min_compaction_lag_ms: i64 = "min.compaction.lag.ms", Long, Is("0"), AtLeast(0), Some("log.cleaner.min.compaction.lag.ms"), Obeyed,
        "Shortest time a record stays uncompacted.";
    min_insync_replicas: i32 = "min.insync.replicas", Int, Is("1"), AtLeast(1), Some("min.insync.replicas"), Obeyed,
        "In-sync replicas that must have a record before acks=all is answered.";
    preallocate: bool = "preallocate", Boolean, Is("false"), Any, Some("log.preallocate"), WithoutEffect(GROWING),
        "Whether a new segment file gets its full size at once.";
    remote_log_copy_disable: bool = "remote.log.copy.disable", Boolean, Is("false"), Any, None, WithoutEffect(TIERED),
        "Whether a tiered topic stops copying segments to remote storage.";
    remote_log_delete_on_disable: bool = "remote.log.delete.on.disable", Boolean, Is("false"), Any, None, WithoutEffect(TIERED),
        "Whether remote segments are deleted when tiering is switched off.";
    remote_storage_enable: bool = "remote.storage.enable", Boolean, Is("false"), Any, None, WithoutEffect(TIERED),
        "Whether the topic is tiered.";
    retention_bytes: i64 = "retention.bytes", Long, Is("-1"), Any, Some("log.retention.bytes"), Obeyed,
        "Largest size of a partition before old segments are deleted; -1 is without limit.";
    retention_ms: i64 = "retention.ms", Long, Is("604800000"), AtLeast(-1), Some("log.retention.ms"), Obeyed,
        "Milliseconds before a segment is deleted; -1 keeps for ever.";
    segment_bytes: i32 = "segment.bytes", Int, Is("1073741824"), AtLeast(1048576), Some("log.segment.bytes"), Obeyed,
        "Largest size of a segment file.";
    segment_index_bytes: i32 = "segment.index.bytes", Int, Is("10485760"), AtLeast(4), Some("log.index.size.max.bytes"), Obeyed,
        "Largest size of an index; a full one begins a new segment.";
    segment_jitter_ms: i64 = "segment.jitter.ms", Long, Is("0"), AtLeast(0), Some("log.roll.jitter.ms"), Obeyed,
        "Most milliseconds taken from segment.ms at random.";
    segment_ms: i64 = "segment.ms", Long, Is("604800000"), AtLeast(1), Some("log.roll.ms"), Obeyed,
        "Milliseconds before a new segment is begun although the old one is not full.";
    unclean_leader_election_enable: bool = "unclean.leader.election.enable", Boolean, Is("false"), Any, Some("unclean.leader.election.enable"), Obeyed,
        "Whether a replica that is not in sync may become leader, at the price of lost records.";
}

const INTERNAL_SEGMENT_BYTES: &str = "internal.segment.bytes";

/// The topic keys that Kafka takes without documenting them; described only where they are set.
pub(super) const INTERNAL_TOPIC_KEYS: &[ConfigKey] = &[ConfigKey {
    name: INTERNAL_SEGMENT_BYTES,
    kind: Type::Int,
    default: Null,
    valid: Any,
    mode: UpdateMode::ClusterWide,
    status: Obeyed,
    synonym: None,
    doc: "Largest size of a segment file in place of segment.bytes, without its lower bound; for tests.",
}];

/// What happens to old segments. Neither keeps them for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupPolicy {
    pub compact: bool,
    pub delete: bool,
}

/// How batches are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicCompression {
    /// As the producer sent them.
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Whose clock a record's timestamp is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

impl TopicConfig {
    /// What a topic has that overrides nothing.
    pub(super) fn defaults(broker: &Values) -> TopicConfig {
        TopicConfig::resolve(broker, &BTreeMap::new())
    }

    /// A topic's own settings over the broker's. A stored value that is no longer allowed counts as not set.
    pub(super) fn resolve(broker: &Values, overrides: &BTreeMap<String, String>) -> TopicConfig {
        let values = effective(broker, overrides);
        let config = TopicConfig::from_values(&values);
        match values.get::<Option<i32>>(INTERNAL_SEGMENT_BYTES) {
            // No batch fits where the size is negative.
            Some(bytes) => TopicConfig { segment_bytes: bytes.max(0), ..config },
            None => config,
        }
    }

    /// The row of a topic key.
    pub fn key(name: &str) -> Option<&'static ConfigKey> {
        all_keys().find(|key| key.name == name)
    }

    /// Milliseconds that segments of this topic stay on local disk.
    pub fn local_retention_ms(&self) -> i64 {
        if self.local_retention_ms == -2 { self.retention_ms } else { self.local_retention_ms }
    }

    /// Bytes of a partition of this topic that stay on local disk.
    pub fn local_retention_bytes(&self) -> i64 {
        if self.local_retention_bytes == -2 { self.retention_bytes } else { self.local_retention_bytes }
    }

    /// Longest time before a new segment: a compacted topic must not outlast its compaction lag.
    pub fn max_segment_ms(&self) -> i64 {
        if self.cleanup_policy.compact && self.max_compaction_lag_ms > 0 {
            self.max_compaction_lag_ms.min(self.segment_ms)
        } else {
            self.segment_ms
        }
    }
}

fn all_keys() -> impl Iterator<Item = &'static ConfigKey> {
    TOPIC_KEYS.iter().chain(INTERNAL_TOPIC_KEYS)
}

/// Every topic key's value: the topic's own, else the broker's, else the built-in one.
pub(super) fn effective(broker: &Values, overrides: &BTreeMap<String, String>) -> Values {
    let mut values = Values::empty();
    for key in all_keys() {
        values.set(key.name, effective_value(key, broker, overrides));
    }
    values
}

/// As [`effective`], but a value that is not allowed is an error.
pub(super) fn parse(broker: &Values, overrides: &BTreeMap<String, String>) -> Result<Values, InvalidValue> {
    let mut values = Values::empty();
    for key in all_keys() {
        let value = match (overrides.get(key.name), key.synonym) {
            (Some(text), _) => key.parse(Some(text))?,
            (None, Some(synonym)) => topic_default(broker, synonym),
            (None, None) => key.parse(None)?,
        };
        values.set(key.name, value);
    }
    Ok(values)
}

fn effective_value(key: &ConfigKey, broker: &Values, overrides: &BTreeMap<String, String>) -> Value {
    let own = overrides.get(key.name).and_then(|text| key.parse(Some(text)).ok());
    own.unwrap_or_else(|| match key.synonym {
        Some(synonym) => topic_default(broker, synonym),
        None => key.parse(None).unwrap_or(Value::Null),
    })
}

impl FromValue for CleanupPolicy {
    fn from_value(value: &Value) -> Option<CleanupPolicy> {
        let policies = Vec::<String>::from_value(value)?;
        let has = |name: &str| policies.iter().any(|policy| policy == name);
        Some(CleanupPolicy { compact: has("compact"), delete: has("delete") })
    }
}

impl FromValue for TopicCompression {
    fn from_value(value: &Value) -> Option<TopicCompression> {
        match String::from_value(value)?.as_str() {
            "producer" => Some(TopicCompression::Producer),
            "uncompressed" => Some(TopicCompression::Uncompressed),
            "gzip" => Some(TopicCompression::Gzip),
            "snappy" => Some(TopicCompression::Snappy),
            "lz4" => Some(TopicCompression::Lz4),
            "zstd" => Some(TopicCompression::Zstd),
            _ => None,
        }
    }
}

impl FromValue for TimestampType {
    fn from_value(value: &Value) -> Option<TimestampType> {
        match String::from_value(value)?.as_str() {
            "CreateTime" => Some(TimestampType::CreateTime),
            "LogAppendTime" => Some(TimestampType::LogAppendTime),
            _ => None,
        }
    }
}
