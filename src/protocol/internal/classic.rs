//! Records of the offsets topic that classic groups write, and their embedded protocol.

use bytes::Bytes;

use crate::protocol::message::message;
use crate::types::Uuid;

message! {
    /// The key of a committed offset as Kafka before 0.9 wrote it.
    pub struct LegacyOffsetCommitKey(0..=0) {
        group: String;
        topic: String;
        partition: i32;
    }

    /// A committed offset as Kafka before 0.9 wrote it.
    pub struct LegacyOffsetCommitValue(0..=0) {
        offset: i64;
        metadata: String;
        commit_timestamp: i64;
    }

    /// Which partition of which group a committed offset belongs to.
    pub struct OffsetCommitKey(0..=0) {
        group: String;
        topic: String;
        partition: i32;
    }

    /// A committed offset.
    pub struct OffsetCommitValue(0..=4, flexible 4) {
        offset: i64;
        leader_epoch: i32 [since 3, ignorable] = -1;
        metadata: String;
        commit_timestamp: i64;
        expire_timestamp: i64 [since 1, until 1, ignorable] = -1;
        topic_id: Uuid [since 4, tag 0, ignorable];
    }

    /// A classic group.
    pub struct GroupMetadataKey(0..=0) {
        group: String;
    }

    /// A classic group after a rebalance.
    pub struct GroupMetadataValue(0..=4, flexible 4) {
        protocol_type: String;
        generation: i32;
        protocol: Option<String>;
        leader: Option<String>;
        current_state_timestamp: i64 [since 2, ignorable] = -1;
        members: Vec<MemberMetadata>;
    }

    /// A member of a classic group.
    pub struct MemberMetadata {
        member_id: String;
        group_instance_id: Option<String> [since 3, ignorable];
        client_id: String;
        client_host: String;
        rebalance_timeout: i32 [since 1, ignorable] = -1;
        session_timeout: i32;
        subscription: Bytes;
        assignment: Bytes;
    }

    /// What a consumer asks of the assignor.
    pub struct ConsumerProtocolSubscription(0..=3) {
        topics: Vec<String>;
        user_data: Option<Bytes>;
        owned_partitions: Vec<OwnedPartitions> [since 1, ignorable];
        generation_id: i32 [since 2, ignorable] = -1;
        rack_id: Option<String> [since 3, ignorable];
    }

    /// Part of [`ConsumerProtocolSubscription`].
    pub struct OwnedPartitions {
        topic: String;
        partitions: Vec<i32>;
    }

    /// What the assignor gives a consumer.
    pub struct ConsumerProtocolAssignment(0..=3) {
        assigned_partitions: Vec<AssignedPartitions>;
        user_data: Option<Bytes>;
    }

    /// Part of [`ConsumerProtocolAssignment`].
    pub struct AssignedPartitions {
        topic: String;
        partitions: Vec<i32>;
    }
}
