//! Records of the offsets topic that streams groups write (KIP-1071).

use crate::protocol::message::message;

message! {
    /// The key of: streams group current member assignment.
    pub struct StreamsGroupCurrentMemberAssignmentKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: streams group current member assignment.
    pub struct StreamsGroupCurrentMemberAssignmentValue(0..=0, flexible 0) {
        member_epoch: i32;
        previous_member_epoch: i32;
        state: i8;
        active_tasks: Vec<StreamsCurrentTasks>;
        standby_tasks: Vec<StreamsCurrentTasks>;
        warmup_tasks: Vec<StreamsCurrentTasks>;
        active_tasks_pending_revocation: Vec<StreamsCurrentTasks>;
        standby_tasks_pending_revocation: Vec<StreamsCurrentTasks>;
        warmup_tasks_pending_revocation: Vec<StreamsCurrentTasks>;
    }

    /// Part of [`StreamsGroupCurrentMemberAssignmentValue`].
    pub struct StreamsCurrentTasks {
        subtopology_id: String;
        partitions: Vec<i32>;
        assignment_epochs: Option<Vec<i32>> [tag 0] = Some(Default::default());
    }

    /// The key of: streams group member metadata.
    pub struct StreamsGroupMemberMetadataKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: streams group member metadata.
    pub struct StreamsGroupMemberMetadataValue(0..=0, flexible 0) {
        instance_id: Option<String>;
        rack_id: Option<String>;
        client_id: String;
        client_host: String;
        rebalance_timeout_ms: i32 = -1;
        topology_epoch: i32;
        process_id: String;
        user_endpoint: Option<StreamsEndpoint>;
        client_tags: Vec<StreamsClientTag>;
    }

    /// Part of [`StreamsGroupMemberMetadataValue`].
    pub struct StreamsEndpoint {
        host: String;
        port: u16;
    }

    /// Part of [`StreamsGroupMemberMetadataValue`].
    pub struct StreamsClientTag {
        key: String;
        value: String;
    }

    /// The key of: streams group metadata.
    pub struct StreamsGroupMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: streams group metadata.
    pub struct StreamsGroupMetadataValue(0..=0, flexible 0) {
        epoch: i32;
        metadata_hash: i64;
        validated_topology_epoch: i32 [tag 0] = -1;
        last_assignment_configs: Option<Vec<StreamsAssignmentConfig>> [tag 1] = Some(Default::default());
    }

    /// Part of [`StreamsGroupMetadataValue`].
    pub struct StreamsAssignmentConfig {
        key: String;
        value: String;
    }

    /// The key of: streams group target assignment member.
    pub struct StreamsGroupTargetAssignmentMemberKey(0..=0) {
        group_id: String;
        member_id: String;
    }

    /// The value of: streams group target assignment member.
    pub struct StreamsGroupTargetAssignmentMemberValue(0..=0, flexible 0) {
        active_tasks: Vec<StreamsTargetTasks>;
        standby_tasks: Vec<StreamsTargetTasks>;
        warmup_tasks: Vec<StreamsTargetTasks>;
    }

    /// Part of [`StreamsGroupTargetAssignmentMemberValue`].
    pub struct StreamsTargetTasks {
        subtopology_id: String;
        partitions: Vec<i32>;
    }

    /// The key of: streams group target assignment metadata.
    pub struct StreamsGroupTargetAssignmentMetadataKey(0..=0) {
        group_id: String;
    }

    /// The value of: streams group target assignment metadata.
    pub struct StreamsGroupTargetAssignmentMetadataValue(0..=0, flexible 0) {
        assignment_epoch: i32;
        assignment_timestamp: i64 [tag 0, ignorable];
    }

    /// The key of: streams group topology.
    pub struct StreamsGroupTopologyKey(0..=0) {
        group_id: String;
    }

    /// The value of: streams group topology.
    pub struct StreamsGroupTopologyValue(0..=0, flexible 0) {
        epoch: i32;
        subtopologies: Vec<StreamsSubtopology>;
    }

    /// Part of [`StreamsGroupTopologyValue`].
    pub struct StreamsSubtopology {
        subtopology_id: String;
        source_topics: Vec<String>;
        source_topic_regex: Vec<String>;
        state_changelog_topics: Vec<StreamsTopicInfo>;
        repartition_sink_topics: Vec<String>;
        repartition_source_topics: Vec<StreamsTopicInfo>;
        copartition_groups: Vec<StreamsCopartitionGroup>;
    }

    /// Part of [`StreamsGroupTopologyValue`].
    pub struct StreamsTopicInfo {
        name: String;
        partitions: i32;
        replication_factor: i16;
        topic_configs: Vec<StreamsTopicConfig>;
    }

    /// Part of [`StreamsGroupTopologyValue`].
    pub struct StreamsCopartitionGroup {
        source_topics: Vec<i16>;
        source_topic_regex: Vec<i16>;
        repartition_source_topics: Vec<i16>;
    }

    /// Part of [`StreamsGroupTopologyValue`].
    pub struct StreamsTopicConfig {
        key: String;
        value: String;
    }
}
