//! KRaft: the metadata log, its epochs, its control records and its snapshots (KIP-595, 630, 853).
//!
//! [`Examined::read`] reads what is there (the newest snapshot, then the log behind it) and decides the election, without
//! changing a byte: whoever refuses what was read leaves it as it was. [`Examined::open`] begins the new epoch and hands over
//! the image. From then on [`Quorum`] is the journal that the controller's runtime appends to. One thread makes appends
//! durable: everything that waits is covered by one `fdatasync`, then applied to the image, shown to the listeners, and only
//! then called committed, so that a reply is never earlier than what it tells of.
//!
//! Pure parts: `election` decides epochs and the control records of an election; [`VoterSet`] and [`ElectionState`] are
//! values with their forms on disk. This node serves a quorum of which it is the only voter; anything else is refused by name.
//!
//! Kafka's idle records (`metadata.max.idle.interval.ms`) keep followers' clocks going. A lone voter has no followers and writes none.

mod batches;
mod bootstrap;
mod commit;
mod election;
mod election_state;
mod error;
mod format;
mod loader;
mod metadata_log;
mod open;
mod snapshot;
mod voters;

#[cfg(test)]
mod tests;

pub use bootstrap::{read_bootstrap, write_bootstrap};
pub use commit::{MetadataListener, Quorum, QuorumInfo};
pub use election_state::ElectionState;
pub use error::QuorumError;
pub use format::{FormatError, FormatOptions, FormatReport, InitialVoters, format_directories};
pub use open::{Examined, Opened, QuorumOptions, is_new};
pub use snapshot::SnapshotId;
pub use voters::{Voter, VoterSet};

/// The directory of the metadata log inside its log directory.
pub const METADATA_LOG: &str = "__cluster_metadata-0";
/// The largest batch of metadata records, as in Kafka.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
