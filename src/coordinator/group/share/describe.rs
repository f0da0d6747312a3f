//! ShareGroupDescribe, and a share group's row in ListGroups.

use super::super::assignor::simple::SIMPLE;
use super::super::machine::{GroupMachine, Live, text};
use super::group::{ShareGroup, ShareMember};
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::messages::list_groups_response::ListedGroup;
use crate::protocol::messages::share_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
use crate::protocol::messages::{GroupId, TopicName};

/// The name of the kind, and of its protocol, on the wire.
pub const SHARE: &str = "share";

impl GroupMachine {
    pub(super) fn describe_share_groups(&self, live: &Live, groups: &[StrBytes]) -> Vec<DescribedGroup> {
        let image = self.surroundings.image();
        let each = groups.iter().map(|id| match self.share_group(live, id) {
            Ok(group) => group.described(&image),
            Err(refusal) => DescribedGroup::default()
                .with_group_id(GroupId(id.clone()))
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        });
        each.collect()
    }
}

impl ShareGroup {
    pub fn listed(&self) -> ListedGroup {
        ListedGroup::default()
            .with_group_id(GroupId(text(&self.id)))
            .with_protocol_type(StrBytes::from_static_str(SHARE))
            .with_group_state(StrBytes::from_static_str(self.state().name()))
            .with_group_type(StrBytes::from_static_str(SHARE))
    }

    fn described(&self, image: &MetadataImage) -> DescribedGroup {
        DescribedGroup::default()
            .with_group_id(GroupId(text(&self.id)))
            .with_group_state(StrBytes::from_static_str(self.state().name()))
            .with_group_epoch(self.epoch)
            .with_assignment_epoch(self.target_epoch.epoch)
            .with_assignor_name(StrBytes::from_static_str(SIMPLE))
            .with_members(self.members.values().map(|member| member.described(image)).collect())
    }
}

impl ShareMember {
    /// Topics that are gone are left out.
    fn described(&self, image: &MetadataImage) -> Member {
        let topics = self.current.assigned.iter().filter_map(|(id, partitions)| {
            let name = TopicName(text(&image.topics.with_id(*id)?.name));
            let topic = TopicPartitions::default().with_topic_id((*id).into()).with_topic_name(name);
            Some(topic.with_partitions(partitions.iter().copied().collect()))
        });
        let metadata = &self.metadata;
        Member::default()
            .with_member_id(text(&self.id))
            .with_rack_id(metadata.rack_id.as_ref().map(text))
            .with_member_epoch(self.current.epoch)
            .with_client_id(text(&metadata.client_id))
            .with_client_host(text(&metadata.client_host))
            .with_subscribed_topic_names(metadata.topics.iter().map(|topic| TopicName(text(topic))).collect())
            .with_assignment(Assignment::default().with_topic_partitions(topics.collect()))
    }
}
