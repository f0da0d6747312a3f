//! What the coordinator writes to `__share_group_state` and reads back, and its form in bytes.

use bytes::Bytes;

use crate::protocol::internal::{
    ShareSnapshotKey, ShareSnapshotValue, ShareStateRecord, ShareUpdateKey, ShareUpdateValue, SnapshotStateBatch,
    UpdateStateBatch,
};
use crate::protocol::message::RecordError;
use crate::types::{LeaderEpoch, Millis, Offset};

use super::key::SharePartitionKey;
use super::state::{ShareState, StateBatch, StateUpdate};

/// The version in which values are written.
const VALUE_VERSION: i16 = 0;

/// One change of the coordinator's hard state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub key: SharePartitionKey,
    pub change: Change,
}

/// What becomes of a share partition's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Snapshot(ShareState),
    Update(StateUpdate),
    Forgotten,
}

impl Record {
    /// The key and value to append; no value is a tombstone, which has the key of a snapshot.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), RecordError> {
        let SharePartitionKey { group, topic_id, partition } = &self.key;
        let (group_id, topic_id, partition) = (group.to_string(), *topic_id, *partition);
        let record = match &self.change {
            Change::Snapshot(state) => {
                let key = ShareSnapshotKey { group_id, topic_id, partition };
                ShareStateRecord::ShareSnapshot(key, Some(snapshot_value(state)))
            }
            Change::Update(update) => {
                let key = ShareUpdateKey { group_id, topic_id, partition };
                ShareStateRecord::ShareUpdate(key, Some(update_value(update)))
            }
            Change::Forgotten => {
                ShareStateRecord::ShareSnapshot(ShareSnapshotKey { group_id, topic_id, partition }, None)
            }
        };
        Ok((record.encode_key()?, record.encode_value(VALUE_VERSION)?))
    }

    /// The record of that key and value. `None` if either is of a version that a newer broker left, which Kafka passes
    /// over, or if it is an update to nothing, which no broker writes.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordError> {
        let record = match ShareStateRecord::decode(key, value) {
            Ok(ShareStateRecord::ShareSnapshot(key, value)) => Record {
                key: SharePartitionKey::new(key.group_id, key.topic_id, key.partition),
                change: value.map_or(Change::Forgotten, |value| Change::Snapshot(snapshot(value))),
            },
            Ok(ShareStateRecord::ShareUpdate(key, Some(value))) => Record {
                key: SharePartitionKey::new(key.group_id, key.topic_id, key.partition),
                change: Change::Update(update(value)),
            },
            Ok(ShareStateRecord::ShareUpdate(_, None)) => return Ok(None),
            Err(RecordError::UnknownKey { .. } | RecordError::UnknownVersion { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(record))
    }
}

fn snapshot_value(state: &ShareState) -> ShareSnapshotValue {
    let batch = |batch: &StateBatch| SnapshotStateBatch {
        first_offset: batch.first.0,
        last_offset: batch.last.0,
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    ShareSnapshotValue {
        snapshot_epoch: state.snapshot_epoch,
        state_epoch: state.state_epoch,
        leader_epoch: state.leader_epoch.0,
        start_offset: state.start_offset.0,
        delivery_complete_count: state.delivery_complete_count,
        create_timestamp: state.created.0,
        write_timestamp: state.written.0,
        state_batches: state.batches.iter().map(batch).collect(),
    }
}

fn update_value(update: &StateUpdate) -> ShareUpdateValue {
    let batch = |batch: &StateBatch| UpdateStateBatch {
        first_offset: batch.first.0,
        last_offset: batch.last.0,
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    ShareUpdateValue {
        snapshot_epoch: update.snapshot_epoch,
        leader_epoch: update.leader_epoch.0,
        start_offset: update.start_offset.0,
        delivery_complete_count: update.delivery_complete_count,
        state_batches: update.batches.iter().map(batch).collect(),
    }
}

fn snapshot(value: ShareSnapshotValue) -> ShareState {
    let batch = |batch: SnapshotStateBatch| StateBatch {
        first: Offset(batch.first_offset),
        last: Offset(batch.last_offset),
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    ShareState {
        snapshot_epoch: value.snapshot_epoch,
        state_epoch: value.state_epoch,
        leader_epoch: LeaderEpoch(value.leader_epoch),
        start_offset: Offset(value.start_offset),
        delivery_complete_count: value.delivery_complete_count,
        batches: value.state_batches.into_iter().map(batch).collect(),
        created: Millis(value.create_timestamp),
        written: Millis(value.write_timestamp),
    }
}

fn update(value: ShareUpdateValue) -> StateUpdate {
    let batch = |batch: UpdateStateBatch| StateBatch {
        first: Offset(batch.first_offset),
        last: Offset(batch.last_offset),
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    StateUpdate {
        snapshot_epoch: value.snapshot_epoch,
        leader_epoch: LeaderEpoch(value.leader_epoch),
        start_offset: Offset(value.start_offset),
        delivery_complete_count: value.delivery_complete_count,
        batches: value.state_batches.into_iter().map(batch).collect(),
    }
}
