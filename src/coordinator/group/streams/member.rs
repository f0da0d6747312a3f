//! One member of a streams group.

use std::sync::Arc;

use super::tasks::OwnedTasks;
use crate::protocol::internal::StreamsGroupMemberMetadataValue;

/// The epoch with which a member leaves.
pub const LEAVE_EPOCH: i32 = -1;
/// The epoch with which a static member would leave to come back.
pub const STATIC_LEAVE_EPOCH: i32 = -2;

/// A member as the coordinator knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamsMember {
    pub id: Arc<str>,
    /// What it says of itself, as the log has it; its client tags are in order of their keys.
    pub metadata: StreamsGroupMemberMetadataValue,
    pub current: CurrentTasks,
}

/// Where a member stands on its way to the group's assignment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CurrentTasks {
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: MemberState,
    pub assigned: OwnedTasks,
    /// What it is still to give up.
    pub pending_revocation: OwnedTasks,
}

/// What a member waits for; the moves are those of a consumer group's member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// It has what it shall have.
    Stable,
    /// It has to give up tasks first.
    UnrevokedTasks,
    /// Others have not yet given up what it shall have.
    UnreleasedTasks,
    /// Written by a newer coordinator.
    Unknown,
}

impl MemberState {
    /// As it stands in the log.
    pub fn code(self) -> i8 {
        match self {
            MemberState::Stable => 1,
            MemberState::UnrevokedTasks => 2,
            MemberState::UnreleasedTasks => 3,
            MemberState::Unknown => 127,
        }
    }

    /// As it stands in the log.
    pub fn from_code(code: i8) -> MemberState {
        match code {
            1 => MemberState::Stable,
            2 => MemberState::UnrevokedTasks,
            3 => MemberState::UnreleasedTasks,
            _ => MemberState::Unknown,
        }
    }
}

impl CurrentTasks {
    /// Before the member has an epoch.
    pub fn new() -> CurrentTasks {
        CurrentTasks {
            epoch: 0,
            previous_epoch: 0,
            state: MemberState::Stable,
            assigned: OwnedTasks::default(),
            pending_revocation: OwnedTasks::default(),
        }
    }
}

impl StreamsMember {
    /// A member of which nothing is known.
    pub fn new(id: Arc<str>) -> StreamsMember {
        let metadata = StreamsGroupMemberMetadataValue { topology_epoch: -1, ..Default::default() };
        StreamsMember { id, metadata, current: CurrentTasks::new() }
    }

    pub fn epoch(&self) -> i32 {
        self.current.epoch
    }

    /// The process that it runs in.
    pub fn process_id(&self) -> &str {
        &self.metadata.process_id
    }

    /// Whether it has all that the target of that epoch gives it.
    pub fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == target_epoch
    }
}
