//! What the log says of a share group, record by record.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::consumer::{GroupEpoch, MemberState, TargetEpoch};
use super::group::{ShareCurrent, ShareMetadata};
use super::partitions::{StatePartitions, StateTopics, TopicPartitions};
use crate::protocol::internal::{
    GroupRecord, ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey, ShareGroupMetadataValue,
    ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue, ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue, ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue, SharePartitions, ShareTargetPartitions, ShareTopic, ShareTopicPartitions,
};

/// One change of a share group; where a value is missing, what it stood for is gone.
#[derive(Clone, PartialEq, Debug)]
pub enum ShareChange {
    /// The group itself.
    Epoch(Option<GroupEpoch>),
    Member {
        member: Arc<str>,
        metadata: Option<ShareMetadata>,
    },
    TargetEpoch(Option<TargetEpoch>),
    Target {
        member: Arc<str>,
        assignment: Option<Assignment>,
    },
    Current {
        member: Arc<str>,
        current: Option<ShareCurrent>,
    },
    Partitions(Option<StatePartitions>),
}

impl ShareChange {
    /// Whether the record ends something, so that it says nothing of a group that does not exist.
    pub fn is_end(&self) -> bool {
        match self {
            ShareChange::Epoch(value) => value.is_none(),
            ShareChange::Member { metadata, .. } => metadata.is_none(),
            ShareChange::TargetEpoch(value) => value.is_none(),
            ShareChange::Target { assignment, .. } => assignment.is_none(),
            ShareChange::Current { current, .. } => current.is_none(),
            ShareChange::Partitions(value) => value.is_none(),
        }
    }

    /// As it is written.
    pub fn to_record(&self, group: &str) -> GroupRecord {
        let group_id = group.to_owned();
        match self {
            ShareChange::Epoch(epoch) => GroupRecord::ShareGroupMetadata(
                ShareGroupMetadataKey { group_id },
                epoch.map(|GroupEpoch { epoch, metadata_hash }| ShareGroupMetadataValue { epoch, metadata_hash }),
            ),
            ShareChange::Member { member, metadata } => GroupRecord::ShareGroupMemberMetadata(
                ShareGroupMemberMetadataKey { group_id, member_id: member.to_string() },
                metadata.as_ref().map(ShareMetadata::to_value),
            ),
            ShareChange::TargetEpoch(target) => GroupRecord::ShareGroupTargetAssignmentMetadata(
                ShareGroupTargetAssignmentMetadataKey { group_id },
                target.map(|target| ShareGroupTargetAssignmentMetadataValue {
                    assignment_epoch: target.epoch,
                    assignment_timestamp: target.computed_at,
                }),
            ),
            ShareChange::Target { member, assignment } => GroupRecord::ShareGroupTargetAssignmentMember(
                ShareGroupTargetAssignmentMemberKey { group_id, member_id: member.to_string() },
                assignment.as_ref().map(target_value),
            ),
            ShareChange::Current { member, current } => GroupRecord::ShareGroupCurrentMemberAssignment(
                ShareGroupCurrentMemberAssignmentKey { group_id, member_id: member.to_string() },
                current.as_ref().map(ShareCurrent::to_value),
            ),
            ShareChange::Partitions(partitions) => GroupRecord::ShareGroupStatePartitionMetadata(
                ShareGroupStatePartitionMetadataKey { group_id },
                partitions.as_ref().map(StatePartitions::to_value),
            ),
        }
    }

    /// What a record says, and of which group, if it is one of a share group's.
    pub fn from_record(record: GroupRecord) -> Result<(Arc<str>, ShareChange), Box<GroupRecord>> {
        use GroupRecord as R;
        let (group, change) = match record {
            R::ShareGroupMetadata(key, value) => {
                let epoch = value.map(|value| GroupEpoch { epoch: value.epoch, metadata_hash: value.metadata_hash });
                (key.group_id, ShareChange::Epoch(epoch))
            }
            R::ShareGroupMemberMetadata(key, value) => {
                let metadata = value.map(ShareMetadata::from_value);
                (key.group_id, ShareChange::Member { member: key.member_id.into(), metadata })
            }
            R::ShareGroupTargetAssignmentMetadata(key, value) => {
                let target = value.map(|value| TargetEpoch {
                    epoch: value.assignment_epoch,
                    computed_at: value.assignment_timestamp,
                });
                (key.group_id, ShareChange::TargetEpoch(target))
            }
            R::ShareGroupTargetAssignmentMember(key, value) => {
                let assignment = value.map(|value| {
                    let each = value.topic_partitions.into_iter();
                    each.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect()
                });
                (key.group_id, ShareChange::Target { member: key.member_id.into(), assignment })
            }
            R::ShareGroupCurrentMemberAssignment(key, value) => {
                let current = value.map(ShareCurrent::from_value);
                (key.group_id, ShareChange::Current { member: key.member_id.into(), current })
            }
            R::ShareGroupStatePartitionMetadata(key, value) => {
                (key.group_id, ShareChange::Partitions(value.map(StatePartitions::from_value)))
            }
            other => return Err(Box::new(other)),
        };
        Ok((group.into(), change))
    }
}

fn target_value(assignment: &Assignment) -> ShareGroupTargetAssignmentMemberValue {
    let each = assignment.iter().map(|(topic_id, partitions)| ShareTargetPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    ShareGroupTargetAssignmentMemberValue { topic_partitions: each.collect() }
}

impl ShareMetadata {
    fn to_value(&self) -> ShareGroupMemberMetadataValue {
        ShareGroupMemberMetadataValue {
            rack_id: self.rack_id.as_deref().map(str::to_owned),
            client_id: self.client_id.to_string(),
            client_host: self.client_host.to_string(),
            subscribed_topic_names: self.topics.iter().map(|topic| topic.to_string()).collect(),
        }
    }

    fn from_value(value: ShareGroupMemberMetadataValue) -> ShareMetadata {
        ShareMetadata {
            rack_id: value.rack_id.map(Arc::from),
            client_id: value.client_id.into(),
            client_host: value.client_host.into(),
            topics: value.subscribed_topic_names.into_iter().map(Arc::from).collect(),
        }
    }
}

impl ShareCurrent {
    fn to_value(&self) -> ShareGroupCurrentMemberAssignmentValue {
        let each = self.assigned.iter().map(|(topic_id, partitions)| SharePartitions {
            topic_id: *topic_id,
            partitions: partitions.iter().copied().collect(),
        });
        ShareGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned_partitions: each.collect(),
        }
    }

    fn from_value(value: ShareGroupCurrentMemberAssignmentValue) -> ShareCurrent {
        let each = value.assigned_partitions.into_iter();
        ShareCurrent {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::from_code(value.state),
            assigned: each.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect(),
        }
    }
}

impl StatePartitions {
    fn to_value(&self) -> ShareGroupStatePartitionMetadataValue {
        let topics = |topics: &StateTopics| {
            let each = topics.iter().map(|(topic_id, topic)| ShareTopicPartitions {
                topic_id: *topic_id,
                topic_name: topic.name.to_string(),
                partitions: topic.partitions.iter().copied().collect(),
            });
            each.collect()
        };
        let deleting = self.deleting.iter();
        ShareGroupStatePartitionMetadataValue {
            initializing_topics: topics(&self.initializing),
            initialized_topics: topics(&self.initialized),
            deleting_topics: deleting
                .map(|(topic_id, name)| ShareTopic { topic_id: *topic_id, topic_name: name.to_string() })
                .collect(),
        }
    }

    fn from_value(value: ShareGroupStatePartitionMetadataValue) -> StatePartitions {
        let topics = |topics: Vec<ShareTopicPartitions>| {
            let each = topics.into_iter().map(|topic| {
                let partitions: BTreeSet<i32> = topic.partitions.into_iter().collect();
                (topic.topic_id, TopicPartitions { name: topic.topic_name.into(), partitions })
            });
            each.collect()
        };
        let deleting = value.deleting_topics.into_iter();
        StatePartitions {
            initializing: topics(value.initializing_topics),
            initialized: topics(value.initialized_topics),
            deleting: deleting.map(|topic| (topic.topic_id, topic.topic_name.into())).collect(),
        }
    }
}
