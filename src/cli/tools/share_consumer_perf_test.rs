//! `share-consumer-perf-test`: how fast a share group's records are read, by several consumers at once.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use chrono::{Local, TimeZone};

use super::properties::{self, Properties};
use super::{Arguments, Flag, Output, Stop, Tool, java_date};
use crate::client::share::{ShareConfig, ShareConsumer, Verdict};
use crate::client::{Bootstrap, ClientConfig, ClientError};
use crate::types::Clock;

const MIB: f64 = 1024.0 * 1024.0;
const DATE_FORMAT: &str = "yyyy-MM-dd HH:mm:ss:SSS";
const CLIENT_ID: &str = "perf-share-consumer-client";

pub(super) static TOOL: Tool = Tool {
    name: "share-consumer-perf-test",
    about: "This tool is used to verify the share consumer performance.",
    flags: &[
        Flag::value("bootstrap-server", "server to connect to", "REQUIRED. The servers to connect to"),
        Flag::value("topic", "topic", "REQUIRED: The topic to consume from"),
        Flag::value("group", "gid", "The group to consume in (default: perf-share-consumer)"),
        Flag::value("fetch-size", "size", "Bytes to fetch at once (default: 1048576)"),
        Flag::value("command-property", "prop1=val1", "A property of the consumers"),
        Flag::value("socket-buffer-size", "size", "receive.buffer.bytes (default: 2097152)"),
        Flag::value("consumer.config", "config file", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "config file", "A file with properties of the consumers"),
        Flag::switch("print-metrics", "Refused: there are no client metrics"),
        Flag::switch("show-detailed-stats", "Report each interval of each consumer"),
        Flag::optional("timeout", "milliseconds", "How long there may be no record (default: 10000)"),
        Flag::value("messages", "count", "(DEPRECATED) Use --num-records instead"),
        Flag::value("num-records", "count", "REQUIRED: How many records to consume"),
        Flag::value("reporting-interval", "interval_ms", "Milliseconds between reports (default: 5000)"),
        Flag::value("date-format", "date format", "How times are printed, as Java's SimpleDateFormat has it"),
        Flag::switch("hide-header", "Print no header"),
        Flag::value("threads", "count", "Consumers (default: 1)"),
        Flag::switch("show-consumer-stats", "Report each consumer"),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    arguments.help_or_version(tool.about, output)?;
    check(&arguments, output)?;
    let options = Options::new(&arguments).map_err(Stop::Message)?;
    if !arguments.has("hide-header") {
        output
            .line("start.time, end.time, data.consumed.in.MB, MB.sec, nMsg.sec, data.consumed.in.nMsg, fetch.time.ms");
    }
    output.flush();
    let given = consumer_properties(&arguments)?;
    let mut consumers = Vec::new();
    for number in 1..=options.threads {
        consumers.push(options.open(&given, number).map_err(|error| Stop::Message(error.to_string()))?);
    }
    let began = Clock::system().wall().0;
    let total = Total::default();
    let (options, shared) = (&options, &total);
    let outcomes: Vec<Result<Count, ClientError>> = thread::scope(|scope| {
        let threads: Vec<_> = consumers
            .iter_mut()
            .zip(1..)
            .map(|((_, consumer), number)| scope.spawn(move || options.consume(consumer, number, shared)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a consumer ends in order")).collect()
    });
    let ended = Clock::system().wall().0;
    for ((outcome, (client_id, _)), number) in outcomes.into_iter().zip(&consumers).zip(1..) {
        let count = outcome.map_err(|error| Stop::Message(error.as_throwable()))?;
        if arguments.has("show-consumer-stats") {
            let line = options.summary(count, began, ended);
            output.line(format!("Share consumer {number} having client id {client_id} consumption metrics- {line}"));
        }
    }
    let count = Count { records: total.records.into_inner(), bytes: total.bytes.into_inner() };
    if count.records < options.records {
        output.line(format!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use \
             the --timeout option to increase the timeout.",
            options.timeout_ms
        ));
    }
    output.line(options.summary(count, began, ended));
    for (_, consumer) in &mut consumers {
        consumer.close().map_err(|error| Stop::Message(error.to_string()))?;
    }
    Ok(())
}

/// What was read.
#[derive(Clone, Copy, Default)]
struct Count {
    records: u64,
    bytes: u64,
}

/// What all consumers read.
#[derive(Default)]
struct Total {
    records: AtomicU64,
    bytes: AtomicU64,
}

struct Options {
    servers: String,
    topic: String,
    records: u64,
    timeout_ms: i64,
    interval_ms: i64,
    detailed: bool,
    threads: u32,
    date_format: String,
}

impl Options {
    fn new(arguments: &Arguments) -> Result<Options, String> {
        let records = match arguments.number::<i64>("messages")? {
            Some(records) => records,
            None => arguments.number("num-records")?.unwrap_or_default(),
        };
        let interval_ms: i64 = match arguments.value("reporting-interval")? {
            Some(text) if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(format!("Cannot parse argument '{text}' of option reporting-interval"));
            }
            _ => arguments.number("reporting-interval")?.unwrap_or(5_000),
        };
        if interval_ms <= 0 {
            return Err("Reporting interval must be greater than 0.".to_owned());
        }
        Ok(Options {
            servers: arguments.value("bootstrap-server")?.unwrap_or_default().to_owned(),
            topic: arguments.value("topic")?.unwrap_or_default().to_owned(),
            records: u64::try_from(records).unwrap_or(0),
            timeout_ms: arguments.number("timeout")?.unwrap_or(10_000),
            interval_ms,
            detailed: arguments.has("show-detailed-stats"),
            threads: arguments.number("threads")?.unwrap_or(1),
            date_format: java_date::to_chrono(arguments.value("date-format")?.unwrap_or(DATE_FORMAT))?,
        })
    }

    /// A consumer and its client's id.
    fn open(&self, given: &Properties, number: u32) -> Result<(String, ShareConsumer), ClientError> {
        let mut given = given.clone();
        let id = given.get("client.id").map_or(CLIENT_ID, String::as_str);
        let id = if self.threads == 1 { id.to_owned() } else { format!("{id}-{number}") };
        given.insert("client.id".to_owned(), id.clone());
        let config = ShareConfig::new(&given)?;
        let client = ClientConfig::new(Bootstrap::Servers(self.servers.clone()), given, CLIENT_ID)?;
        Ok((id, ShareConsumer::new(client, config, vec![self.topic.clone()])?))
    }

    fn consume(&self, consumer: &mut ShareConsumer, number: u32, total: &Total) -> Result<Count, ClientError> {
        let clock = Clock::system();
        let (mut count, mut reported) = (Count::default(), Count::default());
        let mut now = clock.wall().0;
        let (mut reported_at, mut consumed_at) = (now, now);
        while total.records.load(Ordering::Relaxed) < self.records && now - consumed_at <= self.timeout_ms {
            let before = count;
            let polled = consumer.poll(Duration::from_millis(100), |record| {
                let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
                count.records += 1;
                count.bytes += len(record.key) + len(record.value);
                (Verdict::Accept, ControlFlow::Continue(()))
            })?;
            total.records.fetch_add(count.records - before.records, Ordering::Relaxed);
            total.bytes.fetch_add(count.bytes - before.bytes, Ordering::Relaxed);
            now = clock.wall().0;
            if polled > 0 {
                consumed_at = now;
            }
            if polled > 0 && now - reported_at >= self.interval_ms {
                if self.detailed {
                    self.report(count, reported, (reported_at, now), number);
                }
                (reported, reported_at) = (count, now);
            }
        }
        Ok(count)
    }

    fn report(&self, now: Count, before: Count, (start, end): (i64, i64), number: u32) {
        let elapsed = (end - start) as f64;
        println!(
            "{}, {}, {:.4}, {:.4}, {:.4}, {}, {} for share consumer {number}",
            self.date(start),
            self.date(end),
            now.bytes as f64 / MIB,
            1000.0 * ((now.bytes - before.bytes) as f64 / MIB) / elapsed,
            (now.records - before.records) as f64 / elapsed * 1000.0,
            now.records,
            end - start
        );
    }

    fn summary(&self, count: Count, start: i64, end: i64) -> String {
        let (mib, elapsed) = (count.bytes as f64 / MIB, (end - start) as f64 / 1000.0);
        format!(
            "{}, {}, {mib:.4}, {:.4}, {:.4}, {}, {}",
            self.date(start),
            self.date(end),
            mib / elapsed,
            count.records as f64 / elapsed,
            count.records,
            end - start
        )
    }

    fn date(&self, millis: i64) -> String {
        let time = Local.timestamp_millis_opt(millis).single();
        time.map_or_else(String::new, |time| time.format(&self.date_format).to_string())
    }
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    arguments.require(&["topic", "bootstrap-server"])?;
    if arguments.count(&["messages", "num-records"]) != 1 {
        let message = "Exactly one of the following arguments is required: [messages], [num-records]";
        return Err(Stop::Usage(message.to_owned()));
    }
    arguments.refuse_with("consumer.config", &["command-config"])?;
    for (old, new) in [("messages", "num-records"), ("consumer.config", "command-config")] {
        if arguments.has(old) {
            output.line(format!("Warning: --{old} is deprecated. Use --{new} instead."));
        }
    }
    match arguments.has("print-metrics") {
        true => Err(Stop::Message("--print-metrics is not supported by this tool; use Kafka's own".to_owned())),
        false => Ok(()),
    }
}

fn consumer_properties(arguments: &Arguments) -> Result<Properties, Stop> {
    let value = |flag| arguments.value(flag).map_err(Stop::Message);
    let file = value("consumer.config")?.or(value("command-config")?);
    let mut given: Properties = file.map(properties::file).transpose()?.unwrap_or_default();
    properties::add_pairs(&mut given, &arguments.values("command-property"));
    let number = |flag, default: i32| arguments.number(flag).map_err(Stop::Message).map(|n| n.unwrap_or(default));
    given.extend([
        ("group.id".to_owned(), value("group")?.unwrap_or("perf-share-consumer").to_owned()),
        ("receive.buffer.bytes".to_owned(), number("socket-buffer-size", 2 << 20)?.to_string()),
        ("fetch.max.bytes".to_owned(), number("fetch-size", 1 << 20)?.to_string()),
        ("check.crcs".to_owned(), "false".to_owned()),
    ]);
    Ok(given)
}
