//! The metadata log: its snapshots, its records, and the vote in `quorum-state`.

use std::fs;
use std::path::Path;

use super::batches::{BatchCheck, Verdict};
use super::content::{Content, Fault};
use super::directory::LogDirectory;
use super::finding::{Finding, Findings, Fix, damage, note};
use super::log_file::{LogFile, WINDOW_BYTES};
use super::partition::{self, Extent, Subject};
use super::progress::Progress;
use super::topics::Topics;
use crate::log::LogError;
use crate::log::scan::Step;
use crate::protocol::control::ControlType;
use crate::protocol::kraft::MetadataRecord;
use crate::quorum::{ElectionState, QuorumError, SnapshotId};
use crate::types::{METADATA_TOPIC, Offset, TopicPartition};

/// What an empty metadata log begins with.
const BOOTSTRAP: &str = "bootstrap.checkpoint";
const REMEDY: &str = "restore the file from a copy, or from another controller of the quorum";

/// Checks the metadata log in `path` and answers the topics it tells of, and its extent.
pub(super) fn check(
    directory: &LogDirectory,
    path: &Path,
    findings: &mut Findings,
    progress: &Progress,
) -> Result<(Topics, Extent), LogError> {
    let node = directory.meta.as_ref().map_or(-1, |meta| meta.node_id.0);
    let (good, bad) = check_snapshots(path, findings)?;
    let mut topics = Topics::of_node(node);
    let newest = good.last().copied();
    if let Some(id) = newest {
        read_snapshot(&path.join(id.file_name()), &mut |_, record| topics.replay(record))?;
    }
    check_vote(path, findings);
    let bootstrap = directory.path.join(BOOTSTRAP);
    if bootstrap.exists() {
        read_snapshot(&bootstrap, &mut |_, _| ())?.into_iter().for_each(|finding| findings.add(finding));
    }
    let covered = newest.map_or(Offset::ZERO, |id| id.end_offset);
    let subject = Subject {
        path,
        partition: TopicPartition::new(METADATA_TOPIC, 0),
        content: Content::Metadata,
        clean: directory.clean,
        recovery_point: covered,
        // The log is cut at its oldest snapshot.
        log_start: good.first().map_or(Offset::ZERO, |id| id.end_offset),
        cleaned_to: None,
        compacted: false,
        index_interval: super::INDEX_INTERVAL_BYTES,
    };
    let extent = partition::check(&subject, findings, progress, &mut |offset, record| {
        if offset >= covered {
            topics.replay(record);
        }
    })?;
    if extent.start > covered || extent.end < covered {
        let (start, end) = (extent.start, extent.end);
        let what = format!("the log holds {start} to {end}, which does not continue the snapshot at {covered}");
        findings.damage(path, what, REMEDY);
    }
    for (id, mut finding) in bad {
        // What it held is told again by an older snapshot and the log behind that, or by the log alone.
        let older = good.iter().any(|older| older.end_offset >= extent.start && older.end_offset <= id.end_offset);
        if extent.sound && (older || extent.start == Offset::ZERO) && id != SnapshotId::FORMATTED {
            let remedy = "--repair removes it: what is older tells the same, and the next snapshot replaces it";
            finding.remedy = remedy.to_owned();
            finding = finding.fixed_by(Fix::Remove { path: path.join(id.file_name()) });
        }
        findings.add(finding);
    }
    Ok((topics, extent))
}

/// Snapshots that cannot be read, and why.
type BadSnapshots = Vec<(SnapshotId, Finding)>;

/// The snapshots that can be read, oldest first, and what is wrong with the others.
fn check_snapshots(directory: &Path, findings: &mut Findings) -> Result<(Vec<SnapshotId>, BadSnapshots), LogError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(LogError::io("list", directory))? {
        names.push(entry.map_err(LogError::io("list", directory))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for name in names {
        let path = directory.join(&name);
        match SnapshotId::parse(&name) {
            None if name.contains(".checkpoint.") => {
                findings.note(&path, "an interrupted change left this behind: the next start removes it");
            }
            None => {}
            Some(id) => match read_snapshot(&path, &mut |_, _| ())? {
                None => good.push(id),
                Some(finding) => bad.push((id, finding)),
            },
        }
    }
    Ok((good, bad))
}

/// Reads a snapshot from its header to its footer; answers the first thing that is wrong with it.
fn read_snapshot(path: &Path, sink: &mut dyn FnMut(Offset, MetadataRecord)) -> Result<Option<Finding>, LogError> {
    let mut scan = LogFile::open(path)?.scan(0, WINDOW_BYTES);
    let mut check = BatchCheck::new();
    let (mut header, mut footer) = (false, false);
    loop {
        let at = scan.position();
        let wrong = |what: String| Ok(Some(damage(path, what, REMEDY).at(at, Offset::NONE)));
        let batch = match scan.step()? {
            Step::End if header && footer => return Ok(None),
            Step::End => return wrong("the snapshot is not whole: its header or its footer is missing".to_owned()),
            Step::Broken(reason) => return wrong(reason),
            Step::Batch(batch) => batch,
        };
        let mut fault = None;
        let verdict =
            check.check(&mut scan, &batch, &mut |head, record| match Content::Metadata.decode(head, record) {
                Ok(None) => {}
                Ok(Some(record)) => sink(head.base_offset, record),
                Err(Fault::Unknown(what) | Fault::Undecodable(what)) => {
                    fault.get_or_insert(what);
                }
            })?;
        if let Some(what) = fault {
            return wrong(format!("a record that cannot be decoded: {what}"));
        }
        match verdict {
            Verdict::Bad { reason, .. } => return wrong(reason),
            _ if footer => return wrong("there are records behind the footer".to_owned()),
            Verdict::Good { control: Some(ControlType::SnapshotHeader) } => header = true,
            Verdict::Good { control: Some(ControlType::SnapshotFooter) } => footer = true,
            _ if !header => return wrong("it does not begin with a header".to_owned()),
            Verdict::Good { .. } | Verdict::TooLarge => {}
        }
    }
}

fn check_vote(path: &Path, findings: &mut Findings) {
    let file = path.join(ElectionState::FILE);
    match ElectionState::read(path) {
        Ok(Some(_)) => {}
        Ok(None) => findings.add(note(&file, "there is none: this node has not voted yet")),
        Err(QuorumError::Damaged { reason, .. }) => {
            findings.damage(
                &file,
                reason,
                "restore the file from a copy; without it this node may vote twice in an epoch",
            );
        }
        Err(error) => findings.damage(&file, error.to_string(), "let the user who runs this read it"),
    }
}
