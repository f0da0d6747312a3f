//! What there is in the log directories, as DescribeLogDirs tells it.

use std::path::PathBuf;

use super::log_dirs::LogDirs;
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
    pub end_offset: Offset,
    pub is_future: bool,
}

impl LogDirs {
    /// What DescribeLogDirs answers.
    pub fn describe(&self) -> Vec<DirDescription> {
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
                let (size, end_offset) = (log.size(), log.end_offset());
                described[placed.dir].replicas.push(ReplicaDescription { partition, size, end_offset, is_future });
            }
        }
        described
    }
}
