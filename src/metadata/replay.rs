//! Applies one record to an image.

use std::sync::Arc;

use crate::protocol::kraft::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord, FeatureLevelRecord,
    MetadataRecord, RegisterBrokerRecord, RegisterControllerRecord, UserScramCredentialRecord,
};
use crate::types::{BrokerEpoch, BrokerId, ProducerId, TopicId};

use super::{
    BrokerRegistration, ConfigResource, ControllerRegistration, Endpoint, Feature, MetadataImage, MetadataVersion,
    PartitionRegistration, QuotaEntity, ScramCredential, TopicImage, VersionRange,
};

/// A record that does not follow from those before it, or that this node does not understand. The node must stop.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the metadata log is inconsistent: {0}")]
    Inconsistent(String),
    #[error(
        "the metadata log finalises {feature} at level {level}; this node supports {min} to {max}: a newer Kafka wrote it, go on with \
         that one, or lower the level there (kafka-features.sh downgrade)"
    )]
    UnsupportedLevel { feature: String, level: i16, min: i16, max: i16 },
}

impl MetadataImage {
    /// Applies one record in place. Markers of metadata transactions are the reader's business and change nothing here.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        use MetadataRecord as R;
        match record {
            R::RegisterBroker(record) => self.register_broker(record),
            R::UnregisterBroker(record) => {
                self.check_broker(record.broker_id, record.broker_epoch)?;
                Arc::make_mut(&mut self.brokers).remove(&BrokerId(record.broker_id));
            }
            R::BrokerRegistrationChange(record) => self.change_broker(record)?,
            R::FenceBroker(record) => self.set_fenced(record.id, record.epoch, true)?,
            R::UnfenceBroker(record) => self.set_fenced(record.id, record.epoch, false)?,
            R::RegisterController(record) => self.register_controller(record),
            R::Topic(record) => {
                let topic = TopicImage {
                    name: Arc::from(record.name.as_str()),
                    id: record.topic_id,
                    partitions: Default::default(),
                };
                if self.topics.named(&topic.name).is_some() {
                    return Err(ReplayError::Inconsistent(format!("topic {} is created twice", topic.name)));
                }
                Arc::make_mut(&mut self.topics).insert(topic);
            }
            R::Partition(record) => {
                let partition = PartitionRegistration::from_record(record)?;
                self.topic(record.topic_id)?.partitions.insert(record.partition_id, partition);
            }
            R::PartitionChange(record) => {
                let topic = self.topic(record.topic_id)?;
                let Some(partition) = topic.partitions.get_mut(&record.partition_id) else {
                    let what =
                        format!("partition {}-{} is changed but was not created", topic.name, record.partition_id);
                    return Err(ReplayError::Inconsistent(what));
                };
                *partition = partition.merge(record)?;
            }
            R::RemoveTopic(record) => self.remove_topic(record.topic_id)?,
            R::ClearElr(record) => self.clear_elr(record)?,
            R::Config(record) => self.set_config(record),
            R::ClientQuota(record) => self.set_quota(record),
            R::ProducerIds(record) => self.next_producer_id = Some(ProducerId(record.next_producer_id)),
            R::FeatureLevel(record) => self.set_feature(record)?,
            R::UserScramCredential(record) => self.set_scram(record),
            R::RemoveUserScramCredential(record) => {
                if let Some(users) = Arc::make_mut(&mut self.scram).get_mut(&record.mechanism) {
                    users.remove(&record.name);
                }
            }
            R::AccessControlEntry(record) => {
                Arc::make_mut(&mut self.acls).insert(record.id, record.clone());
            }
            R::RemoveAccessControlEntry(record) => {
                Arc::make_mut(&mut self.acls).remove(&record.id);
            }
            R::DelegationToken(record) => {
                Arc::make_mut(&mut self.delegation_tokens).insert(record.token_id.clone(), record.clone());
            }
            R::RemoveDelegationToken(record) => {
                Arc::make_mut(&mut self.delegation_tokens).remove(&record.token_id);
            }
            R::NoOp(_)
            | R::ZkMigrationState(_)
            | R::BeginTransaction(_)
            | R::EndTransaction(_)
            | R::AbortTransaction(_) => {}
        }
        Ok(())
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord) {
        let mut directories = record.log_dirs.clone();
        directories.sort_unstable();
        let listeners = record.end_points.iter().map(|end_point| {
            let place = Endpoint {
                host: end_point.host.clone(),
                port: end_point.port,
                security_protocol: end_point.security_protocol,
            };
            (end_point.name.clone(), place)
        });
        let features = record.features.iter().map(|feature| {
            (
                feature.name.clone(),
                VersionRange { min: feature.min_supported_version, max: feature.max_supported_version },
            )
        });
        let registration = BrokerRegistration {
            id: BrokerId(record.broker_id),
            epoch: BrokerEpoch(record.broker_epoch),
            incarnation_id: record.incarnation_id,
            listeners: listeners.collect(),
            features: features.collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            migrating_zk_broker: record.is_migrating_zk_broker,
            directories,
            cordoned_directories: record.cordoned_log_dirs.clone(),
        };
        Arc::make_mut(&mut self.brokers).insert(registration.id, Arc::new(registration));
    }

    fn register_controller(&mut self, record: &RegisterControllerRecord) {
        let listeners = record.end_points.iter().map(|end_point| {
            let place = Endpoint {
                host: end_point.host.clone(),
                port: end_point.port,
                security_protocol: end_point.security_protocol,
            };
            (end_point.name.clone(), place)
        });
        let features = record.features.iter().map(|feature| {
            (
                feature.name.clone(),
                VersionRange { min: feature.min_supported_version, max: feature.max_supported_version },
            )
        });
        let registration = ControllerRegistration {
            id: BrokerId(record.controller_id),
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            listeners: listeners.collect(),
            features: features.collect(),
        };
        Arc::make_mut(&mut self.controllers).insert(registration.id, Arc::new(registration));
    }

    fn check_broker(&mut self, id: i32, epoch: i64) -> Result<&mut BrokerRegistration, ReplayError> {
        let broker = Arc::make_mut(&mut self.brokers).get_mut(&BrokerId(id));
        let Some(broker) = broker else {
            return Err(ReplayError::Inconsistent(format!("broker {id} is changed but not registered")));
        };
        if broker.epoch != BrokerEpoch(epoch) {
            let what = format!("broker {id} is changed at epoch {epoch} but registered at epoch {}", broker.epoch);
            return Err(ReplayError::Inconsistent(what));
        }
        Ok(Arc::make_mut(broker))
    }

    fn change_broker(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), ReplayError> {
        let broker = self.check_broker(record.broker_id, record.broker_epoch)?;
        match record.fenced {
            0 => {}
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            other => return Err(ReplayError::Inconsistent(format!("unknown fencing change {other}"))),
        }
        match record.in_controlled_shutdown {
            0 => {}
            1 => broker.in_controlled_shutdown = true,
            other => return Err(ReplayError::Inconsistent(format!("unknown controlled shutdown change {other}"))),
        }
        if !record.log_dirs.is_empty() {
            broker.directories.clone_from(&record.log_dirs);
            broker.directories.sort_unstable();
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            broker.cordoned_directories = Some(cordoned.clone());
        }
        Ok(())
    }

    fn set_fenced(&mut self, id: i32, epoch: i64, fenced: bool) -> Result<(), ReplayError> {
        self.check_broker(id, epoch)?.fenced = fenced;
        Ok(())
    }

    fn topic(&mut self, id: TopicId) -> Result<&mut TopicImage, ReplayError> {
        let topic = Arc::make_mut(&mut self.topics).change(id);
        topic.ok_or_else(|| ReplayError::Inconsistent(format!("there is no topic with id {id}")))
    }

    fn remove_topic(&mut self, id: TopicId) -> Result<(), ReplayError> {
        let Some(topic) = Arc::make_mut(&mut self.topics).remove(id) else {
            return Err(ReplayError::Inconsistent(format!("there is no topic with id {id} to remove")));
        };
        let resource = ConfigResource::topic(&*topic.name);
        if self.configs.contains_key(&resource) {
            Arc::make_mut(&mut self.configs).remove(&resource);
        }
        Ok(())
    }

    fn clear_elr(&mut self, record: &ClearElrRecord) -> Result<(), ReplayError> {
        let ids: Vec<TopicId> = if record.topic_name.is_empty() {
            self.topics.iter().map(|topic| topic.id).collect()
        } else {
            let topic = self.topics.named(&record.topic_name);
            let missing =
                || ReplayError::Inconsistent(format!("there is no topic {} to clear the ELR of", record.topic_name));
            vec![topic.ok_or_else(missing)?.id]
        };
        for id in ids {
            for partition in self.topic(id)?.partitions.values_mut() {
                if !partition.elr.is_empty() || !partition.last_known_elr.is_empty() {
                    partition.elr.clear();
                    partition.last_known_elr.clear();
                    partition.partition_epoch.0 += 1;
                }
            }
        }
        Ok(())
    }

    fn set_config(&mut self, record: &ConfigRecord) {
        let resource = ConfigResource { kind: record.resource_type, name: record.resource_name.clone() };
        let configs = Arc::make_mut(&mut self.configs);
        let values = Arc::make_mut(configs.entry(resource.clone()).or_default());
        match &record.value {
            Some(value) => values.insert(record.name.clone(), value.clone()),
            None => values.remove(&record.name),
        };
        if values.is_empty() {
            configs.remove(&resource);
        }
    }

    fn set_quota(&mut self, record: &ClientQuotaRecord) {
        let entity: QuotaEntity =
            record.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone())).collect();
        let quotas = Arc::make_mut(&mut self.client_quotas);
        let values = quotas.entry(entity.clone()).or_default();
        if record.remove {
            values.remove(&record.key);
        } else {
            values.insert(record.key.clone(), record.value);
        }
        if values.is_empty() {
            quotas.remove(&entity);
        }
    }

    fn set_feature(&mut self, record: &FeatureLevelRecord) -> Result<(), ReplayError> {
        // Its level is in control records; some releases wrote it here too, by mistake.
        if record.name == Feature::KRAFT {
            return Ok(());
        }
        let level = record.feature_level;
        let unsupported = |min, max| ReplayError::UnsupportedLevel { feature: record.name.clone(), level, min, max };
        match Feature::named(&record.name) {
            Some(feature) if level < feature.min || level > feature.readable => {
                return Err(unsupported(feature.min, feature.readable));
            }
            None if level != 0 => return Err(unsupported(0, 0)),
            Some(_) | None => {}
        }
        let features = Arc::make_mut(&mut self.features);
        if level == 0 && record.name != MetadataVersion::FEATURE {
            features.remove(&record.name);
        } else {
            features.insert(record.name.clone(), level);
        }
        Ok(())
    }

    fn set_scram(&mut self, record: &UserScramCredentialRecord) {
        let credential = ScramCredential {
            salt: record.salt.clone(),
            stored_key: record.stored_key.clone(),
            server_key: record.server_key.clone(),
            iterations: record.iterations,
        };
        Arc::make_mut(&mut self.scram).entry(record.mechanism).or_default().insert(record.name.clone(), credential);
    }
}
