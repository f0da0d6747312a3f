//! Producer snapshots: `NNNNNNNNNNNNNNNNNNNN.snapshot` files in a partition's directory.

use std::fs;
use std::path::Path;

use crate::types::{Millis, Offset};

use super::names::{FileKind, FileState, file_path, parse_file_name};
use super::producer_state::ProducerStates;
use super::{LogError, disk};

/// Writes the producer states as they are at `offset`. Not synced: a snapshot that a crash spoils fails its checksum.
pub fn write(dir: &Path, offset: Offset, producers: &ProducerStates) -> Result<(), LogError> {
    let path = file_path(dir, offset, FileKind::Snapshot, FileState::Live);
    disk::write_file(&path, &producers.snapshot()).map(drop).inspect_err(|_| {
        // A part of it is of no use, and on a full disk takes up room.
        drop(disk::remove(&path));
    })
}

/// The offsets of all snapshots, ascending.
pub fn list(dir: &Path) -> Result<Vec<Offset>, LogError> {
    let mut offsets = Vec::new();
    for entry in fs::read_dir(dir).map_err(LogError::io("list", dir))? {
        let entry = entry.map_err(LogError::io("list", dir))?;
        if let Some((offset, FileKind::Snapshot, FileState::Live)) =
            entry.file_name().to_str().and_then(parse_file_name)
        {
            offsets.push(offset);
        }
    }
    offsets.sort();
    Ok(offsets)
}

/// Loads the snapshot at `offset` into `producers`; answers false if it is damaged.
pub fn load(dir: &Path, offset: Offset, producers: &mut ProducerStates, now: Millis) -> Result<bool, LogError> {
    let path = file_path(dir, offset, FileKind::Snapshot, FileState::Live);
    let bytes = fs::read(&path).map_err(LogError::io("read", &path))?;
    match producers.reload(&bytes, offset, now) {
        Ok(()) => Ok(true),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "ignoring a damaged producer snapshot");
            Ok(false)
        }
    }
}

/// Removes a snapshot.
pub fn remove(dir: &Path, offset: Offset) -> Result<bool, LogError> {
    disk::remove(&file_path(dir, offset, FileKind::Snapshot, FileState::Live))
}

/// Removes snapshots that no segment begins with, but keeps the newest.
pub fn remove_strays(dir: &Path, bases: &[Offset]) -> Result<(), LogError> {
    let offsets = list(dir)?;
    for offset in offsets.iter().rev().skip(1).filter(|offset| bases.binary_search(offset).is_err()) {
        remove(dir, *offset)?;
    }
    Ok(())
}

/// Makes the newest snapshot durable.
pub fn sync_latest(dir: &Path) -> Result<(), LogError> {
    let Some(newest) = list(dir)?.last().copied() else { return Ok(()) };
    let path = file_path(dir, newest, FileKind::Snapshot, FileState::Live);
    disk::sync_path(&path)
}
