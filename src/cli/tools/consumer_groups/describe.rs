//! Groups described: offsets and lag, members, state.

use std::collections::BTreeMap;

use super::super::group_command::assignment_text;
use super::super::hash_order;
use super::coordinator::{Committed, Group, Member, committed, describe as describe_group};
use super::list::consumer_groups;
use super::offsets::{end_offsets, without_leader};
use super::{Failed, Session, print_error};
use crate::types::TopicPartition;

/// What stands for a value that is not there.
const MISSING: &str = "-";

pub(super) fn describe(session: &mut Session<'_>) -> Result<(), Failed> {
    let ids = wanted(session)?;
    let mut groups = BTreeMap::new();
    for id in ids {
        let group = describe_group(&mut session.client, &id)?;
        groups.insert(id, group);
    }
    let arguments = session.arguments;
    let verbose = arguments.has("verbose");
    if arguments.has("members") {
        for (id, group) in &groups {
            print_members(session, id, group, verbose)?;
        }
    } else if arguments.has("state") {
        for (id, group) in &groups {
            print_state(session, id, group, verbose)?;
        }
    } else {
        let mut rows = BTreeMap::new();
        for (id, group) in &groups {
            rows.insert(id, offset_rows(session, id, group)?);
        }
        for (id, rows) in rows {
            print_offsets(session, &rows, &groups[id], id, verbose)?;
        }
    }
    Ok(())
}

/// The groups that the arguments name.
pub(super) fn wanted(session: &mut Session<'_>) -> Result<Vec<String>, Failed> {
    match session.arguments.has("all-groups") {
        true => consumer_groups(session),
        false => Ok(session.arguments.values("group").into_iter().map(str::to_owned).collect()),
    }
}

/// Says what the state of a group means for its rows. Returns whether there are any to print.
fn print_condition(session: &mut Session<'_>, id: &str, state: &str, rows: usize) -> Result<bool, Failed> {
    match state {
        "Dead" => {
            print_error(session.output, &format!("Consumer group '{id}' does not exist."));
            return Ok(false);
        }
        "Empty" => eprintln!("\nConsumer group '{id}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{id}' is rebalancing.");
        }
        "Stable" => {}
        other => {
            return Err(Failed::Told(format!("Expected a valid consumer group state, but found '{other}'.")));
        }
    }
    Ok(rows > 0)
}

/// A partition of a group, and who reads it.
struct Row {
    partition: TopicPartition,
    committed: Option<Committed>,
    end: Option<i64>,
    consumer: String,
    host: String,
    client_id: String,
}

fn offset_rows(session: &mut Session<'_>, id: &str, group: &Group) -> Result<Vec<Row>, Failed> {
    let offsets = committed(&mut session.client, id).map_err(|error| Failed::nested(&error))?;
    let mut members: Vec<&Member> = group.members.iter().filter(|member| !member.assigned.is_empty()).collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assigned.len()));
    let mut rows = Vec::new();
    for member in members {
        let names = [member.id.as_str(), member.host.as_str(), member.client_id.as_str()];
        rows.extend(rows_of(session, &member.assigned, &offsets, names)?);
    }
    let assigned: Vec<&TopicPartition> = group.members.iter().flat_map(|member| &member.assigned).collect();
    let left: Vec<TopicPartition> = offsets.keys().filter(|partition| !assigned.contains(partition)).cloned().collect();
    if !left.is_empty() {
        rows.extend(rows_of(session, &left, &offsets, [MISSING; 3])?);
    }
    Ok(rows)
}

fn rows_of(
    session: &mut Session<'_>,
    partitions: &[TopicPartition],
    offsets: &BTreeMap<TopicPartition, Committed>,
    [consumer, host, client_id]: [&str; 3],
) -> Result<Vec<Row>, Failed> {
    let leaderless = without_leader(session, partitions)?;
    let led: Vec<TopicPartition> =
        partitions.iter().filter(|partition| !leaderless.contains(partition)).cloned().collect();
    let mut ends = end_offsets(session, &led)?;
    let mut sorted = partitions.to_vec();
    sorted.sort_unstable();
    let row = |partition: TopicPartition| Row {
        committed: offsets.get(&partition).copied(),
        end: ends.remove(&partition),
        consumer: consumer.to_owned(),
        host: host.to_owned(),
        client_id: client_id.to_owned(),
        partition,
    };
    Ok(sorted.into_iter().map(row).collect())
}

fn print_offsets(
    session: &mut Session<'_>,
    rows: &[Row],
    group: &Group,
    id: &str,
    verbose: bool,
) -> Result<(), Failed> {
    if !print_condition(session, id, &group.state, rows.len())? {
        return Ok(());
    }
    let widest = |cell: &dyn Fn(&Row) -> usize| rows.iter().map(cell).max().unwrap_or(0).max(15);
    let (group_width, topic_width) = (id.chars().count().max(15), widest(&|row| row.partition.topic.chars().count()));
    let (consumer_width, host_width) = (widest(&|row| row.consumer.len()), widest(&|row| row.host.len()));
    let line = |cells: [&str; 10]| {
        let [group, topic, partition, epoch, current, end, lag, consumer, host, client] = cells;
        let epoch = if verbose { format!("{epoch:15} ") } else { String::new() };
        format!(
            "\n{group:group_width$} {topic:topic_width$} {partition:10} {epoch}{current:15} {end:15} {lag:15} \
             {consumer:consumer_width$} {host:host_width$} {client}"
        )
    };
    session.output.text(line([
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]));
    for row in rows {
        let number = |number: Option<i64>| number.map_or(MISSING.to_owned(), |number| number.to_string());
        let offset = row.committed.map(|committed| committed.offset);
        let epoch = row.committed.and_then(|committed| committed.leader_epoch).map(i64::from);
        let lag = offset.and_then(|offset| Some(row.end? - offset));
        session.output.text(line([
            id,
            &row.partition.topic,
            &row.partition.partition.to_string(),
            &number(epoch),
            &number(offset),
            &number(row.end),
            &number(lag),
            &row.consumer,
            &row.host,
            &row.client_id,
        ]));
    }
    session.output.line("");
    Ok(())
}

fn print_members(session: &mut Session<'_>, id: &str, group: &Group, verbose: bool) -> Result<(), Failed> {
    let members = &group.members;
    let is_shown = print_condition(session, id, &group.state, members.len())?;
    let measured: &[Member] = if is_shown { members } else { &[] };
    let widest =
        |least: usize, cell: &dyn Fn(&Member) -> usize| measured.iter().map(cell).max().unwrap_or(0).max(least);
    let group_width = if measured.is_empty() { 15 } else { id.chars().count().max(15) };
    let widths = Widths {
        group: group_width,
        id: widest(15, &|member| member.id.len()),
        instance: widest(17, &|member| member.instance.len()),
        host: widest(15, &|member| member.host.len()),
        client: widest(15, &|member| member.client_id.chars().count()),
        current: widest(20, &|member| assigned(&member.assigned).chars().count()),
        target: widest(20, &|member| assigned(&member.target).chars().count()),
        with_instance: measured.iter().any(|member| !member.instance.is_empty()),
        with_upgrade: measured.iter().any(|member| member.upgraded == Some(true))
            && measured.iter().any(|member| member.upgraded == Some(false)),
        verbose,
    };
    let header = [
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "CURRENT-EPOCH",
        "CURRENT-ASSIGNMENT",
        "TARGET-EPOCH",
        "TARGET-ASSIGNMENT",
        "UPGRADED",
    ];
    session.output.line(format!("\n{}", widths.line(header)));
    let number = |number: Option<i32>| number.map_or(MISSING.to_owned(), |number| number.to_string());
    for member in members {
        session.output.line(widths.line([
            id,
            &member.id,
            &member.instance,
            &member.host,
            &member.client_id,
            &member.assigned.len().to_string(),
            &number(member.epoch),
            &assigned(&member.assigned),
            &number(group.assignment_epoch),
            &assigned(&member.target),
            &member.upgraded.map_or(MISSING.to_owned(), |upgraded| upgraded.to_string()),
        ]));
    }
    Ok(())
}

/// How wide the columns of members are, and which there are.
struct Widths {
    group: usize,
    id: usize,
    instance: usize,
    host: usize,
    client: usize,
    current: usize,
    target: usize,
    with_instance: bool,
    with_upgrade: bool,
    verbose: bool,
}

impl Widths {
    fn line(&self, cells: [&str; 11]) -> String {
        let [group, id, instance, host, client, count, epoch, current, target_epoch, target, upgraded] = cells;
        let instance = match self.with_instance {
            true => format!("{instance:0$} ", self.instance),
            false => String::new(),
        };
        let mut line = format!(
            "{group:0$} {id:1$} {instance}{host:2$} {client:3$} {count:15} ",
            self.group, self.id, self.host, self.client
        );
        if self.verbose {
            let (current_width, target_width) = (self.current, self.target);
            line.push_str(&format!("{epoch:15} {current:current_width$} {target_epoch:15} {target:target_width$}"));
            if self.with_upgrade {
                line.push_str(&format!(" {upgraded}"));
            }
        }
        line
    }
}

/// The partitions, or that there are none.
fn assigned(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() { MISSING.to_owned() } else { assignment_text(partitions) }
}

fn print_state(session: &mut Session<'_>, id: &str, group: &Group, verbose: bool) -> Result<(), Failed> {
    if !print_condition(session, id, &group.state, 1)? {
        return Ok(());
    }
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.address.host, node.address.port, node.id.0);
    let (group_width, coordinator_width) = (id.chars().count().max(15), coordinator.len().max(25));
    let line = |cells: [&str; 7]| {
        let [group, coordinator, assignor, state, epoch, target, members] = cells;
        let epochs = if verbose { format!("{epoch:15} {target:25} ") } else { String::new() };
        format!("\n{group:group_width$} {coordinator:coordinator_width$} {assignor:20} {state:20} {epochs}{members}")
    };
    session.output.text(line([
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ]));
    let number = |number: Option<i32>| number.map_or(MISSING.to_owned(), |number| number.to_string());
    let assignor = if group.assignor.is_empty() { MISSING } else { &group.assignor };
    session.output.line(line([
        id,
        &coordinator,
        assignor,
        &group.state,
        &number(group.epoch),
        &number(group.assignment_epoch),
        &group.members.len().to_string(),
    ]));
    Ok(())
}

/// Sorts partitions as Java's map of them is walked.
pub(in crate::cli::tools) fn in_map_order(partitions: &mut [TopicPartition]) {
    hash_order::sort(partitions, None, |partition| hash_order::of_partition(&partition.topic, partition.partition));
}
