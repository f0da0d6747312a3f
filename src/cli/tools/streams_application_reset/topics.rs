//! The topics of the cluster, and those of them that the arguments name.

use super::super::group_command::{Failed, Session};
use super::super::hash_order;
use super::listed;
use crate::client::ClientError;
use crate::types::TopicPartition;

/// The names of all topics but Kafka's own, as Java's map of them is walked.
pub(super) fn all(session: &mut Session<'_>) -> Result<Vec<String>, Failed> {
    let listed = session.client.topics("listTopics", None).map_err(|error| Failed::nested(&error))?;
    let topics = listed.topics.into_iter().filter(|topic| !topic.is_internal);
    let mut names: Vec<String> = topics.filter_map(|topic| topic.name.map(|name| name.to_string())).collect();
    hash_order::sort(&mut names, None, |name| hash_order::of_text(name));
    Ok(names)
}

/// The topics that the application reads, as the arguments name them.
pub(super) struct Named<'a> {
    pub input: Vec<&'a str>,
    pub intermediate: Vec<&'a str>,
}

impl<'a> Named<'a> {
    pub(super) fn of(session: &mut Session<'a>) -> Named<'a> {
        let input = listed(session.arguments, "input-topics");
        if session.arguments.has("intermediate-topics") {
            session.output.line("WARN: `--intermediate-topics` is deprecated and will be removed in a future release");
        }
        Named { input, intermediate: listed(session.arguments, "intermediate-topics") }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.input.is_empty() && self.intermediate.is_empty()
    }

    /// Those that are there, each once, as Java's set of them is walked.
    pub(super) fn found(&self, all: &[String]) -> Vec<&'a str> {
        let mut found: Vec<&str> = Vec::new();
        for topic in self.input.iter().chain(&self.intermediate) {
            if all.iter().any(|name| name == topic) && !found.contains(topic) {
                found.push(topic);
            }
        }
        let named = self.input.len() + self.intermediate.len();
        hash_order::sort(&mut found, Some(named), |topic| hash_order::of_text(topic));
        found
    }

    /// Tells of those that are not there; the answer is whether all are.
    pub(super) fn tell_missing(&self, session: &mut Session<'_>, all: &[String]) -> bool {
        let mut all_found = true;
        for (kind, topics, label) in [("input", &self.input, "Topic: "), ("intermediate", &self.intermediate, "Topic:")]
        {
            let missing: Vec<&&str> = topics.iter().filter(|topic| !all.iter().any(|name| name == *topic)).collect();
            if missing.is_empty() {
                continue;
            }
            all_found = false;
            session.output.line(format!("Following {kind} topics are not found, skipping them"));
            for topic in missing {
                session.output.line(format!("{label}{topic}"));
            }
        }
        all_found
    }
}

/// All partitions of these topics, in their order.
pub(super) fn partitions(session: &mut Session<'_>, topics: &[&str]) -> Result<Vec<TopicPartition>, Failed> {
    let described = session.client.topics("partitionsFor", Some(topics))?;
    let mut partitions = Vec::new();
    for wanted in topics {
        let found =
            described.topics.iter().find(|topic| topic.name.as_ref().is_some_and(|name| name.as_str() == *wanted));
        let Some(topic) = found else { continue };
        ClientError::from_wire(topic.error_code, None)?;
        let mut ids: Vec<i32> = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        ids.sort_unstable();
        partitions.extend(ids.into_iter().map(|id| TopicPartition::new(*wanted, id)));
    }
    Ok(partitions)
}

/// A list as Java prints it.
pub(super) fn shown(topics: &[&str]) -> String {
    format!("[{}]", topics.join(", "))
}
