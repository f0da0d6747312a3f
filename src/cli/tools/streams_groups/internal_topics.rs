//! The topics that an application makes for itself.

use std::collections::BTreeMap;

use super::super::group_command::{Session, print_error};
use super::super::hash_order;
use super::group::{self, Group};

/// The internal topics of each group that has any. A failure is told, and then there are none.
pub(super) fn of_groups(session: &mut Session<'_>, ids: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut groups = Vec::new();
    for id in ids {
        match group::describe(&mut session.client, id) {
            Ok(group) => groups.push((id, group)),
            Err(error) => {
                let message = format!("Retrieving internal topics failed due to {}", error.as_throwable());
                print_error(session.output, &message);
                return BTreeMap::new();
            }
        }
    }
    hash_order::sort(&mut groups, None, |(id, _)| hash_order::of_text(id));
    let mut found = BTreeMap::new();
    for (id, group) in groups {
        let (internal, others): (Vec<String>, Vec<String>) =
            own_topics(&group).into_iter().partition(|topic| is_internal(topic, id));
        for topic in others {
            let message = format!(
                "The internal topic '{topic}' is not inferred as internal and thus will not be deleted with the group \
                 '{id}'."
            );
            print_error(session.output, &message);
        }
        if !internal.is_empty() {
            found.insert(id.clone(), internal);
        }
    }
    found
}

/// The topics of the topology between its parts and behind its stores, without those that are input, too.
fn own_topics(group: &Group) -> Vec<String> {
    let mut own = Vec::new();
    for subtopology in &group.subtopologies {
        for topics in [&subtopology.repartition_source_topics, &subtopology.state_changelog_topics] {
            let mut names: Vec<&String> = topics.iter().map(|topic| &topic.name).collect();
            hash_order::sort(&mut names, None, |name| hash_order::of_text(name));
            own.extend(names.into_iter().cloned());
        }
    }
    own.retain(|topic| !group.subtopologies.iter().any(|subtopology| subtopology.source_topics.contains(topic)));
    own
}

/// Whether a topic is named as Kafka Streams names those it makes for an application.
pub(in crate::cli::tools) fn is_internal(topic: &str, application: &str) -> bool {
    const ENDS: [&str; 4] =
        ["-changelog", "-repartition", "-subscription-registration-topic", "-subscription-response-topic"];
    const NUMBERED: [&str; 2] =
        ["-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-", "-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-"];
    let is_numbered = |kind: &&str| {
        let parts = topic.strip_suffix("-topic").and_then(|rest| rest.rsplit_once(*kind));
        parts.is_some_and(|(before, number)| {
            !before.is_empty() && !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    topic.strip_prefix(application).is_some_and(|rest| rest.starts_with('-'))
        && (ENDS.iter().any(|end| topic.ends_with(end)) || NUMBERED.iter().any(is_numbered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_topics_are_known_by_their_names() {
        for topic in [
            "app-store-changelog",
            "app-by-word-repartition",
            "app-subscription-response-topic",
            "app-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic",
        ] {
            assert!(is_internal(topic, "app"), "{topic}");
        }
        for topic in [
            "store-changelog",
            "application-changelog",
            "app-store",
            "app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE--topic",
            "app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-6x-topic",
        ] {
            assert!(!is_internal(topic, "app"), "{topic}");
        }
    }
}
