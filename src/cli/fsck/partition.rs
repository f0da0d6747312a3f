//! One partition: its files, its segments one after the other, and what stands beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::batches::{BatchCheck, Verdict, export_remedy};
use super::content::{Content, Fault};
use super::epochs::EpochRuns;
use super::finding::{Findings, Fix, damage, note};
use super::producers::Producers;
use super::progress::Progress;
use super::segment::SegmentCheck;
use crate::log::names::{FileKind, FileState, file_path, parse_file_name};
use crate::log::scan::{Located, Scanner};
use crate::log::{LogError, checkpoint};
use crate::protocol::kraft::MetadataRecord;
use crate::types::{Offset, TopicPartition};

/// A partition's directory and what is known of it beforehand.
pub(super) struct Subject<'a> {
    pub(super) path: &'a Path,
    pub(super) partition: TopicPartition,
    pub(super) content: Content,
    /// The last stop was clean: nothing is recovered at the next start.
    pub(super) clean: bool,
    pub(super) recovery_point: Offset,
    /// Records in front of it were deleted.
    pub(super) log_start: Offset,
    /// How far the cleaner came, if it ever did.
    pub(super) cleaned_to: Option<Offset>,
    /// Its topic is a compacted one.
    pub(super) compacted: bool,
    /// Bytes of the log between two entries of an index that is built.
    pub(super) index_interval: u64,
}

impl Subject<'_> {
    /// Whether records in front of `offset` may be gone for good reason. The cleaner's checkpoint is written behind
    /// its work, so that a crash may leave it too low.
    pub(super) fn may_have_gap(&self, offset: Offset) -> bool {
        self.cleaned_to.is_some_and(|cleaned| offset <= cleaned) || (self.compacted && !self.clean)
    }
}

/// What a partition turned out to hold.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Extent {
    /// Where the first segment begins, and what follows the last batch.
    pub(super) start: Offset,
    pub(super) end: Offset,
    pub(super) segments: usize,
    pub(super) bytes: u64,
    /// There is no damage before the end.
    pub(super) sound: bool,
}

/// Who is told of every record of the metadata log, with its offset.
pub(super) type MetadataSink<'a> = &'a mut dyn FnMut(Offset, MetadataRecord);

/// The state of a walk over a partition's segments.
pub(super) struct Walk<'s> {
    pub(super) subject: &'s Subject<'s>,
    pub(super) findings: &'s mut Findings,
    progress: &'s Progress,
    sink: MetadataSink<'s>,
    batches: BatchCheck,
    pub(super) epochs: EpochRuns,
    pub(super) producers: Producers,
    /// The largest distance between two entries of the last offset index.
    pub(super) index_gap: u64,
    /// Every batch so far was good.
    sound: bool,
}

impl Walk<'_> {
    /// Checks a whole batch; what is wrong with its records is put into `faults`.
    pub(super) fn look_into(
        &mut self,
        scan: &mut Scanner,
        batch: &Located,
        faults: &mut Vec<(Offset, Fault)>,
    ) -> Result<Verdict, LogError> {
        let (content, sink) = (self.subject.content, &mut self.sink);
        self.progress.add(batch.header.total_len() as u64);
        self.batches.check(scan, batch, &mut |header, record| {
            let offset = header.offset_of(record);
            match content.decode(header, record) {
                Ok(None) => {}
                Ok(Some(record)) => sink(offset, record),
                Err(fault) => faults.push((offset, fault)),
            }
        })
    }
}

/// Checks everything in the directory of a partition.
pub(super) fn check(
    subject: &Subject<'_>,
    findings: &mut Findings,
    progress: &Progress,
    sink: MetadataSink<'_>,
) -> Result<Extent, LogError> {
    let files = Files::list(subject, findings)?;
    let mut walk = Walk {
        subject,
        findings,
        progress,
        sink,
        batches: BatchCheck::new(),
        epochs: EpochRuns::default(),
        producers: Producers::new(),
        index_gap: 0,
        sound: true,
    };
    let bases: Vec<Offset> = files.logs.iter().copied().collect();
    let start = bases.first().copied().unwrap_or(Offset::ZERO);
    let mut end = start;
    let mut snapshots = files.snapshots.iter().copied().peekable();
    for (n, base) in bases.iter().copied().enumerate() {
        while let Some(offset) = snapshots.next_if(|offset| *offset <= base) {
            walk.snapshot(offset, offset == end)?;
        }
        if base > end && !subject.may_have_gap(base) {
            walk.missing(base, end);
        }
        let next = bases.get(n + 1).copied();
        let (after, good) = SegmentCheck::run(&mut walk, base, next)?;
        walk.sound &= good;
        // Behind damage the next segment's name is the better witness of where offsets go on.
        end = next.filter(|_| !good).unwrap_or(after);
    }
    for offset in snapshots {
        walk.last_snapshots(offset, end)?;
    }
    walk.epochs(end)?;
    let sound = walk.sound;
    Ok(Extent { start, end, segments: bases.len(), bytes: files.bytes, sound })
}

impl Walk<'_> {
    /// A segment between two others is gone.
    fn missing(&mut self, base: Offset, end: Offset) {
        let path = file_path(self.subject.path, base, FileKind::Log, FileState::Live);
        let what =
            format!("the offsets {end} to {} are missing in front of this segment: a segment is gone", base + -1);
        let partition = &self.subject.partition;
        let remedy = format!("restore the missing file from a copy, or save what is left with --export {partition}");
        self.findings.add(damage(&path, what, remedy).at(0, base));
    }

    /// The snapshot at `offset`, where the batches seen so far end if `complete`.
    fn snapshot(&mut self, offset: Offset, complete: bool) -> Result<(), LogError> {
        let path = self.snapshot_path(offset);
        let replayed = complete && self.sound && self.subject.cleaned_to.is_none() && !self.subject.compacted;
        let checked = self.producers.check_snapshot(&path, replayed);
        if let Some(what) = checked.map_err(LogError::io("read", &path))? {
            self.bad_snapshot(path, offset, what);
        }
        Ok(())
    }

    /// A snapshot behind the beginning of the last segment.
    fn last_snapshots(&mut self, offset: Offset, end: Offset) -> Result<(), LogError> {
        if offset <= end {
            return self.snapshot(offset, offset == end);
        }
        let what = format!("it is of an offset behind the log's end {end}");
        self.bad_snapshot(self.snapshot_path(offset), offset, what);
        Ok(())
    }

    fn bad_snapshot(&mut self, path: PathBuf, offset: Offset, what: String) {
        let unflushed = !self.subject.clean && offset > self.subject.recovery_point;
        let remedy = "--repair removes it; producers are read from the log again";
        self.findings.add(match unflushed {
            true => note(&path, format!("{what}: the next start removes it")),
            false => damage(&path, what, remedy).fixed_by(Fix::Remove { path: path.clone() }),
        });
    }

    fn snapshot_path(&self, offset: Offset) -> PathBuf {
        file_path(self.subject.path, offset, FileKind::Snapshot, FileState::Live)
    }

    /// The leader epochs of the checkpoint, held against those of the batches.
    fn epochs(&mut self, end: Offset) -> Result<(), LogError> {
        let path = self.subject.path.join(checkpoint::LEADER_EPOCH);
        let read = checkpoint::read_epochs(&path);
        // Behind the recovery point the next start reads the epochs of the batches themselves.
        let (start, known) = (self.subject.log_start, self.subject.recovery_point.min(end));
        let told = start..if self.subject.clean { end } else { known };
        let what = match &read {
            Ok(entries) => self.epochs.fault(entries, &told),
            Err(LogError::BadFile { reason, .. }) => Some(reason.clone()),
            Err(error) => return Err(error.clone()),
        };
        let Some(what) = what else { return Ok(()) };
        let epochs = self.epochs.rebuilt(&read.unwrap_or_default(), start, end);
        let fix = Fix::WriteEpochs { path: path.clone(), epochs };
        self.findings.add(damage(&path, what, "--repair writes it as the batches have it").fixed_by(fix));
        Ok(())
    }
}

/// The files of a partition.
struct Files {
    logs: BTreeSet<Offset>,
    snapshots: BTreeSet<Offset>,
    bytes: u64,
}

impl Files {
    /// Lists the directory, and says what does not belong there.
    fn list(subject: &Subject<'_>, findings: &mut Findings) -> Result<Files, LogError> {
        let mut files = Files { logs: BTreeSet::new(), snapshots: BTreeSet::new(), bytes: 0 };
        let mut indexes = BTreeSet::new();
        let mut names: Vec<_> = Vec::new();
        for entry in fs::read_dir(subject.path).map_err(LogError::io("list", subject.path))? {
            let entry = entry.map_err(LogError::io("list", subject.path))?;
            let len = entry.metadata().map_err(LogError::io("stat", entry.path()))?.len();
            names.push((entry.path(), entry.file_name().to_string_lossy().into_owned(), len));
        }
        names.sort();
        for (path, name, len) in names {
            match parse_file_name(&name) {
                Some((base, kind, FileState::Live)) if path == file_path(subject.path, base, kind, FileState::Live) => {
                    match kind {
                        FileKind::Log => {
                            files.bytes += len;
                            files.logs.insert(base);
                        }
                        FileKind::Snapshot => {
                            files.snapshots.insert(base);
                        }
                        _ => {
                            indexes.insert((base, path));
                        }
                    }
                }
                Some((_, _, FileState::Live)) => {
                    let remedy = "give it the name it had: its first offset in twenty digits";
                    findings.damage(&path, "a segment's file whose offset is not written in twenty digits", remedy);
                }
                Some((_, _, state)) => {
                    let what = format!("an interrupted change left this behind ({state:?}): the next start settles it");
                    findings.note(&path, what);
                }
                None if is_known(subject, &name) => {}
                None if name.ends_with(".tmp") => findings.note(&path, "an interrupted change left this behind"),
                None => findings.note(&path, "a file that no broker has written; brokers pass over it"),
            }
        }
        for (base, path) in indexes.into_iter().filter(|(base, _)| !files.logs.contains(base)) {
            let finding = match base {
                _ if files.logs.is_empty() => {
                    damage(&path, "an index without its log: the segments are gone", export_remedy(&subject.partition))
                }
                _ => note(&path, "an index without its log: the next start removes it"),
            };
            findings.add(finding);
        }
        Ok(files)
    }
}

/// What stands beside the segments.
fn is_known(subject: &Subject<'_>, name: &str) -> bool {
    let metadata = ["quorum-state", "bootstrap.checkpoint"];
    name == checkpoint::LEADER_EPOCH
        || name == checkpoint::PARTITION_METADATA
        || (subject.content == Content::Metadata && (metadata.contains(&name) || name.contains(".checkpoint")))
}
