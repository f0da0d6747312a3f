//! `kafka-get-offsets.sh`: offsets of partitions at the ends of their logs or at a time.

use std::time::Duration;

use super::leaders::{Outcomes, list_offsets, timestamp};
use super::names::TopicFilter;
use super::{Arguments, Flag, Output, Stop, Tool, admin};
use crate::client::Client;
use crate::types::TopicPartition;

pub static TOOL: Tool = Tool {
    name: "get-offsets",
    about: "Print offsets of partitions",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::value("topic-partitions", "a:1,b:0-3,c", "Patterns of topics, each with a partition or a range of them"),
        Flag::value("topic", "name", "The topic; a regular expression"),
        Flag::value("partitions", "0,1,…", "Only these partitions"),
        Flag::value(
            "time",
            "time",
            "Milliseconds since 1970, or latest (-1), earliest (-2), max-timestamp (-3), earliest-local (-4), \
             latest-tiered (-5), earliest-pending-upload (-6); latest by default",
        ),
        Flag::switch("exclude-internal-topics", "Leave out internal topics"),
    ],
    subcommands: &[],
    run,
};

const ABOUT: &str = "An interactive shell for getting topic-partition offsets.";

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    if words.is_empty() {
        return Err(Stop::Usage(ABOUT.to_owned()));
    }
    let arguments = Arguments::parse(tool, &words).map_err(failed)?;
    arguments.help_or_version(ABOUT, output)?;
    arguments.require(&["bootstrap-server"])?;
    check_servers(arguments.value("bootstrap-server").map_err(failed)?.unwrap_or_default())?;
    if arguments.has("topic-partitions") && (arguments.has("topic") || arguments.has("partitions")) {
        return Err(failed("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let at = time(arguments.value("time").map_err(failed)?.unwrap_or("latest"))?;
    let rules = rules(&arguments).map_err(failed)?;
    let mut client = admin::connect(&arguments, "GetOffsetShell").map_err(|stop| match stop {
        Stop::Message(message) => failed(message),
        stop => stop,
    })?;
    let partitions = partitions(&mut client, &rules, arguments.has("exclude-internal-topics"))?;
    if partitions.is_empty() {
        return Err(failed("Could not match any topic-partitions with the specified filters"));
    }
    let timeout: Duration = client.config.api_timeout;
    let mut outcomes: Outcomes<i64> = list_offsets(&mut client, &partitions, at, timeout);
    outcomes.sort_by_cached_key(|(partition, _)| partition.to_string());
    for (partition, outcome) in outcomes {
        match outcome {
            Ok(-1) => {}
            Ok(offset) => output.line(format!("{}:{}:{offset}", partition.topic, partition.partition)),
            Err(error) => {
                eprintln!("Skip getting offsets for topic-partition {partition} due to error: {}", error.as_throwable())
            }
        }
    }
    Ok(())
}

fn failed(message: impl Into<String>) -> Stop {
    Stop::Message(format!("Error occurred: {}", message.into()))
}

/// Each element must have a port.
fn check_servers(servers: &str) -> Result<(), Stop> {
    if servers.trim().is_empty() {
        return Err(Stop::Usage("Error while validating the bootstrap address\n".to_owned()));
    }
    let has_port = |server: &str| server.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u32>().is_ok());
    match servers.trim_end_matches(',').split(',').all(has_port) {
        true => Ok(()),
        false => Err(Stop::Usage("Please provide valid host:port like host1:9091,host2:9092\n".to_owned())),
    }
}

fn time(text: &str) -> Result<i64, Stop> {
    Ok(match text {
        "latest" => timestamp::LATEST,
        "earliest" => timestamp::EARLIEST,
        "max-timestamp" => timestamp::MAX_TIMESTAMP,
        "earliest-local" => timestamp::EARLIEST_LOCAL,
        "latest-tiered" => timestamp::LATEST_TIERED,
        "earliest-pending-upload" => timestamp::EARLIEST_PENDING_UPLOAD,
        _ => text.parse().map_err(|_| {
            failed(format!(
                "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
                 earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format \
                 timestamp"
            ))
        })?,
    })
}

/// Topics and which of their partitions.
struct Rule {
    topics: TopicFilter,
    partitions: Partitions,
}

enum Partitions {
    /// All, if there are none.
    Listed(Vec<i32>),
    /// From the first on, up to the last and without it.
    Range(i32, i32),
}

impl Rule {
    fn allows(&self, partition: i32) -> bool {
        match &self.partitions {
            Partitions::Listed(listed) => listed.is_empty() || listed.contains(&partition),
            Partitions::Range(from, to) => (*from..*to).contains(&partition),
        }
    }
}

fn rules(arguments: &Arguments) -> Result<Vec<Rule>, String> {
    if let Some(list) = arguments.value("topic-partitions")? {
        return list.trim_end_matches(',').split(',').map(rule).collect();
    }
    let topics = TopicFilter::new(arguments.value("topic")?.unwrap_or(".*"), false)?;
    let list = arguments.value("partitions")?.unwrap_or_default();
    let ids = list.trim_end_matches(',').split(',').filter(|_| !list.is_empty()).map(str::parse);
    let ids = ids.collect::<Result<_, _>>().map_err(|_| {
        format!("--partitions expects a comma separated list of numeric partition ids, but received: {list}")
    })?;
    Ok(vec![Rule { topics, partitions: Partitions::Listed(ids) }])
}

/// Reads `topic`, `topic:3`, `topic:3-5`, `topic:3-`, `topic:-5`, or the same without a topic.
fn rule(text: &str) -> Result<Rule, String> {
    let invalid = || format!("org.apache.kafka.tools.TerseException: Invalid rule specification: {text}");
    let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
    let number = |digits: &str, default: i32| match digits {
        "" => Ok(default),
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| format!("For input string: \"{digits}\""))
        }
        _ => Err(invalid()),
    };
    let partitions = match partitions.split_once('-') {
        Some((from, to)) => Partitions::Range(number(from, 0)?, number(to, i32::MAX)?),
        None if partitions.is_empty() => Partitions::Range(0, i32::MAX),
        None => Partitions::Listed(vec![number(partitions, 0)?]),
    };
    let topics = TopicFilter::new(if topic.is_empty() { ".*" } else { topic }, false)?;
    Ok(Rule { topics, partitions })
}

fn partitions(client: &mut Client, rules: &[Rule], without_internal: bool) -> Result<Vec<TopicPartition>, Stop> {
    let thrown = |error: crate::client::ClientError| failed(error.as_throwable());
    let response = client.topics("listTopics", None).map_err(thrown)?;
    let mut found = Vec::new();
    for topic in response.topics.iter().filter(|topic| !(without_internal && topic.is_internal)) {
        let Some(name) = topic.name.as_ref() else { continue };
        let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.topics.allows(name)).collect();
        let ids = topic.partitions.iter().map(|partition| partition.partition_index);
        let ids = ids.filter(|id| rules.iter().any(|rule| rule.allows(*id)));
        found.extend(ids.map(|id| TopicPartition::new(name.as_str(), id)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_kafkas() {
        for (text, partition, allowed) in [
            ("a", 7, true),
            ("a:3", 3, true),
            ("a:3", 4, false),
            ("a:3-5", 4, true),
            ("a:3-5", 5, false),
            (":3-", 9, true),
            (":-3", 3, false),
            (":-3", 2, true),
        ] {
            assert_eq!(rule(text).ok().map(|rule| rule.allows(partition)), Some(allowed), "{text}");
        }
        assert!(rule("a:x").is_err() && rule("a:1-x").is_err() && rule("a:1-2-3").is_err());
    }
}
