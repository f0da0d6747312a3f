//! Offsets of share groups moved and deleted.

use super::super::admin::{Topic, describe_topics};
use super::super::consumer_groups::{listed_partitions, parse_date_time};
use super::super::hash_order;
use super::super::leaders::{list_offsets, timestamp};
use super::{Failed, Session, calls, print_error};
use crate::client::ClientError;
use crate::types::{ErrorCode, TopicPartition};

pub(super) fn reset(session: &mut Session<'_>) -> Result<(), Failed> {
    let group = session.arguments.value("group")?.unwrap_or_default().to_owned();
    match calls::describe(&mut session.client, &group) {
        Ok(found) if !matches!(found.state.as_str(), "Empty" | "Dead") => {
            return Err(Failed::Stopped(format!("Share group '{group}' is not empty.")));
        }
        Ok(_) => {}
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {}
        Err(error) => return Err(Failed::Stopped(error.to_string())),
    }
    let partitions = partitions_to_reset(session, &group)?;
    check_valid(session, &partitions)?;
    let offsets = new_offsets(session, &partitions)?;
    if session.arguments.has("execute") {
        let altered = calls::alter_offsets(&mut session.client, &group, &offsets);
        altered.map_err(|error| Failed::Told(error.to_string()))?;
    }
    print(session, &group, &offsets);
    Ok(())
}

fn print(session: &mut Session<'_>, group: &str, offsets: &[(TopicPartition, i64)]) {
    let group_width = group.chars().count().max(15);
    let topic_width = offsets.iter().map(|(partition, _)| partition.topic.chars().count()).max().unwrap_or(0).max(15);
    let line = |group: &str, topic: &str, partition: &str, offset: &str| {
        format!("\n{group:group_width$} {topic:topic_width$} {partition:10} {offset}")
    };
    session.output.text(line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"));
    for (partition, offset) in offsets {
        let (index, offset) = (partition.partition.to_string(), offset.to_string());
        session.output.text(line(group, &partition.topic, &index, &offset));
    }
    session.output.line("");
}

fn partitions_to_reset(session: &mut Session<'_>, group: &str) -> Result<Vec<TopicPartition>, Failed> {
    let topics = session.arguments.values("topic");
    if topics.is_empty() {
        let offsets = calls::offsets(&mut session.client, group).map_err(plain)?;
        return Ok(offsets.into_keys().collect());
    }
    let (listed, whole): (Vec<&str>, Vec<&str>) = topics.into_iter().partition(|text| text.contains(':'));
    let mut partitions = Vec::new();
    for text in listed {
        partitions.extend(listed_partitions(text)?);
    }
    if !whole.is_empty() {
        for (_, topic) in describe_topics(&mut session.client, &whole, 2000).map_err(plain)? {
            let topic: Topic = topic.map_err(plain)?;
            let found = topic.partitions.iter();
            partitions.extend(found.map(|found| TopicPartition::new(topic.name.as_str(), found.index)));
        }
    }
    Ok(partitions)
}

/// A failure whose exception is thrown on as it is.
fn plain(error: ClientError) -> Failed {
    Failed::Told(error.to_string())
}

/// Every partition must exist and have a leader.
fn check_valid(session: &mut Session<'_>, partitions: &[TopicPartition]) -> Result<(), Failed> {
    let mut names: Vec<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
    names.sort_unstable();
    names.dedup();
    let mut topics = Vec::new();
    if !names.is_empty() {
        for (_, topic) in describe_topics(&mut session.client, &names, 2000).map_err(|error| Failed::nested(&error))? {
            topics.push(topic.map_err(|error| Failed::nested(&error))?);
        }
    }
    let leader = |wanted: &TopicPartition| {
        let topic = topics.iter().find(|topic| *topic.name == *wanted.topic)?;
        topic.partitions.iter().find(|found| found.index == wanted.partition).map(|found| found.leader)
    };
    let those = |wanted: &dyn Fn(Option<i32>) -> bool| {
        let found = partitions.iter().filter(|partition| wanted(leader(partition)));
        found.map(TopicPartition::to_string).collect::<Vec<_>>().join(",")
    };
    let absent = those(&|leader| leader.is_none());
    if !absent.is_empty() {
        return Err(Failed::Told(format!("The partitions \"{absent}\" do not exist")));
    }
    let leaderless = those(&|leader| leader.is_some_and(|leader| leader < 0));
    match leaderless.is_empty() {
        true => Ok(()),
        false => Err(Failed::Told(format!("The partitions \"{leaderless}\" have no leader"))),
    }
}

/// In the order of Java's map.
fn new_offsets(session: &mut Session<'_>, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, i64)>, Failed> {
    let arguments = session.arguments;
    let date_time = arguments.value("to-datetime")?;
    let at = match date_time {
        Some(text) => parse_date_time(text).map_err(Failed::Told)?,
        None if arguments.has("to-earliest") => timestamp::EARLIEST,
        None => timestamp::LATEST,
    };
    let mut found = offsets_at(session, &ordered(partitions), at)?;
    if date_time.is_some() {
        let without: Vec<TopicPartition> =
            found.iter().filter(|(_, offset)| *offset < 0).map(|(partition, _)| partition.clone()).collect();
        for partition in &without {
            session.output.line(format!(
                "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
                partition.partition, partition.topic
            ));
        }
        found.retain(|(_, offset)| *offset >= 0);
        if !without.is_empty() {
            found.extend(offsets_at(session, &without, timestamp::LATEST)?);
        }
    }
    hash_order::sort(&mut found, None, |(partition, _)| {
        hash_order::of_partition(&partition.topic, partition.partition)
    });
    Ok(found)
}

fn offsets_at(
    session: &mut Session<'_>,
    partitions: &[TopicPartition],
    at: i64,
) -> Result<Vec<(TopicPartition, i64)>, Failed> {
    let timeout = session.client.config.api_timeout;
    let outcomes = list_offsets(&mut session.client, partitions, at, timeout);
    let offset = |(partition, outcome): (TopicPartition, Result<i64, ClientError>)| Ok((partition, outcome?));
    outcomes.into_iter().map(offset).collect::<Result<_, ClientError>>().map_err(|error| Failed::nested(&error))
}

pub(super) fn delete(session: &mut Session<'_>) -> Result<(), Failed> {
    let group = session.arguments.value("group")?.unwrap_or_default();
    let mut topics = session.arguments.values("topic");
    topics.sort_unstable();
    topics.dedup();
    let outcomes = calls::delete_offsets(&mut session.client, group, &topics);
    if let Err(error) = &outcomes {
        use ErrorCode::{GroupAuthorizationFailed, GroupIdNotFound, InvalidGroupId, NonEmptyGroup};
        let known = [InvalidGroupId, GroupIdNotFound, GroupAuthorizationFailed, NonEmptyGroup];
        let expected = [ErrorCode::TopicAuthorizationFailed, ErrorCode::UnknownTopicOrPartition];
        match error.code() {
            Some(code) if known.contains(&code) => print_error(session.output, &error.to_string()),
            Some(code) if expected.contains(&code) => {}
            _ => {
                let message = format!("Encounter some unknown error: {}", error.as_throwable());
                print_error(session.output, &message);
            }
        }
    }
    let width = topics.iter().map(|topic| topic.chars().count()).max().unwrap_or(0).max(15);
    session.output.text(format!("\n{:width$} STATUS", "TOPIC"));
    for topic in topics {
        let failure = match &outcomes {
            Err(error) => Some(error.to_string()),
            Ok(outcomes) => match outcomes.get(topic) {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(error.to_string()),
                None => Some(format!("Offset deletion result for topic \"{topic}\" was not included in the response")),
            },
        };
        let status = failure.map_or("Successful".to_owned(), |message| format!("Error: {message}"));
        session.output.text(format!("\n{topic:width$} {status}"));
    }
    session.output.line("");
    Ok(())
}

fn ordered(partitions: &[TopicPartition]) -> Vec<TopicPartition> {
    let mut partitions = partitions.to_vec();
    in_map_order(&mut partitions);
    partitions
}

/// Sorts partitions as Java's map of them is walked.
pub(super) fn in_map_order(partitions: &mut [TopicPartition]) {
    hash_order::sort(partitions, None, |partition| hash_order::of_partition(&partition.topic, partition.partition));
}
