//! A member's next step towards its target: first it gives up what it shall not have, then it gets what is free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::Holders;
use super::member::{CurrentTasks, MemberState, StreamsMember};
use super::tasks::{ActiveTasks, OwnedTasks, TaskIds, Tasks};

/// What a member is to become.
pub struct Goal<'a> {
    pub target_epoch: i32,
    pub target: &'a Tasks,
    /// What it says it owns; none if it says nothing.
    pub owned: Option<&'a Tasks>,
    pub holders: &'a Holders<'a>,
    /// The process that the member runs in.
    pub process_id: &'a str,
}

/// The member comes from a newer coordinator and must begin anew.
#[derive(Debug)]
pub struct UnknownState;

/// Where the member stands after its next step, which may be none.
pub fn reconcile(member: &StreamsMember, goal: &Goal) -> Result<CurrentTasks, UnknownState> {
    let current = &member.current;
    Ok(match current.state {
        MemberState::Stable if current.epoch == goal.target_epoch => current.clone(),
        MemberState::UnrevokedTasks if goal.still_owns(&current.pending_revocation) => current.clone(),
        MemberState::UnrevokedTasks => goal.next(current, current.epoch + 1),
        MemberState::Stable | MemberState::UnreleasedTasks => goal.next(current, current.epoch),
        MemberState::Unknown if goal.owned.is_none_or(|owned| !owned.is_empty()) => return Err(UnknownState),
        MemberState::Unknown => goal.next(current, goal.target_epoch),
    })
}

/// Tasks of one role: what stays, what goes, what comes; and whether some that shall come are not free yet.
#[derive(Default)]
struct Difference {
    kept: TaskIds,
    revoked: TaskIds,
    added: TaskIds,
    waits: bool,
}

impl Difference {
    fn between(current: &TaskIds, target: &TaskIds, is_free: impl Fn(&str, i32) -> bool) -> Difference {
        let mut difference = Difference::default();
        let nothing = BTreeSet::new();
        let ids: BTreeSet<&Arc<str>> = current.keys().chain(target.keys()).collect();
        for id in ids {
            let (has, wants) = (current.get(id).unwrap_or(&nothing), target.get(id).unwrap_or(&nothing));
            let (free, taken): (BTreeSet<i32>, BTreeSet<i32>) =
                wants.difference(has).copied().partition(|partition| is_free(id, *partition));
            difference.waits |= !taken.is_empty();
            let put = |ids: &mut TaskIds, partitions: BTreeSet<i32>| {
                if !partitions.is_empty() {
                    ids.insert(id.clone(), partitions);
                }
            };
            put(&mut difference.kept, has & wants);
            put(&mut difference.revoked, has - wants);
            put(&mut difference.added, free);
        }
        difference
    }

    fn with_added(self) -> TaskIds {
        let mut all = self.kept;
        for (id, mut partitions) in self.added {
            all.entry(id).or_default().append(&mut partitions);
        }
        all
    }
}

impl Goal<'_> {
    /// A member that does not say what it owns may still own everything.
    fn still_owns(&self, revoked: &OwnedTasks) -> bool {
        self.owned.is_none_or(|owned| owned.contains_any(revoked))
    }

    fn next(&self, current: &CurrentTasks, epoch: i32) -> CurrentTasks {
        let has = &current.assigned;
        let is_spare = |id: &str, partition| self.holders.is_spare_in(id, partition, self.process_id);
        // No process has two copies of a task, as they would share its directory.
        let is_here =
            |id: &str, partition| self.holders.is_active_in(id, partition, self.process_id) || is_spare(id, partition);
        let active = Difference::between(&has.active_ids(), &self.target.active, |id, partition| {
            !self.holders.is_active(id, partition) && !is_spare(id, partition)
        });
        let standby = Difference::between(&has.standby, &self.target.standby, |id, partition| !is_here(id, partition));
        let warmup = Difference::between(&has.warmup, &self.target.warmup, |id, partition| !is_here(id, partition));
        let revoked = OwnedTasks {
            active: with_epochs(&active.revoked, |id, partition| has.epoch_of(id, partition)),
            standby: standby.revoked.clone(),
            warmup: warmup.revoked.clone(),
        };
        if !revoked.is_empty() && self.still_owns(&revoked) {
            return CurrentTasks {
                epoch,
                previous_epoch: current.epoch,
                state: MemberState::UnrevokedTasks,
                assigned: OwnedTasks {
                    active: with_epochs(&active.kept, |id, partition| has.epoch_of(id, partition)),
                    standby: standby.kept,
                    warmup: warmup.kept,
                },
                pending_revocation: revoked,
            };
        }
        let waits = active.waits || standby.waits || warmup.waits;
        let epoch_of = |id: &str, partition| has.epoch_of(id, partition).or(Some(self.target_epoch));
        CurrentTasks {
            epoch: self.target_epoch,
            previous_epoch: current.epoch,
            state: if waits { MemberState::UnreleasedTasks } else { MemberState::Stable },
            assigned: OwnedTasks {
                active: with_epochs(&active.with_added(), epoch_of),
                standby: standby.with_added(),
                warmup: warmup.with_added(),
            },
            pending_revocation: OwnedTasks::default(),
        }
    }
}

fn with_epochs(tasks: &TaskIds, epoch_of: impl Fn(&str, i32) -> Option<i32>) -> ActiveTasks {
    let each = tasks.iter().map(|(id, partitions)| {
        let epochs = partitions.iter().filter_map(|partition| Some((*partition, epoch_of(id, *partition)?)));
        (id.clone(), epochs.collect::<BTreeMap<i32, i32>>())
    });
    each.collect()
}
