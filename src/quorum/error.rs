//! What keeps a quorum from opening or going on.

use std::io;
use std::path::{Path, PathBuf};

use crate::log::{is_full, remedy};
use crate::metadata::ReplayError;
use crate::protocol::message::RecordError;
use crate::types::Offset;

/// Why the metadata log cannot be opened, read or written. The node stops; the message says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum QuorumError {
    #[error("cannot {action} {}: {source}{}", path.display(), remedy(source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the record at offset {offset} of the metadata log cannot be read: {source}")]
    Record { offset: Offset, source: RecordError },
    #[error("a record has no form at this metadata.version: {0}")]
    Encode(#[from] RecordError),
    #[error("at offset {offset} {source}")]
    Replay { offset: Offset, source: ReplayError },
    #[error("the metadata log failed: {0}")]
    Log(String),
    /// There is no room on the disk, which passes: nothing was written.
    #[error("no room for metadata: {0}")]
    Full(String),
    #[error("{0}")]
    Refused(String),
}

impl QuorumError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> QuorumError {
        let path = path.to_path_buf();
        move |source| QuorumError::Io { action, path, source }
    }

    /// Whether there is no room on the disk.
    pub(super) fn is_out_of_space(&self) -> bool {
        match self {
            QuorumError::Full(_) => true,
            QuorumError::Io { source, action, .. } => is_full(source) && *action != "sync",
            _ => false,
        }
    }

    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> QuorumError {
        QuorumError::Damaged { path: path.to_path_buf(), reason: reason.into() }
    }
}
