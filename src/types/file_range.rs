//! A stretch of a file that is promised to the network.

use std::fs::File;
use std::sync::Arc;

/// `len` bytes of `file` from `position`. Holding the range holds the file open, whatever happens to its name.
#[derive(Clone, Debug)]
pub struct FileRange {
    pub file: Arc<File>,
    /// Bytes from the beginning of the file.
    pub position: u64,
    /// Length in bytes.
    pub len: usize,
}
