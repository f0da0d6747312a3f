//! In which directory a broker keeps a replica (KIP-858).

use crate::protocol::kraft::MetadataRecord;
use crate::types::{BrokerEpoch, BrokerId, DirectoryId, ErrorCode, TopicId};

use super::Denied;
use super::machine::{Controller, Decision};

/// A broker's report of where its replicas lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssignDirectories {
    pub broker_id: BrokerId,
    pub broker_epoch: BrokerEpoch,
    pub partitions: Vec<AssignedPartition>,
}

/// One replica and its directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AssignedPartition {
    pub directory: DirectoryId,
    pub topic_id: TopicId,
    pub partition: i32,
}

impl Controller {
    pub(super) fn assign_directories(
        &self,
        request: AssignDirectories,
    ) -> Decision<Result<Vec<(AssignedPartition, ErrorCode)>, Denied>> {
        if !self.version().directory_assignment() {
            let message = "Directory assignment is not supported yet.";
            return (Vec::new(), Err(Denied::new(ErrorCode::UnsupportedVersion, message)));
        }
        if let Err(denied) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            return (Vec::new(), Err(denied));
        }
        let mut records = Vec::new();
        let mut results = Vec::new();
        for assigned in request.partitions {
            let code = match self.assign_directory(request.broker_id, assigned) {
                Ok(record) => {
                    records.extend(record);
                    ErrorCode::None
                }
                Err(code) => code,
            };
            results.push((assigned, code));
        }
        (records, Ok(results))
    }

    /// A replica in a directory that is not online leaves the ISR in the same record.
    fn assign_directory(
        &self,
        broker: BrokerId,
        assigned: AssignedPartition,
    ) -> Result<Option<MetadataRecord>, ErrorCode> {
        let topic = self.image.topics.with_id(assigned.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic.partitions.get(&assigned.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !partition.replicas.contains(&broker) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let online = self.image.broker(broker).is_some_and(|broker| broker.has_online_directory(assigned.directory));
        let mut change = self.change_of(topic, partition);
        change.directories.push((broker, assigned.directory));
        if !online {
            change.isr.retain(|id| *id != broker);
        }
        let may_lead = |id| self.may_lead(partition, id) && (id != broker || online);
        let record = change.record(topic.id, assigned.partition, &may_lead, &|id| self.default_directory(id));
        Ok(record.map(MetadataRecord::PartitionChange))
    }
}
