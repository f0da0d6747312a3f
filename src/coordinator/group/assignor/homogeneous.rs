//! `uniform` where all members want the same topics: everybody keeps what fits their share, and the rest fills the gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignment, GroupSpec, MemberSpec};
use crate::types::TopicId;

struct Builder {
    /// How many members there are that have not been looked at.
    members_left: usize,
    /// Every member's least number of partitions.
    share: usize,
    /// How many of those members get one more.
    extras: usize,
    /// What nobody has.
    free: BTreeSet<(TopicId, i32)>,
    /// Members with room, and for how many partitions.
    unfilled: Vec<(Arc<str>, usize)>,
    assignments: BTreeMap<Arc<str>, Assignment>,
}

pub(super) fn assign(group: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
    let Some(first) = group.members.values().next() else { return BTreeMap::new() };
    let partitions = first.topics.iter().flat_map(|topic| {
        let count = group.partition_counts.get(topic).copied().unwrap_or(0);
        (0..count).map(|partition| (*topic, partition))
    });
    let free: BTreeSet<(TopicId, i32)> = partitions.collect();
    let mut builder = Builder {
        members_left: group.members.len(),
        share: free.len() / group.members.len(),
        extras: free.len() % group.members.len(),
        free,
        unfilled: Vec::new(),
        assignments: BTreeMap::new(),
    };
    for (id, member) in &group.members {
        builder.keep_what_fits(id, member);
    }
    builder.fill()
}

impl Builder {
    fn keep_what_fits(&mut self, id: &Arc<str>, member: &MemberSpec) {
        let mut has_extra = self.extras > 0;
        let mut room = self.share + usize::from(has_extra);
        let mut kept = Assignment::new();
        for (topic, partition) in member.before.iter().flat_map(|(topic, all)| all.iter().map(|one| (*topic, *one))) {
            if room > 0 && self.free.remove(&(topic, partition)) {
                kept.entry(topic).or_default().insert(partition);
                room -= 1;
            }
        }
        if room > 0 && has_extra && self.members_left > self.extras {
            // Somebody behind may own one more than the share already; the last ones have no choice.
            room -= 1;
            has_extra = false;
        }
        if room > 0 {
            self.unfilled.push((id.clone(), room));
        }
        self.extras -= usize::from(has_extra);
        self.members_left -= 1;
        self.assignments.insert(id.clone(), kept);
    }

    fn fill(mut self) -> BTreeMap<Arc<str>, Assignment> {
        let mut free = self.free.into_iter();
        for (id, room) in self.unfilled {
            let assignment = self.assignments.entry(id).or_default();
            for (topic, partition) in free.by_ref().take(room) {
                assignment.entry(topic).or_default().insert(partition);
            }
        }
        assert!(free.next().is_none(), "the shares add up to all partitions");
        self.assignments
    }
}
