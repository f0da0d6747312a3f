//! `kafka-transactions.sh`: transactions and their producers, those that hang found and ended.

mod abort;
mod calls;
mod hanging;

use std::time::{SystemTime, UNIX_EPOCH};

use super::subcommands::{self, HOST_AND_PORT, Parsed};
use super::{Flag, Output, Stop, Subcommand, Tool, admin, hash_order, table};
use crate::client::{Bootstrap, Client, ClientError};
use crate::types::TopicPartition;

const TOPIC: Flag = Flag::value("topic", "topic", "The topic");
const PARTITION: Flag = Flag::value("partition", "n", "The partition");
const BROKER: Flag = Flag::value("broker-id", "broker", "The broker whose replicas are looked at");

pub static TOOL: Tool = Tool {
    name: "transactions",
    about: "Describe transactions and their producers, find those that hang, and end them",
    flags: &[
        Flag::switch("version", "Print Kafka's version").short("v"),
        Flag::value("command-config", "FILE", "Properties of the client"),
        Flag::value("bootstrap-server", HOST_AND_PORT, "The brokers to begin with").required(),
    ],
    subcommands: &[
        Subcommand {
            name: "list",
            about: "List transactional ids",
            flags: &[
                Flag::value("duration-filter", "ms", "Only transactions that are open for longer than this"),
                Flag::value("transactional-id-pattern", "pattern", "Only ids that match this regular expression"),
            ],
        },
        Subcommand {
            name: "describe",
            about: "Describe a transactional id",
            flags: &[Flag::value("transactional-id", "id", "The transactional id").required()],
        },
        Subcommand {
            name: "describe-producers",
            about: "Describe the producers of a partition",
            flags: &[BROKER, TOPIC.required(), PARTITION.required()],
        },
        Subcommand {
            name: "abort",
            about: "Abort a transaction that hangs in a partition",
            flags: &[
                TOPIC.required(),
                PARTITION.required(),
                Flag::value("start-offset", "offset", "Where the transaction begins"),
                Flag::value("producer-id", "id", "Its producer, for brokers older than 3.0"),
                Flag::value("producer-epoch", "epoch", "Its producer's epoch, for brokers older than 3.0"),
                Flag::value("coordinator-epoch", "epoch", "Its coordinator's epoch, for brokers older than 3.0"),
            ],
        },
        Subcommand {
            name: "find-hanging",
            about: "Find transactions that no coordinator will end",
            flags: &[
                BROKER,
                Flag::value("max-transaction-timeout", "min", "Minutes a transaction may be open (default: 15)"),
                TOPIC,
                PARTITION,
            ],
        },
        Subcommand {
            name: "forceTerminateTransaction",
            about: "Abort the open transaction of a transactional id",
            flags: &[Flag::value("transactionalId", "TRANSACTIONALID", "The transactional id").required()],
        },
    ],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let parsed = subcommands::parse(tool, &words, Stop::Told, output)?;
    let numbers = Numbers::read(tool, &parsed)?;
    let properties = match parsed.value("command-config") {
        None => admin::properties(None)?,
        file => admin::properties(file).map_err(|stop| match stop {
            Stop::Message(message) => failed("Failed to load admin client properties", &message),
            stop => stop,
        })?,
    };
    let servers = parsed.value("bootstrap-server").unwrap_or_default().to_owned();
    let mut client = admin::open(Bootstrap::Servers(servers), properties, "adminclient-1")?;
    match parsed.command {
        "list" => list(&mut client, &parsed, &numbers, output),
        "describe" => describe(&mut client, parsed.value("transactional-id").unwrap_or_default(), output),
        "describe-producers" => describe_producers(&mut client, &parsed, &numbers, output),
        "abort" => abort::abort(&mut client, &parsed, &numbers),
        "find-hanging" => hanging::find(&mut client, parsed.value("topic"), &numbers, output),
        _ => {
            let id = parsed.value("transactionalId").unwrap_or_default();
            let what = format!("Failed to force terminate transactionalId `{id}`");
            calls::fence(&mut client, id).map_err(|error| failed(&what, &error))
        }
    }
}

/// The numbers among the arguments.
struct Numbers {
    duration_filter: Option<i64>,
    broker: Option<i32>,
    partition: Option<i32>,
    max_transaction_timeout_minutes: i32,
    start_offset: Option<i64>,
    producer_id: Option<i64>,
    producer_epoch: Option<i16>,
    coordinator_epoch: Option<i32>,
}

impl Numbers {
    fn read(tool: &'static Tool, parsed: &Parsed) -> Result<Numbers, Stop> {
        let int = |flag| subcommands::number(tool, parsed, flag);
        let long = |flag| subcommands::convert::<i64>(tool, parsed, flag, "Long");
        Ok(Numbers {
            duration_filter: long("duration-filter")?,
            broker: int("broker-id")?,
            partition: int("partition")?,
            max_transaction_timeout_minutes: int("max-transaction-timeout")?.unwrap_or(15),
            start_offset: long("start-offset")?,
            producer_id: long("producer-id")?,
            producer_epoch: subcommands::convert::<i16>(tool, parsed, "producer-epoch", "Short")?,
            coordinator_epoch: int("coordinator-epoch")?,
        })
    }

    /// The partition that `--topic` and `--partition` name.
    fn partition_of(&self, parsed: &Parsed) -> TopicPartition {
        TopicPartition::new(parsed.value("topic").unwrap_or_default(), self.partition.unwrap_or_default())
    }
}

/// How this tool tells of a failure.
fn failed(what: &str, why: &dyn std::fmt::Display) -> Stop {
    Stop::Message(format!("{what}: {why}. Enable debug logging for additional detail."))
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn list(client: &mut Client, parsed: &Parsed, numbers: &Numbers, output: &mut Output) -> Result<(), Stop> {
    let asked = calls::Listing {
        duration_filter: numbers.duration_filter.unwrap_or(-1),
        pattern: parsed.value("transactional-id-pattern").filter(|pattern| !pattern.is_empty()),
        producer_ids: Vec::new(),
    };
    let listed = calls::list(client, &asked).map_err(|error| failed("Failed to list transactions", &error))?;
    let rows: Vec<[String; 4]> = listed
        .into_iter()
        .map(|found| [found.id, found.coordinator.0.to_string(), found.producer_id.to_string(), found.state])
        .collect();
    table::print(["TransactionalId", "Coordinator", "ProducerId", "TransactionState"], &rows, output);
    Ok(())
}

fn describe(client: &mut Client, id: &str, output: &mut Output) -> Result<(), Stop> {
    let what = format!("Failed to describe transaction state of transactional-id `{id}`");
    let found = calls::describe(client, id).map_err(|error| failed(&what, &error))?;
    let of_time = |ms: &dyn Fn(i64) -> i64| match found.start_ms {
        start if start < 0 => "None".to_owned(),
        start => ms(start).to_string(),
    };
    let partitions: Vec<String> = found.partitions.iter().map(TopicPartition::to_string).collect();
    let headers = [
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    ];
    let row = [
        found.coordinator.0.to_string(),
        id.to_owned(),
        found.producer_id.to_string(),
        found.producer_epoch.to_string(),
        found.state,
        found.timeout_ms.to_string(),
        of_time(&|start| start),
        of_time(&|start| now_ms() - start),
        partitions.join(","),
    ];
    table::print(headers, &[row], output);
    Ok(())
}

fn describe_producers(
    client: &mut Client,
    parsed: &Parsed,
    numbers: &Numbers,
    output: &mut Output,
) -> Result<(), Stop> {
    let partition = numbers.partition_of(parsed);
    let whom = numbers.broker.map_or("leader".to_owned(), |broker| format!("broker {broker}"));
    let what = format!("Failed to describe producers for partition {partition} on {whom}");
    let producers = producers_of(client, &partition, numbers.broker).map_err(|error| failed(&what, &error))?;
    let rows: Vec<[String; 6]> = producers
        .iter()
        .map(|producer| {
            let start = producer.current_txn_start_offset;
            [
                producer.producer_id.0.to_string(),
                producer.producer_epoch.to_string(),
                producer.coordinator_epoch.max(-1).to_string(),
                producer.last_sequence.to_string(),
                producer.last_timestamp.to_string(),
                if start < 0 { "None".to_owned() } else { start.to_string() },
            ]
        })
        .collect();
    let headers = [
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    ];
    table::print(headers, &rows, output);
    Ok(())
}

/// The producers of one partition.
fn producers_of(
    client: &mut Client,
    partition: &TopicPartition,
    broker: Option<i32>,
) -> Result<Vec<calls::ProducerState>, ClientError> {
    let outcome = calls::describe_producers(client, std::slice::from_ref(partition), broker).pop();
    outcome.map_or_else(|| Ok(Vec::new()), |(_, producers)| producers)
}

/// Puts partitions into the order of Java's set.
fn sort_partitions(partitions: &mut [TopicPartition]) {
    hash_order::sort(partitions, None, |partition| hash_order::of_partition(&partition.topic, partition.partition));
}
