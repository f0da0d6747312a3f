//! Topics created, given more partitions, and deleted.

use super::super::admin::{delete_topics, describe_topics, not_controller, text, timeout_ms};
use super::super::{Arguments, Output};
use super::{Failed, matching, must_exist};
use crate::client::{Client, ClientError, Target};
use crate::protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use crate::protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use crate::protocol::messages::{BrokerId, CreatePartitionsRequest, CreateTopicsRequest, TopicName};
use crate::types::ErrorCode;

/// The topic as the flags tell it.
struct Wanted<'a> {
    name: &'a str,
    partitions: Option<i32>,
    replication_factor: Option<i32>,
    assignment: Vec<Vec<i32>>,
    configs: Vec<(String, String)>,
}

impl Wanted<'_> {
    fn read(arguments: &Arguments) -> Result<Wanted<'_>, Failed> {
        Ok(Wanted {
            name: arguments.value("topic")?.unwrap_or_default(),
            partitions: arguments.number("partitions")?,
            replication_factor: arguments.number("replication-factor")?,
            assignment: match arguments.value("replica-assignment")? {
                Some(text) if !text.is_empty() => assignment(text)?,
                _ => Vec::new(),
            },
            configs: configs(&arguments.values("config"))?,
        })
    }
}

pub(super) fn create(client: &mut Client, arguments: &Arguments, output: &mut Output) -> Result<(), Failed> {
    let wanted = Wanted::read(arguments)?;
    if wanted.name.contains(['.', '_']) {
        output.line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
             collide. To avoid issues it is best to use either, but not both.",
        );
    }
    let replication_factor = match wanted.replication_factor {
        None => -1,
        Some(factor) => i16::try_from(factor)
            .ok()
            .filter(|factor| *factor >= 1)
            .ok_or_else(|| Failed(format!("The replication factor must be between 1 and {} inclusive", i16::MAX)))?,
    };
    if wanted.partitions.is_some_and(|partitions| partitions < 1) {
        return Err(Failed("The partitions must be greater than 0".to_owned()));
    }
    let replicas = |(index, brokers): (usize, &Vec<i32>)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(index as i32)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    };
    let config = |(key, value): &(String, String)| {
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    };
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(wanted.name)))
        .with_num_partitions(wanted.partitions.unwrap_or(-1))
        .with_replication_factor(replication_factor)
        .with_assignments(wanted.assignment.iter().enumerate().map(replicas).collect())
        .with_configs(wanted.configs.iter().map(config).collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(timeout_ms(client));
    let response = client.call(Target::Controller, "createTopics", &request, |response| {
        not_controller(response.topics.iter().map(|topic| topic.error_code))
    })?;
    for topic in &response.topics {
        match ClientError::from_wire(topic.error_code, topic.error_message.as_deref()) {
            Ok(()) => output.line(format!("Created topic {}.", wanted.name)),
            Err(error) => {
                let is_there = error.code() == Some(ErrorCode::TopicAlreadyExists);
                if !(is_there && arguments.has("if-not-exists")) {
                    return Err(error.into());
                }
            }
        }
    }
    Ok(())
}

pub(super) fn alter(client: &mut Client, arguments: &Arguments) -> Result<(), Failed> {
    let wanted = Wanted::read(arguments)?;
    let topics = matching(client, arguments)?;
    must_exist(&topics, "Topic", arguments.value("topic")?, arguments)?;
    if topics.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::new();
    for name in &topics {
        let change = CreatePartitionsTopic::default()
            .with_name(TopicName(text(name)))
            .with_count(wanted.partitions.unwrap_or_default())
            .with_assignments(new_replicas(client, name, &wanted.assignment)?);
        changes.push(change);
    }
    let request = CreatePartitionsRequest::default().with_topics(changes).with_timeout_ms(timeout_ms(client));
    let response = client.call(Target::Controller, "createPartitions", &request, |response| {
        not_controller(response.results.iter().map(|topic| topic.error_code))
    })?;
    for topic in &response.results {
        ClientError::from_wire(topic.error_code, topic.error_message.as_deref())?;
    }
    Ok(())
}

/// What an assignment says about partitions that are still to come.
fn new_replicas(
    client: &mut Client,
    topic: &str,
    assignment: &[Vec<i32>],
) -> Result<Option<Vec<CreatePartitionsAssignment>>, Failed> {
    if assignment.is_empty() {
        return Ok(None);
    }
    let mut present = 0;
    for (_, described) in describe_topics(client, &[topic], 2000)? {
        present = described?.partitions.len();
    }
    let brokers = |ids: &Vec<i32>| {
        CreatePartitionsAssignment::default().with_broker_ids(ids.iter().map(|id| BrokerId(*id)).collect())
    };
    Ok(Some(assignment.iter().skip(present).map(brokers).collect()))
}

pub(super) fn delete(client: &mut Client, arguments: &Arguments) -> Result<(), Failed> {
    let topics = matching(client, arguments)?;
    must_exist(&topics, "Topic", arguments.value("topic")?, arguments)?;
    if topics.is_empty() {
        return Ok(());
    }
    for (_, deleted) in delete_topics(client, &topics)? {
        deleted?;
    }
    Ok(())
}

/// Reads `1:2,2:3`: for each partition its brokers.
fn assignment(text: &str) -> Result<Vec<Vec<i32>>, Failed> {
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for (index, list) in text.trim_end_matches(',').split(',').enumerate() {
        let mut brokers: Vec<i32> = Vec::new();
        let mut twice: Vec<String> = Vec::new();
        for id in list.split(':').map(str::trim) {
            let id = id.parse().map_err(|_| format!("For input string: \"{id}\""))?;
            if brokers.contains(&id) && !twice.contains(&id.to_string()) {
                twice.push(id.to_string());
            }
            brokers.push(id);
        }
        if !twice.is_empty() {
            let twice = twice.join(",");
            return Err(Failed(format!("Partition replica lists may not contain duplicate entries: {twice}")));
        }
        if partitions.first().is_some_and(|first| first.len() != brokers.len()) {
            return Err(Failed(format!("Partition {index} has different replication factor: {brokers:?}")));
        }
        partitions.push(brokers);
    }
    Ok(partitions)
}

/// Reads `key=value` as Kafka does; of a key that comes twice the last value counts.
fn configs(texts: &[&str]) -> Result<Vec<(String, String)>, Failed> {
    let mut configs: Vec<(String, String)> = Vec::new();
    for text in texts {
        let parts: Vec<&str> = text.trim_end_matches('=').split('=').map(str::trim).collect();
        let [key, value] = parts[..] else {
            return Err(Failed(
                "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\"."
                    .to_owned(),
            ));
        };
        configs.retain(|(present, _)| present != key);
        configs.push((key.to_owned(), value.to_owned()));
    }
    Ok(configs)
}
