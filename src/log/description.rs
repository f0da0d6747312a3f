//! What there is in the log directories, as DescribeLogDirs tells it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::log_dirs::LogDirs;
use super::names::{FileKind, FileState, parse_file_name};
use crate::types::{DirectoryId, Offset, TopicPartition};

/// What [`LogDirs::describe`] says of a directory.
#[derive(Clone, Debug)]
pub struct DirDescription {
    pub path: PathBuf,
    pub id: DirectoryId,
    pub failure: Option<String>,
    pub is_cordoned: bool,
    /// Size of the file system, and what of it is free for us; -1 where that is unknown.
    pub total_bytes: i64,
    pub usable_bytes: i64,
    pub replicas: Vec<ReplicaDescription>,
}

/// A log in a described directory.
#[derive(Clone, Debug)]
pub struct ReplicaDescription {
    pub partition: TopicPartition,
    pub size: u64,
    /// None while the log is not open.
    pub end_offset: Option<Offset>,
    pub is_future: bool,
}

impl LogDirs {
    /// What DescribeLogDirs answers. Of logs that are not open yet the files are asked: this may wait for a disk.
    pub fn describe(&self) -> Vec<DirDescription> {
        // Before those that are open: one that is opened meanwhile is found twice, and not missed.
        let unopened = self.unopened_places();
        let unopened =
            unopened.into_iter().filter_map(|(partition, place)| Some((partition, size_of(&place.path).ok()?, place)));
        let unopened: Vec<_> = unopened.collect();
        let cordoned = self.read(&self.cordoned);
        let mut described: Vec<DirDescription> = self
            .dirs
            .iter()
            .map(|dir| {
                let space = rustix::fs::statvfs(dir.path()).ok();
                let bytes = |blocks: u64, unit: u64| i64::try_from(blocks.saturating_mul(unit)).unwrap_or(i64::MAX);
                DirDescription {
                    path: dir.path().to_path_buf(),
                    id: dir.id(),
                    failure: dir.failure().map(str::to_string),
                    is_cordoned: cordoned.contains(dir.path()),
                    total_bytes: space.as_ref().map_or(-1, |space| bytes(space.f_blocks, space.f_frsize)),
                    usable_bytes: space.as_ref().map_or(-1, |space| bytes(space.f_bavail, space.f_frsize)),
                    replicas: Vec::new(),
                }
            })
            .collect();
        for (logs, is_future) in [(self.read(&self.logs), false), (self.read(&self.futures), true)] {
            for (partition, placed) in logs.iter() {
                let (partition, log) = (partition.clone(), &placed.log);
                let (size, end_offset) = (log.size(), Some(log.end_offset()));
                described[placed.dir].replicas.push(ReplicaDescription { partition, size, end_offset, is_future });
            }
            for (partition, size, place) in unopened.iter().filter(|(_, _, place)| place.is_future == is_future) {
                if logs.get(partition).is_none_or(|placed| placed.dir != place.dir) {
                    let (partition, size, end_offset) = (partition.clone(), *size, None);
                    described[place.dir].replicas.push(ReplicaDescription { partition, size, end_offset, is_future });
                }
            }
        }
        described
    }
}

/// Bytes of the log files in the directory of a log that is not open.
fn size_of(dir: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Some((_, FileKind::Log, FileState::Live)) = entry.file_name().to_str().and_then(parse_file_name) {
            size += entry.metadata()?.len();
        }
    }
    Ok(size)
}
