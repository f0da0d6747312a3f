//! Share groups (KIP-932): members that take records of the same partitions, each record for itself.
//!
//! Membership is that of consumer groups without its waiting: several members may have a partition, so that each member
//! follows the target at once. The way of a heartbeat: [`heartbeat`] finds group and member; `step` raises the group's
//! epoch and has the assignor compute the target. Only partitions whose share state exists are assigned. A heartbeat that
//! finds others asks for their state ([`StateInit`]): the caller has the share coordinator make it and says how that
//! ended. Until then they stand in the log as initializing, and then as initialized ([`partitions`]).
//!
//! How far the group has got in a partition is the share coordinator's: [`offsets`] and [`delete`] say what it shall do when
//! an administrator sets offsets or ends groups.

mod change;
mod command;
mod delete;
mod describe;
mod group;
mod heartbeat;
mod offsets;
mod partitions;
mod step;

pub use change::ShareChange;
pub use command::{ShareCommand, ShareReply, StateInit, StateOf};
pub use describe::SHARE;
pub use group::ShareGroup;
pub use heartbeat::{ShareBeat, check_request};
pub use partitions::StatePartitions;
#[cfg(test)]
pub use partitions::StateTopics;

use std::collections::BTreeMap;
use std::sync::Weak;

use crate::metadata::Topics;
use crate::types::{Millis, TopicId};

/// How long the share coordinator is waited for before it is asked again: Kafka's `group.share.initialize.retry.interval.ms`.
const INITIALIZE_RETRY_INTERVAL: Millis = Millis(30_000);

/// What dies with the leadership of a share group.
#[derive(Clone, Default, Debug)]
pub struct ShareLive {
    /// The topics by which the metadata hash was last looked at, and the group epoch that came of it. A group behind that
    /// epoch did not get its record written.
    looked_at: Option<(Weak<Topics>, i32)>,
    /// When the share coordinator was asked for the state of a topic's partitions, by the monotonic clock.
    asked_at: BTreeMap<TopicId, Millis>,
}
