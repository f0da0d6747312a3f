//! Single files of a partition that is not open, put right one by one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::types::{Millis, Offset};

use super::descriptors::DescriptorCache;
use super::names::{FileKind, FileState, file_path};
use super::segment::{FileSizes, Segment, log_path};
use super::txn_index::{AbortedTxn, TxnIndex};
use super::{LogError, disk, recovery};

/// Builds the offset and the time index of the segment of `base` in `dir` again from its log, which must be good.
/// `interval`: bytes of the log between two entries, as `index.interval.bytes`.
pub fn rebuild_indexes(dir: &Path, base: Offset, interval: u64) -> Result<(), LogError> {
    let log = file_path(dir, base, FileKind::Log, FileState::Live);
    let len = fs::metadata(&log).map_err(LogError::io("stat", &log))?.len();
    let sizes = FileSizes { log: len, ..FileSizes::default() };
    let cache = Arc::new(DescriptorCache::new(1));
    let segment = Segment::with(&log_path(dir), &cache, base, sizes, base, Millis(0), Millis(0));
    recovery::rebuild_indexes(&segment, interval)?;
    segment.sync_indexes()
}

/// Writes a transaction index of exactly these transactions, in the order of their markers.
pub fn write_txn_index(path: &Path, aborted: &[AbortedTxn]) -> Result<(), LogError> {
    let index = TxnIndex::default();
    index.clear(path)?;
    aborted.iter().try_for_each(|txn| index.append(path, txn))?;
    sync_parent(path)
}

/// Cuts a log file to `size` bytes, where its last whole batch ends.
pub fn cut(path: &Path, size: u64) -> Result<(), LogError> {
    let file = disk::open(path)?;
    file.set_len(size).and_then(|()| file.sync_all()).map_err(LogError::io("truncate", path))
}

/// Removes a file for good.
pub fn remove(path: &Path) -> Result<(), LogError> {
    disk::remove(path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> Result<(), LogError> {
    path.parent().map_or(Ok(()), disk::sync_dir)
}
