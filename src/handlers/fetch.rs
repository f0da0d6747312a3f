//! Fetch (1), versions 4 to 18: incremental sessions from 7, leader epochs from 9, topics by id from 13.

mod read;
pub(super) mod response;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::{Answer, Call};
use crate::protocol::messages::FetchRequest;
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::replication::fetch_session::{
    FetchContext, FetchKey, FetchPosition, FetchSessionRequest, FetchTopicKey, FetchedState, SessionKind,
};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Offset, Uuid};

use read::{FetchPlan, Target};
use response::{FetchAnswer, FetchedPartition, FetchedTopic};

const FIRST_VERSION_WITH_IDS: i16 = 13;

/// The isolation levels there are.
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

pub(super) async fn handle(call: &Call<'_>, request: FetchRequest) -> Answer {
    let limits = FetchPlan::limits(call, &request);
    let is_isolation_known = matches!(request.isolation_level, READ_UNCOMMITTED | READ_COMMITTED);
    let failed = if is_isolation_known { None } else { Some(failed_answer(call, &request)) };
    let session = session_request(call, request);
    let mut context = call.node.fetch_sessions.begin(session, call.node.clock.monotonic());
    let partitions = match &mut context {
        FetchContext::Refused(error) => return refuse(call, *error),
        FetchContext::Sessionless { partitions }
        | FetchContext::Full { partitions, .. }
        | FetchContext::Incremental { partitions, .. } => partitions,
    };
    let targets = read::resolve(call, partitions);
    if let (Some(failed), true) = (failed, targets.iter().any(Target::is_known)) {
        return answer(call, failed);
    }
    let fetched = FetchPlan { limits, targets: &targets }.run(call).await;
    respond(call, context, targets, fetched)
}

fn refuse(call: &Call<'_>, error: ErrorCode) -> Answer {
    answer(call, FetchAnswer { error: Some(error), ..FetchAnswer::default() })
}

fn answer(call: &Call<'_>, answer: FetchAnswer) -> Answer {
    Answer::Frame(answer.into_segments(call.version(), call.header.correlation_id))
}

/// The answer to a request that Kafka fails over as a whole: below version 13 each partition tells the error too.
fn failed_answer(call: &Call<'_>, request: &FetchRequest) -> FetchAnswer {
    let error = ErrorCode::UnknownServerError;
    let partition = |asked: &FetchPartition| FetchedPartition {
        aborted_transactions: Some(Vec::new()),
        ..FetchedPartition::failed(asked.partition, error)
    };
    let topic = |asked: &FetchTopic| FetchedTopic {
        name: Arc::from(&**asked.topic),
        topic_id: asked.topic_id.into(),
        partitions: asked.partitions.iter().map(partition).collect(),
    };
    let topics = match call.version() < FIRST_VERSION_WITH_IDS {
        true => request.topics.iter().map(topic).collect(),
        false => Vec::new(),
    };
    FetchAnswer { error: Some(error), session_id: request.session_id, topics, ..FetchAnswer::default() }
}

/// Brings the session up to date with what is answered, and leaves out what an incremental answer need not repeat.
fn respond(
    call: &Call<'_>,
    context: FetchContext,
    targets: Vec<Target>,
    fetched: Vec<FetchedPartition>,
) -> Answer {
    let states: Vec<FetchedState> = fetched.iter().map(state_of).collect();
    let sessions = &call.node.fetch_sessions;
    let mut selected = vec![true; fetched.len()];
    let session_id = match context {
        FetchContext::Full { partitions, uses_topic_ids, from_follower } => {
            let kind = SessionKind { uses_topic_ids, from_follower };
            let now = call.node.clock.monotonic();
            sessions.open(&partitions, &states, kind, now, fresh_session_id)
        }
        FetchContext::Incremental { partitions, session_id, .. } => {
            let keys: Vec<FetchKey> = partitions.into_iter().map(|(key, _)| key).collect();
            selected = sessions.select(session_id, &keys, &states);
            session_id
        }
        FetchContext::Sessionless { .. } | FetchContext::Refused(_) => 0,
    };
    let mut topics: Vec<FetchedTopic> = Vec::new();
    let answered = targets.into_iter().zip(fetched).zip(selected).filter(|(_, selected)| *selected);
    for ((target, partition), _) in answered {
        match topics.last_mut() {
            Some(topic) if topic.name == target.name && topic.topic_id == target.topic_id => {
                topic.partitions.push(partition);
            }
            _ => topics.push(FetchedTopic {
                name: target.name,
                topic_id: target.topic_id,
                partitions: vec![partition],
            }),
        }
    }
    answer(call, FetchAnswer { session_id, topics, ..FetchAnswer::default() })
}

fn state_of(partition: &FetchedPartition) -> FetchedState {
    FetchedState {
        error: partition.error,
        high_watermark: partition.high_watermark,
        log_start_offset: partition.log_start_offset,
        has_records: partition.records_len() > 0,
        has_diverging_epoch: partition.diverging_epoch.is_some(),
    }
}

fn session_request(call: &Call<'_>, request: FetchRequest) -> FetchSessionRequest {
    let uses_topic_ids = call.version() >= FIRST_VERSION_WITH_IDS;
    let topic_key = |name: &str, id: uuid::Uuid| match uses_topic_ids {
        true => FetchTopicKey::Id(id.into()),
        false => FetchTopicKey::Name(Arc::from(name)),
    };
    // Of a partition that is named twice the first place counts, and the last position.
    let mut partitions: Vec<(FetchKey, FetchPosition)> = Vec::new();
    let mut places: HashMap<FetchKey, usize> = HashMap::new();
    for FetchTopic { topic, topic_id, partitions: asked, .. } in request.topics {
        let topic = topic_key(&topic, topic_id);
        for partition in asked {
            let key = FetchKey { topic: topic.clone(), partition: partition.partition };
            match places.entry(key.clone()) {
                Entry::Occupied(place) => partitions[*place.get()].1 = position(&partition),
                Entry::Vacant(place) => {
                    place.insert(partitions.len());
                    partitions.push((key, position(&partition)));
                }
            }
        }
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let key = topic_key(&topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.into_iter().map(|partition| FetchKey { topic: key.clone(), partition }));
    }
    FetchSessionRequest {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        uses_topic_ids,
        from_follower: request.replica_id.0 >= 0 || request.replica_state.replica_id.0 >= 0,
        partitions,
        forgotten,
    }
}

fn position(partition: &FetchPartition) -> FetchPosition {
    FetchPosition {
        fetch_offset: Offset(partition.fetch_offset),
        max_bytes: partition.partition_max_bytes,
        current_leader_epoch: epoch(partition.current_leader_epoch),
        last_fetched_epoch: epoch(partition.last_fetched_epoch),
        log_start_offset: Offset(partition.log_start_offset),
    }
}

/// Any negative number says that there is no epoch.
fn epoch(number: i32) -> LeaderEpoch {
    LeaderEpoch(number).max(LeaderEpoch::NONE)
}

/// Random numbers, of which a random UUID holds enough.
fn fresh_session_id() -> i32 {
    let [a, b, c, d, ..] = Uuid::random().0;
    i32::from_be_bytes([a, b, c, d])
}

/// The replica that fetches: its own id in the field of its version, -1 for a consumer.
fn replica_id(call: &Call<'_>, request: &FetchRequest) -> BrokerId {
    match call.version() >= 15 {
        true => BrokerId(request.replica_state.replica_id.0),
        false => BrokerId(request.replica_id.0),
    }
}
