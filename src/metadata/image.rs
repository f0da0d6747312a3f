//! The whole of the metadata at one offset.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::kraft::{AccessControlEntryRecord, DelegationTokenRecord};
use crate::types::{BrokerId, LeaderEpoch, Offset, ProducerId, Uuid};

use super::{BrokerRegistration, ControllerRegistration, Feature, MetadataVersion, PartitionRegistration, Topics};

/// Everything the metadata log says up to one offset. Cloning shares; changing copies only the part that changes.
#[derive(Clone, PartialEq, Debug)]
pub struct MetadataImage {
    /// The last offset that is in the image, -1 for none.
    pub offset: Offset,
    /// The quorum's epoch of that offset.
    pub epoch: LeaderEpoch,
    /// Finalised levels, `metadata.version` among them; a feature at level 0 is absent.
    pub features: Arc<BTreeMap<String, i16>>,
    pub brokers: Arc<BTreeMap<BrokerId, Arc<BrokerRegistration>>>,
    pub controllers: Arc<BTreeMap<BrokerId, Arc<ControllerRegistration>>>,
    pub topics: Arc<Topics>,
    pub configs: Arc<HashMap<ConfigResource, Arc<BTreeMap<String, String>>>>,
    pub client_quotas: Arc<BTreeMap<QuotaEntity, BTreeMap<String, f64>>>,
    /// By mechanism (1 SCRAM-SHA-256, 2 SCRAM-SHA-512), then by user.
    pub scram: Arc<BTreeMap<i8, BTreeMap<String, ScramCredential>>>,
    pub acls: Arc<BTreeMap<Uuid, AccessControlEntryRecord>>,
    pub delegation_tokens: Arc<BTreeMap<String, DelegationTokenRecord>>,
    /// The first producer id that no broker was given; None before the first block.
    pub next_producer_id: Option<ProducerId>,
}

impl Default for MetadataImage {
    fn default() -> MetadataImage {
        MetadataImage {
            offset: Offset::NONE,
            epoch: LeaderEpoch::NONE,
            features: Arc::default(),
            brokers: Arc::default(),
            controllers: Arc::default(),
            topics: Arc::default(),
            configs: Arc::default(),
            client_quotas: Arc::default(),
            scram: Arc::default(),
            acls: Arc::default(),
            delegation_tokens: Arc::default(),
            next_producer_id: None,
        }
    }
}

impl MetadataImage {
    /// The finalised `metadata.version`; None in an empty log.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.features.get(MetadataVersion::FEATURE).and_then(|level| MetadataVersion::from_level(*level))
    }

    /// Whether eligible leader replicas are kept.
    pub fn elr_enabled(&self) -> bool {
        self.features.get(Feature::ELIGIBLE_LEADER_REPLICAS).is_some_and(|level| *level >= 1)
    }

    /// Whether groups of the consumer protocol are on.
    pub fn consumer_groups_enabled(&self) -> bool {
        self.features.get(Feature::GROUP).is_some_and(|level| *level >= 1)
    }

    /// Whether share groups are on.
    pub fn share_groups_enabled(&self) -> bool {
        self.features.get(Feature::SHARE).is_some_and(|level| *level >= 1)
    }

    /// Whether groups of the streams protocol are on.
    pub fn streams_groups_enabled(&self) -> bool {
        self.features.get(Feature::STREAMS).is_some_and(|level| *level >= 1)
    }

    /// What is set on `resource`; empty when nothing is.
    pub fn config(&self, resource: &ConfigResource) -> Arc<BTreeMap<String, String>> {
        self.configs.get(resource).cloned().unwrap_or_default()
    }

    /// The broker of that id.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// The registration of a partition by the topic's name.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionRegistration> {
        self.topics.named(topic)?.partitions.get(&partition)
    }
}

/// What configs can be set on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConfigResource {
    /// Kafka's id of the kind: see the constants.
    pub kind: i8,
    /// Empty for the default of the kind.
    pub name: String,
}

impl ConfigResource {
    pub const TOPIC: i8 = 2;
    pub const BROKER: i8 = 4;
    pub const BROKER_LOGGER: i8 = 8;
    pub const CLIENT_METRICS: i8 = 16;
    pub const GROUP: i8 = 32;

    /// The topic of that name.
    pub fn topic(name: impl Into<String>) -> ConfigResource {
        ConfigResource { kind: ConfigResource::TOPIC, name: name.into() }
    }

    /// One broker.
    pub fn broker(id: BrokerId) -> ConfigResource {
        ConfigResource { kind: ConfigResource::BROKER, name: id.to_string() }
    }

    /// What every broker has unless it says otherwise.
    pub fn default_broker() -> ConfigResource {
        ConfigResource { kind: ConfigResource::BROKER, name: String::new() }
    }

    /// A consumer group.
    pub fn group(name: impl Into<String>) -> ConfigResource {
        ConfigResource { kind: ConfigResource::GROUP, name: name.into() }
    }
}

/// Whom a client quota holds for: entity type (`user`, `client-id`, `ip`) to name, None for the default of the type.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// A SCRAM credential as it is stored: nothing in it gives the password away at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScramCredential {
    pub salt: Bytes,
    pub stored_key: Bytes,
    pub server_key: Bytes,
    pub iterations: i32,
}
