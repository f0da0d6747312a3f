//! The records of `__transaction_state` in bytes.

use std::collections::BTreeSet;

use super::super::records::Record;
use super::super::state::State;
use super::super::txn::{Producer, Transaction};
use crate::types::{Millis, ProducerEpoch, ProducerId, TopicPartition};

fn transaction(state: State) -> Transaction {
    Transaction {
        producer: Producer { id: ProducerId(7), epoch: ProducerEpoch(3) },
        previous_id: ProducerId(6),
        next_id: ProducerId(8),
        last_epoch: ProducerEpoch::NONE,
        timeout_ms: 60_000,
        state,
        partitions: BTreeSet::from([TopicPartition::new("t", 0), TopicPartition::new("t", 2)]),
        started: Millis(1_000),
        updated: Millis(2_000),
        client_version: 2,
    }
}

fn read_back(record: &Record, level: i16) -> Record {
    let (key, value) = record.encode(level).unwrap();
    Record::decode(&key, value.as_deref()).unwrap().unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let record = Record { id: "x".into(), transaction: Some(transaction(State::Ongoing)) };
    assert_eq!(read_back(&record, 2), record);
    assert_eq!(read_back(&record, 1), record);
    let gone = Record { id: "x".into(), transaction: None };
    assert_eq!(read_back(&gone, 2), gone);
    let (_, value) = gone.encode(2).unwrap();
    assert_eq!(value, None);
}

#[test]
fn the_oldest_version_knows_neither_other_producers_nor_the_client() {
    let full = transaction(State::PrepareCommit);
    let record = Record { id: "x".into(), transaction: Some(full.clone()) };
    let (previous_id, next_id) = (ProducerId::NONE, ProducerId::NONE);
    let kept = Transaction { previous_id, next_id, client_version: 0, ..full };
    assert_eq!(read_back(&record, 0).transaction, Some(kept));
}

/// The value of version 0 as a JVM of before KIP-890 writes it.
#[test]
fn the_bytes_are_kafkas() {
    let record = Record { id: "tx".into(), transaction: Some(transaction(State::Ongoing)) };
    let (key, value) = record.encode(0).unwrap();
    assert_eq!(&key[..], b"\0\0\0\x02tx");
    let expected: &[u8] = b"\0\0\0\0\0\0\0\0\0\x07\0\x03\0\0\xea\x60\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x02\
        \0\0\0\0\0\0\x07\xd0\0\0\0\0\0\0\x03\xe8";
    assert_eq!(value.as_deref(), Some(expected));
}

#[test]
fn what_a_newer_broker_left_is_passed_over_and_garbage_is_not() {
    let record = Record { id: "x".into(), transaction: Some(transaction(State::Ongoing)) };
    let (key, value) = record.encode(2).unwrap();
    let value = value.unwrap();
    assert_eq!(Record::decode(b"\0\x05rest", Some(&value)), Ok(None));
    let mut newer = value.to_vec();
    newer[1] = 9;
    assert_eq!(Record::decode(&key, Some(&newer)), Ok(None));
    assert!(Record::decode(&key, Some(&value[..value.len() - 4])).is_err());
    assert!(Record::decode(b"\0", None).is_err());
}
