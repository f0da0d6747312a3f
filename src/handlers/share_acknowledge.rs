//! ShareAcknowledge (79), versions 1 and 2: a member of a share group says what became of records (KIP-932, KIP-1222).

use std::collections::BTreeMap;

use super::share_acks::{self, Acknowledged};
use super::{Answer, Call, endpoints};
use crate::coordinator::share_partition::FINAL_EPOCH;
use crate::protocol::message::Message;
use crate::protocol::messages::ShareAcknowledgeRequest;
use crate::protocol::newer::{
    self, ShareAcknowledgePartitionData, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
    ShareLeaderIdAndEpoch, ShareNodeEndpoint,
};
use crate::types::{ErrorCode, TopicId};

pub(super) async fn handle(call: &Call<'_>, _: ShareAcknowledgeRequest) -> Answer {
    let request = match newer::ShareAcknowledgeRequest::decode(call.body, call.version()) {
        Ok((request, _)) => request,
        Err(error) => return Answer::Close(error.to_string()),
    };
    let partitions = &call.node.share_partitions;
    let epoch = request.share_session_epoch;
    let (group, member) = match share_acks::owner(call, request.group_id, request.member_id) {
        Ok(owner) => owner,
        Err(error) => return refuse(call, error),
    };
    if let Err(error) = partitions.sessions.acknowledge(&group, &member, epoch) {
        return refuse(call, error);
    }
    let said = request.topics.into_iter().map(|topic| (topic.topic_id, topic.partitions)).collect();
    let told = share_acks::acknowledge(call, (&group, &member), request.is_renew_ack, said).await;
    if epoch == FINAL_EPOCH {
        partitions.end_session(&group, &member);
    }
    let acquisition_lock_timeout_ms = partitions.config(&group).share_record_lock_duration_ms;
    Answer::own(call, &ShareAcknowledgeResponse { acquisition_lock_timeout_ms, ..response(call, told) })
}

fn refuse(call: &Call<'_>, error: ErrorCode) -> Answer {
    Answer::own(call, &ShareAcknowledgeResponse { error_code: error.code(), ..Default::default() })
}

fn response(call: &Call<'_>, told: Acknowledged) -> ShareAcknowledgeResponse {
    let image = call.node.image();
    let mut topics: BTreeMap<TopicId, Vec<ShareAcknowledgePartitionData>> = BTreeMap::new();
    let mut node_endpoints = BTreeMap::new();
    for (named, (code, error_message)) in told {
        let mut current_leader = ShareLeaderIdAndEpoch::default();
        let registration = image.topics.partition(named.topic_id, named.partition);
        if let (ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch, Some(now)) = (code, registration) {
            current_leader = ShareLeaderIdAndEpoch { leader_id: now.leader.0, leader_epoch: now.leader_epoch.0 };
            if let Some(endpoint) = endpoints::alive_broker(call, &image, now.leader) {
                let endpoint = ShareNodeEndpoint {
                    node_id: endpoint.id.0,
                    host: endpoint.host,
                    port: endpoint.port.into(),
                    rack: endpoint.rack,
                };
                node_endpoints.insert(endpoint.node_id, endpoint);
            }
        }
        topics.entry(named.topic_id).or_default().push(ShareAcknowledgePartitionData {
            partition_index: named.partition,
            error_code: code.code(),
            error_message,
            current_leader,
        });
    }
    let topic = |(topic_id, partitions)| ShareAcknowledgeTopicResponse { topic_id, partitions };
    ShareAcknowledgeResponse {
        responses: topics.into_iter().map(topic).collect(),
        node_endpoints: node_endpoints.into_values().collect(),
        ..ShareAcknowledgeResponse::default()
    }
}
