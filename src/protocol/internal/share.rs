//! Records of the offsets topic that share groups write, and those of the share state topic (KIP-932).

use crate::protocol::message::message;
use crate::types::Uuid;

message! {
    /// The key of: share group current member assignment.
    pub struct ShareGroupCurrentMemberAssignmentKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: share group current member assignment.
    pub struct ShareGroupCurrentMemberAssignmentValue(0..=0, flexible 0) {
        member_epoch: i32;
        previous_member_epoch: i32;
        state: i8;
        assigned_partitions: Vec<SharePartitions>;
    }

    /// Part of [`ShareGroupCurrentMemberAssignmentValue`].
    pub struct SharePartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }

    /// The key of: share group member metadata.
    pub struct ShareGroupMemberMetadataKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: share group member metadata.
    pub struct ShareGroupMemberMetadataValue(0..=0, flexible 0) {
        rack_id: Option<String>;
        client_id: String;
        client_host: String;
        subscribed_topic_names: Vec<String>;
    }

    /// The key of: share group metadata.
    pub struct ShareGroupMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: share group metadata.
    pub struct ShareGroupMetadataValue(0..=0, flexible 0) {
        epoch: i32;
        metadata_hash: i64;
    }

    /// The key of: share group state partition metadata.
    pub struct ShareGroupStatePartitionMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: share group state partition metadata.
    pub struct ShareGroupStatePartitionMetadataValue(0..=0, flexible 0) {
        initializing_topics: Vec<ShareTopicPartitions>;
        initialized_topics: Vec<ShareTopicPartitions>;
        deleting_topics: Vec<ShareTopic>;
    }

    /// Part of [`ShareGroupStatePartitionMetadataValue`].
    pub struct ShareTopicPartitions {
        topic_id: Uuid;
        topic_name: String;
        partitions: Vec<i32>;
    }

    /// Part of [`ShareGroupStatePartitionMetadataValue`].
    pub struct ShareTopic {
        topic_id: Uuid;
        topic_name: String;
    }

    /// The key of: share group target assignment member.
    pub struct ShareGroupTargetAssignmentMemberKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: share group target assignment member.
    pub struct ShareGroupTargetAssignmentMemberValue(0..=0, flexible 0) {
        topic_partitions: Vec<ShareTargetPartitions>;
    }

    /// Part of [`ShareGroupTargetAssignmentMemberValue`].
    pub struct ShareTargetPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }

    /// The key of: share group target assignment metadata.
    pub struct ShareGroupTargetAssignmentMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: share group target assignment metadata.
    pub struct ShareGroupTargetAssignmentMetadataValue(0..=0, flexible 0) {
        assignment_epoch: i32;
        assignment_timestamp: i64 [tag 0, ignorable];
    }

    /// The key of: share snapshot.
    pub struct ShareSnapshotKey(0..=0) {
        group_id: String;
        topic_id: Uuid;
        partition: i32;
    }

    /// The value of: share snapshot.
    pub struct ShareSnapshotValue(0..=0, flexible 0) {
        snapshot_epoch: i32;
        state_epoch: i32;
        leader_epoch: i32;
        start_offset: i64;
        delivery_complete_count: i32 [tag 0] = -1;
        create_timestamp: i64;
        write_timestamp: i64;
        state_batches: Vec<SnapshotStateBatch>;
    }

    /// Part of [`ShareSnapshotValue`].
    pub struct SnapshotStateBatch {
        first_offset: i64;
        last_offset: i64;
        delivery_state: i8;
        delivery_count: i16;
    }

    /// The key of: share update.
    pub struct ShareUpdateKey(0..=0) {
        group_id: String;
        topic_id: Uuid;
        partition: i32;
    }

    /// The value of: share update.
    pub struct ShareUpdateValue(0..=0, flexible 0) {
        snapshot_epoch: i32;
        leader_epoch: i32;
        start_offset: i64;
        delivery_complete_count: i32 [tag 0] = -1;
        state_batches: Vec<UpdateStateBatch>;
    }

    /// Part of [`ShareUpdateValue`].
    pub struct UpdateStateBatch {
        first_offset: i64;
        last_offset: i64;
        delivery_state: i8;
        delivery_count: i16;
    }
}
