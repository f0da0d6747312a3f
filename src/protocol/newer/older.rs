//! Newer requests as the message crate's structs, where those can hold them.

use kafka_protocol::messages::add_raft_voter_request::Listener as OlderListener;
use kafka_protocol::messages::offset_commit_request as older_commit;
use kafka_protocol::messages::offset_fetch_request as older_fetch;
use kafka_protocol::messages::{self as older, GroupId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::messages::*;

impl From<AddRaftVoterRequest> for older::AddRaftVoterRequest {
    fn from(request: AddRaftVoterRequest) -> older::AddRaftVoterRequest {
        let listener = |listener: Listener| {
            OlderListener::default()
                .with_name(StrBytes::from_string(listener.name))
                .with_host(StrBytes::from_string(listener.host))
                .with_port(listener.port)
        };
        older::AddRaftVoterRequest::default()
            .with_cluster_id(request.cluster_id.map(StrBytes::from_string))
            .with_timeout_ms(request.timeout_ms)
            .with_voter_id(request.voter_id)
            .with_voter_directory_id(request.voter_directory_id.into())
            .with_listeners(request.listeners.into_iter().map(listener).collect())
    }
}

impl From<OffsetCommitRequest> for older::OffsetCommitRequest {
    fn from(request: OffsetCommitRequest) -> older::OffsetCommitRequest {
        older::OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(request.group_id)))
            .with_generation_id_or_member_epoch(request.generation_id_or_member_epoch)
            .with_member_id(StrBytes::from_string(request.member_id))
            .with_group_instance_id(request.group_instance_id.map(StrBytes::from_string))
            .with_topics(request.topics.into_iter().map(commit_topic).collect())
    }
}

fn commit_topic(topic: OffsetCommitRequestTopic) -> older_commit::OffsetCommitRequestTopic {
    let partition = |partition: OffsetCommitRequestPartition| {
        older_commit::OffsetCommitRequestPartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_committed_metadata(partition.committed_metadata.map(StrBytes::from_string))
    };
    older_commit::OffsetCommitRequestTopic::default()
        .with_topic_id(topic.topic_id.into())
        .with_partitions(topic.partitions.into_iter().map(partition).collect())
}

impl From<OffsetFetchRequest> for older::OffsetFetchRequest {
    fn from(request: OffsetFetchRequest) -> older::OffsetFetchRequest {
        older::OffsetFetchRequest::default()
            .with_groups(request.groups.into_iter().map(fetch_group).collect())
            .with_require_stable(request.require_stable)
    }
}

fn fetch_group(group: OffsetFetchRequestGroup) -> older_fetch::OffsetFetchRequestGroup {
    let topic = |topic: OffsetFetchRequestTopics| {
        older_fetch::OffsetFetchRequestTopics::default()
            .with_topic_id(topic.topic_id.into())
            .with_partition_indexes(topic.partition_indexes)
    };
    older_fetch::OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.group_id)))
        .with_member_id(group.member_id.map(StrBytes::from_string))
        .with_member_epoch(group.member_epoch)
        .with_topics(group.topics.map(|topics| topics.into_iter().map(topic).collect()))
}

impl From<InitProducerIdRequest> for older::InitProducerIdRequest {
    fn from(request: InitProducerIdRequest) -> older::InitProducerIdRequest {
        older::InitProducerIdRequest::default()
            .with_transactional_id(request.transactional_id.map(|id| TransactionalId(StrBytes::from_string(id))))
            .with_transaction_timeout_ms(request.transaction_timeout_ms)
            .with_producer_id(request.producer_id.into())
            .with_producer_epoch(request.producer_epoch)
    }
}
