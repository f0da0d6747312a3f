//! The classic protocol's messages inside messages, as far as the coordinator of a mixed group has to speak them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::assignor::Assignment;
use crate::metadata::MetadataImage;
use crate::protocol::internal::{AssignedPartitions, ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use crate::protocol::message::Message;
use crate::types::TopicId;

/// Later versions are read as this one.
const VERSION_MAX: i16 = 3;

/// What a classic member asks for; none if its bytes say nothing.
pub fn subscription(metadata: &[u8]) -> Option<ConsumerProtocolSubscription> {
    let (version, fields) = versioned(metadata)?;
    Some(ConsumerProtocolSubscription::decode(fields, version).ok()?.0)
}

/// What a classic member was given; none if the bytes say nothing.
pub fn assignment(bytes: &[u8]) -> Option<ConsumerProtocolAssignment> {
    let (version, fields) = versioned(bytes)?;
    Some(ConsumerProtocolAssignment::decode(fields, version).ok()?.0)
}

/// An assignment as a member reads it that asked with `metadata`; topics that are gone are left out.
pub fn assignment_for(metadata: &[u8], assignment: &Assignment, image: &MetadataImage) -> Option<Bytes> {
    let (version, _) = versioned(metadata)?;
    let assigned_partitions = assignment.iter().filter_map(|(id, partitions)| {
        let topic = image.topics.with_id(*id)?.name.to_string();
        Some(AssignedPartitions { topic, partitions: partitions.iter().copied().collect() })
    });
    let message = ConsumerProtocolAssignment { assigned_partitions: assigned_partitions.collect(), user_data: None };
    message.encode_versioned(version).ok()
}

/// Partitions by the topics' names as partitions by their ids; topics that do not exist are left out.
pub fn by_id<'a>(topics: impl Iterator<Item = (&'a str, &'a [i32])>, image: &MetadataImage) -> Assignment {
    let mut assignment: BTreeMap<TopicId, std::collections::BTreeSet<i32>> = BTreeMap::new();
    for (name, partitions) in topics {
        if let Some(topic) = image.topics.named(name) {
            assignment.entry(topic.id).or_default().extend(partitions);
        }
    }
    assignment
}

fn versioned(bytes: &[u8]) -> Option<(i16, &[u8])> {
    let (version, fields) = bytes.split_first_chunk()?;
    let version = i16::from_be_bytes(*version);
    (version >= 0).then_some((version.min(VERSION_MAX), fields))
}
