//! StreamsGroupHeartbeat and StreamsGroupDescribe (KIP-1071), which the message crate does not have at all.

use bytes::Bytes;

use crate::protocol::internal::{StreamsClientTag, StreamsEndpoint, StreamsSubtopology, StreamsTopicInfo};
use crate::protocol::message::{Message, RecordError, message};

/// The key of StreamsGroupHeartbeat.
pub const STREAMS_GROUP_HEARTBEAT: i16 = 88;
/// The key of StreamsGroupDescribe.
pub const STREAMS_GROUP_DESCRIBE: i16 = 89;

/// A request of an API that the message crate does not have.
#[derive(Clone, PartialEq, Debug)]
pub enum OwnRequest {
    StreamsGroupHeartbeat(Box<StreamsGroupHeartbeatRequest>),
    StreamsGroupDescribe(StreamsGroupDescribeRequest),
}

impl OwnRequest {
    /// Reads a body that the guard has let pass; none if the API is the crate's.
    pub fn decode(api_key: i16, version: i16, body: &Bytes) -> Option<Result<OwnRequest, RecordError>> {
        Some(match api_key {
            STREAMS_GROUP_HEARTBEAT => StreamsGroupHeartbeatRequest::decode(body, version)
                .map(|(request, _)| OwnRequest::StreamsGroupHeartbeat(Box::new(request))),
            STREAMS_GROUP_DESCRIBE => StreamsGroupDescribeRequest::decode(body, version)
                .map(|(request, _)| OwnRequest::StreamsGroupDescribe(request)),
            _ => return None,
        })
    }
}

message! {
    /// `StreamsGroupHeartbeatRequest`.
    pub struct StreamsGroupHeartbeatRequest(0..=0, flexible 0) {
        group_id: String;
        member_id: String;
        member_epoch: i32;
        endpoint_information_epoch: i32;
        instance_id: Option<String>;
        rack_id: Option<String>;
        rebalance_timeout_ms: i32 = -1;
        topology: Option<StreamsRequestTopology>;
        active_tasks: Option<Vec<StreamsTaskIds>>;
        standby_tasks: Option<Vec<StreamsTaskIds>>;
        warmup_tasks: Option<Vec<StreamsTaskIds>>;
        process_id: Option<String>;
        user_endpoint: Option<StreamsEndpoint>;
        client_tags: Option<Vec<StreamsClientTag>>;
        task_offsets: Option<Vec<StreamsTaskOffset>>;
        task_end_offsets: Option<Vec<StreamsTaskOffset>>;
        shutdown_application: bool;
    }

    /// Part of [`StreamsGroupHeartbeatRequest`].
    pub struct StreamsRequestTopology {
        epoch: i32;
        subtopologies: Vec<StreamsSubtopology>;
    }

    /// Part of requests and responses: tasks of one subtopology.
    pub struct StreamsTaskIds {
        subtopology_id: String;
        partitions: Vec<i32>;
    }

    /// Part of requests and responses: how far a task has got.
    pub struct StreamsTaskOffset {
        subtopology_id: String;
        partition: i32;
        offset: i64;
    }

    /// `StreamsGroupHeartbeatResponse`.
    pub struct StreamsGroupHeartbeatResponse(0..=0, flexible 0) {
        throttle_time_ms: i32;
        error_code: i16;
        error_message: Option<String>;
        member_id: String;
        member_epoch: i32;
        heartbeat_interval_ms: i32;
        acceptable_recovery_lag: i32;
        task_offset_interval_ms: i32;
        status: Option<Vec<StreamsStatus>> = Some(Default::default());
        active_tasks: Option<Vec<StreamsTaskIds>>;
        standby_tasks: Option<Vec<StreamsTaskIds>>;
        warmup_tasks: Option<Vec<StreamsTaskIds>>;
        endpoint_information_epoch: i32;
        partitions_by_user_endpoint: Option<Vec<StreamsEndpointPartitions>>;
    }

    /// Part of [`StreamsGroupHeartbeatResponse`]: what a member is to know of its group.
    pub struct StreamsStatus {
        status_code: i8;
        status_detail: String;
    }

    /// Part of [`StreamsGroupHeartbeatResponse`]: what is to be found behind an endpoint.
    pub struct StreamsEndpointPartitions {
        user_endpoint: StreamsEndpoint;
        active_partitions: Vec<StreamsTopicPartitions>;
        standby_partitions: Vec<StreamsTopicPartitions>;
    }

    /// Part of [`StreamsGroupHeartbeatResponse`].
    pub struct StreamsTopicPartitions {
        topic: String;
        partitions: Vec<i32>;
    }

    /// `StreamsGroupDescribeRequest`.
    pub struct StreamsGroupDescribeRequest(0..=0, flexible 0) {
        group_ids: Vec<String>;
        include_authorized_operations: bool;
    }

    /// `StreamsGroupDescribeResponse`.
    pub struct StreamsGroupDescribeResponse(0..=0, flexible 0) {
        throttle_time_ms: i32;
        groups: Vec<StreamsDescribedGroup>;
    }

    /// Part of [`StreamsGroupDescribeResponse`].
    pub struct StreamsDescribedGroup {
        error_code: i16;
        error_message: Option<String>;
        group_id: String;
        group_state: String;
        group_epoch: i32;
        assignment_epoch: i32;
        topology: Option<StreamsDescribedTopology>;
        members: Vec<StreamsDescribedMember>;
        authorized_operations: i32 = i32::MIN;
    }

    /// Part of [`StreamsGroupDescribeResponse`].
    pub struct StreamsDescribedTopology {
        epoch: i32;
        subtopologies: Option<Vec<StreamsDescribedSubtopology>>;
    }

    /// Part of [`StreamsGroupDescribeResponse`].
    pub struct StreamsDescribedSubtopology {
        subtopology_id: String;
        source_topics: Vec<String>;
        repartition_sink_topics: Vec<String>;
        state_changelog_topics: Vec<StreamsTopicInfo>;
        repartition_source_topics: Vec<StreamsTopicInfo>;
    }

    /// Part of [`StreamsGroupDescribeResponse`].
    pub struct StreamsDescribedMember {
        member_id: String;
        member_epoch: i32;
        instance_id: Option<String>;
        rack_id: Option<String>;
        client_id: String;
        client_host: String;
        topology_epoch: i32;
        process_id: String;
        user_endpoint: Option<StreamsEndpoint>;
        client_tags: Vec<StreamsClientTag>;
        task_offsets: Vec<StreamsTaskOffset>;
        task_end_offsets: Vec<StreamsTaskOffset>;
        assignment: StreamsDescribedTasks;
        target_assignment: StreamsDescribedTasks;
        is_classic: bool;
    }

    /// Part of [`StreamsGroupDescribeResponse`].
    pub struct StreamsDescribedTasks {
        active_tasks: Vec<StreamsTaskIds>;
        standby_tasks: Vec<StreamsTaskIds>;
        warmup_tasks: Vec<StreamsTaskIds>;
    }
}
