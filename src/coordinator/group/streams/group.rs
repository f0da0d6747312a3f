//! A streams group: what the log says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::consumer::TargetEpoch;
use super::super::records::Record;
use super::change::{Change, GroupEpoch};
use super::fence::removal;
use super::member::{CurrentTasks, LEAVE_EPOCH, StreamsMember};
use super::tasks::{OwnedTasks, Tasks};
use super::topology::Topology;

/// A streams group.
#[derive(Clone, Debug)]
pub struct StreamsGroup {
    pub id: Arc<str>,
    pub epoch: GroupEpoch,
    pub topology: Option<Arc<Topology>>,
    pub members: BTreeMap<Arc<str>, StreamsMember>,
    pub target_epoch: TargetEpoch,
    pub targets: BTreeMap<Arc<str>, Tasks>,
}

/// Where a streams group stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamsGroupState {
    /// No members.
    Empty,
    /// Topics of the topology are missing or do not fit together.
    NotReady,
    /// The target is not yet computed for the group's epoch.
    Assigning,
    /// Members are on their way to the target.
    Reconciling,
    /// Every member has what it shall have.
    Stable,
}

impl StreamsGroupState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            StreamsGroupState::Empty => "Empty",
            StreamsGroupState::NotReady => "NotReady",
            StreamsGroupState::Assigning => "Assigning",
            StreamsGroupState::Reconciling => "Reconciling",
            StreamsGroupState::Stable => "Stable",
        }
    }

    /// What Kafka calls the state in the filters of ListGroups, where one can also give its name.
    pub fn name_in_filters(self) -> &'static str {
        if self == StreamsGroupState::NotReady { "not_ready" } else { self.name() }
    }
}

/// In which processes copies of tasks are, those that are still to be given up included.
#[derive(Default, Debug)]
pub struct Holders<'a> {
    active: BTreeMap<(&'a str, i32), &'a str>,
    /// Standby and warm-up tasks.
    spare: BTreeMap<(&'a str, i32), BTreeSet<&'a str>>,
}

impl StreamsGroup {
    /// A group without members.
    pub fn new(id: Arc<str>) -> StreamsGroup {
        StreamsGroup {
            id,
            epoch: GroupEpoch { epoch: 1, metadata_hash: 0, validated_topology: 0, configs: BTreeMap::new() },
            topology: None,
            members: BTreeMap::new(),
            target_epoch: TargetEpoch { epoch: 1, computed_at: 0 },
            targets: BTreeMap::new(),
        }
    }

    pub fn state(&self) -> StreamsGroupState {
        let validated = self.topology.as_ref().is_some_and(|topology| topology.epoch == self.epoch.validated_topology);
        if self.members.is_empty() {
            StreamsGroupState::Empty
        } else if !validated {
            StreamsGroupState::NotReady
        } else if self.epoch.epoch > self.target_epoch.epoch {
            StreamsGroupState::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.target_epoch.epoch)) {
            StreamsGroupState::Stable
        } else {
            StreamsGroupState::Reconciling
        }
    }

    /// What a member shall have.
    pub fn target_of(&self, member_id: &str) -> Tasks {
        self.targets.get(member_id).cloned().unwrap_or_default()
    }

    /// Whether members read the topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        let topology = self.topology.as_ref().filter(|_| !self.members.is_empty());
        topology.is_some_and(|topology| topology.reader_of(topic).is_some())
    }

    pub fn holders(&self) -> Holders<'_> {
        let mut holders = Holders::default();
        for member in self.members.values() {
            for tasks in [&member.current.assigned, &member.current.pending_revocation] {
                holders.add(tasks, member.process_id());
            }
        }
        holders
    }

    /// Takes over one record. The caller removes the group after [`Change::Epoch`] without a value.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Epoch(Some(epoch)) => self.epoch = epoch.clone(),
            Change::Epoch(None) => {}
            Change::Topology(topology) => self.topology = topology.clone(),
            Change::Member { member, metadata: Some(metadata) } => {
                self.known(member).metadata = metadata.clone();
            }
            Change::Member { member, metadata: None } => {
                self.members.remove(member);
            }
            Change::Target { member, tasks: Some(tasks) } => {
                self.targets.insert(member.clone(), tasks.clone());
            }
            Change::Target { member, tasks: None } => {
                self.targets.remove(member);
            }
            Change::TargetEpoch(epoch) => {
                self.target_epoch = epoch.unwrap_or(TargetEpoch { epoch: -1, computed_at: 0 });
            }
            Change::Current { member, current: Some(current) } => {
                self.known(member).current = current.clone();
            }
            Change::Current { member, current: None } => {
                if let Some(member) = self.members.get_mut(member) {
                    member.current =
                        CurrentTasks { epoch: LEAVE_EPOCH, previous_epoch: LEAVE_EPOCH, ..CurrentTasks::new() };
                }
            }
        }
    }

    fn known(&mut self, id: &Arc<str>) -> &mut StreamsMember {
        self.members.entry(id.clone()).or_insert_with(|| StreamsMember::new(id.clone()))
    }

    /// The end of everything the log says of the group.
    pub fn tombstones(&self) -> Vec<Record> {
        let [mut currents, mut targets, mut members] = [Vec::new(), Vec::new(), Vec::new()];
        for [current, target, member] in self.members.keys().map(removal) {
            currents.push(current);
            targets.push(target);
            members.push(member);
        }
        let ends = currents.into_iter().chain(targets).chain([Change::TargetEpoch(None)]).chain(members);
        let ends = ends.chain([Change::Epoch(None), Change::Topology(None)]);
        ends.map(|change| Record::Streams { group: self.id.clone(), change }).collect()
    }
}

impl<'a> Holders<'a> {
    fn add(&mut self, tasks: &'a OwnedTasks, process: &'a str) {
        for (id, partitions) in &tasks.active {
            self.active.extend(partitions.keys().map(|partition| ((&**id, *partition), process)));
        }
        for (id, partitions) in tasks.standby.iter().chain(&tasks.warmup) {
            for partition in partitions {
                self.spare.entry((id, *partition)).or_default().insert(process);
            }
        }
    }

    /// Whether somebody has the task as an active one.
    pub fn is_active(&self, subtopology: &str, partition: i32) -> bool {
        self.active.contains_key(&(subtopology, partition))
    }

    /// Whether the process has the task as an active one.
    pub fn is_active_in(&self, subtopology: &str, partition: i32, process: &str) -> bool {
        self.active.get(&(subtopology, partition)).is_some_and(|holder| *holder == process)
    }

    /// Whether the process has the task as a standby or warm-up one.
    pub fn is_spare_in(&self, subtopology: &str, partition: i32, process: &str) -> bool {
        self.spare.get(&(subtopology, partition)).is_some_and(|holders| holders.contains(process))
    }
}
