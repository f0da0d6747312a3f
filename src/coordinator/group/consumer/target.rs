//! The target assignment: an assignor is asked, and what differs from before is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::assignor::{Assignment, Assignor, GroupSpec, MemberSpec};
use super::change::{Change, ResolvedRegex, TargetEpoch};
use super::group::ConsumerGroup;
use super::member::{ConsumerMember, MemberMetadata};
use crate::metadata::MetadataImage;
use crate::types::TopicId;

/// The topics that a member names, and its pattern.
type Subscription<'a> = (&'a BTreeSet<Arc<str>>, Option<&'a Arc<str>>);

/// What a new target is computed from.
pub struct Task<'a> {
    pub group: &'a ConsumerGroup,
    pub image: &'a MetadataImage,
    /// The member at hand, as it will be.
    pub updated: &'a ConsumerMember,
    pub epoch: i32,
    /// Whether all members subscribe to the same topics.
    pub alike: bool,
    /// Where no member asks for one.
    pub default_assignor: Assignor,
    /// By the wall clock.
    pub now_ms: i64,
}

impl Task<'_> {
    /// The changes to write, and what the member at hand shall own.
    pub fn run(&self) -> (Vec<Change>, Assignment) {
        let members = self.members();
        let nothing = Assignment::new();
        let mut known: BTreeMap<Subscription, Arc<BTreeSet<TopicId>>> = BTreeMap::new();
        let specs = members.iter().map(|(id, member)| {
            let key = (&member.metadata.topics, member.metadata.regex());
            let topics = known
                .entry(key)
                .or_insert_with(|| Arc::new(subscribed_topics(&member.metadata, &self.group.regexes, self.image)));
            let inherits = member.metadata.instance_id.as_ref().and_then(|id| self.group.static_members.get(id));
            let before = match inherits {
                Some(former) if *id == &self.updated.id => self.group.targets.get(former),
                Some(_) | None => self.group.targets.get(*id),
            };
            let spec = MemberSpec {
                instance_id: member.metadata.instance_id.clone(),
                topics: topics.clone(),
                before: before.unwrap_or(&nothing),
            };
            (Arc::clone(id), spec)
        });
        let members_spec: BTreeMap<Arc<str>, MemberSpec> = specs.collect();
        let count = |id: &TopicId| self.image.topics.with_id(*id).map_or(0, |topic| topic.partitions.len() as i32);
        let wanted = known.values().flat_map(|topics| topics.iter());
        let partition_counts = wanted.map(|id| (*id, count(id))).collect();
        let spec = GroupSpec { members: members_spec, homogeneous: self.alike, partition_counts };
        let mut assigned = self.assignor(&members).assign(&spec);
        let mut changes = Vec::new();
        let mut own = Assignment::new();
        for id in spec.members.keys() {
            let assignment = assigned.remove(id).unwrap_or_default();
            if *id == self.updated.id {
                own = assignment.clone();
            }
            if self.group.targets.get(id) != Some(&assignment) {
                changes.push(Change::Target { member: id.clone(), assignment: Some(assignment) });
            }
        }
        changes.push(Change::TargetEpoch(Some(TargetEpoch { epoch: self.epoch, computed_at: self.now_ms })));
        (changes, own)
    }

    /// All members as they will be: with the one at hand, without the one whose instance id it took over.
    fn members(&self) -> BTreeMap<&Arc<str>, &ConsumerMember> {
        let mut members: BTreeMap<_, _> = self.group.members.iter().collect();
        if let Some(former) =
            self.updated.metadata.instance_id.as_ref().and_then(|id| self.group.static_members.get(id))
        {
            members.remove(former);
        }
        members.insert(&self.updated.id, self.updated);
        members
    }

    /// The one that most members ask for.
    fn assignor(&self, members: &BTreeMap<&Arc<str>, &ConsumerMember>) -> Assignor {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for name in members.values().filter_map(|member| member.metadata.assignor.as_deref()) {
            *votes.entry(name).or_default() += 1;
        }
        let preferred = votes.into_iter().max_by_key(|(_, count)| *count);
        preferred.and_then(|(name, _)| Assignor::named(name)).unwrap_or(self.default_assignor)
    }
}

/// The topics that a member names or describes by its pattern, as far as they exist.
pub fn subscribed_topics(
    metadata: &MemberMetadata,
    regexes: &BTreeMap<Arc<str>, ResolvedRegex>,
    image: &MetadataImage,
) -> BTreeSet<TopicId> {
    let described = metadata.regex().and_then(|regex| regexes.get(regex));
    let names = metadata.topics.iter().chain(described.iter().flat_map(|resolved| resolved.topics.iter()));
    names.filter_map(|name| image.topics.named(name)).map(|topic| topic.id).collect()
}
