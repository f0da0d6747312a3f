//! Replicated partitions: the log, who leads it, what is committed, and who waits for it.

pub mod fetch_session;
mod partition;
mod partitions;
mod waiters;

pub use partition::{
    CoordinatorAppendError, Isolation, Leadership, OffsetOfTime, OffsetQuery, Partition, ProduceError, ProduceRecords,
    Read, ReadRequest,
};
pub use partitions::Partitions;
pub use waiters::Waiters;

#[cfg(test)]
mod tests;
