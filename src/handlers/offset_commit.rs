//! OffsetCommit (8), versions 2 to 10: topics by name below 10, by id from there.

use std::collections::HashMap;

use super::{Answer, Call};
use crate::metadata::{MetadataImage, TopicImage};
use crate::protocol::StrBytes;
use crate::protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use crate::protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use crate::protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, ResponseKind};
use crate::types::{ErrorCode, TopicId};

/// The first version that names topics by id.
const FIRST_VERSION_WITH_IDS: i16 = 10;

pub(super) async fn handle(call: &Call<'_>, mut request: OffsetCommitRequest) -> Answer {
    let image = call.node.image();
    let by_id = call.version() >= FIRST_VERSION_WITH_IDS;
    let mut refused = Vec::new();
    let mut known = Vec::new();
    for mut topic in std::mem::take(&mut request.topics) {
        match find(&image, &topic, by_id) {
            Err(error) => refused.push(refuse(&topic, error)),
            Ok(found) => {
                topic.name = StrBytes::from_string(found.name.to_string()).into();
                topic.topic_id = found.id.into();
                let (exist, gone) = topic.partitions.drain(..).partition(|p| found.partitions.contains_key(&p.partition_index));
                let missing = OffsetCommitRequestTopic::with_partitions(topic.clone(), gone);
                if !missing.partitions.is_empty() {
                    refused.push(refuse(&missing, ErrorCode::UnknownTopicOrPartition));
                }
                topic.partitions = exist;
                if !topic.partitions.is_empty() {
                    known.push(topic);
                }
            }
        }
    }
    let mut response = OffsetCommitResponse::default();
    if !known.is_empty() {
        request.topics = known;
        response = call.node.groups.commit(request, call.version()).await;
    }
    if !refused.is_empty() {
        response.topics = merged(refused.into_iter().chain(response.topics));
    }
    for topic in &mut response.topics {
        match by_id {
            true => topic.topic_id = image.topics.named(&topic.name).map_or(topic.topic_id, |found| found.id.into()),
            false => topic.topic_id = TopicId::ZERO.into(),
        }
        if by_id {
            topic.name = Default::default();
        }
    }
    ResponseKind::OffsetCommit(response).into()
}

fn find<'a>(
    image: &'a MetadataImage,
    topic: &OffsetCommitRequestTopic,
    by_id: bool,
) -> Result<&'a TopicImage, ErrorCode> {
    match by_id {
        true => image.topics.with_id(topic.topic_id.into()).map(|found| &**found).ok_or(ErrorCode::UnknownTopicId),
        false => image.topics.named(&topic.name).map(|found| &**found).ok_or(ErrorCode::UnknownTopicOrPartition),
    }
}

fn refuse(topic: &OffsetCommitRequestTopic, error: ErrorCode) -> OffsetCommitResponseTopic {
    let partition = |index| {
        OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(error.code())
    };
    OffsetCommitResponseTopic::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
        .with_partitions(topic.partitions.iter().map(|p| partition(p.partition_index)).collect())
}

/// Kafka answers each topic once where some partitions were refused before the rest was committed.
fn merged(topics: impl Iterator<Item = OffsetCommitResponseTopic>) -> Vec<OffsetCommitResponseTopic> {
    let mut merged: Vec<OffsetCommitResponseTopic> = Vec::new();
    let mut places = HashMap::new();
    for topic in topics {
        let place = *places.entry((topic.name.clone(), topic.topic_id)).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(same) => same.partitions.extend(topic.partitions),
            None => merged.push(topic),
        }
    }
    merged
}
