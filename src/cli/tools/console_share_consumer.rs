//! `console-share-consumer`: prints records that a share group gives to it.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use super::console_consumer::{FORMATTER_PROPERTIES, Formatter, FormatterError, formatter};
use super::log_line::log_line;
use super::properties::{self, Properties};
use super::{Arguments, Flag, Output, Stop, Tool, interrupt};
use crate::client::share::{ShareConfig, ShareConsumer, Verdict};
use crate::client::{Bootstrap, ClientConfig, ClientError};

const CLASS: &str = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
/// The group and the client's id, unless they are given.
const NAME: &str = "console-share-consumer";
/// How long a poll waits, so that a signal is seen soon.
const POLL: Duration = Duration::from_millis(500);

pub(super) static TOOL: Tool = Tool {
    name: NAME,
    about: "This tool helps to read data from Kafka topics using share groups and outputs it to standard output.",
    flags: &[
        Flag::value("topic", "topic", "REQUIRED: The topic to consume from"),
        Flag::value("consumer-property", "consumer_prop", "(DEPRECATED) Use --command-property instead"),
        Flag::value("command-property", "consumer_prop", "A property of the consumer, key=value"),
        Flag::value("consumer-config", "config file", "(DEPRECATED) Use --command-config instead"),
        Flag::value("command-config", "config file", "Properties of the consumer; --command-property has precedence"),
        Flag::value("formatter", "class", "How records are printed: one of Kafka's formatters, by its class"),
        Flag::value("property", "prop", "(DEPRECATED) Use --formatter-property instead"),
        Flag::value("formatter-property", "prop", FORMATTER_PROPERTIES),
        Flag::value("formatter-config", "config file", "Properties of the formatter"),
        Flag::value("max-messages", "num_messages", "How many records to consume"),
        Flag::value("timeout-ms", "timeout_ms", "End when no record arrives for so long"),
        Flag::switch("reject", "Reject records as they are consumed"),
        Flag::switch("release", "Release records as they are consumed"),
        Flag::switch("reject-message-on-error", "Reject a record that cannot be printed"),
        Flag::value("bootstrap-server", "server to connect to", "REQUIRED: The servers to connect to"),
        Flag::value("key-deserializer", "deserializer for keys", "The class that keys are read with"),
        Flag::value("value-deserializer", "deserializer for values", "The class that values are read with"),
        Flag::value("group", "share group id", "The share group (default: console-share-consumer)"),
        Flag::switch("enable-systest-events", "Print what happens to the consumer besides records"),
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
    let failed = |error: &ClientError| {
        log_line("ERROR", "Unknown error when running consumer: ", CLASS);
        eprintln!("{}", error.as_throwable());
        Stop::Told
    };
    let mut consumer = ClientConfig::new(plan.bootstrap.clone(), plan.properties.clone(), NAME)
        .and_then(|client| {
            let config = ShareConfig::new(&plan.properties)?;
            ShareConsumer::new(client, config, vec![plan.topic.clone()])
        })
        .map_err(|error| failed(&error))?;
    interrupt::on_signal(|code| INTERRUPTED.store(code, Ordering::SeqCst));
    let mut count = 0;
    let result = plan.consume(&mut consumer, &mut count);
    let closed = consumer.close();
    eprintln!("Processed a total of {count} messages");
    if arguments.has("enable-systest-events") {
        println!("shutdown_complete");
    }
    match INTERRUPTED.load(Ordering::SeqCst) {
        0 => {}
        code => std::process::exit(code),
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
    topic: String,
    formatter: Formatter,
    max_messages: Option<u64>,
    timeout: Option<Duration>,
    verdict: Verdict,
    reject_on_error: bool,
}

impl Plan {
    fn new(arguments: &Arguments, output: &mut Output) -> Result<Plan, Stop> {
        for (old, new) in [("consumer-property", "command-property"), ("consumer-config", "command-config")] {
            if arguments.has(old) {
                output.line(format!(
                    "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."
                ));
            }
        }
        let number = |flag| arguments.number::<i32>(flag).map_err(Stop::Message);
        let verdict = match (arguments.has("reject"), arguments.has("release")) {
            (true, _) => Verdict::Reject,
            (false, true) => Verdict::Release,
            (false, false) => Verdict::Accept,
        };
        Ok(Plan {
            bootstrap: Bootstrap::Servers(
                arguments.value("bootstrap-server").map_err(Stop::Message)?.unwrap_or_default().to_owned(),
            ),
            properties: consumer_properties(arguments)?,
            topic: arguments.value("topic").map_err(Stop::Message)?.unwrap_or_default().to_owned(),
            formatter: formatter(arguments, output)?,
            max_messages: number("max-messages")?.and_then(|count| u64::try_from(count).ok()),
            timeout: number("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
            verdict,
            reject_on_error: arguments.has("reject-message-on-error"),
        })
    }

    /// Prints until there is enough, nothing comes any more, or a signal says so. The error is one of printing.
    fn consume(&self, consumer: &mut ShareConsumer, count: &mut u64) -> Result<(), String> {
        let mut out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
        let mut last = Instant::now();
        let enough = |count: u64| self.max_messages.is_some_and(|max| count >= max);
        while !enough(*count) && INTERRUPTED.load(Ordering::SeqCst) == 0 {
            let patience = self.timeout.map_or(POLL, |timeout| timeout.saturating_sub(last.elapsed()).min(POLL));
            let mut failure = None;
            let mut broken = false;
            let polled = consumer.poll(patience, |record| {
                *count += 1;
                let mut verdict = self.verdict;
                match self.formatter.write(record, &mut out) {
                    Ok(()) => {}
                    Err(FormatterError::Output) => broken = true,
                    Err(FormatterError::Record(message)) if self.reject_on_error => {
                        log_line("ERROR", "Error processing message, rejecting this message: ", CLASS);
                        eprintln!("java.lang.RuntimeException: {message}");
                        verdict = Verdict::Reject;
                    }
                    Err(FormatterError::Record(message)) => {
                        failure = Some(message);
                        verdict = Verdict::Release;
                    }
                }
                match broken || failure.is_some() || enough(*count) {
                    true => (verdict, ControlFlow::Break(())),
                    false => (verdict, ControlFlow::Continue(())),
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
    if !arguments.has("topic") {
        return usage("--topic is a required argument");
    }
    arguments.require(&["bootstrap-server"])?;
    if arguments.has("reject") && arguments.has("release") {
        return usage("At most one of --reject and --release may be specified.");
    }
    for (old, new) in [("consumer-property", "command-property"), ("consumer-config", "command-config")] {
        if arguments.has(old) && arguments.has(new) {
            return usage(&format!("Options --{old} and --{new} cannot be specified together."));
        }
    }
    Ok(())
}

fn consumer_properties(arguments: &Arguments) -> Result<Properties, Stop> {
    let mut given = Properties::new();
    for flag in ["command-config", "consumer-config"] {
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
             '--consumer-config') do not match. Detected group ids: {}",
            names.join(", ")
        )));
    }
    given.insert("group.id".to_owned(), groups.pop_first().unwrap_or_else(|| NAME.to_owned()));
    Ok(given)
}
