//! Which flags go together.

use super::super::group_command::{check_describe, check_scenarios, unavailable, usage};
use super::super::{Arguments, Output, Stop};
use super::ACTIONS;

const SCENARIOS: [&str; 8] =
    ["to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "shift-by", "from-file"];

pub(super) fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    check_availability(arguments)?;
    arguments.help_or_version(
        "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset \
         consumer group offsets.",
        output,
    )?;
    if !arguments.has("validate-regex") {
        arguments.require(&["bootstrap-server"])?;
    }
    check_actions(arguments)?;
    if arguments.has("reset-offsets") {
        check_reset(arguments)?;
    }
    arguments.refuse_with("group", &["all-groups"])?;
    arguments.refuse_with("group", &["list"])?;
    arguments.refuse_with("topic", &["list", "describe"])?;
    match arguments.count(&ACTIONS) {
        1 => Ok(()),
        _ => {
            let names: Vec<String> = ACTIONS.iter().map(|action| format!("--{action}")).collect();
            usage(format!("Command must include exactly one action: {}", names.join(", ")))
        }
    }
}

/// Flags that only exist beside others. Kafka's parser finds this before its tool does, and the tool does not catch it.
fn check_availability(arguments: &Arguments) -> Result<(), Stop> {
    let needs: [(&str, &[&str]); 5] = [
        ("members", &["describe"]),
        ("verbose", &["describe"]),
        ("offsets", &["describe"]),
        ("state", &["describe", "list"]),
        ("type", &["list"]),
    ];
    match unavailable(arguments, &needs) {
        Some(message) => {
            Err(Stop::Message(format!("Exception in thread \"main\" joptsimple.UnavailableOptionException: {message}")))
        }
        None => Ok(()),
    }
}

fn check_actions(arguments: &Arguments) -> Result<(), Stop> {
    let has_group = arguments.has("group") || arguments.has("all-groups");
    if arguments.has("describe") {
        check_describe(arguments, "[group], [all-groups]")?;
    }
    if arguments.has("delete") {
        if !has_group {
            return usage("Option [delete] takes one of these options: [group], [all-groups]");
        }
        if arguments.has("topic") {
            return usage("The consumer does not support topic-specific offset deletion from a consumer group.");
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
        eprintln!(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will \
             require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if \
             you are scripting this command and want to keep the current default behavior without prompting."
        );
    }
    if !arguments.has("group") && !arguments.has("all-groups") {
        return usage("Option [reset-offsets] takes one of these options: [group], [all-groups]");
    }
    check_scenarios(arguments, &SCENARIOS)
}
