//! Streams groups described: offsets and lag, members, state.

use std::collections::{BTreeMap, BTreeSet};

use super::super::consumer_groups::{Committed, in_map_order};
use super::super::group_command::{Failed, Session, group_ids, print_error};
use super::super::leaders::{list_offsets, timestamp};
use super::KIND;
use super::group::{self, Group};
use crate::client::ClientError;
use crate::protocol::newer::StreamsDescribedTasks;
use crate::types::TopicPartition;

/// What stands for a value that is not there.
const MISSING: &str = "-";

pub(super) fn describe(session: &mut Session<'_>) -> Result<(), Failed> {
    let arguments = session.arguments;
    let ids = match arguments.has("all-groups") {
        true => group_ids(session, KIND)?,
        // A group that is named twice is described twice, as by Kafka's tool.
        false => arguments.values("group").into_iter().map(str::to_owned).collect(),
    };
    let verbose = arguments.has("verbose");
    for id in ids {
        let group = group::describe(&mut session.client, &id)?;
        if arguments.has("members") {
            print_members(session, &id, &group, verbose);
        } else if arguments.has("state") {
            print_state(session, &id, &group, verbose)?;
        } else {
            print_offsets(session, &id, &group, verbose)?;
        }
    }
    Ok(())
}

fn print_members(session: &mut Session<'_>, id: &str, group: &Group, verbose: bool) {
    let members = &group.members;
    if group.state == "Dead" || members.is_empty() {
        return;
    }
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0).max(15);
    let group_width = id.chars().count().max(15);
    let id_width = widest(&mut members.iter().map(|member| member.member_id.chars().count()));
    let process_width = widest(&mut members.iter().map(|member| member.process_id.chars().count()));
    let client_width = widest(&mut members.iter().map(|member| member.client_id.chars().count()));
    let line = |[group, target, topology, member, protocol, epoch, process, client, tasks]: [&str; 9]| match verbose {
        // Kafka's tool has no blank before the member.
        true => format!(
            "{group:group_width$} {target:25} {topology:15}{member:id_width$} {protocol:15} {epoch:15} \
             {process:process_width$} {client:client_width$} {tasks}"
        ),
        false => {
            format!("{group:group_width$} {member:id_width$} {process:process_width$} {client:client_width$} {tasks}")
        }
    };
    session.output.line(line([
        "GROUP",
        "TARGET-ASSIGNMENT-EPOCH",
        "TOPOLOGY-EPOCH",
        "MEMBER",
        "MEMBER-PROTOCOL",
        "MEMBER-EPOCH",
        "PROCESS",
        "CLIENT-ID",
        "ASSIGNMENTS",
    ]));
    for member in members {
        let mut tasks = tasks_text(&member.assignment, "");
        if verbose {
            tasks.push_str(&tasks_text(&member.target_assignment, "TARGET-"));
        }
        session.output.line(line([
            id,
            &group.assignment_epoch.to_string(),
            &group.topology_epoch.to_string(),
            &member.member_id,
            if member.is_classic { "classic" } else { "streams" },
            &member.member_epoch.to_string(),
            &member.process_id,
            &member.client_id,
            &tasks,
        ]));
    }
}

fn tasks_text(tasks: &StreamsDescribedTasks, prefix: &str) -> String {
    let kinds = [("ACTIVE", &tasks.active_tasks), ("STANDBY", &tasks.standby_tasks), ("WARMUP", &tasks.warmup_tasks)];
    let mut text = String::new();
    for (kind, of_kind) in kinds {
        if !of_kind.is_empty() {
            text.push_str(&format!("{prefix}{kind}: "));
        }
        for ids in of_kind {
            let partitions: Vec<String> = ids.partitions.iter().map(i32::to_string).collect();
            text.push_str(&format!("{}:[{}]; ", ids.subtopology_id, partitions.join(",")));
        }
    }
    text
}

fn print_state(session: &mut Session<'_>, id: &str, group: &Group, verbose: bool) -> Result<(), Failed> {
    match group.state.as_str() {
        "Dead" => print_error(session.output, &format!("Streams group '{id}' does not exist.")),
        "Empty" => print_error(session.output, &format!("Streams group '{id}' has no active members.")),
        _ => {}
    }
    let node = session.client.coordinator(id)?;
    let coordinator = format!("{}:{} ({})", node.address.host, node.address.port, node.id.0);
    let (group_width, coordinator_width) = (id.chars().count().max(15), coordinator.chars().count().max(25));
    let line = |[group, coordinator, state, epoch, target, members]: [&str; 6]| {
        let epochs = if verbose { format!("{epoch:15} {target:25} ") } else { String::new() };
        format!("{group:group_width$} {coordinator:coordinator_width$} {state:25} {epochs}{members}")
    };
    let header = ["GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH", "#MEMBERS"];
    session.output.line(line(header));
    session.output.line(line([
        id,
        &coordinator,
        &group.state,
        &group.epoch.to_string(),
        &group.assignment_epoch.to_string(),
        &group.members.len().to_string(),
    ]));
    Ok(())
}

/// A partition that an active task reads.
struct Row {
    partition: TopicPartition,
    committed: Option<Committed>,
    end: i64,
    lag: i64,
}

fn print_offsets(session: &mut Session<'_>, id: &str, group: &Group, verbose: bool) -> Result<(), Failed> {
    if group.state == "Dead" || group.members.is_empty() {
        return Ok(());
    }
    let rows = offset_rows(session, id, group)?;
    let group_width = id.chars().count().max(15);
    let topic_width = rows.iter().map(|row| row.partition.topic.chars().count()).max().unwrap_or(0).max(15);
    let line = |[group, topic, partition, current, epoch, end, lag]: [&str; 7]| match verbose {
        true => format!(
            "{group:group_width$} {topic:topic_width$} {partition:10} {current:15} {epoch:15} {end:15} {lag:15}"
        ),
        false => format!("{group:group_width$} {topic:topic_width$} {partition:10} {lag}"),
    };
    let header = ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LEADER-EPOCH", "LOG-END-OFFSET", "OFFSET-LAG"];
    session.output.line(line(header));
    for row in rows {
        let epoch = row.committed.and_then(|committed| committed.leader_epoch);
        session.output.line(line([
            id,
            &row.partition.topic,
            &row.partition.partition.to_string(),
            &row.committed.map_or(MISSING.to_owned(), |committed| committed.offset.to_string()),
            &epoch.map_or(MISSING.to_owned(), |epoch| epoch.to_string()),
            &row.end.to_string(),
            &row.lag.to_string(),
        ]));
    }
    Ok(())
}

fn offset_rows(session: &mut Session<'_>, id: &str, group: &Group) -> Result<Vec<Row>, Failed> {
    let mut partitions: Vec<TopicPartition> = active_partitions(group)?.into_iter().collect();
    in_map_order(&mut partitions);
    let starts = offsets_at(session, &partitions, timestamp::EARLIEST)?;
    let ends = offsets_at(session, &partitions, timestamp::LATEST)?;
    let offsets = group::committed(&mut session.client, id).map_err(|error| Failed::nested(&error))?;
    let row = |partition: TopicPartition| {
        let (start, end) = (*starts.get(&partition)?, *ends.get(&partition)?);
        let committed = offsets.get(&partition).copied();
        let lag = end - committed.map_or(start, |committed| committed.offset);
        Some(Row { partition, committed, end, lag })
    };
    Ok(partitions.into_iter().filter_map(row).collect())
}

fn active_partitions(group: &Group) -> Result<BTreeSet<TopicPartition>, Failed> {
    let mut partitions = BTreeSet::new();
    for task in group.members.iter().flat_map(|member| &member.assignment.active_tasks) {
        let id = &task.subtopology_id;
        let subtopology = group.subtopologies.iter().find(|subtopology| subtopology.subtopology_id == *id);
        let subtopology =
            subtopology.ok_or_else(|| Failed::Usage(format!("Subtopology {id} not found in group description!")))?;
        for topic in group::read_topics(subtopology) {
            partitions.extend(task.partitions.iter().map(|partition| TopicPartition::new(topic, *partition)));
        }
    }
    Ok(partitions)
}

fn offsets_at(
    session: &mut Session<'_>,
    partitions: &[TopicPartition],
    at: i64,
) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
    let timeout = session.client.config.api_timeout;
    let outcomes = list_offsets(&mut session.client, partitions, at, timeout);
    outcomes.into_iter().map(|(partition, outcome)| Ok((partition, outcome?))).collect()
}
