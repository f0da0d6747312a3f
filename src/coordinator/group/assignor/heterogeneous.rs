//! `uniform` where members want different topics: keep, hand out the rest to whoever has least, then even out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::balancer::Balancer;
use super::{Assignment, GroupSpec};
use crate::types::TopicId;

/// Rounds over all topics in which partitions are moved for balance.
const ROUNDS_MAX: usize = 16;

/// A topic with its subscribers, by index, and the owner of each partition.
struct Topic {
    subscribers: Vec<usize>,
    owners: Vec<Option<usize>>,
}

struct Builder {
    topics: BTreeMap<TopicId, Topic>,
    /// How many partitions each member has.
    counts: Vec<i64>,
}

pub(super) fn assign(group: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
    let mut builder = Builder::new(group);
    let order = builder.in_order();
    builder.hand_out(&order);
    builder.even_out(&order);
    builder.finish(group)
}

impl Builder {
    /// Everybody keeps what they still want; of two that own the same, the first.
    fn new(group: &GroupSpec) -> Builder {
        let mut topics: BTreeMap<TopicId, Topic> = BTreeMap::new();
        let mut counts = vec![0; group.members.len()];
        for (index, member) in group.members.values().enumerate() {
            for id in member.topics.iter() {
                let topic = topics.entry(*id).or_insert_with(|| {
                    let count = group.partition_counts.get(id).copied().unwrap_or(0);
                    Topic { subscribers: Vec::new(), owners: vec![None; usize::try_from(count).unwrap_or(0)] }
                });
                topic.subscribers.push(index);
                for partition in member.before.get(id).into_iter().flatten() {
                    let owner = usize::try_from(*partition).ok().and_then(|partition| topic.owners.get_mut(partition));
                    if let Some(owner @ None) = owner {
                        *owner = Some(index);
                        counts[index] += 1;
                    }
                }
            }
        }
        Builder { topics, counts }
    }

    /// Topics with many partitions for each subscriber come first, and among them those with few subscribers: these leave
    /// the least choice.
    fn in_order(&self) -> Vec<TopicId> {
        let mut order: Vec<TopicId> = self.topics.keys().copied().collect();
        order.sort_by(|a, b| {
            let (a_topic, b_topic) = (&self.topics[a], &self.topics[b]);
            let share = |topic: &Topic| topic.owners.len() as f64 / topic.subscribers.len() as f64;
            share(b_topic)
                .total_cmp(&share(a_topic))
                .then(a_topic.subscribers.len().cmp(&b_topic.subscribers.len()))
                .then(a.cmp(b))
        });
        order
    }

    fn hand_out(&mut self, order: &[TopicId]) {
        let mut balancer = Balancer::default();
        for id in order {
            let Some(topic) = self.topics.get_mut(id) else { continue };
            balancer.line_up(&topic.subscribers, &self.counts);
            for owner in topic.owners.iter_mut().filter(|owner| owner.is_none()) {
                let member = balancer.next_least(&self.counts);
                *owner = Some(member);
                self.counts[member] += 1;
            }
        }
    }

    /// Goes over the topics until a whole round has moved nothing.
    fn even_out(&mut self, order: &[TopicId]) {
        let order: Vec<&TopicId> = order.iter().filter(|id| self.topics[*id].subscribers.len() >= 2).collect();
        let mut balancer = Balancer::default();
        let mut last_moved = None;
        for _ in 0..ROUNDS_MAX {
            for (index, id) in order.iter().enumerate() {
                if last_moved == Some(index) {
                    return;
                }
                let moved =
                    self.topics.get_mut(id).is_some_and(|topic| topic.even_out(&mut balancer, &mut self.counts));
                if moved || last_moved.is_none() {
                    last_moved = Some(index);
                }
            }
        }
    }

    fn finish(self, group: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
        let mut assignments = vec![Assignment::new(); group.members.len()];
        for (id, topic) in self.topics {
            for (partition, owner) in (0..).zip(topic.owners) {
                if let Some(owner) = owner {
                    assignments[owner].entry(id).or_default().insert(partition);
                }
            }
        }
        group.members.keys().cloned().zip(assignments).collect()
    }
}

impl Topic {
    /// Moves partitions from those subscribers that have most to those that have least. Says whether any moved.
    fn even_out(&mut self, balancer: &mut Balancer, counts: &mut [i64]) -> bool {
        if balancer.line_up(&self.subscribers, counts) <= 1 {
            return false;
        }
        // What each member could give of this topic; the last goes first.
        let mut owned: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in self.owners.iter().enumerate() {
            owned.entry(owner.expect("all are handed out")).or_default().push(partition);
        }
        let mut moved = false;
        while let Some((from, partition)) = next_to_give(balancer, counts, &mut owned) {
            let to = balancer.next_least(counts);
            if balancer.is_balanced() {
                break;
            }
            self.owners[partition] = Some(to);
            counts[from] -= 1;
            counts[to] += 1;
            moved = true;
        }
        moved
    }
}

fn next_to_give(
    balancer: &mut Balancer,
    counts: &[i64],
    owned: &mut BTreeMap<usize, Vec<usize>>,
) -> Option<(usize, usize)> {
    loop {
        let member = balancer.next_most(counts)?;
        match owned.get_mut(&member).and_then(Vec::pop) {
            Some(partition) => return Some((member, partition)),
            None => balancer.exclude_most(),
        }
    }
}
