//! What the coordinator can be asked about share groups, and what it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::machine::{GroupMachine, Live, Reply, Turn};
use super::heartbeat::ShareBeat;
use crate::protocol::StrBytes;
use crate::protocol::messages::share_group_describe_response::DescribedGroup;
use crate::protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, ShareGroupHeartbeatResponse,
};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, Offset, TopicId};

/// What the coordinator can be asked about share groups.
pub enum ShareCommand {
    Heartbeat(Box<ShareBeat>),
    Describe(Vec<StrBytes>),
    /// The share coordinator was asked for the state of these partitions: it was made, or not.
    Asked {
        of: StateOf,
        made: bool,
    },
    /// Which partitions have share state.
    Partitions(StrBytes),
    AlterOffsets(AlterShareGroupOffsetsRequest),
    /// Which share state has to be deleted before these groups are, as far as they are share groups.
    BeginDeletion(Vec<StrBytes>),
    /// Which share state is to be deleted.
    DeleteOffsets(DeleteShareGroupOffsetsRequest),
    /// The share state of these topics was deleted.
    OffsetsDeleted {
        group: StrBytes,
        topics: Vec<TopicId>,
    },
}

/// The answer to the command of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum ShareReply {
    Heartbeat {
        response: ShareGroupHeartbeatResponse,
        ask: Option<StateInit>,
    },
    Describe(Vec<DescribedGroup>),
    Noted,
    Partitions(Assignment),
    AlterOffsets {
        response: AlterShareGroupOffsetsResponse,
        ask: Option<StateInit>,
    },
    /// Groups that have no share state are not named.
    BeginDeletion(BTreeMap<StrBytes, Result<StateOf, ErrorCode>>),
    DeleteOffsets {
        response: DeleteShareGroupOffsetsResponse,
        delete: Option<StateOf>,
    },
}

/// Share state to be made, or made anew: where each partition begins ([`Offset::NONE`] where the first reader decides).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateInit {
    pub group: Arc<str>,
    /// The group's epoch.
    pub state_epoch: i32,
    pub starts: BTreeMap<TopicId, BTreeMap<i32, Offset>>,
}

/// The share state of some partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateOf {
    pub group: Arc<str>,
    pub partitions: Assignment,
}

impl StateInit {
    /// Of which partitions.
    pub fn of(&self) -> StateOf {
        let each = self.starts.iter().map(|(topic, starts)| (*topic, starts.keys().copied().collect()));
        StateOf { group: self.group.clone(), partitions: each.collect() }
    }
}

impl GroupMachine {
    pub(in super::super) fn decide_share(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        ticket: Ticket,
        command: ShareCommand,
    ) {
        let reply = match command {
            ShareCommand::Heartbeat(beat) => self.share_heartbeat(live, turn, &beat),
            ShareCommand::Describe(groups) => ShareReply::Describe(self.describe_share_groups(live, &groups)),
            ShareCommand::Asked { of, made } => self.asked(live, turn, &of, made),
            ShareCommand::Partitions(group) => ShareReply::Partitions(self.share_partitions(&group)),
            ShareCommand::AlterOffsets(request) => self.alter_share_offsets(live, turn, &request),
            ShareCommand::BeginDeletion(groups) => self.begin_share_deletion(turn, groups),
            ShareCommand::DeleteOffsets(request) => self.delete_share_offsets(live, turn, &request),
            ShareCommand::OffsetsDeleted { group, topics } => self.share_offsets_deleted(turn, &group, &topics),
        };
        turn.outcome.answer(ticket, Reply::Share(reply));
    }
}
