//! What the metadata log says of topics: their ids, and which of their partitions this node has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::protocol::kraft::{ConfigRecord, MetadataRecord};
use crate::types::{DirectoryId, TopicId};

/// The type of a topic's configs in a ConfigRecord.
const TOPIC: i8 = 2;
const CLEANUP_POLICY: &str = "cleanup.policy";
const INDEX_INTERVAL_BYTES: &str = "index.interval.bytes";

/// The topics of the cluster, as far as they concern one node.
#[derive(Debug, Default)]
pub(super) struct Topics {
    node: i32,
    names: HashMap<Arc<str>, TopicId>,
    topics: HashMap<TopicId, Topic>,
    /// Configs by topic and key; of keys that matter here only.
    configs: BTreeMap<(String, String), String>,
    /// Records of a metadata transaction that has not ended.
    transaction: Option<Vec<MetadataRecord>>,
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    /// The partitions of which this node has a replica.
    here: BTreeMap<i32, Here>,
}

/// A replica on this node.
#[derive(Clone, Copy, Debug)]
struct Here {
    /// Its place in the list of replicas.
    index: usize,
    directory: Option<DirectoryId>,
}

impl Topics {
    /// Nothing is known yet to the node of that id.
    pub(super) fn of_node(node: i32) -> Topics {
        Topics { node, ..Topics::default() }
    }

    /// Takes the next record of the log or of a snapshot.
    pub(super) fn replay(&mut self, record: MetadataRecord) {
        match record {
            MetadataRecord::BeginTransaction(_) => self.transaction = Some(Vec::new()),
            MetadataRecord::AbortTransaction(_) => self.transaction = None,
            MetadataRecord::EndTransaction(_) => {
                for record in self.transaction.take().unwrap_or_default() {
                    self.apply(record);
                }
            }
            record => match &mut self.transaction {
                Some(waiting) => waiting.push(record),
                None => self.apply(record),
            },
        }
    }

    fn apply(&mut self, record: MetadataRecord) {
        match record {
            MetadataRecord::Topic(record) => {
                let name: Arc<str> = record.name.into();
                self.names.insert(name.clone(), record.topic_id);
                self.topics.insert(record.topic_id, Topic { name, here: BTreeMap::new() });
            }
            MetadataRecord::RemoveTopic(record) => {
                if let Some(topic) = self.topics.remove(&record.topic_id) {
                    self.names.remove(&topic.name);
                    self.configs.retain(|(name, _), _| **name != *topic.name);
                }
            }
            MetadataRecord::Partition(record) => {
                let node = self.node;
                let Some(topic) = self.topics.get_mut(&record.topic_id) else { return };
                if let Some(index) = record.replicas.iter().position(|replica| *replica == node) {
                    let directory = record.directories.get(index).copied();
                    topic.here.insert(record.partition_id, Here { index, directory });
                }
            }
            MetadataRecord::PartitionChange(record) => {
                let node = self.node;
                let Some(topic) = self.topics.get_mut(&record.topic_id) else { return };
                if let Some(replicas) = &record.replicas {
                    match replicas.iter().position(|replica| *replica == node) {
                        None => drop(topic.here.remove(&record.partition_id)),
                        Some(index) => {
                            let here = Here { index, directory: None };
                            topic.here.entry(record.partition_id).or_insert(here).index = index;
                        }
                    }
                }
                if let (Some(directories), Some(here)) = (&record.directories, topic.here.get_mut(&record.partition_id))
                {
                    here.directory = directories.get(here.index).copied();
                }
            }
            MetadataRecord::Config(record) if record.resource_type == TOPIC => self.config(record),
            _ => {}
        }
    }

    fn config(&mut self, record: ConfigRecord) {
        if ![CLEANUP_POLICY, INDEX_INTERVAL_BYTES].contains(&record.name.as_str()) {
            return;
        }
        let key = (record.resource_name, record.name);
        match record.value {
            Some(value) => drop(self.configs.insert(key, value)),
            None => drop(self.configs.remove(&key)),
        }
    }

    /// The id of the topic of that name.
    pub(super) fn id(&self, name: &str) -> Option<TopicId> {
        self.names.get(name).copied()
    }

    /// The name of the topic of that id.
    pub(super) fn name(&self, id: TopicId) -> Option<&str> {
        self.topics.get(&id).map(|topic| &*topic.name)
    }

    /// Whether this node has that partition.
    pub(super) fn has(&self, id: TopicId, partition: i32) -> bool {
        self.topics.get(&id).is_some_and(|topic| topic.here.contains_key(&partition))
    }

    /// Every partition of this node, with the directory it was assigned to.
    pub(super) fn here(&self) -> impl Iterator<Item = (&str, i32, Option<DirectoryId>)> {
        self.topics
            .values()
            .flat_map(|topic| topic.here.iter().map(|(partition, here)| (&*topic.name, *partition, here.directory)))
    }

    /// Whether the topic has a policy of its own by which it is compacted.
    pub(super) fn is_compacted(&self, name: &str) -> bool {
        self.value(name, CLEANUP_POLICY).is_some_and(|policy| policy.contains("compact"))
    }

    /// The topic's own `index.interval.bytes`.
    pub(super) fn index_interval(&self, name: &str) -> Option<u64> {
        self.value(name, INDEX_INTERVAL_BYTES)?.parse().ok()
    }

    fn value(&self, topic: &str, key: &str) -> Option<&str> {
        self.configs.get(&(topic.to_owned(), key.to_owned())).map(String::as_str)
    }
}
