//! Coordinators of groups, of transactions and of the state of share groups, and the share partitions themselves.

pub mod group;
mod shards;
pub mod share;
pub mod share_partition;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;

pub use shards::{Election, ShardCounts, Shards, error_of, partition_of};
