//! One log directory: whose it is, its checkpoints, and the directories of partitions in it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::batches::export_remedy;
use super::finding::{Finding, Findings, Fix, damage, note};
use super::partition::Extent;
use crate::log::meta_properties::META_PROPERTIES;
use crate::log::names::{PartitionDir, parse_dir_name};
use crate::log::{LogError, MetaProperties, checkpoint, log_dir};
use crate::quorum::METADATA_LOG;
use crate::types::{Offset, TopicPartition};

/// A log directory as it lies there.
pub(super) struct LogDirectory {
    pub(super) path: PathBuf,
    pub(super) meta: Option<MetaProperties>,
    /// The last stop was clean.
    pub(super) clean: bool,
    /// Partitions in use and their directories, by name.
    pub(super) partitions: Vec<(TopicPartition, PathBuf)>,
    /// The directory of the metadata log, if it is here.
    pub(super) metadata: Option<PathBuf>,
    checkpoints: HashMap<&'static str, HashMap<TopicPartition, Offset>>,
}

impl LogDirectory {
    /// Looks at a directory without going into its partitions.
    pub(super) fn read(path: &Path, findings: &mut Findings) -> Result<LogDirectory, LogError> {
        let mut directory = LogDirectory {
            path: path.to_path_buf(),
            meta: None,
            clean: log_dir::stopped_cleanly(path),
            partitions: Vec::new(),
            metadata: None,
            checkpoints: HashMap::new(),
        };
        directory.meta = directory.read_meta(findings)?;
        directory.list(findings)?;
        for name in checkpoint::OF_DIRECTORY {
            let entries = directory.read_checkpoint(name, findings)?;
            directory.checkpoints.insert(name, entries);
        }
        Ok(directory)
    }

    fn read_meta(&self, findings: &mut Findings) -> Result<Option<MetaProperties>, LogError> {
        let path = self.path.join(META_PROPERTIES);
        match MetaProperties::read(&self.path) {
            Ok(Some(meta)) => return Ok(Some(meta)),
            Ok(None) => {
                let remedy = "name a log directory of a broker, or restore the file from a copy";
                findings.damage(&path, "there is none: the directory is of no broker, or was never formatted", remedy);
            }
            Err(LogError::BadFile { reason, .. }) => {
                findings.damage(&path, reason, "restore the file: the others of this node differ in directory.id only");
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    fn list(&mut self, findings: &mut Findings) -> Result<(), LogError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(LogError::io("list", &self.path))? {
            let entry = entry.map_err(LogError::io("list", &self.path))?;
            names.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
        names.sort();
        for (name, path) in names {
            if !path.is_dir() {
                if name.ends_with(".tmp") {
                    findings.note(&path, "an interrupted change left this behind");
                }
                continue;
            }
            match parse_dir_name(&name) {
                Some(PartitionDir::Current(_)) if name == METADATA_LOG => self.metadata = Some(path),
                Some(PartitionDir::Current(partition)) => self.partitions.push((partition, path)),
                Some(PartitionDir::Delete(_)) => {
                    findings.note(&path, "a deleted partition whose files are not gone yet")
                }
                Some(PartitionDir::Future(_)) => findings.note(&path, "a copy in the making, to move a partition here"),
                Some(PartitionDir::Stray(_)) => {
                    findings.note(&path, "a partition that the metadata did not know and that was set aside");
                }
                None if name == "lost+found" => {}
                None => findings.note(&path, "no directory of a partition; brokers pass over it"),
            }
        }
        Ok(())
    }

    fn read_checkpoint(
        &self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Result<HashMap<TopicPartition, Offset>, LogError> {
        let path = self.path.join(name);
        match checkpoint::read_offsets(&path) {
            Ok(entries) => Ok(entries),
            Err(LogError::BadFile { reason, .. }) => {
                let finding = damage(&path, reason, "--repair keeps the lines that can be read");
                findings.add(finding.fixed_by(Fix::KeepReadable { path: path.clone() }));
                Ok(HashMap::new())
            }
            Err(error) => Err(error),
        }
    }

    /// What a checkpoint has for a partition.
    pub(super) fn entry(&self, checkpoint: &str, partition: &TopicPartition) -> Option<Offset> {
        self.checkpoints.get(checkpoint)?.get(partition).copied()
    }

    /// Entries of partitions that are not here.
    pub(super) fn orphans(&self, findings: &mut Findings) {
        for name in checkpoint::OF_DIRECTORY {
            let mut orphans: Vec<&TopicPartition> = self.checkpoints[name].keys().collect();
            orphans.retain(|partition| !self.partitions.iter().any(|(here, _)| here == *partition));
            orphans.sort();
            let path = self.path.join(name);
            for partition in orphans.into_iter().cloned() {
                let finding = note(&path, format!("it has {partition}, which is not in this directory"));
                findings.add(finding.fixed_by(Fix::DropEntry { path: path.clone(), partition }));
            }
        }
    }

    /// Holds the checkpoints' entries of a partition against its log.
    pub(super) fn check_entries(&self, partition: &TopicPartition, extent: &Extent, findings: &mut Findings) {
        if !extent.sound {
            return;
        }
        for name in checkpoint::OF_DIRECTORY {
            let Some(offset) = self.entry(name, partition) else { continue };
            if offset <= extent.end && offset >= Offset::ZERO {
                continue;
            }
            let path = self.path.join(name);
            let what = format!("it has offset {offset} for {partition}, whose log ends at {}", extent.end);
            let finding = if name == checkpoint::LOG_START && offset >= Offset::ZERO {
                damage(&path, what, format!("a start would set the whole log aside; {}", export_remedy(partition)))
            } else if name == checkpoint::HIGH_WATERMARK && !self.clean {
                note(&path, format!("{what}: the next start takes the log's end"))
            } else {
                let partition = partition.clone();
                damage(&path, what, "--repair drops the entry")
                    .fixed_by(Fix::DropEntry { path: path.clone(), partition })
            };
            findings.add(finding);
        }
    }
}

/// Whether the directories are of one node and one cluster, each with an id of its own.
pub(super) fn check_identities(directories: &[LogDirectory], findings: &mut Findings) {
    let known: Vec<(&LogDirectory, &MetaProperties)> =
        directories.iter().filter_map(|directory| Some((directory, directory.meta.as_ref()?))).collect();
    let Some((first, expected)) = known.first() else { return };
    for (n, (directory, meta)) in known.iter().enumerate().skip(1) {
        let path = directory.path.join(META_PROPERTIES);
        let mut differs = |key: &str, found: &str, expected: &str| {
            let what = format!("it has {key} {found}, where {} has {expected}", first.path.display());
            findings.add(identity_damage(&path, what));
        };
        if meta.cluster_id != expected.cluster_id {
            differs("cluster.id", &meta.cluster_id, &expected.cluster_id);
        }
        if meta.node_id != expected.node_id {
            differs("node.id", &meta.node_id.to_string(), &expected.node_id.to_string());
        }
        let same =
            known[..n].iter().find(|(_, other)| meta.directory_id.is_some() && other.directory_id == meta.directory_id);
        if let (Some((other, _)), Some(id)) = (same, meta.directory_id) {
            let what = format!("it has directory.id {id}, which is that of {}", other.path.display());
            findings.add(identity_damage(&path, what));
        }
    }
}

/// Partitions that are in use in two directories.
pub(super) fn check_duplicates(directories: &[LogDirectory], findings: &mut Findings) {
    let mut first: HashMap<&TopicPartition, &Path> = HashMap::new();
    for (partition, path) in directories.iter().flat_map(|directory| &directory.partitions) {
        match first.get(partition) {
            None => drop(first.insert(partition, path)),
            Some(other) => {
                let what = format!("the partition is in {} as well: no broker starts with both", other.display());
                findings.damage(path, what, "move the older one away");
            }
        }
    }
}

fn identity_damage(path: &Path, what: String) -> Finding {
    damage(path, what, "name directories of one node in log.dirs, each formatted for itself")
}
