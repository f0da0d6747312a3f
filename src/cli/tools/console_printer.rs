//! What the console's two consumers have in common: their flags, and records printed until there is enough.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use super::console_consumer::{Formatter, FormatterError};
use super::log_line::log_line;
use super::properties::{self, Properties};
use super::{Arguments, Output, Stop, interrupt};
use crate::client::ClientError;
use crate::client::consumer::Consumed;

/// How long a poll waits, so that a signal is seen soon.
const POLL: Duration = Duration::from_millis(500);

const FAILURE: &str = "Unknown error when running consumer: ";

/// The exit code that a signal asked for; 0 without one.
static INTERRUPTED: AtomicI32 = AtomicI32::new(0);

/// How records are printed.
pub(super) struct Printer {
    /// Java's class of the tool, for its log lines.
    pub class: &'static str,
    pub formatter: Formatter,
    pub max_messages: Option<u64>,
    pub timeout: Option<Duration>,
    /// What is done with a record that cannot be printed, as the log line says it; without it such a record ends the tool.
    pub passes_over: Option<&'static str>,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Printed,
    PassedOver,
    Failed,
}

/// What is done with each record of a poll, and whether it goes on.
pub(super) type Print<'a> = dyn FnMut(&Consumed<'_>) -> (Outcome, ControlFlow<()>) + 'a;

impl Printer {
    /// Prints what `poll` hands over until there is enough, nothing comes any more, or a signal says so. The error is one
    /// of printing.
    fn print(
        &self,
        count: &mut u64,
        mut poll: impl FnMut(Duration, &mut Print<'_>) -> Result<usize, ClientError>,
    ) -> Result<(), String> {
        let mut out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
        let mut last = Instant::now();
        let enough = |count: u64| self.max_messages.is_some_and(|max| count >= max);
        while !enough(*count) && INTERRUPTED.load(Ordering::SeqCst) == 0 {
            let patience = self.timeout.map_or(POLL, |timeout| timeout.saturating_sub(last.elapsed()).min(POLL));
            let mut failure = None;
            let mut broken = false;
            let polled = poll(patience, &mut |record| {
                *count += 1;
                let outcome = match (self.formatter.write(record, &mut out), self.passes_over) {
                    (Ok(()), _) => Outcome::Printed,
                    (Err(FormatterError::Output), _) => {
                        broken = true;
                        Outcome::Printed
                    }
                    (Err(FormatterError::Record(message)), Some(how)) => {
                        log_line("ERROR", &format!("Error processing message, {how} this message: "), self.class);
                        eprintln!("java.lang.RuntimeException: {message}");
                        Outcome::PassedOver
                    }
                    (Err(FormatterError::Record(message)), None) => {
                        failure = Some(message);
                        Outcome::Failed
                    }
                };
                match broken || failure.is_some() || enough(*count) {
                    true => (outcome, ControlFlow::Break(())),
                    false => (outcome, ControlFlow::Continue(())),
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
                    self.tell(&error.as_throwable());
                    return Ok(());
                }
            }
            if out.flush().is_err() || broken {
                eprintln!("Unable to write to standard out, closing consumer.");
                return Ok(());
            }
            if self.timeout.is_some_and(|timeout| last.elapsed() > timeout) {
                self.tell("org.apache.kafka.common.errors.TimeoutException");
                return Ok(());
            }
        }
        Ok(())
    }

    /// An error of consuming ends the tool, but not as a failure.
    fn tell(&self, throwable: &str) {
        log_line("ERROR", "Error processing message, terminating consumer process: ", self.class);
        eprintln!("{throwable}");
    }

    /// Prints the records of `consumer` by `poll`, closes it by `close`, and ends as that and a signal say.
    pub(super) fn run<C>(
        &self,
        arguments: &Arguments,
        mut consumer: C,
        mut poll: impl FnMut(&mut C, Duration, &mut Print<'_>) -> Result<usize, ClientError>,
        close: impl FnOnce(&mut C) -> Result<(), ClientError>,
    ) -> Result<(), Stop> {
        interrupt::on_signal(|code| INTERRUPTED.store(code, Ordering::SeqCst));
        let mut count = 0;
        let result = self.print(&mut count, |patience, each| poll(&mut consumer, patience, each));
        let closed = close(&mut consumer);
        eprintln!("Processed a total of {count} messages");
        if arguments.has("enable-systest-events") {
            println!("shutdown_complete");
        }
        match INTERRUPTED.load(Ordering::SeqCst) {
            0 => {}
            code => std::process::exit(code),
        }
        result.map_err(|message| {
            log_line("ERROR", FAILURE, self.class);
            Stop::Message(message)
        })?;
        closed.or_else(|error| if error.is_retriable() { Ok(()) } else { Err(failed(self.class, &error)) })
    }
}

/// Tells why there is no consumer, or why it could not be closed.
pub(super) fn failed(class: &str, error: &ClientError) -> Stop {
    log_line("ERROR", FAILURE, class);
    eprintln!("{}", error.as_throwable());
    Stop::Told
}

/// The flags that have a newer name; `config` is the older one of --command-config.
fn renamed(config: &'static str) -> [(&'static str, &'static str); 2] {
    [("consumer-property", "command-property"), (config, "command-config")]
}

/// Warns of flags under their older names.
pub(super) fn warn_of_renamed(arguments: &Arguments, config: &'static str, output: &mut Output) {
    for (old, new) in renamed(config) {
        if arguments.has(old) {
            output.line(format!(
                "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            ));
        }
    }
}

/// Refuses a flag under both of its names.
pub(super) fn refuse_both_names(arguments: &Arguments, config: &'static str) -> Result<(), Stop> {
    for (old, new) in renamed(config) {
        if arguments.has(old) && arguments.has(new) {
            return Err(Stop::Usage(format!("Options --{old} and --{new} cannot be specified together.")));
        }
    }
    Ok(())
}

/// The consumer's properties, and its group, which must be the same wherever it is given.
pub(super) fn properties_and_group(
    arguments: &Arguments,
    config: &'static str,
) -> Result<(Properties, Option<String>), Stop> {
    let mut given = Properties::new();
    for flag in ["command-config", config] {
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
             '--{config}') do not match. Detected group ids: {}",
            names.join(", ")
        )));
    }
    Ok((given, groups.pop_first()))
}
