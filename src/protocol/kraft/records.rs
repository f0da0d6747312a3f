//! The records of the metadata log, by their keys.

use bytes::Bytes;

use crate::protocol::message::message;
use crate::types::Uuid;

message! {
    /// A broker has registered; the offset of the record becomes its epoch.
    pub struct RegisterBrokerRecord(0..=4, flexible 0) {
        broker_id: i32;
        is_migrating_zk_broker: bool [since 2];
        incarnation_id: Uuid;
        broker_epoch: i64;
        end_points: Vec<BrokerEndpoint>;
        features: Vec<BrokerFeature>;
        rack: Option<String>;
        fenced: bool = true;
        in_controlled_shutdown: bool [since 1];
        log_dirs: Vec<Uuid> [since 3, tag 0];
        cordoned_log_dirs: Option<Vec<Uuid>> [since 4, tag 1];
    }

    /// A listener of a broker.
    pub struct BrokerEndpoint {
        name: String;
        host: String;
        port: u16;
        security_protocol: i16;
    }

    /// The levels of one feature that a broker supports.
    pub struct BrokerFeature {
        name: String;
        min_supported_version: i16;
        max_supported_version: i16;
    }

    /// A broker is gone for good.
    pub struct UnregisterBrokerRecord(0..=0, flexible 0) {
        broker_id: i32;
        broker_epoch: i64;
    }

    /// A topic has been created.
    pub struct TopicRecord(0..=0, flexible 0) {
        name: String;
        topic_id: Uuid;
    }

    /// A partition, in full.
    pub struct PartitionRecord(0..=2, flexible 0) {
        partition_id: i32 = -1;
        topic_id: Uuid;
        replicas: Vec<i32>;
        isr: Vec<i32>;
        removing_replicas: Vec<i32>;
        adding_replicas: Vec<i32>;
        leader: i32 = -1;
        leader_recovery_state: i8 [tag 0];
        leader_epoch: i32 = -1;
        partition_epoch: i32 = -1;
        directories: Vec<Uuid> [since 1];
        eligible_leader_replicas: Option<Vec<i32>> [since 2, tag 1];
        last_known_elr: Option<Vec<i32>> [since 2, tag 2];
    }

    /// A config of a resource; a null value removes it.
    pub struct ConfigRecord(0..=0, flexible 0) {
        resource_type: i8;
        resource_name: String;
        name: String;
        value: Option<String>;
    }

    /// What has changed of a partition; absent fields stay as they are.
    pub struct PartitionChangeRecord(0..=2, flexible 0) {
        partition_id: i32 = -1;
        topic_id: Uuid;
        isr: Option<Vec<i32>> [tag 0];
        leader: i32 [tag 1] = -2;
        replicas: Option<Vec<i32>> [tag 2];
        removing_replicas: Option<Vec<i32>> [tag 3];
        adding_replicas: Option<Vec<i32>> [tag 4];
        leader_recovery_state: i8 [tag 5] = -1;
        directories: Option<Vec<Uuid>> [since 1, tag 8];
        eligible_leader_replicas: Option<Vec<i32>> [since 2, tag 6];
        last_known_elr: Option<Vec<i32>> [since 2, tag 7];
    }

    /// A broker may lead nothing (before broker registration changes had a record of their own).
    pub struct FenceBrokerRecord(0..=0, flexible 0) {
        id: i32;
        epoch: i64;
    }

    /// A broker may lead again (before broker registration changes had a record of their own).
    pub struct UnfenceBrokerRecord(0..=0, flexible 0) {
        id: i32;
        epoch: i64;
    }

    /// A topic has been deleted.
    pub struct RemoveTopicRecord(0..=0, flexible 0) {
        topic_id: Uuid;
    }

    /// A delegation token, created or renewed.
    pub struct DelegationTokenRecord(0..=0, flexible 0) {
        owner: String;
        requester: String;
        renewers: Vec<String>;
        issue_timestamp: i64;
        max_timestamp: i64;
        expiration_timestamp: i64;
        token_id: String;
    }

    /// A user's SCRAM credential.
    pub struct UserScramCredentialRecord(0..=0, flexible 0) {
        name: String;
        mechanism: i8;
        salt: Bytes;
        stored_key: Bytes;
        server_key: Bytes;
        iterations: i32;
    }

    /// A feature has been finalised at a level; 0 removes it.
    pub struct FeatureLevelRecord(0..=0, flexible 0) {
        name: String;
        feature_level: i16;
    }

    /// A quota of an entity, set or removed.
    pub struct ClientQuotaRecord(0..=0, flexible 0) {
        entity: Vec<EntityData>;
        key: String;
        value: f64;
        remove: bool;
    }

    /// One part of the entity that a quota is for; a null name is the default entity.
    pub struct EntityData {
        entity_type: String;
        entity_name: Option<String>;
    }

    /// A block of producer ids has been handed to a broker.
    pub struct ProducerIdsRecord(0..=0, flexible 0) {
        broker_id: i32;
        broker_epoch: i64 = -1;
        next_producer_id: i64;
    }

    /// What has changed of a registration: fenced 1, unfenced -1, in controlled shutdown 1, directories.
    pub struct BrokerRegistrationChangeRecord(0..=3, flexible 0) {
        broker_id: i32;
        broker_epoch: i64;
        fenced: i8 [tag 0];
        in_controlled_shutdown: i8 [since 1, tag 1];
        log_dirs: Vec<Uuid> [since 2, tag 2];
        cordoned_log_dirs: Option<Vec<Uuid>> [since 3, tag 3];
    }

    /// An ACL.
    pub struct AccessControlEntryRecord(0..=0, flexible 0) {
        id: Uuid;
        resource_type: i8;
        resource_name: String;
        pattern_type: i8;
        principal: String;
        host: String;
        operation: i8;
        permission_type: i8;
    }

    /// An ACL has been deleted.
    pub struct RemoveAccessControlEntryRecord(0..=0, flexible 0) {
        id: Uuid;
    }

    /// Nothing; keeps the commit moving.
    pub struct NoOpRecord(0..=0, flexible 0) {}

    /// How far the migration from ZooKeeper is: 0 where there was none.
    pub struct ZkMigrationStateRecord(0..=0, flexible 0) {
        zk_migration_state: i8;
    }

    /// A SCRAM credential has been deleted.
    pub struct RemoveUserScramCredentialRecord(0..=0, flexible 0) {
        name: String;
        mechanism: i8;
    }

    /// A metadata transaction begins (KIP-868).
    pub struct BeginTransactionRecord(0..=0, flexible 0) {
        name: Option<String> [tag 0];
    }

    /// The metadata transaction counts.
    pub struct EndTransactionRecord(0..=0, flexible 0) {}

    /// The metadata transaction never was.
    pub struct AbortTransactionRecord(0..=0, flexible 0) {
        reason: Option<String> [tag 0];
    }

    /// A delegation token has been deleted.
    pub struct RemoveDelegationTokenRecord(0..=0, flexible 0) {
        token_id: String;
    }

    /// A controller has registered.
    pub struct RegisterControllerRecord(0..=0, flexible 0) {
        controller_id: i32;
        incarnation_id: Uuid;
        zk_migration_ready: bool;
        end_points: Vec<ControllerEndpoint>;
        features: Vec<ControllerFeature>;
    }

    /// A listener of a controller.
    pub struct ControllerEndpoint {
        name: String;
        host: String;
        port: u16;
        security_protocol: i16;
    }

    /// The levels of one feature that a controller supports.
    pub struct ControllerFeature {
        name: String;
        min_supported_version: i16;
        max_supported_version: i16;
    }

    /// A topic's (or, with an empty name, every topic's) eligible leader replicas are void.
    pub struct ClearElrRecord(0..=0, flexible 0) {
        topic_name: String;
    }
}
