//! ConsumerGroupDescribe, and a consumer group's row in ListGroups.

use std::collections::BTreeMap;

use super::super::assignor::Assignment as Partitions;
use super::super::machine::{GroupMachine, Live, text};
use super::super::subscription::CONSUMER_PROTOCOL_TYPE;
use super::group::ConsumerGroup;
use super::member::{ConsumerMember, without_epochs};
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use crate::protocol::messages::list_groups_response::ListedGroup;
use crate::protocol::messages::{GroupId, TopicName};

/// The name of the kind on the wire.
pub const CONSUMER: &str = "consumer";
/// Of which protocol a member is.
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

impl GroupMachine {
    pub(in super::super) fn describe_consumer_groups(&self, live: &Live, groups: &[StrBytes]) -> Vec<DescribedGroup> {
        let image = self.surroundings.image();
        let default_assignor = self.settings.default_assignor().name();
        let each = groups.iter().map(|id| match self.consumer_group(live, id) {
            Ok(group) => group.described(&image, default_assignor),
            Err(refusal) => DescribedGroup::default()
                .with_group_id(GroupId(id.clone()))
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        });
        each.collect()
    }
}

impl ConsumerGroup {
    pub fn listed(&self) -> ListedGroup {
        ListedGroup::default()
            .with_group_id(GroupId(text(&self.id)))
            .with_protocol_type(StrBytes::from_static_str(CONSUMER_PROTOCOL_TYPE))
            .with_group_state(StrBytes::from_static_str(self.state().name()))
            .with_group_type(StrBytes::from_static_str(CONSUMER))
    }

    fn described(&self, image: &MetadataImage, default_assignor: &str) -> DescribedGroup {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.members.values().filter_map(|member| member.metadata.assignor.as_deref()) {
            *votes.entry(name).or_default() += 1;
        }
        let assignor = votes.into_iter().max_by_key(|(_, count)| *count).map_or(default_assignor, |(name, _)| name);
        DescribedGroup::default()
            .with_group_id(GroupId(text(&self.id)))
            .with_group_state(StrBytes::from_static_str(self.state().name()))
            .with_group_epoch(self.epoch)
            .with_assignment_epoch(self.target_epoch.epoch)
            .with_assignor_name(StrBytes::from_string(assignor.to_owned()))
            .with_members(self.members.values().map(|member| self.described_member(member, image)).collect())
    }

    fn described_member(&self, member: &ConsumerMember, image: &MetadataImage) -> Member {
        let metadata = &member.metadata;
        // It answers for what it is still to give up.
        let mut has = without_epochs(&member.current.assigned);
        for (topic, mut partitions) in without_epochs(&member.current.pending_revocation) {
            has.entry(topic).or_default().append(&mut partitions);
        }
        let target = self.targets.get(&member.id);
        let kind = if member.uses_classic_protocol() { CLASSIC_MEMBER } else { CONSUMER_MEMBER };
        Member::default()
            .with_member_id(text(&member.id))
            .with_instance_id(metadata.instance_id.as_ref().map(text))
            .with_rack_id(metadata.rack_id.as_ref().map(text))
            .with_member_epoch(member.epoch())
            .with_client_id(text(&metadata.client_id))
            .with_client_host(text(&metadata.client_host))
            .with_subscribed_topic_names(metadata.topics.iter().map(|topic| TopicName(text(topic))).collect())
            .with_subscribed_topic_regex(metadata.regex.as_ref().map(text))
            .with_assignment(named(&has, image))
            .with_target_assignment(target.map(|target| named(target, image)).unwrap_or_default())
            .with_member_type(kind)
    }
}

/// Topics that are gone are left out.
fn named(partitions: &Partitions, image: &MetadataImage) -> Assignment {
    let topics = partitions.iter().filter_map(|(id, partitions)| {
        let name = TopicName(text(&image.topics.with_id(*id)?.name));
        let topic = TopicPartitions::default().with_topic_id((*id).into()).with_topic_name(name);
        Some(topic.with_partitions(partitions.iter().copied().collect()))
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
