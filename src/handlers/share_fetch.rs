//! ShareFetch (78), versions 1 and 2: a member of a share group gets records and says what became of others (KIP-932,
//! KIP-1206, KIP-1222).

mod batches;
mod read;
mod response;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::share_acks::{self, Acknowledged};
use super::{Answer, Call};
use crate::coordinator::share_partition::{FINAL_EPOCH, SessionPartition, ShareContext, ShareSessionRequest};
use crate::protocol::message::Message;
use crate::protocol::messages::ShareFetchRequest;
use crate::protocol::newer::{self, ShareFetchPartition};
use crate::types::{ErrorCode, Millis, TopicId, TopicIdPartition};

use read::SharePlan;
use response::{ShareAnswer, SharedRecords};

pub(super) async fn handle(call: &Call<'_>, _: ShareFetchRequest) -> Answer {
    let request = match newer::ShareFetchRequest::decode(call.body, call.version()) {
        Ok((request, _)) => request,
        Err(error) => return Answer::Close(error.to_string()),
    };
    let (group, member) = match share_acks::owner(call, request.group_id.clone(), request.member_id.clone()) {
        Ok(owner) => owner,
        Err(error) => return refuse(call, error),
    };
    if request.is_renew_ack && asks_for_records(&request) {
        return refuse(call, ErrorCode::InvalidRequest);
    }
    let partitions = &call.node.share_partitions;
    let epoch = request.share_session_epoch;
    let plan = SharePlan::new(call, &request, (&group, &member));
    let (session, said) = session_request(call, (&group, &member), request.share_session_epoch, request.topics, request.forgotten_topics_data);
    let context = match partitions.sessions.begin(&session) {
        Ok(context) => context,
        Err(error) => {
            if error == ErrorCode::ShareSessionLimitReached {
                // So that a client which is turned away does not come back at once.
                tokio::time::sleep(Millis(request.max_wait_ms.into()).duration()).await;
            }
            return refuse(call, error);
        }
    };
    let acknowledged = match session.has_acknowledgements {
        true => share_acks::acknowledge(call, (&group, &member), request.is_renew_ack, said).await,
        false => Acknowledged::new(),
    };
    let fetched = match request.is_renew_ack {
        true => Vec::new(),
        false => plan.run(call, context.partitions()).await,
    };
    let answer = answer(call, (&group, &member), epoch, &context, fetched, acknowledged);
    if epoch == FINAL_EPOCH {
        partitions.end_session(&group, &member);
    }
    answer
}

fn refuse(call: &Call<'_>, error: ErrorCode) -> Answer {
    send(call, ShareAnswer::refusal(error))
}

fn send(call: &Call<'_>, answer: ShareAnswer) -> Answer {
    Answer::Frame(answer.into_segments(call.header.correlation_id))
}

/// A request that renews locks must not wait for records: they could time out meanwhile.
fn asks_for_records(request: &newer::ShareFetchRequest) -> bool {
    [request.max_bytes, request.min_bytes, request.max_records, request.max_wait_ms].iter().any(|limit| *limit != 0)
}

/// What the request says of its session, and what it says of records.
fn session_request(
    call: &Call<'_>,
    (group, member): (&Arc<str>, &Arc<str>),
    epoch: i32,
    topics: Vec<newer::ShareFetchTopic>,
    forgotten: Vec<newer::ShareForgottenTopic>,
) -> (ShareSessionRequest, Vec<(TopicId, Vec<ShareFetchPartition>)>) {
    let image = call.node.image();
    let mut partitions = Vec::new();
    for topic in &topics {
        let is_known = image.topics.with_id(topic.topic_id).is_some();
        partitions.extend(topic.partitions.iter().map(|named| SessionPartition {
            partition: TopicIdPartition { topic_id: topic.topic_id, partition: named.partition_index },
            is_known,
        }));
    }
    let of_topic = |topic: newer::ShareForgottenTopic| {
        topic.partitions.into_iter().map(move |partition| TopicIdPartition { topic_id: topic.topic_id, partition })
    };
    let mut named = topics.iter().flat_map(|topic| &topic.partitions);
    let session = ShareSessionRequest {
        group: group.clone(),
        member: member.clone(),
        epoch,
        has_acknowledgements: named.any(|named| !named.acknowledgement_batches.is_empty()),
        partitions,
        forgotten: forgotten.into_iter().flat_map(of_topic).collect(),
        connection: call.connection.id,
    };
    (session, topics.into_iter().map(|topic| (topic.topic_id, topic.partitions)).collect())
}

/// Leaves out what a session need not repeat, and adds what there is to say of acknowledgements.
fn answer(
    call: &Call<'_>,
    (group, member): (&Arc<str>, &Arc<str>),
    epoch: i32,
    context: &ShareContext,
    fetched: Vec<SharedRecords>,
    mut acknowledged: Acknowledged,
) -> Answer {
    let partitions = &call.node.share_partitions;
    let mut selected = vec![true; fetched.len()];
    let mut error = ErrorCode::None;
    if let ShareContext::Incremental(_) = context {
        let state = |fetched: &SharedRecords| (fetched.partition, fetched.records.is_some(), !fetched.error.0.is_none());
        let states: Vec<_> = fetched.iter().map(state).collect();
        match partitions.sessions.select(group, member, epoch, &states) {
            Ok(news) => selected = news,
            Err(refusal) => {
                error = refusal;
                selected.fill(false);
            }
        }
    }
    let news = fetched.into_iter().zip(selected).filter(|(_, selected)| *selected).map(|(fetched, _)| fetched);
    let mut told: Vec<SharedRecords> = news.collect();
    for partition in &mut told {
        if let Some(said) = acknowledged.remove(&partition.partition) {
            partition.acknowledged = said;
        }
    }
    told.extend(acknowledged.into_iter().map(|(partition, acknowledged)| SharedRecords {
        acknowledged,
        ..SharedRecords::nothing(partition)
    }));
    let acquisition_lock_timeout_ms = partitions.config(group).share_record_lock_duration_ms;
    send(call, ShareAnswer::of(call, error, acquisition_lock_timeout_ms, told))
}

/// Each topic once, in the order of its first partition.
fn in_order(partitions: &[SharedRecords]) -> Vec<TopicId> {
    let mut seen = BTreeSet::new();
    let topics = partitions.iter().map(|partition| partition.partition.topic_id);
    topics.filter(|topic| seen.insert(*topic)).collect()
}
