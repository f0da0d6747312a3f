//! `find-hanging`: open transactions that their coordinator does not know of, and so never ends.

use std::collections::BTreeMap;

use super::super::admin::{describe_topics, list_topics};
use super::calls::{self, Described, Listing, ProducerState};
use super::{Numbers, Output, Stop, failed, hash_order, now_ms, sort_partitions, table};
use crate::client::{Client, ClientError};
use crate::types::{ErrorCode, TopicPartition};

/// Topics or partitions in one request.
const BATCH: usize = 500;
const MINUTE_MS: i64 = 60_000;

/// A transaction that has been open for too long.
struct Open {
    partition: TopicPartition,
    producer: ProducerState,
}

pub(super) fn find(
    client: &mut Client,
    topic: Option<&str>,
    numbers: &Numbers,
    output: &mut Output,
) -> Result<(), Stop> {
    let wrong = |message: &str| Err(Stop::Message(message.to_owned()));
    if topic.is_none() && numbers.broker.is_none() {
        return wrong(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search",
        );
    }
    if numbers.partition.is_some() && topic.is_none() {
        return wrong("The --partition argument requires --topic to be provided");
    }
    let limit_ms = i64::from(numbers.max_transaction_timeout_minutes) * MINUTE_MS;
    let partitions = match (topic, numbers.partition) {
        (Some(topic), Some(partition)) => vec![TopicPartition::new(topic, partition)],
        (Some(topic), None) => partitions_of(client, &[topic.to_owned()], numbers.broker)?,
        (None, _) => {
            let topics = list_topics(client, true).map_err(|error| failed("Failed to list topics", &error))?;
            let topics: Vec<String> = topics.into_iter().map(|topic| topic.name).collect();
            partitions_of(client, &topics, numbers.broker)?
        }
    };
    let candidates = open_for_long(client, &partitions, numbers.broker, limit_ms)?;
    let hanging = if candidates.is_empty() { candidates } else { only_hanging(client, candidates)? };
    print(&hanging, output);
    Ok(())
}

fn partitions_of(client: &mut Client, topics: &[String], broker: Option<i32>) -> Result<Vec<TopicPartition>, Stop> {
    let mut partitions = Vec::new();
    for batch in topics.chunks(BATCH) {
        let what = format!("Failed to describe {} topics", batch.len());
        let names: Vec<&str> = batch.iter().map(String::as_str).collect();
        for (name, topic) in describe_topics(client, &names, 2000).map_err(|error| failed(&what, &error))? {
            let topic = topic.map_err(|error| failed(&what, &error))?;
            let here = |replicas: &[i32]| broker.is_none_or(|broker| replicas.contains(&broker));
            let found = topic.partitions.iter().filter(|partition| here(&partition.replicas));
            partitions.extend(found.map(|partition| TopicPartition::new(name.as_str(), partition.index)));
        }
    }
    Ok(partitions)
}

fn open_for_long(
    client: &mut Client,
    partitions: &[TopicPartition],
    broker: Option<i32>,
    limit_ms: i64,
) -> Result<Vec<Open>, Stop> {
    let mut open = Vec::new();
    for batch in partitions.chunks(BATCH) {
        let mut batch = batch.to_vec();
        sort_partitions(&mut batch);
        let whom = broker.map_or("Optional.empty".to_owned(), |broker| format!("Optional[{broker}]"));
        let what = format!("Failed to describe producers for {} partitions on broker {whom}", batch.len());
        let outcomes = calls::describe_producers(client, &batch, broker);
        let now = now_ms();
        for (partition, producers) in outcomes {
            let producers = producers.map_err(|error| failed(&what, &error))?;
            let is_long = |producer: &ProducerState| {
                producer.current_txn_start_offset >= 0 && now.saturating_sub(producer.last_timestamp) > limit_ms
            };
            let found = producers.into_iter().filter(is_long);
            open.extend(found.map(|producer| Open { partition: partition.clone(), producer }));
        }
    }
    Ok(open)
}

/// Those that their transactional id, as far as there is one, does not count as its own.
fn only_hanging(client: &mut Client, candidates: Vec<Open>) -> Result<Vec<Open>, Stop> {
    let mut producer_ids: Vec<i64> = Vec::new();
    for open in &candidates {
        if !producer_ids.contains(&open.producer.producer_id.0) {
            producer_ids.push(open.producer.producer_id.0);
        }
    }
    hash_order::sort(&mut producer_ids, None, |id| hash_order::of_long(*id));
    let what = format!("Failed to list transactions for {} producers", producer_ids.len());
    let asked = Listing { duration_filter: -1, pattern: None, producer_ids: producer_ids.clone() };
    let listed = calls::list(client, &asked).map_err(|error| failed(&what, &error))?;
    let ids: BTreeMap<i64, String> = listed.into_iter().map(|found| (found.producer_id, found.id)).collect();
    let what = format!("Failed to describe {} transactions", ids.len());
    let mut described: BTreeMap<i64, Described> = BTreeMap::new();
    for (producer_id, id) in ids {
        match calls::describe(client, &id) {
            Ok(found) => drop(described.insert(producer_id, found)),
            Err(ClientError::Kafka { code: ErrorCode::TransactionalIdNotFound, .. }) => {}
            Err(error) => return Err(failed(&what, &error)),
        }
    }
    let is_hanging = |open: &Open| {
        let transaction = described.get(&open.producer.producer_id.0);
        transaction.is_none_or(|transaction| !transaction.partitions.contains(&open.partition))
    };
    let mut hanging: Vec<Open> = candidates.into_iter().filter(is_hanging).collect();
    let place = |open: &Open| producer_ids.iter().position(|id| *id == open.producer.producer_id.0);
    hanging.sort_by_key(place);
    Ok(hanging)
}

fn print(hanging: &[Open], output: &mut Output) {
    let now = now_ms();
    let rows: Vec<[String; 8]> = hanging
        .iter()
        .map(|Open { partition, producer }| {
            [
                partition.topic.to_string(),
                partition.partition.to_string(),
                producer.producer_id.0.to_string(),
                producer.producer_epoch.to_string(),
                producer.coordinator_epoch.max(-1).to_string(),
                producer.current_txn_start_offset.to_string(),
                producer.last_timestamp.to_string(),
                (now.saturating_sub(producer.last_timestamp) / MINUTE_MS).to_string(),
            ]
        })
        .collect();
    let headers = [
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    ];
    table::print(headers, &rows, output);
}
