//! Topics and their partitions as text.

use super::super::admin::{
    Partition, Topic, describe_configs, describe_topic_id, describe_topics, parse_uuid, resource, source,
};
use super::super::{Arguments, Output, admin::list_topics, admin::text, hash_order};
use super::{Failed, REPORTS, matching, must_exist};
use crate::client::{Client, ClientError, Target};
use crate::protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use crate::protocol::messages::list_partition_reassignments_response::OngoingPartitionReassignment;
use crate::protocol::messages::{ListPartitionReassignmentsRequest, TopicName};
use crate::types::{ErrorCode, Uuid};

/// Partitions described in one answer.
const PARTITIONS_PER_RESPONSE: i32 = 2000;

/// Reassignments under way, by topic and partition.
type Reassignments = std::collections::BTreeMap<(String, i32), OngoingPartitionReassignment>;

pub(super) fn describe(client: &mut Client, arguments: &Arguments, output: &mut Output) -> Result<(), Failed> {
    let topics = wanted(client, arguments)?;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let configs = match names.is_empty() {
        true => Vec::new(),
        false => describe_configs(client, resource::TOPIC, &names, false)?,
    };
    client.refresh("listNodes")?;
    let live: Vec<i32> = client.nodes()?.iter().map(|node| node.id.0).collect();
    let reassignments = reassignments(client, &topics)?;
    for topic in &topics {
        let found = configs.iter().find(|result| result.resource_name.as_str() == topic.name);
        let found = found.ok_or_else(|| Failed(format!("No configs of topic {} were answered", topic.name)))?;
        ClientError::from_wire(found.error_code, found.error_message.as_deref())?;
        let mut configs: Vec<(String, String, i8)> = found
            .configs
            .iter()
            .map(|config| {
                let value = config.value.as_ref().map_or("null".to_owned(), |value| value.to_string());
                (config.name.to_string(), value, config.config_source)
            })
            .collect();
        hash_order::sort(&mut configs, None, |(name, _, _)| hash_order::of_text(name));
        let view = View { arguments, live: &live, topic, configs: &configs, reassignments: &reassignments };
        view.print(output);
    }
    Ok(())
}

/// The topics to describe, in the order in which Kafka's tool prints them.
fn wanted(client: &mut Client, arguments: &Arguments) -> Result<Vec<Topic>, Failed> {
    let id = arguments.value("topic-id")?.map(parse_uuid).transpose()?.filter(|id| *id != Uuid::ZERO);
    if let Some(id) = id {
        let listed = list_topics(client, !arguments.has("exclude-internal"))?;
        let found: Vec<Uuid> = listed.iter().map(|topic| topic.id).filter(|found| *found == id).collect();
        must_exist(&found, "TopicId", arguments.value("topic-id")?, arguments)?;
        return found.into_iter().map(|id| Ok(describe_topic_id(client, id)?)).collect();
    }
    let names = matching(client, arguments)?;
    must_exist(&names, "Topic", arguments.value("topic")?, arguments)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let limit = arguments.number("partition-size-limit-per-response")?.unwrap_or(PARTITIONS_PER_RESPONSE);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let described = describe_topics(client, &names, limit)?;
    let mut topics: Vec<Topic> = described.into_iter().map(|(_, topic)| topic).collect::<Result<_, _>>()?;
    hash_order::sort_described(&mut topics, |topic| &topic.name);
    Ok(topics)
}

fn reassignments(client: &mut Client, topics: &[Topic]) -> Result<Reassignments, Failed> {
    let wanted = topics.iter().map(|topic| {
        ListPartitionReassignmentsTopics::default()
            .with_name(TopicName(text(&topic.name)))
            .with_partition_indexes(topic.partitions.iter().map(|partition| partition.index).collect())
    });
    let timeout_ms = super::super::admin::timeout_ms(client);
    let request =
        ListPartitionReassignmentsRequest::default().with_topics(Some(wanted.collect())).with_timeout_ms(timeout_ms);
    let answer = client.call(Target::Controller, "listPartitionReassignments", &request, |answer| answer.error_code);
    let answer = answer.and_then(|answer| {
        ClientError::from_wire(answer.error_code, answer.error_message.as_deref())?;
        Ok(answer)
    });
    let answer = match answer {
        Ok(answer) => answer,
        // Older clusters and clients without the right are told what there is without it.
        Err(error)
            if matches!(error.code(), Some(ErrorCode::UnsupportedVersion | ErrorCode::ClusterAuthorizationFailed)) =>
        {
            return Ok(Reassignments::new());
        }
        Err(error) => return Err(error.into()),
    };
    let partitions = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name.to_string();
        topic.partitions.into_iter().map(move |partition| ((name.clone(), partition.partition_index), partition))
    });
    Ok(partitions.collect())
}

/// One topic and all that its lines depend on.
struct View<'a> {
    arguments: &'a Arguments,
    live: &'a [i32],
    topic: &'a Topic,
    configs: &'a [(String, String, i8)],
    reassignments: &'a Reassignments,
}

impl View<'_> {
    fn print(&self, output: &mut Output) {
        let is_report = self.arguments.count(&REPORTS) > 0;
        let only_overrides = self.arguments.has("topics-with-overrides");
        let has_override = self.configs.iter().any(|(_, _, from)| *from != source::DEFAULT);
        if !is_report && (!only_overrides || has_override) {
            self.print_topic(output);
        }
        if only_overrides {
            return;
        }
        for partition in &self.topic.partitions {
            if !is_report || self.is_reported(partition) {
                self.print_partition(partition, output);
            }
        }
    }

    fn print_topic(&self, output: &mut Output) {
        let topic = self.topic;
        let overrides = self.configs.iter().filter(|(_, _, from)| *from != source::DEFAULT);
        let overrides: Vec<String> = overrides.map(|(key, value, _)| format!("{key}={value}")).collect();
        let id = match topic.id {
            Uuid::ZERO => String::new(),
            id => format!("\tTopicId: {id}"),
        };
        output.line(format!(
            "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}",
            topic.name,
            topic.partitions.len(),
            topic.partitions.first().map_or(0, |partition| self.replication_factor(partition)),
            overrides.join(",")
        ));
    }

    fn print_partition(&self, partition: &Partition, output: &mut Output) {
        let leader = match self.has_leader(partition) {
            true => partition.leader.to_string(),
            false => "none".to_owned(),
        };
        let name = &self.topic.name;
        let mut line = format!("\tTopic: {name}\tPartition: {}\tLeader: {leader}", partition.index);
        line.push_str(&format!("\tReplicas: {}\tIsr: {}", joined(&partition.replicas), joined(&partition.isr)));
        if let Some(moving) = self.reassignment(partition) {
            let ids = |nodes: &[crate::protocol::messages::BrokerId]| {
                joined(&nodes.iter().map(|id| id.0).collect::<Vec<_>>())
            };
            line.push_str(&format!("\tAdding Replicas: {}", ids(&moving.adding_replicas)));
            line.push_str(&format!("\tRemoving Replicas: {}", ids(&moving.removing_replicas)));
        }
        let known = |ids: &Option<Vec<i32>>| ids.as_deref().map_or("N/A".to_owned(), joined);
        line.push_str(&format!("\tElr: {}", known(&partition.eligible)));
        line.push_str(&format!("\tLastKnownElr: {}", known(&partition.last_known_eligible)));
        output.line(line);
    }

    fn is_reported(&self, partition: &Partition) -> bool {
        let in_sync = partition.isr.len();
        let is_min = |wanted: &dyn Fn(usize) -> bool| self.min_in_sync().is_some_and(wanted);
        let reports = [
            ("under-replicated-partitions", self.replication_factor(partition) > in_sync),
            ("unavailable-partitions", !self.has_leader(partition)),
            ("under-min-isr-partitions", !self.has_leader(partition) || is_min(&|min| in_sync < min)),
            ("at-min-isr-partitions", is_min(&|min| in_sync == min)),
        ];
        reports.iter().any(|(flag, holds)| *holds && self.arguments.has(flag))
    }

    /// A leader that is not among the live brokers is none.
    fn has_leader(&self, partition: &Partition) -> bool {
        self.live.contains(&partition.leader)
    }

    fn min_in_sync(&self) -> Option<usize> {
        let (_, value, _) = self.configs.iter().find(|(key, _, _)| key == "min.insync.replicas")?;
        value.parse().ok()
    }

    fn reassignment(&self, partition: &Partition) -> Option<&OngoingPartitionReassignment> {
        self.reassignments.get(&(self.topic.name.clone(), partition.index))
    }

    /// A reassignment that ended meanwhile does not count.
    fn replication_factor(&self, partition: &Partition) -> usize {
        let moving = self.reassignment(partition).filter(|moving| {
            let mut changing = moving.adding_replicas.iter().chain(&moving.removing_replicas);
            changing.any(|id| partition.replicas.contains(&id.0))
        });
        match moving {
            Some(moving) => moving.replicas.len().saturating_sub(moving.adding_replicas.len()),
            None => partition.replicas.len(),
        }
    }
}

fn joined(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}
