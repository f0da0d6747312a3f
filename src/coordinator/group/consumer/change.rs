//! What the log says of a consumer group, record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::super::assignor::Assignment;
use super::member::{ClassicMember, CurrentAssignment, MemberMetadata, MemberState, Owned};
use crate::protocol::internal::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey, ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue, ConsumerPartitions, ConsumerTargetPartitions, GroupRecord,
};

/// One change of a consumer group; where a value is missing, what it stood for is gone.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// The group itself.
    Epoch(Option<GroupEpoch>),
    /// A record that Kafka wrote before 4.0; only its end is written now.
    PartitionMetadata {
        exists: bool,
    },
    Member {
        member: Arc<str>,
        metadata: Option<MemberMetadata>,
    },
    TargetEpoch(Option<TargetEpoch>),
    Target {
        member: Arc<str>,
        assignment: Option<Assignment>,
    },
    Current {
        member: Arc<str>,
        current: Option<CurrentAssignment>,
    },
    Regex {
        regex: Arc<str>,
        resolved: Option<ResolvedRegex>,
    },
}

/// The group's epoch, and what its topics were like then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupEpoch {
    pub epoch: i32,
    pub metadata_hash: i64,
}

/// The group epoch that the target was computed for, and when: by the wall clock in milliseconds, 0 if that is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TargetEpoch {
    pub epoch: i32,
    pub computed_at: i64,
}

/// The topics that a pattern describes, by the metadata of that version (an offset) at that time (wall clock, ms).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvedRegex {
    pub topics: BTreeSet<Arc<str>>,
    pub version: i64,
    pub at: i64,
}

impl Change {
    /// Whether the record ends something, so that it says nothing of a group that does not exist.
    pub fn is_end(&self) -> bool {
        match self {
            Change::Epoch(value) => value.is_none(),
            Change::PartitionMetadata { exists } => !exists,
            Change::Member { metadata, .. } => metadata.is_none(),
            Change::TargetEpoch(value) => value.is_none(),
            Change::Target { assignment, .. } => assignment.is_none(),
            Change::Current { current, .. } => current.is_none(),
            Change::Regex { resolved, .. } => resolved.is_none(),
        }
    }

    /// As it is written.
    pub fn to_record(&self, group: &str) -> GroupRecord {
        let group_id = group.to_owned();
        match self {
            Change::Epoch(epoch) => GroupRecord::ConsumerGroupMetadata(
                ConsumerGroupMetadataKey { group_id },
                epoch.map(|GroupEpoch { epoch, metadata_hash }| ConsumerGroupMetadataValue { epoch, metadata_hash }),
            ),
            Change::PartitionMetadata { .. } => {
                GroupRecord::ConsumerGroupPartitionMetadata(ConsumerGroupPartitionMetadataKey { group_id }, None)
            }
            Change::Member { member, metadata } => GroupRecord::ConsumerGroupMemberMetadata(
                ConsumerGroupMemberMetadataKey { group_id, member_id: member.to_string() },
                metadata.as_ref().map(MemberMetadata::to_value),
            ),
            Change::TargetEpoch(target) => GroupRecord::ConsumerGroupTargetAssignmentMetadata(
                ConsumerGroupTargetAssignmentMetadataKey { group_id },
                target.map(|target| ConsumerGroupTargetAssignmentMetadataValue {
                    assignment_epoch: target.epoch,
                    assignment_timestamp: target.computed_at,
                }),
            ),
            Change::Target { member, assignment } => GroupRecord::ConsumerGroupTargetAssignmentMember(
                ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: member.to_string() },
                assignment.as_ref().map(target_value),
            ),
            Change::Current { member, current } => GroupRecord::ConsumerGroupCurrentMemberAssignment(
                ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: member.to_string() },
                current.as_ref().map(CurrentAssignment::to_value),
            ),
            Change::Regex { regex, resolved } => GroupRecord::ConsumerGroupRegularExpression(
                ConsumerGroupRegularExpressionKey { group_id, regular_expression: regex.to_string() },
                resolved.as_ref().map(|resolved| ConsumerGroupRegularExpressionValue {
                    topics: resolved.topics.iter().map(|topic| topic.to_string()).collect(),
                    version: resolved.version,
                    timestamp: resolved.at,
                }),
            ),
        }
    }

    /// What a record says, and of which group, if it is one of a consumer group's.
    pub fn from_record(record: GroupRecord) -> Result<(Arc<str>, Change), Box<GroupRecord>> {
        use GroupRecord as R;
        let (group, change) = match record {
            R::ConsumerGroupMetadata(key, value) => {
                let epoch = value.map(|value| GroupEpoch { epoch: value.epoch, metadata_hash: value.metadata_hash });
                (key.group_id, Change::Epoch(epoch))
            }
            R::ConsumerGroupPartitionMetadata(key, value) => {
                (key.group_id, Change::PartitionMetadata { exists: value.is_some() })
            }
            R::ConsumerGroupMemberMetadata(key, value) => {
                let metadata = value.map(MemberMetadata::from_value);
                (key.group_id, Change::Member { member: key.member_id.into(), metadata })
            }
            R::ConsumerGroupTargetAssignmentMetadata(key, value) => {
                let target = value.map(|value| TargetEpoch {
                    epoch: value.assignment_epoch,
                    computed_at: value.assignment_timestamp,
                });
                (key.group_id, Change::TargetEpoch(target))
            }
            R::ConsumerGroupTargetAssignmentMember(key, value) => {
                let assignment = value.map(|value| {
                    let each = value.topic_partitions.into_iter();
                    each.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect()
                });
                (key.group_id, Change::Target { member: key.member_id.into(), assignment })
            }
            R::ConsumerGroupCurrentMemberAssignment(key, value) => {
                let current = value.map(CurrentAssignment::from_value);
                (key.group_id, Change::Current { member: key.member_id.into(), current })
            }
            R::ConsumerGroupRegularExpression(key, value) => {
                let resolved = value.map(|value| ResolvedRegex {
                    topics: value.topics.into_iter().map(Arc::from).collect(),
                    version: value.version,
                    at: value.timestamp,
                });
                (key.group_id, Change::Regex { regex: key.regular_expression.into(), resolved })
            }
            other => return Err(Box::new(other)),
        };
        Ok((group.into(), change))
    }
}

fn target_value(assignment: &Assignment) -> ConsumerGroupTargetAssignmentMemberValue {
    let each = assignment.iter().map(|(topic_id, partitions)| ConsumerTargetPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    ConsumerGroupTargetAssignmentMemberValue { topic_partitions: each.collect() }
}

impl MemberMetadata {
    fn to_value(&self) -> ConsumerGroupMemberMetadataValue {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        let classic = self.classic.as_ref().map(|classic| ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: classic
                .protocols
                .iter()
                .map(|(name, metadata)| ClassicProtocol { name: name.to_string(), metadata: metadata.clone() })
                .collect(),
        });
        ConsumerGroupMemberMetadataValue {
            instance_id: text(&self.instance_id),
            rack_id: text(&self.rack_id),
            client_id: self.client_id.to_string(),
            client_host: self.client_host.to_string(),
            subscribed_topic_names: self.topics.iter().map(|topic| topic.to_string()).collect(),
            subscribed_topic_regex: text(&self.regex),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: text(&self.assignor),
            classic_member_metadata: classic,
        }
    }

    fn from_value(value: ConsumerGroupMemberMetadataValue) -> MemberMetadata {
        let classic = value.classic_member_metadata.map(|classic| ClassicMember {
            session_timeout_ms: classic.session_timeout_ms,
            protocols: classic
                .supported_protocols
                .into_iter()
                .map(|protocol| (protocol.name.into(), Bytes::copy_from_slice(&protocol.metadata)))
                .collect(),
        });
        MemberMetadata {
            instance_id: value.instance_id.map(Arc::from),
            rack_id: value.rack_id.map(Arc::from),
            client_id: value.client_id.into(),
            client_host: value.client_host.into(),
            topics: value.subscribed_topic_names.into_iter().map(Arc::from).collect(),
            regex: value.subscribed_topic_regex.map(Arc::from),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            assignor: value.server_assignor.map(Arc::from),
            classic,
        }
    }
}

impl CurrentAssignment {
    fn to_value(&self) -> ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned_partitions: partitions_value(&self.assigned),
            partitions_pending_revocation: partitions_value(&self.pending_revocation),
        }
    }

    fn from_value(value: ConsumerGroupCurrentMemberAssignmentValue) -> CurrentAssignment {
        // Records before 4.2 do not say when a partition was assigned. A static member that has left has a negative epoch.
        let otherwise = value.member_epoch.max(0);
        CurrentAssignment {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::from_code(value.state),
            assigned: owned(value.assigned_partitions, otherwise),
            pending_revocation: owned(value.partitions_pending_revocation, otherwise),
        }
    }
}

fn partitions_value(owned: &Owned) -> Vec<ConsumerPartitions> {
    let each = owned.iter().map(|(topic_id, partitions)| ConsumerPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    each.collect()
}

fn owned(value: Vec<ConsumerPartitions>, otherwise: i32) -> Owned {
    let each = value.into_iter().map(|topic| {
        let epochs = topic.assignment_epochs.filter(|epochs| epochs.len() == topic.partitions.len());
        let epochs = epochs.unwrap_or_else(|| vec![otherwise; topic.partitions.len()]);
        (topic.topic_id, topic.partitions.into_iter().zip(epochs).collect::<BTreeMap<i32, i32>>())
    });
    each.collect()
}
