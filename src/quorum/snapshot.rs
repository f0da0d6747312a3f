//! Snapshots: the state at one offset, as control records and metadata records in a file of their own.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::metadata::MetadataVersion;
use crate::protocol::kraft::{
    ControlRecord, KRaftVersionRecord, MetadataRecord, SnapshotFooterRecord, SnapshotHeaderRecord,
};
use crate::types::{LeaderEpoch, Millis, Offset};

use super::batches::{Batch, BatchHead, Content, encode_control, encode_metadata, read_batches};
use super::{BATCH_BYTES_MAX, QuorumError, VoterSet};

/// Which state a snapshot holds: that of everything below `end_offset`, whose last record is of `epoch`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SnapshotId {
    pub end_offset: Offset,
    pub epoch: LeaderEpoch,
}

impl SnapshotId {
    /// What formatting a dynamic quorum leaves: no metadata, only the voters.
    pub const FORMATTED: SnapshotId = SnapshotId { end_offset: Offset::ZERO, epoch: LeaderEpoch(0) };

    /// The file's name.
    pub fn file_name(self) -> String {
        format!("{:020}-{:010}{SUFFIX}", self.end_offset.0, self.epoch.0)
    }

    /// The snapshot that a file of that name holds.
    pub fn parse(name: &str) -> Option<SnapshotId> {
        let (offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let numeric = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        if !numeric(offset, 20) || !numeric(epoch, 10) {
            return None;
        }
        Some(SnapshotId { end_offset: Offset(offset.parse().ok()?), epoch: LeaderEpoch(epoch.parse().ok()?) })
    }
}

const SUFFIX: &str = ".checkpoint";

/// A snapshot as it was read.
#[derive(Debug)]
pub struct Snapshot {
    pub kraft_version: i16,
    pub voters: Option<VoterSet>,
    pub records: Vec<MetadataRecord>,
    /// The time of the last record of the log that the snapshot covers.
    pub last_timestamp: Millis,
}

/// What a snapshot shall hold.
#[derive(Clone, Debug)]
pub struct SnapshotContent<'a> {
    pub kraft_version: i16,
    /// Written at `kraft.version` 1 only.
    pub voters: Option<&'a VoterSet>,
    pub records: &'a [MetadataRecord],
    pub version: MetadataVersion,
    pub last_timestamp: Millis,
}

/// The snapshots in the directory, oldest first.
pub fn list(directory: &Path) -> Result<Vec<SnapshotId>, QuorumError> {
    let mut found: Vec<SnapshotId> = names(directory)?.iter().filter_map(|name| SnapshotId::parse(name)).collect();
    found.sort();
    Ok(found)
}

/// Removes files that were not finished, or that are marked for deletion.
pub fn remove_leftovers(directory: &Path) -> Result<(), QuorumError> {
    let is_left = |name: &&String| name.ends_with(".checkpoint.part") || name.ends_with(".checkpoint.deleted");
    for name in names(directory)?.iter().filter(is_left) {
        let path = directory.join(name);
        fs::remove_file(&path).map_err(QuorumError::io("remove", &path))?;
    }
    Ok(())
}

fn names(directory: &Path) -> Result<Vec<String>, QuorumError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(QuorumError::io("list", directory))? {
        let entry = entry.map_err(QuorumError::io("list", directory))?;
        names.extend(entry.file_name().to_str().map(str::to_owned));
    }
    Ok(names)
}

/// Reads one snapshot and checks that it is whole.
pub fn read(directory: &Path, id: SnapshotId) -> Result<Snapshot, QuorumError> {
    let path = directory.join(id.file_name());
    let bytes = Bytes::from(fs::read(&path).map_err(QuorumError::io("read", &path))?);
    let mut snapshot = Snapshot { kraft_version: 0, voters: None, records: Vec::new(), last_timestamp: Millis(0) };
    let (mut header, mut footer) = (false, false);
    for batch in read_batches(&bytes) {
        let Batch { content, .. } = batch.map_err(|reason| QuorumError::damaged(&path, reason))?;
        if footer {
            return Err(QuorumError::damaged(&path, "there are records behind the footer"));
        }
        match content {
            Content::Metadata(records) if header => snapshot.records.extend(records),
            Content::Metadata(_) => return Err(QuorumError::damaged(&path, "it does not begin with a header")),
            Content::Control(records) => {
                for record in records {
                    match record {
                        ControlRecord::SnapshotHeader(record) => {
                            header = true;
                            snapshot.last_timestamp = Millis(record.last_contained_log_timestamp);
                        }
                        ControlRecord::SnapshotFooter(_) => footer = true,
                        ControlRecord::KRaftVersion(record) => snapshot.kraft_version = record.k_raft_version,
                        ControlRecord::Voters(record) => snapshot.voters = Some(VoterSet::from_record(&record)),
                        ControlRecord::LeaderChange(_) => {
                            return Err(QuorumError::damaged(&path, "a snapshot has no leader change"));
                        }
                    }
                }
            }
        }
    }
    match header && footer {
        true => Ok(snapshot),
        false => Err(QuorumError::damaged(&path, "the snapshot is not whole: its header or its footer is missing")),
    }
}

/// Size of a snapshot and the time of the last record it covers, without reading all of it.
pub fn describe(directory: &Path, id: SnapshotId) -> Result<(u64, Millis), QuorumError> {
    let path = directory.join(id.file_name());
    let file = File::open(&path).map_err(QuorumError::io("open", &path))?;
    let size = file.metadata().map_err(QuorumError::io("stat", &path))?.len();
    // The header stands in the first batch, beside the voters; more of the file need not be in memory.
    let mut first = Vec::new();
    (&file).take(64 * 1024).read_to_end(&mut first).map_err(QuorumError::io("read", &path))?;
    let batch = read_batches(&Bytes::from(first)).next();
    match batch.and_then(Result::ok).map(|batch| batch.content) {
        Some(Content::Control(records)) => {
            let header = records.iter().find_map(|record| match record {
                ControlRecord::SnapshotHeader(header) => Some(Millis(header.last_contained_log_timestamp)),
                _ => None,
            });
            Ok((size, header.unwrap_or_default()))
        }
        Some(Content::Metadata(_)) | None => Err(QuorumError::damaged(&path, "it does not begin with a header")),
    }
}

/// The bytes of a snapshot.
pub fn encode(id: SnapshotId, content: &SnapshotContent<'_>, now: Millis) -> Result<Vec<Bytes>, QuorumError> {
    let mut batches = Vec::new();
    let mut head = BatchHead { base_offset: Offset::ZERO, epoch: id.epoch, timestamp: now };
    let mut first = vec![ControlRecord::SnapshotHeader(SnapshotHeaderRecord {
        version: 0,
        last_contained_log_timestamp: content.last_timestamp.0,
    })];
    if content.kraft_version >= 1 {
        first.push(ControlRecord::KRaftVersion(KRaftVersionRecord {
            version: 0,
            k_raft_version: content.kraft_version,
        }));
        first.extend(content.voters.map(|voters| ControlRecord::Voters(voters.to_record())));
    }
    batches.push(encode_control(head, &first));
    head.base_offset = head.base_offset + first.len() as i64;
    let mut pending: Vec<Bytes> = Vec::new();
    let mut size = 0;
    for record in content.records {
        let bytes = record.encode(content.version.record_version(record))?;
        // Half of what is allowed, so that no estimate of the framing around a record has to be exact.
        if !pending.is_empty() && size + bytes.len() > BATCH_BYTES_MAX / 2 {
            batches.push(encode_metadata(head, &pending));
            head.base_offset = head.base_offset + pending.len() as i64;
            pending.clear();
            size = 0;
        }
        size += bytes.len();
        pending.push(bytes);
    }
    if !pending.is_empty() {
        batches.push(encode_metadata(head, &pending));
        head.base_offset = head.base_offset + pending.len() as i64;
    }
    batches.push(encode_control(head, &[ControlRecord::SnapshotFooter(SnapshotFooterRecord { version: 0 })]));
    Ok(batches)
}

/// Writes a snapshot so that it is there whole or not at all.
pub fn write(directory: &Path, id: SnapshotId, content: &SnapshotContent<'_>, now: Millis) -> Result<u64, QuorumError> {
    let path = directory.join(id.file_name());
    let part = directory.join(format!("{}.part", id.file_name()));
    let bytes = encode(id, content, now)?.concat();
    write_file(&part, &bytes)?;
    // As Kafka leaves them: nobody changes a snapshot.
    fs::set_permissions(&part, Permissions::from_mode(0o400)).map_err(QuorumError::io("protect", &part))?;
    fs::rename(&part, &path).map_err(QuorumError::io("rename", &part))?;
    sync_directory(directory)?;
    Ok(bytes.len() as u64)
}

/// Removes a snapshot that may be gone already.
pub fn remove(directory: &Path, id: SnapshotId) -> Result<(), QuorumError> {
    let path = directory.join(id.file_name());
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(QuorumError::io("remove", &path)(error)),
        _ => Ok(()),
    }
}

/// How many of the oldest snapshots may go: at least one always stays. `oldest_first` gives size and the time of the last covered record.
pub fn expired(oldest_first: &[(u64, Millis)], log_bytes: u64, limits: Retention, now: Millis) -> usize {
    let mut total = log_bytes + oldest_first.iter().map(|(size, _)| size).sum::<u64>();
    let candidates = oldest_first.len().saturating_sub(1);
    let mut count = 0;
    for (size, timestamp) in &oldest_first[..candidates] {
        let too_old = limits.max_age >= Millis(0) && now - *timestamp > limits.max_age;
        let too_big = limits.max_bytes >= 0 && total > limits.max_bytes as u64;
        if !too_old && !too_big {
            break;
        }
        total -= size;
        count += 1;
    }
    count
}

/// Limits of what is kept below the newest snapshot; negative ones are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    pub max_bytes: i64,
    pub max_age: Millis,
}

/// Replaces a file so that a crash leaves the old one or the new one.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), QuorumError> {
    let mut name = path.as_os_str().to_os_string();
    name.push(".tmp");
    let part = PathBuf::from(name);
    match write_file(&part, bytes) {
        Err(error) if error.is_out_of_space() => return overwrite(path, bytes).map_err(|_| error),
        written => written?,
    }
    fs::rename(&part, path).map_err(QuorumError::io("rename", &part))?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), QuorumError> {
    let mut file = File::create(path).map_err(QuorumError::io("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        // On a full disk what there is of it would only take up room.
        let _ = fs::remove_file(path);
        QuorumError::io("write", path)(error)
    })
}

/// Writes into the room that a file has already: what is left on a full disk. It is for files so small that the disk
/// takes them whole or not at all.
fn overwrite(path: &Path, bytes: &[u8]) -> Result<(), QuorumError> {
    let file = fs::OpenOptions::new().write(true).open(path).map_err(QuorumError::io("open", path))?;
    let written = file.write_all_at(bytes, 0).and_then(|()| file.set_len(bytes.len() as u64));
    written.and_then(|()| file.sync_all()).map_err(QuorumError::io("write", path))
}

fn sync_directory(directory: &Path) -> Result<(), QuorumError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(QuorumError::io("sync", directory))
}
