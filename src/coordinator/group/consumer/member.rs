//! One member of a consumer group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::member::Protocols;
use crate::types::TopicId;

/// The epoch with which a member leaves for good.
pub const LEAVE_EPOCH: i32 = -1;
/// The epoch with which a static member leaves to come back.
pub const STATIC_LEAVE_EPOCH: i32 = -2;

/// Partitions by topic, each with the member epoch at which it was assigned.
pub type Owned = BTreeMap<TopicId, BTreeMap<i32, i32>>;

/// A member as the coordinator knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct ConsumerMember {
    pub id: Arc<str>,
    pub metadata: MemberMetadata,
    pub current: CurrentAssignment,
}

/// What a member says of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct MemberMetadata {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    pub rack_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub topics: BTreeSet<Arc<str>>,
    /// The pattern it subscribes to; none and empty are the same to all but the log.
    pub regex: Option<Arc<str>>,
    pub rebalance_timeout_ms: i32,
    pub assignor: Option<Arc<str>>,
    /// Set for a member that speaks the classic protocol.
    pub classic: Option<ClassicMember>,
}

/// What a consumer group keeps of a member of the classic protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct ClassicMember {
    pub session_timeout_ms: i32,
    pub protocols: Protocols,
}

/// Where a member stands on its way to the group's assignment.
#[derive(Clone, PartialEq, Debug)]
pub struct CurrentAssignment {
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: MemberState,
    pub assigned: Owned,
    /// What it is still to give up.
    pub pending_revocation: Owned,
}

/// What a member waits for.
///
/// ```text
///            new target                  all given up
///   Stable ─────────────▶ Unrevoked ─────────────────────▶ Unreleased ──▶ Stable
///      ▲ └───────────────────────────────────────────────────▲      others gave up theirs
///      └────────────────────── nothing is missing ───────────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// It has what it shall have.
    Stable,
    /// It has to give up partitions first.
    UnrevokedPartitions,
    /// Others have not yet given up what it shall have.
    UnreleasedPartitions,
    /// Written by a newer coordinator.
    Unknown,
}

impl MemberState {
    /// As it stands in the log.
    pub fn code(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
            MemberState::Unknown => 127,
        }
    }

    /// As it stands in the log.
    pub fn from_code(code: i8) -> MemberState {
        match code {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            _ => MemberState::Unknown,
        }
    }
}

impl Default for MemberMetadata {
    fn default() -> MemberMetadata {
        MemberMetadata {
            instance_id: None,
            rack_id: None,
            client_id: Arc::from(""),
            client_host: Arc::from(""),
            topics: BTreeSet::new(),
            regex: Some(Arc::from("")),
            rebalance_timeout_ms: -1,
            assignor: None,
            classic: None,
        }
    }
}

impl MemberMetadata {
    /// The pattern, if there is one.
    pub fn regex(&self) -> Option<&Arc<str>> {
        self.regex.as_ref().filter(|regex| !regex.is_empty())
    }
}

impl CurrentAssignment {
    /// Before the member has an epoch.
    pub fn new() -> CurrentAssignment {
        CurrentAssignment {
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Owned::new(),
            pending_revocation: Owned::new(),
        }
    }

    /// The epoch at which a partition was assigned, whether it is to be given up or not.
    pub fn epoch_of(&self, topic: TopicId, partition: i32) -> Option<i32> {
        let of = |owned: &Owned| owned.get(&topic)?.get(&partition).copied();
        of(&self.assigned).or_else(|| of(&self.pending_revocation))
    }
}

impl ConsumerMember {
    /// A member of which nothing is known.
    pub fn new(id: Arc<str>) -> ConsumerMember {
        ConsumerMember { id, metadata: MemberMetadata::default(), current: CurrentAssignment::new() }
    }

    pub fn epoch(&self) -> i32 {
        self.current.epoch
    }

    pub fn uses_classic_protocol(&self) -> bool {
        self.metadata.classic.is_some()
    }

    /// Whether it has all that the target of that epoch gives it.
    pub fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == target_epoch
    }
}

/// All partitions of `assignment`, assigned at `epoch`.
pub fn at_epoch(assignment: &Assignment, epoch: i32) -> Owned {
    let each = assignment.iter().map(|(topic, partitions)| {
        (*topic, partitions.iter().map(|partition| (*partition, epoch)).collect::<BTreeMap<i32, i32>>())
    });
    each.collect()
}

/// Which partitions these are, whenever they were assigned.
pub fn without_epochs(owned: &Owned) -> Assignment {
    owned.iter().map(|(topic, partitions)| (*topic, partitions.keys().copied().collect())).collect()
}
