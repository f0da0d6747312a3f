//! The assignors that the coordinator runs for consumer groups (KIP-848) and share groups (KIP-932): which member shall own which partition.
//!
//! An assignor sees each member's topics and what it was to own before, and says what each shall own now. `uniform`
//! spreads all partitions evenly and moves as few as it can: [`homogeneous`] where all members want the same topics,
//! [`heterogeneous`] else. `range` cuts each topic into stretches. [`simple`] is that of share groups. None looks at racks, as
//! in Kafka 4.3.

mod balancer;
mod heterogeneous;
mod homogeneous;
mod range;
pub mod simple;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::types::TopicId;

/// Partitions by topic.
pub type Assignment = BTreeMap<TopicId, BTreeSet<i32>>;

/// What an assignor is told of a group.
#[derive(Clone, Debug)]
pub struct GroupSpec<'a> {
    pub members: BTreeMap<Arc<str>, MemberSpec<'a>>,
    /// Whether all members want the same topics.
    pub homogeneous: bool,
    /// How many partitions each topic has that a member wants.
    pub partition_counts: BTreeMap<TopicId, i32>,
}

/// What an assignor is told of a member.
#[derive(Clone, Debug)]
pub struct MemberSpec<'a> {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The topics it wants, as far as they exist.
    pub topics: Arc<BTreeSet<TopicId>>,
    /// What it was to own until now.
    pub before: &'a Assignment,
}

/// A built-in assignor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Assignor {
    Uniform,
    Range,
}

impl Assignor {
    /// By its name in requests and configs, or as configs name its class in Kafka.
    pub fn named(name: &str) -> Option<Assignor> {
        match name {
            "uniform" | "org.apache.kafka.coordinator.group.assignor.UniformAssignor" => Some(Assignor::Uniform),
            "range" | "org.apache.kafka.coordinator.group.assignor.RangeAssignor" => Some(Assignor::Range),
            _ => None,
        }
    }

    /// The name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// What each member shall own; a member that is not named shall own nothing.
    pub fn assign(self, group: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
        match self {
            Assignor::Uniform if group.homogeneous => homogeneous::assign(group),
            Assignor::Uniform => heterogeneous::assign(group),
            Assignor::Range => range::assign(group),
        }
    }
}
