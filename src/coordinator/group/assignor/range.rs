//! `range`: each topic is cut into as many stretches as it has subscribers, so that topics of the same size are cut alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assignment, GroupSpec, MemberSpec};
use crate::types::TopicId;

/// One topic while it is being handed out.
#[derive(Default)]
struct Topic {
    partitions: i32,
    subscribers: i32,
    /// The subscribers that have had their stretch.
    served: i32,
    next: i32,
}

impl Topic {
    /// The next subscriber's stretch. The first ones get what does not divide evenly.
    fn stretch(&mut self) -> std::ops::Range<i32> {
        let extra = i32::from(self.served < self.partitions % self.subscribers);
        let start = self.next;
        self.served += 1;
        self.next = (start + self.partitions / self.subscribers + extra).min(self.partitions);
        start..self.next
    }
}

pub(super) fn assign(group: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
    let mut topics: BTreeMap<TopicId, Topic> = BTreeMap::new();
    for id in group.members.values().flat_map(|member| member.topics.iter()) {
        let topic = topics.entry(*id).or_default();
        topic.partitions = group.partition_counts.get(id).copied().unwrap_or(0);
        topic.subscribers += 1;
    }
    let mut assignments = BTreeMap::new();
    for (id, member) in in_order(group) {
        let mut assignment = Assignment::new();
        for topic_id in member.topics.iter() {
            let stretch = topics.get_mut(topic_id).map(Topic::stretch).unwrap_or(0..0);
            if !stretch.is_empty() {
                assignment.insert(*topic_id, stretch.collect());
            }
        }
        assignments.insert(id.clone(), assignment);
    }
    assignments
}

/// Static members by their instance ids, which stay the same over restarts, and then the others.
fn in_order<'a, 'b>(group: &'b GroupSpec<'a>) -> Vec<(&'b Arc<str>, &'b MemberSpec<'a>)> {
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by_key(|(_, member)| (member.instance_id.is_none(), member.instance_id.clone()));
    members
}
