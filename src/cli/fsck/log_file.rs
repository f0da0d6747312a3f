//! A log file or a metadata snapshot that is read through a window.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::log::scan::Scanner;
use crate::log::{LogError, resync};
use crate::types::Offset;

/// Bytes read at once by who reads all of it.
pub(super) const WINDOW_BYTES: usize = 1 << 20;

/// An open file with its size at that moment.
pub(super) struct LogFile {
    path: PathBuf,
    file: Arc<File>,
    pub(super) size: u64,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> Result<LogFile, LogError> {
        let file = File::open(path).map_err(LogError::io("open", path))?;
        let size = file.metadata().map_err(LogError::io("stat", path))?.len();
        Ok(LogFile { path: path.to_path_buf(), file: Arc::new(file), size })
    }

    /// A scanner from the byte at `position` to the end.
    pub(super) fn scan(&self, position: u64, window_bytes: usize) -> Scanner {
        Scanner::new(self.file.clone(), self.path.clone(), position, self.size, window_bytes)
    }

    /// The position of the first good batch behind `position` whose offsets are not below `due`.
    pub(super) fn find_good_batch(&self, position: u64, due: Offset) -> Result<Option<u64>, LogError> {
        resync::find_good_batch(&self.file, &self.path, position, self.size, due)
    }
}
