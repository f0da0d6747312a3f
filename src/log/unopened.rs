//! Looking at directories that are not opened yet. Nothing here changes a byte of them, so that a start that is refused
//! leaves everything as it was.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::protocol::batch::BatchRef;
use crate::types::{DirectoryId, Offset, TopicPartition};

use super::leftovers::list_files;
use super::log_dir::{check_identity, lock_for_reading};
use super::meta_properties::{META_PROPERTIES, MetaProperties};
use super::names::{FileKind, FileState, PartitionDir, file_path, parse_dir_name};
use super::recovery::misplaced;
use super::resync::find_good_batch;
use super::scan::{Located, Scanner, Step, WALK_WINDOW_BYTES};
use super::{LogError, checkpoint};

/// Checks that the directories can be claimed: nobody else has them, they are this node's, no two of them are the same,
/// and their checkpoints can be read. One whose disk fails is passed over as long as there are others.
pub fn examine(dirs: &[PathBuf], identity: &MetaProperties) -> Result<(), LogError> {
    for dir in dirs {
        pass_over(dirs, lock_for_reading(dir))?;
    }
    let mut known: Vec<(DirectoryId, &PathBuf)> = Vec::new();
    for dir in dirs {
        let Some(id) = pass_over(dirs, examine_one(dir, identity))?.flatten() else { continue };
        if let Some((_, twin)) = known.iter().find(|(other, _)| *other == id) {
            return Err(same_directory(dir, twin));
        }
        known.push((id, dir));
    }
    Ok(())
}

fn pass_over<T>(dirs: &[PathBuf], examined: Result<T, LogError>) -> Result<Option<T>, LogError> {
    match examined {
        Err(error) if error.is_disk_failure() && dirs.len() > 1 => Ok(None),
        examined => examined.map(Some),
    }
}

/// Two directories that call themselves the same.
pub(super) fn same_directory(dir: &Path, twin: &Path) -> LogError {
    let reason =
        format!("{} has the same directory.id; one of them is a copy, take it out of log.dirs", twin.display());
    LogError::BadFile { path: dir.join(META_PROPERTIES), reason }
}

fn examine_one(dir: &Path, identity: &MetaProperties) -> Result<Option<DirectoryId>, LogError> {
    if !dir.exists() {
        return Ok(None);
    }
    let Some(found) = MetaProperties::read(dir)? else {
        return match partitions(dir)?.first() {
            Some(partition) => {
                let reason = format!(
                    "it is not there, and {partition} is: the directory was copied in part; copy this file, too, or \
                     name another directory in log.dirs"
                );
                Err(LogError::BadFile { path: dir.join(META_PROPERTIES), reason })
            }
            None => Ok(None),
        };
    };
    check_identity(dir, &found, identity)?;
    for file in checkpoint::OF_DIRECTORY {
        match checkpoint::read_offsets(&dir.join(file)) {
            // What is no checkpoint is passed over when the logs are opened.
            Ok(_) | Err(LogError::BadFile { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found.directory_id)
}

/// The partitions that have a directory in `dir`, those of the metadata log among them.
pub fn partitions(dir: &Path) -> Result<Vec<TopicPartition>, LogError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(LogError::io("list", dir))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(LogError::io("list", dir))?;
        if let Some(PartitionDir::Current(partition)) = entry.file_name().to_str().and_then(parse_dir_name)
            && entry.path().is_dir()
        {
            found.push(partition);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a log has any bytes.
pub fn has_records(dir: &Path) -> Result<bool, LogError> {
    Ok(segments(dir)?.iter().any(|(_, size)| *size > 0))
}

/// The segments of a log by their first offsets, and their bytes.
fn segments(dir: &Path) -> Result<Vec<(Offset, u64)>, LogError> {
    let files = list_files(dir)?.into_iter();
    let segments = files.filter(|(_, kind, state, _)| (*kind, *state) == (FileKind::Log, FileState::Live));
    Ok(segments.map(|(base, _, _, size)| (base, size)).collect())
}

/// What a log without gaps holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub start: Offset,
    /// Behind the last good batch; what lies behind that is a torn tail, which opening cuts.
    pub end: Offset,
}

/// Reads a log that has no gaps and was not opened: `each` gets its batches from the one that holds `from` on. What lies
/// before that is not checked. A missing segment, and damage before good data, are errors.
pub fn read<E: From<LogError>>(
    dir: &Path,
    from: Offset,
    mut each: impl FnMut(&BatchRef<'_>) -> Result<(), E>,
) -> Result<Extent, E> {
    let segments = segments(dir)?;
    let Some(&(start, _)) = segments.first() else { return Ok(Extent { start: Offset::ZERO, end: Offset::ZERO }) };
    let mut next = start;
    for (n, &(base, size)) in segments.iter().enumerate() {
        if segments.get(n + 1).is_some_and(|(later, _)| *later <= from) {
            next = segments[n + 1].0;
            continue;
        }
        let path = file_path(dir, base, FileKind::Log, FileState::Live);
        if base != next {
            let reason = format!("the segment with offset {next} is missing before it");
            return Err(LogError::Damaged { file: path, position: 0, offset: next, reason }.into());
        }
        let is_last = segments[n + 1..].iter().all(|(_, size)| *size == 0);
        let mut reader = Reader::open(path, size)?;
        while let Some(batch) = reader.next(next, from, is_last)? {
            if batch.header.last_offset() >= from {
                each(&BatchRef { header: batch.header, bytes: reader.scanner.batch_slice(&batch)? })?;
            }
            next = batch.header.next_offset();
        }
    }
    Ok(Extent { start, end: next })
}

struct Reader {
    file: Arc<File>,
    path: PathBuf,
    size: u64,
    scanner: Scanner,
}

impl Reader {
    fn open(path: PathBuf, size: u64) -> Result<Reader, LogError> {
        let file = Arc::new(File::open(&path).map_err(LogError::io("open", &path))?);
        let scanner = Scanner::new(file.clone(), path.clone(), 0, size, WALK_WINDOW_BYTES);
        Ok(Reader { file, path, size, scanner })
    }

    /// The batch at `next`; None at the end, which in the last segment may be a torn tail.
    fn next(&mut self, next: Offset, from: Offset, is_last: bool) -> Result<Option<Located>, LogError> {
        let (position, intact, reason) = match self.scanner.step()? {
            Step::End => return Ok(None),
            Step::Broken(reason) => (self.scanner.position(), false, reason),
            Step::Batch(batch) => {
                let is_covered = batch.header.base_offset == next && batch.header.last_offset() < from;
                let intact = is_covered || self.scanner.checksum_valid(&batch)?;
                let reason = match misplaced(&batch, next, next) {
                    Some(reason) => reason,
                    None if batch.header.base_offset != next => {
                        format!("a batch begins at offset {} where {next} is due", batch.header.base_offset)
                    }
                    None if intact => return Ok(Some(batch)),
                    None => "the batch's checksum does not match".to_string(),
                };
                (batch.position, intact, reason)
            }
        };
        let good = find_good_batch(&self.file, &self.path, position, self.size, next)?;
        match is_last && !intact && good.is_none() {
            true => Ok(None),
            false => Err(self.scanner.damaged_at(position, next, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::batch::BatchBuilder;
    use crate::types::Millis;

    /// Segments of two batches of one record each.
    fn directory(bases: &[i64]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for base in bases {
            let batches: Vec<u8> = [*base, base + 1].into_iter().flat_map(batch).collect();
            fs::write(log_file(dir.path(), *base), batches).unwrap();
        }
        dir
    }

    fn batch(offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset(offset));
        builder.append(Millis(1), None, Some(&b"value"[..]), &[]);
        builder.build().to_vec()
    }

    fn log_file(dir: &Path, base: i64) -> PathBuf {
        file_path(dir, Offset(base), FileKind::Log, FileState::Live)
    }

    fn offsets(dir: &Path, from: i64) -> Result<(Extent, Vec<i64>), LogError> {
        let mut seen = Vec::new();
        let extent = read::<LogError>(dir, Offset(from), |batch| {
            seen.push(batch.header.base_offset.0);
            Ok(())
        })?;
        Ok((extent, seen))
    }

    #[test]
    fn whole_logs_are_read_and_torn_tails_are_left() {
        let dir = directory(&[2, 4, 6]);
        let extent = Extent { start: Offset(2), end: Offset(8) };
        assert_eq!(offsets(dir.path(), 0).unwrap(), (extent, vec![2, 3, 4, 5, 6, 7]));
        assert_eq!(offsets(dir.path(), 5).unwrap(), (extent, vec![5, 6, 7]), "from the batch that holds it");
        let torn = fs::read(log_file(dir.path(), 6)).unwrap();
        fs::write(log_file(dir.path(), 6), &torn[..torn.len() - 1]).unwrap();
        assert_eq!(offsets(dir.path(), 6).unwrap(), (Extent { end: Offset(7), ..extent }, vec![6]));
        assert_eq!(fs::read(log_file(dir.path(), 6)).unwrap().len(), torn.len() - 1);
    }

    #[test]
    fn what_is_missing_or_damaged_before_good_data_is_an_error() {
        let dir = directory(&[0, 4]);
        let error = offsets(dir.path(), 0).unwrap_err().to_string();
        assert!(error.contains("00000000000000000004.log") && error.contains("offset 2 is missing"), "{error}");
        assert!(offsets(dir.path(), 4).is_ok(), "what is not read is not missed");
        let dir = directory(&[0, 2]);
        let mut bytes = fs::read(log_file(dir.path(), 0)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(log_file(dir.path(), 0), bytes).unwrap();
        let error = offsets(dir.path(), 0).unwrap_err().to_string();
        assert!(error.contains("checksum") && error.contains("near offset 1"), "{error}");
    }
}
