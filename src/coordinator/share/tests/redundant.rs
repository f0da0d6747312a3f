//! How much of a log is of no use.

use super::super::key::SharePartitionKey;
use super::super::records::{Change, Record};
use super::super::redundancy::Redundancy;
use super::super::state::{ShareState, StateUpdate};
use crate::types::{LeaderEpoch, Offset, TopicId};

/// Records by their offset: `s` and a letter for a snapshot of that share partition, `u` for an update, `d` for a
/// tombstone.
#[track_caller]
fn check(records: &str, expected: i64) {
    let update = StateUpdate {
        snapshot_epoch: 0,
        leader_epoch: LeaderEpoch(0),
        start_offset: Offset(0),
        delivery_complete_count: 0,
        batches: Vec::new(),
    };
    let mut redundancy = Redundancy::default();
    for (at, word) in records.split_whitespace().enumerate() {
        let change = match &word[..1] {
            "s" => Change::Snapshot(ShareState::from(&update)),
            "u" => Change::Update(update.clone()),
            _ => Change::Forgotten,
        };
        let record = Record { key: SharePartitionKey::new(&word[1..], TopicId::ONE, 0), change };
        redundancy.note(&record, Offset(at as i64));
    }
    assert_eq!(redundancy.first_useful(), Offset(expected), "{records}");
}

#[test]
fn all_in_front_of_the_oldest_newest_snapshot_is_of_no_use() {
    check("", 0);
    check("sa ua ua", 0);
    check("sa ua sa ua", 2);
    check("sa sb ua sa", 1);
    check("sa sb ua sa sb", 3);
    check("sa sb da", 1);
    check("sa sb db da", 3);
    check("sa da sa ua", 2);
}
