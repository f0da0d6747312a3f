//! The sticky assignor: tasks stay where they were, as far as everybody has about equally many.
//!
//! Active tasks go first to the member that had them, then to one that had a standby of them, then to the least loaded
//! process. Standby tasks go to the process of the former active task, then to one that had the standby already, then to
//! the least loaded process; never to one that has a copy of the task. A process is loaded by its tasks per member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::configure::ConfiguredSubtopology;
use super::tasks::{TaskIds, Tasks};

/// A task: subtopology and partition.
type Task<'a> = (&'a str, i32);

/// A member as the assignor sees it.
pub struct MemberSpec<'a> {
    pub process_id: &'a str,
    /// What it was to have before.
    pub before: &'a Tasks,
}

/// What is to be shared.
pub struct GroupSpec<'a> {
    pub members: BTreeMap<Arc<str>, MemberSpec<'a>>,
    pub subtopologies: &'a BTreeMap<String, ConfiguredSubtopology>,
    pub standby_replicas: usize,
}

impl GroupSpec<'_> {
    /// What each member shall have.
    pub fn assign(&self) -> BTreeMap<Arc<str>, Tasks> {
        let mut sharing = Sharing::new(self);
        if !self.members.is_empty() {
            sharing.assign_active(self.tasks(|_| true));
            if self.standby_replicas > 0 {
                sharing.assign_standby(self.tasks(|subtopology| !subtopology.state_changelog_topics.is_empty()));
            }
        }
        sharing.result()
    }

    fn tasks(&self, wanted: impl Fn(&ConfiguredSubtopology) -> bool) -> Vec<Task<'_>> {
        let each = self.subtopologies.iter().filter(|(_, subtopology)| wanted(subtopology));
        each.flat_map(|(id, subtopology)| (0..subtopology.tasks).map(move |partition| (id.as_str(), partition)))
            .collect()
    }
}

/// How many tasks a member may get while the rest can still be shared evenly.
struct Quota {
    tasks: usize,
    members: usize,
    per_member: usize,
}

impl Quota {
    fn new(tasks: usize, members: usize) -> Quota {
        Quota { tasks, members, per_member: tasks.checked_div(members).map_or(0, |_| tasks.div_ceil(members)) }
    }

    /// A member has that many tasks now; one that is full takes its share out.
    fn count(&mut self, has: usize) {
        if has == self.per_member {
            *self = Quota::new(self.tasks.saturating_sub(has), self.members.saturating_sub(1));
        }
    }
}

struct Process<'a> {
    members: BTreeMap<&'a str, usize>,
    tasks: BTreeSet<Task<'a>>,
    count: usize,
}

impl Process<'_> {
    fn load(&self) -> f64 {
        self.count as f64 / self.members.len() as f64
    }
}

struct Sharing<'a> {
    spec: &'a GroupSpec<'a>,
    processes: BTreeMap<&'a str, Process<'a>>,
    /// Who had a task.
    active_before: BTreeMap<Task<'a>, &'a str>,
    standby_before: BTreeMap<Task<'a>, Vec<&'a str>>,
    active_quota: Quota,
    quota: Quota,
    assigned: BTreeMap<&'a str, Tasks>,
}

impl<'a> Sharing<'a> {
    fn new(spec: &'a GroupSpec<'a>) -> Sharing<'a> {
        let count = |tasks: i32| usize::try_from(tasks).unwrap_or(0);
        let active: usize = spec.subtopologies.values().map(|subtopology| count(subtopology.tasks)).sum();
        let stateful = spec.subtopologies.values().filter(|subtopology| !subtopology.state_changelog_topics.is_empty());
        let stateful: usize = stateful.map(|subtopology| count(subtopology.tasks)).sum();
        let members = spec.members.len();
        let mut sharing = Sharing {
            spec,
            processes: BTreeMap::new(),
            active_before: BTreeMap::new(),
            standby_before: BTreeMap::new(),
            active_quota: Quota::new(active, members),
            quota: Quota::new(active + stateful.saturating_mul(spec.standby_replicas), members),
            assigned: BTreeMap::new(),
        };
        for (id, member) in &spec.members {
            let new = || Process { members: BTreeMap::new(), tasks: BTreeSet::new(), count: 0 };
            sharing.processes.entry(member.process_id).or_insert_with(new).members.insert(id, 0);
            let tasks = |ids: &'a TaskIds| {
                ids.iter().flat_map(|(id, all)| all.iter().map(move |partition| (&**id, *partition)))
            };
            sharing.active_before.extend(tasks(&member.before.active).map(|task| (task, &**id)));
            for task in tasks(&member.before.standby) {
                sharing.standby_before.entry(task).or_default().push(id);
            }
        }
        sharing
    }

    fn process_of(&self, member: &str) -> &Process<'a> {
        &self.processes[self.spec.members[member].process_id]
    }

    fn has(&self, member: &str) -> usize {
        self.process_of(member).members[member]
    }

    /// Gives a task to a member; answers how many it has now.
    fn give(&mut self, member: &'a str, task: Task<'a>, is_active: bool) {
        let process = self.spec.members[member].process_id;
        let process = self.processes.get_mut(process).expect("each member's process is known");
        process.tasks.insert(task);
        process.count += 1;
        let has = process.members.entry(member).or_default();
        *has += 1;
        let has = *has;
        let tasks = self.assigned.entry(member).or_default();
        let tasks = if is_active { &mut tasks.active } else { &mut tasks.standby };
        tasks.entry(Arc::from(task.0)).or_default().insert(task.1);
        if is_active {
            self.active_quota.count(has);
        }
        self.quota.count(has);
    }

    /// The least loaded member of the least loaded process that `may` have it.
    fn least_loaded(&self, may: impl Fn(&Process) -> bool) -> Option<&'a str> {
        let processes = self.processes.values().filter(|process| may(process));
        let process = processes.min_by(|one, other| one.load().total_cmp(&other.load()))?;
        process.members.iter().min_by_key(|(_, has)| **has).map(|(member, _)| *member)
    }

    fn assign_active(&mut self, mut tasks: Vec<Task<'a>>) {
        // Tasks of the same partition stood together before.
        tasks.sort_by_key(|(subtopology, partition)| (*partition, *subtopology));
        tasks.retain(|task| match self.active_before.get(task).copied() {
            Some(member) if self.has(member) < self.active_quota.per_member => {
                self.give(member, *task, true);
                false
            }
            Some(_) | None => true,
        });
        tasks.retain(|task| {
            let member = self.standby_before.get(task).and_then(|members| self.least_loaded_before(members, None));
            match member {
                Some(member) if self.has(member) < self.active_quota.per_member => {
                    self.give(member, *task, true);
                    false
                }
                Some(_) | None => true,
            }
        });
        // Those that are left are dealt out subtopology by subtopology.
        tasks.sort_unstable();
        for task in tasks {
            let member = self.least_loaded(|_| true).expect("there are members");
            self.give(member, task, true);
        }
    }

    /// Of the members that had a standby, the least loaded, if its process has no copy of `task`.
    fn least_loaded_before(&self, members: &[&'a str], task: Option<Task<'a>>) -> Option<&'a str> {
        let may = |member: &str| task.is_none_or(|task| !self.process_of(member).tasks.contains(&task));
        let (first, others) = members.split_first()?;
        let mut best = *first;
        for member in others.iter().copied().filter(|member| may(member)) {
            let is_less = self.process_of(member).load() < self.process_of(best).load();
            if is_less && self.has(member) < self.has(best) {
                best = member;
            }
        }
        may(first).then_some(best)
    }

    fn assign_standby(&mut self, mut tasks: Vec<Task<'a>>) {
        tasks.sort_by_key(|(subtopology, partition)| std::cmp::Reverse((*partition, *subtopology)));
        let mut left: Vec<(Task<'a>, usize)> = Vec::new();
        for task in tasks {
            for replica in 0..self.spec.standby_replicas {
                match self.former_holder(task) {
                    Some(member) => self.give(member, task, false),
                    None => {
                        left.push((task, self.spec.standby_replicas - replica));
                        break;
                    }
                }
            }
        }
        left.sort_unstable_by_key(|(task, _)| std::cmp::Reverse(*task));
        for (task, replicas) in left {
            for _ in 0..replicas {
                let Some(member) = self.least_loaded(|process| !process.tasks.contains(&task)) else { break };
                self.give(member, task, false);
            }
        }
    }

    /// A member that had the task before, as an active or a standby one, and has room for a standby of it.
    fn former_holder(&self, task: Task<'a>) -> Option<&'a str> {
        let has_room = |member: &&'a str| self.has(member) < self.quota.per_member;
        let is_free = |member: &&'a str| !self.process_of(member).tasks.contains(&task);
        let active = self.active_before.get(&task).copied().filter(is_free).filter(has_room);
        active.or_else(|| {
            let members = self.standby_before.get(&task)?;
            self.least_loaded_before(members, Some(task)).filter(has_room)
        })
    }

    fn result(mut self) -> BTreeMap<Arc<str>, Tasks> {
        let each = self.spec.members.keys();
        each.map(|id| (id.clone(), self.assigned.remove(&**id).unwrap_or_default())).collect()
    }
}
