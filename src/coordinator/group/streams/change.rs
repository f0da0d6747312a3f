//! What the log says of a streams group, record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::consumer::TargetEpoch;
use super::member::{CurrentTasks, MemberState};
use super::tasks::{ActiveTasks, OwnedTasks, TaskIds, Tasks};
use super::topology::Topology;
use crate::protocol::internal::{
    GroupRecord, StreamsAssignmentConfig, StreamsCurrentTasks, StreamsGroupCurrentMemberAssignmentKey,
    StreamsGroupCurrentMemberAssignmentValue, StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue,
    StreamsGroupMetadataKey, StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsTargetTasks,
};

/// One change of a streams group; where a value is missing, what it stood for is gone.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// The group itself.
    Epoch(Option<GroupEpoch>),
    Topology(Option<Arc<Topology>>),
    Member {
        member: Arc<str>,
        metadata: Option<StreamsGroupMemberMetadataValue>,
    },
    TargetEpoch(Option<TargetEpoch>),
    Target {
        member: Arc<str>,
        tasks: Option<Tasks>,
    },
    Current {
        member: Arc<str>,
        current: Option<CurrentTasks>,
    },
}

/// The group's epoch, and what was true then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupEpoch {
    pub epoch: i32,
    pub metadata_hash: i64,
    /// The epoch of the topology whose topics were all there; -1 if some were not.
    pub validated_topology: i32,
    /// What the assignor was told beside members and tasks.
    pub configs: BTreeMap<String, String>,
}

impl Change {
    /// Whether the record ends something, so that it says nothing of a group that does not exist.
    pub fn is_end(&self) -> bool {
        match self {
            Change::Epoch(value) => value.is_none(),
            Change::Topology(value) => value.is_none(),
            Change::Member { metadata, .. } => metadata.is_none(),
            Change::TargetEpoch(value) => value.is_none(),
            Change::Target { tasks, .. } => tasks.is_none(),
            Change::Current { current, .. } => current.is_none(),
        }
    }

    /// As it is written.
    pub fn to_record(&self, group: &str) -> GroupRecord {
        let group_id = group.to_owned();
        match self {
            Change::Epoch(epoch) => GroupRecord::StreamsGroupMetadata(
                StreamsGroupMetadataKey { group_id },
                epoch.as_ref().map(GroupEpoch::to_value),
            ),
            Change::Topology(topology) => GroupRecord::StreamsGroupTopology(
                StreamsGroupTopologyKey { group_id },
                topology.as_ref().map(|topology| topology.to_value()),
            ),
            Change::Member { member, metadata } => GroupRecord::StreamsGroupMemberMetadata(
                StreamsGroupMemberMetadataKey { group_id, member_id: member.to_string() },
                metadata.clone(),
            ),
            Change::TargetEpoch(target) => GroupRecord::StreamsGroupTargetAssignmentMetadata(
                StreamsGroupTargetAssignmentMetadataKey { group_id },
                target.map(|target| StreamsGroupTargetAssignmentMetadataValue {
                    assignment_epoch: target.epoch,
                    assignment_timestamp: target.computed_at,
                }),
            ),
            Change::Target { member, tasks } => GroupRecord::StreamsGroupTargetAssignmentMember(
                StreamsGroupTargetAssignmentMemberKey { group_id, member_id: member.to_string() },
                tasks.as_ref().map(|tasks| StreamsGroupTargetAssignmentMemberValue {
                    active_tasks: target_tasks(&tasks.active),
                    standby_tasks: target_tasks(&tasks.standby),
                    warmup_tasks: target_tasks(&tasks.warmup),
                }),
            ),
            Change::Current { member, current } => GroupRecord::StreamsGroupCurrentMemberAssignment(
                StreamsGroupCurrentMemberAssignmentKey { group_id, member_id: member.to_string() },
                current.as_ref().map(CurrentTasks::to_value),
            ),
        }
    }

    /// What a record says, and of which group, if it is one of a streams group's.
    pub fn from_record(record: GroupRecord) -> Result<(Arc<str>, Change), Box<GroupRecord>> {
        use GroupRecord as R;
        let (group, change) = match record {
            R::StreamsGroupMetadata(key, value) => (key.group_id, Change::Epoch(value.map(GroupEpoch::from_value))),
            R::StreamsGroupTopology(key, value) => {
                (key.group_id, Change::Topology(value.map(|value| Arc::new(Topology::from_value(value)))))
            }
            R::StreamsGroupMemberMetadata(key, value) => {
                let metadata = value.map(|mut value| {
                    value.client_tags.sort_by(|one, other| one.key.cmp(&other.key));
                    value
                });
                (key.group_id, Change::Member { member: key.member_id.into(), metadata })
            }
            R::StreamsGroupTargetAssignmentMetadata(key, value) => {
                let target = value.map(|value| TargetEpoch {
                    epoch: value.assignment_epoch,
                    computed_at: value.assignment_timestamp,
                });
                (key.group_id, Change::TargetEpoch(target))
            }
            R::StreamsGroupTargetAssignmentMember(key, value) => {
                let tasks = value.map(|value| Tasks {
                    active: read_target(value.active_tasks),
                    standby: read_target(value.standby_tasks),
                    warmup: read_target(value.warmup_tasks),
                });
                (key.group_id, Change::Target { member: key.member_id.into(), tasks })
            }
            R::StreamsGroupCurrentMemberAssignment(key, value) => {
                let current = value.map(CurrentTasks::from_value);
                (key.group_id, Change::Current { member: key.member_id.into(), current })
            }
            other => return Err(Box::new(other)),
        };
        Ok((group.into(), change))
    }
}

impl GroupEpoch {
    fn to_value(&self) -> StreamsGroupMetadataValue {
        let configs = self.configs.iter();
        let configs = configs.map(|(key, value)| StreamsAssignmentConfig { key: key.clone(), value: value.clone() });
        StreamsGroupMetadataValue {
            epoch: self.epoch,
            metadata_hash: self.metadata_hash,
            validated_topology_epoch: self.validated_topology,
            last_assignment_configs: Some(configs.collect()),
        }
    }

    fn from_value(value: StreamsGroupMetadataValue) -> GroupEpoch {
        let configs = value.last_assignment_configs.unwrap_or_default().into_iter();
        GroupEpoch {
            epoch: value.epoch,
            metadata_hash: value.metadata_hash,
            validated_topology: value.validated_topology_epoch,
            configs: configs.map(|config| (config.key, config.value)).collect(),
        }
    }
}

fn target_tasks(tasks: &TaskIds) -> Vec<StreamsTargetTasks> {
    let each = tasks.iter().map(|(id, partitions)| StreamsTargetTasks {
        subtopology_id: id.to_string(),
        partitions: partitions.iter().copied().collect(),
    });
    each.collect()
}

fn read_target(tasks: Vec<StreamsTargetTasks>) -> TaskIds {
    let each = tasks.into_iter();
    each.map(|tasks| (tasks.subtopology_id.into(), BTreeSet::from_iter(tasks.partitions))).collect()
}

impl CurrentTasks {
    fn to_value(&self) -> StreamsGroupCurrentMemberAssignmentValue {
        let (assigned, pending) = (&self.assigned, &self.pending_revocation);
        StreamsGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            active_tasks: active_value(&assigned.active),
            standby_tasks: spare_value(&assigned.standby),
            warmup_tasks: spare_value(&assigned.warmup),
            active_tasks_pending_revocation: active_value(&pending.active),
            standby_tasks_pending_revocation: spare_value(&pending.standby),
            warmup_tasks_pending_revocation: spare_value(&pending.warmup),
        }
    }

    fn from_value(value: StreamsGroupCurrentMemberAssignmentValue) -> CurrentTasks {
        let epoch = value.member_epoch;
        CurrentTasks {
            epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::from_code(value.state),
            assigned: OwnedTasks {
                active: read_active(value.active_tasks, epoch),
                standby: read_spare(value.standby_tasks),
                warmup: read_spare(value.warmup_tasks),
            },
            pending_revocation: OwnedTasks {
                active: read_active(value.active_tasks_pending_revocation, epoch),
                standby: read_spare(value.standby_tasks_pending_revocation),
                warmup: read_spare(value.warmup_tasks_pending_revocation),
            },
        }
    }
}

fn active_value(tasks: &ActiveTasks) -> Vec<StreamsCurrentTasks> {
    let each = tasks.iter().map(|(id, partitions)| StreamsCurrentTasks {
        subtopology_id: id.to_string(),
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    each.collect()
}

fn spare_value(tasks: &TaskIds) -> Vec<StreamsCurrentTasks> {
    let each = tasks.iter().map(|(id, partitions)| StreamsCurrentTasks {
        subtopology_id: id.to_string(),
        partitions: partitions.iter().copied().collect(),
        ..StreamsCurrentTasks::default()
    });
    each.collect()
}

/// Records before 4.2 do not say when a task was assigned.
fn read_active(tasks: Vec<StreamsCurrentTasks>, otherwise: i32) -> ActiveTasks {
    let each = tasks.into_iter().map(|tasks| {
        let epochs = tasks.assignment_epochs.filter(|epochs| epochs.len() == tasks.partitions.len());
        let epochs = epochs.unwrap_or_else(|| vec![otherwise; tasks.partitions.len()]);
        (tasks.subtopology_id.into(), tasks.partitions.into_iter().zip(epochs).collect::<BTreeMap<i32, i32>>())
    });
    each.collect()
}

fn read_spare(tasks: Vec<StreamsCurrentTasks>) -> TaskIds {
    let each = tasks.into_iter();
    each.map(|tasks| (tasks.subtopology_id.into(), BTreeSet::from_iter(tasks.partitions))).collect()
}
