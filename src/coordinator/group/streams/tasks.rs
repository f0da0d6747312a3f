//! Tasks: a task is one partition number of one subtopology.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::machine::own;
use crate::protocol::newer::StreamsTaskIds;

/// Tasks by subtopology.
pub type TaskIds = BTreeMap<Arc<str>, BTreeSet<i32>>;
/// Active tasks by subtopology, each with the member epoch at which it was assigned.
pub type ActiveTasks = BTreeMap<Arc<str>, BTreeMap<i32, i32>>;

/// What a member shall have, or says it has.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tasks {
    pub active: TaskIds,
    pub standby: TaskIds,
    pub warmup: TaskIds,
}

/// What a member has been given.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct OwnedTasks {
    pub active: ActiveTasks,
    pub standby: TaskIds,
    pub warmup: TaskIds,
}

impl Tasks {
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Whether one of these is among `owned`, in the same role.
    pub fn contains_any(&self, owned: &OwnedTasks) -> bool {
        let shares = |tasks: &TaskIds, others: &TaskIds| {
            tasks.iter().any(|(id, mine)| others.get(id).is_some_and(|theirs| !mine.is_disjoint(theirs)))
        };
        shares(&self.active, &owned.active_ids())
            || shares(&self.standby, &owned.standby)
            || shares(&self.warmup, &owned.warmup)
    }
}

impl OwnedTasks {
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Which tasks are active, whenever they were assigned.
    pub fn active_ids(&self) -> TaskIds {
        self.active.iter().map(|(id, tasks)| (id.clone(), tasks.keys().copied().collect())).collect()
    }

    /// The epoch at which an active task was assigned.
    pub fn epoch_of(&self, subtopology: &str, partition: i32) -> Option<i32> {
        self.active.get(subtopology)?.get(&partition).copied()
    }
}

/// As they stand in a response.
pub fn to_wire(tasks: &TaskIds) -> Vec<StreamsTaskIds> {
    let each = tasks.iter().map(|(id, partitions)| StreamsTaskIds {
        subtopology_id: id.to_string(),
        partitions: partitions.iter().copied().collect(),
    });
    each.collect()
}

/// As they stand in a request; nothing if a subtopology is named twice.
pub fn from_wire(tasks: &[StreamsTaskIds]) -> Option<TaskIds> {
    let each = tasks.iter().map(|tasks| (own(&tasks.subtopology_id), tasks.partitions.iter().copied().collect()));
    let ids: TaskIds = each.collect();
    (ids.len() == tasks.len()).then_some(ids)
}
