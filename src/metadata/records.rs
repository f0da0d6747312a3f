//! An image as the records of a snapshot.

use std::collections::BTreeMap;

use crate::protocol::kraft::{
    BrokerEndpoint, BrokerFeature, ClientQuotaRecord, ConfigRecord, ControllerEndpoint, ControllerFeature, EntityData,
    FeatureLevelRecord, MetadataRecord, ProducerIdsRecord, RegisterBrokerRecord, RegisterControllerRecord, TopicRecord,
    UserScramCredentialRecord,
};

use super::{BrokerRegistration, ControllerRegistration, MetadataImage, MetadataVersion};

impl MetadataVersion {
    /// The version at which `record` is written at this level.
    pub fn record_version(self, record: &MetadataRecord) -> i16 {
        match record {
            MetadataRecord::RegisterBroker(_) => self.register_broker_record(),
            MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => self.partition_record(),
            // The lowest version that has the field set, as Kafka writes it.
            MetadataRecord::BrokerRegistrationChange(change) if change.cordoned_log_dirs.is_some() => 3,
            MetadataRecord::BrokerRegistrationChange(change) if !change.log_dirs.is_empty() => 2,
            MetadataRecord::BrokerRegistrationChange(change) if change.in_controlled_shutdown != 0 => 1,
            _ => 0,
        }
    }
}

impl MetadataImage {
    /// The records that build this image from nothing, in Kafka's order: features, brokers, controllers, topics, configs, quotas, producer
    /// ids, ACLs, SCRAM credentials, delegation tokens. What `metadata.version` has no room for is left out.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        let Some(version) = self.metadata_version() else { return records };
        self.feature_records(version, &mut records);
        records
            .extend(self.brokers.values().map(|broker| MetadataRecord::RegisterBroker(broker_record(broker, version))));
        if version.controller_registration() {
            records.extend(
                self.controllers.values().map(|node| MetadataRecord::RegisterController(controller_record(node))),
            );
        }
        self.topic_records(version, &mut records);
        self.config_records(&mut records);
        self.quota_records(&mut records);
        if let Some(next) = self.next_producer_id {
            let record = ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id: next.0 };
            records.push(MetadataRecord::ProducerIds(record));
        }
        records.extend(self.acls.values().cloned().map(MetadataRecord::AccessControlEntry));
        if version.scram() {
            self.scram_records(&mut records);
        }
        if version.delegation_tokens() {
            records.extend(self.delegation_tokens.values().cloned().map(MetadataRecord::DelegationToken));
        }
        records
    }

    fn feature_records(&self, version: MetadataVersion, records: &mut Vec<MetadataRecord>) {
        let level = |name: &str, feature_level| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.to_owned(), feature_level })
        };
        // First, because readers interpret what follows by it.
        records.push(level(MetadataVersion::FEATURE, version.level()));
        let others = self.features.iter().filter(|(name, _)| *name != MetadataVersion::FEATURE);
        records.extend(others.map(|(name, feature_level)| level(name, *feature_level)));
    }

    fn topic_records(&self, version: MetadataVersion, records: &mut Vec<MetadataRecord>) {
        let elr = self.elr_enabled();
        let topics: BTreeMap<_, _> = self.topics.iter().map(|topic| (topic.id, topic)).collect();
        for (id, topic) in topics {
            records.push(MetadataRecord::Topic(TopicRecord { name: topic.name.to_string(), topic_id: id }));
            for (partition, registration) in &topic.partitions {
                let record = registration.to_record(id, *partition, version.directory_assignment(), elr);
                records.push(MetadataRecord::Partition(record));
            }
        }
    }

    fn config_records(&self, records: &mut Vec<MetadataRecord>) {
        let configs: BTreeMap<_, _> = self.configs.iter().collect();
        for (resource, values) in configs {
            records.extend(values.iter().map(|(name, value)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.kind,
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                })
            }));
        }
    }

    fn quota_records(&self, records: &mut Vec<MetadataRecord>) {
        for (entity, values) in self.client_quotas.iter() {
            records.extend(values.iter().map(|(key, value)| {
                let entity = entity
                    .iter()
                    .map(|(kind, name)| EntityData { entity_type: kind.clone(), entity_name: name.clone() });
                MetadataRecord::ClientQuota(ClientQuotaRecord {
                    entity: entity.collect(),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                })
            }));
        }
    }

    fn scram_records(&self, records: &mut Vec<MetadataRecord>) {
        for (mechanism, users) in self.scram.iter() {
            records.extend(users.iter().map(|(name, credential)| {
                MetadataRecord::UserScramCredential(UserScramCredentialRecord {
                    name: name.clone(),
                    mechanism: *mechanism,
                    salt: credential.salt.clone(),
                    stored_key: credential.stored_key.clone(),
                    server_key: credential.server_key.clone(),
                    iterations: credential.iterations,
                })
            }));
        }
    }
}

fn broker_record(broker: &BrokerRegistration, version: MetadataVersion) -> RegisterBrokerRecord {
    let end_points = broker.listeners.iter().map(|(name, place)| BrokerEndpoint {
        name: name.clone(),
        host: place.host.clone(),
        port: place.port,
        security_protocol: place.security_protocol,
    });
    let features = broker.features.iter().map(|(name, range)| BrokerFeature {
        name: name.clone(),
        min_supported_version: range.min,
        max_supported_version: range.max,
    });
    RegisterBrokerRecord {
        broker_id: broker.id.0,
        is_migrating_zk_broker: broker.migrating_zk_broker && version.register_broker_record() >= 2,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch.0,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: broker.rack.clone(),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: if version.directory_assignment() { broker.directories.clone() } else { Vec::new() },
        cordoned_log_dirs: broker.cordoned_directories.clone().filter(|_| version.cordoned_directories()),
    }
}

fn controller_record(controller: &ControllerRegistration) -> RegisterControllerRecord {
    let end_points = controller.listeners.iter().map(|(name, place)| ControllerEndpoint {
        name: name.clone(),
        host: place.host.clone(),
        port: place.port,
        security_protocol: place.security_protocol,
    });
    let features = controller.features.iter().map(|(name, range)| ControllerFeature {
        name: name.clone(),
        min_supported_version: range.min,
        max_supported_version: range.max,
    });
    RegisterControllerRecord {
        controller_id: controller.id.0,
        incarnation_id: controller.incarnation_id,
        zk_migration_ready: controller.zk_migration_ready,
        end_points: end_points.collect(),
        features: features.collect(),
    }
}
