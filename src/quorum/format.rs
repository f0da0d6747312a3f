//! Formatting log directories, as `kafka-storage.sh format` does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::log::MetaProperties;
use crate::metadata::{Feature, MetadataVersion};
use crate::protocol::kraft::{FeatureLevelRecord, MetadataRecord};
use crate::types::{BrokerId, Millis, Uuid};

use super::bootstrap::level_record;
use super::snapshot::{self, SnapshotContent, SnapshotId};
use super::{METADATA_LOG, QuorumError, Voter, VoterSet, write_bootstrap};

/// The file that says whose directory it is.
const META_PROPERTIES: &str = "meta.properties";

/// What a new cluster begins with: a feature, its level, and the first level of `metadata.version` that has it so.
const BEGINS: [(&str, i16, i16); 5] = [
    (Feature::ELIGIBLE_LEADER_REPLICAS, 1, 26),
    (Feature::GROUP, 1, 22),
    (Feature::SHARE, 1, 28),
    (Feature::STREAMS, 1, 29),
    (Feature::TRANSACTIONS, 2, 24),
];

/// What to format, and as what.
#[derive(Clone, Debug)]
pub struct FormatOptions {
    pub cluster_id: String,
    pub node_id: BrokerId,
    pub log_dirs: Vec<PathBuf>,
    /// One of `log_dirs`.
    pub metadata_log_dir: PathBuf,
    pub release_version: Option<MetadataVersion>,
    /// Levels asked for by name.
    pub features: BTreeMap<String, i16>,
    /// Leave formatted directories as they are instead of failing.
    pub ignore_formatted: bool,
    /// Further records to begin with: SCRAM credentials.
    pub records: Vec<MetadataRecord>,
    pub voters: InitialVoters,
    pub now: Millis,
}

/// Where the quorum's voters come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InitialVoters {
    /// `controller.quorum.voters`: `kraft.version` 0.
    Static,
    /// This node alone, reached at listener, host and port: `kraft.version` 1.
    Standalone { listener: String, host: String, port: u16 },
    /// A set that all nodes are formatted with.
    Set(VoterSet),
    /// A dynamic quorum that this node learns of later.
    Unknown,
}

/// Why nothing more was formatted. The text is Kafka's where Kafka has one.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Failed(#[from] QuorumError),
}

/// What was done.
#[derive(Clone, Debug)]
pub struct FormatReport {
    pub version: MetadataVersion,
    /// Each directory formatted, with what it is for.
    pub formatted: Vec<(PathBuf, &'static str)>,
    /// `metadata.version` and the features it was begun with.
    pub bootstrap: Vec<MetadataRecord>,
}

/// Formats every directory that is not formatted yet. `meta.properties` is written last, so that an interrupted format can be repeated.
pub fn format_directories(options: &FormatOptions) -> Result<FormatReport, FormatError> {
    if !options.log_dirs.contains(&options.metadata_log_dir) {
        let given: Vec<String> = options.log_dirs.iter().map(|dir| dir.display().to_string()).collect();
        return Err(FormatError::Refused(format!(
            "The specified metadata log directory, {} was not one of the given directories: [{}]",
            options.metadata_log_dir.display(),
            given.join(", ")
        )));
    }
    let (version, features) = levels(options)?;
    let mut bootstrap = vec![level_record(version)];
    bootstrap.extend(features.iter().filter(|(name, level)| *name != Feature::KRAFT && **level > 0).map(
        |(name, level)| MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.clone(), feature_level: *level }),
    ));
    bootstrap.extend(options.records.iter().cloned());
    let mut empty = Vec::new();
    for dir in &options.log_dirs {
        match MetaProperties::read(dir).map_err(QuorumError::from)? {
            None => empty.push(dir),
            Some(found) => check_identity(dir, &found, options)?,
        }
    }
    if empty.len() < options.log_dirs.len() && !options.ignore_formatted {
        let first = options.log_dirs.iter().find(|dir| !empty.contains(dir)).expect("one directory is not empty");
        return Err(FormatError::Refused(format!(
            "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
            first.display()
        )));
    }
    let mut report = FormatReport { version, formatted: Vec::new(), bootstrap };
    for dir in empty {
        let what = format_one(dir, options, &report.bootstrap)?;
        report.formatted.push((dir.clone(), what));
    }
    Ok(report)
}

fn format_one(dir: &Path, options: &FormatOptions, bootstrap: &[MetadataRecord]) -> Result<&'static str, FormatError> {
    fs::create_dir_all(dir).map_err(QuorumError::io("create", dir))?;
    let mut directory_id = Uuid::random();
    let mut what = "data directory";
    write_bootstrap(dir, bootstrap, options.now)?;
    if dir == options.metadata_log_dir {
        what = match &options.voters {
            InitialVoters::Static | InitialVoters::Unknown => "metadata directory",
            InitialVoters::Standalone { listener, host, port } => {
                let endpoints = vec![(listener.clone(), host.clone(), *port)];
                let voter = Voter { id: options.node_id, directory_id, endpoints };
                write_voters(dir, &VoterSet::new(vec![voter]), options.now)?;
                "dynamic metadata voter directory"
            }
            InitialVoters::Set(voters) => {
                write_voters(dir, voters, options.now)?;
                match voters.voter(options.node_id) {
                    Some(voter) => {
                        directory_id = voter.directory_id;
                        "dynamic metadata voter directory"
                    }
                    None => "dynamic metadata directory",
                }
            }
        };
    }
    let identity = MetaProperties {
        cluster_id: options.cluster_id.clone(),
        node_id: options.node_id,
        directory_id: Some(directory_id),
    };
    identity.write(dir).map_err(QuorumError::from)?;
    Ok(what)
}

fn write_voters(dir: &Path, voters: &VoterSet, now: Millis) -> Result<(), QuorumError> {
    let directory = dir.join(METADATA_LOG);
    fs::create_dir_all(&directory).map_err(QuorumError::io("create", &directory))?;
    let content = SnapshotContent {
        kraft_version: 1,
        voters: Some(voters),
        records: &[],
        version: MetadataVersion::LATEST,
        last_timestamp: now,
    };
    snapshot::write(&directory, SnapshotId::FORMATTED, &content, now)?;
    Ok(())
}

/// The levels to begin with: what was asked for, else what a new cluster of that release has, within what this node supports.
fn levels(options: &FormatOptions) -> Result<(MetadataVersion, BTreeMap<String, i16>), FormatError> {
    let refuse = |reason: String| Err(FormatError::Refused(reason));
    let mut features = options.features.clone();
    let version = match (features.remove(MetadataVersion::FEATURE), options.release_version) {
        (Some(_), Some(_)) => {
            return refuse(
                "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.".to_owned(),
            );
        }
        (Some(level), None) => match MetadataVersion::from_level(level) {
            Some(version) => version,
            None => {
                return refuse(format!(
                    "No MetadataVersion with feature level {level}. Valid feature levels are from {} to {}.",
                    MetadataVersion::MINIMUM.level(),
                    MetadataVersion::LATEST.level()
                ));
            }
        },
        (None, Some(version)) => version,
        (None, None) => MetadataVersion::LATEST,
    };
    for (name, level) in &features {
        let Some(feature) = Feature::named(name) else {
            let names = Feature::SUPPORTED.iter().map(|feature| feature.name);
            let names: Vec<&str> = names.filter(|name| *name != MetadataVersion::FEATURE).collect();
            return refuse(format!("Unsupported feature: {name}. Supported features are: {}", names.join(", ")));
        };
        if *level < feature.min || *level > feature.max {
            return refuse(format!("No feature:{name} with feature level {level}"));
        }
    }
    let dynamic = options.voters != InitialVoters::Static;
    let kraft = features.entry(Feature::KRAFT.to_owned()).or_insert(i16::from(dynamic));
    if dynamic != (*kraft > 0) {
        return refuse(match dynamic {
            true => {
                "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, \
                     --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try \
                     removing the --feature flag for kraft.version."
                    .to_owned()
            }
            false => format!(
                "Cannot set kraft.version to {kraft} unless controller.quorum.voters is empty and one of the flags \
                 --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers \
                 support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing \
                 controller.quorum.voters."
            ),
        });
    }
    for (name, level, _) in BEGINS.iter().filter(|(.., from)| version.level() >= *from) {
        features.entry((*name).to_owned()).or_insert(*level);
    }
    let elr = features.get(Feature::ELIGIBLE_LEADER_REPLICAS).copied().unwrap_or(0);
    if elr > 0 && !version.eligible_leader_replicas() {
        return refuse(format!(
            "{} could not be set to {elr} because it depends on metadata.version level 23",
            Feature::ELIGIBLE_LEADER_REPLICAS
        ));
    }
    Ok((version, features))
}

fn check_identity(dir: &Path, found: &MetaProperties, options: &FormatOptions) -> Result<(), FormatError> {
    let refuse = |key: &str, expected: String, read: String| {
        let file = dir.join(META_PROPERTIES);
        let message = format!("Invalid {key} in: {}. Expected {expected}, but read {read}", file.display());
        Err(FormatError::Refused(message))
    };
    if found.cluster_id != options.cluster_id {
        return refuse("cluster.id", options.cluster_id.clone(), found.cluster_id.clone());
    }
    if found.node_id != options.node_id {
        return refuse("node.id", options.node_id.to_string(), found.node_id.to_string());
    }
    Ok(())
}
