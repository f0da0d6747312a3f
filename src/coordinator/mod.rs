//! Coordinators of groups and transactions.

pub mod group;
