//! The log of `__cluster_metadata-0`, as the quorum uses it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::config::TopicConfig;
use crate::log::{Log, LogContext, LogError, LogOptions, ballast};
use crate::types::{Offset, TopicPartition, Uuid};

use super::{METADATA_LOG, QuorumError};

/// The metadata log and its directory.
pub struct MetadataLog {
    log: Arc<Log>,
    directory: PathBuf,
}

impl From<LogError> for QuorumError {
    fn from(error: LogError) -> QuorumError {
        match error.is_out_of_space() {
            true => QuorumError::Full(error.to_string()),
            false => QuorumError::Log(error.to_string()),
        }
    }
}

impl MetadataLog {
    /// Opens the log inside `log_dir`, creating it if need be. Everything below `durable` is known to be on disk.
    pub fn open(
        log_dir: &Path,
        durable: Offset,
        config: Arc<TopicConfig>,
        context: Arc<LogContext>,
    ) -> Result<MetadataLog, QuorumError> {
        let directory = log_dir.join(METADATA_LOG);
        fs::create_dir_all(&directory).map_err(QuorumError::io("create", &directory))?;
        let options = LogOptions {
            partition: TopicPartition::new("__cluster_metadata", 0),
            dir: directory.clone(),
            config,
            clean: false,
            recovery_point: durable,
            log_start: Offset::ZERO,
            high_watermark: Offset::ZERO,
        };
        let log = Log::open(&options, context)?;
        if !log.assign_topic_id(Uuid::METADATA_TOPIC_ID)? {
            return Err(QuorumError::damaged(&directory, "it belongs to another topic than __cluster_metadata"));
        }
        Ok(MetadataLog { log, directory })
    }

    /// The directory of the log, of its snapshots, and of `quorum-state`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The offset that the next record gets.
    pub fn end_offset(&self) -> Offset {
        self.log.end_offset()
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Appends one batch that carries its offset and epoch. It is not durable before [`MetadataLog::sync`].
    pub fn append(&self, batch: Bytes) -> Result<(), QuorumError> {
        let mut appended = self.log.append_as_follower(&batch);
        let log_dir = self.directory.parent().unwrap_or(&self.directory);
        if appended.as_ref().is_err_and(LogError::is_out_of_space) && ballast::give_up(log_dir) {
            appended = self.log.append_as_follower(&batch);
        }
        appended?;
        Ok(())
    }

    /// Makes everything appended durable, and readable to whoever serves fetches of the log.
    pub fn sync(&self) -> Result<(), QuorumError> {
        let end = self.log.end_offset();
        self.log.flush()?;
        self.log.set_high_watermark(end);
        Ok(())
    }

    /// Forgets what is below `offset`: whole segments go.
    pub fn delete_before(&self, offset: Offset) -> Result<(), QuorumError> {
        self.log.delete_records_before(offset)?;
        Ok(())
    }

    /// Writes what the next start is quicker with.
    pub fn close(&self) -> Result<(), QuorumError> {
        self.log.close()?;
        Ok(())
    }
}
