//! Coordinators of groups and transactions.

pub mod group;
mod shards;
pub mod transaction;

pub use shards::{Election, Shards, error_of, partition_of};
