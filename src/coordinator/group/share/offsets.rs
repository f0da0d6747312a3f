//! AlterShareGroupOffsets, and which partitions have offsets at all.

use std::collections::BTreeMap;

use super::super::assignor::Assignment;
use super::super::consumer::Refusal;
use super::super::machine::{GroupMachine, Live, Turn};
use super::command::{ShareReply, StateInit};
use super::partitions::{StateTopics, TopicPartitions};
use crate::protocol::StrBytes;
use crate::protocol::messages::alter_share_group_offsets_request::AlterShareGroupOffsetsRequestTopic;
use crate::protocol::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use crate::protocol::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
use crate::types::{ErrorCode, Offset, TopicId};

impl GroupMachine {
    /// The partitions that have share state.
    pub(super) fn share_partitions(&self, group: &str) -> Assignment {
        let partitions = self.shares.get(group).and_then(|group| group.partitions.as_ref());
        let topics = partitions.into_iter().flat_map(|partitions| &partitions.initialized);
        topics.map(|(topic, partitions)| (*topic, partitions.partitions.clone())).collect()
    }

    pub(super) fn alter_share_offsets(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        request: &AlterShareGroupOffsetsRequest,
    ) -> ShareReply {
        let (response, ask) = self.alter(live, turn, request).unwrap_or_else(|refusal| {
            let response = AlterShareGroupOffsetsResponse::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message)));
            (response, None)
        });
        ShareReply::AlterOffsets { response, ask }
    }

    /// The offsets of a group that does not exist can be set, which makes it exist.
    fn alter(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        request: &AlterShareGroupOffsetsRequest,
    ) -> Result<(AlterShareGroupOffsetsResponse, Option<StateInit>), Refusal> {
        let group = self.find_or_create_share_group(live, &request.group_id, true)?;
        if !group.members.is_empty() {
            return Err(Refusal::new(ErrorCode::NonEmptyGroup, ErrorCode::NonEmptyGroup.message()));
        }
        let image = self.surroundings.image();
        let mut starts: BTreeMap<TopicId, BTreeMap<i32, Offset>> = BTreeMap::new();
        let mut asked = StateTopics::new();
        let answers = request.topics.iter().map(|topic| {
            let Some(known) = image.topics.named(&topic.topic_name) else {
                return answer(topic, TopicId::ZERO, |_| false);
            };
            let exists = |partition: i32| known.partitions.contains_key(&partition);
            for partition in topic.partitions.iter().filter(|partition| exists(partition.partition_index)) {
                let (index, start) = (partition.partition_index, Offset(partition.start_offset));
                starts.entry(known.id).or_default().insert(index, start);
                let nothing = || TopicPartitions { name: known.name.clone(), partitions: Default::default() };
                asked.entry(known.id).or_insert_with(nothing).partitions.insert(index);
            }
            answer(topic, known.id, exists)
        });
        let response = AlterShareGroupOffsetsResponse::default().with_responses(answers.collect());
        if asked.is_empty() {
            return Ok((response, None));
        }
        let mut step = self.share_step(live, turn.now, &group, &image);
        step.begin_initializing(&asked);
        step.conclude(live, turn);
        let ask = StateInit { group: group.id.clone(), state_epoch: group.epoch, starts };
        Ok((response, Some(ask)))
    }
}

fn answer(
    topic: &AlterShareGroupOffsetsRequestTopic,
    id: TopicId,
    exists: impl Fn(i32) -> bool,
) -> AlterShareGroupOffsetsResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        let index = partition.partition_index;
        let answer = AlterShareGroupOffsetsResponsePartition::default().with_partition_index(index);
        match exists(index) {
            true => answer,
            false => {
                let unknown = ErrorCode::UnknownTopicOrPartition;
                let message = StrBytes::from_static_str(unknown.message());
                answer.with_error_code(unknown.code()).with_error_message(Some(message))
            }
        }
    });
    AlterShareGroupOffsetsResponseTopic::default()
        .with_topic_name(topic.topic_name.clone())
        .with_topic_id(id.into())
        .with_partitions(partitions.collect())
}
