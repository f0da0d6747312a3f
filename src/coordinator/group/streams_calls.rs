//! The APIs of streams groups: the checks that come before the machine, and Kafka's answers where there is none.

use crate::protocol::StrBytes;
use crate::protocol::newer::{StreamsDescribedGroup, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use crate::types::ErrorCode;

use super::machine::{Command, Reply};
use super::service::{Client, Groups};
use super::streams::{StreamsAnswer, StreamsBeat, check_request};

impl Groups {
    /// StreamsGroupHeartbeat.
    pub async fn streams_heartbeat(&self, client: &Client, request: StreamsGroupHeartbeatRequest) -> StreamsAnswer {
        let refuse = |error: ErrorCode, error_message| {
            let error_code = error.code();
            let response = StreamsGroupHeartbeatResponse { error_code, error_message, ..Default::default() };
            StreamsAnswer { response, missing: Vec::new() }
        };
        if let Err(refusal) = check_request(&request) {
            return refuse(refusal.code, Some(refusal.message));
        }
        let group = request.group_id.clone();
        let beat = StreamsBeat { request, client_id: client.id.clone(), client_host: client.host.clone() };
        match self.submit(&group, Command::StreamsHeartbeat(Box::new(beat))).await {
            Ok(Reply::StreamsHeartbeat(answer)) => *answer,
            Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
            Err(error) => refuse(error, None),
        }
    }

    /// StreamsGroupDescribe.
    pub async fn streams_describe(&self, groups: Vec<String>) -> Vec<StreamsDescribedGroup> {
        let failed = |group_id: String, error: ErrorCode| {
            let error_code = error.code();
            StreamsDescribedGroup { group_id, error_code, ..Default::default() }
        };
        let (nameless, groups): (Vec<String>, Vec<String>) = groups.into_iter().partition(String::is_empty);
        let nameless = nameless.into_iter().map(|id| failed(id, ErrorCode::InvalidGroupId));
        let (shards, homeless) = self.by_partition(groups.into_iter().map(StrBytes::from_string).collect());
        let homeless = homeless.into_iter().map(|id| failed(id.to_string(), ErrorCode::CoordinatorNotAvailable));
        let mut described: Vec<_> = nameless.chain(homeless).collect();
        for (partition, groups) in shards {
            let groups: Vec<String> = groups.into_iter().map(|id| id.to_string()).collect();
            match self.submit_to(partition, Command::StreamsDescribe(groups.clone())).await {
                Ok(Reply::StreamsDescribe(reply)) => described.extend(reply),
                Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
                Err(error) => described.extend(groups.into_iter().map(|id| failed(id, error))),
            }
        }
        described
    }
}
