//! DescribeTopicPartitions (75): topics page by page, with their eligible leader replicas (KIP-966).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{operations, Answer, Call, endpoints};
use crate::metadata::{MetadataImage, PartitionRegistration};
use crate::protocol::StrBytes;
use crate::protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ResponseKind};
use crate::types::{BrokerId, ErrorCode, is_internal_topic, topic_name_fault};


pub(super) async fn handle(call: &Call<'_>, request: DescribeTopicPartitionsRequest) -> Answer {
    let image = call.node.image();
    let (first_topic, first_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index),
        None => (String::new(), 0),
    };
    let all = request.topics.is_empty();
    let mut names: BTreeSet<Arc<str>> = match all {
        true => image.topics.iter().map(|topic| topic.name.clone()).collect(),
        false => request.topics.iter().map(|topic| Arc::from(&*topic.name as &str)).collect(),
    };
    names.retain(|name| **name >= *first_topic);
    let cursor_named = all || request.cursor.is_none() || names.contains(first_topic.as_str());
    if !cursor_named || first_partition < 0 {
        return failed(&request, ErrorCode::InvalidRequest);
    }
    // Without a cursor Kafka takes an empty name for the cursor's, and fails.
    if request.cursor.is_none() && names.contains("") {
        return failed(&request, ErrorCode::UnknownServerError);
    }
    let limit = request.response_partition_limit.min(call.node.config.broker().max_request_partition_size_limit).max(1);
    let mut page = Page { call, image: &image, left: limit as usize, response: Default::default() };
    for name in names {
        let from = if *name == *first_topic { first_partition } else { 0 };
        if !page.topic(&name, from, all) {
            break;
        }
    }
    ResponseKind::DescribeTopicPartitions(page.response).into()
}

/// Kafka's answer to a request that cannot be: every topic named, with the error.
fn failed(request: &DescribeTopicPartitionsRequest, error: ErrorCode) -> Answer {
    let mut response = DescribeTopicPartitionsResponse::default();
    for asked in &request.topics {
        let mut topic = DescribeTopicPartitionsResponseTopic::default();
        topic.error_code = error.code();
        topic.name = Some(asked.name.clone());
        response.topics.push(topic);
    }
    ResponseKind::DescribeTopicPartitions(response).into()
}

struct Page<'a> {
    call: &'a Call<'a>,
    image: &'a MetadataImage,
    /// Partitions that still fit.
    left: usize,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    /// Adds what fits of a topic. Answers whether the page goes on.
    fn topic(&mut self, name: &str, from: i32, all: bool) -> bool {
        if self.left == 0 {
            self.next(name, 0);
            return false;
        }
        let mut topic = DescribeTopicPartitionsResponseTopic::default();
        topic.name = Some(StrBytes::from_string(name.to_owned()).into());
        topic.is_internal = is_internal_topic(name);
        topic.topic_authorized_operations = operations::TOPIC;
        let Some(known) = self.image.topics.named(name) else {
            let error = match topic_name_fault(name) {
                Some(_) => ErrorCode::InvalidTopicException,
                None => ErrorCode::UnknownTopicOrPartition,
            };
            topic.error_code = error.code();
            if !all {
                self.response.topics.push(topic);
            }
            return true;
        };
        topic.topic_id = known.id.into();
        let mut rest = known.partitions.range(from..);
        for (index, registration) in rest.by_ref().take(self.left) {
            topic.partitions.push(self.partition(*index, registration));
        }
        self.left -= topic.partitions.len();
        self.response.topics.push(topic);
        match rest.next() {
            Some((next, _)) => {
                self.next(name, *next);
                false
            }
            None => true,
        }
    }

    fn partition(&self, index: i32, registration: &PartitionRegistration) -> DescribeTopicPartitionsResponsePartition {
        let nodes = |ids: &[BrokerId]| ids.iter().map(|id| id.0.into()).collect::<Vec<_>>();
        let leader = endpoints::leader(self.call, self.image, registration).unwrap_or(BrokerId::NONE);
        let mut partition = DescribeTopicPartitionsResponsePartition::default();
        partition.partition_index = index;
        partition.leader_id = leader.0.into();
        partition.leader_epoch = registration.leader_epoch.0;
        partition.replica_nodes = nodes(&registration.replicas);
        partition.isr_nodes = nodes(&registration.isr);
        partition.eligible_leader_replicas = Some(nodes(&registration.elr));
        partition.last_known_elr = Some(nodes(&registration.last_known_elr));
        partition.offline_replicas = nodes(&endpoints::offline_replicas(self.image, registration));
        partition
    }

    fn next(&mut self, name: &str, partition: i32) {
        let mut cursor = Cursor::default();
        cursor.topic_name = StrBytes::from_string(name.to_owned()).into();
        cursor.partition_index = partition;
        self.response.next_cursor = Some(cursor);
    }
}
