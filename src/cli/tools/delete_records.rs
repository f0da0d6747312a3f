//! `kafka-delete-records.sh`: records in front of an offset deleted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::leaders::by_leader;
use super::{Arguments, Flag, Output, Stop, Tool, admin, hash_order};
use crate::client::{ClientError, Target, no_fault};
use crate::protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::protocol::messages::{DeleteRecordsRequest, TopicName};
use crate::types::TopicPartition;

pub static TOOL: Tool = Tool {
    name: "delete-records",
    about: "Delete the records of partitions up to an offset",
    flags: &[
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with; required"),
        Flag::value("command-config", "file", "Properties of the client"),
        Flag::value(
            "offset-json-file",
            "file",
            "Partitions and offsets; required: {\"partitions\": [{\"topic\": \"a\", \"partition\": 1, \"offset\": 1}], \
             \"version\": 1}",
        ),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Message)?;
    let about = "This tool helps to delete records of the given partitions down to the specified offset.";
    arguments.help_or_version(about, output)?;
    arguments.require(&["bootstrap-server", "offset-json-file"])?;
    let mut client = admin::connect(&arguments, "adminclient-1")?;
    let file = arguments.value("offset-json-file").map_err(Stop::Message)?.unwrap_or_default();
    let text = std::fs::read_to_string(file).map_err(|_| Stop::Message(format!("Unable to read file {file}")))?;
    let offsets = parse(&text).map_err(Stop::Message)?;
    output.line("Executing records delete operation");
    output.flush();
    let mut partitions: Vec<TopicPartition> = offsets.keys().cloned().collect();
    let hash = |partition: &TopicPartition| hash_order::of_partition(&partition.topic, partition.partition);
    hash_order::sort(&mut partitions, None, hash);
    let timeout = client.config.api_timeout;
    let outcomes = by_leader(&mut client, "deleteRecords", &partitions, timeout, |client, leader, partitions| {
        let mut topics: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
        for partition in partitions {
            let offset = offsets.get(partition).copied().unwrap_or_default();
            let asked = DeleteRecordsPartition::default().with_partition_index(partition.partition).with_offset(offset);
            topics.entry(&partition.topic).or_default().push(asked);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            DeleteRecordsTopic::default().with_name(TopicName(admin::text(name))).with_partitions(partitions)
        });
        let timeout_ms = admin::timeout_ms(client);
        let request = DeleteRecordsRequest::default().with_topics(topics.collect()).with_timeout_ms(timeout_ms);
        let answer = client.call(Target::Broker(leader), "deleteRecords", &request, no_fault)?;
        let outcomes = answer.topics.into_iter().flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.name.as_str().into();
            topic.partitions.into_iter().map(move |partition| {
                let outcome = ClientError::from_wire(partition.error_code, None).map(|()| partition.low_watermark);
                (TopicPartition::new(name.clone(), partition.partition_index), outcome)
            })
        });
        Ok(outcomes.collect())
    });
    output.line("Records delete operation completed:");
    for (partition, outcome) in outcomes {
        match outcome {
            Ok(low) => output.line(format!("partition: {partition}\tlow_watermark: {low}")),
            Err(error) => output.line(format!("partition: {partition}\terror: {}", error.as_throwable())),
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<BTreeMap<TopicPartition, i64>, String> {
    let json: Value = serde_json::from_str(text).map_err(|_| "The input string is not a valid JSON".to_owned())?;
    let object = json.as_object().ok_or_else(|| format!("Expected JSON object, received {json}"))?;
    let version = object.get("version").map_or(Ok(1), |version| number(version, "Integer"))?;
    if version != 1 {
        return Err(format!("Not supported version field value {version}"));
    }
    let partitions = object.get("partitions").ok_or("Missing partitions field")?;
    let partitions = partitions.as_array().ok_or_else(|| format!("Expected JSON array, received {partitions}"))?;
    let mut offsets = BTreeMap::new();
    let mut twice: Vec<TopicPartition> = Vec::new();
    for entry in partitions {
        let object = entry.as_object().ok_or_else(|| format!("Expected JSON object, received {entry}"))?;
        let field = |name: &str| object.get(name).ok_or_else(|| format!("No such field exists: `{name}`"));
        let topic = field("topic")?;
        let topic = topic.as_str().ok_or_else(|| format!("Expected `String` value, received {topic}"))?;
        let id = number(field("partition")?, "Integer")?;
        let id = i32::try_from(id).map_err(|_| format!("Expected `Integer` value, received {id}"))?;
        let partition = TopicPartition::new(topic, id);
        if offsets.insert(partition.clone(), number(field("offset")?, "Long")?).is_some() && !twice.contains(&partition)
        {
            twice.push(partition);
        }
    }
    hash_order::sort(&mut twice, None, |partition| hash_order::of_partition(&partition.topic, partition.partition));
    let twice: Vec<String> = twice.iter().map(TopicPartition::to_string).collect();
    match twice.is_empty() {
        true => Ok(offsets),
        false => Err(format!("Offset json file contains duplicate topic partitions: {}", twice.join(","))),
    }
}

fn number(value: &Value, kind: &str) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| format!("Expected `{kind}` value, received {value}"))
}
