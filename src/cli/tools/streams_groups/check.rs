//! Which flags go together.

use super::super::group_command::{check_describe, check_scenarios, unavailable, usage};
use super::super::{Arguments, Output, Stop};

const ACTIONS: [&str; 5] = ["list", "describe", "reset-offsets", "delete", "delete-offsets"];
const SCENARIOS: [&str; 8] =
    ["to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "shift-by", "from-file"];

pub(super) fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    check_availability(arguments)?;
    arguments.help_or_version("This tool helps to list, or describe streams groups.", output)?;
    arguments.require(&["bootstrap-server"])?;
    check_actions(arguments)?;
    if arguments.has("reset-offsets") {
        check_reset(arguments)?;
    }
    check_internal_topics(arguments)?;
    if arguments.count(&["dry-run", "execute"]) > 0 && !arguments.has("reset-offsets") {
        return usage("Only Option [reset-offsets] accepts [execute] or [dry-run]");
    }
    arguments.refuse_with("list", &["members", "offsets"])?;
    arguments.refuse_with("group", &["all-groups"])?;
    arguments.refuse_with("group", &["list"])?;
    arguments.refuse_with("input-topic", &["list", "describe"])?;
    match arguments.count(&ACTIONS) {
        1 => Ok(()),
        _ => usage(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, or \
             --delete-offsets.",
        ),
    }
}

/// Flags that only exist beside others.
fn check_availability(arguments: &Arguments) -> Result<(), Stop> {
    let needs: [(&str, &[&str]); 4] = [
        ("state", &["list", "describe"]),
        ("members", &["describe"]),
        ("offsets", &["describe"]),
        ("verbose", &["describe"]),
    ];
    match unavailable(arguments, &needs) {
        Some(message) => Err(Stop::Message(message)),
        None => Ok(()),
    }
}

fn check_actions(arguments: &Arguments) -> Result<(), Stop> {
    let has_group = arguments.has("group") || arguments.has("all-groups");
    let has_topics = arguments.has("input-topic") || arguments.has("all-input-topics");
    if arguments.has("describe") {
        check_describe(arguments, "[all-groups], [group]")?;
    }
    if arguments.has("delete") {
        if !has_group {
            return usage("Option [delete] takes one of these options: [all-groups], [group]");
        }
        if has_topics {
            return usage("Kafka Streams does not support topic-specific offset deletion from a streams group.");
        }
    }
    if arguments.has("delete-offsets") {
        let groups = arguments.values("group");
        if !has_topics || groups.is_empty() {
            return usage(
                "Option [delete-offsets] takes the [group] and one of these options: [all-input-topics], [input-topic]",
            );
        }
        if groups.len() > 1 {
            let found = groups.join(", ");
            return usage(format!("Option [delete-offsets] supports only one [group] at a time, but found: [{found}]"));
        }
    }
    Ok(())
}

fn check_reset(arguments: &Arguments) -> Result<(), Stop> {
    match arguments.count(&["dry-run", "execute"]) {
        2 => return usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"),
        0 => return usage("Option [reset-offsets] takes the option: [execute] or [dry-run]"),
        _ => {}
    }
    if arguments.count(&["group", "all-groups"]) == 0 {
        return usage("Option [reset-offsets] takes one of these options: [all-groups], [group]");
    }
    check_scenarios(arguments, &SCENARIOS)
}

fn check_internal_topics(arguments: &Arguments) -> Result<(), Stop> {
    let (resets, executes) = (arguments.has("reset-offsets"), arguments.has("execute"));
    if arguments.has("delete-all-internal-topics") {
        if !resets && !arguments.has("delete") {
            return usage("Option [delete-all-internal-topics] takes one of these options: [delete], [reset-offsets]");
        }
        if resets && !executes {
            return usage("Option [delete-all-internal-topics] takes [execute] when [reset-offsets] is used.");
        }
    } else if arguments.has("delete-internal-topic") && !(resets && executes) {
        return usage("Option [delete-internal-topic] takes [reset-offsets] when [execute] is used.");
    }
    Ok(())
}
