//! `kafka-broker-api-versions.sh`: the versions of APIs that brokers know.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Arguments, Flag, Output, Stop, Tool, admin};
use crate::client::{Client, Connection};
use crate::protocol::schema;

pub static TOOL: Tool = Tool {
    name: "broker-api-versions",
    about: "Print the versions of APIs that brokers know",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    arguments.help_or_version("This tool helps to retrieve broker version information.", output)?;
    arguments.require(&["bootstrap-server"])?;
    let mut client = admin::connect(&arguments, "admin-1").map_err(without_admin)?;
    // This tool asks each address once, where the others go on until their time is over.
    client.config.api_timeout = Duration::ZERO;
    let timeout = match client.config.properties.contains_key("request.timeout.ms") {
        true => client.config.request_timeout,
        false => Duration::from_secs(5),
    };
    let deadline = Instant::now() + timeout;
    if client.look(deadline).is_err() {
        let brokers = client.config.addresses.iter().enumerate();
        let brokers: Vec<String> = brokers
            .map(|(at, address)| format!("{address} (id: {} rack: null isFenced: false)", -1 - at as i32))
            .collect();
        return Err(Stop::Message(format!("Request METADATA failed on brokers [{}]", brokers.join(", "))));
    }
    for node in client.nodes()? {
        let rack = node.rack.as_deref().unwrap_or("null");
        output.text(format!("{} (id: {} rack: {rack} isFenced: false) -> ", node.address, node.id.0));
        let versions = versions(&mut client, node.id, deadline);
        output.line(versions.unwrap_or_else(|reason| format!("ERROR: {reason}")));
    }
    Ok(())
}

/// This tool's client is none of the admin kind, so that its mistakes are told as they are.
fn without_admin(stop: Stop) -> Stop {
    match stop {
        Stop::Message(message) => match message.split_once("ConfigException: ") {
            Some((_, reason)) => Stop::Message(reason.to_owned()),
            None => Stop::Message(message),
        },
        stop => stop,
    }
}

fn versions(client: &mut Client, node: crate::types::BrokerId, deadline: Instant) -> Result<String, String> {
    let connection = client.connection(node, deadline).map_err(|error| error.as_throwable())?;
    Ok(table(connection))
}

fn table(connection: &Connection) -> String {
    let mut rows: BTreeMap<i16, String> =
        connection.versions().iter().map(|(&key, &(oldest, newest))| (key, row(key, oldest, newest))).collect();
    for (key, name) in client_apis() {
        rows.entry(key).or_insert_with(|| format!("{name}({key}): UNSUPPORTED"));
    }
    let rows: Vec<String> = rows.into_values().collect();
    format!("(\n\t{}\n)", rows.join(",\n\t"))
}

fn row(key: i16, oldest: i16, newest: i16) -> String {
    let range = match oldest == newest {
        true => oldest.to_string(),
        false => format!("{oldest} to {newest}"),
    };
    let Some(api) = schema::api(key) else { return format!("UNKNOWN({key}): {range}") };
    let usable = if api.max_version < oldest {
        "unusable: node too new".to_owned()
    } else if newest < api.min_version {
        "unusable: node too old".to_owned()
    } else {
        format!("usable: {}", api.max_version.min(newest))
    };
    format!("{}({key}): {range} [{usable}]", api.name)
}

/// The APIs that Kafka's brokers offer to clients; the others are between nodes.
fn client_apis() -> impl Iterator<Item = (i16, &'static str)> {
    const BETWEEN_NODES: [i16; 12] = [52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82];
    schema::apis().filter(|api| !BETWEEN_NODES.contains(&api.key)).map(|api| (api.key, api.name))
}
