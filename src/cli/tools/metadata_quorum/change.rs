//! Controllers that join the voters or leave them.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::admin::text;
use super::super::cluster::thrown;
use super::super::{Output, Stop};
use super::message;
use crate::client::{Client, ClientError, Target};
use crate::log::MetaProperties;
use crate::protocol::messages::add_raft_voter_request::Listener;
use crate::protocol::messages::{AddRaftVoterRequest, RemoveRaftVoterRequest};
use crate::types::Uuid;

type Properties = BTreeMap<String, String>;

pub(super) fn add(
    client: &mut Client,
    properties: &Properties,
    dry_run: bool,
    output: &mut Output,
) -> Result<(), Stop> {
    let id = controller_id(properties)?;
    let directory = directory_id(metadata_directory(properties)?)?;
    let endpoints = endpoints(properties)?;
    if !dry_run {
        let listener = |(name, host, port): &(String, String, u16)| {
            Listener::default().with_name(text(name)).with_host(text(host)).with_port(*port)
        };
        let request = AddRaftVoterRequest::default()
            .with_cluster_id(None)
            .with_voter_id(id)
            .with_voter_directory_id(directory.into())
            .with_listeners(endpoints.iter().map(listener).collect())
            .with_timeout_ms(super::super::admin::timeout_ms(client));
        let answer = client
            .call(Target::Any, "addRaftVoter", &request, |answer| answer.error_code)
            .and_then(|answer| ClientError::from_wire(answer.error_code, answer.error_message.as_deref()));
        answer.map_err(thrown)?;
    }
    let done = if dry_run { "DRY RUN of adding" } else { "Added" };
    let texts: Vec<String> = endpoints.iter().map(|(name, host, port)| endpoint_text(name, host, *port)).collect();
    output.line(format!("{done} controller {id} with directory id {directory} and endpoints: {}", texts.join(", ")));
    Ok(())
}

pub(super) fn remove(
    client: &mut Client,
    id: i32,
    directory: &str,
    dry_run: bool,
    output: &mut Output,
) -> Result<(), Stop> {
    if id < 0 {
        return Err(Stop::Message(format!("Invalid negative --controller-id: {id}")));
    }
    let directory = super::super::admin::parse_uuid(directory)
        .map_err(|reason| Stop::Message(format!("Failed to parse --controller-directory-id: {reason}")))?;
    if !dry_run {
        let request = RemoveRaftVoterRequest::default()
            .with_cluster_id(None)
            .with_voter_id(id)
            .with_voter_directory_id(directory.into());
        let answer = client
            .call(Target::Any, "removeRaftVoter", &request, |answer| answer.error_code)
            .and_then(|answer| ClientError::from_wire(answer.error_code, answer.error_message.as_deref()));
        answer.map_err(thrown)?;
    }
    // Kafka's two blanks after "removing" and "Removed" are kept: scripts compare this line.
    let done = if dry_run { "DRY RUN of removing " } else { "Removed " };
    output.line(format!("{done} KRaft controller {id} with directory id {directory}"));
    Ok(())
}

/// A listener as Kafka writes it; an IPv6 address stands in brackets.
pub(super) fn endpoint_text(name: &str, host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("{name}://[{host}]:{port}"),
        false => format!("{name}://{host}:{port}"),
    }
}

fn not_of_a_controller(what: &str) -> Stop {
    Stop::Message(format!("{what} configuration file. Is this a valid controller configuration file?"))
}

fn controller_id(properties: &Properties) -> Result<i32, Stop> {
    let text = properties.get("node.id").ok_or_else(|| not_of_a_controller("node.id not found in"))?;
    let id: i32 = text.parse().map_err(|_| Stop::Message(format!("For input string: \"{text}\"")))?;
    if id < 0 {
        return Err(not_of_a_controller("node.id was negative in"));
    }
    match properties.get("process.roles").is_some_and(|roles| roles.contains("controller")) {
        true => Ok(id),
        false => Err(not_of_a_controller("process.roles did not contain 'controller' in")),
    }
}

fn metadata_directory(properties: &Properties) -> Result<&str, Stop> {
    let first = |list: &'static str| properties.get(list).and_then(|dirs| dirs.trim().split(',').next());
    let directory = properties.get("metadata.log.dir").map(String::as_str).or_else(|| first("log.dirs"));
    directory.ok_or_else(|| {
        message("Neither metadata.log.dir nor log.dirs were found. Is this a valid controller configuration file?")
    })
}

fn directory_id(directory: &str) -> Result<Uuid, Stop> {
    let read = MetaProperties::read(Path::new(directory)).map_err(|error| Stop::Message(error.to_string()))?;
    let properties = read.ok_or_else(|| Stop::Message(format!("Unable to read meta.properties from {directory}")))?;
    properties.directory_id.ok_or_else(|| Stop::Message(format!("No directory id found in {directory}")))
}

/// The controller's listeners, advertised addresses first.
fn endpoints(properties: &Properties) -> Result<Vec<(String, String, u16)>, Stop> {
    let mut listeners: BTreeMap<String, (String, u16)> = BTreeMap::new();
    for key in ["listeners", "advertised.listeners"] {
        let list = properties.get(key).map_or("", String::as_str);
        for listener in list.split(',').map(str::trim).filter(|listener| !listener.is_empty()) {
            let unusable = || Stop::Message(format!("Unable to parse {listener} to a broker endpoint"));
            let (name, address) = listener.split_once("://").ok_or_else(unusable)?;
            let (host, port) = address.rsplit_once(':').ok_or_else(unusable)?;
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            listeners.insert(name.to_uppercase(), (host, port.parse().map_err(|_| unusable())?));
        }
    }
    let names = properties.get("controller.listener.names").ok_or_else(|| {
        message("controller.listener.names was not found. Is this a valid controller configuration file?")
    })?;
    names
        .split(',')
        .map(|name| {
            let name = name.trim().to_uppercase();
            let (host, port) = listeners.get(&name).cloned().ok_or_else(|| {
                Stop::Message(format!("Cannot find information about controller listener name: {name}"))
            })?;
            let host = if host.is_empty() { "localhost".to_owned() } else { host };
            Ok((name, host, port))
        })
        .collect()
}
