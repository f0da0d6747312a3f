//! The target assignment: the assignor is asked, and what differs from before is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::consumer::TargetEpoch;
use super::assignor::{GroupSpec, MemberSpec};
use super::change::Change;
use super::configure::Configured;
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::tasks::Tasks;

/// What a new target is computed from.
pub struct Task<'a> {
    pub group: &'a StreamsGroup,
    /// The member at hand, as it will be; none if a timer computes the target.
    pub updated: Option<&'a StreamsMember>,
    pub configured: &'a Configured,
    pub epoch: i32,
    pub standby_replicas: usize,
    /// By the wall clock.
    pub now_ms: i64,
}

impl Task<'_> {
    /// The changes to write, and what the member at hand shall have.
    pub fn run(&self) -> (Vec<Change>, Tasks) {
        let nothing = Tasks::default();
        let members = self.group.members.values().chain(self.updated);
        let members: BTreeMap<Arc<str>, MemberSpec> = members
            .map(|member| {
                let before = self.group.targets.get(&member.id).unwrap_or(&nothing);
                (member.id.clone(), MemberSpec { process_id: member.process_id(), before })
            })
            .collect();
        let ids: Vec<Arc<str>> = members.keys().cloned().collect();
        let mut assigned = match self.configured.subtopologies.as_ref().filter(|_| self.configured.is_ready()) {
            Some(subtopologies) => {
                GroupSpec { members, subtopologies, standby_replicas: self.standby_replicas }.assign()
            }
            None => BTreeMap::new(),
        };
        let mut changes = Vec::new();
        let mut own = Tasks::default();
        for id in ids {
            let tasks = assigned.remove(&id).unwrap_or_default();
            if self.updated.is_some_and(|member| member.id == id) {
                own = tasks.clone();
            }
            if self.group.targets.get(&id) != Some(&tasks) {
                changes.push(Change::Target { member: id, tasks: Some(tasks) });
            }
        }
        changes.push(Change::TargetEpoch(Some(TargetEpoch { epoch: self.epoch, computed_at: self.now_ms })));
        (changes, own)
    }
}
