//! The file `bootstrap.checkpoint`: the records that an empty metadata log begins with.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;

use crate::metadata::MetadataVersion;
use crate::protocol::kraft::{FeatureLevelRecord, MetadataRecord};
use crate::types::{LeaderEpoch, Millis, Offset};

use super::QuorumError;
use super::batches::{Content, read_batches};
use super::snapshot::{SnapshotContent, SnapshotId, encode, write_durably};

/// The file's name inside a log directory.
const FILE: &str = "bootstrap.checkpoint";

/// Reads the file of a log directory. Without one, a log begins at the newest `metadata.version`, as in Kafka.
pub fn read_bootstrap(log_dir: &Path) -> Result<Vec<MetadataRecord>, QuorumError> {
    let path = log_dir.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![level_record(MetadataVersion::LATEST)]),
        Err(error) => return Err(QuorumError::io("read", &path)(error)),
    };
    let mut records = Vec::new();
    for batch in read_batches(&bytes) {
        match batch.map_err(|reason| QuorumError::damaged(&path, reason))?.content {
            Content::Metadata(found) => records.extend(found),
            Content::Control(_) => {}
        }
    }
    let is_level = |record: &MetadataRecord| matches!(record, MetadataRecord::FeatureLevel(level) if level.name == MetadataVersion::FEATURE);
    match records.iter().any(is_level) {
        true => Ok(records),
        false => Err(QuorumError::damaged(&path, "it has no record of metadata.version")),
    }
}

/// Writes the file. It has the form of a snapshot with no time and no voters.
pub fn write_bootstrap(log_dir: &Path, records: &[MetadataRecord], now: Millis) -> Result<(), QuorumError> {
    let id = SnapshotId { end_offset: Offset::ZERO, epoch: LeaderEpoch(0) };
    let content = SnapshotContent {
        kraft_version: 0,
        voters: None,
        records,
        version: MetadataVersion::LATEST,
        last_timestamp: Millis(0),
    };
    write_durably(&log_dir.join(FILE), &encode(id, &content, now)?.concat())
}

/// The record that finalises `version`.
pub fn level_record(version: MetadataVersion) -> MetadataRecord {
    let name = MetadataVersion::FEATURE.to_owned();
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level: version.level() })
}
