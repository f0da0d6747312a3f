//! Share groups described: offsets and lag, members, state.

use std::collections::BTreeMap;

use super::super::group_command::{assignment_text, group_ids};
use super::calls::{self, Group};
use super::{Failed, KIND, Session, print_error};
use crate::types::TopicPartition;

/// What stands for a value that is not there.
const MISSING: &str = "-";

pub(super) fn describe(session: &mut Session<'_>) -> Result<(), Failed> {
    let arguments = session.arguments;
    let ids: Vec<String> = match arguments.has("all-groups") {
        true => group_ids(session, KIND)?,
        false => arguments.values("group").into_iter().map(str::to_owned).collect(),
    };
    let mut groups = BTreeMap::new();
    for id in ids {
        let group = calls::describe(&mut session.client, &id)?;
        groups.insert(id, group);
    }
    let verbose = arguments.has("verbose");
    if !arguments.has("members") && !arguments.has("state") {
        let mut offsets = BTreeMap::new();
        for id in groups.keys() {
            let found = calls::offsets(&mut session.client, id).map_err(|error| Failed::nested(&error))?;
            offsets.insert(id, found);
        }
        for (id, offsets) in offsets {
            print_offsets(session, id, &offsets, verbose);
        }
        return Ok(());
    }
    for (id, group) in &groups {
        match arguments.has("members") {
            true => print_members(session, id, group, verbose),
            false => print_state(session, id, group, verbose),
        }
    }
    Ok(())
}

/// Says what the state of a group means for its rows. Returns whether there are any to print.
fn print_condition(session: &mut Session<'_>, id: &str, state: &str, rows: usize) -> bool {
    match state {
        "Dead" => print_error(session.output, &format!("Share group '{id}' does not exist.")),
        "Empty" => eprintln!("\nShare group '{id}' has no active members."),
        _ => {}
    }
    state != "Dead" && rows > 0
}

fn print_offsets(
    session: &mut Session<'_>,
    id: &str,
    offsets: &BTreeMap<TopicPartition, calls::Position>,
    verbose: bool,
) {
    if offsets.is_empty() {
        session.output.line(format!("\nShare group '{id}' has no offset information."));
        return;
    }
    let group_width = id.chars().count().max(15);
    let topic_width = offsets.keys().map(|partition| partition.topic.chars().count()).max().unwrap_or(0).max(15);
    let line = |[topic, partition, epoch, start, lag]: [&str; 5], group: &str| {
        let epoch = if verbose { format!("{epoch:13} ") } else { String::new() };
        format!("\n{group:group_width$} {topic:topic_width$} {partition:10} {epoch}{start:13} {lag}")
    };
    session.output.text(line(["TOPIC", "PARTITION", "LEADER-EPOCH", "START-OFFSET", "LAG"], "GROUP"));
    for (partition, position) in offsets {
        let text = |number: Option<i64>| number.map_or(MISSING.to_owned(), |number| number.to_string());
        let cells = [
            &*partition.topic,
            &partition.partition.to_string(),
            &text(position.and_then(|(_, epoch, _)| epoch).map(i64::from)),
            &text(position.map(|(offset, ..)| offset)),
            &text(position.and_then(|(.., lag)| lag)),
        ];
        session.output.text(line(cells, id));
    }
    session.output.line("");
}

fn print_state(session: &mut Session<'_>, id: &str, group: &Group, verbose: bool) {
    print_condition(session, id, &group.state, 1);
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.address.host, node.address.port, node.id.0);
    let (group_width, coordinator_width) = (id.chars().count().max(15), coordinator.chars().count().max(25));
    let line = |[group, coordinator, state, epoch, target, members]: [&str; 6]| {
        let epochs = if verbose { format!("{epoch:12} {target:17} ") } else { String::new() };
        format!("\n{group:group_width$} {coordinator:coordinator_width$} {state:15} {epochs}{members}")
    };
    session.output.text(line(["GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "ASSIGNMENT-EPOCH", "#MEMBERS"]));
    session.output.line(line([
        id,
        &coordinator,
        &group.state,
        &group.epoch.to_string(),
        &group.assignment_epoch.to_string(),
        &group.members.len().to_string(),
    ]));
}

fn print_members(session: &mut Session<'_>, id: &str, group: &Group, verbose: bool) {
    if !print_condition(session, id, &group.state, group.members.len()) {
        return;
    }
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by(|a, b| a.id.cmp(&b.id));
    let widest = |cell: &dyn Fn(&calls::Member) -> usize| group.members.iter().map(cell).max().unwrap_or(0).max(15);
    let group_width = id.chars().count().max(15);
    let (id_width, host_width) = (widest(&|member| member.id.len()), widest(&|member| member.host.len()));
    let client_width = widest(&|member| member.client_id.chars().count());
    let line = |[group, id, host, client, count, epoch, assignment]: [&str; 7]| {
        let epoch = if verbose { format!("{epoch:13} ") } else { String::new() };
        format!(
            "\n{group:group_width$} {id:id_width$} {host:host_width$} {client:client_width$} {count:12} \
             {epoch}{assignment}"
        )
    };
    let header = ["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "MEMBER-EPOCH", "ASSIGNMENT"];
    session.output.text(line(header));
    for member in members {
        session.output.text(line([
            id,
            &member.id,
            &member.host,
            &member.client_id,
            &member.assigned.len().to_string(),
            &member.epoch.to_string(),
            &assignment_text(&member.assigned),
        ]));
    }
    session.output.line("");
}
