//! Calls that go to the leaders of partitions: each to its own, again after a move.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::{Client, ClientError, Target, no_fault, out_of_time};
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::protocol::messages::{ListOffsetsRequest, TopicName};
use crate::types::{BrokerId, ErrorCode, TopicPartition};

use super::admin::text;

/// What became of each partition.
pub type Outcomes<T> = Vec<(TopicPartition, Result<T, ClientError>)>;

/// Repeats `call` with the partitions of each leader until each has succeeded, failed for good, or `timeout` is over.
pub fn by_leader<T>(
    client: &mut Client,
    name: &str,
    partitions: &[TopicPartition],
    timeout: Duration,
    mut call: impl FnMut(&mut Client, BrokerId, &[TopicPartition]) -> Result<Outcomes<T>, ClientError>,
) -> Outcomes<T> {
    let deadline = Instant::now() + timeout;
    let mut pending: Vec<TopicPartition> = partitions.to_vec();
    let mut done = Vec::new();
    let mut pause = client.config.retry_backoff;
    let mut tries = 0;
    while !pending.is_empty() {
        tries += 1;
        let outcomes = attempt(client, name, &pending, &mut call);
        let is_over = Instant::now() + pause >= deadline;
        let no_more = u64::from(tries) > client.config.retries;
        pending.clear();
        for (partition, outcome) in outcomes {
            match outcome {
                Err(error) if error.is_retriable() && no_more => {
                    let message = format!("Exceeded maxRetries after {tries} tries.");
                    done.push((partition, Err(ClientError::timeout(message))));
                }
                Err(error) if error.is_retriable() && !is_over => pending.push(partition),
                Err(error) if error.is_retriable() => {
                    let api = format!("{name}(api=METADATA)");
                    done.push((partition, Err(out_of_time(&api, true, tries, deadline, &error))));
                }
                outcome => done.push((partition, outcome)),
            }
        }
        if !pending.is_empty() {
            sleep(pause);
            pause = (pause * 2).min(client.config.retry_backoff_max);
        }
    }
    let place = |partition: &TopicPartition| partitions.iter().position(|asked| asked == partition);
    done.sort_by_key(|(partition, _)| place(partition));
    done
}

fn attempt<T>(
    client: &mut Client,
    name: &str,
    partitions: &[TopicPartition],
    call: &mut impl FnMut(&mut Client, BrokerId, &[TopicPartition]) -> Result<Outcomes<T>, ClientError>,
) -> Outcomes<T> {
    let mut outcomes = Vec::new();
    let mut of_leader: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
    let leaders = match leaders(client, name, partitions) {
        Ok(leaders) => leaders,
        Err(error) => return partitions.iter().map(|partition| (partition.clone(), Err(error.clone()))).collect(),
    };
    for (partition, leader) in leaders {
        match leader {
            Ok(leader) => of_leader.entry(leader).or_default().push(partition),
            Err(error) => outcomes.push((partition, Err(error))),
        }
    }
    for (leader, partitions) in of_leader {
        match call(client, leader, &partitions) {
            Ok(answered) => outcomes.extend(answered),
            Err(error) => outcomes.extend(partitions.into_iter().map(|partition| (partition, Err(error.clone())))),
        }
    }
    outcomes
}

fn leaders(client: &mut Client, name: &str, partitions: &[TopicPartition]) -> Result<Outcomes<BrokerId>, ClientError> {
    let mut topics: Vec<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    let response = client.topics(name, Some(&topics))?;
    let leader = |wanted: &TopicPartition| {
        let topic =
            response.topics.iter().find(|topic| topic.name.as_ref().is_some_and(|name| **name == *wanted.topic));
        let topic = topic.ok_or_else(|| ClientError::of(ErrorCode::UnknownTopicOrPartition))?;
        ClientError::from_wire(topic.error_code, None)?;
        let partition = topic.partitions.iter().find(|partition| partition.partition_index == wanted.partition);
        let partition = partition.ok_or_else(|| ClientError::of(ErrorCode::UnknownTopicOrPartition))?;
        match partition.leader_id.0 {
            id if id < 0 => Err(ClientError::of(ErrorCode::LeaderNotAvailable)),
            id => Ok(BrokerId(id)),
        }
    };
    Ok(partitions.iter().map(|partition| (partition.clone(), leader(partition))).collect())
}

/// What the special timestamps of ListOffsets ask for.
pub mod timestamp {
    pub const LATEST: i64 = -1;
    pub const EARLIEST: i64 = -2;
    pub const MAX_TIMESTAMP: i64 = -3;
    pub const EARLIEST_LOCAL: i64 = -4;
    pub const LATEST_TIERED: i64 = -5;
    pub const EARLIEST_PENDING_UPLOAD: i64 = -6;
}

/// The offset of each partition at a timestamp; -1 where there is none.
pub fn list_offsets(client: &mut Client, partitions: &[TopicPartition], at: i64, timeout: Duration) -> Outcomes<i64> {
    list_offsets_of(client, partitions, at, false, timeout)
}

/// As [`list_offsets`], also as those see it who read only what is committed.
pub fn list_offsets_of(
    client: &mut Client,
    partitions: &[TopicPartition],
    at: i64,
    read_committed: bool,
    timeout: Duration,
) -> Outcomes<i64> {
    by_leader(client, "listOffsets", partitions, timeout, |client, leader, partitions| {
        let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for partition in partitions {
            let asked = ListOffsetsPartition::default().with_partition_index(partition.partition).with_timestamp(at);
            topics.entry(&partition.topic).or_default().push(asked);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            ListOffsetsTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_isolation_level(i8::from(read_committed))
            .with_topics(topics.collect())
            .with_timeout_ms(super::admin::timeout_ms(client));
        let lowest = lowest_version(at);
        let request = |version: i16| match version >= lowest {
            true => Ok(request.clone()),
            false => Err(ClientError::Kafka {
                code: ErrorCode::UnsupportedVersion,
                message: format!("The node does not support LIST_OFFSETS at timestamp {at}"),
            }),
        };
        let target = Target::Broker(leader);
        let response = client.call_versioned::<ListOffsetsRequest>(target, "listOffsets", request, no_fault)?;
        let outcomes = response.topics.into_iter().flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.name.as_str().into();
            topic.partitions.into_iter().map(move |partition| {
                let outcome = ClientError::from_wire(partition.error_code, None).map(|()| partition.offset);
                (TopicPartition::new(name.clone(), partition.partition_index), outcome)
            })
        });
        Ok(outcomes.collect())
    })
}

/// The first version of ListOffsets that knows a special timestamp.
fn lowest_version(at: i64) -> i16 {
    match at {
        timestamp::MAX_TIMESTAMP => 7,
        timestamp::EARLIEST_LOCAL => 8,
        timestamp::LATEST_TIERED => 9,
        timestamp::EARLIEST_PENDING_UPLOAD => 11,
        _ => 0,
    }
}
