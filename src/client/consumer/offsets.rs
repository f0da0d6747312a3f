//! Committed positions, and those at the ends of partitions.

use std::collections::BTreeMap;

use super::membership::{Membership, text};
use super::{Partition, Position, Start};
use crate::client::{Client, ClientError, Target, no_fault};
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::protocol::messages::{
    ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use crate::types::BrokerId;

/// Positions by partition.
pub(super) type Positions = BTreeMap<Partition, Position>;

impl Membership {
    /// Commits these positions.
    pub(super) fn commit(&mut self, client: &mut Client, positions: Positions) -> Result<(), ClientError> {
        if positions.is_empty() {
            return Ok(());
        }
        let topics = by_topic(positions.into_iter()).into_iter().map(|(topic, partitions)| {
            let partitions = partitions.into_iter().map(|(partition, position)| {
                OffsetCommitRequestPartition::default()
                    .with_partition_index(partition)
                    .with_committed_offset(position.offset)
                    .with_committed_leader_epoch(position.leader_epoch)
                    .with_committed_metadata(Some(text("")))
            });
            OffsetCommitRequestTopic::default().with_name(TopicName(text(&topic))).with_partitions(partitions.collect())
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.instance())
            .with_topics(topics.collect());
        let group = self.config.group.clone();
        let response = client.call(Target::Group(&group), "commitOffsets", &request, |response| {
            let codes =
                response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
            codes.into_iter().find(|code| *code != 0).unwrap_or(0)
        })?;
        for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
            if let Err(error) = ClientError::from_wire(partition.error_code, None) {
                return self.lost(error.clone()).and(Err(error));
            }
        }
        Ok(())
    }

    /// The committed offsets of these partitions, of those that have one.
    pub(super) fn committed(&mut self, client: &mut Client, of: &[Partition]) -> Result<Positions, ClientError> {
        if of.is_empty() {
            return Ok(Positions::new());
        }
        let asked = by_topic(of.iter().map(|partition| (partition.clone(), ())));
        let group = self.config.group.clone();
        let request = |version: i16| {
            let names = |topic: &String| TopicName(text(topic));
            let indexes = |partitions: &Vec<(i32, ())>| partitions.iter().map(|(partition, _)| *partition).collect();
            let request = OffsetFetchRequest::default().with_require_stable(version >= 7);
            if version < 8 {
                let topics = asked.iter().map(|(topic, partitions)| {
                    OffsetFetchRequestTopic::default()
                        .with_name(names(topic))
                        .with_partition_indexes(indexes(partitions))
                });
                return Ok(request.with_group_id(self.group()).with_topics(Some(topics.collect())));
            }
            let topics = asked.iter().map(|(topic, partitions)| {
                OffsetFetchRequestTopics::default().with_name(names(topic)).with_partition_indexes(indexes(partitions))
            });
            let group =
                OffsetFetchRequestGroup::default().with_group_id(self.group()).with_topics(Some(topics.collect()));
            Ok(request.with_groups(vec![group]))
        };
        let response = client.call_versioned(Target::Group(&group), "fetchOffsets", request, fetch_fault)?;
        ClientError::from_wire(fetch_fault(&response), None)?;
        let mut found = Positions::new();
        for (partition, position) in committed_in(&response) {
            if position.offset >= 0 {
                found.insert(partition, position);
            }
        }
        Ok(found)
    }
}

fn fetch_fault(response: &OffsetFetchResponse) -> i16 {
    let old = response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
    let new = response.groups.iter().flat_map(|group| {
        let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
        std::iter::once(group.error_code).chain(partitions.map(|partition| partition.error_code))
    });
    std::iter::once(response.error_code).chain(old).chain(new).find(|code| *code != 0).unwrap_or(0)
}

fn committed_in(response: &OffsetFetchResponse) -> impl Iterator<Item = (Partition, Position)> {
    let old = response.topics.iter().flat_map(|topic| {
        let of = |index| (topic.name.to_string(), index);
        topic.partitions.iter().map(move |p| (of(p.partition_index), p.committed_offset, p.committed_leader_epoch))
    });
    let new = response.groups.iter().flat_map(|group| &group.topics).flat_map(|topic| {
        let of = |index| (topic.name.to_string(), index);
        topic.partitions.iter().map(move |p| (of(p.partition_index), p.committed_offset, p.committed_leader_epoch))
    });
    old.chain(new).map(|(partition, offset, leader_epoch)| (partition, Position { offset, leader_epoch }))
}

/// The positions at the ends of partitions that `leader` leads. Partitions it cannot tell of now are left out.
pub(super) fn ends(
    client: &mut Client,
    leader: BrokerId,
    read_committed: bool,
    of: &[(Partition, Start)],
) -> Result<Positions, ClientError> {
    let timestamp = |start: &Start| if *start == Start::Earliest { -2 } else { -1 };
    let asked = by_topic(of.iter().map(|(partition, start)| (partition.clone(), timestamp(start))));
    let topics = asked.iter().map(|(topic, partitions)| {
        let partitions = partitions.iter().map(|(partition, timestamp)| {
            ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(*timestamp)
        });
        ListOffsetsTopic::default().with_name(TopicName(text(topic))).with_partitions(partitions.collect())
    });
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(i8::from(read_committed))
        .with_topics(topics.collect());
    let response = client.call(Target::Broker(leader), "listOffsets", &request, no_fault)?;
    let mut found = Positions::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            match ClientError::from_wire(partition.error_code, None) {
                Ok(()) => {
                    let position = Position { offset: partition.offset, leader_epoch: partition.leader_epoch };
                    found.insert((topic.name.to_string(), partition.partition_index), position);
                }
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

fn by_topic<T>(partitions: impl Iterator<Item = (Partition, T)>) -> BTreeMap<String, Vec<(i32, T)>> {
    let mut topics: BTreeMap<String, Vec<(i32, T)>> = BTreeMap::new();
    for ((topic, partition), value) in partitions {
        topics.entry(topic).or_default().push((partition, value));
    }
    topics
}
