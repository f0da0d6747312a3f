//! What can go wrong with a log, as far as a caller can tell the cases apart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::types::{ErrorCode, Offset, TopicPartition};

use super::producer_state::ProducerError;

/// A failed operation on a log or on a log directory.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The offset lies before the log's start or behind its end.
    #[error("offset {asked} is outside the log, which holds {start} to {end}")]
    OffsetOutOfRange { asked: Offset, start: Offset, end: Offset },
    /// The batches of one append exceed `segment.bytes`.
    #[error("an append of {size} bytes exceeds the segment size of {segment_bytes} bytes")]
    RecordBatchTooLarge { size: usize, segment_bytes: usize },
    /// A batch that brings its own offsets does not continue the log.
    #[error("the batch starts at offset {first}, before the log's end {end}")]
    UnexpectedOffset { first: Offset, end: Offset },
    /// Bytes that are no record batch.
    #[error("invalid record batch: {reason}")]
    InvalidBatch { reason: String },
    /// The producer's epoch or sequence does not fit its state.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// Bytes on disk that were good once and are not any more.
    #[error("{} is damaged at byte {position}, near offset {offset}: {reason}; restore the file or delete the partition", file.display())]
    Damaged { file: PathBuf, position: u64, offset: Offset, reason: String },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}{}", path.display(), remedy(source))]
    Io { path: PathBuf, action: &'static str, source: Arc<io::Error> },
    /// The log was closed, deleted, or its directory has failed.
    #[error("{partition} is offline: {reason}")]
    Offline { partition: TopicPartition, reason: Arc<str> },
    /// A file of the directory does not say what it must.
    #[error("{}: {reason}", path.display())]
    BadFile { path: PathBuf, reason: String },
    /// The directory's reserve of free space is reached.
    #[error("there is no room for new records in {}: delete topics or records, or make its file system larger", dir.display())]
    NoRoom { dir: PathBuf },
    /// The name is not one of the configured directories, or it is offline.
    #[error("no usable log directory {}", path.display())]
    DirectoryNotFound { path: PathBuf },
}

/// Whether the operating system refuses to take more: the file system or a quota is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What the administrator can do about a refusal of the operating system.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_full(error) => "; free space there",
        io::ErrorKind::PermissionDenied => "; let the user who runs this read and write it",
        io::ErrorKind::ReadOnlyFilesystem => "; mount the file system for writing",
        io::ErrorKind::IsADirectory => "; put back the file that was there",
        io::ErrorKind::NotADirectory => "; a directory is needed there, correct log.dirs",
        _ => "",
    }
}

impl LogError {
    /// Names the file and the attempt that `source` ended.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io { path: path.as_ref().to_path_buf(), action, source: Arc::new(source) }
    }

    /// The code that a client gets.
    pub fn code(&self) -> ErrorCode {
        match self {
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            LogError::RecordBatchTooLarge { .. } => ErrorCode::RecordListTooLarge,
            LogError::UnexpectedOffset { .. } => ErrorCode::UnknownServerError,
            LogError::InvalidBatch { .. } => ErrorCode::CorruptMessage,
            LogError::Producer(error) => error.error_code(),
            LogError::Damaged { .. }
            | LogError::Io { .. }
            | LogError::Offline { .. }
            | LogError::BadFile { .. }
            | LogError::NoRoom { .. } => ErrorCode::KafkaStorageError,
            LogError::DirectoryNotFound { .. } => ErrorCode::LogDirNotFound,
        }
    }

    /// Whether there is nothing of that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether there is no room on the disk, which passes. A sync that fails so has lost what was written before it.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, LogError::Io { source, action, .. } if is_full(source) && !action.starts_with("sync"))
    }

    /// Whether the device itself says that it cannot read, and not just a file that is not there.
    pub fn is_device_failure(&self) -> bool {
        const CODES: [i32; 7] =
            [libc::EIO, libc::ENXIO, libc::ENODEV, libc::ESTALE, libc::EUCLEAN, libc::EREMOTEIO, libc::EBADMSG];
        let LogError::Io { source, .. } = self else { return false };
        source.raw_os_error().is_some_and(|code| CODES.contains(&code))
    }

    /// Whether the disk, and not one partition's content, is to blame.
    pub fn is_disk_failure(&self) -> bool {
        matches!(self, LogError::Io { .. }) && !self.is_out_of_space()
    }
}
