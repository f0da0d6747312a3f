//! `producer-perf-test`: how fast records are taken.

mod payload;
mod stats;
mod throttle;

use std::path::Path;
use std::sync::{Arc, Mutex};

use payload::Payload;
use stats::Stats;
use throttle::Throttle;

use super::properties::{self, Properties};
use super::subcommands::{self, Parsed};
use super::{Flag, Output, Stop, Tool};
use crate::client::producer::{OnDelivery, Producer, ProducerConfig, Record};
use crate::client::{Bootstrap, ClientConfig, ClientError};
use crate::types::{Clock, Millis, Uuid};

const NAME_AND_VALUE: &str = "PROP-NAME=PROP-VALUE";

pub(super) static TOOL: Tool = Tool {
    name: "producer-perf-test",
    about: "This tool is used to verify the producer performance.",
    flags: &[
        Flag::value("bootstrap-server", "BOOTSTRAP-SERVER", "The servers to connect to"),
        Flag::value("topic", "TOPIC", "Produce records to this topic").required(),
        Flag::value("num-records", "NUM-RECORDS", "Number of records to produce").required(),
        Flag::value(
            "payload-delimiter",
            "PAYLOAD-DELIMITER",
            "What stands between payloads in the file (default: \\n)",
        ),
        Flag::value("throughput", "THROUGHPUT", "Records a second, about; -1 for as fast as can be").required(),
        Flag::several("producer-props", NAME_AND_VALUE, "(DEPRECATED) Use --command-property instead"),
        Flag::several("command-property", NAME_AND_VALUE, "Properties of the producer"),
        Flag::value("producer.config", "CONFIG-FILE", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "CONFIG-FILE", "A file with properties of the producer"),
        Flag::switch("print-metrics", "Refused: there are no client metrics"),
        Flag::value("transactional-id", "TRANSACTIONAL-ID", "Produce in transactions of this id"),
        Flag::value(
            "transaction-duration-ms",
            "TRANSACTION-DURATION",
            "Milliseconds after which a transaction is committed (default with an id: 3000)",
        ),
        Flag::value("warmup-records", "WARMUP-RECORDS", "Records that the steady state is without (default: 0)"),
        Flag::value("reporting-interval", "INTERVAL-MS", "Milliseconds between reports (default: 5000)"),
        Flag::value("record-size", "RECORD-SIZE", "Bytes of a record, made at random").either(),
        Flag::value("payload-file", "PAYLOAD-FILE", "A file of payloads, chosen at random").either(),
        Flag::switch("payload-monotonic", "Records are the numbers from 0 on").either(),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let help = if words.is_empty() { vec!["--help".to_owned()] } else { words.clone() };
    let end = if words.is_empty() { Stop::Done } else { Stop::Told };
    let parsed = subcommands::parse(tool, &help, end, output)?;
    let plan = Plan::new(tool, &parsed, output)?;
    output.flush();
    let meters = Arc::new(Mutex::new(Meters {
        all: Stats::new(plan.records, plan.interval_ms, false, Clock::system().wall()),
        steady: None,
    }));
    let told = meters.clone();
    let clock = Clock::system();
    let on_delivery: OnDelivery = Box::new(move |_, records, result| match result {
        Ok(()) => told.lock().expect("nothing panics while it counts").record(records, clock.wall()),
        Err(error) => records.iter().for_each(|_| eprintln!("{}", error.as_throwable())),
    });
    let mut producer = Producer::new(plan.client.clone(), plan.producer.clone(), on_delivery).map_err(construction)?;
    if plan.producer.transactional_id.is_some() {
        producer.init_transactions().map_err(uncaught)?;
    }
    if plan.warmup > 0 {
        println!(
            "Warmup first {} records. Steady state results will print after the complete test summary.",
            plan.warmup
        );
    }
    produce(producer, plan, &meters).map_err(uncaught)?;
    let mut meters = meters.lock().expect("nothing panics while it counts");
    let now = Clock::system().wall();
    meters.all.print_total(now);
    if let Some(steady) = &mut meters.steady {
        steady.print_total(now);
    }
    Ok(())
}

/// What is measured: everything, and what comes after the warmup.
struct Meters {
    all: Stats,
    steady: Option<Stats>,
}

impl Meters {
    fn record(&mut self, records: &[crate::client::producer::Sent], now: Millis) {
        for record in records {
            let bytes = record.value_len.max(0) as u64;
            let latency = (now.0 - record.time.0) as i32;
            self.all.record(latency, bytes, now);
            if let (Some(steady), STEADY) = (&mut self.steady, record.mark) {
                steady.record(latency, bytes, now);
            }
        }
    }
}

/// The mark of a record that comes after the warmup.
const STEADY: u32 = 1;

fn produce(mut producer: Producer, mut plan: Plan, meters: &Mutex<Meters>) -> Result<(), ClientError> {
    let clock = Clock::system();
    let mut throttle = Throttle::new(plan.throughput, clock.wall());
    let mut mark = 0;
    let mut began = None;
    for number in 0..plan.records {
        if plan.transaction_ms.is_some() && began.is_none() {
            began = Some(clock.wall());
        }
        let now = clock.wall();
        if plan.warmup > 0 && number == plan.warmup {
            let mut meters = meters.lock().expect("nothing panics while it counts");
            meters.steady = Some(Stats::new(plan.records - plan.warmup, plan.interval_ms, true, now));
            meters.all.suppress_printing();
            mark = STEADY;
        }
        let payload = plan.payload.next(number);
        let record = Record { value: Some(payload), mark, ..Record::default() };
        match producer.send(&plan.topic, now, &record) {
            Err(error) if plan.transaction_ms.is_some() => return Err(error),
            Err(error) => eprintln!("{}", error.as_throwable()),
            Ok(()) => {}
        }
        if let (Some(since), Some(limit)) = (began, plan.transaction_ms)
            && limit <= now - since
        {
            producer.commit_transaction()?;
            began = None;
        }
        throttle.pause(number, now);
    }
    if began.is_some() {
        producer.commit_transaction()?;
    }
    producer.close();
    Ok(())
}

/// What is to be produced, and how.
struct Plan {
    topic: String,
    records: u64,
    warmup: u64,
    interval_ms: i64,
    throughput: f64,
    /// How long a transaction lasts; without it there are none.
    transaction_ms: Option<Millis>,
    payload: Payload,
    client: ClientConfig,
    producer: ProducerConfig,
}

impl Plan {
    fn new(tool: &'static Tool, parsed: &Parsed, output: &mut Output) -> Result<Plan, Stop> {
        let wrong = |message: &str| subcommands::error(tool, message);
        let long = |flag| subcommands::convert::<i64>(tool, parsed, flag, "Long");
        let records = long("num-records")?.unwrap_or_default();
        let throughput = subcommands::convert::<f64>(tool, parsed, "throughput", "Double")?.unwrap_or(-1.0);
        let size = subcommands::convert::<i32>(tool, parsed, "record-size", "Integer")?;
        let warmup = long("warmup-records")?.unwrap_or(0).max(0);
        let interval_ms = long("reporting-interval")?.unwrap_or(5_000);
        let transaction_ms = long("transaction-duration-ms")?;
        if records <= 0 {
            return Err(wrong("--num-records should be greater than zero."));
        }
        if warmup >= records {
            return Err(wrong(
                "The value for --warmup-records must be strictly fewer than the number of records in the test, \
                 --num-records.",
            ));
        }
        if size.is_some_and(|size| size <= 0) {
            return Err(wrong("--record-size should be greater than zero."));
        }
        check_config_flags(tool, parsed)?;
        if transaction_ms.is_some_and(|duration| duration <= 0) {
            return Err(wrong("--transaction-duration-ms should be greater than zero."));
        }
        if interval_ms <= 0 {
            return Err(wrong("--reporting-interval should be greater than zero."));
        }
        if parsed.has("print-metrics") {
            return Err(Stop::Message("--print-metrics is not supported by this tool; use Kafka's own".to_owned()));
        }
        let payload = match (parsed.value("payload-file"), size) {
            (Some(file), _) => {
                let delimiter = parsed.value("payload-delimiter").filter(|text| *text != "\\n").unwrap_or("\n");
                Payload::of_file(Path::new(file), delimiter, output)?
            }
            (None, Some(size)) => Payload::of_size(size as usize),
            (None, None) => Payload::Number(Vec::new()),
        };
        let (client, producer) = config(parsed, output)?;
        let transaction_ms = producer.transactional_id.as_ref().map(|_| Millis(transaction_ms.unwrap_or(3_000)));
        let topic = parsed.value("topic").unwrap_or_default().to_owned();
        let (records, warmup) = (records as u64, warmup as u64);
        Ok(Plan { topic, records, warmup, interval_ms, throughput, transaction_ms, payload, client, producer })
    }
}

fn check_config_flags(tool: &'static Tool, parsed: &Parsed) -> Result<(), Stop> {
    let sources = ["bootstrap-server", "command-property", "producer-props", "producer.config", "command-config"];
    let message = match parsed {
        _ if !sources.iter().any(|flag| parsed.has(flag)) => {
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or \
             --command-config must be specified."
        }
        _ if parsed.has("command-property") && parsed.has("producer-props") => {
            "--command-property and --producer-props cannot be specified together."
        }
        _ if parsed.has("command-config") && parsed.has("producer.config") => {
            "--command-config and --producer.config cannot be specified together."
        }
        _ => return Ok(()),
    };
    Err(subcommands::error(tool, message))
}

fn config(parsed: &Parsed, output: &mut Output) -> Result<(ClientConfig, ProducerConfig), Stop> {
    for (old, new) in [("producer-props", "command-property"), ("producer.config", "command-config")] {
        if parsed.has(old) {
            output.line(format!(
                "Option --{old} has been deprecated and will be removed in a future version. Use --{new} instead."
            ));
        }
    }
    let file = parsed.value("command-config").or(parsed.value("producer.config"));
    let mut properties: Properties = file.map(properties::file).transpose()?.unwrap_or_default();
    for pair in parsed.values("command-property").into_iter().chain(parsed.values("producer-props")) {
        match pair.split_once('=') {
            Some((key, value)) if !value.is_empty() && !value.contains('=') => {
                properties.insert(key.to_owned(), value.to_owned());
            }
            _ => return Err(Stop::Message(format!("java.lang.IllegalArgumentException: Invalid property: {pair}"))),
        }
    }
    if parsed.has("transactional-id") || parsed.has("transaction-duration-ms") {
        let id = parsed.value("transactional-id").map(str::to_owned);
        let id = id.or(properties.remove("transactional.id"));
        let id = id.unwrap_or_else(|| format!("performance-producer-{}", Uuid::random()));
        properties.insert("transactional.id".to_owned(), id);
    }
    let servers = parsed.value("bootstrap-server").map(str::to_owned).or(properties.remove("bootstrap.servers"));
    let producer = ProducerConfig::new(&properties).map_err(|error| Stop::Message(error.as_throwable()))?;
    let client = ClientConfig::new(Bootstrap::Servers(servers.unwrap_or_default()), properties, "perf-producer-client")
        .map_err(construction)?;
    Ok((client, producer))
}

/// What ends the tool with an exception.
fn uncaught(error: ClientError) -> Stop {
    Stop::Message(error.as_throwable())
}

fn construction(error: ClientError) -> Stop {
    Stop::Message(format!(
        "org.apache.kafka.common.KafkaException: Failed to construct kafka producer\nCaused by: {}",
        error.as_throwable()
    ))
}
