//! Where a machine's records are kept: the quorum's log, or a partition of an internal topic.

use std::future::Future;

use crate::types::{ErrorCode, Offset};

/// An ordered log of one machine's records.
pub trait Journal: Send + Sync + 'static {
    /// What it keeps.
    type Record;

    /// Appends the records as one unit behind all earlier ones and returns the offset of the last. On an error nothing
    /// was appended.
    fn append(&self, records: &[Self::Record]) -> Result<Offset, JournalError>;

    /// Waits until `offset` is committed and returns how far the journal is committed by then. An error says that
    /// appended records are, or may be, lost. Dropping the future has no effect.
    fn committed(&self, offset: Offset) -> impl Future<Output = Result<Offset, JournalError>> + Send;
}

/// Why a journal could not keep records.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JournalError {
    /// This node does not lead the journal, or no longer.
    #[error("this node does not lead the journal")]
    NotLeader,
    /// The records do not fit into one batch.
    #[error("the records take {size} bytes and at most {max} fit into one batch")]
    TooLarge { size: usize, max: usize },
    /// Too few replicas are in sync to take the records.
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    /// The log is not there (yet).
    #[error("the journal is not available")]
    Unavailable,
    /// The log refuses the records for what they say: a producer that is fenced, a transaction that is over.
    #[error("the log refuses the records: {0}")]
    Refused(ErrorCode),
    /// The disk failed.
    #[error("storage failed: {0}")]
    Storage(String),
}
