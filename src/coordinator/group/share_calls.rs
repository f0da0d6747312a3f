//! The APIs of share groups: the checks that come before the machine, and Kafka's answers where there is none.
//!
//! What the share coordinator has to do for an answer is handed to the caller, who says afterwards how that went.

use std::collections::BTreeMap;

use crate::protocol::StrBytes;
use crate::protocol::messages::share_group_describe_response::DescribedGroup;
use crate::protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, GroupId, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
};
use crate::types::{ErrorCode, TopicId};

use super::assignor::Assignment;
use super::machine::{Command, Reply};
use super::service::{Client, Groups};
use super::share::{ShareBeat, ShareCommand, ShareReply, StateInit, StateOf, check_request};

impl Groups {
    /// ShareGroupHeartbeat, and the share state to be made behind it.
    pub async fn share_heartbeat(
        &self,
        client: &Client,
        request: ShareGroupHeartbeatRequest,
    ) -> (ShareGroupHeartbeatResponse, Option<StateInit>) {
        let refuse = |error: ErrorCode| ShareGroupHeartbeatResponse::default().with_error_code(error.code());
        if let Err(refusal) = check_request(&request) {
            let message = Some(refusal.message).filter(|message| !message.is_empty());
            return (refuse(refusal.code).with_error_message(message.map(StrBytes::from_string)), None);
        }
        let group = request.group_id.clone();
        let (client_id, client_host) = (client.id.clone(), client.host.clone());
        let beat = Box::new(ShareBeat { request, client_id, client_host });
        match self.submit(&group, Command::Share(ShareCommand::Heartbeat(beat))).await {
            Ok(reply) => into!(reply, Heartbeat { response, ask } => (response, ask)),
            Err(error) => (refuse(error), None),
        }
    }

    /// The share coordinator made what a heartbeat or an AlterShareGroupOffsets asked for, or did not.
    pub async fn share_state_asked(&self, of: StateOf, made: bool) -> Result<(), ErrorCode> {
        let group = of.group.clone();
        self.submit(&group, Command::Share(ShareCommand::Asked { of, made })).await.map(drop)
    }

    /// ShareGroupDescribe.
    pub async fn share_describe(&self, groups: Vec<GroupId>) -> Vec<DescribedGroup> {
        let failed = |id: StrBytes, error: ErrorCode| {
            DescribedGroup::default().with_group_id(GroupId(id)).with_error_code(error.code())
        };
        let (nameless, groups): (Vec<GroupId>, Vec<GroupId>) = groups.into_iter().partition(|id| id.is_empty());
        let nameless = nameless.into_iter().map(|id| failed(id.0, ErrorCode::InvalidGroupId));
        let (shards, homeless) = self.by_partition(groups.into_iter().map(|group| group.0).collect());
        let homeless = homeless.into_iter().map(|id| failed(id, ErrorCode::CoordinatorNotAvailable));
        let mut described: Vec<_> = nameless.chain(homeless).collect();
        for (partition, groups) in shards {
            match self.submit_to(partition, Command::Share(ShareCommand::Describe(groups.clone()))).await {
                Ok(reply) => described.extend(into!(reply, Describe(groups) => groups)),
                Err(error) => described.extend(groups.into_iter().map(|id| failed(id, error))),
            }
        }
        described
    }

    /// The partitions of which a group has share state; none of a group that is not there.
    pub async fn share_partitions(&self, group: &StrBytes) -> Result<Assignment, ErrorCode> {
        let reply = self.submit(group, Command::Share(ShareCommand::Partitions(group.clone()))).await?;
        Ok(into!(reply, Partitions(partitions) => partitions))
    }

    /// AlterShareGroupOffsets, as far as the group goes, and the share state to be made anew.
    pub async fn alter_share_offsets(
        &self,
        request: AlterShareGroupOffsetsRequest,
    ) -> (AlterShareGroupOffsetsResponse, Option<StateInit>) {
        let refuse = |error: ErrorCode| {
            let response = AlterShareGroupOffsetsResponse::default().with_error_code(error.code());
            (response.with_error_message(Some(StrBytes::from_static_str(error.message()))), None)
        };
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let group = request.group_id.clone();
        match self.submit(&group, Command::Share(ShareCommand::AlterOffsets(request))).await {
            Ok(reply) => into!(reply, AlterOffsets { response, ask } => (response, ask)),
            Err(error) => refuse(error),
        }
    }

    /// Begins DeleteGroups: the share state that has to be deleted before, by group, or why a group cannot be deleted.
    pub async fn begin_share_deletion(&self, groups: &[GroupId]) -> BTreeMap<StrBytes, Result<StateOf, ErrorCode>> {
        let (shards, _) = self.by_partition(groups.iter().map(|group| group.0.clone()).collect());
        let mut states = BTreeMap::new();
        for (partition, groups) in shards {
            let command = ShareCommand::BeginDeletion(groups.clone());
            match self.submit_to(partition, Command::Share(command)).await {
                Ok(reply) => states.extend(into!(reply, BeginDeletion(states) => states)),
                Err(error) => states.extend(groups.into_iter().map(|group| (group, Err(error)))),
            }
        }
        states
    }

    /// DeleteShareGroupOffsets: what can be answered at once, and the share state to be deleted for the rest.
    pub async fn delete_share_offsets(
        &self,
        request: DeleteShareGroupOffsetsRequest,
    ) -> (DeleteShareGroupOffsetsResponse, Option<StateOf>) {
        let refuse = |error: ErrorCode| {
            let response = DeleteShareGroupOffsetsResponse::default().with_error_code(error.code());
            (response.with_error_message(Some(StrBytes::from_static_str(error.message()))), None)
        };
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let group = request.group_id.clone();
        match self.submit(&group, Command::Share(ShareCommand::DeleteOffsets(request))).await {
            Ok(reply) => into!(reply, DeleteOffsets { response, delete } => (response, delete)),
            Err(error) => refuse(error),
        }
    }

    /// The share state of these topics was deleted.
    pub async fn share_offsets_deleted(&self, group: &str, topics: Vec<TopicId>) -> Result<(), ErrorCode> {
        let id = StrBytes::from_string(group.to_owned());
        let command = ShareCommand::OffsetsDeleted { group: id, topics };
        self.submit(group, Command::Share(command)).await.map(drop)
    }
}

macro_rules! into {
    ($reply:expr, $kind:ident $fields:tt => $value:expr) => {
        match $reply {
            Reply::Share(ShareReply::$kind $fields) => $value,
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    };
}
use into;
