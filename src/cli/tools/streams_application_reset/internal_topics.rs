//! The topics that the application made for itself, deleted.

use super::super::admin::delete_topics;
use super::super::group_command::{Failed, Session};
use super::super::hash_order;
use super::super::streams_groups::is_internal;
use super::topics::shown;
use super::{listed, thrown};

/// Deletes those that are named as Kafka Streams names them, or those of them that the arguments name.
pub(super) fn delete(session: &mut Session<'_>, group: &str, all: &[String]) -> Result<(), Failed> {
    let arguments = session.arguments;
    let read = [listed(arguments, "input-topics"), listed(arguments, "intermediate-topics")].concat();
    // What the application reads may be named like an internal topic by chance.
    let is_own = |topic: &&str| !read.contains(topic) && is_internal(topic, group);
    let inferred: Vec<&str> = all.iter().map(String::as_str).filter(is_own).collect();
    let specified = listed(arguments, "internal-topics");
    if specified.iter().any(|topic| !inferred.contains(topic)) {
        return Err(thrown(
            "java.lang.IllegalArgumentException",
            "Invalid topic specified in the --internal-topics option. Ensure that the topics specified are all internal \
             topics. Do a dry run without the --internal-topics option to see the list of all internal topics that can \
             be deleted.",
        ));
    }
    let (kind, topics) = match specified.is_empty() {
        true => ("inferred", inferred),
        false => ("specified", specified),
    };
    session.output.line(format!("Deleting {kind} internal topics {}", shown(&topics)));
    if !arguments.has("dry-run") {
        delete_each(session, &topics)?;
    }
    session.output.line("Done.");
    Ok(())
}

fn delete_each(session: &mut Session<'_>, topics: &[&str]) -> Result<(), Failed> {
    let mut names: Vec<String> = Vec::new();
    for topic in topics {
        if !names.iter().any(|name| name == topic) {
            names.push((*topic).to_owned());
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let mut outcomes = match delete_topics(&mut session.client, &names) {
        Ok(outcomes) => outcomes,
        Err(error) => names.iter().map(|name| (name.clone(), Err(error.clone()))).collect(),
    };
    hash_order::sort(&mut outcomes, Some(names.len()), |(name, _)| hash_order::of_text(name));
    let mut all_deleted = true;
    for (name, outcome) in outcomes {
        if let Err(error) = outcome {
            all_deleted = false;
            eprintln!("ERROR: deleting topic {name}");
            eprintln!("java.util.concurrent.ExecutionException: {}", error.as_throwable());
        }
    }
    match all_deleted {
        true => Ok(()),
        false => Err(thrown("java.lang.RuntimeException", "Encountered an error deleting one or more topics")),
    }
}
