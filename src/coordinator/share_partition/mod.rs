//! Share partitions: records of a partition delivered to the members of a share group, each to one at a time (KIP-932).
//!
//! The broker that leads a partition keeps, for each group that reads it, a [`SharePartition`]: which records are in
//! flight, to whom and until when. It is pure; [`SharePartitions`] holds all of them, loads them from the coordinator of
//! share states, has every change written there before it is told, and rolls back what cannot be written. Members come
//! by share sessions ([`ShareSessions`]), which say what a member reads, so that not every request has to.

mod acknowledge;
mod acquire;
mod delivery;
mod in_flight;
mod partition;
mod service;
mod session;
#[cfg(test)]
mod tests;

pub use acknowledge::{AckError, AckType, Acknowledgement};
pub use acquire::{AcquireMode, AcquiredRecords, FetchedBatch, FetchedRecords, Wanted};
pub use delivery::RecordState;
pub use partition::{Begun, Limits, SharePartition};
pub use service::{Beginning, SharePartitions, Shared};
pub use session::{Departed, FINAL_EPOCH, SessionPartition, ShareContext, ShareSessionRequest, ShareSessions};
