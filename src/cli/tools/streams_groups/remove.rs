//! Streams groups deleted, with their internal topics when that is asked for.

use std::collections::BTreeMap;

use super::super::admin::delete_topics;
use super::super::consumer_groups::delete_group;
use super::super::group_command::{Failed, Session, print_error};
use super::super::groups::list_groups;
use super::super::hash_order;
use super::{internal_topics, wanted};
use crate::client::ClientError;

pub(super) fn delete_groups(session: &mut Session<'_>) -> Result<(), Failed> {
    let mut ids = wanted(session)?;
    let listed = list_groups(&mut session.client, &[], &["Streams"]).map_err(|error| Failed::nested(&error))?;
    let mut failed: Vec<(String, String)> = Vec::new();
    ids.retain(|id| {
        let state = listed.iter().find(|group| group.id == *id).map(|group| group.state.as_str());
        let refused = refusal(id, state);
        failed.extend(refused.clone().map(|reason| (id.clone(), reason)));
        refused.is_none()
    });
    let internal = match session.arguments.has("delete-all-internal-topics") && !ids.is_empty() {
        true => internal_topics::of_groups(session, &ids),
        false => BTreeMap::new(),
    };
    let mut deleted = Vec::new();
    for id in ids {
        match delete_group(session, &id) {
            Ok(()) => deleted.push(id),
            Err(error) => failed.push((id, error.as_throwable())),
        }
    }
    hash_order::sort(&mut deleted, None, |id| hash_order::of_text(id));
    hash_order::sort(&mut failed, None, |(id, _)| hash_order::of_text(id));
    let with_topics: Vec<&String> = deleted.iter().filter(|id| internal.contains_key(*id)).collect();
    let mut topic_failures = Vec::new();
    for id in &with_topics {
        if let Err(error) = delete_internal_topics(session, &internal[*id]) {
            topic_failures.push((*id, error));
        }
    }
    tell(session, &deleted, &failed);
    if !internal.is_empty() && !deleted.is_empty() {
        tell_topics(session, &with_topics, &topic_failures);
    }
    Ok(())
}

/// Why a group in this state is not deleted; `None`: not listed.
fn refusal(id: &str, state: Option<&str>) -> Option<String> {
    match state {
        None => {
            Some(format!("java.lang.IllegalArgumentException: Group '{id}' does not exist or is not a streams group."))
        }
        Some("Dead") => Some(format!("java.lang.IllegalStateException: Streams group '{id}' group state is DEAD.")),
        Some("Empty" | "") => None,
        Some(_) => {
            Some(format!("org.apache.kafka.common.errors.GroupNotEmptyException: Streams group '{id}' is not EMPTY."))
        }
    }
}

fn delete_internal_topics(session: &mut Session<'_>, topics: &[String]) -> Result<(), ClientError> {
    let mut outcomes = match delete_topics(&mut session.client, topics) {
        Ok(outcomes) => outcomes,
        Err(error) => topics.iter().map(|topic| (topic.clone(), Err(error.clone()))).collect(),
    };
    hash_order::sort(&mut outcomes, None, |(topic, _)| hash_order::of_text(topic));
    let mut first = Ok(());
    for (topic, outcome) in outcomes {
        if outcome.is_err() {
            session.output.line(format!("Failed to delete internal topic: {topic}"));
        }
        first = first.and(outcome);
    }
    first
}

fn tell(session: &mut Session<'_>, deleted: &[String], failed: &[(String, String)]) {
    let names = deleted.join("', '");
    if failed.is_empty() {
        session.output.line(format!("Deletion of requested streams groups ('{names}') was successful."));
        return;
    }
    print_error(session.output, "Deletion of some streams groups failed:");
    for (id, reason) in failed {
        session.output.line(format!("* Group '{id}' could not be deleted due to: {reason}"));
    }
    if !deleted.is_empty() {
        session.output.line(format!("\nThese streams groups were deleted successfully: '{names}'."));
    }
}

fn tell_topics(session: &mut Session<'_>, groups: &[&String], failures: &[(&String, ClientError)]) {
    if failures.is_empty() {
        let names: Vec<&str> = groups.iter().map(|id| id.as_str()).collect();
        let names = names.join("', '");
        session
            .output
            .line(format!("Deletion of associated internal topics of the streams groups ('{names}') was successful."));
        return;
    }
    session.output.line("Deletion of some associated internal topics failed:");
    for (id, error) in failures {
        let reason = error.as_throwable();
        session
            .output
            .line(format!("* Internal topics of the streams group '{id}' could not be deleted due to: {reason}"));
    }
}
