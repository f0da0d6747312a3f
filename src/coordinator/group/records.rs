//! What the coordinator writes to `__consumer_offsets` and reads back, and its form in bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::consumer::Change;
use super::share::ShareChange;
use super::streams;
use crate::log::producer_state::VerificationGuard;
use crate::protocol::control::TxnMarker;
use crate::protocol::internal::{
    GroupMetadataKey, GroupMetadataValue, GroupRecord, LegacyOffsetCommitValue, MemberMetadata, OffsetCommitKey,
    OffsetCommitValue,
};
use crate::protocol::message::RecordError;
use crate::protocol::wire::WireError;
use crate::types::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, TopicId};

/// A committed offset without its own expiry is written in this version, one with it in version 1, as the JVM does.
const OFFSET_COMMIT_VERSION: i16 = 4;
const OFFSET_COMMIT_VERSION_WITH_EXPIRY: i16 = 1;
const GROUP_METADATA_VERSION: i16 = 3;
/// Of consumer, share and streams groups.
const NEWER_GROUP_VERSION: i16 = 0;
/// Kafka's "absent" in timestamps and epochs.
const ABSENT: i64 = -1;

/// One change of the coordinator's hard state.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// A group committed an offset, or lost it.
    Offset { group: Arc<str>, topic: Arc<str>, partition: i32, committed: Option<CommittedOffset> },
    /// A group commits an offset when the transaction of `producer` is committed.
    TxnOffset { producer: TxnProducer, group: Arc<str>, topic: Arc<str>, partition: i32, committed: CommittedOffset },
    /// A transaction has ended.
    EndTxn(TxnMarker),
    /// A classic group after a rebalance, or its end.
    Group { group: Arc<str>, snapshot: Option<GroupSnapshot> },
    /// A consumer group.
    Consumer { group: Arc<str>, change: Change },
    /// A share group.
    Share { group: Arc<str>, change: ShareChange },
    /// A streams group.
    Streams { group: Arc<str>, change: streams::Change },
}

/// Whose transaction a record belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxnProducer {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    /// Shows that the transaction was verified; of no meaning once the record is in the log.
    pub guard: Option<VerificationGuard>,
}

/// How far a group has got in a partition.
#[derive(Clone, PartialEq, Debug)]
pub struct CommittedOffset {
    pub offset: Offset,
    pub leader_epoch: LeaderEpoch,
    pub metadata: Arc<str>,
    pub committed_at: Millis,
    /// Only from clients that name a retention (OffsetCommit 2 to 4).
    pub expires_at: Option<Millis>,
    /// Zero where the writer did not know it.
    pub topic_id: TopicId,
}

/// A classic group as it is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupSnapshot {
    /// Empty for none.
    pub protocol_type: Arc<str>,
    pub generation: i32,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<Arc<str>>,
    pub state_since: Option<Millis>,
    pub members: Vec<MemberSnapshot>,
}

/// A member of a classic group as it is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct MemberSnapshot {
    pub member_id: Arc<str>,
    pub instance_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// -1 in the oldest records: as the session timeout.
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl Record {
    /// The key and value to append; no value is a tombstone.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), RecordError> {
        let (record, version) = match self {
            Record::Offset { group, topic, partition, committed } => {
                let key = OffsetCommitKey { group: group.to_string(), topic: topic.to_string(), partition: *partition };
                let expires = committed.as_ref().is_some_and(|committed| committed.expires_at.is_some());
                let version = if expires { OFFSET_COMMIT_VERSION_WITH_EXPIRY } else { OFFSET_COMMIT_VERSION };
                (GroupRecord::OffsetCommit(key, committed.as_ref().map(CommittedOffset::to_value)), version)
            }
            Record::Group { group, snapshot } => {
                let key = GroupMetadataKey { group: group.to_string() };
                (
                    GroupRecord::GroupMetadata(key, snapshot.as_ref().map(GroupSnapshot::to_value)),
                    GROUP_METADATA_VERSION,
                )
            }
            Record::TxnOffset { group, topic, partition, committed, .. } => {
                let (group, topic) = (group.to_string(), topic.to_string());
                let key = OffsetCommitKey { group, topic, partition: *partition };
                (GroupRecord::OffsetCommit(key, Some(committed.to_value())), OFFSET_COMMIT_VERSION)
            }
            Record::EndTxn(_) => {
                let field = "end of a transaction".to_owned();
                let error = WireError::Malformed { field, at: 0, reason: "is a batch of its own" };
                return Err(RecordError::Malformed { name: "group record", error });
            }
            Record::Consumer { group, change } => (change.to_record(group), NEWER_GROUP_VERSION),
            Record::Share { group, change } => (change.to_record(group), NEWER_GROUP_VERSION),
            Record::Streams { group, change } => (change.to_record(group), NEWER_GROUP_VERSION),
        };
        Ok((record.encode_key()?, record.encode_value(version)?))
    }

    /// The record as it is in a batch of `producer`'s transaction. Deletions are never part of one.
    pub fn in_transaction(self, producer: TxnProducer) -> Record {
        match self {
            Record::Offset { group, topic, partition, committed: Some(committed) } => {
                Record::TxnOffset { producer, group, topic, partition, committed }
            }
            other => other,
        }
    }

    /// The record of that key and value. A type or version that 4.3 does not know is an error that names it.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Record, RecordError> {
        let record = match Change::from_record(GroupRecord::decode(key, value)?) {
            Ok((group, change)) => return Ok(Record::Consumer { group, change }),
            Err(other) => *other,
        };
        let record = match ShareChange::from_record(record) {
            Ok((group, change)) => return Ok(Record::Share { group, change }),
            Err(other) => *other,
        };
        let record = match streams::Change::from_record(record) {
            Ok((group, change)) => return Ok(Record::Streams { group, change }),
            Err(other) => *other,
        };
        match record {
            GroupRecord::LegacyOffsetCommit(key, value) => Ok(Record::Offset {
                group: key.group.into(),
                topic: key.topic.into(),
                partition: key.partition,
                committed: value.map(CommittedOffset::from_legacy_value),
            }),
            GroupRecord::OffsetCommit(key, value) => Ok(Record::Offset {
                group: key.group.into(),
                topic: key.topic.into(),
                partition: key.partition,
                committed: value.map(CommittedOffset::from_value),
            }),
            GroupRecord::GroupMetadata(key, value) => {
                Ok(Record::Group { group: key.group.into(), snapshot: value.map(GroupSnapshot::from_value) })
            }
            GroupRecord::ConsumerGroupMetadata(..)
            | GroupRecord::ConsumerGroupPartitionMetadata(..)
            | GroupRecord::ConsumerGroupMemberMetadata(..)
            | GroupRecord::ConsumerGroupTargetAssignmentMetadata(..)
            | GroupRecord::ConsumerGroupTargetAssignmentMember(..)
            | GroupRecord::ConsumerGroupCurrentMemberAssignment(..)
            | GroupRecord::ConsumerGroupRegularExpression(..) => unreachable!("these are changes of a consumer group"),
            GroupRecord::ShareGroupMetadata(..)
            | GroupRecord::ShareGroupMemberMetadata(..)
            | GroupRecord::ShareGroupTargetAssignmentMetadata(..)
            | GroupRecord::ShareGroupTargetAssignmentMember(..)
            | GroupRecord::ShareGroupCurrentMemberAssignment(..)
            | GroupRecord::ShareGroupStatePartitionMetadata(..) => unreachable!("these are changes of a share group"),
            GroupRecord::StreamsGroupMetadata(..)
            | GroupRecord::StreamsGroupMemberMetadata(..)
            | GroupRecord::StreamsGroupTargetAssignmentMetadata(..)
            | GroupRecord::StreamsGroupTargetAssignmentMember(..)
            | GroupRecord::StreamsGroupCurrentMemberAssignment(..)
            | GroupRecord::StreamsGroupTopology(..) => unreachable!("these are changes of a streams group"),
        }
    }
}

impl CommittedOffset {
    fn to_value(&self) -> OffsetCommitValue {
        OffsetCommitValue {
            offset: self.offset.0,
            leader_epoch: self.leader_epoch.0,
            metadata: self.metadata.to_string(),
            commit_timestamp: self.committed_at.0,
            expire_timestamp: self.expires_at.map_or(ABSENT, |at| at.0),
            topic_id: self.topic_id,
        }
    }

    fn from_value(value: OffsetCommitValue) -> CommittedOffset {
        CommittedOffset {
            offset: Offset(value.offset),
            leader_epoch: LeaderEpoch(value.leader_epoch),
            metadata: value.metadata.into(),
            committed_at: Millis(value.commit_timestamp),
            expires_at: present(value.expire_timestamp),
            topic_id: value.topic_id,
        }
    }

    fn from_legacy_value(value: LegacyOffsetCommitValue) -> CommittedOffset {
        CommittedOffset {
            offset: Offset(value.offset),
            leader_epoch: LeaderEpoch::NONE,
            metadata: value.metadata.into(),
            committed_at: Millis(value.commit_timestamp),
            expires_at: None,
            topic_id: TopicId::ZERO,
        }
    }
}

impl GroupSnapshot {
    /// What is written when a group first exists.
    pub fn of_new_group(wall: Millis) -> GroupSnapshot {
        GroupSnapshot {
            protocol_type: Arc::from(""),
            generation: 0,
            protocol: None,
            leader: None,
            state_since: Some(wall),
            members: Vec::new(),
        }
    }

    fn to_value(&self) -> GroupMetadataValue {
        let members = self.members.iter().map(|member| MemberMetadata {
            member_id: member.member_id.to_string(),
            group_instance_id: member.instance_id.as_deref().map(str::to_owned),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.subscription.clone(),
            assignment: member.assignment.clone(),
        });
        GroupMetadataValue {
            protocol_type: self.protocol_type.to_string(),
            generation: self.generation,
            protocol: self.protocol.as_deref().map(str::to_owned),
            leader: self.leader.as_deref().map(str::to_owned),
            current_state_timestamp: self.state_since.map_or(ABSENT, |at| at.0),
            members: members.collect(),
        }
    }

    fn from_value(value: GroupMetadataValue) -> GroupSnapshot {
        let members = value.members.into_iter().map(|member| MemberSnapshot {
            member_id: member.member_id.into(),
            instance_id: member.group_instance_id.map(Arc::from),
            client_id: member.client_id.into(),
            client_host: member.client_host.into(),
            rebalance_timeout_ms: member.rebalance_timeout,
            session_timeout_ms: member.session_timeout,
            subscription: Bytes::copy_from_slice(&member.subscription),
            assignment: Bytes::copy_from_slice(&member.assignment),
        });
        GroupSnapshot {
            protocol_type: value.protocol_type.into(),
            generation: value.generation,
            protocol: value.protocol.map(Arc::from),
            leader: value.leader.map(Arc::from),
            state_since: present(value.current_state_timestamp),
            members: members.collect(),
        }
    }
}

fn present(timestamp: i64) -> Option<Millis> {
    (timestamp != ABSENT).then_some(Millis(timestamp))
}
