//! Logs: segments, indexes, append checks, recovery, retention, compaction.
//!
//! A [`Log`] is one partition on disk, in Kafka's files. One owner at a time appends (`writer.rs`); readers
//! (`reader.rs`) take published offsets and a swapped list of segments and never wait for it. A [`segment`] is a
//! `.log` file that only grows and two sparse indexes of which only the newest entries are in memory. `recovery.rs`
//! opens a log after whatever happened to it; `retention.rs` takes records away again, and [`cleaner`] those that were
//! replaced by later ones.
//!
//! [`LogDirs`] holds all logs of a node in all its directories: locks, identity, checkpoints, and the periodic work
//! that runs from a heap of deadlines.

pub mod append;
pub mod ballast;
pub mod checkpoint;
mod cleaner;
mod description;
pub mod descriptors;
mod disk;
mod durability;
mod error;
#[cfg(any(test, feature = "faults"))]
pub mod faults;
mod flushing;
mod housekeeping;
mod inspection;
mod leader_epochs;
mod leftovers;
pub mod log_dir;
mod log_dirs;
mod lookup;
pub mod meta_properties;
mod moves;
pub mod names;
pub mod offset_index;
mod opening;
mod os;
mod partition_log;
pub mod producer_state;
mod reader;
mod recent;
mod recovery;
pub mod repair;
mod resume;
pub mod resync;
mod retention;
pub mod scan;
mod scrub;
mod segment;
mod snapshots;
mod space;
pub mod sparse_index;
mod syncing;
pub mod time_index;
pub mod txn_index;
mod undo;
pub mod unopened;
mod work;
mod writer;

#[cfg(test)]
mod tests;

pub use cleaner::{CleanerSettings, LogCleaner, Uncleanable};
pub use description::{DirDescription, ReplicaDescription};
pub use error::{LogError, is_full, remedy};
pub use inspection::{BadBatch, CHECKED_BYTES_MAX};
pub use leader_epochs::LeaderEpochs;
pub use log_dir::LogDir;
pub use log_dirs::{LogDirs, LogDirsOptions, MovedListener, TopicConfigs};
pub use meta_properties::MetaProperties;
pub use opening::{OpenedListener, Unopened};
pub use partition_log::{Log, LogContext, LogOptions};
pub use reader::{LogRead, TimestampedOffset};
pub use retention::Truncation;
pub use scrub::{ScrubMeasures, Scrubber};
pub use space::{DirSpace, RoomListener};
pub use txn_index::AbortedTxn;
pub use work::{Work, WorkQueue};
pub use writer::LogAppendInfo;
