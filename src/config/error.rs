//! What can be wrong with a configuration, and where it stands.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::value::InvalidValue;

/// Where a value was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A line of a properties file, counted from 1.
    File { path: Arc<Path>, line: usize },
    /// `--override` of the command line.
    Override,
    /// A variable of the environment.
    Variable(String),
    /// What runs when there is no file.
    BuiltIn,
}

/// Why a configuration is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{origin}: {reason}")]
    Syntax { origin: Origin, reason: String },
    /// The value is not allowed; `message` is Kafka's.
    #[error("{}{message}{allowed}", Prefix(origin))]
    Invalid { origin: Option<Origin>, key: String, message: String, allowed: Allowed },
    #[error("{}{key} is set to {value}, which is refused: {reason}", Prefix(origin))]
    Refused { origin: Option<Origin>, key: String, value: String, reason: String },
    #[error("{}unknown configuration {key}{}", Prefix(origin), Nearest(nearest))]
    Unknown { origin: Option<Origin>, key: String, nearest: Option<&'static str> },
    /// A change by a client is refused; the text is the one Kafka answers.
    #[error("{0}")]
    Change(String),
}

/// The values that would have been allowed; empty when there is nothing to tell.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowed(pub String);

impl ConfigError {
    /// The text for a client: Kafka's own, without places in files.
    pub fn message(&self) -> String {
        match self {
            ConfigError::Invalid { message, .. } => message.clone(),
            other => other.to_string(),
        }
    }
}

impl From<InvalidValue> for ConfigError {
    fn from(invalid: InvalidValue) -> ConfigError {
        let lead = if invalid.requirement { "requirement failed: " } else { "" };
        let message = format!("{lead}{}", invalid.message);
        ConfigError::Invalid { origin: None, key: invalid.key, message, allowed: Allowed::default() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Override => f.write_str("--override"),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::BuiltIn => f.write_str("built-in configuration"),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (allowed: {})", self.0) }
    }
}

struct Prefix<'a>(&'a Option<Origin>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(origin) => write!(f, "{origin}: "),
            None => Ok(()),
        }
    }
}

struct Nearest<'a>(&'a Option<&'static str>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "; did you mean {name}?"),
            None => Ok(()),
        }
    }
}
