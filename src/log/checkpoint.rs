//! Small text files beside the logs: offset checkpoints, leader epochs, the topic id.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::types::{LeaderEpoch, Offset, TopicId, TopicPartition};

use super::{LogError, disk};

/// End offsets known to be on disk.
pub const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
/// Log starts that are not their segment's base offset.
pub const LOG_START: &str = "log-start-offset-checkpoint";
/// How far compaction has come.
pub const CLEANER: &str = "cleaner-offset-checkpoint";
/// The checkpoints of a log directory.
pub const OF_DIRECTORY: [&str; 4] = [RECOVERY_POINT, LOG_START, HIGH_WATERMARK, CLEANER];
/// The epochs of a partition's leaders.
pub const LEADER_EPOCH: &str = "leader-epoch-checkpoint";
/// The topic id of a partition.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// The only version of checkpoint files.
const VERSION: &str = "0";

/// Reads an offset checkpoint; a missing file holds nothing.
pub fn read_offsets(path: &Path) -> Result<HashMap<TopicPartition, Offset>, LogError> {
    Ok(read_lines(path, offset_entry)?.into_iter().collect())
}

/// Reads those entries of an offset checkpoint that can be read, whatever else stands there.
pub fn read_offsets_leniently(path: &Path) -> Result<HashMap<TopicPartition, Offset>, LogError> {
    let bytes = fs::read(path).map_err(LogError::io("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(offset_entry).collect())
}

fn offset_entry(line: &str) -> Option<(TopicPartition, Offset)> {
    let mut fields = line.split_whitespace();
    let (topic, partition, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let entry = (TopicPartition::new(topic, partition.parse().ok()?), Offset(offset.parse().ok()?));
    fields.next().is_none().then_some(entry)
}

/// Replaces an offset checkpoint.
pub fn write_offsets<'a>(
    path: &Path,
    offsets: impl Iterator<Item = (&'a TopicPartition, Offset)>,
) -> Result<(), LogError> {
    write_lines(
        path,
        offsets.map(|(partition, offset)| format!("{} {} {offset}", partition.topic, partition.partition)),
    )
}

/// Reads `leader-epoch-checkpoint`; a missing file holds nothing.
pub fn read_epochs(path: &Path) -> Result<Vec<(LeaderEpoch, Offset)>, LogError> {
    read_lines(path, |line| {
        let (epoch, offset) = line.split_once(char::is_whitespace)?;
        Some((LeaderEpoch(epoch.parse().ok()?), Offset(offset.trim().parse().ok()?)))
    })
}

/// Writes what is to take the place of `leader-epoch-checkpoint`, where the caller syncs everything at once.
pub fn write_epochs_beside(path: &Path, epochs: &[(LeaderEpoch, Offset)]) -> Result<(), LogError> {
    disk::write_beside_unsynced(path, epochs_text(epochs).as_bytes())
}

/// Replaces `leader-epoch-checkpoint`.
pub fn write_epochs(path: &Path, epochs: &[(LeaderEpoch, Offset)]) -> Result<(), LogError> {
    disk::write_atomically(path, epochs_text(epochs).as_bytes())
}

fn epochs_text(epochs: &[(LeaderEpoch, Offset)]) -> String {
    lines_text(epochs.iter().map(|(epoch, offset)| format!("{epoch} {offset}")))
}

/// Reads the topic id of the partition in `dir`.
pub fn read_topic_id(dir: &Path) -> Result<Option<TopicId>, LogError> {
    let path = dir.join(PARTITION_METADATA);
    let Some(text) = disk::read_small(&path)? else { return Ok(None) };
    if text.bytes().all(|byte| byte == 0) || is_begun(&text) {
        // A crash before it was synced. The directory's name tells the topic: a deleted one's is renamed, and that is
        // synced, before another can have the name.
        return Ok(None);
    }
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
    };
    let bad = |reason: String| LogError::BadFile { path: path.clone(), reason };
    match (field("version"), field("topic_id").map(str::parse)) {
        (Some(VERSION), Some(Ok(id))) => Ok(Some(id)),
        (Some(VERSION), Some(Err(error))) => Err(bad(format!("its topic_id: {error}"))),
        (version, _) => Err(bad(format!("version {VERSION} and a topic_id are expected, found version {version:?}"))),
    }
}

/// Whether `text` is the beginning of what tells a topic id.
fn is_begun(text: &str) -> bool {
    let whole = topic_id_text(TopicId::ONE);
    text.len() < whole.len() && (whole.starts_with(text) || text.starts_with(&topic_id_head()))
}

fn topic_id_head() -> String {
    format!("version: {VERSION}\ntopic_id: ")
}

fn topic_id_text(id: TopicId) -> String {
    format!("{}{id}", topic_id_head())
}

/// Writes the topic id of the partition in `dir`, not yet synced.
pub fn write_topic_id(dir: &Path, id: TopicId) -> Result<(), LogError> {
    let path = dir.join(PARTITION_METADATA);
    disk::write_file(&path, topic_id_text(id).as_bytes()).map(drop)
}

fn write_lines(path: &Path, lines: impl Iterator<Item = String>) -> Result<(), LogError> {
    disk::write_atomically(path, lines_text(lines).as_bytes())
}

fn lines_text(lines: impl Iterator<Item = String>) -> String {
    let mut body = String::new();
    let mut count = 0;
    for line in lines {
        count += 1;
        body.push_str(&line);
        body.push('\n');
    }
    let mut text = String::new();
    write!(text, "{VERSION}\n{count}\n").expect("writing to a string never fails");
    text.push_str(&body);
    text
}

fn read_lines<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, LogError> {
    let Some(text) = disk::read_small(path)? else { return Ok(Vec::new()) };
    let bad = |reason: &str| LogError::BadFile { path: path.to_path_buf(), reason: reason.to_string() };
    let mut lines = text.lines();
    match lines.next().map(str::trim) {
        None => return Ok(Vec::new()),
        Some(VERSION) => {}
        Some(_) => return Err(bad("unknown version of a checkpoint file")),
    }
    let count: usize = lines.next().and_then(|line| line.trim().parse().ok()).ok_or_else(|| bad("no entry count"))?;
    let entries: Option<Vec<T>> = lines.filter(|line| !line.is_empty()).map(parse).collect();
    match entries {
        Some(entries) if entries.len() == count => Ok(entries),
        Some(_) => Err(bad("its entry count does not match its lines")),
        None => Err(bad("malformed line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kafkas_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT);
        assert!(read_offsets(&path).unwrap().is_empty());
        let partition = TopicPartition::new("a-topic", 3);
        write_offsets(&path, [(&partition, Offset(42))].into_iter()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "0\n1\na-topic 3 42\n");
        assert_eq!(read_offsets(&path).unwrap(), HashMap::from([(partition, Offset(42))]));

        let path = dir.path().join(LEADER_EPOCH);
        let epochs = [(LeaderEpoch(0), Offset(0)), (LeaderEpoch(4), Offset(17))];
        write_epochs(&path, &epochs).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "0\n2\n0 0\n4 17\n");
        assert_eq!(read_epochs(&path).unwrap(), epochs);

        write_topic_id(dir.path(), TopicId::ONE).unwrap();
        let text = fs::read_to_string(dir.path().join(PARTITION_METADATA)).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(read_topic_id(dir.path()).unwrap(), Some(TopicId::ONE));
        for len in 0..text.len() {
            fs::write(dir.path().join(PARTITION_METADATA), &text[..len]).unwrap();
            assert_eq!(read_topic_id(dir.path()).unwrap(), None, "a crash leaves {len} bytes");
        }
    }

    #[test]
    fn malformed_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HIGH_WATERMARK);
        for text in ["1\n0\n", "0\n2\nt 0 1\n", "0\n1\nt zero 1\n", "0\nx\n", "0\n1\nt 0 1 2\n"] {
            fs::write(&path, text).unwrap();
            let error = read_offsets(&path).unwrap_err().to_string();
            assert!(error.contains(HIGH_WATERMARK), "{text:?}: {error}");
        }
    }
}
