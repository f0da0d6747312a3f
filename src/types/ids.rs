//! Identifiers of brokers, producers and partitions.

use std::fmt;
use std::sync::Arc;

use super::TopicId;

/// The id of a node (`node.id`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct BrokerId(pub i32);

impl BrokerId {
    /// No broker: a partition without leader, a consumer's replica id.
    pub const NONE: BrokerId = BrokerId(-1);
}

/// The epoch a broker gets when it registers: the offset of its registration record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct BrokerEpoch(pub i64);

/// The id of an idempotent or transactional producer (KIP-98).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// A batch that is not idempotent.
    pub const NONE: ProducerId = ProducerId(-1);
}

/// The epoch that fences older instances of a producer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ProducerEpoch(pub i16);

impl ProducerEpoch {
    /// A batch that is not idempotent.
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

/// A partition by the topic's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A partition by the topic's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicIdPartition {
    pub topic_id: TopicId,
    pub partition: i32,
}

macro_rules! display_inner {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_inner!(BrokerId, BrokerEpoch, ProducerId, ProducerEpoch);
