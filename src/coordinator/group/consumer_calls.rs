//! The APIs of consumer groups: the checks that come before the machine, and Kafka's answers where there is none.

use crate::protocol::StrBytes;
use crate::protocol::messages::consumer_group_describe_response::DescribedGroup;
use crate::protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId};
use crate::types::ErrorCode;

use super::consumer::{ConsumerBeat, check_request};
use super::machine::{Command, Reply};
use super::service::{Client, Groups};

impl Groups {
    /// ConsumerGroupHeartbeat.
    pub async fn consumer_heartbeat(
        &self,
        client: &Client,
        request: ConsumerGroupHeartbeatRequest,
        version: i16,
    ) -> ConsumerGroupHeartbeatResponse {
        let refuse = |error: ErrorCode| ConsumerGroupHeartbeatResponse::default().with_error_code(error.code());
        if let Err(refusal) = check_request(&request, version, &self.settings.group_consumer_assignors) {
            return refuse(refusal.code).with_error_message(Some(StrBytes::from_string(refusal.message)));
        }
        let group = request.group_id.clone();
        // Randomness costs a system call, and most heartbeats name their member.
        let new_member_id = if request.member_id.is_empty() { self.new_member_id() } else { String::new() };
        let (client_id, client_host) = (client.id.clone(), client.host.clone());
        let beat = ConsumerBeat { request, client_id, client_host, new_member_id };
        match self.submit(&group, Command::ConsumerHeartbeat(Box::new(beat))).await {
            Ok(Reply::ConsumerHeartbeat(reply)) => reply,
            Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
            Err(error) => refuse(error),
        }
    }

    /// ConsumerGroupDescribe.
    pub async fn consumer_describe(&self, groups: Vec<GroupId>) -> Vec<DescribedGroup> {
        let failed = |id: StrBytes, error: ErrorCode| {
            DescribedGroup::default().with_group_id(GroupId(id)).with_error_code(error.code())
        };
        let (nameless, groups): (Vec<GroupId>, Vec<GroupId>) = groups.into_iter().partition(|id| id.is_empty());
        let nameless = nameless.into_iter().map(|id| failed(id.0, ErrorCode::InvalidGroupId));
        let (shards, homeless) = self.by_partition(groups.into_iter().map(|group| group.0).collect());
        let homeless = homeless.into_iter().map(|id| failed(id, ErrorCode::CoordinatorNotAvailable));
        let mut described: Vec<_> = nameless.chain(homeless).collect();
        for (partition, groups) in shards {
            match self.submit_to(partition, Command::ConsumerDescribe(groups.clone())).await {
                Ok(Reply::ConsumerDescribe(reply)) => described.extend(reply),
                Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
                Err(error) => described.extend(groups.into_iter().map(|id| failed(id, error))),
            }
        }
        described
    }
}
