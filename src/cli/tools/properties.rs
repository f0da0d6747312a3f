//! Properties of clients and formatters, as they are given to a tool: in a file, by `key=value` flags, by flags of their own.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Arguments, Stop};
use crate::config::properties;

/// Properties by their keys.
pub type Properties = BTreeMap<String, String>;

/// The properties in a file, their values as they stand there.
pub fn file(path: &str) -> Result<Properties, Stop> {
    let failed = |reason: String| Stop::Message(format!("{path}: {reason}"));
    let bytes = std::fs::read(Path::new(path)).map_err(|error| failed(error.to_string()))?;
    let entries =
        properties::parse(&bytes).map_err(|error| failed(format!("line {}: {}", error.line, error.reason)))?;
    Ok(entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
}

/// Adds `key=value` pairs; a pair without a value is an empty one.
pub fn add_pairs(properties: &mut Properties, pairs: &[&str]) {
    for pair in pairs {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        properties.insert(key.to_owned(), value.to_owned());
    }
}

/// A flag stands for a property: its value wins, and its default is for a property that is not given at all.
pub fn merge(
    properties: &mut Properties,
    key: &str,
    arguments: &Arguments,
    flag: &str,
    default: &str,
) -> Result<(), String> {
    match arguments.value(flag)? {
        Some(value) => drop(properties.insert(key.to_owned(), value.to_owned())),
        None => drop(properties.entry(key.to_owned()).or_insert_with(|| default.to_owned())),
    }
    Ok(())
}

/// Whether a property is `true`, whatever its case.
pub fn is_true(properties: &Properties, key: &str) -> Option<bool> {
    properties.get(key).map(|value| value.trim().eq_ignore_ascii_case("true"))
}
