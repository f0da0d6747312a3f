//! The partitions that this node hosts.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::partition::Partition;
use crate::types::{ErrorCode, TopicId, TopicPartition};

/// What is known of a partition that was placed here.
#[derive(Clone, Debug)]
enum Hosted {
    Online(Arc<Partition>),
    /// Its log cannot be used: the directory failed, or the files are damaged.
    Offline,
    /// Its log is not open yet.
    Opening,
}

/// All partitions of this node, by topic id and by name.
#[derive(Debug, Default)]
pub struct Partitions {
    topics: RwLock<Topics>,
}

#[derive(Debug, Default)]
struct Topics {
    ids: HashMap<Arc<str>, TopicId>,
    hosted: HashMap<TopicId, HashMap<i32, Hosted, foldhash::fast::RandomState>, foldhash::fast::RandomState>,
}

impl Partitions {
    /// No partitions yet.
    pub fn new() -> Partitions {
        Partitions::default()
    }

    /// The partition of a topic that the metadata knows. Not here: another node must have it.
    pub fn find(&self, topic: TopicId, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        self.read().find(topic, index)
    }

    /// The partition of a topic by its name.
    pub fn named(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let topics = self.read();
        let id = topics.ids.get(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        match topics.hosted.get(id).is_some_and(|partitions| partitions.contains_key(&index)) {
            true => topics.find(*id, index),
            false => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    /// Hosts a partition whose log is open.
    pub fn put(&self, partition: Arc<Partition>) {
        let TopicPartition { topic, partition: index } = partition.topic_partition.clone();
        self.write().put(topic, partition.topic_id, index, Hosted::Online(partition));
    }

    /// Hosts a partition whose log cannot be used. Who waits for it is told.
    pub fn put_offline(&self, topic: Arc<str>, id: TopicId, index: i32) {
        let before = self.write().put(topic, id, index, Hosted::Offline);
        if let Some(Hosted::Online(partition)) = before {
            partition.waiters().wake();
        }
    }

    /// Hosts a partition whose log is not open yet: clients are told to try again, as they are while a leader is made.
    pub fn put_opening(&self, topic: Arc<str>, id: TopicId, index: i32) {
        self.write().put(topic, id, index, Hosted::Opening);
    }

    /// Forgets a topic that was deleted. Who waits for it is told.
    pub fn remove_topic(&self, name: &str, id: TopicId) -> Vec<Arc<Partition>> {
        let mut topics = self.write();
        if topics.ids.get(name) == Some(&id) {
            topics.ids.remove(name);
        }
        let removed = topics.hosted.remove(&id).unwrap_or_default();
        drop(topics);
        let online = |hosted| match hosted {
            Hosted::Online(partition) => Some(partition),
            Hosted::Offline | Hosted::Opening => None,
        };
        let removed: Vec<Arc<Partition>> = removed.into_values().filter_map(online).collect();
        removed.iter().for_each(|partition| partition.delete());
        removed
    }

    /// Every partition that is online.
    pub fn online(&self) -> Vec<Arc<Partition>> {
        let topics = self.read();
        let hosted = topics.hosted.values().flat_map(HashMap::values);
        let online = hosted.filter_map(|hosted| match hosted {
            Hosted::Online(partition) => Some(partition.clone()),
            Hosted::Offline | Hosted::Opening => None,
        });
        online.collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Topics> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics {
    fn find(&self, topic: TopicId, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        match self.hosted.get(&topic).and_then(|partitions| partitions.get(&index)) {
            Some(Hosted::Online(partition)) => Ok(partition.clone()),
            Some(Hosted::Offline) => Err(ErrorCode::KafkaStorageError),
            Some(Hosted::Opening) | None => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    fn put(&mut self, name: Arc<str>, id: TopicId, index: i32, hosted: Hosted) -> Option<Hosted> {
        self.ids.insert(name, id);
        self.hosted.entry(id).or_default().insert(index, hosted)
    }
}
