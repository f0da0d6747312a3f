//! Known assignments as tables, and what holds for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::coordinator::testing::Random;
use crate::types::TopicId;

/// Instance id, and topics.
type Member = (Option<Arc<str>>, BTreeSet<TopicId>);

/// A group as text: `a: t1 t2 = t1-0 t1-1` is a member, its topics, and what it was to own; `a/i` has the instance id i.
struct Case {
    topics: Vec<i32>,
    members: BTreeMap<Arc<str>, Member>,
    before: BTreeMap<Arc<str>, Assignment>,
}

fn topic(number: i64) -> TopicId {
    TopicId::from_halves(0, number)
}

fn partition(text: &str) -> (TopicId, i32) {
    let (name, partition) = text.split_once('-').expect("topic-partition");
    (topic(name[1..].parse().expect("a number")), partition.parse().expect("a partition"))
}

impl Case {
    fn new(topics: &[i32], members: &str) -> Case {
        let mut case = Case { topics: topics.to_vec(), members: BTreeMap::new(), before: BTreeMap::new() };
        for member in members.split(" · ") {
            let (name, wants) = member.split_once(':').expect("name: topics = partitions");
            let (name, instance) = name.split_once('/').map_or((name, None), |(name, id)| (name, Some(Arc::from(id))));
            let (wants, has) = wants.split_once('=').unwrap_or((wants, ""));
            let wants = wants.split_whitespace().map(|name| topic(name[1..].parse().expect("a number"))).collect();
            case.members.insert(name.into(), (instance, wants));
            let before = case.before.entry(name.into()).or_default();
            for (topic, partition) in has.split_whitespace().map(partition) {
                before.entry(topic).or_default().insert(partition);
            }
        }
        case
    }

    fn assign(&self, assignor: Assignor) -> BTreeMap<Arc<str>, Assignment> {
        let nothing = Assignment::new();
        let members = self.members.iter().map(|(id, (instance_id, topics))| {
            let before = self.before.get(id).unwrap_or(&nothing);
            (id.clone(), MemberSpec { instance_id: instance_id.clone(), topics: Arc::new(topics.clone()), before })
        });
        let all: BTreeSet<&BTreeSet<TopicId>> = self.members.values().map(|(_, topics)| topics).collect();
        let spec = GroupSpec {
            members: members.collect(),
            homogeneous: all.len() <= 1,
            partition_counts: (1..).map(topic).zip(self.topics.iter().copied()).collect(),
        };
        assignor.assign(&spec)
    }
}

fn shown(assignments: &BTreeMap<Arc<str>, Assignment>) -> String {
    let each = assignments.iter().map(|(id, assignment)| {
        let owned = assignment.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|partition| format!(" t{}-{partition}", topic.0[15]))
        });
        format!("{id}:{}", owned.collect::<String>())
    });
    each.collect::<Vec<_>>().join(" · ")
}

#[track_caller]
fn check(assignor: Assignor, topics: &[i32], members: &str, expected: &str) {
    assert_eq!(shown(&Case::new(topics, members).assign(assignor)), expected);
}

#[test]
fn range_cuts_each_topic_alike() {
    let range = |topics: &[i32], members: &str, expected: &str| check(Assignor::Range, topics, members, expected);
    range(&[3, 3, 2], "a: t1 t3 · b: t1 t3", "a: t1-0 t1-1 t3-0 · b: t1-2 t3-1");
    range(&[3, 3, 2], "a: t1 t2 · b: t3 · c: t2 t3", "a: t1-0 t1-1 t1-2 t2-0 t2-1 · b: t3-0 · c: t2-2 t3-1");
    range(&[3, 0, 2], "a: t1 t3 · b: t1 t3 · c: t1 t3", "a: t1-0 t3-0 · b: t1-1 t3-1 · c: t1-2");
    range(&[3], "a: t1 · b: t1 · c: t1 · d: t1", "a: t1-0 · b: t1-1 · c: t1-2 · d:");
    range(&[4], "a: t1 = t1-2 t1-3 · b: t1", "a: t1-0 t1-1 · b: t1-2 t1-3");
    range(&[3], "a: ", "a:");
}

#[test]
fn range_puts_static_members_first_in_order_of_their_instances() {
    check(Assignor::Range, &[3], "a: t1 · b/2: t1 · c/1: t1", "a: t1-2 · b: t1-1 · c: t1-0");
}

#[test]
fn uniform_spreads_evenly() {
    let uniform = |topics: &[i32], members: &str, expected: &str| check(Assignor::Uniform, topics, members, expected);
    uniform(&[3, 0, 3], "a: t1 t3 · b: t1 t3", "a: t1-0 t1-1 t1-2 · b: t3-0 t3-1 t3-2");
    uniform(&[3], "a: t1 · b: t1 · c: t1 · d: t1", "a: · b: t1-0 · c: t1-1 · d: t1-2");
    uniform(&[2, 2], "a: t1 = t1-0 t1-1 · b: t1", "a: t1-0 · b: t1-1");
    uniform(&[2, 2], "a: t2 = t1-0 t1-1 · b: t2", "a: t2-0 · b: t2-1");
    uniform(&[3], "a: ", "a:");
    assert!(Case::new(&[1], "a: t1").assign(Assignor::Uniform).len() == 1);
}

#[test]
fn uniform_leaves_in_place_what_may_stay() {
    let uniform = |topics: &[i32], members: &str, expected: &str| check(Assignor::Uniform, topics, members, expected);
    uniform(&[6], "a: t1 = t1-0 t1-2 t1-4 · b: t1 = t1-1 t1-3 t1-5", "a: t1-0 t1-2 t1-4 · b: t1-1 t1-3 t1-5");
    uniform(
        &[6],
        "a: t1 = t1-0 t1-2 t1-4 · b: t1 = t1-1 t1-3 t1-5 · c: t1",
        "a: t1-0 t1-2 · b: t1-1 t1-3 · c: t1-4 t1-5",
    );
    // The one that had more keeps it, though it stands behind.
    uniform(&[3], "a: t1 = t1-0 · b: t1 = t1-1 t1-2", "a: t1-0 · b: t1-1 t1-2");
    uniform(&[2, 4], "a: t1 t2 · b: t2", "a: t1-0 t1-1 t2-3 · b: t2-0 t2-1 t2-2");
    uniform(&[4, 4], "a: t1 = t1-0 t1-1 t1-2 t1-3 · b: t1 t2", "a: t1-0 t1-1 t1-2 t1-3 · b: t2-0 t2-1 t2-2 t2-3");
}

fn random_case(random: &mut Random, alike: bool) -> Case {
    let topics: Vec<i32> = (0..1 + random.below(5)).map(|_| 1 + random.below(9) as i32).collect();
    let some = |random: &mut Random| -> BTreeSet<TopicId> {
        (1..=topics.len() as i64).filter(|_| random.below(3) > 0).map(topic).collect()
    };
    let shared = some(random);
    let members = (0..1 + random.below(7)).map(|index| {
        let wants = if alike { shared.clone() } else { some(random) };
        let instance = (random.below(3) == 0).then(|| Arc::from(format!("i{}", 9 - index)));
        (Arc::from(format!("m{index}")), (instance, wants))
    });
    let members = members.collect();
    Case { topics, members, before: BTreeMap::new() }
}

fn size(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}

/// Each partition that somebody wants has one owner, who wants it.
fn check_owners(case: &Case, assigned: &BTreeMap<Arc<str>, Assignment>, seed: u64) {
    let mut owned = BTreeSet::new();
    for (id, assignment) in assigned {
        for (topic, partitions) in assignment {
            assert!(case.members[id].1.contains(topic), "seed {seed}: {id} does not want {topic}");
            assert!(!partitions.is_empty(), "seed {seed}");
            for partition in partitions {
                assert!(owned.insert((*topic, *partition)), "seed {seed}: {topic}-{partition} is owned twice");
            }
        }
    }
    let wanted: BTreeSet<TopicId> = case.members.values().flat_map(|(_, topics)| topics.iter().copied()).collect();
    let all = (1..).map(topic).zip(&case.topics).filter(|(id, _)| wanted.contains(id));
    let all: BTreeSet<_> = all.flat_map(|(id, count)| (0..*count).map(move |partition| (id, partition))).collect();
    assert_eq!(owned, all, "seed {seed}: nothing is left over or made up");
}

/// No subscriber could get a partition from another that has at least two more.
fn check_balance(case: &Case, assigned: &BTreeMap<Arc<str>, Assignment>, seed: u64) {
    for (from, gives) in assigned {
        for (to, gets) in assigned {
            let could = gives.keys().any(|topic| case.members[to].1.contains(topic));
            let gap = size(gives) as i64 - size(gets) as i64;
            assert!(!could || gap <= 1, "seed {seed}: {from} could give to {to}: {}", shown(assigned));
        }
    }
}

#[test]
fn whatever_the_group_everybody_gets_what_they_want_once() {
    for seed in 1..=600 {
        let mut random = Random::seeded(seed);
        let alike = random.below(2) == 0;
        let mut case = random_case(&mut random, alike);
        for step in 0..4 {
            check_owners(&case, &case.assign(Assignor::Range), seed);
            let assigned = case.assign(Assignor::Uniform);
            check_owners(&case, &assigned, seed);
            check_balance(&case, &assigned, seed);
            case.before = assigned.clone();
            assert_eq!(case.assign(Assignor::Uniform), assigned, "seed {seed}: what is balanced stays");
            let gone: Arc<str> = Arc::from(format!("m{step}"));
            if alike && case.members.len() > 1 && case.members.remove(&gone).is_some() {
                case.before.remove(&gone);
                for (id, now) in case.assign(Assignor::Uniform) {
                    let kept =
                        assigned[&id].iter().all(|(topic, all)| now.get(topic).is_some_and(|now| now.is_superset(all)));
                    assert!(kept, "seed {seed}: who stays keeps everything when somebody goes");
                }
            } else {
                case.members.insert(Arc::from(format!("n{step}")), case.members.values().next().expect("one").clone());
            }
        }
    }
}

#[test]
fn what_the_log_says_of_partitions_that_do_not_exist_or_twice_does_no_harm() {
    for wants in ["t1", "t1 t2"] {
        let members = format!("a: {wants} = t1-0 t1-7 t3-9 · b: t1 = t1-0 t1-1");
        let assigned = Case::new(&[2, 2], &members).assign(Assignor::Uniform);
        check_owners(&Case::new(&[2, 2], &members), &assigned, 0);
    }
}

#[test]
fn every_assignor_that_a_config_may_name_is_one() {
    assert!(crate::config::CONSUMER_ASSIGNORS.iter().all(|name| Assignor::named(name).is_some()));
    assert_eq!(Assignor::named("mine"), None);
}
