//! `kafka-consumer-groups.sh`: groups of consumers listed, described, deleted, and their offsets moved.

mod check;
mod coordinator;
mod describe;
mod list;
mod offsets;
mod plan;
mod remove;
mod reset;
mod time;

use std::time::Duration;

use super::group_command::{Failed, Session, print_error};
use super::{Arguments, Flag, Output, Stop, Tool, admin};

pub(super) use coordinator::{Committed, Member, committed, describe as describe_group};
pub(super) use describe::in_map_order;
pub(super) use offsets::{Offsets, check_valid, listed as listed_partitions, of_topics};
pub(super) use remove::{delete_group, delete_offsets_of, named_partitions};
pub(super) use reset::{commit, export, in_order, new_offsets, send_commit};
pub(super) use time::{ago, datetime as parse_date_time};

pub static TOOL: Tool = Tool {
    name: "consumer-groups",
    about: "List, describe or delete consumer groups, or move their offsets",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required, except to check a regex"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::value("group", "group", "The group; may be repeated"),
        Flag::value("topic", "topic[:0,1,…]", "A topic whose offsets are moved or deleted; may be repeated"),
        Flag::switch("all-topics", "Move the offsets of all topics the group has offsets of"),
        Flag::switch("list", "List groups"),
        Flag::switch("describe", "Describe groups: offsets and lag, members or state"),
        Flag::switch("all-groups", "Act on all consumer groups"),
        Flag::switch("delete", "Delete groups"),
        Flag::value("timeout", "ms", "How long a call may take, 30000 by default"),
        Flag::switch("reset-offsets", "Move offsets of groups that are not active"),
        Flag::switch("delete-offsets", "Delete offsets of a group"),
        Flag::switch("dry-run", "Show where offsets would be moved; the default"),
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
        Flag::switch("members", "Describe members"),
        Flag::switch("verbose", "Describe in more detail"),
        Flag::switch("offsets", "Describe offsets and lag; the default"),
        Flag::optional("state", "state,…", "Describe or list states, or list groups in these states"),
        Flag::optional("type", "type,…", "List types, or list groups of these types"),
        Flag::value("validate-regex", "regex", "Check a regular expression"),
    ],
    subcommands: &[],
    run,
};

const ACTIONS: [&str; 6] = ["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    check::check(&arguments, output)?;
    if let Some(regex) = arguments.value("validate-regex").map_err(Stop::Usage)? {
        validate_regex(regex, output);
        return Ok(());
    }
    let timeout: u64 = arguments.number("timeout").map_err(Stop::Usage)?.unwrap_or(30_000);
    let mut client = match admin::connect(&arguments, "adminclient-1") {
        Ok(client) => client,
        Err(Stop::Message(message)) => return tell(output, &message),
        Err(stop) => return Err(stop),
    };
    client.config.api_timeout = Duration::from_millis(timeout);
    let mut session = Session { client, arguments: &arguments, output };
    let result = if arguments.has("list") {
        list::list(&mut session)
    } else if arguments.has("describe") {
        describe::describe(&mut session)
    } else if arguments.has("delete") {
        remove::delete_groups(&mut session)
    } else if arguments.has("reset-offsets") {
        reset::reset(&mut session)
    } else {
        remove::delete_offsets(&mut session)
    };
    match result {
        Ok(()) => Ok(()),
        Err(failed) => tell(output, &failed.message()?),
    }
}

fn tell(output: &mut Output, message: &str) -> Result<(), Stop> {
    print_error(output, &format!("Executing consumer group command failed due to {message}"));
    Ok(())
}

/// The syntax is RE2's, as in Kafka, or as near to it as a library of Rust comes.
fn validate_regex(regex: &str, output: &mut Output) {
    match regex::Regex::new(regex) {
        Ok(_) => output.line(format!("The regular expression `{regex}` is valid.")),
        Err(error) => {
            let reason = match error {
                regex::Error::Syntax(text) => re2_reason(&text),
                _ => "expression too large".to_owned(),
            };
            output.line(format!("The regular expression `{regex}` is invalid: {reason}."));
        }
    }
}

/// What RE2 calls a mistake that the library tells in its own words.
fn re2_reason(text: &str) -> String {
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let names = [
        ("unclosed character class", "missing closing ]"),
        ("unclosed group", "missing closing )"),
        ("unopened group", "unexpected )"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
        ("unrecognized escape sequence", "invalid escape sequence"),
        ("incomplete escape sequence", "trailing backslash at end of expression"),
        ("invalid character class range", "invalid character class range"),
        ("look-around", "invalid or unsupported Perl syntax"),
    ];
    let known = names.iter().find(|(ours, _)| reason.contains(ours));
    known.map_or(reason, |(_, re2)| re2).to_owned()
}
