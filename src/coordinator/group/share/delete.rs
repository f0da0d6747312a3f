//! How share state ends: with its group, with its topic, or by an administrator's DeleteShareGroupOffsets.
//!
//! The coordinator first writes that the state is being deleted, then the share coordinator is asked to, and then the
//! coordinator writes that it is gone. What fails in between stays among the deleting topics, and is tried again with the
//! next request.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::consumer::Refusal;
use super::super::machine::{GroupMachine, Live, Turn};
use super::change::ShareChange;
use super::command::{ShareReply, StateOf};
use super::group::ShareGroup;
use super::partitions::{StatePartitions, StateTopics, all_partitions, merge};
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::messages::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use crate::protocol::messages::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, TopicName};
use crate::types::{ErrorCode, TopicId};

impl GroupMachine {
    pub(super) fn begin_share_deletion(&self, turn: &mut Turn, groups: Vec<StrBytes>) -> ShareReply {
        let image = self.surroundings.image();
        let mut states = BTreeMap::new();
        for id in groups {
            let Some(group) = self.shares.get(id.as_str()) else { continue };
            if !group.members.is_empty() {
                states.insert(id, Err(ErrorCode::NonEmptyGroup));
                continue;
            }
            let Some(known) = group.partitions.as_ref().filter(|_| !states.contains_key(&id)) else { continue };
            let topics = known.to_delete(&image);
            let deleting = topics.iter().map(|(id, topic)| (*id, topic.name.clone())).collect();
            let change = ShareChange::Partitions(Some(StatePartitions { deleting, ..StatePartitions::default() }));
            turn.outcome.records.push(group.record(change));
            if !topics.is_empty() {
                states.insert(id, Ok(group.state_of(topics)));
            }
        }
        ShareReply::BeginDeletion(states)
    }

    pub(super) fn delete_share_offsets(
        &self,
        live: &Live,
        turn: &mut Turn,
        request: &DeleteShareGroupOffsetsRequest,
    ) -> ShareReply {
        let (response, delete) = self.begin_offset_deletion(live, turn, request).unwrap_or_else(|refusal| {
            let response = DeleteShareGroupOffsetsResponse::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message)));
            (response, None)
        });
        ShareReply::DeleteOffsets { response, delete }
    }

    /// The response says which topics have nothing to delete.
    fn begin_offset_deletion(
        &self,
        live: &Live,
        turn: &mut Turn,
        request: &DeleteShareGroupOffsetsRequest,
    ) -> Result<(DeleteShareGroupOffsetsResponse, Option<StateOf>), Refusal> {
        let group = self.share_group(live, &request.group_id)?;
        if !group.members.is_empty() {
            return Err(Refusal::new(ErrorCode::NonEmptyGroup, ErrorCode::NonEmptyGroup.message()));
        }
        let Some(mut known) = group.partitions.clone() else {
            return Ok((DeleteShareGroupOffsetsResponse::default(), None));
        };
        let image = self.surroundings.image();
        let mut topics = StateTopics::new();
        let mut refused = Vec::new();
        for topic in &request.topics {
            let Some(id) = image.topics.named(&topic.topic_name).map(|topic| topic.id) else {
                refused.push(nothing_to_delete(&topic.topic_name, ErrorCode::UnknownTopicOrPartition.message()));
                continue;
            };
            if let Some(initialized) = known.initialized.remove(&id) {
                known.deleting.insert(id, initialized.name.clone());
                topics.insert(id, initialized);
            } else if let (true, Some(all)) = (known.deleting.contains_key(&id), all_partitions(&image, id)) {
                topics.entry(id).or_insert(all);
            } else {
                refused.push(nothing_to_delete(&topic.topic_name, "There is no offset information to delete."));
            }
        }
        if group.partitions.as_ref() != Some(&known) {
            turn.outcome.records.push(group.record(ShareChange::Partitions(Some(known))));
        }
        let delete = (!topics.is_empty()).then(|| group.state_of(topics));
        Ok((DeleteShareGroupOffsetsResponse::default().with_responses(refused), delete))
    }

    pub(super) fn share_offsets_deleted(&self, turn: &mut Turn, group: &str, topics: &[TopicId]) -> ShareReply {
        if let Some(group) = self.shares.get(group)
            && let Some(mut known) = group.partitions.clone()
        {
            known.deleting.retain(|topic, _| !topics.contains(topic));
            if group.partitions.as_ref() != Some(&known) {
                turn.outcome.records.push(group.record(ShareChange::Partitions(Some(known))));
            }
        }
        ShareReply::Noted
    }

    /// What is known of deleted topics is forgotten, as far as `room` records go; the share coordinator deletes their state by
    /// itself. True if something is left.
    pub(in super::super) fn forget_share_topics(
        &self,
        turn: &mut Turn,
        deleted: &[(Arc<str>, TopicId)],
        room: usize,
    ) -> bool {
        for group in self.shares.values() {
            let Some(mut known) = group.partitions.clone() else { continue };
            if !known.forget(|topic| deleted.iter().any(|(_, id)| id == topic)) {
                continue;
            }
            if turn.outcome.records.len() >= room {
                return true;
            }
            turn.outcome.records.push(group.record(ShareChange::Partitions(Some(known))));
        }
        false
    }
}

impl StatePartitions {
    /// Everything that may have state. Of what is already being deleted nobody knows how far that came.
    fn to_delete(&self, image: &MetadataImage) -> StateTopics {
        let mut topics = self.initialized.clone();
        merge(&mut topics, &self.initializing);
        let deleting = self.deleting.keys().filter_map(|id| Some((*id, all_partitions(image, *id)?)));
        merge(&mut topics, &deleting.collect());
        topics
    }

    /// Whether there may be state at the share coordinator.
    pub fn may_have_state(&self) -> bool {
        !self.initialized.is_empty() || !self.initializing.is_empty()
    }
}

impl ShareGroup {
    fn state_of(&self, topics: StateTopics) -> StateOf {
        let partitions: Assignment = topics.into_iter().map(|(id, topic)| (id, topic.partitions)).collect();
        StateOf { group: self.id.clone(), partitions }
    }
}

fn nothing_to_delete(topic: &TopicName, message: &'static str) -> DeleteShareGroupOffsetsResponseTopic {
    DeleteShareGroupOffsetsResponseTopic::default()
        .with_topic_name(topic.clone())
        .with_error_code(ErrorCode::UnknownTopicOrPartition.code())
        .with_error_message(Some(StrBytes::from_static_str(message)))
}
