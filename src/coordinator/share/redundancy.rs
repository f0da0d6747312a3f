//! How much of a log's beginning is of no use.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::Offset;

use super::key::SharePartitionKey;
use super::records::{Change, Record};

/// Where the newest snapshot of each state lies. What stands in front of all of them may be deleted, and nothing else:
/// the updates behind a snapshot are part of the state.
#[derive(Default, Debug)]
pub struct Redundancy {
    newest: BTreeMap<SharePartitionKey, Offset>,
    in_order: BTreeSet<(Offset, SharePartitionKey)>,
    end: Offset,
}

impl Redundancy {
    /// Takes note of a record at its offset, in order of the offsets.
    pub fn note(&mut self, record: &Record, at: Offset) {
        let before = match &record.change {
            Change::Update(_) => return,
            Change::Snapshot(_) => {
                self.in_order.insert((at, record.key.clone()));
                self.newest.insert(record.key.clone(), at)
            }
            Change::Forgotten => self.newest.remove(&record.key),
        };
        if let Some(before) = before {
            self.in_order.remove(&(before, record.key.clone()));
        }
        self.end = at;
    }

    /// The first offset that is of use, if the log holds any record: of a log whose last state was forgotten, that of
    /// the tombstone.
    pub fn first_useful(&self) -> Offset {
        self.in_order.first().map_or(self.end, |(at, _)| *at)
    }
}
