//! Acknowledgements of records of share groups, which ShareFetch and ShareAcknowledge both carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Call;
use crate::coordinator::share::SharePartitionKey;
use crate::coordinator::share_partition::{AckType, Acknowledgement};
use crate::protocol::newer::{AcknowledgementBatch, ShareFetchPartition};
use crate::types::{ErrorCode, Offset, TopicId, TopicIdPartition};

/// The first version that can renew locks.
const FIRST_VERSION_WITH_RENEWAL: i16 = 2;
/// The longest id of a member.
const MEMBER_ID_LEN_MAX: usize = 36;

/// Error code and message of a partition.
pub(super) type Told = (ErrorCode, Option<String>);
/// The answers to acknowledgements.
pub(super) type Acknowledged = BTreeMap<TopicIdPartition, Told>;

/// Whether a group may be spoken for, and by whom.
pub(super) fn owner(
    call: &Call<'_>,
    group: Option<String>,
    member: Option<String>,
) -> Result<(Arc<str>, Arc<str>), ErrorCode> {
    if !call.node.image().share_groups_enabled() {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let group = group.ok_or(ErrorCode::InvalidRequest)?;
    let is_id = |member: &String| (1..=MEMBER_ID_LEN_MAX).contains(&member.encode_utf16().count());
    let member = member.filter(is_id).ok_or(ErrorCode::InvalidRequest)?;
    Ok((group.into(), member.into()))
}

/// Has the acknowledgements of a request taken note of; an answer comes once they are written.
pub(super) async fn acknowledge(
    call: &Call<'_>,
    (group, member): (&Arc<str>, &Arc<str>),
    is_renewal: bool,
    said: Vec<(TopicId, Vec<ShareFetchPartition>)>,
) -> Acknowledged {
    let image = call.node.image();
    let may_renew = call.version() >= FIRST_VERSION_WITH_RENEWAL && is_renewal;
    let mut answers = Acknowledged::new();
    let mut wanted: BTreeMap<TopicIdPartition, Vec<Acknowledgement>> = BTreeMap::new();
    let mut silent = Vec::new();
    for (topic_id, partitions) in said {
        let topic = image.topics.with_id(topic_id);
        for ShareFetchPartition { partition_index: partition, acknowledgement_batches: batches } in partitions {
            let named = TopicIdPartition { topic_id, partition };
            let refusal = match (topic, acknowledgements(batches, may_renew)) {
                (None, _) => ErrorCode::UnknownTopicId,
                (_, None) => ErrorCode::InvalidRequest,
                (Some(topic), _) if !topic.partitions.contains_key(&partition) => ErrorCode::UnknownTopicOrPartition,
                (Some(_), Some(said)) if said.is_empty() => {
                    silent.push(named);
                    continue;
                }
                (Some(_), Some(said)) => {
                    wanted.insert(named, said);
                    continue;
                }
            };
            answers.insert(named, (refusal, None));
        }
    }
    if !wanted.is_empty() {
        // As Kafka, who tells of them only beside others.
        answers.extend(silent.into_iter().map(|named| (named, (ErrorCode::None, None))));
    }
    for (named, said) in wanted {
        let key = SharePartitionKey::new(group.clone(), named.topic_id, named.partition);
        let told = match call.node.share_partitions.acknowledge(&key, member, said).await {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        };
        answers.insert(named, told);
    }
    answers
}

/// What a partition's batches say; `None` if they are out of order, empty, of another length than what they say, or say
/// what is not known.
fn acknowledgements(batches: Vec<AcknowledgementBatch>, may_renew: bool) -> Option<Vec<Acknowledgement>> {
    let mut reached = Offset::NONE;
    let mut said = Vec::new();
    for batch in batches {
        let (first, last) = (Offset(batch.first_offset), Offset(batch.last_offset));
        let len = batch.acknowledge_types.len();
        let is_of_len = len == 1 || (len > 1 && i64::try_from(len).is_ok_and(|len| last - first == len - 1));
        if first > last || first < reached || !is_of_len {
            return None;
        }
        reached = last;
        let known = |id: &i8| AckType::from_id(*id).filter(|said| may_renew || *said != AckType::Renew);
        let types = batch.acknowledge_types.iter().map(known).collect::<Option<_>>()?;
        said.push(Acknowledgement { first, last, types });
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches as `first-last:types`.
    fn parse(text: &str, may_renew: bool) -> Option<usize> {
        let batch = |word: &str| {
            let (range, types) = word.split_once(':').unwrap();
            let (first, last) = range.split_once("..").unwrap();
            AcknowledgementBatch {
                first_offset: first.parse().unwrap(),
                last_offset: last.parse().unwrap(),
                acknowledge_types: types.split(',').filter_map(|id| id.parse().ok()).collect(),
            }
        };
        acknowledgements(text.split_whitespace().map(batch).collect(), may_renew).map(|said| said.len())
    }

    #[test]
    fn malformed_batches_are_refused_as_kafka_does() {
        for (text, expected) in [
            ("", Some(0)),
            ("0..4:1", Some(1)),
            ("0..2:1,2,3 3..3:0", Some(2)),
            ("0..4:1 4..5:1", Some(2)),
            ("4..0:1", None),
            ("5..9:1 0..4:1", None),
            ("0..4:", None),
            ("0..4:1,1", None),
            ("0..1:1,1,1", None),
            ("0..4:5", None),
            ("0..4:-1", None),
            ("0..4:4", None),
            ("-9..4:1", None),
            ("0..9223372036854775807:1,1", None),
        ] {
            assert_eq!(parse(text, false), expected, "{text}");
        }
        assert_eq!(parse("0..4:4 5..6:4,1", true), Some(2));
    }
}
