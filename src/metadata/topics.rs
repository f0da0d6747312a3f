//! Topics and their partitions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::protocol::kraft::{PartitionChangeRecord, PartitionRecord};
use crate::types::{BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch, TopicId, Uuid};

use super::{LeaderRecoveryState, ReplayError};

/// All topics, by name and by id.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Topics {
    by_name: HashMap<Arc<str>, Arc<TopicImage>>,
    by_id: HashMap<TopicId, Arc<str>>,
}

impl Topics {
    /// The topic of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_name.get(name)
    }

    /// The topic of that id.
    pub fn with_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id).and_then(|name| self.by_name.get(name))
    }

    /// Every topic, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The registration of a partition.
    pub fn partition(&self, id: TopicId, partition: i32) -> Option<&PartitionRegistration> {
        self.with_id(id)?.partitions.get(&partition)
    }

    pub(super) fn insert(&mut self, topic: TopicImage) {
        self.by_id.insert(topic.id, topic.name.clone());
        self.by_name.insert(topic.name.clone(), Arc::new(topic));
    }

    pub(super) fn remove(&mut self, id: TopicId) -> Option<Arc<TopicImage>> {
        let name = self.by_id.remove(&id)?;
        self.by_name.remove(&name)
    }

    pub(super) fn change(&mut self, id: TopicId) -> Option<&mut TopicImage> {
        let name = self.by_id.get(&id)?;
        self.by_name.get_mut(name).map(Arc::make_mut)
    }
}

/// A topic.
#[derive(Clone, PartialEq, Debug)]
pub struct TopicImage {
    pub name: Arc<str>,
    pub id: TopicId,
    pub partitions: BTreeMap<i32, PartitionRegistration>,
}

/// A partition: who keeps it, who leads it, and the epochs that order its changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartitionRegistration {
    pub replicas: Vec<BrokerId>,
    /// The directory of each replica, in the order of `replicas`.
    pub directories: Vec<DirectoryId>,
    pub isr: Vec<BrokerId>,
    pub removing_replicas: Vec<BrokerId>,
    pub adding_replicas: Vec<BrokerId>,
    /// Eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    pub last_known_elr: Vec<BrokerId>,
    pub leader: BrokerId,
    pub leader_recovery_state: LeaderRecoveryState,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: PartitionEpoch,
}

/// In a change record: the leader stays, and so does the leader epoch.
const NO_LEADER_CHANGE: i32 = -2;

impl PartitionRegistration {
    /// The registration that a record describes.
    pub fn from_record(record: &PartitionRecord) -> Result<PartitionRegistration, ReplayError> {
        Ok(PartitionRegistration {
            directories: directories(&record.directories, record.replicas.len())?,
            replicas: brokers(&record.replicas),
            isr: brokers(&record.isr),
            removing_replicas: brokers(&record.removing_replicas),
            adding_replicas: brokers(&record.adding_replicas),
            elr: record.eligible_leader_replicas.as_deref().map(brokers).unwrap_or_default(),
            last_known_elr: record.last_known_elr.as_deref().map(brokers).unwrap_or_default(),
            leader: BrokerId(record.leader),
            leader_recovery_state: recovery_state(record.leader_recovery_state)?,
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: PartitionEpoch(record.partition_epoch),
        })
    }

    /// The registration after a change. Naming a leader raises the leader epoch even if it is the same one.
    pub fn merge(&self, record: &PartitionChangeRecord) -> Result<PartitionRegistration, ReplayError> {
        let mut next = self.clone();
        let set = |field: &mut Vec<BrokerId>, change: &Option<Vec<i32>>| {
            if let Some(change) = change {
                *field = brokers(change);
            }
        };
        set(&mut next.replicas, &record.replicas);
        set(&mut next.isr, &record.isr);
        set(&mut next.removing_replicas, &record.removing_replicas);
        set(&mut next.adding_replicas, &record.adding_replicas);
        set(&mut next.elr, &record.eligible_leader_replicas);
        set(&mut next.last_known_elr, &record.last_known_elr);
        next.directories = match &record.directories {
            Some(changed) => directories(changed, next.replicas.len())?,
            None => directories(&next.directories, next.replicas.len())?,
        };
        if record.leader != NO_LEADER_CHANGE {
            next.leader = BrokerId(record.leader);
            next.leader_epoch.0 += 1;
        }
        if record.leader_recovery_state != -1 {
            next.leader_recovery_state = recovery_state(record.leader_recovery_state)?;
        }
        next.partition_epoch.0 += 1;
        Ok(next)
    }

    /// The record that describes this registration. `elr` says whether the feature is on.
    pub fn to_record(
        &self,
        topic_id: TopicId,
        partition_id: i32,
        with_directories: bool,
        elr: bool,
    ) -> PartitionRecord {
        let filled = |ids: &[BrokerId]| (elr && !ids.is_empty()).then(|| ids.iter().map(|id| id.0).collect());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: numbers(&self.replicas),
            isr: numbers(&self.isr),
            removing_replicas: numbers(&self.removing_replicas),
            adding_replicas: numbers(&self.adding_replicas),
            leader: self.leader.0,
            leader_recovery_state: self.leader_recovery_state.code(),
            leader_epoch: self.leader_epoch.0,
            partition_epoch: self.partition_epoch.0,
            directories: if with_directories { self.directories.clone() } else { Vec::new() },
            eligible_leader_replicas: filled(&self.elr),
            last_known_elr: filled(&self.last_known_elr),
        }
    }

    /// Whether the first replica leads, as an operator wants it.
    pub fn has_preferred_leader(&self) -> bool {
        self.replicas.first() == Some(&self.leader)
    }

    /// Whether a reassignment is under way.
    pub fn is_reassigning(&self) -> bool {
        !self.removing_replicas.is_empty() || !self.adding_replicas.is_empty()
    }

    /// The directory of `replica`, if it is one.
    pub fn directory(&self, replica: BrokerId) -> Option<DirectoryId> {
        let index = self.replicas.iter().position(|id| *id == replica)?;
        self.directories.get(index).copied()
    }
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn numbers(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

/// Records older than KIP-858, and brokers not asked yet, have no directories: every replica is then "migrating".
fn directories(given: &[Uuid], replicas: usize) -> Result<Vec<DirectoryId>, ReplayError> {
    if given.iter().all(|id| *id == Uuid::MIGRATING_DIR) {
        return Ok(vec![Uuid::MIGRATING_DIR; replicas]);
    }
    if given.len() != replicas {
        return Err(ReplayError::Inconsistent("a partition record names other directories than replicas".to_owned()));
    }
    Ok(given.to_vec())
}

fn recovery_state(code: i8) -> Result<LeaderRecoveryState, ReplayError> {
    LeaderRecoveryState::from_code(code)
        .ok_or_else(|| ReplayError::Inconsistent(format!("unknown leader recovery state {code}")))
}
