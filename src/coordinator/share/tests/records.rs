//! The records of `__share_group_state` in bytes.

use super::super::key::SharePartitionKey;
use super::super::records::{Change, Record};
use super::super::state::{ShareState, StateUpdate};
use super::script::batch;
use crate::types::{LeaderEpoch, Millis, Offset, TopicId};

fn record(change: Change) -> Record {
    Record { key: SharePartitionKey::new("gs1", TopicId::from_halves(1, 2), 3), change }
}

fn snapshot() -> Record {
    record(Change::Snapshot(ShareState {
        snapshot_epoch: 1,
        state_epoch: 2,
        leader_epoch: LeaderEpoch(3),
        start_offset: Offset(4),
        delivery_complete_count: 5,
        batches: vec![batch(6, 7, 2, 4)],
        created: Millis(8),
        written: Millis(9),
    }))
}

fn update() -> Record {
    record(Change::Update(StateUpdate {
        snapshot_epoch: 1,
        leader_epoch: LeaderEpoch(3),
        start_offset: Offset(-1),
        delivery_complete_count: -1,
        batches: Vec::new(),
    }))
}

/// As the schemas of Kafka 4.3 lay them out.
#[test]
fn the_bytes_are_kafkas() {
    let id = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02";
    let (key, value) = snapshot().encode().unwrap();
    assert_eq!(&key[..], [b"\0\0", &b"\0\x03gs1"[..], id, b"\0\0\0\x03"].concat());
    let expected: &[&[u8]] = &[
        b"\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\x04",
        b"\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x09",
        b"\x02\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x07\x04\0\x02\0",
        b"\x01\0\x04\0\0\0\x05",
    ];
    assert_eq!(value.unwrap(), expected.concat());
    let (key, value) = update().encode().unwrap();
    assert_eq!(&key[..], [b"\0\x01", &b"\0\x03gs1"[..], id, b"\0\0\0\x03"].concat());
    assert_eq!(value.unwrap(), b"\0\0\0\0\0\x01\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xff\x01\0"[..]);
    let (key, value) = record(Change::Forgotten).encode().unwrap();
    assert_eq!((&key[..2], value), (&b"\0\0"[..], None));
}

#[test]
fn what_a_newer_broker_left_is_passed_over_and_garbage_is_not() {
    let (key, value) = snapshot().encode().unwrap();
    let value = value.unwrap();
    assert_eq!(Record::decode(&key, Some(&value)), Ok(Some(snapshot())));
    assert_eq!(Record::decode(b"\0\x05rest", Some(&value)), Ok(None));
    let newer = [b"\0\x09", &value[2..]].concat();
    assert_eq!(Record::decode(&key, Some(&newer)), Ok(None));
    let (update_key, _) = update().encode().unwrap();
    assert_eq!(Record::decode(&update_key, None), Ok(None));
    assert!(Record::decode(&key, Some(&value[..value.len() - 4])).is_err());
    assert!(Record::decode(b"\0", None).is_err());
}
