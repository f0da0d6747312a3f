//! Moving replicas between brokers.

use crate::metadata::{PartitionRegistration, TopicImage};
use crate::protocol::kraft::MetadataRecord;
use crate::types::{BrokerId, ErrorCode};

use super::Denied;
use super::election::Election;
use super::machine::{Controller, Decision};

/// Where a partition's replicas shall be. None: a move under way is taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reassignment {
    pub topic: String,
    pub partition: i32,
    pub replicas: Option<Vec<BrokerId>>,
}

/// Topic, partition, and what became of the request.
pub type ReassignmentResult = (String, i32, Result<(), Denied>);

impl Controller {
    pub(super) fn alter_reassignments(
        &self,
        moves: Vec<Reassignment>,
        may_change_factor: bool,
    ) -> Decision<Vec<ReassignmentResult>> {
        let mut records = Vec::new();
        let mut results = Vec::new();
        for request in moves {
            let result = self.reassign(&request, may_change_factor).map(|record| records.extend(record));
            results.push((request.topic, request.partition, result));
        }
        (records, results)
    }

    fn reassign(&self, request: &Reassignment, may_change_factor: bool) -> Result<Option<MetadataRecord>, Denied> {
        let unknown = |message: String| Denied::new(ErrorCode::UnknownTopicOrPartition, message);
        let missing = || unknown(format!("Unable to find a topic named {}.", request.topic));
        let topic = self.image.topics.named(&request.topic).ok_or_else(missing)?;
        let missing = || unknown(format!("Unable to find partition {}:{}.", request.topic, request.partition));
        let partition = topic.partitions.get(&request.partition).ok_or_else(missing)?;
        let number = request.partition;
        match &request.replicas {
            Some(target) => self.begin_move(topic, number, partition, target, may_change_factor),
            None => self.cancel_move(topic, number, partition),
        }
    }

    fn begin_move(
        &self,
        topic: &TopicImage,
        number: i32,
        partition: &PartitionRegistration,
        target: &[BrokerId],
        may_change_factor: bool,
    ) -> Result<Option<MetadataRecord>, Denied> {
        self.check_assignment(target, None)?;
        // What the replicas were before a move that is still under way, or will be once it is complete.
        let settled = partition.replicas.iter().filter(|id| !partition.removing_replicas.contains(id)).count();
        if !may_change_factor && settled != target.len() {
            let message = format!("The replication factor is changed from {settled} to {}", target.len());
            return Err(Denied::new(ErrorCode::InvalidReplicationFactor, message));
        }
        let added: Vec<BrokerId> = target.iter().copied().filter(|id| !partition.replicas.contains(id)).collect();
        let removed: Vec<BrokerId> = partition.replicas.iter().copied().filter(|id| !target.contains(id)).collect();
        let mut change = self.change_of(topic, partition);
        change.replicas = target.iter().chain(&removed).copied().collect();
        if !removed.is_empty() {
            change.removing = removed;
        }
        if !added.is_empty() {
            change.adding = added;
        }
        let may_lead = |id| self.may_lead(partition, id);
        let record = change.record(topic.id, number, &may_lead, &|id| self.default_directory(id));
        Ok(record.map(MetadataRecord::PartitionChange))
    }

    fn cancel_move(
        &self,
        topic: &TopicImage,
        number: i32,
        partition: &PartitionRegistration,
    ) -> Result<Option<MetadataRecord>, Denied> {
        if !partition.is_reassigning() {
            return Err(ErrorCode::NoReassignmentInProgress.into());
        }
        let keep = |ids: &[BrokerId]| -> Vec<BrokerId> {
            ids.iter().copied().filter(|id| !partition.adding_replicas.contains(id)).collect()
        };
        let (replicas, mut isr) = (keep(&partition.replicas), keep(&partition.isr));
        let unclean = isr.is_empty();
        if unclean && !self.unclean_elections(topic) {
            let message = format!(
                "Unable to revert partition assignment for {}:{number} because it would require an unclean leader election.",
                topic.name
            );
            return Err(Denied::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        if unclean {
            isr.extend(replicas.first());
        }
        let mut change = self.change_of(topic, partition);
        if self.unclean_elections(topic) {
            change.election = Election::Unclean;
        }
        change.isr = isr;
        change.replicas = replicas;
        change.removing = Vec::new();
        change.adding = Vec::new();
        let may_lead = |id| self.may_lead(partition, id);
        let record = change.record(topic.id, number, &may_lead, &|id| self.default_directory(id));
        Ok(record.map(MetadataRecord::PartitionChange))
    }
}
