//! `kafka-storage.sh`: formatting log directories and looking at them.

mod features;
mod scram;
mod voters;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::feature_levels::parse as parse_level;
use super::tools::subcommands::{self, Parsed};
use super::tools::{Flag, Output, Stop, Subcommand, Tool};
use crate::config::{self, BrokerConfig};
use crate::log::MetaProperties;
use crate::metadata::MetadataVersion;
use crate::protocol::kraft::MetadataRecord;
use crate::quorum::{FormatOptions, InitialVoters, format_directories};
use crate::types::{BrokerId, Clock, Uuid, hash_order};

const CONFIG: Flag = Flag::value("config", "CONFIG", "The server.properties to use").short("c").required();
const FEATURE: Flag = Flag::value("feature", "FEATURE", "A feature and its level, as feature=level; may be repeated");

pub(super) static TOOL: Tool = Tool {
    name: "storage",
    about: "Format the log directories of this node, or look at them",
    flags: &[],
    subcommands: &[
        Subcommand { name: "info", about: "Show what the log directories of this node are", flags: &[CONFIG] },
        Subcommand {
            name: "format",
            about: "Format the log directories of this node",
            flags: &[
                CONFIG,
                Flag::value("cluster-id", "CLUSTER_ID", "The cluster id to use").short("t").required(),
                Flag::value(
                    "add-scram",
                    "ADD_SCRAM",
                    "A credential to begin with: SCRAM-SHA-256=[name=alice,password=alice-secret], or with salt=\"…\" and \
                     saltedpassword=\"…\" in base 64 and iterations=…; may be repeated",
                )
                .short("S"),
                Flag::switch("ignore-formatted", "Skip directories that are formatted already instead of failing")
                    .short("g"),
                Flag::value("release-version", "RELEASE_VERSION", "The release to begin with, 4.3-IV0 by default")
                    .short("r"),
                FEATURE.short("f"),
                Flag::switch("standalone", "Begin a dynamic quorum of which this node is the only voter")
                    .short("s")
                    .exclusive(),
                Flag::switch("no-initial-controllers", "Join a dynamic quorum whose voters this node learns of later")
                    .short("N")
                    .exclusive(),
                Flag::value(
                    "initial-controllers",
                    "INITIAL_CONTROLLERS",
                    "Begin a dynamic quorum with these voters: id@host:port:directory, separated by commas",
                )
                .short("I")
                .exclusive(),
            ],
        },
        Subcommand {
            name: "version-mapping",
            about: "Show the levels of features that a release begins with",
            flags: &[Flag::value("release-version", "RELEASE_VERSION", "The release to look up, 4.3-IV0 by default")
                .short("r")],
        },
        Subcommand {
            name: "feature-dependencies",
            about: "Show what levels of features depend on",
            flags: &[FEATURE.short("f").required()],
        },
        Subcommand { name: "random-uuid", about: "Print a random id", flags: &[] },
    ],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let parsed = subcommands::parse(tool, &words, Stop::Done, output)?;
    match parsed.command {
        "info" => info(&load(&parsed)?, output),
        "format" => format(&load(&parsed)?, &parsed, output),
        "version-mapping" => print_lines(features::version_mapping(parsed.value("release-version")), output),
        "feature-dependencies" => {
            parsed.values("feature").into_iter().try_for_each(|text| print_lines(features::dependencies(text), output))
        }
        _ => {
            output.line(Uuid::random());
            Ok(())
        }
    }
}

fn print_lines(lines: Result<Vec<String>, String>, output: &mut Output) -> Result<(), Stop> {
    lines.map_err(Stop::Message)?.iter().for_each(|line| output.line(line));
    Ok(())
}

fn load(parsed: &Parsed) -> Result<BrokerConfig, Stop> {
    let file = PathBuf::from(parsed.value("config").unwrap_or_default());
    let environment = |name: &str| std::env::var(name).ok();
    let loaded = config::load(Some(&file), &[], &environment).map_err(|error| Stop::Message(error.to_string()))?;
    Ok(loaded.broker.config.clone())
}

fn format(config: &BrokerConfig, parsed: &Parsed, output: &mut Output) -> Result<(), Stop> {
    let release_version =
        parsed.value("release-version").map(features::parse_release).transpose().map_err(Stop::Message)?;
    let features = parsed.values("feature").into_iter().map(parse_level).collect::<Result<BTreeMap<_, _>, _>>();
    let features = features.map_err(Stop::Message)?;
    let voters = initial_voters(config, parsed).map_err(Stop::Message)?;
    let mut log_dirs: Vec<PathBuf> = directories(config).into_iter().collect();
    // The order in which Java walks a map of them: so they are formatted and told.
    hash_order::sort(&mut log_dirs, None, |dir| hash_order::of_text(&dir.to_string_lossy()));
    let options = FormatOptions {
        voters,
        records: credentials(parsed, release_version).map_err(Stop::Message)?,
        release_version,
        cluster_id: parsed.value("cluster-id").unwrap_or_default().to_owned(),
        node_id: BrokerId(config.node_id),
        log_dirs,
        metadata_log_dir: config.metadata_log_dir.clone(),
        features,
        ignore_formatted: parsed.has("ignore-formatted"),
        now: Clock::system().wall(),
    };
    let report = format_directories(&options).map_err(|error| Stop::Message(error.to_string()))?;
    if report.formatted.is_empty() {
        output.line("All of the log directories are already formatted.");
        return Ok(());
    }
    let records: Vec<String> = report.bootstrap.iter().map(shown).collect();
    output.line(format!(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format command)",
        records.join(", "),
        report.version.level()
    ));
    for (dir, what) in &report.formatted {
        output.line(format!("Formatting {what} {} with metadata.version {}.", dir.display(), report.version));
    }
    Ok(())
}

/// A record as Java prints it.
fn shown(record: &MetadataRecord) -> String {
    let bytes = |bytes: &[u8]| {
        let numbers: Vec<String> = bytes.iter().map(|byte| i8::from_be_bytes([*byte]).to_string()).collect();
        format!("[{}]", numbers.join(", "))
    };
    let text = match record {
        MetadataRecord::FeatureLevel(level) => {
            format!("FeatureLevelRecord(name='{}', featureLevel={})", level.name, level.feature_level)
        }
        MetadataRecord::UserScramCredential(credential) => format!(
            "UserScramCredentialRecord(name='{}', mechanism={}, salt={}, storedKey={}, serverKey={}, iterations={})",
            credential.name,
            credential.mechanism,
            bytes(&credential.salt),
            bytes(&credential.stored_key),
            bytes(&credential.server_key),
            credential.iterations
        ),
        other => other.name().to_owned(),
    };
    format!("ApiMessageAndVersion({text} at version 0)")
}

fn credentials(parsed: &Parsed, release: Option<MetadataVersion>) -> Result<Vec<MetadataRecord>, String> {
    let arguments = parsed.values("add-scram");
    if !arguments.is_empty() && !release.unwrap_or(MetadataVersion::LATEST).scram() {
        return Err("SCRAM is only supported in metadata.version 3.5-IV2 or later.".to_owned());
    }
    arguments.into_iter().map(scram::credential).collect()
}

fn initial_voters(config: &BrokerConfig, parsed: &Parsed) -> Result<InitialVoters, String> {
    let (standalone, given) = (parsed.has("standalone"), parsed.value("initial-controllers"));
    let is_static = !config.controller_quorum_voters.is_empty();
    if is_static && (standalone || given.is_some()) {
        return Err(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. \
             If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
             controller.quorum.bootstrap.servers instead."
                .to_owned(),
        );
    }
    let listener = config.advertised_controller_listeners.first();
    let name = listener.map_or("CONTROLLER", |listener| listener.name.as_str());
    if let Some(text) = given {
        return voters::parse(text, name).map(InitialVoters::Set);
    }
    match listener {
        Some(listener) if standalone => Ok(InitialVoters::Standalone {
            listener: name.to_owned(),
            host: if listener.host.is_empty() { "localhost".to_owned() } else { listener.host.clone() },
            port: listener.port,
        }),
        None if standalone => Err("You can only use --standalone on a controller.".to_owned()),
        _ if is_static => Ok(InitialVoters::Static),
        _ if parsed.has("no-initial-controllers") || !config.process_roles.controller => Ok(InitialVoters::Unknown),
        _ => Err(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
                  --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned(),
        ),
    }
}

fn info(config: &BrokerConfig, output: &mut Output) -> Result<(), Stop> {
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
        match MetaProperties::read(&dir) {
            Ok(None) => problems.push(format!("{} is not formatted.", dir.display())),
            Ok(Some(read)) => {
                let first = identity.get_or_insert_with(|| read.clone());
                if first.cluster_id != read.cluster_id {
                    problems.push("Mismatched cluster IDs between storage directories.".to_owned());
                } else if first.node_id != read.node_id {
                    problems.push("Mismatched node IDs between storage directories.".to_owned());
                }
            }
            Err(error) => {
                problems.push(format!("Error loading {}: {error}", dir.join(MetaProperties::FILE).display()));
            }
        }
    }
    print_section(["Found log directory:", "Found log directories:"], &found, output);
    if let Some(MetaProperties { cluster_id, node_id, directory_id }) = identity {
        let directory = directory_id.map_or(String::new(), |id| format!("directory.id={id}, "));
        output.line(format!("Found metadata: {{cluster.id={cluster_id}, {directory}node.id={node_id}, version=1}}\n"));
    }
    print_section(["Found problem:", "Found problems:"], &problems, output);
    if problems.is_empty() { Ok(()) } else { Err(Stop::Told) }
}

fn print_section([one, several]: [&str; 2], lines: &[String], output: &mut Output) {
    if lines.is_empty() {
        return;
    }
    output.line(if lines.len() == 1 { one } else { several });
    lines.iter().for_each(|line| output.line(format!("  {line}")));
    output.line("");
}

fn directories(config: &BrokerConfig) -> BTreeSet<PathBuf> {
    let log_dirs = config.log_dirs.iter().map(PathBuf::as_path);
    log_dirs.chain([config.metadata_log_dir.as_path()]).map(Path::to_path_buf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::kraft::{FeatureLevelRecord, UserScramCredentialRecord};

    #[test]
    fn records_are_shown_as_java_prints_them() {
        let level = FeatureLevelRecord { name: "group.version".to_owned(), feature_level: 1 };
        assert_eq!(
            shown(&level.into()),
            "ApiMessageAndVersion(FeatureLevelRecord(name='group.version', featureLevel=1) at version 0)"
        );
        let credential = UserScramCredentialRecord {
            name: "a".to_owned(),
            mechanism: 1,
            salt: vec![1, 255].into(),
            stored_key: vec![128].into(),
            server_key: Vec::new().into(),
            iterations: 4096,
        };
        assert_eq!(
            shown(&credential.into()),
            "ApiMessageAndVersion(UserScramCredentialRecord(name='a', mechanism=1, salt=[1, -1], storedKey=[-128], \
             serverKey=[], iterations=4096) at version 0)"
        );
    }
}
