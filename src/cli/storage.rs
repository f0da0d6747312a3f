//! `ottla storage`: formatting log directories and looking at them, with the flags of `kafka-storage.sh`.

mod features;
mod scram;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::config::{self, BrokerConfig};
use crate::log::MetaProperties;
use crate::metadata::MetadataVersion;
use crate::protocol::kraft::MetadataRecord;
use crate::quorum::{FormatOptions, InitialVoters, Voter, VoterSet, format_directories};
use crate::types::{BrokerId, Clock, Uuid};

/// Format the log directories of this node, or look at them
#[derive(Debug, Args)]
pub(super) struct Storage {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the log directories of this node are
    Info(Config),
    /// Format the log directories of this node
    Format(Box<Format>),
    /// Show the levels of features that a release begins with
    VersionMapping(VersionMapping),
    /// Show what levels of features depend on
    FeatureDependencies(FeatureDependencies),
    /// Print a random id
    RandomUuid,
}

#[derive(Debug, Args)]
struct Config {
    /// The server.properties to use
    #[arg(long, short)]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct VersionMapping {
    /// The release to look up, 4.3-IV0 by default
    #[arg(long, short)]
    release_version: Option<String>,
}

#[derive(Debug, Args)]
struct FeatureDependencies {
    /// A feature and its level, as feature=level; may be repeated
    #[arg(long, short, required = true)]
    feature: Vec<String>,
}

#[derive(Debug, Args)]
struct Format {
    #[command(flatten)]
    config: Config,
    /// The cluster id to use
    #[arg(long, short = 't')]
    cluster_id: String,
    /// Skip directories that are formatted already instead of failing
    #[arg(long, short = 'g')]
    ignore_formatted: bool,
    /// The release to begin with, 4.3-IV0 by default
    #[arg(long, short)]
    release_version: Option<String>,
    /// The level of a feature to begin with, as feature=level; may be repeated
    #[arg(long, short, value_parser = feature)]
    feature: Vec<(String, i16)>,
    /// A credential to begin with: SCRAM-SHA-256=[name=alice,password=alice-secret], or with salt="…" and
    /// saltedpassword="…" in base 64 and iterations=…; may be repeated
    #[arg(long, short = 'S', value_name = "SCRAM_CREDENTIAL")]
    add_scram: Vec<String>,
    /// Begin a dynamic quorum of which this node is the only voter
    #[arg(long, short, group = "voters")]
    standalone: bool,
    /// Join a dynamic quorum whose voters this node learns of later
    #[arg(long, short = 'N', group = "voters")]
    no_initial_controllers: bool,
    /// Begin a dynamic quorum with these voters: id@host:port:directory, separated by commas
    #[arg(long, short = 'I', group = "voters")]
    initial_controllers: Option<String>,
}

/// What the arguments ask for and the configuration does not allow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl Storage {
    /// Does what was asked and prints what it did.
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        match self.action {
            Action::Info(config) => info(&config.load()?),
            Action::Format(format) => format.run(),
            Action::VersionMapping(VersionMapping { release_version }) => {
                print_lines(features::version_mapping(release_version.as_deref()))
            }
            Action::FeatureDependencies(FeatureDependencies { feature }) => {
                feature.iter().try_for_each(|feature| print_lines(features::dependencies(feature)))
            }
            Action::RandomUuid => {
                println!("{}", Uuid::random());
                Ok(())
            }
        }
    }
}

impl Config {
    fn load(&self) -> Result<BrokerConfig, Box<dyn Error>> {
        let environment = |name: &str| std::env::var(name).ok();
        Ok(config::load(Some(&self.config), &[], &environment)?.broker.config.clone())
    }
}

impl Format {
    fn run(self) -> Result<(), Box<dyn Error>> {
        let config = self.config.load()?;
        let records = self.credentials()?;
        let options = FormatOptions {
            voters: self.voters(&config)?,
            release_version: self.release()?,
            cluster_id: self.cluster_id,
            node_id: BrokerId(config.node_id),
            log_dirs: directories(&config).into_iter().collect(),
            metadata_log_dir: config.metadata_log_dir.clone(),
            features: self.feature.into_iter().collect::<BTreeMap<_, _>>(),
            ignore_formatted: self.ignore_formatted,
            records,
            now: Clock::system().wall(),
        };
        let report = format_directories(&options)?;
        if report.formatted.is_empty() {
            println!("All of the log directories are already formatted.");
            return Ok(());
        }
        let levels = report.bootstrap.iter().filter_map(|record| match record {
            MetadataRecord::FeatureLevel(level) => Some(format!("{}={}", level.name, level.feature_level)),
            MetadataRecord::UserScramCredential(credential) => Some(format!("SCRAM credential of {}", credential.name)),
            _ => None,
        });
        println!("Bootstrap metadata: {}", levels.collect::<Vec<_>>().join(", "));
        for (dir, what) in &report.formatted {
            println!("Formatting {what} {} with metadata.version {}.", dir.display(), report.version);
        }
        Ok(())
    }

    fn release(&self) -> Result<Option<MetadataVersion>, Refused> {
        self.release_version.as_deref().map(features::parse_release).transpose().map_err(Refused)
    }

    fn credentials(&self) -> Result<Vec<MetadataRecord>, Refused> {
        let version = self.release()?.unwrap_or(MetadataVersion::LATEST);
        if !self.add_scram.is_empty() && !version.scram() {
            return Err(Refused("SCRAM is only supported in metadata.version 3.5-IV2 or later.".to_owned()));
        }
        self.add_scram.iter().map(|argument| scram::credential(argument)).collect::<Result<_, _>>().map_err(Refused)
    }

    fn voters(&self, config: &BrokerConfig) -> Result<InitialVoters, Refused> {
        let is_static = !config.controller_quorum_voters.is_empty();
        if is_static && (self.standalone || self.initial_controllers.is_some()) {
            return Err(Refused(
                "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. \
                 If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
                 controller.quorum.bootstrap.servers instead."
                    .to_owned(),
            ));
        }
        let listener = config.advertised_controller_listeners.first();
        let name = listener.map_or("CONTROLLER", |listener| listener.name.as_str());
        if let Some(text) = &self.initial_controllers {
            return parse_voters(text, name).map(InitialVoters::Set).map_err(Refused);
        }
        match listener {
            Some(listener) if self.standalone => Ok(InitialVoters::Standalone {
                listener: name.to_owned(),
                host: if listener.host.is_empty() { "localhost".to_owned() } else { listener.host.clone() },
                port: listener.port,
            }),
            None if self.standalone => Err(Refused("You can only use --standalone on a controller.".to_owned())),
            _ if is_static => Ok(InitialVoters::Static),
            _ if self.no_initial_controllers || !config.process_roles.controller => Ok(InitialVoters::Unknown),
            _ => Err(Refused(
                "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
                 --standalone, --initial-controllers, or --no-initial-controllers."
                    .to_owned(),
            )),
        }
    }
}

fn info(config: &BrokerConfig) -> Result<(), Box<dyn Error>> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut identity: Option<MetaProperties> = None;
    for dir in directories(config) {
        if !dir.is_dir() {
            let what = if dir.exists() { "is not a directory" } else { "does not exist" };
            problems.push(format!("{} {what}", dir.display()));
            continue;
        }
        found.push(dir.display().to_string());
        match MetaProperties::read(&dir)? {
            None => problems.push(format!("{} is not formatted.", dir.display())),
            Some(read) => {
                if let Some(first) = &identity
                    && (first.cluster_id != read.cluster_id || first.node_id != read.node_id)
                {
                    problems
                        .push(format!("Metadata for {} was inconsistent with the other directories", dir.display()));
                }
                identity.get_or_insert(read);
            }
        }
    }
    print_section("Found log directories:", &found);
    if let Some(identity) = identity {
        let MetaProperties { cluster_id, node_id, .. } = identity;
        println!("Found metadata: {{cluster.id={cluster_id}, node.id={node_id}, version=1}}\n");
    }
    if problems.is_empty() {
        return Ok(());
    }
    print_section("Found problems:", &problems);
    Err(Refused(format!("{} problem(s) found", problems.len())).into())
}

fn print_lines(lines: Result<Vec<String>, String>) -> Result<(), Box<dyn Error>> {
    lines.map_err(Refused)?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn print_section(title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    println!("{title}");
    lines.iter().for_each(|line| println!("  {line}"));
    println!();
}

fn directories(config: &BrokerConfig) -> BTreeSet<PathBuf> {
    config
        .log_dirs
        .iter()
        .map(PathBuf::as_path)
        .chain([config.metadata_log_dir.as_path()])
        .map(Path::to_path_buf)
        .collect()
}

fn feature(text: &str) -> Result<(String, i16), String> {
    let parsed =
        text.split_once('=').and_then(|(name, level)| Some((name.trim().to_owned(), level.trim().parse().ok()?)));
    parsed.ok_or_else(|| format!("\"{text}\" is not feature=level"))
}

fn parse_voters(text: &str, listener: &str) -> Result<VoterSet, String> {
    let parse = |entry: &str| {
        let (id, address) = entry.split_once('@')?;
        let (address, directory) = address.rsplit_once(':')?;
        let (host, port) = address.rsplit_once(':')?;
        let endpoints = vec![(listener.to_owned(), host.to_owned(), port.parse().ok()?)];
        Some(Voter { id: BrokerId(id.parse().ok()?), directory_id: directory.parse().ok()?, endpoints })
    };
    let voters = text.split(',').map(str::trim).map(|entry| {
        parse(entry).ok_or_else(|| format!("\"{entry}\" is not a voter: id@host:port:directory is expected"))
    });
    voters.collect::<Result<Vec<_>, _>>().map(VoterSet::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_and_features_are_read_as_kafkas_tool_reads_them() {
        let voters =
            parse_voters("0@a.example:8082:JEXY6aqzQY-32P5TStzaFg,1@b:8083:MvDxzVmcRsaTz33bUuRU6A", "C").unwrap();
        assert_eq!(voters.voters().len(), 2);
        assert_eq!(voters.voter(BrokerId(0)).unwrap().endpoints, [("C".to_owned(), "a.example".to_owned(), 8082)]);
        assert!(parse_voters("0@a:8082", "C").is_err());
        assert_eq!(feature("kraft.version=1"), Ok(("kraft.version".to_owned(), 1)));
        assert!(feature("kraft.version").is_err());
    }
}
