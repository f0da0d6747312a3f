//! `kafka-streams-groups.sh`: streams groups listed, described, deleted, and their offsets moved (KIP-1071).

mod check;
mod describe;
mod group;
mod internal_topics;
mod offsets;
mod remove;

use std::collections::BTreeSet;
use std::time::Duration;

use super::group_command::{self, Failed, Session, group_ids, print_error};
use super::{Arguments, Flag, Output, Stop, Tool, admin};

pub(super) use internal_topics::is_internal;

pub static TOOL: Tool = Tool {
    name: "streams-groups",
    about: "List, describe or delete streams groups, or move their offsets",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::value("group", "group", "The group; may be repeated"),
        Flag::value("input-topic", "topic[:0,1,…]", "A topic whose offsets are moved or deleted; may be repeated"),
        Flag::switch("all-input-topics", "Move or delete the offsets of all input topics of the group"),
        Flag::switch("list", "List groups"),
        Flag::switch("describe", "Describe groups: offsets and lag, members or state"),
        Flag::switch("all-groups", "Act on all streams groups"),
        Flag::switch("delete", "Delete groups"),
        Flag::value("timeout", "ms", "How long a call may take, 30000 by default"),
        Flag::switch("reset-offsets", "Move offsets of groups that are not active"),
        Flag::switch("delete-offsets", "Delete offsets of a group"),
        Flag::switch("dry-run", "Show where offsets would be moved"),
        Flag::switch("execute", "Move the offsets"),
        Flag::switch("export", "Print the new offsets as CSV"),
        Flag::value("to-offset", "offset", "Move to this offset"),
        Flag::value("from-file", "file", "Move to the offsets of a CSV file"),
        Flag::value("to-datetime", "YYYY-MM-DDThh:mm:ss.sss", "Move to the first offset of a time"),
        Flag::value("by-duration", "PnDTnHnMnS", "Move to the first offset of a time so long ago"),
        Flag::switch("to-earliest", "Move to the earliest offset"),
        Flag::switch("to-latest", "Move to the latest offset"),
        Flag::switch("to-current", "Stay at the current offset"),
        Flag::value("shift-by", "number", "Move forward, or backward with a negative number"),
        Flag::value("delete-internal-topic", "topic", "Delete this internal topic with the reset; may be repeated"),
        Flag::switch("delete-all-internal-topics", "Delete all internal topics with the reset, or with the group"),
        Flag::switch("members", "Describe members"),
        Flag::switch("verbose", "Describe in more detail"),
        Flag::switch("offsets", "Describe offsets and lag; the default"),
        Flag::optional("state", "state,…", "Describe or list states, or list groups in these states"),
    ],
    subcommands: &[],
    run,
};

/// What Kafka calls groups of this kind.
const KIND: &str = "Streams";
/// The states of streams groups, as Kafka writes them.
const STATES: [&str; 6] = ["Stable", "Dead", "Empty", "Assigning", "Reconciling", "NotReady"];

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    check::check(&arguments, output)?;
    let mut client = match admin::connect(&arguments, "adminclient-1") {
        Ok(client) => client,
        Err(Stop::Message(file)) if arguments.values("command-config").contains(&file.as_str()) => {
            return tell(output, &format!("java.nio.file.NoSuchFileException: {file}"));
        }
        Err(Stop::Message(message)) => {
            let (message, cause) = message.split_once('\n').unwrap_or((&message, ""));
            eprintln!("{cause}");
            return tell(output, message);
        }
        Err(stop) => return Err(stop),
    };
    let timeout: u64 = arguments.number("timeout").map_err(Stop::Usage)?.unwrap_or(30_000);
    check_numbers(&arguments).map_err(Stop::Usage)?;
    client.config.api_timeout = Duration::from_millis(timeout);
    let mut session = Session { client, arguments: &arguments, output };
    let result = if arguments.has("list") {
        group_command::list(&mut session, KIND, &STATES)
    } else if arguments.has("describe") {
        describe::describe(&mut session)
    } else if arguments.has("delete") {
        remove::delete_groups(&mut session)
    } else if arguments.has("reset-offsets") {
        offsets::reset(&mut session)
    } else {
        offsets::delete(&mut session)
    };
    match result {
        Ok(()) => Ok(()),
        Err(failed) => tell(output, &failed.message()?),
    }
}

/// Kafka's tool reads them before it does anything.
fn check_numbers(arguments: &Arguments) -> Result<(), String> {
    arguments.number::<i64>("shift-by")?;
    match arguments.values("to-offset").iter().find(|text| text.parse::<i64>().is_err()) {
        Some(text) => Err(format!("Cannot parse argument '{text}' of option to-offset")),
        None => Ok(()),
    }
}

fn tell(output: &mut Output, message: &str) -> Result<(), Stop> {
    print_error(output, &format!("Executing streams group command failed due to {message}"));
    Err(Stop::Told)
}

/// The groups that the arguments name, each once.
fn wanted(session: &mut Session<'_>) -> Result<Vec<String>, Failed> {
    if session.arguments.has("all-groups") {
        return group_ids(session, KIND);
    }
    let mut seen = BTreeSet::new();
    let given = session.arguments.values("group").into_iter().filter(|id| seen.insert(*id));
    Ok(given.map(str::to_owned).collect())
}
