//! rdkafka (librdkafka from Rust) behind the scenario language.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla_compat_clients::{
    Answer, Call, FETCH_BYTES, FETCH_PARTITION_BYTES, Problem, REQUEST_BYTES, Reading, Record, gave_up, pairs, records,
    serve, unknown,
};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, DefaultConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(15);

struct Program {
    runtime: Runtime,
    bootstrap: String,
    pool: Vec<u8>,
    consumer: Option<BaseConsumer<Lost>>,
    topic: String,
    lost: Arc<Mutex<Vec<i32>>>,
    waiting: VecDeque<Record>,
    next: HashMap<i32, i64>,
    paused: bool,
}

/// Notes the partitions that the group took away.
struct Lost(Arc<Mutex<Vec<i32>>>);

impl ClientContext for Lost {}

impl ConsumerContext for Lost {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let mut lost = self.0.lock().expect("the list of lost partitions");
            lost.extend(partitions.elements().iter().map(|one| one.partition()));
        }
    }
}

/// Keeps the last delivery that failed.
struct Deliveries(Arc<Mutex<Option<KafkaError>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        if let Err((error, _)) = result {
            *self.0.lock().expect("the failure") = Some(error.clone());
        }
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (bootstrap, pool) = (args.next().expect("BOOTSTRAP"), args.next().expect("POOL"));
    let mut program = Program {
        runtime: Runtime::new().expect("a runtime"),
        bootstrap,
        pool: std::fs::read(pool).expect("POOL"),
        consumer: None,
        topic: String::new(),
        lost: Arc::default(),
        waiting: VecDeque::new(),
        next: HashMap::new(),
        paused: false,
    };
    serve(|call| program.obey(call));
}

impl Program {
    fn obey(&mut self, call: &Call) -> Answer {
        match call.verb.as_str() {
            "version" => Ok(format!("rdkafka 0.39.0, librdkafka {}", rdkafka::util::get_rdkafka_version().1)),
            "create" | "grow" | "delete" => self.administer(call),
            "configure" => self.configure(call),
            "configured" => self.configured(call),
            "trim" => self.trim(call),
            "topics" => self.topics(),
            "offsets" => self.offsets(&call.args[0], call.int(1), &call.args[2]).map(|found| pairs(&found)),
            "produce" => self.produce(call),
            "assign" => self.assign(call),
            "join" => self.join(call),
            "owned" => self.owned(),
            "read" => self.read(call),
            "commit" => self.commit(),
            "committed" => self.committed(call),
            "pause" | "resume" => self.pause(call.verb == "pause"),
            "leave" => self.leave(),
            _ => unknown(call),
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("log_level", "3")
            .set("topic.metadata.propagation.max.ms", "3000");
        config
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, Problem> {
        // Its futures are driven by a thread of the library.
        let _entered = self.runtime.enter();
        self.config().create().map_err(refused)
    }

    fn administer(&self, call: &Call) -> Answer {
        let admin = self.admin()?;
        let (topic, options) = (call.args[0].as_str(), AdminOptions::new());
        let mut results = self
            .runtime
            .block_on(async {
                match call.verb.as_str() {
                    "create" => {
                        let mut new = NewTopic::new(topic, call.int(1) as i32, TopicReplication::Fixed(1));
                        for (name, value) in &call.options {
                            new = new.set(name, value);
                        }
                        admin.create_topics([&new], &options).await
                    }
                    "grow" => {
                        admin.create_partitions([&NewPartitions::new(topic, call.int(1) as usize)], &options).await
                    }
                    _ => admin.delete_topics(&[topic], &options).await,
                }
            })
            .map_err(refused)?;
        results.remove(0).map(|_| String::new()).map_err(|(_, code)| numbered(code))
    }

    fn configure(&self, call: &Call) -> Answer {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(&call.args[0]));
        for (name, value) in &call.options {
            change = change.set(name, value);
        }
        let admin = self.admin()?;
        let mut results =
            self.runtime.block_on(admin.alter_configs([&change], &AdminOptions::new())).map_err(refused)?;
        results.remove(0).map(|_| String::new()).map_err(|(_, code)| numbered(code))
    }

    fn configured(&self, call: &Call) -> Answer {
        let admin = self.admin()?;
        let resource = ResourceSpecifier::Topic(&call.args[0]);
        let mut results =
            self.runtime.block_on(admin.describe_configs([&resource], &AdminOptions::new())).map_err(refused)?;
        let described = results.remove(0).map_err(numbered)?;
        Ok(described.get(&call.args[1]).and_then(|entry| entry.value.clone()).unwrap_or_default())
    }

    fn trim(&self, call: &Call) -> Answer {
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(&call.args[0], call.int(1) as i32, Offset::Offset(call.int(2))).map_err(refused)?;
        let admin = self.admin()?;
        let done = self.runtime.block_on(admin.delete_records(&before, &AdminOptions::new())).map_err(refused)?;
        let one = &done.elements()[0];
        one.error().map_err(refused)?;
        Ok(one.offset().to_raw().unwrap_or(-1).to_string())
    }

    fn lookup(&self, group: &str) -> Result<BaseConsumer<DefaultConsumerContext>, Problem> {
        self.config().set("group.id", group).create().map_err(refused)
    }

    fn topics(&self) -> Answer {
        let metadata = self.lookup("unused")?.fetch_metadata(None, PATIENCE).map_err(refused)?;
        let mut names: Vec<&str> =
            metadata.topics().iter().map(|topic| topic.name()).filter(|name| !name.starts_with("__")).collect();
        names.sort_unstable();
        Ok(names.join(" "))
    }

    fn offsets(&self, topic: &str, partitions: i64, at: &str) -> Result<BTreeMap<i32, i64>, Problem> {
        let lookup = self.lookup("unused")?;
        let mut found = BTreeMap::new();
        if let Ok(millis) = at.parse() {
            let mut asked = TopicPartitionList::new();
            for partition in 0..partitions as i32 {
                asked.add_partition_offset(topic, partition, Offset::Offset(millis)).map_err(refused)?;
            }
            for one in lookup.offsets_for_times(asked, PATIENCE).map_err(refused)?.elements() {
                one.error().map_err(refused)?;
                found.insert(
                    one.partition(),
                    if one.offset() == Offset::End { -1 } else { one.offset().to_raw().unwrap_or(-1) },
                );
            }
        } else {
            for partition in 0..partitions as i32 {
                let (low, high) = lookup.fetch_watermarks(topic, partition, PATIENCE).map_err(refused)?;
                found.insert(partition, if at == "earliest" { low } else { high });
            }
        }
        Ok(found)
    }

    fn produce(&mut self, call: &Call) -> Answer {
        let idempotent = call.option("idempotent") == Some("yes");
        let failure = Arc::new(Mutex::new(None));
        let producer: BaseProducer<Deliveries> = self
            .config()
            .set("compression.type", call.option("codec").unwrap_or("none"))
            .set("acks", "all")
            .set("enable.idempotence", idempotent.to_string())
            .set("max.in.flight", if idempotent { "5" } else { "1" })
            .set("linger.ms", "20")
            .set("batch.size", "1000000")
            .set("message.max.bytes", REQUEST_BYTES.to_string())
            .set("message.timeout.ms", "60000")
            .create_with_context(Deliveries(failure.clone()))
            .map_err(refused)?;
        for record in records(&self.pool, call) {
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value.as_slice()) })
            });
            let mut sending = BaseRecord::<[u8], [u8]>::to(&call.args[0]).partition(record.partition).headers(headers);
            sending.key = record.key.as_deref();
            sending.payload = record.value.as_deref();
            while let Err((error, back)) = producer.send(sending) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(refused(error));
                }
                producer.poll(Duration::from_millis(100));
                sending = back;
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(Duration::from_secs(120)).map_err(refused)?;
        match failure.lock().expect("the failure").take() {
            Some(error) => Err(refused(error)),
            None => Ok(call.args[1].clone()),
        }
    }

    fn open(&mut self, call: &Call, group: &str, assignor: &str, topic: &str) -> Result<&BaseConsumer<Lost>, Problem> {
        self.leave()?;
        let mut config = self.config();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "500")
            .set("fetch.max.bytes", FETCH_BYTES.to_string())
            .set("message.max.bytes", FETCH_BYTES.to_string())
            .set("fetch.message.max.bytes", FETCH_PARTITION_BYTES.to_string())
            .set("isolation.level", call.option("isolation").unwrap_or("read_uncommitted"));
        if assignor != "any" {
            config.set("partition.assignment.strategy", assignor);
        }
        topic.clone_into(&mut self.topic);
        self.consumer = Some(config.create_with_context(Lost(self.lost.clone())).map_err(refused)?);
        Ok(self.consumer.as_ref().expect("just opened"))
    }

    fn assign(&mut self, call: &Call) -> Answer {
        let starts = self.offsets(&call.args[0], call.int(1), &call.args[2])?;
        let mut places = TopicPartitionList::new();
        for (partition, offset) in starts {
            let place = if offset < 0 { Offset::End } else { Offset::Offset(offset) };
            places.add_partition_offset(&call.args[0], partition, place).map_err(refused)?;
        }
        self.open(call, "unused", "any", &call.args[0])?.assign(&places).map_err(refused)?;
        Ok(String::new())
    }

    fn join(&mut self, call: &Call) -> Answer {
        if call.args[2] == "sticky" {
            return Err(Problem::Cannot("librdkafka has no eager sticky assignor".into()));
        }
        self.open(call, &call.args[0], &call.args[2], &call.args[1])?.subscribe(&[&call.args[1]]).map_err(refused)?;
        Ok(String::new())
    }

    fn member(&self) -> Result<&BaseConsumer<Lost>, Problem> {
        self.consumer.as_ref().ok_or_else(|| gave_up("no consumer is open"))
    }

    /// Waits for a record and takes what else is there.
    fn poll(&mut self, patience: Duration) -> Result<(), Problem> {
        let consumer = self.consumer.as_ref().ok_or_else(|| gave_up("no consumer is open"))?;
        let mut wait = patience;
        while let Some(polled) = consumer.poll(wait) {
            self.waiting.push_back(owned(&polled.map_err(refused)?));
            wait = Duration::ZERO;
            if self.waiting.len() >= 500 {
                break;
            }
        }
        for partition in self.lost.lock().expect("the list of lost partitions").drain(..) {
            self.waiting.retain(|record| record.partition != partition);
            self.next.remove(&partition);
        }
        Ok(())
    }

    fn owned(&mut self) -> Answer {
        self.poll(Duration::from_millis(100))?;
        let assigned = self.member()?.assignment().map_err(refused)?;
        let mut partitions: Vec<i32> = assigned.elements().iter().map(|one| one.partition()).collect();
        partitions.sort_unstable();
        Ok(partitions.iter().map(i32::to_string).collect::<Vec<_>>().join(" "))
    }

    fn read(&mut self, call: &Call) -> Answer {
        let mut reading = Reading::begin(call)?;
        while let Some(left) = reading.left() {
            if self.waiting.is_empty() || self.paused {
                self.poll(left.min(Duration::from_millis(200)))?;
                if self.paused {
                    continue;
                }
            }
            while reading.seen < reading.count
                && let Some(record) = self.waiting.pop_front()
            {
                self.next.insert(record.partition, record.offset + 1);
                reading.take(&record)?;
            }
        }
        reading.end()
    }

    fn commit(&self) -> Answer {
        let mut places = TopicPartitionList::new();
        for (partition, offset) in &self.next {
            places.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset)).map_err(refused)?;
        }
        self.member()?.commit(&places, CommitMode::Sync).map_err(refused)?;
        Ok(String::new())
    }

    fn committed(&self, call: &Call) -> Answer {
        let mut asked = TopicPartitionList::new();
        for partition in 0..call.int(2) as i32 {
            asked.add_partition(&call.args[1], partition);
        }
        let known = self.lookup(&call.args[0])?.committed_offsets(asked, PATIENCE).map_err(refused)?;
        let elements = known.elements();
        let offsets =
            elements.iter().map(|one| (one.partition(), one.offset().to_raw().filter(|at| *at >= 0).unwrap_or(-1)));
        Ok(pairs(&offsets.collect()))
    }

    fn pause(&mut self, stop: bool) -> Answer {
        let consumer = self.member()?;
        let assigned = consumer.assignment().map_err(refused)?;
        if stop { consumer.pause(&assigned) } else { consumer.resume(&assigned) }.map_err(refused)?;
        self.paused = stop;
        Ok(String::new())
    }

    fn leave(&mut self) -> Answer {
        self.consumer = None;
        self.waiting.clear();
        self.next.clear();
        self.paused = false;
        self.lost.lock().expect("the list of lost partitions").clear();
        Ok(String::new())
    }
}

fn owned(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
    }
}

fn refused(error: KafkaError) -> Problem {
    match error.rdkafka_error_code() {
        Some(code) if code as i32 > 0 => Problem::Refused(code as i16, error.to_string()),
        _ => gave_up(error),
    }
}

/// librdkafka's own codes are below zero.
fn numbered(code: RDKafkaErrorCode) -> Problem {
    Problem::Refused((code as i16).max(0), code.to_string())
}
