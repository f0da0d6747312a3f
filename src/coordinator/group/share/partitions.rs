//! Which partitions of a share group have state at the share coordinator.
//!
//! ```text
//!              asked for            made                deletion begun
//!    (none) ─────────────▶ initializing ─────▶ initialized ─────────────▶ deleting ──▶ (none)
//!       ▲         could not be made │                                        │ deleted
//!       └────────────────────────────┘◀──────────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::assignor::Assignment;
use crate::metadata::MetadataImage;
use crate::types::TopicId;

/// StateTopics with some of their partitions.
pub type StateTopics = BTreeMap<TopicId, TopicPartitions>;

/// Some partitions of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPartitions {
    pub name: Arc<str>,
    pub partitions: BTreeSet<i32>,
}

/// The partitions of a share group that have share state, are to have it, or had it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StatePartitions {
    pub initializing: StateTopics,
    pub initialized: StateTopics,
    /// By their names.
    pub deleting: BTreeMap<TopicId, Arc<str>>,
}

impl StatePartitions {
    /// The state of these is asked for. What was to be deleted is no longer, as it begins anew.
    pub fn begin(&mut self, asked: &StateTopics) {
        merge(&mut self.initializing, asked);
        self.deleting.retain(|topic, _| !self.initializing.contains_key(topic));
    }

    /// The state of these was made.
    pub fn made(&mut self, partitions: &Assignment, image: &MetadataImage) {
        self.not_made(partitions);
        let made = partitions.iter().map(|(topic, partitions)| {
            let name = image.topics.with_id(*topic).map_or("<UNKNOWN>", |topic| &*topic.name);
            (*topic, TopicPartitions { name: name.into(), partitions: partitions.clone() })
        });
        merge(&mut self.initialized, &made.collect());
    }

    /// The state of these could not be made.
    pub fn not_made(&mut self, partitions: &Assignment) {
        self.initializing.retain(|topic, waiting| {
            let Some(done) = partitions.get(topic) else { return true };
            waiting.partitions.retain(|partition| !done.contains(partition));
            !waiting.partitions.is_empty()
        });
    }

    /// Says of each topic whether it is deleted; what is known of those that are is forgotten. True if anything was.
    pub fn forget(&mut self, is_deleted: impl Fn(&TopicId) -> bool) -> bool {
        let count = |partitions: &StatePartitions| {
            partitions.initializing.len() + partitions.initialized.len() + partitions.deleting.len()
        };
        let before = count(self);
        self.initializing.retain(|topic, _| !is_deleted(topic));
        self.initialized.retain(|topic, _| !is_deleted(topic));
        self.deleting.retain(|topic, _| !is_deleted(topic));
        count(self) < before
    }
}

/// Adds partitions; a topic's later name wins.
pub fn merge(topics: &mut StateTopics, more: &StateTopics) {
    for (id, topic) in more {
        let known = topics.entry(*id).or_insert_with(|| topic.clone());
        known.name = topic.name.clone();
        known.partitions.extend(&topic.partitions);
    }
}

/// All partitions of a topic.
pub fn all_partitions(image: &MetadataImage, id: TopicId) -> Option<TopicPartitions> {
    let topic = image.topics.with_id(id)?;
    Some(TopicPartitions { name: topic.name.clone(), partitions: topic.partitions.keys().copied().collect() })
}
