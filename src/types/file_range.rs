//! A stretch of a file that is promised to the network.

use std::fs::File;
use std::io::IoSliceMut;
use std::sync::Arc;

use rustix::io::{Errno, ReadWriteFlags};

/// `len` bytes of `file` from `position`. Holding the range holds the file open, whatever happens to its name.
#[derive(Clone, Debug)]
pub struct FileRange {
    pub file: Arc<File>,
    /// Bytes from the beginning of the file.
    pub position: u64,
    /// Length in bytes.
    pub len: usize,
}

impl FileRange {
    /// Its bytes, if all of them can be had without the disk.
    pub fn read_resident(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        let read = self.read_without_disk(self.position, &mut bytes).ok()?;
        (read == self.len).then_some(bytes)
    }

    /// Whether the first and the last of the first `len` bytes can be had without the disk.
    pub fn is_resident(&self, len: usize) -> bool {
        let last = self.position + len.saturating_sub(1) as u64;
        [self.position, last].into_iter().all(|at| {
            // A file system that cannot tell answers with another error, and is taken at its word.
            !matches!(self.read_without_disk(at, &mut [0]), Err(Errno::AGAIN))
        })
    }

    fn read_without_disk(&self, position: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::preadv2(&self.file, &mut [IoSliceMut::new(buffer)], position, ReadWriteFlags::NOWAIT)
    }
}
