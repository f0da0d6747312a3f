//! The rules of an append: whose it is, and what the topic asks for.

use crate::config::{TimestampType as TopicTimestampType, TopicCompression, TopicConfig};
use crate::protocol::batch::TimestampType;
use crate::protocol::compression::Compression;
use crate::types::{LeaderEpoch, Millis, TopicPartition};

/// Where an append comes from, which decides how much of it is checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AppendOrigin {
    /// A produce request: everything is checked.
    Client,
    /// The group or transaction coordinator of this broker: no sequences, but epochs and markers.
    Coordinator,
    /// The leader of the metadata quorum, which assigns offsets and epochs itself.
    RaftLeader,
    /// The leader of the partition, which has checked everything.
    Replication,
}

impl AppendOrigin {
    /// Whether the log gives the offsets, rather than the batches bringing them.
    pub fn assigns_offsets(self) -> bool {
        matches!(self, AppendOrigin::Client | AppendOrigin::Coordinator)
    }
}

/// The codec in which a topic keeps its batches (`compression.type`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TargetCompression {
    /// As they came.
    #[default]
    Producer,
    /// This one, at a level or the codec's default.
    Codec(Compression, Option<i32>),
}

impl TargetCompression {
    /// The codec and level for a batch that came in `source`.
    pub(super) fn resolve(self, source: Compression) -> (Compression, Option<i32>) {
        match self {
            TargetCompression::Producer => (source, None),
            TargetCompression::Codec(codec, level) => (codec, level),
        }
    }
}

/// What a topic's configuration says about appends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicRules {
    /// `max.message.bytes`: of a whole batch.
    pub max_message_bytes: usize,
    /// `segment.bytes`: of a whole append.
    pub segment_bytes: usize,
    pub compression: TargetCompression,
    /// Whether `cleanup.policy` includes `compact`, so that records need keys.
    pub compacted: bool,
    pub timestamp_type: TimestampType,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_after_max_ms: i64,
}

impl Default for TopicRules {
    /// Kafka's defaults.
    fn default() -> TopicRules {
        TopicRules {
            max_message_bytes: 1_048_588,
            segment_bytes: 1 << 30,
            compression: TargetCompression::Producer,
            compacted: false,
            timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
        }
    }
}

impl From<&TopicConfig> for TopicRules {
    fn from(config: &TopicConfig) -> TopicRules {
        let codec = TargetCompression::Codec;
        TopicRules {
            max_message_bytes: usize::try_from(config.max_message_bytes).unwrap_or(0),
            segment_bytes: usize::try_from(config.segment_bytes).unwrap_or(0),
            compression: match config.compression_type {
                TopicCompression::Producer => TargetCompression::Producer,
                TopicCompression::Uncompressed => codec(Compression::None, None),
                TopicCompression::Gzip => codec(Compression::Gzip, Some(config.compression_gzip_level)),
                TopicCompression::Snappy => codec(Compression::Snappy, None),
                TopicCompression::Lz4 => codec(Compression::Lz4, Some(config.compression_lz4_level)),
                TopicCompression::Zstd => codec(Compression::Zstd, Some(config.compression_zstd_level)),
            },
            compacted: config.cleanup_policy.compact,
            timestamp_type: match config.message_timestamp_type {
                TopicTimestampType::CreateTime => TimestampType::CreateTime,
                TopicTimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            message_timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            message_timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        }
    }
}

/// Everything that decides about one append.
#[derive(Clone, Debug)]
pub struct AppendRules<'a> {
    /// Named in the messages that clients get about single records.
    pub partition: &'a TopicPartition,
    pub topic: &'a TopicRules,
    pub origin: AppendOrigin,
    /// The wall clock: for timestamp bounds, and for the stamp.
    pub now: Millis,
    /// The epoch of the partition's leader, against which replicated batches are held.
    pub leader_epoch: LeaderEpoch,
    /// The version of the produce request, if it is one and [`super::check_produce_request`] has not been called.
    pub produce_version: Option<i16>,
}
