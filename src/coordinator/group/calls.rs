//! One method per API: the checks that come before the machine, and Kafka's answers where there is none.

use crate::log::producer_state::VerificationGuard;
use crate::protocol::StrBytes;
use crate::protocol::control::TxnMarker;
use crate::protocol::messages::delete_groups_response::DeletableGroupResult;
use crate::protocol::messages::describe_groups_response::DescribedGroup;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use crate::protocol::messages::{
    DeleteGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, SyncGroupRequest, SyncGroupResponse,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use crate::types::ErrorCode;

use super::join::JoinCommand;
use super::machine::{Command, Reply};
use super::offsets::{refused_commit, refused_fetch};
use super::rebalance::join_error;
use super::service::{Client, Groups};
use super::transactions::refused_txn_commit;

/// Before this version a join reply names the protocol even where there is none.
const NULL_PROTOCOL_SINCE: i16 = 7;
/// Before this version one member leaves by the fields of the request itself.
const LEAVE_BY_LIST_SINCE: i16 = 3;
/// From this version on a sync says which protocol it believes in.
const SYNC_NAMES_PROTOCOL_SINCE: i16 = 5;
/// Before this version a fetch has room for errors only at its partitions.
const FETCH_ERROR_SINCE: i16 = 2;

impl Groups {
    /// JoinGroup: returns when the generation begins, or with a refusal.
    pub async fn join(&self, client: &Client, mut request: JoinGroupRequest, version: i16) -> JoinGroupResponse {
        let timeouts = self.settings.group_min_session_timeout_ms..=self.settings.group_max_session_timeout_ms;
        let member_id = request.member_id.clone();
        let refused = if request.group_id.is_empty() {
            Some(ErrorCode::InvalidGroupId)
        } else if !timeouts.contains(&request.session_timeout_ms) {
            Some(ErrorCode::InvalidSessionTimeout)
        } else {
            None
        };
        // Version 0 has no such field, and old clients leave it empty.
        if request.rebalance_timeout_ms <= 0 {
            request.rebalance_timeout_ms = request.session_timeout_ms;
        }
        let reply = match refused {
            Some(error) => Err(error),
            None => {
                let group = request.group_id.clone();
                let join = JoinCommand {
                    request,
                    version,
                    client_id: client.id.clone(),
                    client_host: client.host.clone(),
                    unique: self.unique(),
                };
                self.submit(&group, Command::Join(Box::new(join))).await
            }
        };
        let reply = match reply {
            Ok(reply) => into!(reply, Join),
            Err(error) => join_error(&member_id, error),
        };
        match reply.protocol_name {
            None if version < NULL_PROTOCOL_SINCE => reply.with_protocol_name(Some(StrBytes::new())),
            Some(_) | None => reply,
        }
    }

    /// SyncGroup: returns with the member's assignment, or a refusal.
    pub async fn sync(&self, request: SyncGroupRequest, version: i16) -> SyncGroupResponse {
        let refuse = |error: ErrorCode| SyncGroupResponse::default().with_error_code(error.code());
        let named = request.protocol_type.is_some() && request.protocol_name.is_some();
        if version >= SYNC_NAMES_PROTOCOL_SINCE && !named {
            return refuse(ErrorCode::InconsistentGroupProtocol);
        }
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let group = request.group_id.clone();
        match self.submit(&group, Command::Sync(request)).await {
            Ok(reply) => into!(reply, Sync),
            Err(error) => refuse(error),
        }
    }

    /// Heartbeat. While the group is being loaded every member is taken for alive.
    pub async fn heartbeat(&self, request: HeartbeatRequest) -> HeartbeatResponse {
        let refuse = |error: ErrorCode| HeartbeatResponse::default().with_error_code(error.code());
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let group = request.group_id.clone();
        match self.submit_at_once(&group, Command::Heartbeat(request)).await {
            Ok(reply) => into!(reply, Heartbeat),
            Err(ErrorCode::CoordinatorLoadInProgress) => refuse(ErrorCode::None),
            Err(error) => refuse(error),
        }
    }

    /// LeaveGroup.
    pub async fn leave(&self, request: LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
        let refuse = |error: ErrorCode| LeaveGroupResponse::default().with_error_code(error.code());
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let group = request.group_id.0;
        let members = match version {
            ..LEAVE_BY_LIST_SINCE => vec![MemberIdentity::default().with_member_id(request.member_id)],
            _ => request.members,
        };
        match self.submit(&group, Command::Leave { group: group.clone(), members }).await {
            Ok(reply) => {
                let reply = into!(reply, Leave);
                match reply.members.first() {
                    Some(only) if version < LEAVE_BY_LIST_SINCE => {
                        LeaveGroupResponse::default().with_error_code(only.error_code)
                    }
                    Some(_) | None => reply,
                }
            }
            Err(error) => refuse(error),
        }
    }

    /// OffsetCommit. The caller has resolved names and ids of the topics, and has taken out those that do not exist.
    pub async fn commit(&self, request: OffsetCommitRequest, version: i16) -> OffsetCommitResponse {
        let group = request.group_id.clone();
        let asked = request.clone();
        match self.submit(&group, Command::Commit { request, version }).await {
            Ok(reply) => into!(reply, Commit),
            Err(error) => refused_commit(&asked, error),
        }
    }

    /// TxnOffsetCommit, whose transaction `guard` shows to be verified. The caller has taken out the partitions that do
    /// not exist.
    pub async fn commit_in_transaction(
        &self,
        request: TxnOffsetCommitRequest,
        guard: Option<VerificationGuard>,
    ) -> TxnOffsetCommitResponse {
        let group = request.group_id.clone();
        let asked = request.clone();
        match self.submit(&group, Command::CommitInTransaction { request, guard }).await {
            Ok(reply) => into!(reply, TxnCommit),
            Err(error) => refused_txn_commit(&asked, error),
        }
    }

    /// WriteTxnMarkers for a partition of `__consumer_offsets`: the offsets that wait for the transaction are
    /// committed or dropped. Answers once the marker is replicated, with Kafka's code for a transaction coordinator.
    pub async fn end_transaction(&self, partition: i32, marker: TxnMarker) -> ErrorCode {
        match self.submit_to(partition, Command::EndTransaction(marker)).await {
            Ok(_) => ErrorCode::None,
            Err(
                ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress | ErrorCode::NotCoordinator,
            ) => ErrorCode::NotLeaderOrFollower,
            Err(error) => error,
        }
    }

    /// One group of an OffsetFetch; older versions ask for just one. The caller has resolved the ids of the topics to
    /// names.
    pub async fn fetch(
        &self,
        group: OffsetFetchRequestGroup,
        require_stable: bool,
        version: i16,
    ) -> OffsetFetchResponseGroup {
        let id = group.group_id.clone();
        let asked = group.topics.clone();
        match self.submit(&id, Command::Fetch { group, require_stable }).await {
            Ok(reply) => into!(reply, Fetch),
            Err(error) => {
                // Consumers before 3.9 do not expect COORDINATOR_NOT_AVAILABLE from a coordinator here.
                let known = self.partition_for(&id).is_some();
                let error = match error {
                    ErrorCode::CoordinatorNotAvailable if known => ErrorCode::NotCoordinator,
                    other => other,
                };
                let topics = if version < FETCH_ERROR_SINCE { refused_fetch(asked, error) } else { Vec::new() };
                OffsetFetchResponseGroup::default().with_group_id(id).with_topics(topics).with_error_code(error.code())
            }
        }
    }

    /// OffsetDelete.
    pub async fn delete_offsets(&self, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let refuse = |error: ErrorCode| OffsetDeleteResponse::default().with_error_code(error.code());
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let group = request.group_id.clone();
        match self.submit(&group, Command::DeleteOffsets(request)).await {
            Ok(reply) => into!(reply, DeleteOffsets),
            Err(error) => refuse(error),
        }
    }

    /// DeleteGroups.
    pub async fn delete_groups(&self, groups: Vec<GroupId>) -> DeleteGroupsResponse {
        let failed = |id: StrBytes, error: ErrorCode| {
            DeletableGroupResult::default().with_group_id(GroupId(id)).with_error_code(error.code())
        };
        let (shards, homeless) = self.by_partition(groups.into_iter().map(|group| group.0).collect());
        let mut results: Vec<_> =
            homeless.into_iter().map(|id| failed(id, ErrorCode::CoordinatorNotAvailable)).collect();
        for (partition, ids) in shards {
            match self.submit_to(partition, Command::DeleteGroups(ids.clone())).await {
                Ok(reply) => results.extend(into!(reply, DeleteGroups).results),
                Err(error) => results.extend(ids.into_iter().map(|id| failed(id, error))),
            }
        }
        DeleteGroupsResponse::default().with_results(results)
    }

    /// DescribeGroups.
    pub async fn describe(&self, groups: Vec<GroupId>, version: i16) -> Vec<DescribedGroup> {
        let failed = |id: StrBytes, error: ErrorCode| {
            DescribedGroup::default().with_group_id(GroupId(id)).with_error_code(error.code())
        };
        let (shards, homeless) = self.by_partition(groups.into_iter().map(|group| group.0).collect());
        let mut described: Vec<_> =
            homeless.into_iter().map(|id| failed(id, ErrorCode::CoordinatorNotAvailable)).collect();
        for (partition, groups) in shards {
            match self.submit_to(partition, Command::Describe { groups: groups.clone(), version }).await {
                Ok(reply) => described.extend(into!(reply, Describe)),
                Err(error) => described.extend(groups.into_iter().map(|id| failed(id, error))),
            }
        }
        described
    }

    /// ListGroups: the groups that are coordinated here.
    pub async fn list(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        let partitions = match self.all_loaded().await {
            Ok(partitions) => partitions,
            Err(error) => return ListGroupsResponse::default().with_error_code(error.code()),
        };
        let mut groups = Vec::new();
        for partition in partitions {
            let (states, types) = (request.states_filter.clone(), request.types_filter.clone());
            match self.submit_to(partition, Command::List { states, types }).await {
                Ok(reply) => groups.extend(into!(reply, List)),
                // It has moved meanwhile: its new coordinator lists it.
                Err(ErrorCode::NotCoordinator) => {}
                Err(error) => return ListGroupsResponse::default().with_error_code(error.code()),
            }
        }
        ListGroupsResponse::default().with_groups(groups)
    }
}

macro_rules! into {
    ($reply:expr, $kind:ident) => {
        match $reply {
            Reply::$kind(reply) => reply,
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    };
}
use into;
