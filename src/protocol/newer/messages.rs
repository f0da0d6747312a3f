//! Messages of which the crate lacks the newest version, for all their versions.

use crate::protocol::message::message;
use crate::types::Uuid;

message! {
    /// `DescribeLogDirsResponse`, up to its newest version.
    pub struct DescribeLogDirsResponse(1..=5, flexible 2) {
        throttle_time_ms: i32;
        error_code: i16 [since 3, ignorable];
        results: Vec<DescribeLogDirsResult>;
    }

    /// Part of [`DescribeLogDirsResponse`].
    pub struct DescribeLogDirsResult {
        error_code: i16;
        log_dir: String;
        topics: Vec<DescribeLogDirsTopic>;
        total_bytes: i64 [since 4, ignorable] = -1;
        usable_bytes: i64 [since 4, ignorable] = -1;
        is_cordoned: bool [since 5, ignorable];
    }

    /// Part of [`DescribeLogDirsResponse`].
    pub struct DescribeLogDirsTopic {
        name: String;
        partitions: Vec<DescribeLogDirsPartition>;
    }

    /// Part of [`DescribeLogDirsResponse`].
    pub struct DescribeLogDirsPartition {
        partition_index: i32;
        partition_size: i64;
        offset_lag: i64;
        is_future_key: bool;
    }

    /// `AddRaftVoterRequest`, up to its newest version.
    pub struct AddRaftVoterRequest(0..=1, flexible 0) {
        cluster_id: Option<String>;
        timeout_ms: i32;
        voter_id: i32;
        voter_directory_id: Uuid;
        listeners: Vec<Listener>;
        ack_when_committed: bool [since 1] = true;
    }

    /// Part of [`AddRaftVoterRequest`].
    pub struct Listener {
        name: String;
        host: String;
        port: u16;
    }

    /// `BrokerHeartbeatRequest`, up to its newest version.
    pub struct BrokerHeartbeatRequest(0..=2, flexible 0) {
        broker_id: i32;
        broker_epoch: i64 = -1;
        current_metadata_offset: i64;
        want_fence: bool;
        want_shut_down: bool;
        offline_log_dirs: Vec<Uuid> [since 1, tag 0];
        cordoned_log_dirs: Option<Vec<Uuid>> [since 2, tag 1];
    }

    /// `OffsetCommitRequest`, up to its newest version.
    pub struct OffsetCommitRequest(2..=10, flexible 8) {
        group_id: String;
        generation_id_or_member_epoch: i32 [ignorable] = -1;
        member_id: String [ignorable];
        group_instance_id: Option<String> [since 7];
        retention_time_ms: i64 [until 4, ignorable] = -1;
        topics: Vec<OffsetCommitRequestTopic>;
    }

    /// Part of [`OffsetCommitRequest`].
    pub struct OffsetCommitRequestTopic {
        name: String [until 9, ignorable];
        topic_id: Uuid [since 10, ignorable];
        partitions: Vec<OffsetCommitRequestPartition>;
    }

    /// Part of [`OffsetCommitRequest`].
    pub struct OffsetCommitRequestPartition {
        partition_index: i32;
        committed_offset: i64;
        committed_leader_epoch: i32 [since 6, ignorable] = -1;
        committed_metadata: Option<String>;
    }

    /// `OffsetFetchRequest`, up to its newest version.
    pub struct OffsetFetchRequest(1..=10, flexible 6) {
        group_id: String [until 7];
        topics: Option<Vec<OffsetFetchRequestTopic>> [until 7];
        groups: Vec<OffsetFetchRequestGroup> [since 8];
        require_stable: bool [since 7];
    }

    /// Part of [`OffsetFetchRequest`].
    pub struct OffsetFetchRequestTopic {
        name: String [until 7];
        partition_indexes: Vec<i32> [until 7];
    }

    /// Part of [`OffsetFetchRequest`].
    pub struct OffsetFetchRequestGroup {
        group_id: String [since 8];
        member_id: Option<String> [since 9, ignorable];
        member_epoch: i32 [since 9, ignorable] = -1;
        topics: Option<Vec<OffsetFetchRequestTopics>> [since 8];
    }

    /// Part of [`OffsetFetchRequest`].
    pub struct OffsetFetchRequestTopics {
        name: String [since 8, until 9, ignorable];
        topic_id: Uuid [since 10, ignorable];
        partition_indexes: Vec<i32> [since 8];
    }

    /// `WriteTxnMarkersRequest`, up to its newest version.
    pub struct WriteTxnMarkersRequest(1..=2, flexible 1) {
        markers: Vec<WritableTxnMarker>;
    }

    /// Part of [`WriteTxnMarkersRequest`].
    pub struct WritableTxnMarker {
        producer_id: i64;
        producer_epoch: i16;
        transaction_result: bool;
        topics: Vec<WritableTxnMarkerTopic>;
        coordinator_epoch: i32;
        transaction_version: i8 [since 2, ignorable];
    }

    /// Part of [`WriteTxnMarkersRequest`].
    pub struct WritableTxnMarkerTopic {
        name: String;
        partition_indexes: Vec<i32>;
    }

    /// `InitProducerIdRequest`, up to its newest version.
    pub struct InitProducerIdRequest(0..=6, flexible 2) {
        transactional_id: Option<String>;
        transaction_timeout_ms: i32;
        producer_id: i64 [since 3] = -1;
        producer_epoch: i16 [since 3] = -1;
        enable2_pc: bool [since 6];
        keep_prepared_txn: bool [since 6];
    }

    /// `ShareFetchRequest`, up to its newest version.
    pub struct ShareFetchRequest(1..=2, flexible 0) {
        group_id: Option<String>;
        member_id: Option<String>;
        share_session_epoch: i32;
        max_wait_ms: i32;
        min_bytes: i32;
        max_bytes: i32 = i32::MAX;
        max_records: i32;
        batch_size: i32;
        share_acquire_mode: i8 [since 2, ignorable];
        is_renew_ack: bool [since 2];
        topics: Vec<ShareFetchTopic>;
        forgotten_topics_data: Vec<ShareForgottenTopic>;
    }

    /// Part of [`ShareFetchRequest`].
    pub struct ShareFetchTopic {
        topic_id: Uuid;
        partitions: Vec<ShareFetchPartition>;
    }

    /// Part of [`ShareFetchRequest`].
    pub struct ShareFetchPartition {
        partition_index: i32;
        acknowledgement_batches: Vec<AcknowledgementBatch>;
    }

    /// Part of [`ShareFetchRequest`] and [`ShareAcknowledgeRequest`].
    pub struct AcknowledgementBatch {
        first_offset: i64;
        last_offset: i64;
        acknowledge_types: Vec<i8>;
    }

    /// Part of [`ShareFetchRequest`].
    pub struct ShareForgottenTopic {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }

    /// `ShareAcknowledgeRequest`, up to its newest version.
    pub struct ShareAcknowledgeRequest(1..=2, flexible 0) {
        group_id: Option<String>;
        member_id: Option<String>;
        share_session_epoch: i32;
        is_renew_ack: bool [since 2];
        topics: Vec<ShareAcknowledgeTopic>;
    }

    /// Part of [`ShareAcknowledgeRequest`].
    pub struct ShareAcknowledgeTopic {
        topic_id: Uuid;
        partitions: Vec<ShareFetchPartition>;
    }

    /// `ShareAcknowledgeResponse`, up to its newest version.
    pub struct ShareAcknowledgeResponse(1..=2, flexible 0) {
        throttle_time_ms: i32;
        error_code: i16;
        error_message: Option<String>;
        acquisition_lock_timeout_ms: i32 [since 2, ignorable];
        responses: Vec<ShareAcknowledgeTopicResponse>;
        node_endpoints: Vec<ShareNodeEndpoint>;
    }

    /// Part of [`ShareAcknowledgeResponse`].
    pub struct ShareAcknowledgeTopicResponse {
        topic_id: Uuid;
        partitions: Vec<ShareAcknowledgePartitionData>;
    }

    /// Part of [`ShareAcknowledgeResponse`].
    pub struct ShareAcknowledgePartitionData {
        partition_index: i32;
        error_code: i16;
        error_message: Option<String>;
        current_leader: ShareLeaderIdAndEpoch;
    }

    /// Part of [`ShareAcknowledgeResponse`].
    pub struct ShareLeaderIdAndEpoch {
        leader_id: i32;
        leader_epoch: i32;
    }

    /// Part of [`ShareAcknowledgeResponse`].
    pub struct ShareNodeEndpoint {
        node_id: i32;
        host: String;
        port: i32;
        rack: Option<String>;
    }

    /// `WriteShareGroupStateRequest`, up to its newest version.
    pub struct WriteShareGroupStateRequest(0..=1, flexible 0) {
        group_id: String;
        topics: Vec<WriteShareState>;
    }

    /// Part of [`WriteShareGroupStateRequest`].
    pub struct WriteShareState {
        topic_id: Uuid;
        partitions: Vec<WriteShareStatePartition>;
    }

    /// Part of [`WriteShareGroupStateRequest`].
    pub struct WriteShareStatePartition {
        partition: i32;
        state_epoch: i32;
        leader_epoch: i32;
        start_offset: i64;
        delivery_complete_count: i32 [since 1, ignorable] = -1;
        state_batches: Vec<WriteShareStateBatch>;
    }

    /// Part of [`WriteShareGroupStateRequest`].
    pub struct WriteShareStateBatch {
        first_offset: i64;
        last_offset: i64;
        delivery_state: i8;
        delivery_count: i16;
    }

    /// `ReadShareGroupStateSummaryResponse`, up to its newest version.
    pub struct ReadShareGroupStateSummaryResponse(0..=1, flexible 0) {
        results: Vec<ReadShareStateSummary>;
    }

    /// Part of [`ReadShareGroupStateSummaryResponse`].
    pub struct ReadShareStateSummary {
        topic_id: Uuid;
        partitions: Vec<ReadShareStateSummaryPartition>;
    }

    /// Part of [`ReadShareGroupStateSummaryResponse`].
    pub struct ReadShareStateSummaryPartition {
        partition: i32;
        error_code: i16;
        error_message: Option<String>;
        state_epoch: i32;
        leader_epoch: i32;
        start_offset: i64;
        delivery_complete_count: i32 [since 1, ignorable] = -1;
    }

    /// `DescribeShareGroupOffsetsResponse`, up to its newest version.
    pub struct DescribeShareGroupOffsetsResponse(0..=1, flexible 0) {
        throttle_time_ms: i32;
        groups: Vec<ShareGroupOffsets>;
    }

    /// Part of [`DescribeShareGroupOffsetsResponse`].
    pub struct ShareGroupOffsets {
        group_id: String;
        topics: Vec<ShareGroupTopicOffsets>;
        error_code: i16;
        error_message: Option<String>;
    }

    /// Part of [`DescribeShareGroupOffsetsResponse`].
    pub struct ShareGroupTopicOffsets {
        topic_name: String;
        topic_id: Uuid;
        partitions: Vec<ShareGroupPartitionOffset>;
    }

    /// Part of [`DescribeShareGroupOffsetsResponse`].
    pub struct ShareGroupPartitionOffset {
        partition_index: i32;
        start_offset: i64;
        leader_epoch: i32;
        lag: i64 [since 1, ignorable] = -1;
        error_code: i16;
        error_message: Option<String>;
    }
}
