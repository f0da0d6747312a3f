//! Committed metadata put into force: configs, then partitions, then coordinators, then the image that requests see.
//!
//! It runs on the quorum's committing thread before anyone is told of the commit, so that whatever was answered is
//! visible, and a new partition serves, when its creator hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use super::group_log::{self, GroupLog};
use super::share_log::{self, ShareLog};
use super::storage;
use super::transaction_log::{self, TransactionLog};
use crate::config::{ConfigStore, TopicConfig};
use crate::coordinator::group::Groups;
use crate::coordinator::share::ShareStates;
use crate::coordinator::share_partition::SharePartitions;
use crate::coordinator::transaction::Transactions;
use crate::handlers::Node;
use crate::log::{LogDirs, LogError, MovedListener};
use crate::metadata::{ConfigResource, Feature, MetadataDelta, MetadataImage, PartitionRegistration, TopicImage};
use crate::protocol::compression::Compression;
use crate::replication::{Leadership, Partition, Partitions};
use crate::telemetry::ClientTelemetry;
use crate::types::{
    BrokerId, Clock, DirectoryId, OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTIONS_TOPIC, TopicId, TopicPartition, Uuid,
    is_internal_topic,
};

/// A replica that this broker placed in a directory the controller does not know of yet.
#[derive(Clone, Copy, Debug)]
pub struct PlacedReplica {
    pub topic_id: TopicId,
    pub partition: i32,
    pub directory: DirectoryId,
}

/// Puts metadata into force on this node.
pub struct Publisher {
    pub broker_id: BrokerId,
    pub config: Arc<ConfigStore>,
    pub log_dirs: Arc<LogDirs>,
    pub partitions: Arc<Partitions>,
    pub groups: Arc<Groups>,
    pub transactions: Arc<Transactions>,
    pub telemetry: Arc<ClientTelemetry>,
    pub share_states: Arc<ShareStates>,
    pub share_partitions: Arc<SharePartitions>,
    /// Who writes the markers of transactions.
    pub node: Weak<Node>,
    pub image: Arc<ArcSwap<MetadataImage>>,
    pub clock: Clock,
    /// Threads that may wait for a disk.
    pub blocking: Handle,
    pub placed: UnboundedSender<PlacedReplica>,
    /// Partitions for which there was no room, to be placed later.
    pub unplaced: Mutex<BTreeSet<(TopicId, i32)>>,
    /// Called when the broker's own configs changed.
    pub reconfigured: Box<dyn Fn(&ConfigStore) + Send>,
}

/// Has `configs` take over what an image says of the broker's own configs, and tells what of it is ignored.
pub fn take_over_broker_configs(configs: &ConfigStore, image: &MetadataImage) {
    let stored = |resource| (*image.config(&resource)).clone();
    let this_broker = ConfigResource::broker(BrokerId(configs.broker().node_id));
    for line in configs.set_dynamic(stored(ConfigResource::default_broker()), stored(this_broker)) {
        tracing::warn!("{line}");
    }
}

impl Publisher {
    /// Puts the broker's own configs into force, as they were last taken over.
    pub fn enforce_broker_configs(&self) {
        let broker = self.config.broker();
        self.log_dirs.set_cordoned(broker.cordoned_log_dirs.iter().cloned().collect());
        self.log_dirs.set_move_rate(broker.replica_alter_log_dirs_io_max_bytes_per_second);
        self.log_dirs.context().set_producer_rules(storage::producer_rules(&broker));
        (self.reconfigured)(&self.config);
    }

    /// Follows logs that move to another directory.
    pub fn follow_moves(&self) {
        let (partitions, placed) = (self.partitions.clone(), self.placed.clone());
        self.log_dirs.on_moved(MovedListener(Box::new(move |log, directory| {
            let TopicPartition { topic, partition } = log.partition();
            if let Ok(hosted) = partitions.named(topic, *partition) {
                hosted.replace_log(log.clone());
                // Nobody listens once the broker stops, and then the next start tells.
                let _ = placed.send(PlacedReplica { topic_id: hosted.topic_id, partition: *partition, directory });
            }
        })));
    }

    /// Puts a whole image into force, after the logs were opened.
    pub fn begin(&mut self, image: &Arc<MetadataImage>) {
        let mut known = BTreeSet::new();
        for topic in image.topics.iter() {
            for (index, registration) in &topic.partitions {
                if registration.replicas.contains(&self.broker_id) {
                    known.insert(TopicPartition::new(topic.name.clone(), *index));
                    self.host(image, topic, *index, registration, false);
                }
            }
        }
        for log in self.log_dirs.logs() {
            if !known.contains(log.partition()) {
                self.report(log.partition(), self.log_dirs.set_aside(log.partition()));
            }
        }
        self.enforce_features(image);
        self.subscribe_to_clients(image);
        let coordinated = [OFFSETS_TOPIC, TRANSACTIONS_TOPIC, SHARE_STATE_TOPIC];
        for topic in coordinated.into_iter().filter_map(|name| image.topics.named(name)) {
            self.coordinate(topic, topic.partitions.keys().copied().collect());
        }
        self.image.store(image.clone());
        self.groups.topics_created(image.offset);
    }

    /// Puts into force what was committed of a partition while its log was not open.
    pub fn opened(&self, name: &TopicPartition) {
        let image = self.image.load_full();
        let topic = image.topics.named(&name.topic);
        let registered = topic.and_then(|topic| Some((topic, topic.partitions.get(&name.partition)?)));
        let Some((topic, registration)) = registered.filter(|(_, here)| here.replicas.contains(&self.broker_id)) else {
            self.report(name, self.log_dirs.set_aside(name));
            return;
        };
        if self.partitions.find(topic.id, name.partition).is_err() {
            self.host(&image, topic, name.partition, registration, false);
        }
        if self.log_dirs.has_failed(name) {
            self.partitions.put_offline(topic.name.clone(), topic.id, name.partition);
        }
        if let Ok(partition) = self.partitions.find(topic.id, name.partition) {
            self.log_dirs.update_config(&partition.log(), self.topic_config(&image, &topic.name));
        }
        if is_internal_topic(&topic.name) {
            self.coordinate(topic, vec![name.partition]);
        }
    }

    /// Puts one committed change into force.
    pub fn publish(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        self.apply_configs(delta, image);
        self.enforce_features(image);
        for topic in delta.deleted_topics() {
            self.remove(topic);
        }
        let mut led = BTreeMap::new();
        for change in delta.changed_topics() {
            for (index, before) in &change.partitions {
                if let Some(registration) = change.topic.partitions.get(index)
                    && registration.replicas.contains(&self.broker_id)
                {
                    self.host(image, change.topic, *index, registration, before.is_none());
                }
            }
            if is_internal_topic(&change.topic.name) {
                let moved = change.partitions.iter().filter(|(index, before)| {
                    let now = change.topic.partitions.get(index).map(|now| (now.leader, now.leader_epoch));
                    now != before.map(|before| (before.leader, before.leader_epoch))
                });
                led.insert(change.topic.id, (change.topic.clone(), moved.map(|(index, _)| *index).collect()));
            }
        }
        for (topic, moved) in led.into_values() {
            self.coordinate(&topic, moved);
        }
        self.image.store(image.clone());
        if delta.changed_topics().any(|change| change.created) {
            self.groups.topics_created(image.offset);
        }
        self.forget_deleted(delta);
    }

    fn enforce_features(&self, image: &MetadataImage) {
        self.transactions.set_transaction_version(image.features.get(Feature::TRANSACTIONS).copied().unwrap_or(0));
        self.share_states.set_share_groups_enabled(image.share_groups_enabled());
        if !image.share_groups_enabled() {
            self.share_partitions.clear();
        }
    }

    fn apply_configs(&self, delta: &MetadataDelta, image: &MetadataImage) {
        let changed = delta.changed_configs();
        if changed.is_empty() {
            return;
        }
        if changed.iter().any(|resource| resource.kind == ConfigResource::CLIENT_METRICS) {
            self.subscribe_to_clients(image);
        }
        let of_broker = |resource: &&ConfigResource| resource.kind == ConfigResource::BROKER;
        let all = changed.iter().any(|resource| of_broker(&resource));
        if all {
            take_over_broker_configs(&self.config, image);
            self.enforce_broker_configs();
        }
        let topics = image.topics.iter().filter(|topic| all || changed.contains(&ConfigResource::topic(&*topic.name)));
        for topic in topics {
            let config = self.topic_config(image, &topic.name);
            for index in topic.partitions.keys() {
                if let Ok(partition) = self.partitions.find(topic.id, *index) {
                    self.log_dirs.update_config(&partition.log(), config.clone());
                }
            }
        }
    }

    fn subscribe_to_clients(&self, image: &MetadataImage) {
        let subscriptions =
            image.configs.iter().filter(|(resource, _)| resource.kind == ConfigResource::CLIENT_METRICS);
        self.telemetry.set_subscriptions(subscriptions.map(|(resource, configs)| (resource.name.as_str(), &**configs)));
    }

    fn topic_config(&self, image: &MetadataImage, topic: &str) -> Arc<TopicConfig> {
        Arc::new(self.config.topic_config(&image.config(&ConfigResource::topic(topic))))
    }

    /// Hosts a partition that is placed here, with a new log if there is none, under the leader that the image names.
    fn host(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        index: i32,
        registration: &PartitionRegistration,
        is_new: bool,
    ) {
        let leadership = leadership(registration);
        let name = TopicPartition::new(topic.name.clone(), index);
        if let Ok(partition) = self.partitions.find(topic.id, index) {
            match self.log_dirs.has_failed(&name) {
                // Kafka's error for it is that of the disk, whoever leads.
                true => self.partitions.put_offline(topic.name.clone(), topic.id, index),
                false => {
                    if partition.current_leader() != (leadership.leader, leadership.leader_epoch) {
                        self.share_partitions.resign(topic.id, index);
                    }
                    partition.lead(leadership);
                }
            }
            return;
        }
        if self.log_dirs.is_opening(&name) {
            self.partitions.put_opening(topic.name.clone(), topic.id, index);
            return;
        }
        if let Some(log) = self.log_dirs.get(&name)
            && log.topic_id().is_some_and(|id| id != topic.id)
        {
            // The files of an earlier topic of that name.
            self.report(&name, self.log_dirs.set_aside(&name));
        }
        if !is_new && self.log_dirs.get(&name).is_none() && self.log_dirs.some_offline() {
            // Its records may lie in the directory that failed; an empty log must not take their place.
            tracing::error!("{name} is offline: it is in no working directory");
            self.partitions.put_offline(topic.name.clone(), topic.id, index);
            return;
        }
        let assigned = registration.directory(self.broker_id).unwrap_or(Uuid::UNASSIGNED_DIR);
        let wanted = (assigned != Uuid::UNASSIGNED_DIR && assigned != Uuid::MIGRATING_DIR).then_some(assigned);
        let config = self.topic_config(image, &topic.name);
        match self.log_dirs.create(&name, topic.id, config, wanted) {
            Ok(log) => {
                let partition = Partition::new(self.broker_id, topic.id, log, leadership);
                self.partitions.put(Arc::new(partition));
                if let Some(directory) = self.log_dirs.directory_of(&name).filter(|id| *id != assigned) {
                    // Nobody listens once the broker stops, and then the next start tells.
                    let _ = self.placed.send(PlacedReplica { topic_id: topic.id, partition: index, directory });
                }
            }
            Err(error) => {
                tracing::error!("{name} is offline: {error}");
                if error.is_out_of_space() {
                    let mut unplaced = self.unplaced.lock().unwrap_or_else(PoisonError::into_inner);
                    unplaced.insert((topic.id, index));
                }
                self.partitions.put_offline(topic.name.clone(), topic.id, index);
            }
        }
    }

    /// Places the partitions for which there was no room before.
    pub fn place_again(&self) {
        let unplaced = std::mem::take(&mut *self.unplaced.lock().unwrap_or_else(PoisonError::into_inner));
        let image = self.image.load_full();
        for (id, index) in unplaced {
            let Some(topic) = image.topics.with_id(id) else { continue };
            let Some(registration) = topic.partitions.get(&index) else { continue };
            self.host(&image, topic, index, registration, true);
            if is_internal_topic(&topic.name) {
                self.coordinate(topic, vec![index]);
            }
        }
    }

    fn remove(&self, topic: &TopicImage) {
        if &*topic.name == OFFSETS_TOPIC {
            topic.partitions.keys().for_each(|index| self.groups.resign(*index));
            self.groups.set_partition_count(0);
        }
        if &*topic.name == TRANSACTIONS_TOPIC {
            topic.partitions.keys().for_each(|index| self.transactions.resign(*index));
            self.transactions.set_partition_count(0);
        }
        if &*topic.name == SHARE_STATE_TOPIC {
            topic.partitions.keys().for_each(|index| self.share_states.resign(*index));
            self.share_states.set_partition_count(self.config.broker().share_coordinator_state_topic_num_partitions);
        }
        topic.partitions.keys().for_each(|index| self.share_partitions.resign(topic.id, *index));
        self.partitions.remove_topic(&topic.name, topic.id);
        for index in topic.partitions.keys() {
            let name = TopicPartition::new(topic.name.clone(), *index);
            self.report(&name, self.log_dirs.delete(&name, self.clock.wall()).map(|_| ()));
        }
    }

    /// Takes over or gives up what the partitions that changed hands coordinate.
    fn coordinate(&self, topic: &TopicImage, moved: Vec<i32>) {
        match &*topic.name {
            TRANSACTIONS_TOPIC => self.coordinate_transactions(topic, moved),
            SHARE_STATE_TOPIC => self.coordinate_share_states(topic, moved),
            _ => self.coordinate_groups(topic, moved),
        }
    }

    fn coordinate_transactions(&self, topic: &TopicImage, moved: Vec<i32>) {
        self.transactions.set_partition_count(topic.partitions.len() as i32);
        for index in moved {
            let leads = topic.partitions.get(&index).is_some_and(|now| now.leader == self.broker_id);
            match self.partitions.find(topic.id, index) {
                Ok(partition) if leads => {
                    let log = TransactionLog::new(partition, self.transactions.clone(), self.clock.clone());
                    transaction_log::elect(&self.node, index, log, &self.blocking);
                }
                Err(_) if leads && self.is_opening(topic, index) => {
                    self.transactions.begin(index);
                }
                Ok(_) | Err(_) => self.transactions.resign(index),
            }
        }
    }

    fn coordinate_groups(&self, topic: &TopicImage, moved: Vec<i32>) {
        self.groups.set_partition_count(topic.partitions.len() as i32);
        let compression = compression(self.config.broker().offsets_topic_compression_codec);
        for index in moved {
            let leads = topic.partitions.get(&index).is_some_and(|now| now.leader == self.broker_id);
            match self.partitions.find(topic.id, index) {
                Ok(partition) if leads => {
                    let log = GroupLog::new(partition, compression, self.clock.clone());
                    group_log::elect(&self.groups, index, log, &self.blocking);
                }
                Err(_) if leads && self.is_opening(topic, index) => {
                    self.groups.begin(index);
                }
                Ok(_) | Err(_) => self.groups.resign(index),
            }
        }
    }

    fn coordinate_share_states(&self, topic: &TopicImage, moved: Vec<i32>) {
        self.share_states.set_partition_count(topic.partitions.len() as i32);
        let compression = compression(self.config.broker().share_coordinator_state_topic_compression_codec);
        for index in moved {
            let leads = topic.partitions.get(&index).is_some_and(|now| now.leader == self.broker_id);
            match self.partitions.find(topic.id, index) {
                Ok(partition) if leads => {
                    let log = ShareLog::new(partition, compression, self.clock.clone(), self.blocking.clone());
                    share_log::elect(&self.share_states, index, log);
                }
                Err(_) if leads && self.is_opening(topic, index) => {
                    self.share_states.begin(index);
                }
                Ok(_) | Err(_) => self.share_states.resign(index),
            }
        }
    }

    /// Whether a partition will be led as soon as its log is open: until then its coordinator counts as loading.
    fn is_opening(&self, topic: &TopicImage, index: i32) -> bool {
        self.log_dirs.is_opening(&TopicPartition::new(topic.name.clone(), index))
    }

    /// Coordinators forget what they keep of deleted topics.
    fn forget_deleted(&self, delta: &MetadataDelta) {
        let deleted: Vec<_> = delta.deleted_topics().map(|topic| (topic.name.clone(), topic.id)).collect();
        if !deleted.is_empty() {
            let (groups, share_states) = (self.groups.clone(), self.share_states.clone());
            self.blocking.spawn(async move {
                groups.topics_deleted(&deleted).await;
                share_states.topics_deleted(deleted.into_iter().map(|(_, id)| id).collect()).await;
            });
        }
    }

    fn report(&self, partition: &TopicPartition, outcome: Result<(), LogError>) {
        if let Err(error) = outcome {
            tracing::error!("{partition}: {error}");
        }
    }
}

/// The codec of that number; Kafka refuses others at its start.
fn compression(codec: i32) -> Compression {
    u8::try_from(codec).ok().and_then(Compression::from_id).unwrap_or(Compression::None)
}

fn leadership(registration: &PartitionRegistration) -> Leadership {
    Leadership {
        leader: registration.leader,
        leader_epoch: registration.leader_epoch,
        partition_epoch: registration.partition_epoch,
        replicas: registration.replicas.clone(),
        isr: registration.isr.clone(),
    }
}
