//! The files of a log, and what an interrupted cleaning or deletion left among them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::types::Offset;

use super::names::{FileKind, FileState, file_path, parse_file_name};
use super::recovery::next_in_place;
use super::scan::{Scanner, WALK_WINDOW_BYTES};
use super::{LogError, disk};

/// A file of a log: its base offset, what it is, and its length.
pub(super) type FoundFile = (Offset, FileKind, FileState, u64);

pub(super) fn list_files(dir: &Path) -> Result<Vec<FoundFile>, LogError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(LogError::io("list", dir))? {
        let entry = entry.map_err(LogError::io("list", dir))?;
        let Some((base, kind, state)) = entry.file_name().to_str().and_then(parse_file_name) else { continue };
        let meta = entry.metadata().map_err(LogError::io("stat", entry.path()))?;
        if !meta.is_file() {
            let reason = "it is no file; put back the file that was there".to_string();
            return Err(LogError::BadFile { path: entry.path(), reason });
        }
        files.push((base, kind, state, meta.len()));
    }
    files.sort();
    Ok(files)
}

/// Finishes or discards what an interrupted cleaning or deletion left behind. Answers the files that there are then.
pub(super) fn settle_leftovers(dir: &Path) -> Result<Vec<FoundFile>, LogError> {
    let files = list_files(dir)?;
    if files.iter().all(|(_, _, state, _)| *state == FileState::Live) {
        return Ok(files);
    }
    let in_state = |wanted: FileState| files.iter().filter(move |(_, _, state, _)| *state == wanted);
    let first_cleaned = in_state(FileState::Cleaned).map(|(base, ..)| *base).min();
    let discarded = in_state(FileState::Deleted)
        .chain(in_state(FileState::Cleaned))
        .chain(in_state(FileState::Swap).filter(|(base, ..)| first_cleaned.is_some_and(|cleaned| *base >= cleaned)));
    for (base, kind, state, _) in discarded {
        tracing::info!(dir = %dir.display(), %base, ?kind, ?state, "removing what an interrupted change left behind");
        disk::remove(&file_path(dir, *base, *kind, *state))?;
    }
    let swaps: Vec<_> = in_state(FileState::Swap)
        .filter(|(base, ..)| first_cleaned.is_none_or(|cleaned| *base < cleaned))
        .copied()
        .collect();
    // A log file that was on its way out must not come back between what is appended from now on.
    disk::sync_dir(dir)?;
    let Some(first) = swaps.iter().map(|(base, ..)| *base).min() else { return list_files(dir) };
    let mut end = first;
    for (base, kind, ..) in swaps.iter().filter(|(_, kind, ..)| *kind == FileKind::Log) {
        end = end.max(swap_end(&file_path(dir, *base, *kind, FileState::Swap), *base)?);
    }
    for (base, kind, ..) in in_state(FileState::Live).filter(|(base, ..)| *base >= first && *base < end) {
        disk::remove(&file_path(dir, *base, *kind, FileState::Live))?;
    }
    for (base, kind, ..) in swaps {
        let (from, to) = [FileState::Swap, FileState::Live].map(|state| file_path(dir, base, kind, state)).into();
        tracing::info!(file = %to.display(), "finishing an interrupted replacement");
        disk::rename(&from, &to)?;
    }
    disk::sync_dir(dir)?;
    list_files(dir)
}

/// The offset behind the last batch of a file that is to replace others.
fn swap_end(path: &Path, base: Offset) -> Result<Offset, LogError> {
    let file = disk::open(path)?;
    let size = file.metadata().map_err(LogError::io("stat", path))?.len();
    let mut scanner = Scanner::new(Arc::new(file), path.to_path_buf(), 0, size, WALK_WINDOW_BYTES);
    let mut end = base;
    while let Some(batch) = next_in_place(&mut scanner, base, end)? {
        if !scanner.checksum_valid(&batch)? {
            let reason = "the batch's checksum does not match".to_string();
            return Err(scanner.damaged_at(batch.position, batch.header.base_offset, reason));
        }
        end = batch.header.next_offset();
    }
    Ok(end)
}
