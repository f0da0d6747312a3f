//! StreamsGroupDescribe, and a streams group's row in ListGroups.

use std::collections::BTreeMap;

use super::super::machine::{GroupMachine, Live, text};
use super::configure::{ConfiguredSubtopology, configure};
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::tasks::{Tasks, to_wire};
use super::topology::Topology;
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::internal::{StreamsSubtopology, StreamsTopicInfo};
use crate::protocol::messages::GroupId;
use crate::protocol::messages::list_groups_response::ListedGroup;
use crate::protocol::newer::{
    StreamsDescribedGroup, StreamsDescribedMember, StreamsDescribedSubtopology, StreamsDescribedTasks,
    StreamsDescribedTopology,
};

/// The name of the kind on the wire, and of its members' protocol.
pub const STREAMS: &str = "streams";

impl GroupMachine {
    pub(in super::super) fn describe_streams_groups(
        &self,
        live: &Live,
        groups: &[String],
    ) -> Vec<StreamsDescribedGroup> {
        let image = self.surroundings.image();
        let each = groups.iter().map(|id| match self.streams_group(live, id) {
            Ok(group) => group.described(&image),
            Err(refusal) => StreamsDescribedGroup {
                group_id: id.clone(),
                error_code: refusal.code.code(),
                error_message: Some(refusal.message),
                ..StreamsDescribedGroup::default()
            },
        });
        each.collect()
    }
}

impl StreamsGroup {
    pub fn listed(&self) -> ListedGroup {
        ListedGroup::default()
            .with_group_id(GroupId(text(&self.id)))
            .with_protocol_type(StrBytes::from_static_str(STREAMS))
            .with_group_state(StrBytes::from_static_str(self.state().name()))
            .with_group_type(StrBytes::from_static_str(STREAMS))
    }

    fn described(&self, image: &MetadataImage) -> StreamsDescribedGroup {
        StreamsDescribedGroup {
            group_id: self.id.to_string(),
            group_state: self.state().name().to_owned(),
            group_epoch: self.epoch.epoch,
            assignment_epoch: self.target_epoch.epoch,
            topology: self.topology.as_ref().map(|topology| described_topology(topology, image)),
            members: self.members.values().map(|member| self.described_member(member)).collect(),
            ..StreamsDescribedGroup::default()
        }
    }

    fn described_member(&self, member: &StreamsMember) -> StreamsDescribedMember {
        let (metadata, assigned) = (&member.metadata, &member.current.assigned);
        let nothing = Tasks::default();
        let target = self.targets.get(&member.id).unwrap_or(&nothing);
        StreamsDescribedMember {
            member_id: member.id.to_string(),
            member_epoch: member.epoch(),
            instance_id: metadata.instance_id.clone(),
            rack_id: metadata.rack_id.clone(),
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            topology_epoch: metadata.topology_epoch,
            process_id: metadata.process_id.clone(),
            user_endpoint: metadata.user_endpoint.clone(),
            client_tags: metadata.client_tags.clone(),
            assignment: StreamsDescribedTasks {
                active_tasks: to_wire(&assigned.active_ids()),
                standby_tasks: to_wire(&assigned.standby),
                warmup_tasks: to_wire(&assigned.warmup),
            },
            target_assignment: StreamsDescribedTasks {
                active_tasks: to_wire(&target.active),
                standby_tasks: to_wire(&target.standby),
                warmup_tasks: to_wire(&target.warmup),
            },
            ..StreamsDescribedMember::default()
        }
    }
}

/// With the numbers of partitions if all topics are there, else as the members describe it.
fn described_topology(topology: &Topology, image: &MetadataImage) -> StreamsDescribedTopology {
    let configured = configure(topology, image).ok().filter(|configured| configured.is_ready());
    let subtopologies = match configured.and_then(|configured| configured.subtopologies) {
        Some(configured) => configured.into_iter().map(|(id, subtopology)| with_numbers(id, subtopology)).collect(),
        None => topology.subtopologies.values().map(without_numbers).collect(),
    };
    StreamsDescribedTopology { epoch: topology.epoch, subtopologies: Some(subtopologies) }
}

fn with_numbers(subtopology_id: String, subtopology: ConfiguredSubtopology) -> StreamsDescribedSubtopology {
    let topics = |topics: BTreeMap<String, StreamsTopicInfo>| topics.into_values().collect();
    StreamsDescribedSubtopology {
        subtopology_id,
        source_topics: subtopology.source_topics.into_iter().collect(),
        repartition_sink_topics: subtopology.repartition_sink_topics.into_iter().collect(),
        state_changelog_topics: topics(subtopology.state_changelog_topics),
        repartition_source_topics: topics(subtopology.repartition_source_topics),
    }
}

fn without_numbers(subtopology: &StreamsSubtopology) -> StreamsDescribedSubtopology {
    let names = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    let topics = |topics: &[StreamsTopicInfo]| {
        let mut topics = topics.to_vec();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        topics
    };
    StreamsDescribedSubtopology {
        subtopology_id: subtopology.subtopology_id.clone(),
        source_topics: names(&subtopology.source_topics),
        repartition_sink_topics: names(&subtopology.repartition_sink_topics),
        state_changelog_topics: topics(&subtopology.state_changelog_topics),
        repartition_source_topics: topics(&subtopology.repartition_source_topics),
    }
}
