//! Partitions that the arguments name, and where their logs begin and end.

use std::collections::BTreeMap;

use super::super::admin::{Topic, describe_topics};
use super::super::hash_order;
use super::super::leaders::{list_offsets, timestamp};
use super::{Failed, Session};
use crate::client::ClientError;
use crate::types::TopicPartition;

/// Offsets by partition.
pub(in crate::cli::tools) type Offsets = BTreeMap<TopicPartition, i64>;

/// The topics of these partitions, described. One that is not there is an error.
fn topics_of(session: &mut Session<'_>, partitions: &[TopicPartition]) -> Result<Vec<Topic>, ClientError> {
    let mut names: Vec<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    describe_topics(&mut session.client, &names, 2000)?.into_iter().map(|(_, topic)| topic).collect()
}

/// Those of the partitions that have no leader.
pub(super) fn without_leader(
    session: &mut Session<'_>,
    partitions: &[TopicPartition],
) -> Result<Vec<TopicPartition>, Failed> {
    let topics = topics_of(session, partitions).map_err(|error| Failed::nested(&error))?;
    let leaderless = |partition: &&TopicPartition| {
        let topic = topics.iter().find(|topic| *topic.name == *partition.topic);
        topic.is_some_and(|topic| {
            topic.partitions.iter().any(|found| found.index == partition.partition && found.leader < 0)
        })
    };
    Ok(partitions.iter().filter(leaderless).cloned().collect())
}

/// Every partition must exist and have a leader.
pub(in crate::cli::tools) fn check_valid(
    session: &mut Session<'_>,
    partitions: &[TopicPartition],
) -> Result<(), Failed> {
    let topics = topics_of(session, partitions).map_err(|error| Failed::nested(&error))?;
    let find = |partition: &TopicPartition| {
        let topic = topics.iter().find(|topic| *topic.name == *partition.topic)?;
        topic.partitions.iter().find(|found| found.index == partition.partition)
    };
    let names = |wanted: &dyn Fn(&TopicPartition) -> bool| {
        let names: Vec<String> =
            partitions.iter().filter(|partition| wanted(partition)).map(TopicPartition::to_string).collect();
        names.join(",")
    };
    let absent = names(&|partition| find(partition).is_none());
    if !absent.is_empty() {
        return Err(Failed::Told(format!("The partitions \"{absent}\" do not exist")));
    }
    let leaderless = names(&|partition| find(partition).is_some_and(|found| found.leader < 0));
    match leaderless.is_empty() {
        true => Ok(()),
        false => Err(Failed::Told(format!("The partitions \"{leaderless}\" have no leader"))),
    }
}

/// The first offsets of partitions.
pub(super) fn start_offsets(session: &mut Session<'_>, partitions: &[TopicPartition]) -> Result<Offsets, Failed> {
    offsets_at(session, partitions, timestamp::EARLIEST)
}

/// The offsets behind the last records of partitions.
pub(super) fn end_offsets(session: &mut Session<'_>, partitions: &[TopicPartition]) -> Result<Offsets, Failed> {
    offsets_at(session, partitions, timestamp::LATEST)
}

/// The first offsets at a time or after it; -1 where there is none.
pub(super) fn offsets_at(session: &mut Session<'_>, partitions: &[TopicPartition], at: i64) -> Result<Offsets, Failed> {
    let timeout = session.client.config.api_timeout;
    let outcomes = list_offsets(&mut session.client, partitions, at, timeout);
    let offset = |(partition, outcome): (TopicPartition, Result<i64, ClientError>)| Ok((partition, outcome?));
    outcomes.into_iter().map(offset).collect::<Result<_, ClientError>>().map_err(|error| Failed::nested(&error))
}

/// The partitions that these name: `topic` means all of its, `topic:0,1` those. `failed` tells of a topic that cannot be
/// described.
pub(in crate::cli::tools) fn of_topics(
    session: &mut Session<'_>,
    texts: &[&str],
    failed: impl Fn(ClientError) -> Failed,
) -> Result<Vec<TopicPartition>, Failed> {
    let mut partitions = Vec::new();
    let mut whole = Vec::new();
    for text in texts {
        match text.contains(':') {
            true => partitions.extend(listed(text)?),
            false => whole.push(*text),
        }
    }
    if whole.is_empty() {
        return Ok(partitions);
    }
    let described = describe_topics(&mut session.client, &whole, 2000).map_err(&failed)?;
    let mut topics = described.into_iter().map(|(_, topic)| topic.map_err(&failed)).collect::<Result<Vec<_>, _>>()?;
    hash_order::sort_described(&mut topics, |topic: &Topic| &topic.name);
    for topic in topics {
        partitions.extend(topic.partitions.iter().map(|found| TopicPartition::new(topic.name.as_str(), found.index)));
    }
    Ok(partitions)
}

/// Reads `topic:0,1,2`.
pub(in crate::cli::tools) fn listed(text: &str) -> Result<Vec<TopicPartition>, String> {
    let parts: Vec<&str> = text.trim_end_matches(':').split(':').collect();
    let [topic, ids] = parts[..] else {
        return Err(format!("Invalid topic arg '{text}', expected topic name and partitions"));
    };
    let partition = |id: &str| {
        let id = id.parse().map_err(|_| format!("Invalid partition '{id}' specified in topic arg '{text}''"))?;
        Ok(TopicPartition::new(topic, id))
    };
    ids.trim_end_matches(',').split(',').map(partition).collect()
}
