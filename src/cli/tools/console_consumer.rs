//! `console-consumer`: prints records to standard output.

mod deserializer;
mod formatter;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;

use super::log_line::log_line;
use super::properties::{self, Properties};
use super::{Arguments, Flag, Output, Stop, Tool, interrupt};
use crate::client::consumer::{Consumer, ConsumerConfig, Position, Start, Subscription};
use crate::client::{Bootstrap, ClientConfig, ClientError};

pub(super) use formatter::{Error as FormatterError, Formatter};

pub(super) const FORMATTER_PROPERTIES: &str = "A property of the formatter, key=value: print.timestamp, print.key, print.offset, \
    print.epoch, print.partition, print.headers, print.value=true|false, key.separator, line.separator, \
    headers.separator, null.literal, key.deserializer, value.deserializer, headers.deserializer";
const CLASS: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// What Kafka's tool says of the protocol that it uses.
const NEWER_PROTOCOL: &str = "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer \
    to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol";
/// How long a poll waits, so that a signal is seen soon.
const POLL: Duration = Duration::from_millis(500);

pub(super) static TOOL: Tool = Tool {
    name: "console-consumer",
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    flags: &[
        Flag::value("topic", "topic", "The topic to consume from"),
        Flag::value("include", "regex", "Consume from the topics whose name matches"),
        Flag::value("partition", "partition", "The partition to consume from, without a group"),
        Flag::value("offset", "consume offset", "Where to begin: a number, earliest, or latest (default: latest)"),
        Flag::value("consumer-property", "consumer_prop", "(DEPRECATED) Use --command-property instead"),
        Flag::value("command-property", "consumer_prop", "A property of the consumer, key=value"),
        Flag::value("consumer.config", "config file", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "config file", "Properties of the consumer; --command-property has precedence"),
        Flag::value("formatter", "class", "How records are printed: one of Kafka's formatters, by its class"),
        Flag::value("property", "prop", "(DEPRECATED) Use --formatter-property instead"),
        Flag::value("formatter-property", "prop", FORMATTER_PROPERTIES),
        Flag::value("formatter-config", "config file", "Properties of the formatter"),
        Flag::switch("from-beginning", "Begin with the earliest record where there is no committed offset"),
        Flag::value("max-messages", "num_messages", "How many records to consume"),
        Flag::value("timeout-ms", "timeout_ms", "End when no record arrives for so long"),
        Flag::switch("skip-message-on-error", "Skip a record that cannot be printed"),
        Flag::value("bootstrap-server", "server to connect to", "REQUIRED: The servers to connect to"),
        Flag::value("key-deserializer", "deserializer for keys", "The class that keys are read with"),
        Flag::value("value-deserializer", "deserializer for values", "The class that values are read with"),
        Flag::switch("enable-systest-events", "Print what happens to the consumer besides records"),
        Flag::value("isolation-level", "level", "read_committed or read_uncommitted (default: read_uncommitted)"),
        Flag::value("group", "consumer group id", "The group of the consumer"),
    ],
    subcommands: &[],
    run,
};

/// The exit code that a signal asked for; 0 without one.
static INTERRUPTED: AtomicI32 = AtomicI32::new(0);

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let arguments = Arguments::parse(tool, &words).map_err(Stop::Usage)?;
    arguments.help_or_version(tool.about, output)?;
    check(&arguments)?;
    let plan = Plan::new(&arguments, output)?;
    output.flush();
    let systest_events = arguments.has("enable-systest-events");
    let failed = |error: &ClientError| {
        log_line("ERROR", "Unknown error when running consumer: ", CLASS);
        eprintln!("{}", error.as_throwable());
        Stop::Told
    };
    let mut consumer = ClientConfig::new(plan.bootstrap.clone(), plan.properties.clone(), "console-consumer")
        .and_then(|client| Consumer::new(client, plan.config.clone(), plan.subscription.clone(), Box::new(|_, _| {})))
        .map_err(|error| failed(&error))?;
    if !arguments.has("partition") {
        eprintln!("{NEWER_PROTOCOL}");
    }
    interrupt::on_signal(|code| INTERRUPTED.store(code, Ordering::SeqCst));
    let mut count = 0;
    let result = plan.consume(&mut consumer, &mut count);
    let closed = consumer.close();
    eprintln!("Processed a total of {count} messages");
    let code = INTERRUPTED.load(Ordering::SeqCst);
    if code != 0 {
        if systest_events {
            println!("shutdown_complete");
        }
        std::process::exit(code);
    }
    if systest_events {
        println!("shutdown_complete");
    }
    result.map_err(|message| {
        log_line("ERROR", "Unknown error when running consumer: ", CLASS);
        Stop::Message(message)
    })?;
    closed.or_else(|error| if error.is_retriable() { Ok(()) } else { Err(failed(&error)) })
}

/// What is to be consumed, and how it is printed.
struct Plan {
    bootstrap: Bootstrap,
    properties: Properties,
    config: ConsumerConfig,
    subscription: Subscription,
    formatter: Formatter,
    max_messages: Option<u64>,
    timeout: Option<Duration>,
    skip_on_error: bool,
}

impl Plan {
    fn new(arguments: &Arguments, output: &mut Output) -> Result<Plan, Stop> {
        for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
            if arguments.has(old) {
                output.line(format!(
                    "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."
                ));
            }
        }
        let properties = consumer_properties(arguments)?;
        let config = ConsumerConfig::new(&properties).map_err(|error| Stop::Message(error.as_throwable()))?;
        let offset = start(arguments)?;
        let formatter = formatter(arguments, output)?;
        let number = |flag| arguments.number::<i64>(flag).map_err(Stop::Message);
        let partition = arguments.number::<i32>("partition").map_err(Stop::Message)?;
        let topic = arguments.value("topic").map_err(Stop::Message)?;
        let subscription = match (topic, partition) {
            (Some(topic), Some(partition)) => Subscription::Assigned((topic.to_owned(), partition), offset),
            (Some(topic), None) => Subscription::Topics(vec![topic.to_owned()]),
            (None, _) => {
                let pattern = arguments.value("include").map_err(Stop::Message)?.unwrap_or_default();
                Subscription::Pattern(
                    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| Stop::Message(error.to_string()))?,
                )
            }
        };
        let servers = arguments.value("bootstrap-server").map_err(Stop::Message)?.unwrap_or_default();
        Ok(Plan {
            bootstrap: Bootstrap::Servers(servers.to_owned()),
            properties,
            config,
            subscription,
            formatter,
            max_messages: number("max-messages")?.and_then(|count| u64::try_from(count).ok()),
            timeout: number("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
            skip_on_error: arguments.has("skip-message-on-error"),
        })
    }

    /// Prints until there is enough, nothing comes any more, or a signal says so. The error is one of printing.
    fn consume(&self, consumer: &mut Consumer, count: &mut u64) -> Result<(), String> {
        let mut out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
        let mut last = Instant::now();
        let enough = |count: u64| self.max_messages.is_some_and(|max| count >= max);
        while !enough(*count) && INTERRUPTED.load(Ordering::SeqCst) == 0 {
            let patience = self.timeout.map_or(POLL, |timeout| timeout.saturating_sub(last.elapsed()).min(POLL));
            let mut failure = None;
            let mut broken = false;
            let polled = consumer.poll(patience, |record| {
                *count += 1;
                if let Err(error) = self.formatter.write(record, &mut out) {
                    match error {
                        formatter::Error::Output => broken = true,
                        formatter::Error::Record(message) if self.skip_on_error => {
                            log_line("ERROR", "Error processing message, skipping this message: ", CLASS);
                            eprintln!("java.lang.RuntimeException: {message}");
                        }
                        formatter::Error::Record(message) => failure = Some(message),
                    }
                }
                match broken || failure.is_some() || enough(*count) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            if let Some(message) = failure {
                drop(out.flush());
                return Err(format!("java.lang.RuntimeException: {message}"));
            }
            match polled {
                Ok(0) => {}
                Ok(_) => last = Instant::now(),
                Err(error) => {
                    told(&error.as_throwable());
                    return Ok(());
                }
            }
            if out.flush().is_err() || broken {
                eprintln!("Unable to write to standard out, closing consumer.");
                return Ok(());
            }
            if self.timeout.is_some_and(|timeout| last.elapsed() > timeout) {
                told("org.apache.kafka.common.errors.TimeoutException");
                return Ok(());
            }
        }
        Ok(())
    }
}

/// An error of consuming ends the tool, but not as a failure.
fn told(throwable: &str) {
    log_line("ERROR", "Error processing message, terminating consumer process: ", CLASS);
    eprintln!("{throwable}");
}

fn check(arguments: &Arguments) -> Result<(), Stop> {
    let usage = |message: &str| Err(Stop::Usage(message.to_owned()));
    if arguments.count(&["topic", "include"]) != 1 {
        return usage("Exactly one of the following arguments is required: [topic], [include]");
    }
    if arguments.has("partition") {
        arguments.number::<i32>("partition").map_err(Stop::Message)?;
        if !arguments.has("topic") {
            return usage("The topic is required when partition is specified.");
        }
        if arguments.has("from-beginning") && arguments.has("offset") {
            return usage("Options from-beginning and offset cannot be specified together.");
        }
    } else if arguments.has("offset") {
        return usage("The partition is required when offset is specified.");
    }
    arguments.require(&["bootstrap-server"])?;
    for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
        if arguments.has(old) && arguments.has(new) {
            return usage(&format!("Options --{old} and --{new} cannot be specified together."));
        }
    }
    Ok(())
}

fn consumer_properties(arguments: &Arguments) -> Result<Properties, Stop> {
    let mut given = Properties::new();
    for flag in ["command-config", "consumer.config"] {
        if let Some(file) = arguments.value(flag).map_err(Stop::Message)? {
            given = properties::file(file)?;
        }
    }
    let mut groups: BTreeSet<String> =
        arguments.value("group").map_err(Stop::Message)?.map(str::to_owned).into_iter().collect();
    groups.extend(given.get("group.id").cloned());
    let mut pairs = Properties::new();
    properties::add_pairs(&mut pairs, &arguments.values("command-property"));
    properties::add_pairs(&mut pairs, &arguments.values("consumer-property"));
    groups.extend(pairs.get("group.id").cloned());
    given.extend(pairs);
    if groups.len() > 1 {
        let names: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
        return Err(Stop::Usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: {}",
            names.join(", ")
        )));
    }
    if !groups.is_empty() && arguments.has("partition") {
        return Err(Stop::Usage("Options group and partition cannot be specified together.".to_owned()));
    }
    let begins = arguments.has("from-beginning");
    match given.get("auto.offset.reset").filter(|reset| begins && *reset != "earliest") {
        Some(reset) => {
            return Err(Stop::Message(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            )));
        }
        None => {
            let reset = if begins { "earliest" } else { "latest" };
            given.entry("auto.offset.reset".to_owned()).or_insert_with(|| reset.to_owned());
        }
    }
    properties::merge(&mut given, "isolation.level", arguments, "isolation-level", "read_uncommitted")
        .map_err(Stop::Message)?;
    let group = groups.pop_first().unwrap_or_else(|| {
        // A group of one run: its offsets are of no use to anybody.
        given.entry("enable.auto.commit".to_owned()).or_insert_with(|| "false".to_owned());
        format!("console-consumer-{}", u64::from(std::process::id()) % 100_000)
    });
    given.insert("group.id".to_owned(), group);
    Ok(given)
}

fn start(arguments: &Arguments) -> Result<Start, Stop> {
    let Some(text) = arguments.value("offset").map_err(Stop::Message)? else {
        return Ok(if arguments.has("from-beginning") { Start::Earliest } else { Start::Latest });
    };
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        number => match number.parse().ok().filter(|offset: &i64| *offset >= 0) {
            Some(offset) => Ok(Start::Offset(Position::at(offset))),
            None => Err(Stop::Usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                 non-negative long."
            ))),
        },
    }
}

/// The formatter that the arguments ask for.
pub(super) fn formatter(arguments: &Arguments, output: &mut Output) -> Result<Formatter, Stop> {
    let class = arguments.value("formatter").map_err(Stop::Message)?;
    let kind = formatter::Kind::of_class(class).map_err(Stop::Usage)?;
    if arguments.has("property") && arguments.has("formatter-property") {
        return Err(Stop::Usage(
            "Options --property and --formatter-property cannot be specified together.".to_owned(),
        ));
    }
    if arguments.has("property") {
        output.line(
            "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead.",
        );
    }
    let config = arguments.value("formatter-config").map_err(Stop::Message)?;
    let mut given = config.map(properties::file).transpose()?.unwrap_or_default();
    for (flag, key) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
        if let Some(class) = arguments.value(flag).map_err(Stop::Message)?.filter(|class| !class.is_empty()) {
            given.insert(key.to_owned(), class.to_owned());
        }
    }
    properties::add_pairs(&mut given, &arguments.values("formatter-property"));
    properties::add_pairs(&mut given, &arguments.values("property"));
    Ok(Formatter::new(kind, &given))
}
