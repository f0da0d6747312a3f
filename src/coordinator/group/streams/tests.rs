//! The assignor on random groups: everything once, evenly, and nothing moved without need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assignor::{GroupSpec, MemberSpec};
use super::configure::ConfiguredSubtopology;
use super::tasks::Tasks;
use crate::coordinator::testing::Random;
use crate::protocol::internal::StreamsTopicInfo;

type Assigned = BTreeMap<Arc<str>, Tasks>;

struct Group {
    /// Member to process.
    members: BTreeMap<Arc<str>, String>,
    subtopologies: BTreeMap<String, ConfiguredSubtopology>,
    standby_replicas: usize,
}

impl Group {
    fn random(random: &mut Random) -> Group {
        let subtopologies = (0..1 + random.below(3)).map(|id| {
            let is_stateful = random.below(2) == 1;
            let changelog = ("c".to_owned(), StreamsTopicInfo::default());
            let subtopology = ConfiguredSubtopology {
                tasks: 1 + random.below(12) as i32,
                source_topics: BTreeSet::new(),
                repartition_sink_topics: BTreeSet::new(),
                repartition_source_topics: BTreeMap::new(),
                state_changelog_topics: BTreeMap::from_iter(is_stateful.then_some(changelog)),
            };
            (id.to_string(), subtopology)
        });
        let subtopologies = subtopologies.collect();
        let mut group = Group { members: BTreeMap::new(), subtopologies, standby_replicas: random.below(3) as usize };
        (0..1 + random.below(6)).for_each(|_| group.join(random));
        group
    }

    fn join(&mut self, random: &mut Random) {
        let process = random.one_of(&["p", "q", "r", "s"]).to_owned();
        self.members.insert(format!("m{}", random.below(1_000)).into(), process);
    }

    fn assign(&self, before: &Assigned) -> Assigned {
        let nothing = Tasks::default();
        let members = self.members.iter().map(|(id, process_id)| {
            (id.clone(), MemberSpec { process_id, before: before.get(id).unwrap_or(&nothing) })
        });
        let members = members.collect();
        GroupSpec { members, subtopologies: &self.subtopologies, standby_replicas: self.standby_replicas }.assign()
    }

    fn check(&self, assigned: &Assigned) {
        let all = self.subtopologies.iter().flat_map(|(id, of)| (0..of.tasks).map(move |task| (id.clone(), task)));
        let all: BTreeSet<(String, i32)> = all.collect();
        let mut active = BTreeSet::new();
        let mut copies: BTreeMap<(String, i32), BTreeSet<&str>> = BTreeMap::new();
        let mut most = 0;
        for (id, tasks) in assigned {
            let process = self.members[id].as_str();
            let mine = pairs(&tasks.active);
            most = most.max(mine.len());
            for task in mine {
                assert!(active.insert(task.clone()), "{task:?} is active twice: {assigned:?}");
                assert!(copies.entry(task).or_default().insert(process));
            }
            for task in pairs(&tasks.standby) {
                assert!(copies.entry(task).or_default().insert(process), "two copies in {process}: {assigned:?}");
            }
        }
        assert_eq!(active, all, "{assigned:?}");
        assert!(most <= all.len().div_ceil(self.members.len()), "uneven: {assigned:?}");
        let processes: BTreeSet<&String> = self.members.values().collect();
        for (task, holders) in copies {
            let is_stateful = !self.subtopologies[&task.0].state_changelog_topics.is_empty();
            let wanted = if is_stateful { 1 + self.standby_replicas } else { 1 };
            assert_eq!(holders.len(), wanted.min(processes.len()), "copies of {task:?}: {assigned:?}");
        }
    }
}

fn pairs(tasks: &super::tasks::TaskIds) -> BTreeSet<(String, i32)> {
    tasks.iter().flat_map(|(id, all)| all.iter().map(move |task| (id.to_string(), *task))).collect()
}

#[test]
fn tasks_are_shared_evenly_and_each_process_has_one_copy_at_most() {
    for seed in 1..=2_000 {
        let mut random = Random::seeded(seed);
        let mut group = Group::random(&mut random);
        let mut assigned = group.assign(&Assigned::new());
        group.check(&assigned);
        for _ in 0..4 {
            assert_eq!(group.assign(&assigned), group.assign(&assigned), "seed {seed}");
            match random.below(3) {
                0 if group.members.len() > 1 => drop(group.members.pop_first()),
                1 => group.standby_replicas = random.below(3) as usize,
                _ => group.join(&mut random),
            }
            assigned.retain(|id, _| group.members.contains_key(id));
            assigned = group.assign(&assigned);
            group.check(&assigned);
        }
    }
}

#[test]
fn active_tasks_stay_where_they_are() {
    for seed in 1..=2_000 {
        let mut random = Random::seeded(seed);
        let mut group = Group::random(&mut random);
        let before = group.assign(&Assigned::new());
        let again = group.assign(&before);
        let active = |assigned: &Assigned| -> BTreeMap<Arc<str>, BTreeSet<(String, i32)>> {
            assigned.iter().map(|(id, tasks)| (id.clone(), pairs(&tasks.active))).collect()
        };
        assert_eq!(active(&again), active(&before), "seed {seed}");
        // Whoever comes takes from others no more than its share, and nothing moves among them.
        group.members.insert("new".into(), "t".to_owned());
        let after = group.assign(&before);
        group.check(&after);
        for (id, tasks) in active(&before) {
            let lost = tasks.difference(&active(&after)[&id]).count();
            let gained = active(&after)[&id].difference(&tasks).count();
            assert!(gained == 0 || lost == 0, "seed {seed}: {id} lost {lost} and gained {gained}");
        }
    }
}
