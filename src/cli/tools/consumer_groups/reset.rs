//! Offsets of inactive groups moved.

use std::collections::BTreeMap;

use super::super::admin::text;
use super::super::hash_order;
use super::coordinator::{Committed, committed, describe as describe_group, group_id};
use super::describe::{in_map_order, wanted};
use super::offsets::{Offsets, check_valid, end_offsets, of_topics, offsets_at, start_offsets};
use super::{Failed, Session, plan, print_error, time};
use crate::client::{Client, ClientError, Target};
use crate::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, TopicName};
use crate::types::{ErrorCode, TopicPartition};

pub(super) fn reset(session: &mut Session<'_>) -> Result<(), Failed> {
    let mut ids = wanted(session)?;
    hash_order::sort(&mut ids, None, |id| hash_order::of_text(id));
    ids.dedup();
    let mut moved = Vec::new();
    for id in ids {
        let offsets = match describe_group(&mut session.client, &id) {
            Ok(group) if matches!(group.state.as_str(), "Empty" | "Dead") => reset_group(session, &id)?,
            Ok(group) => {
                let state = &group.state;
                print_error(
                    session.output,
                    &format!(
                        "Assignments can only be reset if the group '{id}' is inactive, but the current state is {state}."
                    ),
                );
                Offsets::new()
            }
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => reset_group(session, &id)?,
            Err(error) => return Err(Failed::nested(&error)),
        };
        moved.push((id, offsets));
    }
    match session.arguments.has("export") {
        true => export(session, &moved),
        false => print(session, &moved),
    }
    Ok(())
}

fn reset_group(session: &mut Session<'_>, group: &str) -> Result<Offsets, Failed> {
    let partitions = partitions_to_reset(session, group)?;
    check_valid(session, &partitions)?;
    let offsets = new_offsets(session, group, &partitions, committed)?;
    if session.arguments.has("execute") && !offsets.is_empty() {
        commit(session, group, &offsets)?;
    }
    Ok(offsets)
}

fn partitions_to_reset(session: &mut Session<'_>, group: &str) -> Result<Vec<TopicPartition>, Failed> {
    let arguments = session.arguments;
    if arguments.has("all-topics") {
        let offsets = committed(&mut session.client, group).map_err(|error| Failed::nested(&error))?;
        return Ok(offsets.into_keys().collect());
    }
    if arguments.has("topic") {
        return of_topics(session, &arguments.values("topic"), |error| match error.code() {
            Some(ErrorCode::UnknownTopicOrPartition) => Failed::plain(&error),
            _ => Failed::from(error),
        });
    }
    match arguments.has("from-file") {
        true => Ok(Vec::new()),
        false => Err(Failed::Usage("One of the reset scopes should be defined: --all-topics, --topic.".to_owned())),
    }
}

/// Asks where a group stands.
pub(in crate::cli::tools) type Standing =
    fn(&mut Client, &str) -> Result<BTreeMap<TopicPartition, Committed>, ClientError>;

/// The offsets that the arguments' scenario means.
pub(in crate::cli::tools) fn new_offsets(
    session: &mut Session<'_>,
    group: &str,
    partitions: &[TopicPartition],
    standing: Standing,
) -> Result<Offsets, Failed> {
    let arguments = session.arguments;
    let at_all = |offset: i64| partitions.iter().map(|partition| (partition.clone(), offset)).collect::<Offsets>();
    if let Some(offset) = arguments.values("to-offset").first() {
        let offset = offset.parse().map_err(|_| format!("Cannot parse argument '{offset}' of option to-offset"))?;
        return within_logs(session, at_all(offset));
    }
    if arguments.has("to-earliest") {
        return start_offsets(session, partitions);
    }
    if arguments.has("to-latest") {
        return end_offsets(session, partitions);
    }
    if let Some(by) = arguments.number::<i64>("shift-by")? {
        let current = standing(&mut session.client, group).map_err(|error| Failed::nested(&error))?;
        let mut shifted = Offsets::new();
        for partition in partitions {
            let offset = current.get(partition).ok_or_else(|| {
                format!("Cannot shift offset for partition {partition} since there is no current committed offset")
            })?;
            shifted.insert(partition.clone(), offset.offset.saturating_add(by));
        }
        return within_logs(session, shifted);
    }
    if let Some(text) = arguments.values("to-datetime").first() {
        let at = time::datetime(text).map_err(Failed::Told)?;
        return at_time(session, partitions, at);
    }
    if let Some(text) = arguments.value("by-duration")? {
        let at = time::ago(text).map_err(Failed::Told)?;
        return at_time(session, partitions, at);
    }
    if let Some(file) = arguments.values("from-file").first() {
        let groups = arguments.values("group");
        let mut plan = plan::read(file, &groups).map_err(Failed::Told)?;
        let Some(offsets) = plan.remove(group) else {
            print_error(session.output, &format!("No reset plan for group {group} found"));
            return Ok(Offsets::new());
        };
        return within_logs(session, offsets);
    }
    if arguments.has("to-current") {
        let current = standing(&mut session.client, group).map_err(|error| Failed::nested(&error))?;
        return stay(session, &current, partitions);
    }
    Err(Failed::Usage(
        "Option '[reset-offsets]' requires one of the following scenarios: [[to-offset], [to-datetime], [by-duration], \
         [to-earliest], [to-latest], [to-current], [shift-by], [from-file]]"
            .to_owned(),
    ))
}

/// The first offsets at a time; where there is none, the end.
fn at_time(session: &mut Session<'_>, partitions: &[TopicPartition], at: i64) -> Result<Offsets, Failed> {
    let mut offsets = offsets_at(session, partitions, at)?;
    let mut late: Vec<TopicPartition> =
        offsets.iter().filter(|(_, offset)| **offset == -1).map(|(partition, _)| partition.clone()).collect();
    in_map_order(&mut late);
    for partition in &late {
        let TopicPartition { topic, partition } = partition;
        session.output.line(format!(
            "\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest known offset."
        ));
    }
    offsets.extend(end_offsets(session, &late)?);
    Ok(offsets)
}

/// Where the group stands; at the end where it stands nowhere.
fn stay(
    session: &mut Session<'_>,
    current: &BTreeMap<TopicPartition, Committed>,
    partitions: &[TopicPartition],
) -> Result<Offsets, Failed> {
    let strangers: Vec<TopicPartition> =
        partitions.iter().filter(|partition| !current.contains_key(partition)).cloned().collect();
    let mut offsets = end_offsets(session, &strangers)?;
    for partition in partitions {
        if let Some(committed) = current.get(partition) {
            offsets.insert(partition.clone(), committed.offset);
        }
    }
    Ok(offsets)
}

/// Moves offsets that lie outside of their logs to the nearer end.
fn within_logs(session: &mut Session<'_>, mut offsets: Offsets) -> Result<Offsets, Failed> {
    let partitions: Vec<TopicPartition> = offsets.keys().cloned().collect();
    let starts = start_offsets(session, &partitions)?;
    let ends = end_offsets(session, &partitions)?;
    for (partition, offset) in &mut offsets {
        let (start, end) = (starts.get(partition).copied(), ends.get(partition).copied());
        if let Some(end) = end.filter(|end| *offset > *end) {
            eprintln!(
                "WARN New offset ({offset}) is higher than latest offset for topic partition {partition}. Value will be \
                 set to {end}"
            );
            *offset = end;
        } else if let Some(start) = start.filter(|start| *offset < *start) {
            eprintln!(
                "WARN New offset ({offset}) is lower than earliest offset for topic partition {partition}. Value will be \
                 set to {start}"
            );
            *offset = start;
        }
    }
    Ok(offsets)
}

/// Commits for a group without members.
pub(in crate::cli::tools) fn commit(session: &mut Session<'_>, group: &str, offsets: &Offsets) -> Result<(), Failed> {
    let answer = send_commit(&mut session.client, group, "alterConsumerGroupOffsets", offsets)?;
    for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        ClientError::from_wire(partition.error_code, None).map_err(|error| Failed::plain(&error))?;
    }
    Ok(())
}

/// Asks the coordinator to commit for a group without members; errors of single partitions are left to the caller.
pub(in crate::cli::tools) fn send_commit(
    client: &mut Client,
    group: &str,
    name: &str,
    offsets: &Offsets,
) -> Result<OffsetCommitResponse, ClientError> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (partition, offset) in offsets {
        let asked = OffsetCommitRequestPartition::default()
            .with_partition_index(partition.partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("")));
        topics.entry(&partition.topic).or_default().push(asked);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
    });
    let request = OffsetCommitRequest::default().with_group_id(group_id(group)).with_topics(topics.collect());
    client.call(Target::Group(group), name, &request, |answer| {
        let mut codes = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
        codes.find(|code| *code != 0).unwrap_or(0)
    })
}

fn print(session: &mut Session<'_>, moved: &[(String, Offsets)]) {
    let group_width = moved.iter().map(|(group, _)| group.chars().count()).max().unwrap_or(0).max(15);
    let topics = moved.iter().flat_map(|(_, offsets)| offsets.keys().map(|partition| partition.topic.chars().count()));
    let topic_width = topics.max().unwrap_or(0).max(15);
    if !moved.is_empty() {
        let header = ("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
        session
            .output
            .text(format!("\n{:group_width$} {:topic_width$} {:10} {}", header.0, header.1, header.2, header.3));
    }
    for (group, offsets) in moved {
        for partition in in_order(offsets) {
            let TopicPartition { topic, partition: id } = &partition;
            let offset = offsets[&partition];
            session.output.text(format!("\n{group:group_width$} {topic:topic_width$} {id:<10} {offset}"));
        }
    }
    session.output.line("");
}

/// Prints the offsets of groups as CSV.
pub(in crate::cli::tools) fn export(session: &mut Session<'_>, moved: &[(String, Offsets)]) {
    let is_single = session.arguments.values("group").len() == 1;
    for (group, offsets) in moved {
        for partition in in_order(offsets) {
            let prefix = if is_single { String::new() } else { format!("{},", plan::quoted(group)) };
            let TopicPartition { topic, partition: id } = &partition;
            session.output.line(format!("{prefix}{},{id},{}", plan::quoted(topic), offsets[&partition]));
        }
    }
    session.output.line("");
}

/// The partitions as Java's map of them is walked.
pub(in crate::cli::tools) fn in_order(offsets: &Offsets) -> Vec<TopicPartition> {
    let mut partitions: Vec<TopicPartition> = offsets.keys().cloned().collect();
    in_map_order(&mut partitions);
    partitions
}
