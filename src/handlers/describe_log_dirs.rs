//! DescribeLogDirs (35): the log directories, their space, and the sizes of the partitions in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Answer, Call};
use crate::log::{DirDescription, ReplicaDescription};
use crate::protocol::messages::DescribeLogDirsRequest;
use crate::protocol::newer::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::types::ErrorCode;

/// The lag of a replica that is not online, or not open yet.
const UNKNOWN_LAG: i64 = -1;

pub(super) async fn handle(call: &Call<'_>, request: DescribeLogDirsRequest) -> Answer {
    let wanted: Option<BTreeSet<(String, i32)>> = request.topics.map(|topics| {
        let partitions = topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic.to_string(), *partition)));
        partitions.collect()
    });
    let wanted = |replica: &ReplicaDescription| match &wanted {
        Some(wanted) => wanted.contains(&(replica.partition.topic.to_string(), replica.partition.partition)),
        None => true,
    };
    let version = call.node.image().metadata_version();
    let cordoning = version.is_some_and(|version| version.cordoned_directories());
    let dirs = directories(call).await;
    let response = DescribeLogDirsResponse {
        results: dirs.into_iter().map(|dir| describe(call, dir, cordoning, &wanted)).collect(),
        ..DescribeLogDirsResponse::default()
    };
    Answer::own(call, &response)
}

fn describe(
    call: &Call<'_>,
    dir: Directory,
    cordoning: bool,
    wanted: &impl Fn(&ReplicaDescription) -> bool,
) -> DescribeLogDirsResult {
    let log_dir = dir.path;
    let Some(dir) = dir.online else {
        let error_code = ErrorCode::KafkaStorageError.code();
        return DescribeLogDirsResult { error_code, log_dir, ..DescribeLogDirsResult::default() };
    };
    let mut topics: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for replica in dir.replicas.iter().filter(|replica| wanted(replica)) {
        topics.entry(replica.partition.topic.to_string()).or_default().push(partition(call, replica));
    }
    let topic = |(name, mut partitions): (String, Vec<DescribeLogDirsPartition>)| {
        partitions.sort_by_key(|partition| (partition.partition_index, partition.is_future_key));
        DescribeLogDirsTopic { name, partitions }
    };
    DescribeLogDirsResult {
        error_code: ErrorCode::None.code(),
        log_dir,
        topics: topics.into_iter().map(topic).collect(),
        total_bytes: dir.total_bytes,
        usable_bytes: dir.usable_bytes,
        is_cordoned: cordoning && dir.is_cordoned,
    }
}

fn partition(call: &Call<'_>, replica: &ReplicaDescription) -> DescribeLogDirsPartition {
    let online = call.node.partitions.named(&replica.partition.topic, replica.partition.partition);
    let offset_lag = match (online, replica.end_offset) {
        (Ok(online), Some(end)) if replica.is_future => online.log().end_offset().0 - end.0,
        (Ok(online), Some(end)) => (online.log().high_watermark().0 - end.0).max(0),
        (Err(_), _) | (_, None) => UNKNOWN_LAG,
    };
    DescribeLogDirsPartition {
        partition_index: replica.partition.partition,
        partition_size: i64::try_from(replica.size).unwrap_or(i64::MAX),
        offset_lag,
        is_future_key: replica.is_future,
    }
}

/// A configured log directory.
pub(super) struct Directory {
    /// Its absolute path, by which clients know it.
    pub path: String,
    /// What is in it; None while it is offline.
    pub online: Option<DirDescription>,
}

/// Every configured log directory once, also those that could not be opened.
pub(super) async fn directories(call: &Call<'_>) -> Vec<Directory> {
    let mut online: BTreeMap<String, DirDescription> = BTreeMap::new();
    let log_dirs = call.node.log_dirs.clone();
    // It fails only at the end of the process.
    let described = tokio::task::spawn_blocking(move || log_dirs.describe()).await.unwrap_or_default();
    online.extend(described.into_iter().filter(|dir| dir.failure.is_none()).map(|dir| (absolute(&dir.path), dir)));
    let mut seen = BTreeSet::new();
    let config = call.node.config.broker();
    let paths = config.log_dirs.iter().map(|path| absolute(path)).filter(|path| seen.insert(path.clone()));
    paths.map(|path| Directory { online: online.remove(&path), path }).collect()
}

fn absolute(path: &Path) -> String {
    let path: PathBuf = path.components().collect();
    let path = std::env::current_dir().map(|current| current.join(&path)).unwrap_or(path);
    path.to_string_lossy().into_owned()
}
