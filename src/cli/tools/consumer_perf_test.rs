//! `consumer-perf-test`: how fast records are read.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use regex::Regex;

use super::consumer_perf::{Count, MIB, Plan, check_old, check_one_of_each};
use super::properties::{self, Properties};
use super::{Arguments, Flag, Output, Stop, Tool};
use crate::client::consumer::{Consumer, ConsumerConfig, OnRebalance, Subscription};
use crate::client::{Bootstrap, ClientConfig, ClientError};
use crate::types::Clock;

const NEW_COLUMNS: &str = "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";

pub(super) static TOOL: Tool = Tool {
    name: "consumer-perf-test",
    about: "This tool is used to verify the consumer performance.",
    flags: &[
        Flag::value("bootstrap-server", "server to connect to", "REQUIRED: The servers to connect to"),
        Flag::value("topic", "topic", "The topic to consume from"),
        Flag::value("include", "regex", "Consume from the topics whose name matches"),
        Flag::value("group", "gid", "The group to consume in (default: perf-consumer- and a number)"),
        Flag::value("fetch-size", "size", "Bytes to fetch of a partition at once (default: 1048576)"),
        Flag::value("command-property", "prop1=val1", "A property of the consumer"),
        Flag::switch("from-latest", "Begin with the latest record where there is no committed offset"),
        Flag::value("socket-buffer-size", "size", "receive.buffer.bytes (default: 2097152)"),
        Flag::value("consumer.config", "config file", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "config file", "A file with properties of the consumer"),
        Flag::switch("print-metrics", "Refused: there are no client metrics"),
        Flag::switch("show-detailed-stats", "Report each interval instead of the whole"),
        Flag::optional("timeout", "milliseconds", "How long there may be no record (default: 10000)"),
        Flag::value("messages", "count", "(DEPRECATED) Use --num-records instead"),
        Flag::value("num-records", "count", "REQUIRED: How many records to consume"),
        Flag::value("reporting-interval", "interval_ms", "Milliseconds between reports (default: 5000)"),
        Flag::value("date-format", "date format", "How times are printed, as Java's SimpleDateFormat has it"),
        Flag::switch("hide-header", "Print no header"),
    ],
    subcommands: &[],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    arguments.help_or_version(tool.about, output)?;
    check(&arguments, output)?;
    let options = Options::new(&arguments).map_err(Stop::Message)?;
    if !options.hide_header {
        let first = if options.plan.detailed { "time, threadId" } else { "start.time, end.time" };
        output.line(format!("{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, {NEW_COLUMNS}"));
    }
    output.flush();
    let joins = Rc::new(RefCell::new(Joins::new()));
    let consumer = open(&arguments, joins.clone())?;
    measure(consumer, &options, &joins).map_err(|error| Stop::Message(error.to_string()))
}

fn measure(mut consumer: Consumer, options: &Options, joins: &RefCell<Joins>) -> Result<(), ClientError> {
    let clock = Clock::system();
    let start = clock.wall().0;
    let read = options.consume(&mut consumer, joins, &clock)?;
    let end = clock.wall().0;
    if !options.plan.detailed {
        let fetch_ms = end - start - joins.borrow().total_ms;
        let (elapsed, fetching) = ((end - start) as f64 / 1000.0, fetch_ms as f64 / 1000.0);
        let (mib, records) = (read.bytes as f64 / MIB, read.records as f64);
        println!(
            "{}, {}, {mib:.4}, {:.4}, {}, {:.4}, {}, {fetch_ms}, {:.4}, {:.4}",
            options.plan.date(start),
            options.plan.date(end),
            mib / elapsed,
            read.records,
            records / elapsed,
            joins.borrow().total_ms,
            mib / fetching,
            records / fetching
        );
    }
    consumer.close()
}

/// How long this consumer was without partitions because its group was joining.
struct Joins {
    began: i64,
    total_ms: i64,
    round_ms: i64,
}

impl Joins {
    fn new() -> Joins {
        Joins { began: Clock::system().wall().0, total_ms: 0, round_ms: 0 }
    }

    fn note(&mut self, given: bool) {
        let now = Clock::system().wall().0;
        if given {
            self.total_ms += now - self.began;
            self.round_ms += now - self.began;
        } else {
            self.began = now;
        }
    }
}

struct Options {
    plan: Plan,
    hide_header: bool,
}

impl Options {
    fn new(arguments: &Arguments) -> Result<Options, String> {
        Ok(Options { plan: Plan::new(arguments)?, hide_header: arguments.has("hide-header") })
    }

    fn consume(&self, consumer: &mut Consumer, joins: &RefCell<Joins>, clock: &Clock) -> Result<Count, ClientError> {
        let (mut count, mut reported) = (Count::default(), Count::default());
        let mut now = clock.wall().0;
        let (mut reported_at, mut consumed_at) = (now, now);
        while count.records < self.plan.records && now - consumed_at <= self.plan.timeout_ms {
            let polled = consumer.poll(Duration::from_millis(100), |record| {
                count.add(record);
                ControlFlow::Continue(())
            })?;
            now = clock.wall().0;
            if polled > 0 {
                consumed_at = now;
            }
            if polled > 0 && now - reported_at >= self.plan.interval_ms {
                let round_ms = std::mem::take(&mut joins.borrow_mut().round_ms);
                if self.plan.detailed {
                    self.report(count, reported, (reported_at, now), round_ms);
                }
                (reported, reported_at) = (count, now);
            }
        }
        if count.records < self.plan.records {
            println!("{}", self.plan.warning());
        }
        Ok(count)
    }

    fn report(&self, now: Count, before: Count, (start, end): (i64, i64), round_ms: i64) {
        let (mib, records) = ((now.bytes - before.bytes) as f64 / MIB, (now.records - before.records) as f64);
        let elapsed = (end - start) as f64;
        let fetch_ms = end - start - round_ms;
        let fetched = |amount: f64| if fetch_ms <= 0 { 0.0 } else { 1000.0 * amount / fetch_ms as f64 };
        println!(
            "{}, 0, {:.4}, {:.4}, {}, {:.4}, {round_ms}, {fetch_ms}, {:.4}, {:.4}",
            self.plan.date(end),
            now.bytes as f64 / MIB,
            1000.0 * mib / elapsed,
            now.records,
            records / elapsed * 1000.0,
            fetched(mib),
            fetched(records)
        );
    }
}

fn check(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
    arguments.require(&["bootstrap-server"])?;
    check_one_of_each(arguments, &[["topic", "include"], ["messages", "num-records"]])?;
    check_old(arguments, output)
}

fn open(arguments: &Arguments, joins: Rc<RefCell<Joins>>) -> Result<Consumer, Stop> {
    let value = |flag| arguments.value(flag).map_err(Stop::Message);
    let file = value("command-config")?.or(value("consumer.config")?);
    let mut given: Properties = file.map(properties::file).transpose()?.unwrap_or_default();
    properties::add_pairs(&mut given, &arguments.values("command-property"));
    let number = |flag, default: i32| arguments.number(flag).map_err(Stop::Message).map(|n| n.unwrap_or(default));
    let group = match value("group")? {
        Some(group) => group.to_owned(),
        None => format!("perf-consumer-{}", u64::from(std::process::id()) % 100_000),
    };
    let reset = if arguments.has("from-latest") { "latest" } else { "earliest" };
    given.extend([
        ("group.id".to_owned(), group),
        ("receive.buffer.bytes".to_owned(), number("socket-buffer-size", 2 << 20)?.to_string()),
        ("max.partition.fetch.bytes".to_owned(), number("fetch-size", 1 << 20)?.to_string()),
        ("auto.offset.reset".to_owned(), reset.to_owned()),
        ("check.crcs".to_owned(), "false".to_owned()),
    ]);
    let subscription = match (value("topic")?, value("include")?) {
        (Some(topic), _) => Subscription::Topics(vec![topic.to_owned()]),
        (None, pattern) => Subscription::Pattern(
            Regex::new(&format!("^(?:{})$", pattern.unwrap_or_default())).map_err(|e| Stop::Message(e.to_string()))?,
        ),
    };
    let servers = Bootstrap::Servers(value("bootstrap-server")?.unwrap_or_default().to_owned());
    let on_rebalance: OnRebalance = Box::new(move |given, _| joins.borrow_mut().note(given));
    ConsumerConfig::new(&given)
        .and_then(|config| {
            let client = ClientConfig::new(servers, given, "perf-consumer-client")?;
            Consumer::new(client, config, subscription, on_rebalance)
        })
        .map_err(|error| Stop::Message(error.to_string()))
}
