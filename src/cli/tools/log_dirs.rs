//! `kafka-log-dirs.sh`: what brokers keep in their log directories.

use serde_json::Value;

use super::cluster::thrown;
use super::{Arguments, Flag, Output, Stop, Tool, admin, hash_order};
use crate::client::{ClientError, Target};
use crate::protocol::messages::DescribeLogDirsRequest;
use crate::protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use crate::types::{BrokerId, TopicPartition};

pub static TOOL: Tool = Tool {
    name: "log-dirs",
    about: "Describe the log directories of brokers",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::switch("describe", "Describe the log directories; required"),
        Flag::value("topic-list", "a,b,…", "Only these topics"),
        Flag::value("broker-list", "0,1,…", "Only these brokers"),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    let about = "This tool helps to query log directory usage on the specified brokers.";
    arguments.help_or_version(about, output)?;
    arguments.require(&["bootstrap-server", "describe"])?;
    let mut client = admin::connect(&arguments, "log-dirs-tool")?;
    let topics = list(&arguments, "topic-list")?;
    client.refresh("listNodes").map_err(thrown)?;
    let present: Vec<i32> = client.nodes()?.iter().map(|node| node.id.0).collect();
    let mut asked = Vec::new();
    for text in list(&arguments, "broker-list")? {
        asked.push(text.parse().map_err(|_| Stop::Message(format!("For input string: \"{text}\"")))?);
    }
    asked.sort_unstable();
    asked.dedup();
    let joined = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let strangers: Vec<i32> = asked.iter().copied().filter(|id| !present.contains(id)).collect();
    if !strangers.is_empty() {
        return Err(Stop::Message(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            joined(&strangers),
            joined(&present)
        )));
    }
    let brokers = if asked.is_empty() { present } else { asked };
    output.line("Querying brokers for log directories information");
    let mut texts = Vec::new();
    for &id in &brokers {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = client.call(Target::Broker(BrokerId(id)), "describeLogDirs", &request, |answer| answer.error_code);
        let answer = answer.map_err(thrown)?;
        ClientError::from_wire(answer.error_code, None).map_err(thrown)?;
        let mut dirs = answer.results;
        let count = dirs.len();
        hash_order::sort(&mut dirs, Some(count), |dir| hash_order::of_text(&dir.log_dir));
        let dirs: Vec<String> = dirs.iter().map(|dir| directory(dir, &topics)).collect();
        texts.push(format!("{{\"broker\":{id},\"logDirs\":[{}]}}", dirs.join(",")));
    }
    output.line(format!("Received log directory information from brokers {}", joined(&brokers)));
    output.line(format!("{{\"brokers\":[{}],\"version\":1}}", texts.join(",")));
    Ok(())
}

fn list<'a>(arguments: &'a Arguments, flag: &str) -> Result<Vec<&'a str>, Stop> {
    let text = arguments.value(flag).map_err(Stop::Message)?.unwrap_or_default();
    Ok(text.split(',').filter(|part| !part.is_empty()).collect())
}

/// A directory as JSON, its fields and partitions in the order of Java's maps.
fn directory(dir: &DescribeLogDirsResult, topics: &[&str]) -> String {
    let mut partitions: Vec<(TopicPartition, String)> = Vec::new();
    for topic in &dir.topics {
        for partition in &topic.partitions {
            let name = TopicPartition::new(topic.name.as_str(), partition.partition_index);
            let text = format!(
                "{{\"partition\":{},\"size\":{},\"offsetLag\":{},\"isFuture\":{}}}",
                Value::from(name.to_string()),
                partition.partition_size,
                partition.offset_lag,
                partition.is_future_key
            );
            partitions.push((name, text));
        }
    }
    let hash = |(name, _): &(TopicPartition, String)| hash_order::of_partition(&name.topic, name.partition);
    hash_order::sort(&mut partitions, None, hash);
    partitions.retain(|(name, _)| topics.is_empty() || topics.contains(&&*name.topic));
    hash_order::sort(&mut partitions, None, hash);
    let partitions: Vec<String> = partitions.into_iter().map(|(_, text)| text).collect();
    let error = match ClientError::from_wire(dir.error_code, None) {
        Ok(()) => Value::Null,
        Err(error) => Value::from(error.exception()),
    };
    let dir = Value::from(dir.log_dir.as_str());
    format!("{{\"partitions\":[{}],\"error\":{error},\"logDir\":{dir}}}", partitions.join(","))
}
