//! The whole check: directories first, then the metadata log, then every partition, two at a time.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::content::Content;
use super::directory::{LogDirectory, check_duplicates, check_identities};
use super::finding::{Finding, Findings, damage, note};
use super::partition::{self, Extent, Subject};
use super::progress::Progress;
use super::topics::Topics;
use super::{INDEX_INTERVAL_BYTES, NotChecked, counted, metadata};
use crate::log::{LogError, checkpoint};
use crate::types::{Offset, TopicPartition, is_internal_topic};

/// Partitions that are checked at a time: enough for a disk, and memory for few.
const THREADS: usize = 2;

/// What was looked at.
#[derive(Default)]
pub(super) struct Totals {
    directories: usize,
    partitions: usize,
    segments: usize,
    bytes: u64,
    took: Duration,
}

impl Totals {
    fn add(&mut self, extent: &Extent) {
        self.partitions += 1;
        self.segments += extent.segments;
        self.bytes += extent.bytes;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directories = match self.directories {
            1 => "1 log directory".to_owned(),
            count => format!("{count} log directories"),
        };
        let (partitions, segments) = (counted(self.partitions, "partition"), counted(self.segments, "segment"));
        let (mib, seconds) = (self.bytes as f64 / f64::from(1 << 20), self.took.as_secs_f64());
        write!(f, "{directories}, {partitions}, {segments}, {mib:.1} MiB in {seconds:.1} s")
    }
}

/// Takes each finding, in an order that does not depend on who was faster.
type Tell<'a> = &'a mut dyn FnMut(Finding) -> io::Result<()>;

/// Checks `paths`, all log directories of one node.
pub(super) fn run(paths: &[PathBuf], tell: Tell<'_>) -> Result<Totals, NotChecked> {
    let begun = Instant::now();
    let progress = Progress::new();
    let mut findings = Findings::default();
    let mut directories = Vec::new();
    for path in paths {
        directories.push(LogDirectory::read(path, &mut findings)?);
    }
    check_identities(&directories, &mut findings);
    check_duplicates(&directories, &mut findings);
    directories.iter().for_each(|directory| directory.orphans(&mut findings));
    let mut totals = Totals { directories: paths.len(), ..Totals::default() };
    let mut topics = None;
    let holder = directories.iter().find_map(|directory| Some((directory, directory.metadata.as_ref()?)));
    match holder {
        Some((directory, path)) => {
            let (known, extent) = metadata::check(directory, path, &mut findings, &progress)?;
            totals.add(&extent);
            check_places(&directories, &known, &mut findings);
            topics = Some(known);
        }
        None => findings.note(&paths[0], "no metadata log here: topics are not held against it"),
    }
    let check = Check { directories: &directories, topics, progress: &progress };
    progress.clear();
    tell_all(findings, tell)?;
    check.partitions(&mut totals, tell)?;
    progress.clear();
    totals.took = begun.elapsed();
    Ok(totals)
}

fn tell_all(findings: Findings, tell: Tell<'_>) -> io::Result<()> {
    findings.list.into_iter().try_for_each(tell)
}

/// Partitions that the metadata has on this node and that no directory holds.
fn check_places(directories: &[LogDirectory], topics: &Topics, findings: &mut Findings) {
    let mut lost: Vec<(TopicPartition, &Path)> = Vec::new();
    for (topic, partition, directory_id) in topics.here() {
        let partition = TopicPartition::new(topic, partition);
        let is_there = |directory: &&LogDirectory| directory.partitions.iter().any(|(there, _)| *there == partition);
        let assigned = directories.iter().find(|directory| {
            directory.meta.as_ref().is_some_and(|meta| meta.directory_id.is_some() && meta.directory_id == directory_id)
        });
        if let Some(assigned) = assigned
            && !directories.iter().any(|directory| is_there(&directory))
        {
            lost.push((partition, assigned.path.as_path()));
        }
    }
    lost.sort();
    for (partition, directory) in lost {
        let path = directory.join(partition.to_string());
        let clean = directories.iter().any(|one| one.path == directory && one.clean);
        let what = format!("the metadata log has {partition} in this directory, and it is not there");
        match clean {
            true => findings.damage(&path, what, "restore it from a copy; a start makes an empty one"),
            false => findings.note(&path, format!("{what}: the next start makes it")),
        }
    }
}

/// What the threads share.
struct Check<'a> {
    directories: &'a [LogDirectory],
    topics: Option<Topics>,
    progress: &'a Progress,
}

/// A partition that was checked.
struct Checked {
    number: usize,
    findings: Findings,
    extent: Extent,
}

impl Check<'_> {
    fn partitions(&self, totals: &mut Totals, tell: Tell<'_>) -> Result<(), NotChecked> {
        let jobs: Vec<_> = self
            .directories
            .iter()
            .flat_map(|directory| directory.partitions.iter().map(move |(name, path)| (directory, name, path)))
            .collect();
        jobs.iter().for_each(|(_, _, path)| self.progress.expect(log_bytes(path)));
        let next = AtomicUsize::new(0);
        let (done, results) = channel::<Checked>();
        thread::scope(|scope| {
            let work = |done: Sender<Checked>| loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some((directory, name, path)) = jobs.get(number) else { return };
                let mut findings = Findings::default();
                let extent = self.partition(directory, name, path, &mut findings);
                if done.send(Checked { number, findings, extent }).is_err() {
                    return;
                }
            };
            for _ in 0..THREADS {
                let done = done.clone();
                scope.spawn(move || work(done));
            }
            drop(done);
            let (mut waiting, mut told) = (Vec::new(), 0);
            while let Some(checked) = self.progress.receive(&results) {
                waiting.push(checked);
                while let Some(at) = waiting.iter().position(|checked: &Checked| checked.number == told) {
                    let Checked { findings, extent, .. } = waiting.swap_remove(at);
                    totals.add(&extent);
                    self.progress.clear();
                    tell_all(findings, tell)?;
                    told += 1;
                }
            }
            Ok(())
        })
    }

    /// Checks one partition. What keeps it from being read is a finding like any other.
    fn partition(
        &self,
        directory: &LogDirectory,
        name: &TopicPartition,
        path: &Path,
        findings: &mut Findings,
    ) -> Extent {
        self.identity(directory, name, path, findings);
        let topics = self.topics.as_ref();
        let entry = |checkpoint: &str| directory.entry(checkpoint, name);
        let subject = Subject {
            path,
            partition: name.clone(),
            content: Content::of_topic(&name.topic),
            clean: directory.clean,
            recovery_point: entry(checkpoint::RECOVERY_POINT).unwrap_or(Offset::ZERO),
            log_start: entry(checkpoint::LOG_START).unwrap_or(Offset::ZERO),
            cleaned_to: entry(checkpoint::CLEANER),
            compacted: is_internal_topic(&name.topic) || topics.is_some_and(|topics| topics.is_compacted(&name.topic)),
            index_interval: topics
                .and_then(|topics| topics.index_interval(&name.topic))
                .unwrap_or(INDEX_INTERVAL_BYTES),
        };
        match partition::check(&subject, findings, self.progress, &mut |_, _| ()) {
            Ok(extent) => {
                directory.check_entries(name, &extent, findings);
                extent
            }
            Err(error) => {
                findings.damage(path, error.to_string(), "nothing behind that was checked");
                Extent::default()
            }
        }
    }

    /// Whether the directory is that of the topic that has its name now.
    fn identity(&self, directory: &LogDirectory, name: &TopicPartition, path: &Path, findings: &mut Findings) {
        let file = path.join(checkpoint::PARTITION_METADATA);
        let found = match checkpoint::read_topic_id(path) {
            Ok(found) => found,
            Err(LogError::BadFile { reason, .. }) => {
                findings.damage(&file, reason, "restore it from a copy, or remove it: a start writes it again");
                return;
            }
            Err(error) => {
                findings.damage(&file, error.to_string(), "let the user who runs this read it");
                return;
            }
        };
        let Some(topics) = &self.topics else { return };
        let told = topics.id(&name.topic);
        match (found, told) {
            (Some(found), Some(told)) if found != told => {
                let what = format!("it has topic id {found}, where the metadata log has {told} for {}", name.topic);
                let what = match topics.name(found) {
                    Some(other) => format!("{what} and {found} for {other}"),
                    None => what,
                };
                let remedy = "a start sets the partition aside: correct the id if its records are this topic's";
                findings.damage(&file, what, remedy);
            }
            (None, Some(_)) => findings.note(&file, "no topic id: the next start writes it"),
            (_, Some(told)) if topics.has(told, name.partition) => {}
            (_, told) => {
                let what = match told {
                    Some(_) => "the metadata log does not have this partition on this node",
                    None => "the metadata log knows no topic of this name",
                };
                let finding = match directory.clean {
                    true => damage(path, what, "a start sets it aside: restore the metadata log, or move it away"),
                    false => note(path, format!("{what}: the next start sets it aside")),
                };
                findings.add(finding);
            }
        }
    }
}

/// Bytes of the logs in a partition's directory.
fn log_bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let logs = entries.flatten().filter(|entry| entry.path().extension().is_some_and(|extension| extension == "log"));
    logs.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
