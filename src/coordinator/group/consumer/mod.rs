//! Consumer groups (KIP-848): the coordinator assigns, members follow at their own pace.
//!
//! A heartbeat does everything: it joins, changes a subscription, tells what the member owns, and leaves. The way of one:
//! [`heartbeat`] finds group and member and what has changed; `epoch` raises the group's epoch; `target` has an assignor
//! compute who shall own what; [`reconcile`] takes the member one step nearer. All of it is records: unlike a classic
//! group, a consumer group is hard state as a whole, and survives a failover without a rebalance.
//!
//! Members of the classic protocol may be among the members ([`join`], `classic`), and whole groups go from one protocol
//! to the other ([`migrate`]).

mod change;
mod classic;
mod describe;
mod embedded;
mod epoch;
mod fence;
mod group;
mod heartbeat;
mod join;
mod member;
mod members;
mod metadata_hash;
mod migrate;
mod offsets;
mod reconcile;
mod regexes;
mod target;

pub use change::{Change, GroupEpoch, TargetEpoch};
pub use describe::CONSUMER;
pub use group::ConsumerGroup;
pub use heartbeat::{ConsumerBeat, check_request};
pub use member::{LEAVE_EPOCH, MemberState};
pub use metadata_hash::metadata_hash;
pub use migrate::MigrationPolicy;
pub use offsets::Committer;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use crate::metadata::Topics;
use crate::types::ErrorCode;

/// What dies with the leadership of a consumer group.
#[derive(Clone, Default, Debug)]
pub struct ConsumerLive {
    /// The topics by which the metadata hash was last looked at, and the group epoch that came of it. A group behind that
    /// epoch did not get its record written.
    looked_at: Option<(Weak<Topics>, i32)>,
    /// A look for the topics that patterns describe is under way.
    resolving: bool,
    /// Classic members that were told to join again and have not.
    awaited: BTreeSet<Arc<str>>,
}

/// Why a request is refused, in Kafka's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    pub fn group_not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(ErrorCode::GroupIdNotFound, message)
    }

    pub fn unknown_member(member: &str, group: &str) -> Refusal {
        Refusal::new(ErrorCode::UnknownMemberId, format!("Member {member} is not a member of group {group}."))
    }
}
