//! Groups listed, with their types and states.

use super::super::groups::{ListedGroup, list_groups};
use super::{Failed, Session};

/// The states of consumer groups, as Kafka writes them.
const STATES: [&str; 7] =
    ["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];

pub(super) fn list(session: &mut Session<'_>) -> Result<(), Failed> {
    let arguments = session.arguments;
    let (types, states) = (arguments.has("type"), arguments.has("state"));
    if !types && !states {
        for id in consumer_groups(session)? {
            session.output.line(id);
        }
        return Ok(());
    }
    let wanted_types = chosen(arguments.value("type")?, &["Classic", "Consumer"], "types")?;
    let wanted_states = chosen(arguments.value("state")?, &STATES, "state")?;
    let groups = filtered(session, &wanted_states, &wanted_types)?;
    let width = groups.iter().map(|group| group.id.chars().count().max(15)).max().unwrap_or(15) + 10;
    let row = |id: &str, kind: &str, state: &str| {
        let mut line = format!("{id:width$}");
        if types {
            line.push_str(&format!(" {kind:20}"));
        }
        if states {
            line.push_str(&format!(" {state:20}"));
        }
        line
    };
    session.output.line(row("GROUP", "TYPE", "STATE"));
    for group in &groups {
        let known = |text: &str| if text.is_empty() { "Unknown".to_owned() } else { text.to_owned() };
        session.output.line(row(&group.id, &known(&group.kind), &known(&group.state)));
    }
    Ok(())
}

/// The ids of all groups of consumers.
pub(super) fn consumer_groups(session: &mut Session<'_>) -> Result<Vec<String>, Failed> {
    let groups = filtered(session, &[], &[]).map_err(|failed| match failed {
        Failed::Told(message) => Failed::Told(format!("java.util.concurrent.ExecutionException: {message}")),
        other => other,
    })?;
    Ok(groups.into_iter().map(|group| group.id).collect())
}

fn filtered(session: &mut Session<'_>, states: &[&str], types: &[&str]) -> Result<Vec<ListedGroup>, Failed> {
    let types = if types.is_empty() { &["Classic", "Consumer"] } else { types };
    let mut groups = list_groups(&mut session.client, states, types)?;
    groups.retain(|group| matches!(group.protocol.as_str(), "" | "consumer"));
    Ok(groups)
}

/// Those of `valid` that a list names, in any case; a name that is none is a mistake.
fn chosen<'a>(text: Option<&str>, valid: &[&'a str], what: &str) -> Result<Vec<&'a str>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let find = |name: &str| valid.iter().copied().find(|known| known.eq_ignore_ascii_case(name.trim()));
    text.split(',').map(find).collect::<Option<Vec<&str>>>().ok_or_else(|| {
        let what_valid = if what == "state" { "states" } else { what };
        format!("Invalid {what} list '{text}'. Valid {what_valid} are: {}", valid.join(", "))
    })
}
