//! BROKER_LOGGER resources (KIP-412): log levels described and changed as if they were configs.

use super::describe::{ConfigEntry, ConfigSource};
use super::error::ConfigError;
use crate::logging::{LogLevel, LogLevels, ROOT_LOGGER};

/// Every logger with its level, as DescribeConfigs shows them.
pub fn describe_loggers(levels: &LogLevels) -> Vec<ConfigEntry> {
    let entry = |(name, level): (&str, LogLevel)| ConfigEntry {
        name: name.to_owned(),
        value: Some(level.name().to_owned()),
        read_only: false,
        is_default: false,
        source: ConfigSource::DynamicBrokerLogger,
        sensitive: false,
        synonyms: Vec::new(),
        config_type: 0,
        documentation: None,
    };
    levels.all().into_iter().map(entry).collect()
}

/// Checks a change of a logger's level: `None` takes its own level away.
pub fn check_logger(levels: &LogLevels, name: &str, level: Option<&str>) -> Result<Option<LogLevel>, ConfigError> {
    let refused = |message: String| Err(ConfigError::Change(message));
    if !levels.all().iter().any(|(logger, _)| *logger == name) {
        return refused(format!("Logger {name} does not exist!"));
    }
    let Some(text) = level else {
        return match name {
            ROOT_LOGGER => refused("Removing the log level of the root logger is not allowed".to_owned()),
            _ => Ok(None),
        };
    };
    match LogLevel::ALL.into_iter().find(|level| level.name() == text) {
        Some(level) => Ok(Some(level)),
        None => {
            let mut valid = LogLevel::ALL.map(LogLevel::name);
            valid.sort_unstable();
            refused(format!(
                "Cannot set the log level of {name} to {text} as it is not a supported log level. Valid log levels are {}",
                valid.join(", ")
            ))
        }
    }
}

/// Changes a logger's level, after checking it.
pub fn change_logger(levels: &LogLevels, name: &str, level: Option<&str>) -> Result<(), ConfigError> {
    let changed = match check_logger(levels, name, level)? {
        Some(level) => levels.set(name, level),
        None => levels.unset(name),
    };
    changed.map_err(|unknown| ConfigError::Change(unknown.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_described_changed_and_taken_away() {
        let levels = LogLevels::detached();
        let level = |name: &str| {
            let entries = describe_loggers(&levels);
            entries.into_iter().find(|entry| entry.name == name).and_then(|entry| entry.value)
        };
        change_logger(&levels, "ottla.log", Some("DEBUG")).unwrap();
        assert_eq!((level("ottla.log").as_deref(), level("ottla.network").as_deref()), (Some("DEBUG"), Some("INFO")));
        change_logger(&levels, "ottla.log", None).unwrap();
        assert_eq!(level("ottla.log").as_deref(), Some("INFO"));
    }

    #[test]
    fn refusals_are_kafkas() {
        let levels = LogLevels::detached();
        for (name, level, message) in [
            ("kafka", Some("INFO"), "Logger kafka does not exist!"),
            ("root", None, "Removing the log level of the root logger is not allowed"),
            (
                "ottla",
                Some("info"),
                "Cannot set the log level of ottla to info as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
            ),
        ] {
            assert_eq!(change_logger(&levels, name, level).unwrap_err().to_string(), message);
        }
    }
}
