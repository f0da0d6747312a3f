//! `kafka-share-groups.sh`: share groups listed, described, deleted, and their offsets moved.

mod calls;
mod describe;
mod offsets;

use std::time::Duration;

use super::group_command::{self, Failed, Session, check_describe, check_scenarios, print_error, unavailable, usage};
use super::groups::list_groups;
use super::{Arguments, Flag, Output, Stop, Tool, admin, hash_order};

pub static TOOL: Tool = Tool {
    name: "share-groups",
    about: "List, describe or delete share groups, or move their offsets",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::value("group", "group", "The group; may be repeated"),
        Flag::value("topic", "topic[:0,1,…]", "A topic whose offsets are moved or deleted; may be repeated"),
        Flag::switch("all-topics", "Move the offsets of all topics the group has offsets of"),
        Flag::switch("list", "List groups"),
        Flag::switch("describe", "Describe groups: offsets and lag, members or state"),
        Flag::switch("all-groups", "Act on all share groups"),
        Flag::switch("delete", "Delete groups"),
        Flag::value("timeout", "ms", "How long a call may take, 30000 by default"),
        Flag::switch("reset-offsets", "Move offsets of a group that is not active"),
        Flag::switch("delete-offsets", "Delete offsets of a group"),
        Flag::switch("dry-run", "Show where offsets would be moved"),
        Flag::switch("execute", "Move the offsets"),
        Flag::value("to-datetime", "YYYY-MM-DDThh:mm:ss.sss", "Move to the first offset of a time"),
        Flag::switch("to-earliest", "Move to the earliest offset"),
        Flag::switch("to-latest", "Move to the latest offset"),
        Flag::switch("members", "Describe members"),
        Flag::switch("verbose", "Describe in more detail"),
        Flag::switch("offsets", "Describe offsets and lag; the default"),
        Flag::optional("state", "state,…", "Describe or list states, or list groups in these states"),
    ],
    subcommands: &[],
    run,
};

const ACTIONS: [&str; 5] = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];
const SCENARIOS: [&str; 3] = ["to-datetime", "to-earliest", "to-latest"];
/// What Kafka calls groups of this kind.
const KIND: &str = "Share";
/// The states of share groups, as Kafka writes them.
const STATES: [&str; 3] = ["Stable", "Empty", "Dead"];

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(uncaught)?;
    check(&arguments, output)?;
    let timeout: u64 = arguments.number("timeout").map_err(Stop::Usage)?.unwrap_or(30_000);
    let mut client = match admin::connect(&arguments, "adminclient-1") {
        Ok(client) => client,
        Err(Stop::Message(message)) => return tell(output, message.lines().next().unwrap_or_default()),
        Err(stop) => return Err(stop),
    };
    client.config.api_timeout = Duration::from_millis(timeout);
    let mut session = Session { client, arguments: &arguments, output };
    let result = if arguments.has("list") {
        group_command::list(&mut session, KIND, &STATES)
    } else if arguments.has("describe") {
        describe::describe(&mut session)
    } else if arguments.has("delete") {
        delete(&mut session)
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

/// The parser is called where nobody catches what it throws.
fn uncaught(message: String) -> Stop {
    Stop::Message(message)
}

fn tell(output: &mut Output, message: &str) -> Result<(), Stop> {
    print_error(output, &format!("Executing share group command failed due to {message}"));
    Ok(())
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    let needs: [(&str, &[&str]); 4] = [
        ("members", &["describe"]),
        ("offsets", &["describe"]),
        ("state", &["describe", "list"]),
        ("verbose", &["describe"]),
    ];
    if let Some(message) = unavailable(arguments, &needs) {
        let thrown = "Exception in thread \"main\" joptsimple.UnavailableOptionException";
        return Err(Stop::Message(format!("{thrown}: {message}")));
    }
    arguments.help_or_version("This tool helps to list, describe, reset and delete share groups.", output)?;
    arguments.require(&["bootstrap-server"])?;
    check_actions(arguments)?;
    if arguments.has("reset-offsets") {
        check_reset(arguments)?;
    }
    arguments.refuse_with("group", &["all-groups"])?;
    arguments.refuse_with("group", &["list"])?;
    arguments.refuse_with("topic", &["list", "describe"])?;
    match arguments.count(&ACTIONS) {
        1 => Ok(()),
        _ => usage(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets.",
        ),
    }
}

fn check_actions(arguments: &Arguments) -> Result<(), Stop> {
    let has_group = arguments.has("group") || arguments.has("all-groups");
    if arguments.has("describe") {
        check_describe(arguments, "[all-groups], [group]")?;
    }
    if arguments.has("delete") {
        if !has_group {
            return usage("Option [delete] takes the options [group] or [all-groups]");
        }
        if arguments.has("group") && arguments.has("all-groups") {
            return usage("Option [delete] takes either [group] or [all-groups], not both.");
        }
        if arguments.has("topic") {
            return usage("Option [delete] does not take the option: [topic]");
        }
    }
    if arguments.has("delete-offsets") && !(arguments.has("group") && arguments.has("topic")) {
        return usage("Option [delete-offsets] takes the following options: [group], [topic]");
    }
    Ok(())
}

fn check_reset(arguments: &Arguments) -> Result<(), Stop> {
    if arguments.has("dry-run") && arguments.has("execute") {
        return usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]");
    }
    if !arguments.has("dry-run") && !arguments.has("execute") {
        return usage("Option [reset-offsets] takes the option: [execute] or [dry-run]");
    }
    if !arguments.has("group") {
        return usage("Option [reset-offsets] takes the option: [group]");
    }
    if arguments.count(&["topic", "all-topics"]) == 0 {
        return usage("Option [reset-offsets] takes one of these options: [all-topics], [topic]");
    }
    if arguments.count(&SCENARIOS) == 0 {
        return usage("Option [reset-offsets] takes one of these options: [to-datetime], [to-earliest], [to-latest]");
    }
    check_scenarios(arguments, &SCENARIOS)
}

fn delete(session: &mut Session<'_>) -> Result<(), Failed> {
    let listed = list_groups(&mut session.client, &[], &[KIND]).map_err(|error| Failed::nested(&error))?;
    let mut wanted: Vec<String> = match session.arguments.has("all-groups") {
        true => listed.iter().map(|group| group.id.clone()).collect(),
        false => session.arguments.values("group").into_iter().map(str::to_owned).collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    wanted.retain(|id| seen.insert(id.clone()));
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for id in wanted {
        let refused = match listed.iter().find(|group| group.id == id).map(|group| group.state.as_str()) {
            None => Some(format!("java.lang.IllegalArgumentException: Group '{id}' is not a share group.")),
            Some("Dead") => Some(format!("java.lang.IllegalStateException: Share group '{id}' group state is DEAD.")),
            Some("Empty" | "") => None,
            Some(_) => {
                Some(format!("org.apache.kafka.common.errors.GroupNotEmptyException: Share group '{id}' is not EMPTY."))
            }
        };
        let outcome = match refused {
            Some(reason) => Err(reason),
            None => calls::delete_group(&mut session.client, &id).map_err(|error| error.as_throwable()),
        };
        match outcome {
            Ok(()) => deleted.push(id),
            Err(reason) => failed.push((id, reason)),
        }
    }
    hash_order::sort(&mut deleted, None, |id| hash_order::of_text(id));
    hash_order::sort(&mut failed, None, |(id, _)| hash_order::of_text(id));
    let names: Vec<String> = deleted.iter().map(|id| format!("'{id}'")).collect();
    if failed.is_empty() {
        let names = names.join(", ");
        session.output.line(format!("Deletion of requested share groups ({names}) was successful."));
        return Ok(());
    }
    print_error(session.output, "Deletion of some share groups failed:");
    for (id, reason) in failed {
        session.output.line(format!("* Group '{id}' could not be deleted due to: {reason}"));
    }
    if !names.is_empty() {
        session.output.line(format!("\nThese share groups were deleted successfully: {}", names.join(", ")));
    }
    Ok(())
}
