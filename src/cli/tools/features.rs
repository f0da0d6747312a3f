//! `kafka-features.sh`: the levels of the cluster's features, raised and lowered.

mod levels;

use std::collections::BTreeMap;

use super::subcommands::{self, Parsed};
use super::{Flag, Output, Stop, Subcommand, Tool, admin, hash_order};
use crate::cli::feature_levels::parse as parse_level;
use crate::client::{Bootstrap, Client, ClientError, Target, no_fault};
use crate::protocol::StrBytes;
use crate::protocol::messages::update_features_request::FeatureUpdateKey;
use crate::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest};
use crate::types::BrokerId;

const SERVERS: &str = "bootstrap-server";
const CONTROLLERS: &str = "bootstrap-controller";
const METADATA: Flag = Flag::value("metadata", "level", "Deprecated: the level of the metadata, such as 3.3-IV3");
const RELEASE: Flag = Flag::value("release-version", "release", "The release whose levels all features get");
const FEATURE: Flag = Flag::value("feature", "feature=level", "A feature and its level");
const UNSAFE: Flag = Flag::switch("unsafe", "Also where metadata may be lost");
const DRY_RUN: Flag = Flag::switch("dry-run", "Say whether it could be done and do nothing");

pub static TOOL: Tool = Tool {
    name: "features",
    about: "Describe the levels of features, raise or lower them",
    flags: &[
        Flag::value(SERVERS, "host:port,…", "The brokers to begin with"),
        Flag::value(CONTROLLERS, "host:port,…", "The controllers to begin with"),
        Flag::value("command-config", "file", "Properties of the client"),
    ],
    subcommands: &[
        Subcommand {
            name: "describe",
            about: "Describe the levels",
            flags: &[Flag::value("node-id", "node", "The node to ask; any without it")],
        },
        Subcommand { name: "upgrade", about: "Raise levels", flags: &[METADATA, RELEASE, FEATURE, DRY_RUN] },
        Subcommand { name: "downgrade", about: "Lower levels", flags: &[METADATA, RELEASE, FEATURE, UNSAFE, DRY_RUN] },
        Subcommand {
            name: "disable",
            about: "Lower features to level 0",
            flags: &[Flag::value("feature", "feature", "A feature"), UNSAFE, DRY_RUN],
        },
        Subcommand {
            name: "version-mapping",
            about: "Print the levels of a release",
            flags: &[Flag::value("release-version", "release", "The release; the newest without it")],
        },
        Subcommand { name: "feature-dependencies", about: "Print what levels depend on", flags: &[FEATURE.required()] },
    ],
    run,
};

/// The kinds of change, as the wire numbers them and as they are told.
const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let parsed = subcommands::parse(tool, &words, Stop::Done, output).map_err(wrong)?;
    let node = subcommands::number(tool, &parsed, "node-id").map_err(wrong)?;
    if parsed.has(SERVERS) && parsed.has(CONTROLLERS) {
        let message = format!("argument --{CONTROLLERS}: not allowed with argument --{SERVERS}");
        return Err(wrong(subcommands::error(tool, &message)));
    }
    match parsed.command {
        "version-mapping" => return levels::version_mapping(parsed.value("release-version"), output),
        "feature-dependencies" => return levels::dependencies(&parsed.values("feature"), output),
        _ => {}
    }
    let properties = admin::properties(parsed.value("command-config"))?;
    let bootstrap = match (parsed.value(SERVERS), parsed.value(CONTROLLERS)) {
        (Some(servers), _) => Bootstrap::Servers(servers.to_owned()),
        (None, Some(controllers)) => Bootstrap::Controllers(controllers.to_owned()),
        (None, None) => {
            let message = format!("You must specify either --{CONTROLLERS} or --{SERVERS}.");
            return Err(wrong(subcommands::error(tool, &message)));
        }
    };
    let mut client = admin::open(bootstrap, properties, "adminclient-1")?;
    match parsed.command {
        "describe" => describe(&mut client, node, output),
        "disable" => {
            let updates = once_each(parsed.values("feature").into_iter().map(|name| Ok((name.to_owned(), 0))))?;
            update(&mut client, &parsed, updates, output)
        }
        _ => {
            let updates = wanted_levels(&parsed, output)?;
            update(&mut client, &parsed, updates, output)
        }
    }
}

/// This tool has a way of its own to tell what the parser says.
fn wrong(stop: Stop) -> Stop {
    match stop {
        Stop::Misused { message, .. } => Stop::Message(format!("Command line error: {message}. Type --help for help.")),
        stop => stop,
    }
}

fn describe(client: &mut Client, node: Option<i32>, output: &mut Output) -> Result<(), Stop> {
    if let Some(node) = node.filter(|node| *node < 0) {
        return Err(Stop::Message(format!("Invalid node id {node}: must be non-negative.")));
    }
    let answer = announced(client, node)?;
    let finalized: BTreeMap<&str, i16> =
        answer.finalized_features.iter().map(|feature| (&*feature.name, feature.max_version_level)).collect();
    let mut supported: Vec<_> = answer.supported_features.iter().collect();
    supported.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    let epoch = match answer.finalized_features_epoch {
        epoch if epoch < 0 => "-".to_owned(),
        epoch => epoch.to_string(),
    };
    for feature in supported {
        let name = feature.name.as_str();
        let level = finalized.get(name).copied().unwrap_or(0);
        let text = |level: i16| levels::level_text(name, level);
        output.line(format!(
            "Feature: {name:<40}  SupportedMinVersion: {:<15}  SupportedMaxVersion: {:<15}  FinalizedVersionLevel: \
             {:<15}  Epoch: {epoch}",
            text(feature.min_version),
            text(feature.max_version),
            text(level),
        ));
    }
    Ok(())
}

/// What a node says of features.
fn announced(client: &mut Client, node: Option<i32>) -> Result<ApiVersionsResponse, Stop> {
    let target = match (node, &client.config.bootstrap) {
        (Some(node), _) => Target::Broker(BrokerId(node)),
        (None, Bootstrap::Servers(_)) => Target::Any,
        (None, Bootstrap::Controllers(_)) => Target::Controller,
    };
    let request = |version: i16| {
        let request = ApiVersionsRequest::default();
        Ok(match version >= 3 {
            true => request
                .with_client_software_name(StrBytes::from_static_str("ottla"))
                .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION"))),
            false => request,
        })
    };
    let answer = client.call_versioned::<ApiVersionsRequest>(target, "describeFeatures", request, no_fault);
    let answer = answer.map_err(|error| match target {
        Target::Broker(node) if client.node(node).is_none() => {
            ClientError::timeout("Timed out waiting for a node assignment. Call: describeFeatures")
        }
        _ => error,
    });
    // What a call throws has passed through a future.
    let answer = answer.map_err(|error| Stop::Message(error.as_throwable()))?;
    ClientError::from_wire(answer.error_code, None).map_err(|error| Stop::Message(error.as_throwable()))?;
    Ok(answer)
}

type Levels = Vec<(String, i16)>;

fn wanted_levels(parsed: &Parsed, output: &mut Output) -> Result<Levels, Stop> {
    let (metadata, features) = (parsed.value("metadata"), parsed.values("feature"));
    if let Some(release) = parsed.value("release-version") {
        if metadata.is_some() || !features.is_empty() {
            return Err(Stop::Message("Can not specify `release-version` with other feature flags.".to_owned()));
        }
        return levels::of_release(release, upgrade_type(parsed) == UPGRADE).map_err(Stop::Message);
    }
    let mut wanted = Vec::new();
    if let Some(metadata) = metadata {
        output.line(" `metadata` flag is deprecated and may be removed in a future release.");
        wanted.push(Ok(levels::of_metadata(metadata).map_err(Stop::Message)?));
    }
    wanted.extend(features.into_iter().map(parse_level));
    once_each(wanted.into_iter())
}

/// Features as they were asked for, none twice.
fn once_each(features: impl Iterator<Item = Result<(String, i16), String>>) -> Result<Levels, Stop> {
    let mut levels = Levels::new();
    for feature in features {
        let (name, level) = feature.map_err(Stop::Message)?;
        if levels.iter().any(|(present, _)| *present == name) {
            return Err(Stop::Message(format!("Feature {name} was specified more than once.")));
        }
        levels.push((name, level));
    }
    hash_order::sort(&mut levels, None, |(name, _)| hash_order::of_text(name));
    Ok(levels)
}

fn upgrade_type(parsed: &Parsed) -> i8 {
    match parsed.command {
        "upgrade" => UPGRADE,
        _ if parsed.has("unsafe") => UNSAFE_DOWNGRADE,
        _ => SAFE_DOWNGRADE,
    }
}

fn update(client: &mut Client, parsed: &Parsed, mut levels: Levels, output: &mut Output) -> Result<(), Stop> {
    let (op, dry_run) = (parsed.command, parsed.has("dry-run"));
    if levels.is_empty() {
        return Err(Stop::Message(format!("You must specify at least one feature to {op}")));
    }
    if levels.iter().any(|(name, _)| name.trim().is_empty()) {
        return Err(Stop::Message("Provided feature can not be empty.".to_owned()));
    }
    let outcome = call(client, &levels, upgrade_type(parsed), dry_run);
    levels.sort_unstable();
    let mut failures = 0;
    for (name, level) in &levels {
        let failure = match &outcome {
            Ok(failures) => failures.get(name),
            Err(error) => Some(error),
        };
        let to = if op == "disable" { String::new() } else { format!(" to {level}") };
        match failure {
            Some(error) => {
                let could = if dry_run { "Can not" } else { "Could not" };
                output.line(format!("{could} {op} {name}{to}. {error}"));
                failures += 1;
            }
            None => {
                let was = if dry_run { "can be" } else { "was" };
                output.line(format!("{name} {was} {op}d{to}."));
            }
        }
    }
    match failures {
        0 => Ok(()),
        _ => Err(Stop::Message(format!("{failures} out of {} operation(s) failed.", levels.len()))),
    }
}

/// The features that could not be changed, with the reason; the error if all could not.
fn call(
    client: &mut Client,
    levels: &Levels,
    upgrade_type: i8,
    validate_only: bool,
) -> Result<BTreeMap<String, ClientError>, ClientError> {
    let timeout_ms = admin::timeout_ms(client);
    let request = |version: i16| {
        if version == 0 && (validate_only || upgrade_type == UNSAFE_DOWNGRADE) {
            return Err(ClientError::of(crate::types::ErrorCode::UnsupportedVersion));
        }
        let update = |(name, level): &(String, i16)| {
            let update = FeatureUpdateKey::default().with_feature(admin::text(name)).with_max_version_level(*level);
            match version {
                0 => update.with_allow_downgrade(upgrade_type != UPGRADE),
                _ => update.with_upgrade_type(upgrade_type),
            }
        };
        let request = UpdateFeaturesRequest::default().with_timeout_ms(timeout_ms);
        let request = request.with_feature_updates(levels.iter().map(update).collect());
        Ok(if version >= 1 { request.with_validate_only(validate_only) } else { request })
    };
    let answer =
        client.call_versioned::<UpdateFeaturesRequest>(Target::Controller, "updateFeatures", request, |answer| {
            answer.error_code
        })?;
    ClientError::from_wire(answer.error_code, answer.error_message.as_deref())?;
    let failures = answer.results.iter().filter_map(|result| {
        let outcome = ClientError::from_wire(result.error_code, result.error_message.as_deref());
        Some((result.feature.to_string(), outcome.err()?))
    });
    Ok(failures.collect())
}
