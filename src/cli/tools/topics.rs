//! `kafka-topics.sh`: topics listed, created, changed, described and deleted.

mod change;
mod describe;

use super::admin::{connect, list_topics};
use super::names::TopicFilter;
use super::{Arguments, Flag, Output, Stop, Tool};
use crate::client::{Client, ClientError};

pub static TOOL: Tool = Tool {
    name: "topics",
    about: "Create, delete, describe or change topics",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::switch("list", "List topics"),
        Flag::switch("create", "Create a topic"),
        Flag::switch("delete", "Delete topics"),
        Flag::switch("alter", "Raise the number of partitions; for configs use `configs`"),
        Flag::switch("describe", "Describe topics and their partitions"),
        Flag::value("topic", "name", "The topic; a regular expression, except with --create"),
        Flag::value("topic-id", "id", "The topic to describe, by its id"),
        Flag::value("config", "key=value", "A config of the topic to create; may be repeated"),
        Flag::value("delete-config", "key", "No longer has an effect, as in Kafka"),
        Flag::value("partitions", "number", "Partitions of the topic; the cluster's default without it"),
        Flag::value("replication-factor", "number", "Replicas of each partition; the cluster's default without it"),
        Flag::value("replica-assignment", "1:2,2:3,…", "Brokers of each partition's replicas"),
        Flag::switch("under-replicated-partitions", "Describe only partitions that lack replicas in sync"),
        Flag::switch("unavailable-partitions", "Describe only partitions without a live leader"),
        Flag::switch(
            "under-min-isr-partitions",
            "Describe only partitions with fewer in sync than min.insync.replicas",
        ),
        Flag::switch("at-min-isr-partitions", "Describe only partitions with exactly min.insync.replicas in sync"),
        Flag::switch("topics-with-overrides", "Describe only topics that have configs of their own"),
        Flag::switch("if-exists", "Do nothing, without an error, when there is no such topic"),
        Flag::switch("if-not-exists", "Do nothing, without an error, when the topic is there"),
        Flag::switch("exclude-internal", "Leave out internal topics"),
        Flag::value(
            "partition-size-limit-per-response",
            "number",
            "Partitions described in one answer, 2000 by default",
        ),
    ],
    subcommands: &[],
    run,
};

const ACTIONS: [&str; 5] = ["alter", "create", "describe", "list", "delete"];
const REPORTS: [&str; 4] =
    ["under-replicated-partitions", "under-min-isr-partitions", "at-min-isr-partitions", "unavailable-partitions"];

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    if words.is_empty() {
        return Err(Stop::Usage("Create, delete, describe, or change a topic.".to_owned()));
    }
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    check(&arguments, output)?;
    let mut client = connect(&arguments, "adminclient-1")?;
    let result = if arguments.has("create") {
        change::create(&mut client, &arguments, output)
    } else if arguments.has("alter") {
        change::alter(&mut client, &arguments)
    } else if arguments.has("list") {
        list(&mut client, &arguments, output)
    } else if arguments.has("describe") {
        describe::describe(&mut client, &arguments, output)
    } else {
        change::delete(&mut client, &arguments)
    };
    result.map_err(|Failed(message)| {
        output.line(format!("Error while executing topic command : {message}"));
        Stop::Told
    })
}

/// Why an action failed.
struct Failed(String);

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Failed {
        Failed(error.to_string())
    }
}

impl From<String> for Failed {
    fn from(message: String) -> Failed {
        Failed(message)
    }
}

fn list(client: &mut Client, arguments: &Arguments, output: &mut Output) -> Result<(), Failed> {
    output.line(matching(client, arguments)?.join("\n"));
    Ok(())
}

/// The topics that `--topic` means, or all.
fn matching(client: &mut Client, arguments: &Arguments) -> Result<Vec<String>, Failed> {
    let exclude_internal = arguments.has("exclude-internal");
    let pattern = arguments.value("topic")?;
    let names = list_topics(client, !exclude_internal)?.into_iter().map(|topic| topic.name);
    let filter = TopicFilter::new(pattern.unwrap_or(".*"), exclude_internal)?;
    Ok(names.filter(|name| filter.allows(name)).collect())
}

fn must_exist<T>(found: &[T], what: &str, asked: Option<&str>, arguments: &Arguments) -> Result<(), Failed> {
    match asked.filter(|asked| !asked.is_empty() && found.is_empty() && !arguments.has("if-exists")) {
        Some(asked) => Err(Failed(format!("{what} '{asked}' does not exist as expected"))),
        None => Ok(()),
    }
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    arguments.help_or_version("This tool helps to create, delete, describe, or change a topic.", output)?;
    if arguments.count(&ACTIONS) != 1 {
        return Err(Stop::Usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete".to_owned(),
        ));
    }
    if arguments.has("delete-config") {
        eprintln!(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully \
             removed in future releases."
        );
    }
    check_required(arguments, output)?;
    check_combinations(arguments)
}

fn check_required(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    if !arguments.has("bootstrap-server") {
        return Err(Stop::Message("--bootstrap-server must be specified".to_owned()));
    }
    if arguments.has("describe") && arguments.has("if-exists") {
        if !arguments.has("topic") && !arguments.has("topic-id") {
            return Err(Stop::Usage("--topic or --topic-id is required to describe a topic".to_owned()));
        }
        if arguments.has("topic") && arguments.has("topic-id") {
            output.line(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not \
                 Uuid.ZERO_UUID",
            );
        }
    }
    if !arguments.has("list") && !arguments.has("describe") {
        arguments.require(&["topic"])?;
    }
    if arguments.has("alter") {
        if arguments.has("config") {
            return Err(Stop::Usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To \
                 alter topic configurations, the kafka-configs tool can be used.)"
                    .to_owned(),
            ));
        }
        arguments.require(&["partitions"])?;
    }
    Ok(())
}

fn check_combinations(arguments: &Arguments) -> Result<(), Stop> {
    let only_with = |flag: &str, actions: &[&str]| {
        let others: Vec<&str> = ACTIONS.into_iter().filter(|action| !actions.contains(action)).collect();
        arguments.refuse_with(flag, &others)
    };
    only_with("config", &["alter", "create"])?;
    only_with("partitions", &["alter", "create"])?;
    only_with("replication-factor", &["create"])?;
    only_with("replica-assignment", &["alter", "create"])?;
    if arguments.has("create") {
        arguments.refuse_with("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        only_with(report, &["describe"])?;
        arguments.refuse_with(report, &["topics-with-overrides"])?;
    }
    only_with("topics-with-overrides", &["describe"])?;
    arguments.refuse_with("topics-with-overrides", &REPORTS)?;
    only_with("if-exists", &["alter", "delete", "describe"])?;
    only_with("if-not-exists", &["create"])?;
    only_with("exclude-internal", &["list", "describe"])
}
