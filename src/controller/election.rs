//! The next state of one partition: who leads it, who is in sync, who would be eligible (KIP-966).

use crate::metadata::{LeaderRecoveryState, MetadataVersion, PartitionRegistration};
use crate::protocol::kraft::PartitionChangeRecord;
use crate::types::{BrokerId, DirectoryId, TopicId};

/// Whom an election may choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Election {
    /// The first replica if it may lead, else whoever leads, else any other.
    Preferred,
    /// Whoever leads, else any replica in sync.
    #[default]
    Online,
    /// As `Online`, else any replica that lives, even if records are lost.
    Unclean,
}

/// A change of one partition in the making. Fields that stay as [`PartitionChange::of`] sets them do not change.
pub struct PartitionChange<'a> {
    pub partition: &'a PartitionRegistration,
    pub version: MetadataVersion,
    pub elr_enabled: bool,
    pub min_isr: usize,
    pub election: Election,
    pub isr: Vec<BrokerId>,
    pub replicas: Vec<BrokerId>,
    pub removing: Vec<BrokerId>,
    pub adding: Vec<BrokerId>,
    pub recovery: LeaderRecoveryState,
    /// A replica that may have lost its newest records, and is neither in sync nor eligible any more.
    pub unclean: Option<BrokerId>,
    /// Directories that are set anew, by replica.
    pub directories: Vec<(BrokerId, DirectoryId)>,
    elr: Vec<BrokerId>,
    last_known_elr: Vec<BrokerId>,
}

/// In a change record: the leader stays.
const LEADER_STAYS: i32 = -2;

impl<'a> PartitionChange<'a> {
    /// A change of `partition` that keeps everything.
    pub fn of(
        partition: &'a PartitionRegistration,
        version: MetadataVersion,
        elr_enabled: bool,
        min_isr: usize,
    ) -> PartitionChange<'a> {
        PartitionChange {
            partition,
            version,
            elr_enabled,
            min_isr,
            election: Election::default(),
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            removing: partition.removing_replicas.clone(),
            adding: partition.adding_replicas.clone(),
            recovery: partition.leader_recovery_state,
            unclean: None,
            directories: Vec::new(),
            elr: partition.elr.clone(),
            last_known_elr: partition.last_known_elr.clone(),
        }
    }

    /// Elects, and returns the record if anything changes. `may_lead` says who lives; `default_dir` where a new replica goes.
    pub fn record(
        mut self,
        topic_id: TopicId,
        partition_id: i32,
        may_lead: &dyn Fn(BrokerId) -> bool,
        default_dir: &dyn Fn(BrokerId) -> DirectoryId,
    ) -> Option<PartitionChangeRecord> {
        let before = self.partition;
        let unchanged = PartitionChangeRecord { topic_id, partition_id, ..Default::default() };
        let mut record = unchanged.clone();
        self.complete_reassignment();
        self.derive_elr();
        self.elect(&mut record, may_lead);
        if record.leader == LEADER_STAYS && before.replicas.iter().any(|id| !self.replicas.contains(id)) {
            record.leader = before.leader.0;
        }
        self.set_elr(&mut record);
        if record.isr.is_none() && (!self.isr.is_empty() || self.elr_enabled) && self.isr != before.isr {
            record.isr = Some(numbers(&self.isr));
        }
        let shrinks = record.isr.as_ref().is_some_and(|isr| before.isr.iter().any(|id| !isr.contains(&id.0)));
        if self.version.isr_shrink_raises_leader_epoch() && record.leader == LEADER_STAYS && shrinks {
            record.leader = before.leader.0;
        }
        self.set_last_known_leader(&mut record);
        self.set_assignment(&mut record, default_dir);
        if self.recovery != before.leader_recovery_state {
            record.leader_recovery_state = self.recovery.code();
        }
        (record != unchanged).then_some(record)
    }

    /// A reassignment is complete when every replica that was added is in sync.
    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let isr: Vec<BrokerId> = self.isr.iter().copied().filter(|id| !self.removing.contains(id)).collect();
        let replicas: Vec<BrokerId> = self.replicas.iter().copied().filter(|id| !self.removing.contains(id)).collect();
        if isr.is_empty() || !self.adding.iter().all(|id| isr.contains(id)) {
            return;
        }
        self.isr = isr;
        self.replicas = replicas;
        self.removing.clear();
        self.adding.clear();
    }

    fn derive_elr(&mut self) {
        if !self.elr_enabled {
            return;
        }
        if self.isr.len() >= self.min_isr {
            self.elr.clear();
            self.last_known_elr.clear();
            return;
        }
        // Whoever was in sync when the ISR fell below the minimum has every committed record, unless it stopped uncleanly.
        let mut candidates = std::mem::take(&mut self.elr);
        candidates.extend(self.partition.isr.iter());
        candidates.sort_unstable();
        candidates.dedup();
        self.elr =
            candidates.iter().copied().filter(|id| !self.isr.contains(id) && Some(*id) != self.unclean).collect();
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord, may_lead: &dyn Fn(BrokerId) -> bool) {
        let (leader, unclean) = self.choose(may_lead);
        if leader == self.partition.leader {
            return;
        }
        if self.elr.contains(&leader) {
            self.isr = vec![leader];
            self.elr.retain(|id| *id != leader);
        }
        record.leader = leader.0;
        if unclean {
            record.isr = Some(vec![leader.0]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                self.recovery = LeaderRecoveryState::Recovering;
            }
        }
    }

    fn choose(&self, may_lead: &dyn Fn(BrokerId) -> bool) -> (BrokerId, bool) {
        let valid =
            |id: BrokerId| (self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id))) && may_lead(id);
        let first = self.replicas.first().copied();
        if self.election == Election::Preferred
            && let Some(preferred) = first.filter(|id| valid(*id))
        {
            return (preferred, false);
        }
        if valid(self.partition.leader) {
            return (self.partition.leader, false);
        }
        if let Some(next) = self.replicas.iter().copied().find(|id| valid(*id)) {
            return (next, false);
        }
        // With nobody in sync and nobody eligible, the last leader is the best there is.
        if let [last] = self.partition.last_known_elr[..]
            && self.elr_enabled
            && self.isr.is_empty()
            && self.elr.is_empty()
            && may_lead(last)
        {
            return (last, true);
        }
        if self.election == Election::Unclean
            && let Some(any) = self.replicas.iter().copied().find(|id| may_lead(*id))
        {
            return (any, true);
        }
        (BrokerId::NONE, false)
    }

    fn set_elr(&mut self, record: &mut PartitionChangeRecord) {
        if record.isr.is_some() || !self.elr_enabled {
            self.elr.clear();
        }
        if self.elr != self.partition.elr {
            record.eligible_leader_replicas = Some(numbers(&self.elr));
        }
    }

    /// The field holds the last leader while there is none, and nothing otherwise.
    fn set_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.elr_enabled {
            return;
        }
        if record.leader == BrokerId::NONE.0 && self.partition.last_known_elr.is_empty() {
            record.last_known_elr = Some(vec![self.partition.leader.0]);
        } else if record.leader >= 0 && !self.partition.last_known_elr.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn set_assignment(&self, record: &mut PartitionChangeRecord, default_dir: &dyn Fn(BrokerId) -> DirectoryId) {
        let before = self.partition;
        if self.version.directory_assignment() && !self.replicas.is_empty() {
            let directory = |id: &BrokerId| {
                let set = self.directories.iter().find(|(replica, _)| replica == id).map(|(_, directory)| *directory);
                set.or_else(|| before.directory(*id)).unwrap_or_else(|| default_dir(*id))
            };
            let directories: Vec<DirectoryId> = self.replicas.iter().map(directory).collect();
            if directories != before.directories {
                record.directories = Some(directories);
            }
        }
        if self.replicas != before.replicas && !self.replicas.is_empty() {
            record.replicas = Some(numbers(&self.replicas));
        }
        if self.removing != before.removing_replicas {
            record.removing_replicas = Some(numbers(&self.removing));
        }
        if self.adding != before.adding_replicas {
            record.adding_replicas = Some(numbers(&self.adding));
        }
    }
}

fn numbers(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}
