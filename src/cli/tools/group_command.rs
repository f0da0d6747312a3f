//! What the tools for groups of consumers, share groups and streams groups have in common.

use std::collections::BTreeMap;

use super::groups::list_groups;
use super::{Arguments, Output, Stop};
use crate::client::{Client, ClientError};
use crate::types::TopicPartition;

/// The client and what it was called for.
pub(super) struct Session<'a> {
    pub client: Client,
    pub arguments: &'a Arguments,
    pub output: &'a mut Output,
}

/// Why an action failed.
pub(super) enum Failed {
    /// Told as `Error: …`; the tools for consumer groups and share groups end with 0 then, as Kafka's do.
    Told(String),
    /// Ends the process with this message.
    Stopped(String),
    Usage(String),
}

impl From<ClientError> for Failed {
    /// A failure below a layer of Java's futures.
    fn from(error: ClientError) -> Failed {
        Failed::Told(error.as_throwable())
    }
}

/// A mistake in what an option says.
impl From<String> for Failed {
    fn from(message: String) -> Failed {
        Failed::Usage(message)
    }
}

impl Failed {
    /// A failure below two layers of Java's futures.
    pub(super) fn nested(error: &ClientError) -> Failed {
        Failed::Told(format!("java.util.concurrent.ExecutionException: {}", error.as_throwable()))
    }

    /// A failure that is told as it is.
    pub(super) fn plain(error: &ClientError) -> Failed {
        Failed::Told(error.to_string())
    }

    /// The message that is to be told, unless the tool ends otherwise.
    pub(super) fn message(self) -> Result<String, Stop> {
        match self {
            Failed::Told(message) => Ok(message),
            Failed::Stopped(message) => Err(Stop::Message(message)),
            Failed::Usage(message) => Err(Stop::Usage(message)),
        }
    }
}

/// Tells of something that does not end the action.
pub(super) fn print_error(output: &mut Output, message: &str) {
    output.line(format!("\nError: {message}"));
}

/// A mistake in which flags are given.
pub(super) fn usage<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Usage(message.into()))
}

/// The first of the flags that `needs` others which are not given, as the parser says it. Who asks for help gets it.
pub(super) fn unavailable(arguments: &Arguments, needs: &[(&str, &[&str])]) -> Option<String> {
    let missing = needs.iter().find(|(flag, owners)| arguments.has(flag) && arguments.count(owners) == 0);
    let (flag, _) = missing.filter(|_| !arguments.has("help") && !arguments.has("version"))?;
    Some(format!("Option(s) [{flag}] are unavailable given other options on the command line"))
}

/// What --describe goes with; `groups` is how the tool lists the flags that name groups.
pub(super) fn check_describe(arguments: &Arguments, groups: &str) -> Result<(), Stop> {
    if arguments.count(&["group", "all-groups"]) == 0 {
        return usage(format!("Option [describe] takes one of these options: {groups}"));
    }
    if arguments.count(&["members", "offsets", "state"]) > 1 {
        return usage("Option [describe] takes at most one of these options: [members], [offsets], [state]");
    }
    match arguments.values("state").is_empty() {
        true => Ok(()),
        false => usage("Option [describe] does not take a value for [state]"),
    }
}

/// At most one of the flags that say where offsets are moved.
pub(super) fn check_scenarios(arguments: &Arguments, scenarios: &[&'static str]) -> Result<(), Stop> {
    for scenario in scenarios {
        let others: Vec<&str> = scenarios.iter().copied().filter(|other| other != scenario).collect();
        arguments.refuse_with(scenario, &others)?;
    }
    Ok(())
}

/// The ids of all groups of a kind.
pub(super) fn group_ids(session: &mut Session<'_>, kind: &str) -> Result<Vec<String>, Failed> {
    let groups = list_groups(&mut session.client, &[], &[kind]).map_err(|error| Failed::nested(&error))?;
    Ok(groups.into_iter().map(|group| group.id).collect())
}

/// Lists the groups of a kind that has these states: their ids, with --state their states, too.
pub(super) fn list(session: &mut Session<'_>, kind: &str, states: &[&str]) -> Result<(), Failed> {
    let arguments = session.arguments;
    if !arguments.has("state") {
        for id in group_ids(session, kind)? {
            session.output.line(id);
        }
        return Ok(());
    }
    let text = arguments.value("state")?.unwrap_or_default();
    let find = |name: &str| states.iter().copied().find(|state| state.eq_ignore_ascii_case(name.trim()));
    let wanted = match text.is_empty() {
        true => Some(Vec::new()),
        false => text.split(',').map(find).collect::<Option<Vec<&str>>>(),
    };
    let wanted = wanted.ok_or_else(|| {
        Failed::Usage(format!("Invalid state list '{text}'. Valid states are: {}", states.join(", ")))
    })?;
    let groups = list_groups(&mut session.client, &wanted, &[kind])?;
    let width = groups.iter().map(|group| group.id.chars().count()).max().unwrap_or(0).max(15);
    session.output.line(format!("{:width$} STATE", "GROUP"));
    for group in groups {
        let state = if group.state.is_empty() { "Unknown" } else { &group.state };
        session.output.line(format!("{:width$} {state}", group.id));
    }
    Ok(())
}

/// Partitions as `topic:0,1;other:0`, in order of the text.
pub(super) fn assignment_text(partitions: &[TopicPartition]) -> String {
    let mut of_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        of_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let mut texts: Vec<String> = of_topic
        .into_iter()
        .map(|(topic, mut ids)| {
            ids.sort_unstable();
            let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
            format!("{topic}:{}", ids.join(","))
        })
        .collect();
    texts.sort_unstable();
    texts.join(";")
}
