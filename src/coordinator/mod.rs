//! Coordinators of groups, of transactions and of the state of share groups.

pub mod group;
mod shards;
pub mod share;
#[cfg(test)]
mod testing;
pub mod transaction;

pub use shards::{Election, ShardCounts, Shards, error_of, partition_of};
