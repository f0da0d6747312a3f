//! What is kept of a share partition.

use crate::types::{LeaderEpoch, Millis, Offset};

use super::combine::combine;

/// What became of a stretch of records. Batches are ordered by their offsets; of two over the same ones the later in
/// this order holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StateBatch {
    pub first: Offset,
    /// Inclusive.
    pub last: Offset,
    pub delivery_count: i16,
    /// Kafka's number: 0 available, 2 acknowledged, 4 archived.
    pub delivery_state: i8,
}

/// The whole state of a share partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShareState {
    /// Counts the snapshots.
    pub snapshot_epoch: i32,
    /// Counts how often the group began anew in this partition.
    pub state_epoch: i32,
    pub leader_epoch: LeaderEpoch,
    /// [`Offset::NONE`] before the group has read anything.
    pub start_offset: Offset,
    /// Records from the start offset on of which nothing more will become; -1 if that is not known (KIP-1226).
    pub delivery_complete_count: i32,
    pub batches: Vec<StateBatch>,
    /// When the last snapshot was written that a change made due.
    pub created: Millis,
    /// When the newest snapshot was written, be it one of a state at rest.
    pub written: Millis,
}

/// What changes of a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateUpdate {
    /// That of the snapshot before.
    pub snapshot_epoch: i32,
    /// [`LeaderEpoch::NONE`] where it stays.
    pub leader_epoch: LeaderEpoch,
    /// [`Offset::NONE`] where it stays.
    pub start_offset: Offset,
    pub delivery_complete_count: i32,
    pub batches: Vec<StateBatch>,
}

impl ShareState {
    /// The state after an update.
    pub(super) fn updated(&self, update: &StateUpdate) -> ShareState {
        let start_offset = if update.start_offset == Offset::NONE { self.start_offset } else { update.start_offset };
        let leader_epoch =
            if update.leader_epoch == LeaderEpoch::NONE { self.leader_epoch } else { update.leader_epoch };
        ShareState {
            leader_epoch,
            start_offset,
            delivery_complete_count: update.delivery_complete_count,
            batches: combine(&self.batches, &update.batches, start_offset),
            ..*self
        }
    }
}

impl From<&StateUpdate> for ShareState {
    /// What an update tells where its snapshot is no longer in the log.
    fn from(update: &StateUpdate) -> ShareState {
        ShareState {
            snapshot_epoch: update.snapshot_epoch,
            state_epoch: 0,
            leader_epoch: update.leader_epoch,
            start_offset: update.start_offset,
            delivery_complete_count: update.delivery_complete_count,
            batches: update.batches.clone(),
            created: Millis(0),
            written: Millis(0),
        }
    }
}
