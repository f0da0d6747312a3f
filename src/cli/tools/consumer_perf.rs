//! What the performance tests of consumers have in common: what is asked for, and how it is counted.

use chrono::{Local, TimeZone};

use super::{Arguments, Output, Stop, java_date};
use crate::client::consumer::Consumed;

pub(super) const MIB: f64 = 1024.0 * 1024.0;
const DATE_FORMAT: &str = "yyyy-MM-dd HH:mm:ss:SSS";

/// What was read.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub records: u64,
    pub bytes: u64,
}

impl Count {
    pub(super) fn add(&mut self, record: &Consumed<'_>) {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
        self.records += 1;
        self.bytes += len(record.key) + len(record.value);
    }
}

/// How much is read, how long it is waited for, and how it is reported.
pub(super) struct Plan {
    pub records: u64,
    /// How long there may be no record.
    pub timeout_ms: i64,
    pub interval_ms: i64,
    pub detailed: bool,
    /// As chrono has it.
    date_format: String,
}

impl Plan {
    pub(super) fn new(arguments: &Arguments) -> Result<Plan, String> {
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
        Ok(Plan {
            records: u64::try_from(records).unwrap_or(0),
            timeout_ms: arguments.number("timeout")?.unwrap_or(10_000),
            interval_ms,
            detailed: arguments.has("show-detailed-stats"),
            date_format: java_date::to_chrono(arguments.value("date-format")?.unwrap_or(DATE_FORMAT))?,
        })
    }

    /// A time by the wall clock.
    pub(super) fn date(&self, millis: i64) -> String {
        let time = Local.timestamp_millis_opt(millis).single();
        time.map_or_else(String::new, |time| time.format(&self.date_format).to_string())
    }

    /// That less was read than was asked for.
    pub(super) fn warning(&self) -> String {
        format!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use \
             the --timeout option to increase the timeout.",
            self.timeout_ms
        )
    }
}

/// Exactly one flag of each of these pairs.
pub(super) fn check_one_of_each(arguments: &Arguments, pairs: &[[&str; 2]]) -> Result<(), Stop> {
    match pairs.iter().find(|pair| arguments.count(*pair) != 1) {
        Some([a, b]) => Err(Stop::Usage(format!("Exactly one of the following arguments is required: [{a}], [{b}]"))),
        None => Ok(()),
    }
}

/// Flags that have a newer name, and those that are not served.
pub(super) fn check_old(arguments: &Arguments, output: &mut Output) -> Result<(), Stop> {
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
