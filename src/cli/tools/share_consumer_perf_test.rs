//! `share-consumer-perf-test`: how fast a share group's records are read, by several consumers at once.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::consumer_perf::{Count, MIB, Plan, check_old, check_one_of_each};
use super::properties::{self, Properties};
use super::{Arguments, Flag, Output, Stop, Tool};
use crate::client::share::{ShareConfig, ShareConsumer, Verdict};
use crate::client::{Bootstrap, ClientConfig, ClientError};
use crate::types::Clock;

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
    if count.records < options.plan.records {
        output.line(options.plan.warning());
    }
    output.line(options.summary(count, began, ended));
    for (_, consumer) in &mut consumers {
        consumer.close().map_err(|error| Stop::Message(error.to_string()))?;
    }
    Ok(())
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
    plan: Plan,
    threads: u32,
}

impl Options {
    fn new(arguments: &Arguments) -> Result<Options, String> {
        let plan = Plan::new(arguments)?;
        Ok(Options {
            servers: arguments.value("bootstrap-server")?.unwrap_or_default().to_owned(),
            topic: arguments.value("topic")?.unwrap_or_default().to_owned(),
            plan,
            threads: arguments.number("threads")?.unwrap_or(1),
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
        while total.records.load(Ordering::Relaxed) < self.plan.records && now - consumed_at <= self.plan.timeout_ms {
            let before = count;
            let polled = consumer.poll(Duration::from_millis(100), |record| {
                count.add(record);
                (Verdict::Accept, ControlFlow::Continue(()))
            })?;
            total.records.fetch_add(count.records - before.records, Ordering::Relaxed);
            total.bytes.fetch_add(count.bytes - before.bytes, Ordering::Relaxed);
            now = clock.wall().0;
            if polled > 0 {
                consumed_at = now;
            }
            if polled > 0 && now - reported_at >= self.plan.interval_ms {
                if self.plan.detailed {
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
            self.plan.date(start),
            self.plan.date(end),
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
            self.plan.date(start),
            self.plan.date(end),
            mib / elapsed,
            count.records as f64 / elapsed,
            count.records,
            end - start
        )
    }
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    arguments.require(&["topic", "bootstrap-server"])?;
    check_one_of_each(arguments, &[["messages", "num-records"]])?;
    check_old(arguments, output)
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
