//! Records of the offsets topic that consumer groups write (KIP-848).

use bytes::Bytes;

use crate::protocol::message::message;
use crate::types::Uuid;

message! {
    /// The key of: consumer group current member assignment.
    pub struct ConsumerGroupCurrentMemberAssignmentKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: consumer group current member assignment.
    pub struct ConsumerGroupCurrentMemberAssignmentValue(0..=0, flexible 0) {
        member_epoch: i32;
        previous_member_epoch: i32;
        state: i8;
        assigned_partitions: Vec<ConsumerPartitions>;
        partitions_pending_revocation: Vec<ConsumerPartitions>;
    }

    /// Part of [`ConsumerGroupCurrentMemberAssignmentValue`].
    pub struct ConsumerPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
        assignment_epochs: Option<Vec<i32>> [tag 0] = Some(Default::default());
    }

    /// The key of: consumer group member metadata.
    pub struct ConsumerGroupMemberMetadataKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: consumer group member metadata.
    pub struct ConsumerGroupMemberMetadataValue(0..=0, flexible 0) {
        instance_id: Option<String>;
        rack_id: Option<String>;
        client_id: String;
        client_host: String;
        subscribed_topic_names: Vec<String>;
        subscribed_topic_regex: Option<String>;
        rebalance_timeout_ms: i32 = -1;
        server_assignor: Option<String>;
        classic_member_metadata: Option<ClassicMemberMetadata> [tag 0] = Some(Default::default());
    }

    /// Part of [`ConsumerGroupMemberMetadataValue`].
    pub struct ClassicMemberMetadata {
        session_timeout_ms: i32;
        supported_protocols: Vec<ClassicProtocol>;
    }

    /// Part of [`ConsumerGroupMemberMetadataValue`].
    pub struct ClassicProtocol {
        name: String;
        metadata: Bytes;
    }

    /// The key of: consumer group metadata.
    pub struct ConsumerGroupMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: consumer group metadata.
    pub struct ConsumerGroupMetadataValue(0..=0, flexible 0) {
        epoch: i32;
        metadata_hash: i64 [tag 0];
    }

    /// The key of: consumer group partition metadata.
    pub struct ConsumerGroupPartitionMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: consumer group partition metadata.
    pub struct ConsumerGroupPartitionMetadataValue(0..=0, flexible 0) {
        topics: Vec<TopicMetadata>;
    }

    /// Part of [`ConsumerGroupPartitionMetadataValue`].
    pub struct TopicMetadata {
        topic_id: Uuid;
        topic_name: String;
        num_partitions: i32;
        partition_metadata: Vec<PartitionMetadata>;
    }

    /// Part of [`ConsumerGroupPartitionMetadataValue`].
    pub struct PartitionMetadata {
        partition: i32;
        racks: Vec<String>;
    }

    /// The key of: consumer group regular expression.
    pub struct ConsumerGroupRegularExpressionKey(0..=0) {
        group_id: String;
        regular_expression: String;
    }

    /// The value of: consumer group regular expression.
    pub struct ConsumerGroupRegularExpressionValue(0..=0, flexible 0) {
        topics: Vec<String>;
        version: i64;
        timestamp: i64;
    }

    /// The key of: consumer group target assignment member.
    pub struct ConsumerGroupTargetAssignmentMemberKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: consumer group target assignment member.
    pub struct ConsumerGroupTargetAssignmentMemberValue(0..=0, flexible 0) {
        topic_partitions: Vec<ConsumerTargetPartitions>;
    }

    /// Part of [`ConsumerGroupTargetAssignmentMemberValue`].
    pub struct ConsumerTargetPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }

    /// The key of: consumer group target assignment metadata.
    pub struct ConsumerGroupTargetAssignmentMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: consumer group target assignment metadata.
    pub struct ConsumerGroupTargetAssignmentMetadataValue(0..=0, flexible 0) {
        assignment_epoch: i32;
        assignment_timestamp: i64 [tag 0, ignorable];
    }
}
