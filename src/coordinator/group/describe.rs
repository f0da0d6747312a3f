//! DescribeGroups and ListGroups.

use crate::protocol::StrBytes;
use crate::protocol::messages::GroupId;
use crate::protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::protocol::messages::list_groups_response::ListedGroup;
use crate::types::ErrorCode;

use super::classic::Group;
use super::consumer::{CONSUMER, ConsumerGroup};
use super::machine::{GroupMachine, Live, text};
use super::member::Member;
use super::share::{SHARE, ShareGroup};
use super::state::State;
use super::streams::{STREAMS, StreamsGroup};

/// From this version on an unknown group is an error and not merely dead.
const GROUP_ID_NOT_FOUND_SINCE: i16 = 6;
const CLASSIC: &str = "classic";

impl GroupMachine {
    pub(super) fn describe(&self, live: &Live, groups: &[StrBytes], version: i16) -> Vec<DescribedGroup> {
        let each = groups.iter().map(|id| match live.groups.get(id.as_str()) {
            Some(group) => described(group),
            None => {
                let is_other = self.is_newer(id.as_str()) || self.consumers.contains_key(id.as_str());
                unknown(id, version, is_other)
            }
        });
        each.collect()
    }

    /// The groups in one of the states and of one of the types; none named is all. Unknown names match nothing.
    pub(super) fn list(&self, live: &Live, states: &[StrBytes], types: &[StrBytes]) -> Vec<ListedGroup> {
        let wants = |filter: &[StrBytes], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let wanted = |state: &str, kind: &str| wants(states, state) && wants(types, kind);
        let classic = live.groups.values().filter(|group| wanted(group.state.name(), CLASSIC)).map(|group| {
            ListedGroup::default()
                .with_group_id(GroupId(text(&group.id)))
                .with_protocol_type(group.protocol_type.as_ref().map(text).unwrap_or_default())
                .with_group_state(StrBytes::from_static_str(group.state.name()))
                .with_group_type(StrBytes::from_static_str(CLASSIC))
        });
        let consumer = self.consumers.values().filter(|group| wanted(group.state().name(), CONSUMER));
        let share = self.shares.values().filter(|group| wanted(group.state().name(), SHARE));
        let streams = self.streams.values().filter(|group| {
            let state = group.state();
            wanted(state.name(), STREAMS) || wanted(state.name_in_filters(), STREAMS)
        });
        let newer = share.map(ShareGroup::listed).chain(streams.map(StreamsGroup::listed));
        classic.chain(consumer.map(ConsumerGroup::listed)).chain(newer).collect()
    }
}

fn described(group: &Group) -> DescribedGroup {
    let stable = group.state == State::Stable;
    let protocol = group.protocol.as_ref().filter(|_| stable);
    let member = |member: &Member| {
        DescribedGroupMember::default()
            .with_member_id(text(&member.id))
            .with_group_instance_id(member.instance_id.as_ref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default())
            .with_member_assignment(member.assignment.clone())
    };
    DescribedGroup::default()
        .with_group_id(GroupId(text(&group.id)))
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_protocol_type(group.protocol_type.as_ref().map(text).unwrap_or_default())
        .with_protocol_data(protocol.map(text).unwrap_or_default())
        .with_members(group.members.values().map(member).collect())
}

fn unknown(id: &StrBytes, version: i16, newer: bool) -> DescribedGroup {
    let reply = DescribedGroup::default()
        .with_group_id(GroupId(id.clone()))
        .with_group_state(StrBytes::from_static_str(State::Dead.name()));
    if version < GROUP_ID_NOT_FOUND_SINCE {
        return reply;
    }
    let message = if newer { format!("Group {id} is not a classic group.") } else { format!("Group {id} not found.") };
    reply.with_error_code(ErrorCode::GroupIdNotFound.code()).with_error_message(Some(StrBytes::from_string(message)))
}
