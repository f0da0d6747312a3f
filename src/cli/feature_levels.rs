//! The levels of features that releases have: what a cluster begins with, and what a level depends on.

use crate::metadata::{Feature, MetadataVersion};

/// A level of a feature, the `metadata.version` from which new clusters begin with it, and the one it cannot do without.
struct FeatureLevel {
    name: &'static str,
    level: i16,
    begins_at: i16,
    requires: Option<i16>,
}

const fn level(name: &'static str, level: i16, begins_at: i16, requires: Option<i16>) -> FeatureLevel {
    FeatureLevel { name, level, begins_at, requires }
}

/// A level of `metadata.version` that Kafka's tools know and its brokers do not serve yet.
const UNRELEASED: (i16, &str) = (31, "4.4-IV0");

/// In the order in which Kafka's tools print them; level 0 of each always exists.
const LEVELS: [FeatureLevel; 7] = [
    level(Feature::KRAFT, 1, 21, None),
    level(Feature::TRANSACTIONS, 1, 24, None),
    level(Feature::TRANSACTIONS, 2, 24, None),
    level(Feature::GROUP, 1, 22, None),
    level(Feature::ELIGIBLE_LEADER_REPLICAS, 1, 26, Some(23)),
    level(Feature::SHARE, 1, 28, None),
    level("streams.version", 1, 29, None),
];

/// The features beside `metadata.version`, in that order.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = LEVELS.iter().map(|row| row.name).collect();
    names.dedup();
    names
}

/// The level of a feature that a new cluster of this `metadata.version` begins with.
pub(super) fn default_level(name: &str, metadata_version: i16) -> i16 {
    let begun = LEVELS.iter().filter(|row| row.name == name && row.begins_at <= metadata_version);
    begun.map(|row| row.level).max().unwrap_or(0)
}

/// The `metadata.version` that a level of a feature of this table requires, if it does; an error where there is no such
/// level.
pub(super) fn requirement(name: &str, level: i16) -> Result<Option<MetadataVersion>, UnknownLevel> {
    match LEVELS.iter().find(|row| row.name == name && row.level == level) {
        Some(row) => Ok(row.requires.and_then(MetadataVersion::from_level)),
        None if level == 0 => Ok(None),
        None => Err(UnknownLevel),
    }
}

/// A level that the feature does not have.
#[derive(Debug)]
pub(super) struct UnknownLevel;

/// A level of `metadata.version` by its name.
pub(super) fn metadata_name(level: i16) -> Option<String> {
    match MetadataVersion::from_level(level) {
        Some(version) => Some(version.to_string()),
        None => (level == UNRELEASED.0).then(|| UNRELEASED.1.to_owned()),
    }
}

/// The level of a release, `3.7` or `3.7-IV1`.
pub(super) fn metadata_level(text: &str) -> Result<i16, String> {
    if let Some(version) = MetadataVersion::parse(text) {
        return Ok(version.level());
    }
    let (level, name) = UNRELEASED;
    let key = text.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    match key == name {
        true => Ok(level),
        false => {
            let names = MetadataVersion::names();
            Err(format!("Unknown metadata.version '{text}'. Supported metadata.version are: {names}, {name}"))
        }
    }
}

/// Reads `feature=level`.
pub(super) fn parse(text: &str) -> Result<(String, i16), String> {
    let Some((name, level)) = text.split_once('=') else {
        return Err(format!("Can't parse feature=level string {text}: equals sign not found."));
    };
    let (name, level) = (name.trim(), level.trim());
    match level.parse() {
        Ok(number) => Ok((name.to_owned(), number)),
        Err(_) => Err(format!("Can't parse feature=level string {text}: unable to parse {level} as a short.")),
    }
}
