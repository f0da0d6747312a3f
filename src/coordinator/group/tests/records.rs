//! The bytes in `__consumer_offsets`.

use std::sync::Arc;

use bytes::Bytes;

use super::super::records::{CommittedOffset, GroupSnapshot, MemberSnapshot, Record};
use crate::types::{LeaderEpoch, Millis, Offset, TopicId};

#[track_caller]
fn check(record: &Record, key: &[u8], value: Option<&[u8]>) {
    let (encoded_key, encoded_value) = record.encode().unwrap();
    assert_eq!(&encoded_key[..], key);
    assert_eq!(encoded_value.as_deref(), value);
    assert_eq!(&Record::decode(key, value).unwrap(), record);
}

fn offset(expires_at: Option<Millis>, topic_id: TopicId) -> Record {
    Record::Offset {
        group: "g".into(),
        topic: "t".into(),
        partition: 3,
        committed: Some(CommittedOffset {
            offset: Offset(5),
            leader_epoch: LeaderEpoch(-1),
            metadata: "m".into(),
            committed_at: Millis(1),
            expires_at,
            topic_id,
        }),
    }
}

const OFFSET_KEY: &[u8] = b"\0\x01\0\x01g\0\x01t\0\0\0\x03";

#[test]
fn offsets_are_written_in_version_4_and_with_an_expiry_in_version_1() {
    let plain = b"\0\x04\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\x02m\0\0\0\0\0\0\0\x01\0";
    check(&offset(None, TopicId::ZERO), OFFSET_KEY, Some(plain));
    let id =
        b"\0\x04\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\x02m\0\0\0\0\0\0\0\x01\x01\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09";
    check(&offset(None, TopicId::from_halves(0, 9)), OFFSET_KEY, Some(id));
    let expiring = b"\0\x01\0\0\0\0\0\0\0\x05\0\x01m\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x07";
    check(&offset(Some(Millis(7)), TopicId::ZERO), OFFSET_KEY, Some(expiring));
    let gone = Record::Offset { group: "g".into(), topic: "t".into(), partition: 3, committed: None };
    check(&gone, OFFSET_KEY, None);
}

#[test]
fn groups_are_written_in_version_3() {
    let member = MemberSnapshot {
        member_id: "m".into(),
        instance_id: Some(Arc::from("i")),
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout_ms: 2,
        session_timeout_ms: 1,
        subscription: Bytes::from_static(b"s"),
        assignment: Bytes::from_static(b"a"),
    };
    let snapshot = GroupSnapshot {
        protocol_type: "consumer".into(),
        generation: 4,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        state_since: Some(Millis(8)),
        members: vec![member],
    };
    let value =
        b"\0\x03\0\x08consumer\0\0\0\x04\0\x05range\0\x01m\0\0\0\0\0\0\0\x08\0\0\0\x01\0\x01m\0\x01i\0\x01c\0\x02/h\
        \0\0\0\x02\0\0\0\x01\0\0\0\x01s\0\0\0\x01a";
    check(&Record::Group { group: "g".into(), snapshot: Some(snapshot) }, b"\0\x02\0\x01g", Some(value));
    check(&Record::Group { group: "g".into(), snapshot: None }, b"\0\x02\0\x01g", None);
    let new = GroupSnapshot::of_new_group(Millis(8));
    let value = b"\0\x03\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\x08\0\0\0\0";
    check(&Record::Group { group: "g".into(), snapshot: Some(new) }, b"\0\x02\0\x01g", Some(value));
}

#[test]
fn the_oldest_groups_and_offsets_can_be_read() {
    let key = b"\0\0\0\x01g\0\x01t\0\0\0\x03";
    let value = b"\0\0\0\0\0\0\0\0\0\x05\0\x01m\0\0\0\0\0\0\0\x01";
    assert_eq!(Record::decode(key, Some(value)).unwrap(), offset(None, TopicId::ZERO));
    let value = b"\0\0\0\x01c\0\0\0\x04\0\x01r\0\x01m\0\0\0\x01\0\x01m\0\x01c\0\x01h\0\0\0\x09\0\0\0\x01s\0\0\0\x01a";
    let Record::Group { snapshot: Some(group), .. } = Record::decode(b"\0\x02\0\x01g", Some(value)).unwrap() else {
        panic!("a group is expected");
    };
    assert_eq!((group.state_since, group.members[0].rebalance_timeout_ms), (None, -1));
}

#[test]
fn what_nobody_knows_is_named() {
    let unknown = Record::decode(b"\0\x63\0\x01g", None).unwrap_err().to_string();
    assert!(unknown.contains("99"), "{unknown}");
    let version = Record::decode(OFFSET_KEY, Some(b"\0\x09")).unwrap_err().to_string();
    assert!(version.contains("OffsetCommitValue") && version.contains('9'), "{version}");
}
