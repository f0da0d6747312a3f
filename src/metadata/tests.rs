//! Records in, images out, and back.

use std::sync::Arc;

use super::*;
use crate::protocol::kraft::*;
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch, ProducerId, Uuid};

const TOPIC: Uuid = Uuid([7; 16]);
const DIRECTORY: Uuid = Uuid([9; 16]);

fn feature(name: &str, feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord { name: name.to_owned(), feature_level }.into()
}

fn config(kind: i8, resource: &str, name: &str, value: Option<&str>) -> MetadataRecord {
    ConfigRecord {
        resource_type: kind,
        resource_name: resource.into(),
        name: name.into(),
        value: value.map(str::to_owned),
    }
    .into()
}

fn partition(partition_id: i32) -> MetadataRecord {
    PartitionRecord {
        partition_id,
        topic_id: TOPIC,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![DIRECTORY],
        ..Default::default()
    }
    .into()
}

/// A cluster of one as a JVM broker writes it: formatted with ELR, registered, unfenced, one topic, one of everything else.
fn cluster() -> Vec<MetadataRecord> {
    let broker = RegisterBrokerRecord {
        broker_id: 1,
        broker_epoch: 15,
        incarnation_id: Uuid([3; 16]),
        end_points: vec![BrokerEndpoint {
            name: "PLAINTEXT".into(),
            host: "h".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: vec![BrokerFeature {
            name: "metadata.version".into(),
            min_supported_version: 7,
            max_supported_version: 30,
        }],
        log_dirs: vec![DIRECTORY],
        ..Default::default()
    };
    let unfence = BrokerRegistrationChangeRecord { broker_id: 1, broker_epoch: 15, fenced: -1, ..Default::default() };
    let cordoned = BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 15,
        cordoned_log_dirs: Some(vec![]),
        ..Default::default()
    };
    let quota = ClientQuotaRecord {
        entity: vec![EntityData { entity_type: "user".into(), entity_name: None }],
        key: "producer_byte_rate".into(),
        value: 1024.0,
        remove: false,
    };
    let scram = UserScramCredentialRecord { name: "u".into(), mechanism: 1, iterations: 4096, ..Default::default() };
    vec![
        BeginTransactionRecord { name: Some("Bootstrap records".into()) }.into(),
        feature("metadata.version", 30),
        feature("eligible.leader.replicas.version", 1),
        config(ConfigResource::BROKER, "", "min.insync.replicas", Some("1")),
        EndTransactionRecord::default().into(),
        broker.into(),
        unfence.into(),
        cordoned.into(),
        TopicRecord { name: "t".into(), topic_id: TOPIC }.into(),
        config(ConfigResource::TOPIC, "t", "retention.ms", Some("1000")),
        partition(0),
        partition(1),
        quota.into(),
        ProducerIdsRecord { broker_id: 1, broker_epoch: 15, next_producer_id: 1000 }.into(),
        scram.into(),
    ]
}

fn image(records: &[MetadataRecord]) -> MetadataImage {
    let mut image = MetadataImage::default();
    records.iter().for_each(|record| image.replay(record).unwrap());
    image
}

#[test]
fn records_build_the_image() {
    let image = image(&cluster());
    assert_eq!(image.metadata_version(), Some(MetadataVersion::LATEST));
    assert!(image.elr_enabled());
    let broker = image.broker(BrokerId(1)).unwrap();
    assert!(broker.is_active());
    assert_eq!(broker.epoch, BrokerEpoch(15));
    assert_eq!(broker.cordoned_directories, Some(vec![]));
    assert_eq!(image.topics.named("t").unwrap().partitions.len(), 2);
    assert_eq!(image.config(&ConfigResource::topic("t")).get("retention.ms").map(String::as_str), Some("1000"));
    assert_eq!(image.next_producer_id, Some(ProducerId(1000)));
}

#[test]
fn a_snapshot_builds_the_same_image() {
    let before = image(&cluster());
    let records = before.to_records();
    assert_eq!(records[0], feature("metadata.version", 30), "readers interpret the rest by it");
    assert_eq!(image(&records), before);
}

#[test]
fn record_versions_follow_the_metadata_version() {
    let table = [(7, 1, 0), (8, 2, 0), (16, 2, 0), (17, 3, 1), (22, 3, 1), (23, 3, 2), (29, 3, 2), (30, 4, 2)];
    for (level, register, partition) in table {
        let version = MetadataVersion::from_level(level).unwrap();
        assert_eq!((version.register_broker_record(), version.partition_record()), (register, partition), "at {level}");
    }
    assert_eq!(MetadataVersion::LATEST.to_string(), "4.3-IV0");
    assert_eq!(MetadataVersion::parse("3.7").map(MetadataVersion::level), Some(19));
    assert_eq!(MetadataVersion::parse("3.7.1").map(MetadataVersion::level), Some(19));
    assert_eq!(MetadataVersion::parse("3.7-IV0").map(MetadataVersion::level), Some(15));
    assert_eq!(MetadataVersion::parse("2.8"), None);
}

#[test]
fn an_old_level_leaves_out_what_it_has_no_room_for() {
    let mut old = image(&cluster());
    old.replay(&feature("metadata.version", 7)).unwrap();
    for record in old.to_records() {
        record.encode(MetadataVersion::MINIMUM.record_version(&record)).expect("the version has its fields");
    }
    assert!(!old.to_records().iter().any(|record| matches!(record, MetadataRecord::UserScramCredential(_))));
}

#[test]
fn a_partition_change_raises_epochs_as_kafka_does() {
    let mut image = image(&cluster());
    let change = |leader, isr: Option<Vec<i32>>| {
        PartitionChangeRecord { partition_id: 0, topic_id: TOPIC, leader, isr, ..Default::default() }.into()
    };
    image.replay(&change(-2, Some(vec![]))).unwrap();
    let state = image.partition("t", 0).unwrap();
    assert_eq!((state.leader_epoch, state.partition_epoch), (LeaderEpoch(0), PartitionEpoch(1)));
    image.replay(&change(1, Some(vec![1]))).unwrap();
    let state = image.partition("t", 0).unwrap();
    assert_eq!(
        (state.leader, state.leader_epoch, state.partition_epoch),
        (BrokerId(1), LeaderEpoch(1), PartitionEpoch(2))
    );
}

#[test]
fn a_removed_topic_takes_its_configs_along() {
    let mut image = image(&cluster());
    image.replay(&RemoveTopicRecord { topic_id: TOPIC }.into()).unwrap();
    assert!(image.topics.is_empty());
    assert!(image.config(&ConfigResource::topic("t")).is_empty());
    assert!(image.replay(&RemoveTopicRecord { topic_id: TOPIC }.into()).is_err());
}

#[test]
fn what_does_not_follow_is_an_error() {
    let bad: [MetadataRecord; 4] = [
        UnregisterBrokerRecord { broker_id: 1, broker_epoch: 3 }.into(),
        PartitionChangeRecord { partition_id: 9, topic_id: TOPIC, ..Default::default() }.into(),
        feature("metadata.version", 31),
        feature("unheard.of", 1),
    ];
    for record in bad {
        assert!(image(&cluster()).replay(&record).is_err(), "{record:?}");
    }
}

#[test]
fn a_delta_tells_what_changed() {
    let base = Arc::new(image(&cluster()));
    let mut delta = MetadataDelta::new(base.clone());
    let other = Uuid([8; 16]);
    delta.replay(&TopicRecord { name: "n".into(), topic_id: other }.into()).unwrap();
    delta
        .replay(&PartitionChangeRecord { partition_id: 1, topic_id: TOPIC, leader: -1, ..Default::default() }.into())
        .unwrap();
    delta.replay(&config(ConfigResource::TOPIC, "t", "retention.ms", None)).unwrap();
    delta.set_position(Offset(40), LeaderEpoch(2));
    let changed: Vec<_> =
        delta.changed_topics().map(|change| (change.topic.name.to_string(), change.created)).collect();
    assert_eq!(changed, [("t".to_owned(), false), ("n".to_owned(), true)]);
    let touched: Vec<_> = delta.changed_topics().next().unwrap().partitions.into_keys().collect();
    assert_eq!(touched, [1]);
    assert!(delta.changed_configs().contains(&ConfigResource::topic("t")));
    assert_eq!(base.offset, Offset::NONE, "the base stays as it was");
    let mut next = MetadataDelta::new(Arc::new(delta.image().clone()));
    next.replay(&RemoveTopicRecord { topic_id: TOPIC }.into()).unwrap();
    assert_eq!(next.deleted_topics().map(|topic| topic.id).collect::<Vec<_>>(), [TOPIC]);
    assert_eq!(next.changed_topics().count(), 0);
}
