//! Where log lines go, how they look, and how much is said; levels can be changed while the process runs.
//!
//! A logger is a module of this crate, written with dots (`ottla.network`), as BROKER_LOGGER resources name it; `root`
//! is for everything that has no level of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt as format, reload};

/// The name of the logger that all others inherit from.
pub const ROOT_LOGGER: &str = "root";

/// The loggers there are, beside the root.
const LOGGERS: [&str; 15] = [
    "ottla",
    "ottla.broker",
    "ottla.cli",
    "ottla.config",
    "ottla.controller",
    "ottla.coordinator",
    "ottla.handlers",
    "ottla.log",
    "ottla.metadata",
    "ottla.network",
    "ottla.protocol",
    "ottla.quorum",
    "ottla.replication",
    "ottla.security",
    "ottla.state_machine",
];

/// A level as Kafka's tools spell it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    /// Nothing here is logged as fatal, so at this level nothing is logged.
    Fatal,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogForm {
    /// For people; with colours on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// The levels of all loggers.
pub struct LogLevels {
    set: Mutex<BTreeMap<&'static str, LogLevel>>,
    filter: Option<reload::Handle<Targets, Registry>>,
}

/// There is no logger of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Logger {0} does not exist!")]
pub struct UnknownLogger(pub String);

impl LogLevels {
    /// Sends log lines of this process to standard error from now on.
    pub fn install(form: LogForm, root: LogLevel) -> Arc<LogLevels> {
        let set = BTreeMap::from([(ROOT_LOGGER, root)]);
        let (filter, handle) = reload::Layer::new(targets(&set));
        let lines = format::layer().with_writer(std::io::stderr).with_target(false);
        let lines = match form {
            LogForm::Human => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
            LogForm::Json => lines.json().with_target(true).flatten_event(true).boxed(),
        };
        // It fails when a subscriber is there already, as in a test that runs several brokers; that one stays.
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
        Arc::new(LogLevels { set: Mutex::new(set), filter: Some(handle) })
    }

    /// Levels that nobody obeys: for a broker inside another program, which has its own log.
    pub fn detached() -> Arc<LogLevels> {
        Arc::new(LogLevels { set: Mutex::new(BTreeMap::from([(ROOT_LOGGER, LogLevel::Info)])), filter: None })
    }

    /// Every logger with the level in force for it, in order of name.
    pub fn all(&self) -> Vec<(&'static str, LogLevel)> {
        let set = self.lock();
        let mut all: Vec<_> = LOGGERS.iter().map(|&logger| (logger, effective(&set, logger))).collect();
        all.push((ROOT_LOGGER, effective(&set, ROOT_LOGGER)));
        all.sort_unstable_by_key(|(logger, _)| *logger);
        all
    }

    /// Gives a logger a level of its own.
    pub fn set(&self, logger: &str, level: LogLevel) -> Result<(), UnknownLogger> {
        let logger = known(logger)?;
        self.change(|set| {
            set.insert(logger, level);
        });
        Ok(())
    }

    /// Takes a logger's own level away; the root keeps its own.
    pub fn unset(&self, logger: &str) -> Result<(), UnknownLogger> {
        let logger = known(logger)?;
        self.change(|set| {
            if logger != ROOT_LOGGER {
                set.remove(logger);
            }
        });
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<&'static str, LogLevel>)) {
        let mut set = self.lock();
        change(&mut set);
        if let Some(filter) = &self.filter {
            // It fails when the subscriber is gone, and then there is nobody to filter for.
            let _ = filter.reload(targets(&set));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, LogLevel>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogLevels").field(&*self.lock()).finish()
    }
}

fn known(logger: &str) -> Result<&'static str, UnknownLogger> {
    let mut names = LOGGERS.iter().copied().chain([ROOT_LOGGER]);
    names.find(|name| *name == logger).ok_or_else(|| UnknownLogger(logger.chars().take(256).collect()))
}

/// The level of `logger`: its own, or that of the nearest one above it.
fn effective(set: &BTreeMap<&'static str, LogLevel>, logger: &str) -> LogLevel {
    let mut name = logger;
    loop {
        if let Some(level) = set.get(name) {
            return *level;
        }
        match name.rsplit_once('.') {
            Some((above, _)) => name = above,
            None => return set.get(ROOT_LOGGER).copied().unwrap_or(LogLevel::Info),
        }
    }
}

fn targets(set: &BTreeMap<&'static str, LogLevel>) -> Targets {
    let own = set.iter().filter(|(logger, _)| **logger != ROOT_LOGGER);
    Targets::new()
        .with_default(effective(set, ROOT_LOGGER).filter())
        .with_targets(own.map(|(logger, level)| (logger.replace('.', "::"), level.filter())))
}

impl LogLevel {
    /// Every level, the most talkative first.
    pub const ALL: [LogLevel; 6] =
        [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Fatal];

    /// In capitals, as Kafka's tools print it.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Trace => "TRACE",
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Warn => "WARN",
            LogLevel::Error => "ERROR",
            LogLevel::Fatal => "FATAL",
        }
    }

    fn filter(self) -> LevelFilter {
        match self {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Fatal => LevelFilter::OFF,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a log level is one of TRACE, DEBUG, INFO, WARN, ERROR and FATAL")]
pub struct UnknownLevel;

impl FromStr for LogLevel {
    type Err = UnknownLevel;
    fn from_str(text: &str) -> Result<LogLevel, UnknownLevel> {
        LogLevel::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text)).ok_or(UnknownLevel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(levels: &LogLevels, logger: &str) -> LogLevel {
        levels.all().into_iter().find(|(name, _)| *name == logger).expect("a logger").1
    }

    #[test]
    fn levels_are_inherited_until_set() {
        let levels = LogLevels::detached();
        assert_eq!(level(&levels, "ottla.network"), LogLevel::Info);
        levels.set("ottla", LogLevel::Debug).expect("known");
        assert_eq!(level(&levels, "ottla.network"), LogLevel::Debug);
        levels.set("ottla.network", LogLevel::Error).expect("known");
        levels.set(ROOT_LOGGER, LogLevel::Warn).expect("known");
        assert_eq!(level(&levels, "ottla.network"), LogLevel::Error);
        assert_eq!(level(&levels, "ottla.log"), LogLevel::Debug);
        levels.unset("ottla").expect("known");
        levels.unset("ottla.network").expect("known");
        levels.unset(ROOT_LOGGER).expect("known");
        assert_eq!(level(&levels, "ottla.network"), LogLevel::Warn);
        assert_eq!(levels.set("kafka", LogLevel::Info), Err(UnknownLogger("kafka".to_string())));
    }

    #[test]
    fn filters_follow_the_levels() {
        let set = BTreeMap::from([(ROOT_LOGGER, LogLevel::Warn), ("ottla.network", LogLevel::Trace)]);
        let targets = targets(&set);
        assert!(targets.would_enable("ottla::network::connection", &tracing::Level::TRACE));
        assert!(!targets.would_enable("ottla::log", &tracing::Level::INFO));
    }

    #[test]
    fn levels_are_read_in_either_case() {
        assert_eq!("warn".parse(), Ok(LogLevel::Warn));
        assert_eq!("loud".parse::<LogLevel>(), Err(UnknownLevel));
    }
}
