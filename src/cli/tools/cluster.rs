//! `kafka-cluster.sh`: the id of a cluster, its nodes, and brokers unregistered.

use super::subcommands::{self, Parsed};
use super::{Flag, Output, Stop, Subcommand, Tool, admin};
use crate::client::{Bootstrap, Client, ClientError, Target};
use crate::protocol::messages::describe_cluster_response::DescribeClusterBroker;
use crate::protocol::messages::{BrokerId, DescribeClusterRequest, UnregisterBrokerRequest};
use crate::types::ErrorCode;

const CONFIG: Flag = Flag::value("config", "file", "Deprecated: the same as --command-config");
const COMMAND_CONFIG: Flag = Flag::value("command-config", "file", "Properties of the client").short("c");
const SERVERS: Flag = Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with").short("b").either();
const CONTROLLERS: Flag =
    Flag::value("bootstrap-controller", "host:port,…", "The controllers to begin with").short("C").either();

pub static TOOL: Tool = Tool {
    name: "cluster",
    about: "Show what a cluster is, or unregister a broker",
    flags: &[],
    subcommands: &[
        Subcommand {
            name: "cluster-id",
            about: "Print the id of the cluster",
            flags: &[CONFIG, COMMAND_CONFIG, SERVERS, CONTROLLERS],
        },
        Subcommand {
            name: "unregister",
            about: "Unregister a broker",
            flags: &[
                CONFIG,
                COMMAND_CONFIG,
                Flag::value("id", "broker", "The broker to unregister").short("i").required(),
                SERVERS,
                CONTROLLERS,
            ],
        },
        Subcommand {
            name: "list-endpoints",
            about: "List the nodes and where they listen",
            flags: &[
                CONFIG,
                COMMAND_CONFIG,
                Flag::switch("include-fenced-brokers", "List brokers that are fenced, too"),
                SERVERS,
                CONTROLLERS,
            ],
        },
    ],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let parsed = subcommands::parse(tool, &words, Stop::Told, output)?;
    let id = subcommands::number(tool, &parsed, "id")?;
    if parsed.has("config") && parsed.has("command-config") {
        return Err(Stop::Message("--config and --command-config cannot be specified together.".to_owned()));
    }
    if parsed.has("config") {
        output.line(
            "Option --config has been deprecated and will be removed in a future version. Use --command-config instead.",
        );
    }
    let mut client = open(&parsed, parsed.value("command-config").or(parsed.value("config")))?;
    match (parsed.command, id) {
        ("cluster-id", _) => cluster_id(&mut client, output),
        ("unregister", Some(id)) => unregister(&mut client, id, output),
        _ => list_endpoints(&mut client, &parsed, output),
    }
}

/// A client for the brokers or the controllers that the arguments name.
pub(super) fn open(parsed: &Parsed, file: Option<&str>) -> Result<Client, Stop> {
    let bootstrap = match (parsed.value("bootstrap-server"), parsed.value("bootstrap-controller")) {
        (Some(servers), _) => Bootstrap::Servers(servers.to_owned()),
        (None, controllers) => Bootstrap::Controllers(controllers.unwrap_or_default().to_owned()),
    };
    admin::open(bootstrap, admin::properties(file)?, "adminclient-1")
}

/// The tools that wait for a future print what it threw.
pub(super) fn thrown(error: ClientError) -> Stop {
    Stop::Message(error.as_throwable())
}

fn cluster_id(client: &mut Client, output: &mut Output) -> Result<(), Stop> {
    client.refresh("listNodes").map_err(thrown)?;
    match client.cluster_id() {
        Some(id) => output.line(format!("Cluster ID: {id}")),
        None => output.line("No cluster ID found. The Kafka version is probably too old."),
    }
    Ok(())
}

fn unregister(client: &mut Client, id: i32, output: &mut Output) -> Result<(), Stop> {
    let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
    let answer = client.call(Target::Any, "unregisterBroker", &request, |answer| answer.error_code);
    let answer = answer.and_then(|answer| ClientError::from_wire(answer.error_code, answer.error_message.as_deref()));
    match answer {
        Ok(()) => output.line(format!("Broker {id} is no longer registered.")),
        Err(error) if error.code() == Some(ErrorCode::UnsupportedVersion) => {
            output.line("The target cluster does not support the broker unregistration API.");
        }
        Err(error) => return Err(thrown(error)),
    }
    Ok(())
}

fn list_endpoints(client: &mut Client, parsed: &Parsed, output: &mut Output) -> Result<(), Stop> {
    let fenced = parsed.has("include-fenced-brokers");
    let is_controllers = parsed.has("bootstrap-controller");
    if fenced && is_controllers {
        return Err(Stop::Message(
            "The option --include-fenced-brokers is only supported with --bootstrap-server option".to_owned(),
        ));
    }
    let nodes = match nodes(client, is_controllers, fenced) {
        Ok(nodes) => nodes,
        Err(error) if error.code() == Some(ErrorCode::UnsupportedVersion) => {
            output.line(error);
            return Ok(());
        }
        Err(error) => return Err(thrown(error)),
    };
    let host = nodes.iter().map(|node| node.host.len()).max().unwrap_or(100);
    let rack = nodes.iter().filter_map(|node| node.rack.as_ref().map(|rack| rack.len())).max().unwrap_or(10);
    let row = |id: &str, name: &str, port: &str, place: &str, state: &str, kind: &str| {
        let state = if is_controllers { String::new() } else { format!("{state:10} ") };
        format!("{id:10} {name:host$} {port:10} {place:rack$} {state}{kind:15}")
    };
    output.line(row("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"));
    for node in &nodes {
        let place = node.rack.as_deref().unwrap_or("null");
        let state = if node.is_fenced { "fenced" } else { "unfenced" };
        let kind = if is_controllers { "controller" } else { "broker" };
        output.line(row(&node.broker_id.0.to_string(), &node.host, &node.port.to_string(), place, state, kind));
    }
    Ok(())
}

fn nodes(client: &mut Client, controllers: bool, fenced: bool) -> Result<Vec<DescribeClusterBroker>, ClientError> {
    let request = DescribeClusterRequest::default()
        .with_endpoint_type(if controllers { 2 } else { 1 })
        .with_include_fenced_brokers(fenced);
    let request = |version: i16| match version < 2 && fenced {
        true => Err(ClientError::Kafka {
            code: ErrorCode::UnsupportedVersion,
            message: "Including fenced broker endpoints is not supported with version older than 2".to_owned(),
        }),
        false => Ok(request.clone()),
    };
    let answer = client
        .call_versioned::<DescribeClusterRequest>(Target::Any, "listNodes", request, |answer| answer.error_code)?;
    ClientError::from_wire(answer.error_code, answer.error_message.as_deref())?;
    let mut nodes = answer.brokers;
    nodes.sort_by_key(|node| node.broker_id.0);
    Ok(nodes)
}
