//! Offsets of streams groups moved and deleted.

use super::super::admin::delete_topics;
use super::super::consumer_groups::{self, Offsets};
use super::super::group_command::{Failed, Session, print_error};
use super::super::hash_order;
use super::{group, internal_topics, wanted};
use crate::client::ClientError;
use crate::types::{ErrorCode, TopicPartition};

pub(super) fn reset(session: &mut Session<'_>) -> Result<(), Failed> {
    let mut ids = wanted(session)?;
    hash_order::sort(&mut ids, None, |id| hash_order::of_text(id));
    let mut moved = Vec::new();
    for id in ids {
        let offsets = match group::describe(&mut session.client, &id) {
            Ok(group) if matches!(group.state.as_str(), "Empty" | "Dead") => {
                let offsets = reset_group(session, &id)?;
                if session.arguments.has("execute") {
                    delete_internal_topics(session, &id);
                }
                offsets
            }
            Ok(group) => {
                let state = &group.state;
                let message = format!(
                    "Assignments can only be reset if the group '{id}' is inactive, but the current state is {state}."
                );
                print_error(session.output, &message);
                Offsets::new()
            }
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => reset_group(session, &id)?,
            Err(error) => return Err(Failed::nested(&error)),
        };
        moved.push((id, offsets));
    }
    match session.arguments.has("export") {
        true => consumer_groups::export(session, &moved),
        false => print(session, &moved),
    }
    Ok(())
}

fn reset_group(session: &mut Session<'_>, id: &str) -> Result<Offsets, Failed> {
    let partitions = partitions_to_reset(session, id)?;
    let offsets = consumer_groups::new_offsets(session, id, &partitions, group::committed)?;
    if session.arguments.has("execute") && !offsets.is_empty() {
        consumer_groups::commit(session, id, &offsets)?;
    }
    Ok(offsets)
}

fn partitions_to_reset(session: &mut Session<'_>, id: &str) -> Result<Vec<TopicPartition>, Failed> {
    let arguments = session.arguments;
    if arguments.has("all-input-topics") {
        return group::input_partitions(&mut session.client, id).map_err(|error| Failed::nested(&error));
    }
    if !arguments.has("input-topic") {
        return match arguments.has("from-file") {
            true => Ok(Vec::new()),
            false => Err(Failed::Usage("One of the reset scopes should be defined: --all-topics, --topic.".to_owned())),
        };
    }
    let topics = arguments.values("input-topic");
    let partitions = consumer_groups::of_topics(session, &topics, |error| Failed::plain(&error))?;
    consumer_groups::check_valid(session, &partitions)?;
    let offsets = consumer_groups::committed(&mut session.client, id).map_err(|error| Failed::nested(&error))?;
    if partitions.iter().all(|partition| offsets.contains_key(partition)) {
        return Ok(partitions);
    }
    print_error(session.output, &format!("One or more topics are not part of the group '{id}'."));
    Ok(Vec::new())
}

/// A failure is told and ends nothing. With nothing to delete there is none, where Kafka's tool stumbles over a null.
fn delete_internal_topics(session: &mut Session<'_>, id: &str) {
    let topics = match session.arguments.has("delete-all-internal-topics") {
        true => internal_topics::of_groups(session, &[id.to_owned()]).remove(id).unwrap_or_default(),
        false => session.arguments.values("delete-internal-topic").into_iter().map(str::to_owned).collect(),
    };
    if topics.is_empty() {
        return;
    }
    let deleted = delete_topics(&mut session.client, &topics)
        .and_then(|topics| topics.into_iter().try_for_each(|(_, deleted)| deleted));
    if let Err(error) = deleted {
        print_error(session.output, &format!("Deleting internal topics for group '{id}' failed {}", reason(&error)));
    }
}

fn reason(error: &ClientError) -> String {
    match error.code() {
        Some(ErrorCode::UnknownTopicOrPartition) => "because the topics do not exist.".to_owned(),
        _ => format!("due to {}", error.as_throwable()),
    }
}

fn print(session: &mut Session<'_>, moved: &[(String, Offsets)]) {
    let line =
        |[group, topic, partition, offset]: [&str; 4]| format!("\n{group:30} {topic:30} {partition:10} {offset:15}");
    if !moved.is_empty() {
        session.output.text(line(["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"]));
    }
    for (group, offsets) in moved {
        for partition in consumer_groups::in_order(offsets) {
            let (index, offset) = (partition.partition.to_string(), offsets[&partition].to_string());
            session.output.text(line([group, &partition.topic, &index, &offset]));
        }
    }
    session.output.line("");
}

pub(super) fn delete(session: &mut Session<'_>) -> Result<(), Failed> {
    let arguments = session.arguments;
    let id = arguments.value("group")?.unwrap_or_default();
    let (partitions, results) = match arguments.has("all-input-topics") {
        true => {
            let partitions = group::input_partitions(&mut session.client, id);
            (partitions.map_err(|error| Failed::nested(&error))?, Vec::new())
        }
        false => consumer_groups::named_partitions(session, &arguments.values("input-topic"))?,
    };
    consumer_groups::delete_offsets_of(session, id, &partitions, results);
    Ok(())
}
