//! Records that a JVM broker 4.3.1 wrote to its internal topics, byte for byte.

use super::*;
use crate::protocol::message::{Message, RecordError};

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Keys and values in hexadecimal; `-` is a tombstone.
fn records(text: &str) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
    text.lines().map(|line| {
        let (key, value) = line.split_once(' ').expect("two words");
        (hex(key), (value != "-").then(|| hex(value)))
    })
}

macro_rules! check {
    ($record:ident, $fixtures:literal) => {{
        let mut kinds = std::collections::BTreeSet::new();
        for (key, value) in records(include_str!($fixtures)) {
            let record = $record::decode(&key, value.as_deref()).expect("a known record");
            assert_eq!(record.encode_key().expect("a key"), key, "{record:?}");
            let version = value.as_ref().map_or(0, |value| i16::from_be_bytes([value[0], value[1]]));
            assert_eq!(record.encode_value(version).expect("a value").map(Vec::from), value, "{record:?}");
            assert_eq!(record.is_tombstone(), value.is_none());
            kinds.insert(record.kind());
            for at in 0..value.as_ref().map_or(0, Vec::len) {
                for damage in [0u8, 0x7f, 0x80, 0xff] {
                    let mut damaged = value.clone().unwrap_or_default();
                    damaged[at] = damage;
                    drop(($record::decode(&key, Some(&damaged)), $record::decode(&key, Some(&damaged[..at]))));
                }
            }
        }
        kinds.into_iter().collect::<Vec<_>>()
    }};
}

#[test]
fn records_of_a_jvm_keep_their_bytes() {
    assert_eq!(check!(GroupRecord, "fixtures_group.txt"), [1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15]);
    assert_eq!(check!(TransactionRecord, "fixtures_transaction.txt"), [0]);
    assert_eq!(check!(ShareStateRecord, "fixtures_share.txt"), [0]);
}

#[test]
fn a_committed_offset_is_read_in_all_versions() {
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
    let value = OffsetCommitValue { offset: 7, metadata: "m".into(), commit_timestamp: 9, ..Default::default() };
    let record = GroupRecord::OffsetCommit(key, Some(value));
    let encoded_key = record.encode_key().expect("a key");
    assert_eq!(encoded_key[..], [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 3]);
    for version in 0..=4 {
        let encoded = record.encode_value(version).expect("a value").expect("no tombstone");
        assert_eq!(encoded[..2], [0, version as u8]);
        assert_eq!(GroupRecord::decode(&encoded_key, Some(&encoded)), Ok(record.clone()));
    }
}

#[test]
fn what_is_unknown_is_named() {
    assert_eq!(GroupRecord::decode(&[0, 99], None), Err(RecordError::UnknownKey { family: "group", key: 99 }));
    let error = GroupRecord::decode(&[0, 2, 0, 1, b'g'], Some(&[0, 5])).expect_err("a newer version");
    assert_eq!(error.to_string(), "GroupMetadataValue has version 5; 0 to 4 are known");
    assert!(GroupRecord::decode(&[0], None).is_err());
}

/// A subscription of version 0 carries nothing newer, and the newest version everything.
#[test]
fn subscriptions_follow_their_version() {
    let subscription = ConsumerProtocolSubscription {
        topics: vec!["t".into()],
        generation_id: 5,
        rack_id: Some("r".into()),
        ..Default::default()
    };
    let oldest = subscription.encode_versioned(0).expect("the newer fields may be dropped");
    assert_eq!(oldest[..], [0, 0, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff]);
    let newest = subscription.encode_versioned(3).expect("it encodes");
    assert_eq!(ConsumerProtocolSubscription::decode_versioned(&newest), Ok((subscription, 3)));
}

#[test]
fn a_transaction_marker_is_six_bytes() {
    let marker = EndTxnMarker { coordinator_epoch: 4 }.encode_versioned(0).expect("it encodes");
    assert_eq!(marker[..], [0, 0, 0, 0, 0, 4]);
}
