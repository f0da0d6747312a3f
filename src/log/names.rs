//! The names of partition directories and of the files in them.

use std::path::{Path, PathBuf};

use crate::types::{Offset, TopicPartition, Uuid};

/// A file name carries its base offset in twenty digits.
const OFFSET_DIGITS: usize = 20;
/// The longest directory name that file systems take.
const NAME_BYTES_MAX: usize = 255;

/// What a file of a segment holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TxnIndex,
    Snapshot,
}

impl FileKind {
    /// The files that belong to one segment and disappear with it.
    pub const OF_SEGMENT: [FileKind; 4] =
        [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex];

    /// The name's ending, with its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            FileKind::Log => ".log",
            FileKind::OffsetIndex => ".index",
            FileKind::TimeIndex => ".timeindex",
            FileKind::TxnIndex => ".txnindex",
            FileKind::Snapshot => ".snapshot",
        }
    }
}

/// A state that a file is passing through; `Live` is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FileState {
    Live,
    /// Written by the cleaner, not yet complete.
    Cleaned,
    /// Complete, about to replace the segments that it covers.
    Swap,
    /// Waiting to be removed.
    Deleted,
}

impl FileState {
    /// What is appended to the live name.
    pub fn suffix(self) -> &'static str {
        match self {
            FileState::Live => "",
            FileState::Cleaned => ".cleaned",
            FileState::Swap => ".swap",
            FileState::Deleted => ".deleted",
        }
    }
}

/// The path of a segment's file.
pub fn file_path(dir: &Path, base: Offset, kind: FileKind, state: FileState) -> PathBuf {
    dir.join(format!("{:0width$}{}{}", base.0, kind.suffix(), state.suffix(), width = OFFSET_DIGITS))
}

/// Takes a file name apart, if it is one of a segment's or a producer snapshot's.
pub fn parse_file_name(name: &str) -> Option<(Offset, FileKind, FileState)> {
    let digits = name.find('.')?;
    let base: i64 = name[..digits].parse().ok().filter(|base| *base >= 0)?;
    let rest = &name[digits..];
    let states = [FileState::Cleaned, FileState::Swap, FileState::Deleted];
    let (rest, state) = states
        .into_iter()
        .find_map(|state| rest.strip_suffix(state.suffix()).map(|rest| (rest, state)))
        .unwrap_or((rest, FileState::Live));
    let kinds = [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex, FileKind::Snapshot];
    let kind = kinds.into_iter().find(|kind| kind.suffix() == rest)?;
    Some((Offset(base), kind, state))
}

/// What a directory in a log directory is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PartitionDir {
    /// A partition in use.
    Current(TopicPartition),
    /// A copy in the making that will replace the partition in another log directory.
    Future(TopicPartition),
    /// A deleted partition whose files wait to be removed.
    Delete(TopicPartition),
    /// A partition the metadata knows nothing of; kept, never served.
    Stray(TopicPartition),
}

/// The directory of a partition in use.
pub fn current_dir_name(partition: &TopicPartition) -> String {
    partition.to_string()
}

/// A fresh name for the copy that is to replace `partition`.
pub fn future_dir_name(partition: &TopicPartition) -> String {
    unique_name(partition, "-future")
}

/// A fresh name for the directory of `partition` once it is deleted.
pub fn delete_dir_name(partition: &TopicPartition) -> String {
    unique_name(partition, "-delete")
}

/// A fresh name for the directory of `partition` once it is found to be stray.
pub fn stray_dir_name(partition: &TopicPartition) -> String {
    unique_name(partition, "-stray")
}

/// `<topic>-<partition>.<id><suffix>`, with the topic's name cut where the whole would be too long for a name.
fn unique_name(partition: &TopicPartition, suffix: &str) -> String {
    let id: String = Uuid::random().0.iter().map(|byte| format!("{byte:02x}")).collect();
    let tail = format!("-{}.{id}{suffix}", partition.partition);
    let topic = &partition.topic[..partition.topic.len().min(NAME_BYTES_MAX - tail.len())];
    format!("{topic}{tail}")
}

/// Takes a directory name apart. `None` is for directories that are no partition at all.
pub fn parse_dir_name(name: &str) -> Option<PartitionDir> {
    type Form = fn(TopicPartition) -> PartitionDir;
    let forms: [(&str, Form); 3] =
        [("-delete", PartitionDir::Delete), ("-future", PartitionDir::Future), ("-stray", PartitionDir::Stray)];
    for (suffix, form) in forms {
        let Some((partition, id)) = name.strip_suffix(suffix).and_then(|stem| stem.rsplit_once('.')) else {
            continue;
        };
        if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return parse_partition(partition).map(form);
        }
    }
    parse_partition(name).map(PartitionDir::Current)
}

fn parse_partition(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let partition = partition.parse().ok()?;
    (digits && !topic.is_empty() && topic.bytes().all(legal)).then(|| TopicPartition::new(topic, partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_round_trip() {
        for kind in FileKind::OF_SEGMENT {
            for state in [FileState::Live, FileState::Cleaned, FileState::Swap, FileState::Deleted] {
                let path = file_path(Path::new("/d"), Offset(1234), kind, state);
                let name = path.file_name().unwrap().to_str().unwrap();
                assert_eq!(parse_file_name(name), Some((Offset(1234), kind, state)), "{name}");
            }
        }
        assert_eq!(parse_file_name("00000000000000000007.log.old"), None);
        assert_eq!(parse_file_name("leader-epoch-checkpoint"), None);
        assert_eq!(parse_file_name("00000000000000000000-0000000000.checkpoint"), None);
    }

    #[test]
    fn directory_names_round_trip() {
        let partition = TopicPartition::new("a.b-c_d", 7);
        assert_eq!(parse_dir_name("a.b-c_d-7"), Some(PartitionDir::Current(partition.clone())));
        assert_eq!(parse_dir_name(&future_dir_name(&partition)), Some(PartitionDir::Future(partition.clone())));
        assert_eq!(parse_dir_name(&delete_dir_name(&partition)), Some(PartitionDir::Delete(partition.clone())));
        assert_eq!(parse_dir_name(&stray_dir_name(&partition)), Some(PartitionDir::Stray(partition)));
        assert_eq!(parse_dir_name("lost+found"), None);
        assert_eq!(parse_dir_name("topic-"), None);
        let long = TopicPartition::new("x".repeat(249), 0);
        assert_eq!(delete_dir_name(&long).len(), 255);
    }
}
