//! Records that a JVM broker 4.3.1 wrote, byte for byte, and what must be refused.

use bytes::Bytes;

use super::*;
use crate::protocol::message::RecordError;
use crate::protocol::wire::WireError;
use crate::types::Uuid;

/// Key and value of records from `__cluster_metadata`, in hexadecimal; `-` is null.
const FIXTURES: &str = include_str!("fixtures.txt");

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn fixtures() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    FIXTURES.lines().map(|line| line.split_once(' ').expect("two words")).map(|(key, value)| (key, hex(value)))
}

#[test]
fn metadata_records_of_a_jvm_keep_their_bytes() {
    let mut keys = std::collections::BTreeSet::new();
    for (_, value) in fixtures().filter(|(key, _)| *key == "-") {
        let (record, version) = MetadataRecord::decode(&value).expect("a known record");
        assert_eq!(record.encode(version).unwrap(), value, "{record:?}");
        assert!(version <= record.max_version());
        keys.insert(record.api_key());
    }
    assert!(keys.len() >= 15, "{keys:?}");
}

#[test]
fn control_records_of_a_jvm_keep_their_bytes() {
    let mut kinds = Vec::new();
    for (key, value) in fixtures().filter(|(key, _)| *key != "-") {
        let record = ControlRecord::decode(&hex(key), &value).expect("a known record");
        assert_eq!((record.key(), record.value()), (hex(key).into(), value.into()), "{record:?}");
        kinds.push(record.kind());
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds, [2, 3, 4, 5, 6]);
}

#[test]
fn fields_are_read_as_kafka_means_them() {
    let partition = PartitionRecord {
        partition_id: 1,
        topic_id: Uuid([7; 16]),
        replicas: vec![1, 2],
        isr: vec![1],
        leader: 1,
        leader_epoch: 3,
        partition_epoch: 4,
        directories: vec![Uuid([1; 16]), Uuid([2; 16])],
        eligible_leader_replicas: Some(vec![2]),
        ..PartitionRecord::default()
    };
    let bytes = MetadataRecord::from(partition.clone()).encode(2).unwrap();
    let head = [1, 3, 2, 0, 0, 0, 1];
    assert_eq!(bytes[..7], head);
    assert_eq!(MetadataRecord::decode(&bytes), Ok((partition.into(), 2)));
    // Tags are written in order although the schema lists 8 before 6.
    let change = PartitionChangeRecord {
        directories: Some(vec![]),
        eligible_leader_replicas: Some(vec![2]),
        ..PartitionChangeRecord::default()
    };
    let bytes = MetadataRecord::from(change).encode(2).unwrap();
    assert_eq!(bytes[bytes.len() - 11..], [2, 6, 5, 2, 0, 0, 0, 2, 8, 1, 1]);
}

/// Every record with every field off its default survives every version it has in full.
#[test]
fn records_that_no_jvm_wrote_here_round_trip() {
    let token = DelegationTokenRecord { owner: "User:a".into(), renewers: vec!["User:b".into()], ..Default::default() };
    let acl = AccessControlEntryRecord { id: Uuid([3; 16]), principal: "User:*".into(), ..Default::default() };
    let quota = EntityData { entity_type: "user".into(), entity_name: None };
    let records: [MetadataRecord; 14] = [
        UnregisterBrokerRecord { broker_id: 1, broker_epoch: 2 }.into(),
        FenceBrokerRecord { id: 1, epoch: 2 }.into(),
        UnfenceBrokerRecord { id: 1, epoch: 2 }.into(),
        token.into(),
        ClientQuotaRecord { entity: vec![quota], value: 1.5, remove: true, ..Default::default() }.into(),
        acl.into(),
        RemoveAccessControlEntryRecord { id: Uuid([3; 16]) }.into(),
        ZkMigrationStateRecord { zk_migration_state: 1 }.into(),
        EndTransactionRecord {}.into(),
        AbortTransactionRecord { reason: Some("why".into()) }.into(),
        RemoveDelegationTokenRecord { token_id: "t".into() }.into(),
        UserScramCredentialRecord { salt: Bytes::from_static(b"salt"), iterations: 4096, ..Default::default() }.into(),
        ClearElrRecord { topic_name: "t".into() }.into(),
        ConfigRecord { resource_type: 2, value: None, ..Default::default() }.into(),
    ];
    for record in records {
        for version in 0..=record.max_version() {
            let decoded = MetadataRecord::decode(&record.encode(version).unwrap());
            assert_eq!(decoded, Ok((record.clone(), version)));
        }
    }
}

#[test]
fn what_is_unknown_is_named() {
    let error = |bytes: &[u8]| MetadataRecord::decode(bytes).expect_err("it is refused").to_string();
    assert_eq!(error(&[1, 13, 0, 0]), "unknown metadata record of type 13");
    assert_eq!(error(&[1, 99, 0, 0]), "unknown metadata record of type 99");
    assert_eq!(error(&[1, 3, 3, 0]), "PartitionRecord has version 3; 0 to 2 are known");
    assert_eq!(error(&[0, 3, 2, 0]), "metadata record: frame version at byte 1: unknown frame version");
    assert_eq!(error(&[1, 20, 0, 0, 5]), "NoOpRecord: end at byte 4: garbage follows the record");
    assert_eq!(error(&[]), "metadata record: frame version at byte 0: ends too early");
    let control = |key: &[u8]| ControlRecord::decode(key, &[]).expect_err("it is refused").to_string();
    assert_eq!(control(&[0, 0, 0, 9]), "unknown control record of type 9");
    assert_eq!(control(&[0, 0]), "control record: key at byte 0: ends too early");
}

#[test]
fn a_field_that_the_version_lacks_is_not_dropped() {
    let record = PartitionRecord { directories: vec![Uuid([1; 16])], ..PartitionRecord::default() };
    let lacking = WireError::NotInVersion { field: "directories".to_owned(), version: 0 };
    let expected = RecordError::Malformed { name: "PartitionRecord", error: lacking };
    assert_eq!(MetadataRecord::from(record).encode(0), Err(expected));
}

#[test]
fn damaged_records_never_panic() {
    for (key, value) in fixtures() {
        for at in 0..value.len() {
            for damage in [0u8, 0x7f, 0x80, 0xff] {
                let mut damaged = value.clone();
                damaged[at] = damage;
                match key {
                    "-" => drop((MetadataRecord::decode(&damaged), MetadataRecord::decode(&value[..at]))),
                    key => drop(ControlRecord::decode(&hex(key), &damaged)),
                }
            }
        }
    }
}
