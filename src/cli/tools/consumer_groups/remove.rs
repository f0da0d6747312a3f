//! Groups deleted, and offsets of a group.

use std::collections::BTreeMap;

use super::super::admin::{describe_topics, text};
use super::super::hash_order;
use super::coordinator::group_id;
use super::describe::wanted;
use super::offsets::listed;
use super::{Failed, Session, print_error};
use crate::client::{ClientError, Target};
use crate::protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::protocol::messages::{DeleteGroupsRequest, OffsetDeleteRequest, TopicName};
use crate::types::{ErrorCode, TopicPartition};

pub(super) fn delete_groups(session: &mut Session<'_>) -> Result<(), Failed> {
    let mut ids = wanted(session)?;
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    hash_order::sort(&mut ids, None, |id| hash_order::of_text(id));
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for id in ids {
        match delete_group(session, &id) {
            Ok(()) => deleted.push(format!("'{id}'")),
            Err(error) => failed.push((id, error)),
        }
    }
    let deleted_text = deleted.join(", ");
    if failed.is_empty() {
        session.output.line(format!("Deletion of requested consumer groups ({deleted_text}) was successful."));
        return Ok(());
    }
    print_error(session.output, "Deletion of some consumer groups failed:");
    for (id, error) in failed {
        session.output.line(format!("* Group '{id}' could not be deleted due to: {}", error.as_throwable()));
    }
    if !deleted.is_empty() {
        session.output.line(format!("\nThese consumer groups were deleted successfully: {deleted_text}"));
    }
    Ok(())
}

pub(in crate::cli::tools) fn delete_group(session: &mut Session<'_>, id: &str) -> Result<(), ClientError> {
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(id)]);
    let answer = session.client.call(Target::Group(id), "deleteConsumerGroups", &request, |answer| {
        answer.results.first().map_or(0, |result| result.error_code)
    })?;
    answer.results.iter().try_for_each(|result| ClientError::from_wire(result.error_code, None))
}

/// What became of each partition; a topic that is not there is partition -1.
pub(in crate::cli::tools) type Results = Vec<(TopicPartition, Result<(), String>)>;

pub(super) fn delete_offsets(session: &mut Session<'_>) -> Result<(), Failed> {
    let group = session.arguments.value("group")?.unwrap_or_default();
    let texts = session.arguments.values("topic");
    let (partitions, results) = named_partitions(session, &texts)?;
    delete_offsets_of(session, group, &partitions, results);
    Ok(())
}

/// Deletes offsets and tells what became of each; `results` are told, too.
pub(in crate::cli::tools) fn delete_offsets_of(
    session: &mut Session<'_>,
    group: &str,
    partitions: &[TopicPartition],
    mut results: Results,
) {
    let top = delete(session, group, partitions, &mut results);
    match top {
        Ok(()) => session.output.line(format!("Request succeeded for deleting offsets from group {group}.")),
        Err(error) => {
            use ErrorCode::*;
            let code = error.code().unwrap_or(UnknownServerError);
            let message = match code {
                InvalidGroupId | GroupIdNotFound | GroupAuthorizationFailed | NonEmptyGroup => {
                    code.message().to_owned()
                }
                GroupSubscribedToTopic | TopicAuthorizationFailed | UnknownTopicOrPartition => {
                    "Encountered some partition-level error, see the follow-up details.".to_owned()
                }
                other => format!("Encountered some unknown error: {}", other.name()),
            };
            print_error(session.output, &message);
        }
    }
    let width = results.iter().map(|(partition, _)| partition.topic.chars().count()).max().unwrap_or(0).max(15);
    session.output.text(format!("\n{:width$} {:10} {:15}", "TOPIC", "PARTITION", "STATUS"));
    results.sort_by_key(|(partition, _)| format!("{}{}", partition.topic, partition.partition));
    for (partition, result) in results {
        let id = match partition.partition {
            id if id < 0 => "-".to_owned(),
            id => id.to_string(),
        };
        let status = result.map_or_else(|reason| format!("Error: {reason}"), |()| "Successful".to_owned());
        session.output.text(format!("\n{:width$} {id:10} {status:15}", partition.topic));
    }
    session.output.line("");
}

/// The partitions that these name, and what is to be said of topics that are not there.
pub(in crate::cli::tools) fn named_partitions(
    session: &mut Session<'_>,
    texts: &[&str],
) -> Result<(Vec<TopicPartition>, Results), Failed> {
    let (mut partitions, mut results) = (Vec::new(), Results::new());
    for text in texts.iter().filter(|text| text.contains(':')) {
        partitions.extend(listed(text)?);
    }
    let whole: Vec<&str> = texts.iter().copied().filter(|text| !text.contains(':')).collect();
    if !whole.is_empty() {
        for (name, topic) in describe_topics(&mut session.client, &whole, 2000)? {
            match topic {
                Ok(topic) => partitions
                    .extend(topic.partitions.iter().map(|found| TopicPartition::new(name.as_str(), found.index))),
                Err(error) => results.push((TopicPartition::new(name.as_str(), -1), Err(error.as_throwable()))),
            }
        }
    }
    partitions.sort_unstable();
    partitions.dedup();
    Ok((partitions, results))
}

/// Deletes the offsets. The error is the first that there was, of the whole or of a partition.
fn delete(
    session: &mut Session<'_>,
    group: &str,
    partitions: &[TopicPartition],
    results: &mut Results,
) -> Result<(), ClientError> {
    let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
    for partition in partitions {
        let asked = OffsetDeleteRequestPartition::default().with_partition_index(partition.partition);
        topics.entry(&partition.topic).or_default().push(asked);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetDeleteRequestTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
    });
    let request = OffsetDeleteRequest::default().with_group_id(group_id(group)).with_topics(topics.collect());
    let answer =
        session.client.call(Target::Group(group), "deleteConsumerGroupOffsets", &request, |answer| answer.error_code);
    let answer = answer.and_then(|answer| {
        ClientError::from_wire(answer.error_code, None)?;
        Ok(answer)
    });
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let of_all = partitions.iter().map(|partition| (partition.clone(), Err(error.as_throwable())));
            results.extend(of_all);
            return Err(error);
        }
    };
    let mut first = Ok(());
    for topic in answer.topics {
        for partition in topic.partitions {
            let result = ClientError::from_wire(partition.error_code, None);
            let name = TopicPartition::new(topic.name.as_str(), partition.partition_index);
            results.push((name, result.clone().map_err(|error| error.as_throwable())));
            first = first.and(result);
        }
    }
    first
}
