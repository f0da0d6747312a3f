//! Ottla: Apache Kafka's protocol, files and tools in one binary.
//!
//! `ARCHITECTURE.md` maps behaviours to the folders below; a folder imports only from those declared before it.

pub mod logging;
pub mod metrics;
pub mod types;

pub mod config;
pub mod protocol;
pub mod state_machine;

pub mod client;
pub mod log;
pub mod metadata;
pub mod network;

pub mod controller;
pub mod coordinator;
pub mod quorum;
pub mod replication;
pub mod telemetry;

pub mod handlers;

pub mod broker;

pub mod cli;

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` loses data on purpose: it is for debug builds");

#[cfg(test)]
mod generated;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tidy;
