//! The way from one image to the next, with an account of what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::protocol::kraft::MetadataRecord;
use crate::types::{BrokerId, LeaderEpoch, Offset, TopicId};

use super::{ConfigResource, MetadataImage, PartitionRegistration, ReplayError, TopicImage};

/// Replays records beside an image and remembers what they touched.
#[derive(Clone, Debug)]
pub struct MetadataDelta {
    base: Arc<MetadataImage>,
    image: MetadataImage,
    touched_topics: BTreeMap<TopicId, BTreeSet<i32>>,
    removed_topics: BTreeMap<TopicId, Arc<TopicImage>>,
    changed_configs: BTreeSet<ConfigResource>,
    changed_brokers: BTreeSet<BrokerId>,
    features_changed: bool,
    quotas_changed: bool,
    scram_changed: bool,
    acls_changed: bool,
    records: usize,
}

/// What happened to one topic that still exists.
#[derive(Debug)]
pub struct TopicChange<'a> {
    pub topic: &'a Arc<TopicImage>,
    /// Whether the topic is new, in name or in id.
    pub created: bool,
    /// Partitions created or changed, with their registration before.
    pub partitions: BTreeMap<i32, Option<&'a PartitionRegistration>>,
}

impl MetadataDelta {
    /// A delta that starts at `base` and has changed nothing yet.
    pub fn new(base: Arc<MetadataImage>) -> MetadataDelta {
        MetadataDelta {
            image: (*base).clone(),
            base,
            touched_topics: BTreeMap::new(),
            removed_topics: BTreeMap::new(),
            changed_configs: BTreeSet::new(),
            changed_brokers: BTreeSet::new(),
            features_changed: false,
            quotas_changed: false,
            scram_changed: false,
            acls_changed: false,
            records: 0,
        }
    }

    /// Applies one record.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        use MetadataRecord as R;
        match record {
            R::Topic(record) => self.note_topic(record.topic_id, None),
            R::Partition(record) => self.note_topic(record.topic_id, Some(record.partition_id)),
            R::PartitionChange(record) => self.note_topic(record.topic_id, Some(record.partition_id)),
            R::RemoveTopic(record) => self.note_removed(record.topic_id),
            R::ClearElr(record) => self.note_cleared(&record.topic_name),
            R::Config(record) => {
                let resource = ConfigResource { kind: record.resource_type, name: record.resource_name.clone() };
                self.changed_configs.insert(resource);
            }
            R::RegisterBroker(record) => self.note_broker(record.broker_id),
            R::UnregisterBroker(record) => self.note_broker(record.broker_id),
            R::BrokerRegistrationChange(record) => self.note_broker(record.broker_id),
            R::FenceBroker(record) => self.note_broker(record.id),
            R::UnfenceBroker(record) => self.note_broker(record.id),
            R::FeatureLevel(_) => self.features_changed = true,
            R::ClientQuota(_) => self.quotas_changed = true,
            R::UserScramCredential(_) | R::RemoveUserScramCredential(_) => self.scram_changed = true,
            R::AccessControlEntry(_) | R::RemoveAccessControlEntry(_) => self.acls_changed = true,
            R::DelegationToken(_) | R::RemoveDelegationToken(_) => {}
            R::RegisterController(_) | R::ProducerIds(_) | R::NoOp(_) | R::ZkMigrationState(_) => {}
            R::BeginTransaction(_) | R::EndTransaction(_) | R::AbortTransaction(_) => {}
        }
        self.records += 1;
        self.image.replay(record)
    }

    fn note_topic(&mut self, id: TopicId, partition: Option<i32>) {
        self.touched_topics.entry(id).or_default().extend(partition);
    }

    fn note_broker(&mut self, id: i32) {
        self.changed_brokers.insert(BrokerId(id));
    }

    fn note_removed(&mut self, id: TopicId) {
        self.touched_topics.remove(&id);
        if let Some(topic) = self.base.topics.with_id(id) {
            self.removed_topics.insert(id, topic.clone());
            self.changed_configs.remove(&ConfigResource::topic(&*topic.name));
        }
    }

    fn note_cleared(&mut self, name: &str) {
        for topic in self.image.topics.iter().filter(|topic| name.is_empty() || *topic.name == *name) {
            self.touched_topics.entry(topic.id).or_default().extend(topic.partitions.keys());
        }
    }

    /// Ends the delta at `offset`. The account stays readable beside the new image.
    pub fn set_position(&mut self, offset: Offset, epoch: LeaderEpoch) {
        self.image.offset = offset;
        self.image.epoch = epoch;
    }

    /// The image before.
    pub fn base(&self) -> &Arc<MetadataImage> {
        &self.base
    }

    /// The image after the records replayed so far.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// How many records were replayed.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Topics created or changed that exist now, in order of id.
    pub fn changed_topics(&self) -> impl Iterator<Item = TopicChange<'_>> {
        self.touched_topics.iter().filter_map(|(id, touched)| {
            let topic = self.image.topics.with_id(*id)?;
            let before = self.base.topics.with_id(*id);
            let old = |partition| before.and_then(|topic| topic.partitions.get(partition));
            let partitions = touched.iter().map(|partition| (*partition, old(partition))).collect();
            Some(TopicChange { topic, created: before.is_none(), partitions })
        })
    }

    /// Topics that the base had and that are gone, as they were.
    pub fn deleted_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.removed_topics.values()
    }

    /// Resources whose configs were set or unset; those of deleted topics are not named.
    pub fn changed_configs(&self) -> &BTreeSet<ConfigResource> {
        &self.changed_configs
    }

    /// Brokers registered, changed or unregistered.
    pub fn changed_brokers(&self) -> &BTreeSet<BrokerId> {
        &self.changed_brokers
    }

    /// Whether a feature level was set.
    pub fn features_changed(&self) -> bool {
        self.features_changed
    }

    /// Whether a client quota was set or removed.
    pub fn quotas_changed(&self) -> bool {
        self.quotas_changed
    }

    /// Whether a SCRAM credential was set or removed.
    pub fn scram_changed(&self) -> bool {
        self.scram_changed
    }

    /// Whether an ACL was added or removed.
    pub fn acls_changed(&self) -> bool {
        self.acls_changed
    }
}
