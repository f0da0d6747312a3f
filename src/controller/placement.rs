//! Which brokers get the replicas of new partitions.

use crate::metadata::{BrokerRegistration, PartitionRegistration};
use crate::types::{BrokerId, DirectoryId, ErrorCode, LeaderEpoch, PartitionEpoch, TopicId, Uuid};

use super::machine::Controller;
use super::{Denied, command};

impl Controller {
    /// Places `count` partitions, the first of number `first`, striped over the brokers so that leaders spread; `topic_id` decides where to begin.
    pub(super) fn place(
        &self,
        topic_id: TopicId,
        first: i32,
        count: i32,
        replication_factor: i16,
    ) -> Result<Vec<Vec<BrokerId>>, Denied> {
        let refuse = |message: String| Err(Denied::new(ErrorCode::InvalidReplicationFactor, message));
        let usable: Vec<&BrokerRegistration> = self
            .image
            .brokers
            .values()
            .map(|broker| &**broker)
            .filter(|broker| broker.has_uncordoned_directory())
            .collect();
        let unfenced: Vec<BrokerId> = usable.iter().filter(|broker| !broker.fenced).map(|broker| broker.id).collect();
        let fenced: Vec<BrokerId> = usable.iter().filter(|broker| broker.fenced).map(|broker| broker.id).collect();
        if unfenced.is_empty() {
            return refuse("All brokers are currently fenced, or have all their log directories cordoned.".to_owned());
        }
        let factor = usize::try_from(replication_factor).unwrap_or(0);
        if factor > usable.len() {
            return refuse(format!(
                "The target replication factor of {factor} cannot be reached because only {} broker(s) are registered or some \
                 brokers have all their log directories cordoned.",
                usable.len()
            ));
        }
        let begin = topic_id.0[15] as usize;
        let replicas = |partition: i32| {
            let turn = begin + partition as usize;
            let live = (0..unfenced.len()).map(|step| unfenced[(turn + step) % unfenced.len()]);
            let dead = (0..fenced.len()).map(|step| fenced[(turn + step) % fenced.len()]);
            live.chain(dead).take(factor).collect()
        };
        Ok((first..first + count).map(replicas).collect())
    }

    /// Checks an assignment that the client made. `factor` is that of the partitions before it.
    pub(super) fn check_assignment(&self, replicas: &[BrokerId], factor: Option<usize>) -> Result<(), Denied> {
        let refuse = |message: String| Err(command::Denied::new(ErrorCode::InvalidReplicaAssignment, message));
        if replicas.is_empty() {
            return refuse("The manual partition assignment includes an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut previous = None;
        for id in sorted {
            if self.image.broker(id).is_none() {
                return refuse(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                ));
            }
            if previous == Some(id) {
                return refuse(format!("The manual partition assignment includes the broker {id} more than once."));
            }
            previous = Some(id);
        }
        match factor {
            Some(factor) if factor != replicas.len() => refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
                 previous partitions, which have {factor} replica(s).",
                replicas.len()
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The state of a new partition with these replicas; None if none of them lives.
    pub(super) fn new_partition(&self, replicas: Vec<BrokerId>) -> Option<PartitionRegistration> {
        let isr: Vec<BrokerId> = replicas.iter().copied().filter(|id| self.is_active(*id)).collect();
        Some(PartitionRegistration {
            directories: replicas.iter().map(|id| self.default_directory(*id)).collect(),
            leader: *isr.first()?,
            replicas,
            isr,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            ..Default::default()
        })
    }

    /// Where a broker puts a new replica, as far as it is known here: a broker with one usable directory has no choice.
    pub(super) fn default_directory(&self, id: BrokerId) -> DirectoryId {
        if !self.version().directory_assignment() {
            return Uuid::MIGRATING_DIR;
        }
        let Some(broker) = self.image.broker(id) else { return Uuid::MIGRATING_DIR };
        match broker.directories[..] {
            [] => Uuid::MIGRATING_DIR,
            [only] => only,
            _ => Uuid::UNASSIGNED_DIR,
        }
    }
}
