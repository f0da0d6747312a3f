//! `kafka-groups.sh`: the groups of all types.

use super::{Arguments, Flag, Output, Stop, Tool, admin, hash_order};
use crate::client::{Client, ClientError, Target};
use crate::protocol::messages::ListGroupsRequest;

pub static TOOL: Tool = Tool {
    name: "groups",
    about: "List groups of all types",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required").required(),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::switch("list", "List groups"),
        Flag::value("group-type", "type", "Only groups of this type: classic, consumer, share or streams"),
        Flag::value("protocol", "protocol", "Only groups of this protocol type"),
        Flag::switch("consumer", "Only groups of consumers, of the classic and the newer type"),
        Flag::switch("share", "Only share groups"),
        Flag::switch("streams", "Only streams groups"),
    ],
    subcommands: &[],
    run,
};

/// A group as a coordinator lists it. Where the cluster is too old to tell a type or a state, it is empty.
pub struct ListedGroup {
    pub id: String,
    pub kind: String,
    pub protocol: String,
    pub state: String,
}

/// The groups of all coordinators, in the order of Java's map. Empty filters let all pass.
pub fn list_groups(client: &mut Client, states: &[&str], types: &[&str]) -> Result<Vec<ListedGroup>, ClientError> {
    client.refresh("findAllBrokers")?;
    let texts = |filter: &[&str]| filter.iter().map(|text| admin::text(text)).collect::<Vec<_>>();
    let request = |version: i16| {
        let request = ListGroupsRequest::default();
        let request = if version >= 4 { request.with_states_filter(texts(states)) } else { request };
        Ok(if version >= 5 { request.with_types_filter(texts(types)) } else { request })
    };
    let mut groups: Vec<ListedGroup> = Vec::new();
    for node in client.nodes()? {
        let target = Target::Broker(node.id);
        let answer =
            client.call_versioned::<ListGroupsRequest>(target, "listGroups", request, |answer| answer.error_code)?;
        ClientError::from_wire(answer.error_code, None)?;
        for group in answer.groups {
            let listed = ListedGroup {
                id: group.group_id.to_string(),
                kind: type_name(&group.group_type),
                protocol: group.protocol_type.to_string(),
                state: group.group_state.to_string(),
            };
            groups.retain(|present| present.id != listed.id);
            groups.push(listed);
        }
    }
    hash_order::sort(&mut groups, None, |group| hash_order::of_text(&group.id));
    Ok(groups)
}

/// The types Kafka's client knows, as it writes them.
pub const TYPES: [&str; 4] = ["Classic", "Consumer", "Share", "Streams"];

fn type_name(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let known = TYPES.into_iter().find(|name| name.eq_ignore_ascii_case(text));
    known.unwrap_or("Unknown").to_owned()
}

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    check(&arguments, output)?;
    let mut client = admin::connect(&arguments, "adminclient-1")?;
    let failed = |output: &mut Output, message: String| {
        output.line(format!("Error while executing groups command : {message}"));
        Stop::Told
    };
    let groups = match list_groups(&mut client, &[], &[]) {
        Ok(groups) => groups,
        Err(error) => return Err(failed(output, error.to_string())),
    };
    let kind = arguments.value("group-type").map_err(|message| failed(output, message))?.map(type_name);
    let protocol = arguments.value("protocol").map_err(|message| failed(output, message))?;
    let passes = |group: &&ListedGroup| match (&kind, protocol) {
        (Some(kind), protocol) => group.kind == *kind && protocol.is_none_or(|protocol| group.protocol == protocol),
        (None, Some(protocol)) => group.protocol == protocol,
        (None, None) if arguments.has("consumer") => {
            matches!(group.protocol.as_str(), "consumer" | "") || group.kind == "Consumer"
        }
        (None, None) if arguments.has("share") => group.kind == "Share",
        (None, None) if arguments.has("streams") => group.kind == "Streams",
        (None, None) => true,
    };
    let rows: Vec<[&str; 3]> = groups
        .iter()
        .filter(passes)
        .map(|group| [group.id.as_str(), group.kind.as_str(), group.protocol.as_str()])
        .collect();
    let width = rows.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(0).max(20);
    output.line(format!("{:width$} {:width$} {:width$}", "GROUP", "TYPE", "PROTOCOL"));
    for [id, kind, protocol] in rows {
        output.line(format!("{id:width$} {kind:width$} {protocol:width$} "));
    }
    Ok(())
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    if !arguments.has("help") && !arguments.has("version") && !arguments.has("bootstrap-server") {
        return Err(Stop::Usage("Missing required option(s) [bootstrap-server]".to_owned()));
    }
    arguments.help_or_version("This tool helps to list groups of all types.", output)?;
    if !arguments.has("list") {
        return Err(Stop::Usage("Command must include exactly one action: --list.".to_owned()));
    }
    if let Some(kind) = arguments.value("group-type").map_err(Stop::Message)?
        && type_name(kind) == "Unknown"
    {
        return Err(Stop::Message("--group-type must be a valid group type.".to_owned()));
    }
    arguments.refuse_with("consumer", &["group-type", "protocol", "share", "streams"])?;
    arguments.refuse_with("share", &["consumer", "group-type", "protocol", "streams"])?;
    arguments.refuse_with("streams", &["consumer", "group-type", "protocol", "share"])
}
