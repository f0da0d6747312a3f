//! What a check has to say: one line each, where it is, what is wrong and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::log::AbortedTxn;
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// Findings of one kind in one file before the rest is only counted.
const OF_ONE_FILE_MAX: usize = 20;

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Severity {
    /// What a stop or a crash may leave behind, and the next start puts in order.
    Note,
    /// Something that was written is not what it was, or is gone.
    Damage,
}

/// A change that puts one finding right. It loses nothing that could be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fix {
    /// Build the offset and the time index of the segment of `base` from its log.
    RebuildIndexes { dir: PathBuf, base: Offset, interval: u64 },
    /// Write the aborted transactions that the log holds.
    WriteTxnIndex { path: PathBuf, aborted: Vec<AbortedTxn> },
    /// Cut what stands behind the last whole batch of a log, where recovery would cut.
    CutTail { path: PathBuf, size: u64 },
    /// Remove a file that is made again or not needed.
    Remove { path: PathBuf },
    /// Drop the entry of a partition from a checkpoint.
    DropEntry { path: PathBuf, partition: TopicPartition },
    /// Keep only those lines of a checkpoint that can be read.
    KeepReadable { path: PathBuf },
    /// Write the leader epochs that the batches bear.
    WriteEpochs { path: PathBuf, epochs: Vec<(LeaderEpoch, Offset)> },
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) path: PathBuf,
    /// Bytes from the beginning of the file.
    pub(super) position: Option<u64>,
    pub(super) offset: Option<Offset>,
    pub(super) what: String,
    pub(super) remedy: String,
    /// What `--repair` does about it, in order.
    pub(super) fixes: Vec<Fix>,
}

impl Finding {
    pub(super) fn is_damage(&self) -> bool {
        self.severity == Severity::Damage
    }

    pub(super) fn at(mut self, position: u64, offset: Offset) -> Finding {
        self.position = Some(position);
        self.offset = Some(offset).filter(|offset| *offset >= Offset::ZERO);
        self
    }

    pub(super) fn fixed_by(mut self, fix: Fix) -> Finding {
        self.fixes.push(fix);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Note => "note",
            Severity::Damage => "damage",
        };
        write!(f, "{kind}: {}: ", self.path.display())?;
        match (self.position, self.offset) {
            (Some(position), Some(offset)) => write!(f, "byte {position}, offset {offset}: ")?,
            (Some(position), None) => write!(f, "byte {position}: ")?,
            (None, _) => {}
        }
        write!(f, "{}", self.what)?;
        match self.remedy.is_empty() {
            true => Ok(()),
            false => write!(f, "; {}", self.remedy),
        }
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fix::RebuildIndexes { dir, base, .. } => {
                write!(f, "rebuild {:020}.index and .timeindex in {} from the log", base.0, dir.display())
            }
            Fix::WriteTxnIndex { path, aborted } => {
                write!(f, "write {} anew, with {} aborted transactions", path.display(), aborted.len())
            }
            Fix::CutTail { path, size } => write!(f, "cut {} to {size} bytes, its last whole batch", path.display()),
            Fix::Remove { path } => write!(f, "remove {}", path.display()),
            Fix::DropEntry { path, partition } => write!(f, "drop the entry of {partition} from {}", path.display()),
            Fix::KeepReadable { path } => write!(f, "drop the lines of {} that cannot be read", path.display()),
            Fix::WriteEpochs { path, .. } => write!(f, "write {} anew, as the batches have it", path.display()),
        }
    }
}

/// The findings of one part of a check, in order.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    /// How many the last file had beyond those that are listed.
    unlisted: usize,
}

impl Findings {
    /// Adds a finding without a place in its file, to be given one.
    pub(super) fn add(&mut self, finding: Finding) {
        let path = &finding.path;
        let same = self.list.iter().rev().take_while(|one| one.path == *path).count();
        if same < OF_ONE_FILE_MAX {
            self.list.push(finding);
            return;
        }
        self.unlisted = if same == OF_ONE_FILE_MAX { 1 } else { self.unlisted + 1 };
        let summary = Finding {
            what: format!("{} more like these", self.unlisted),
            position: None,
            offset: None,
            remedy: String::new(),
            fixes: Vec::new(),
            ..finding
        };
        self.list.truncate(self.list.len() - (same - OF_ONE_FILE_MAX));
        self.list.push(summary);
    }

    /// Adds a note.
    pub(super) fn note(&mut self, path: &Path, what: impl Into<String>) {
        self.add(note(path, what));
    }

    /// Adds damage.
    pub(super) fn damage(&mut self, path: &Path, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(damage(path, what, remedy));
    }
}

/// A note, which asks for nothing.
pub(super) fn note(path: &Path, what: impl Into<String>) -> Finding {
    finding(Severity::Note, path, what.into(), String::new())
}

/// Damage, and what to do about it.
pub(super) fn damage(path: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    finding(Severity::Damage, path, what.into(), remedy.into())
}

fn finding(severity: Severity, path: &Path, what: String, remedy: String) -> Finding {
    Finding { severity, path: path.to_path_buf(), position: None, offset: None, what, remedy, fixes: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_its_place() {
        let found = damage(Path::new("/d/t-0/0.log"), "it is torn", "cut it").at(7, Offset(3));
        assert_eq!(found.to_string(), "damage: /d/t-0/0.log: byte 7, offset 3: it is torn; cut it");
        assert_eq!(note(Path::new("/d"), "all is well").to_string(), "note: /d: all is well");
    }

    #[test]
    fn what_a_file_repeats_is_counted() {
        let mut findings = Findings::default();
        for n in 0..50 {
            findings.damage(Path::new("/d/a"), format!("{n}"), "");
        }
        findings.damage(Path::new("/d/b"), "one", "");
        assert_eq!(findings.list.len(), OF_ONE_FILE_MAX + 2);
        assert_eq!(findings.list[OF_ONE_FILE_MAX].what, "30 more like these");
    }
}
