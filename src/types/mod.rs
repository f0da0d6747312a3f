//! The vocabulary shared by every layer: identifiers, offsets, epochs, time, error codes and file ranges.
//!
//! Each is a newtype over the primitive that Kafka puts on the wire or on disk, so that an offset can never be
//! passed where an epoch is meant. The inner value is public: the protocol layer reads and writes it as it is.

mod error_code;
mod file_range;
pub mod hash_order;
mod ids;
mod offsets;
mod time;
mod topic_name;
mod uuid;

pub use error_code::ErrorCode;
pub use file_range::FileRange;
pub use ids::{BrokerEpoch, BrokerId, ProducerEpoch, ProducerId, TopicIdPartition, TopicPartition};
pub use offsets::{LeaderEpoch, Offset, PartitionEpoch};
pub use time::{Clock, Millis};
pub use topic_name::{
    METADATA_TOPIC, OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTIONS_TOPIC, is_internal_topic, topic_name_fault,
};
pub use uuid::Uuid;

/// The id of a topic (KIP-516).
pub type TopicId = Uuid;
/// The id of a log directory (KIP-858); see [`Uuid`] for the reserved values.
pub type DirectoryId = Uuid;
