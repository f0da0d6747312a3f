//! Replicated partitions: the log, who leads it, what is committed, and who waits for it.

pub mod fetch_session;
mod partition;
mod partitions;

pub use partition::{
    CoordinatorAppendError, Isolation, Leadership, OffsetOfTime, OffsetQuery, Partition, ProduceError, ProduceRecords,
    Read, ReadRequest,
};
pub use partitions::Partitions;

#[cfg(test)]
mod tests;
