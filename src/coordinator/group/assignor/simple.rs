//! `simple`, the assignor of share groups (KIP-932): a partition may have several members, and a member several partitions.
//!
//! Where members are more than partitions each partition is shared by as many as it takes to give everybody work; where
//! partitions are more each has one member. Everybody keeps what fits. Members that want different topics share each topic
//! by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Assignment, GroupSpec};
use crate::types::TopicId;

/// Kafka's name of it.
pub const SIMPLE: &str = "simple";

type Partition = (TopicId, i32);

/// What each member shall have, of the partitions that are `assignable`.
pub fn assign(group: &GroupSpec, assignable: &Assignment) -> BTreeMap<Arc<str>, Assignment> {
    let mut assignments: BTreeMap<Arc<str>, Assignment> =
        group.members.keys().map(|id| (id.clone(), Assignment::new())).collect();
    let topics: BTreeSet<TopicId> = group.members.values().flat_map(|member| member.topics.iter().copied()).collect();
    let partitions_of = |topic: &TopicId| {
        let count = group.partition_counts.get(topic).copied().unwrap_or(0);
        let partitions = assignable.get(topic).into_iter().flatten().copied();
        let topic = *topic;
        partitions.filter(move |partition| *partition < count).map(move |partition| (topic, partition))
    };
    let rounds: Vec<BTreeSet<Partition>> = match group.homogeneous {
        true => vec![topics.iter().flat_map(partitions_of).collect()],
        false => topics.iter().map(|topic| partitions_of(topic).collect()).collect(),
    };
    for partitions in rounds {
        let wants = |topics: &BTreeSet<TopicId>| partitions.iter().any(|(topic, _)| topics.contains(topic));
        let members: Vec<&Arc<str>> =
            group.members.iter().filter(|(_, member)| wants(&member.topics)).map(|(id, _)| id).collect();
        let before = members.iter().map(|id| {
            let before = group.members.get(*id).into_iter().flat_map(|member| member.before);
            let each = before.flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)));
            each.filter(|partition| partitions.contains(partition)).collect()
        });
        let shares = Sharing::of(members.len(), &partitions, before.collect()).run();
        for (id, share) in members.into_iter().zip(shares) {
            let assignment = assignments.entry(id.clone()).or_default();
            for (topic, partition) in share {
                assignment.entry(topic).or_default().insert(partition);
            }
        }
    }
    assignments
}

/// Members, by index, that share partitions.
struct Sharing {
    /// How many members a partition shall have.
    width: usize,
    /// How many partitions each member shall have.
    wanted: Vec<usize>,
    by_member: Vec<BTreeSet<Partition>>,
    by_partition: BTreeMap<Partition, BTreeSet<usize>>,
}

impl Sharing {
    fn of(members: usize, partitions: &BTreeSet<Partition>, before: Vec<BTreeSet<Partition>>) -> Sharing {
        let width = if partitions.is_empty() { 0 } else { members.div_ceil(partitions.len()) };
        // Spread so that whoever gets one more than others is not always among the first.
        let places = width * partitions.len();
        let upto = |member: usize| (places * member).div_ceil(members.max(1));
        let wanted = (0..members).map(|member| upto(member + 1) - upto(member)).collect();
        let mut by_partition: BTreeMap<Partition, BTreeSet<usize>> =
            partitions.iter().map(|partition| (*partition, BTreeSet::new())).collect();
        for (member, has) in before.iter().enumerate() {
            for partition in has {
                by_partition.entry(*partition).or_default().insert(member);
            }
        }
        Sharing { width, wanted, by_member: before, by_partition }
    }

    fn run(mut self) -> Vec<BTreeSet<Partition>> {
        self.relieve_members();
        self.relieve_partitions();
        self.fill();
        self.by_member
    }

    fn relieve_members(&mut self) {
        for (member, has) in self.by_member.iter_mut().enumerate() {
            while has.len() > self.wanted[member]
                && let Some(partition) = has.pop_first()
            {
                self.by_partition.entry(partition).or_default().remove(&member);
            }
        }
    }

    fn relieve_partitions(&mut self) {
        for (partition, members) in &mut self.by_partition {
            while members.len() > self.width
                && let Some(member) = members.pop_first()
            {
                self.by_member[member].remove(partition);
            }
        }
    }

    /// Those with room take turns. Where all of them have a partition already it stays with fewer members than it could have.
    fn fill(&mut self) {
        let has_room = |member: &usize| self.by_member[*member].len() < self.wanted[*member];
        let mut with_room: VecDeque<usize> = (0..self.wanted.len()).filter(has_room).collect();
        for (partition, members) in &mut self.by_partition {
            let mut passed_over = 0;
            while members.len() < self.width && passed_over < with_room.len() {
                let Some(member) = with_room.pop_front() else { break };
                if members.insert(member) {
                    self.by_member[member].insert(*partition);
                    passed_over = 0;
                } else {
                    passed_over += 1;
                }
                if self.by_member[member].len() < self.wanted[member] {
                    with_room.push_back(member);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemberSpec;
    use super::*;
    use crate::coordinator::testing::Random;

    fn topic(number: i64) -> TopicId {
        TopicId::from_halves(0, number)
    }

    /// Assigns from `before`, where each member wants the topics given with it.
    fn run(
        counts: &[i32],
        wants: &[BTreeSet<usize>],
        before: &BTreeMap<Arc<str>, Assignment>,
    ) -> BTreeMap<Arc<str>, Assignment> {
        let nothing = Assignment::new();
        let members = wants.iter().enumerate().map(|(index, topics)| {
            let id: Arc<str> = format!("m{index:02}").into();
            let topics = Arc::new(topics.iter().map(|number| topic(*number as i64)).collect());
            let before = before.get(&id).unwrap_or(&nothing);
            (id, MemberSpec { instance_id: None, topics, before })
        });
        let partition_counts: BTreeMap<TopicId, i32> =
            counts.iter().enumerate().map(|(number, count)| (topic(number as i64), *count)).collect();
        let all = partition_counts.iter().map(|(topic, count)| (*topic, (0..*count).collect())).collect();
        let homogeneous = wants.windows(2).all(|pair| pair[0] == pair[1]);
        assign(&GroupSpec { members: members.collect(), homogeneous, partition_counts }, &all)
    }

    fn sizes(assigned: &BTreeMap<Arc<str>, Assignment>) -> Vec<usize> {
        assigned.values().map(|assignment| assignment.values().map(BTreeSet::len).sum()).collect()
    }

    #[test]
    fn partitions_are_shared_where_members_are_more() {
        let everything = BTreeSet::from([0]);
        let check = |partitions: i32, members: usize, expected: &[usize]| {
            let assigned = run(&[partitions], &vec![everything.clone(); members], &BTreeMap::new());
            assert_eq!(sizes(&assigned), expected, "{partitions} partitions, {members} members");
        };
        check(3, 1, &[3]);
        check(3, 2, &[2, 1]);
        check(3, 3, &[1, 1, 1]);
        check(2, 3, &[2, 1, 1]);
        check(1, 4, &[1, 1, 1, 1]);
        check(0, 2, &[0, 0]);
    }

    #[test]
    fn what_may_not_be_assigned_yet_is_left_out() {
        let nothing = Assignment::new();
        let member = MemberSpec { instance_id: None, topics: Arc::new([topic(0)].into()), before: &nothing };
        let members = BTreeMap::from([("m".into(), member)]);
        let group = GroupSpec { members, homogeneous: true, partition_counts: BTreeMap::from([(topic(0), 3)]) };
        let assigned = assign(&group, &Assignment::from([(topic(0), [0, 2].into()), (topic(1), [0].into())]));
        assert_eq!(assigned["m"], Assignment::from([(topic(0), [0, 2].into())]));
    }

    #[test]
    fn everything_has_a_member_and_nobody_more_than_a_fair_share() {
        let mut random = Random::seeded(7);
        for history in 0..400 {
            let topics = 1 + random.below(3) as usize;
            let counts: Vec<i32> = (0..topics).map(|_| random.below(6) as i32).collect();
            let alike = random.below(2) == 0;
            let mut before = BTreeMap::new();
            for _ in 0..4 {
                let members = 1 + random.below(7) as usize;
                let some = |random: &mut Random| (0..topics).filter(|_| random.below(3) > 0).collect();
                let wants: Vec<BTreeSet<usize>> = match alike {
                    true => vec![(0..topics).collect(); members],
                    false => (0..members).map(|_| some(&mut random)).collect(),
                };
                let assigned = run(&counts, &wants, &before);
                check_shares(&counts, &wants, &assigned, alike, history);
                // Once more changes nothing, unless a partition could not be shared as widely as it should be.
                before = assigned;
            }
        }
    }

    fn check_shares(
        counts: &[i32],
        wants: &[BTreeSet<usize>],
        assigned: &BTreeMap<Arc<str>, Assignment>,
        alike: bool,
        history: u64,
    ) {
        let told = format!("history {history}: {counts:?} {wants:?} {assigned:?}");
        for (number, count) in counts.iter().enumerate() {
            let takers = wants.iter().filter(|wants| wants.contains(&number)).count();
            for partition in 0..*count {
                let has = |assignment: &&Assignment| {
                    assignment.get(&topic(number as i64)).is_some_and(|has| has.contains(&partition))
                };
                let owners = assigned.values().filter(has).count();
                assert!(owners > 0 || takers == 0, "{number}-{partition} has nobody: {told}");
            }
        }
        for (wants, has) in wants.iter().zip(assigned.values()) {
            assert!(has.keys().all(|id| wants.iter().any(|number| topic(*number as i64) == *id)), "{told}");
        }
        if alike {
            let sizes = sizes(assigned);
            let partitions: i32 = counts.iter().sum();
            let places = sizes.len().div_ceil((partitions as usize).max(1)) * partitions as usize;
            assert!(sizes.iter().all(|size| *size <= places.div_ceil(sizes.len())), "{told}");
        }
    }
}
