//! rskafka behind the scenario language: it has no groups, and headers are a sorted map.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ottla_compat_clients::{
    Answer, Call, FETCH_PARTITION_BYTES, Problem, Reading, Record, gave_up, pairs, records, serve, unknown,
};
use rskafka::BackoffConfig;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record as Sent;
use tokio::runtime::Runtime;

const BATCH: usize = 500;
const WAIT_MS: i32 = 100;
const PATIENCE: Duration = Duration::from_secs(15);

struct Program {
    runtime: Runtime,
    bootstrap: String,
    pool: Vec<u8>,
    client: Option<Arc<Client>>,
    reading: Vec<Place>,
}

/// Where reading a partition has come to, and what was fetched beyond that.
struct Place {
    partition: PartitionClient,
    next: i64,
    waiting: VecDeque<Record>,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (bootstrap, pool) = (args.next().expect("BOOTSTRAP"), args.next().expect("POOL"));
    let mut program = Program {
        runtime: Runtime::new().expect("a runtime"),
        bootstrap,
        pool: std::fs::read(pool).expect("POOL"),
        client: None,
        reading: Vec::new(),
    };
    serve(|call| program.obey(call));
}

impl Program {
    fn obey(&mut self, call: &Call) -> Answer {
        match call.verb.as_str() {
            "version" => Ok("rskafka 0.6.0".into()),
            "create" if !call.options.is_empty() => {
                Err(Problem::Cannot("rskafka creates topics without configs".into()))
            }
            "create" | "delete" => self.administer(call),
            "trim" => self.trim(call),
            "topics" => self.topics(),
            "offsets" => self.offsets(&call.args[0], call.int(1), &call.args[2]).map(|found| pairs(&found)),
            "produce" if call.option("idempotent") == Some("yes") => {
                Err(Problem::Cannot("rskafka has no idempotent producer".into()))
            }
            "produce" => self.produce(call),
            "assign" => self.assign(call),
            "read" => self.read(call),
            "join" => Err(Problem::Cannot("rskafka has no groups".into())),
            "leave" => {
                self.reading.clear();
                Ok(String::new())
            }
            _ => unknown(call),
        }
    }

    fn client(&mut self) -> Result<Arc<Client>, Problem> {
        if self.client.is_none() {
            let backoff = BackoffConfig {
                deadline: Some(PATIENCE),
                max_backoff: Duration::from_secs(1),
                ..BackoffConfig::default()
            };
            let building = ClientBuilder::new(vec![self.bootstrap.clone()]).backoff_config(backoff).build();
            self.client = Some(Arc::new(self.runtime.block_on(building).map_err(refused)?));
        }
        Ok(self.client.clone().expect("just built"))
    }

    fn partition(&mut self, topic: &str, partition: i32) -> Result<PartitionClient, Problem> {
        let client = self.client()?;
        self.runtime.block_on(client.partition_client(topic, partition, UnknownTopicHandling::Error)).map_err(refused)
    }

    fn administer(&mut self, call: &Call) -> Answer {
        let controller = self.client()?.controller_client().map_err(refused)?;
        let topic = &call.args[0];
        self.runtime
            .block_on(async {
                match call.verb.as_str() {
                    "create" => controller.create_topic(topic, call.int(1) as i32, 1, 15_000).await,
                    _ => controller.delete_topic(topic, 15_000).await,
                }
            })
            .map_err(refused)?;
        Ok(String::new())
    }

    fn trim(&mut self, call: &Call) -> Answer {
        let partition = self.partition(&call.args[0], call.int(1) as i32)?;
        self.runtime.block_on(partition.delete_records(call.int(2), 15_000)).map_err(refused)?;
        Ok(self.runtime.block_on(partition.get_offset(OffsetAt::Earliest)).map_err(refused)?.to_string())
    }

    fn topics(&mut self) -> Answer {
        let client = self.client()?;
        let mut names: Vec<String> =
            self.runtime.block_on(client.list_topics()).map_err(refused)?.into_iter().map(|topic| topic.name).collect();
        names.sort();
        Ok(names.join(" "))
    }

    fn offsets(&mut self, topic: &str, partitions: i64, at: &str) -> Result<BTreeMap<i32, i64>, Problem> {
        let mut found = BTreeMap::new();
        for index in 0..partitions as i32 {
            let partition = self.partition(topic, index)?;
            let at = match at {
                "earliest" => OffsetAt::Earliest,
                "latest" => OffsetAt::Latest,
                millis => OffsetAt::Timestamp(
                    DateTime::from_timestamp_millis(millis.parse().expect("milliseconds")).expect("a time"),
                ),
            };
            found.insert(index, self.runtime.block_on(partition.get_offset(at)).map_err(refused)?);
        }
        Ok(found)
    }

    fn produce(&mut self, call: &Call) -> Answer {
        let codec = match call.option("codec").unwrap_or("none") {
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd,
            _ => Compression::NoCompression,
        };
        let topic = &call.args[0];
        let clients =
            (0..call.int(2) as i32).map(|index| self.partition(topic, index)).collect::<Result<Vec<_>, _>>()?;
        let mut batches: Vec<Vec<Sent>> = clients.iter().map(|_| Vec::new()).collect();
        for record in records(&self.pool, call) {
            let index = record.partition as usize;
            batches[index].push(Sent {
                key: record.key,
                value: record.value,
                headers: record.headers.into_iter().rev().collect(),
                timestamp: Utc::now(),
            });
            if batches[index].len() == BATCH {
                let batch = std::mem::take(&mut batches[index]);
                self.runtime.block_on(clients[index].produce(batch, codec)).map_err(refused)?;
            }
        }
        for (client, batch) in clients.iter().zip(batches) {
            self.runtime.block_on(client.produce(batch, codec)).map_err(refused)?;
        }
        Ok(call.args[1].clone())
    }

    fn assign(&mut self, call: &Call) -> Answer {
        if call.option("isolation") == Some("read_committed") {
            return Err(Problem::Cannot("rskafka has no isolation level".into()));
        }
        let starts = self.offsets(&call.args[0], call.int(1), &call.args[2])?;
        let ends = self.offsets(&call.args[0], call.int(1), "latest")?;
        self.reading.clear();
        for (index, offset) in starts {
            let next = if offset < 0 { ends[&index] } else { offset };
            let partition = self.partition(&call.args[0], index)?;
            self.reading.push(Place { partition, next, waiting: VecDeque::new() });
        }
        Ok(String::new())
    }

    /// One fetch a partition in turn.
    fn read(&mut self, call: &Call) -> Answer {
        let mut reading = Reading::begin(call)?;
        while reading.left().is_some() {
            for place in &mut self.reading {
                if place.waiting.is_empty() {
                    let fetching = place.partition.fetch_records(place.next, 1..FETCH_PARTITION_BYTES, WAIT_MS);
                    let (fetched, _) = self.runtime.block_on(fetching).map_err(refused)?;
                    place.waiting.extend(fetched.into_iter().map(|one| Record {
                        partition: place.partition.partition(),
                        offset: one.offset,
                        key: one.record.key,
                        value: one.record.value,
                        headers: one.record.headers.into_iter().collect(),
                    }));
                }
                while reading.seen < reading.count
                    && let Some(record) = place.waiting.pop_front()
                {
                    place.next = record.offset + 1;
                    reading.take(&record)?;
                }
            }
        }
        reading.end()
    }
}

/// rskafka names errors without their numbers; these are the ones that scenarios ask for.
fn refused(error: Error) -> Problem {
    let Error::ServerError { protocol_error, .. } = &error else { return gave_up(error) };
    let code = match protocol_error {
        ProtocolError::OffsetOutOfRange => 1,
        ProtocolError::UnknownTopicOrPartition => 3,
        ProtocolError::MessageTooLarge => 10,
        ProtocolError::TopicAlreadyExists => 36,
        _ => 0,
    };
    Problem::Refused(code, error.to_string())
}
