//! Streams groups (KIP-1071): the coordinator knows an application's topology, and shares its tasks among the members.
//!
//! The first member brings the *topology*: subtopologies that read source topics and repartition topics and keep state
//! in changelog topics. [`topology`] is what the log says of it; `configure` holds it against the topics there are, which
//! decides how many tasks each subtopology has and which internal topics have to be made; only a topology whose topics are
//! all there is *ready*, and only then are tasks given out.
//!
//! A heartbeat goes the way of one of a consumer group ([`heartbeat`]): member, topology, group epoch (`epoch`), target
//! (`target`, with the sticky assignor of `assignor`), and the member's next step (`reconcile`). An active task is given
//! to its new owner only when its former one has given it up, and a process never has two copies of one task.

mod assignor;
mod change;
mod check;
mod configure;
mod describe;
mod endpoints;
mod epoch;
mod fence;
mod group;
mod heartbeat;
mod internal_topics;
mod member;
mod offsets;
mod reconcile;
mod target;
mod tasks;
#[cfg(test)]
mod tests;
mod topology;

pub use change::Change;
pub use check::check_request;
pub use describe::STREAMS;
pub use group::StreamsGroup;
pub use heartbeat::{StreamsAnswer, StreamsBeat};

use std::sync::{Arc, Weak};

use crate::metadata::Topics;

use configure::Configured;

/// What dies with the leadership of a streams group.
#[derive(Clone, Default, Debug)]
pub struct StreamsLive {
    /// The topology as it is with the topics of the last look.
    configured: Option<Arc<Configured>>,
    /// The topics by which the metadata hash was last looked at, and the group epoch that came of it. A group behind that
    /// epoch did not get its record written.
    looked_at: Option<(Weak<Topics>, i32)>,
    /// The first members wait for others.
    is_delayed: bool,
    /// The member that wants the whole application to end.
    shutdown_requested_by: Option<Arc<str>>,
    /// Rises with each change of what is to be found behind the members' endpoints.
    endpoint_epoch: i32,
}

/// The status that asks for internal topics.
pub const STREAMS_MISSING_INTERNAL_TOPICS: i8 = Status::MissingInternalTopics as i8;

/// What a member is to know of its group beside its assignment; the number is that of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    StaleTopology = 0,
    MissingSourceTopics = 1,
    IncorrectlyPartitionedTopics = 2,
    MissingInternalTopics = 3,
    ShutdownApplication = 4,
    AssignmentDelayed = 5,
}

impl Status {
    /// The number on the wire.
    pub fn code(self) -> i8 {
        self as i8
    }
}
