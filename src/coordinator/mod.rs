//! Coordinators of groups and transactions.

pub mod group;
mod shards;
#[cfg(test)]
mod testing;
pub mod transaction;

pub use shards::{Election, ShardCounts, Shards, error_of, partition_of};
