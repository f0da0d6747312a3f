//! CLIENT_METRICS resources (KIP-714), by the rules of Kafka: which metrics which clients push.

use std::collections::BTreeMap;

use regex::Regex;

use super::describe::{ConfigEntry, ConfigSource, Synonym};
use super::error::ConfigError;
use super::key::Type;

const INTERVAL_MS: &str = "interval.ms";
const MATCH: &str = "match";
const METRICS: &str = "metrics";
/// Name, type, default and meaning of each key, in the order of their names.
const KEYS: [(&str, Type, &str, &str); 3] = [
    (INTERVAL_MS, Type::Int, "300000", "Milliseconds between two pushes of a client."),
    (MATCH, Type::List, "", "Which clients: pairs of a property and a pattern for it."),
    (METRICS, Type::List, "", "Prefixes of the names of the metrics to push."),
];
const INTERVALS: std::ops::RangeInclusive<i32> = 100..=3_600_000;
const MATCHED: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// What is wrong with a subscription to metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubscriptionFault {
    /// With the request: the name, a key, or an interval out of bounds.
    Request(String),
    /// With a value.
    Config(String),
}

/// Checks all configs of one subscription.
pub fn check_client_metrics(name: &str, configs: &BTreeMap<String, String>) -> Result<(), SubscriptionFault> {
    if name.is_empty() {
        return Err(SubscriptionFault::Request("Subscription name can't be empty".to_owned()));
    }
    if let Some(unknown) = configs.keys().find(|name| KEYS.iter().all(|(key, ..)| key != name)) {
        return Err(SubscriptionFault::Request(format!("Unknown client metrics configuration: {unknown}")));
    }
    if let Some(text) = configs.get(INTERVAL_MS) {
        let interval: i32 = text.trim().parse().map_err(|_| {
            let reason = "Not a number of type INT";
            SubscriptionFault::Config(format!("Invalid value {text} for configuration {INTERVAL_MS}: {reason}"))
        })?;
        if !INTERVALS.contains(&interval) {
            let message = "interval must be between 100 and 3600000 (1 hour)";
            return Err(SubscriptionFault::Request(format!("Invalid value {interval} for {INTERVAL_MS}, {message}")));
        }
    }
    for key in [METRICS, MATCH] {
        if list(configs, key).any(str::is_empty) {
            return Err(SubscriptionFault::Config(format!("Configuration '{key}' values must not be empty.")));
        }
    }
    match list(configs, MATCH).find(|text| pattern(text).is_none()) {
        Some(text) => Err(SubscriptionFault::Config(format!("Illegal client matching pattern: {text}"))),
        None => Ok(()),
    }
}

/// A subscription as it is set.
#[derive(Clone, Debug)]
pub struct ClientMetricsConfig {
    /// Prefixes of the names of metrics, each once.
    pub metrics: Vec<String>,
    /// Milliseconds between two pushes.
    pub interval_ms: i32,
    /// Properties of clients, each once, and what the whole of it must match.
    pub matches: Vec<(String, Regex)>,
}

impl ClientMetricsConfig {
    pub const INTERVAL_MS_DEFAULT: i32 = 300_000;

    /// Reads what is set; the error is what is wrong with it.
    pub fn read(configs: &BTreeMap<String, String>) -> Result<ClientMetricsConfig, String> {
        check_client_metrics("-", configs).map_err(|fault| match fault {
            SubscriptionFault::Request(message) | SubscriptionFault::Config(message) => message,
        })?;
        let mut metrics: Vec<String> = Vec::new();
        for metric in list(configs, METRICS) {
            if !metrics.iter().any(|known| known == metric) {
                metrics.push(metric.to_owned());
            }
        }
        let mut matches: Vec<(String, Regex)> = Vec::new();
        for (property, pattern) in list(configs, MATCH).filter_map(pattern) {
            matches.retain(|(known, _)| known != property);
            matches.push((property.to_owned(), pattern));
        }
        let interval_ms = configs.get(INTERVAL_MS).and_then(|text| text.trim().parse().ok());
        let interval_ms = interval_ms.unwrap_or(ClientMetricsConfig::INTERVAL_MS_DEFAULT);
        Ok(ClientMetricsConfig { metrics, interval_ms, matches })
    }
}

/// The values of a list; one of nothing but blanks has none.
fn list<'a>(configs: &'a BTreeMap<String, String>, key: &str) -> impl Iterator<Item = &'a str> {
    let text = configs.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    text.into_iter().flat_map(|text| text.split(',').map(str::trim))
}

/// A property of clients, and a regular expression for the whole of it.
fn pattern(text: &str) -> Option<(&str, Regex)> {
    let [property, pattern] = text.split('=').collect::<Vec<_>>()[..] else { return None };
    let (property, pattern) = (property.trim(), pattern.trim());
    // Alone it has to be one as well: what closes a group of ours is none.
    Regex::new(pattern).ok()?;
    let whole = Regex::new(&format!("^(?:{pattern})$")).ok()?;
    MATCHED.contains(&property).then_some((property, whole))
}

/// The configs of a subscription, given what is set; it need not exist.
pub fn describe_client_metrics(
    name: &str,
    configs: &BTreeMap<String, String>,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::Change("Client metrics subscription name must not be empty".to_owned()));
    }
    let entry = |(key, kind, default, doc): (&str, Type, &str, &'static str)| {
        let set = configs.get(key);
        let source = if set.is_some() { ConfigSource::ClientMetrics } else { ConfigSource::Default };
        let synonym = |value: &String| Synonym { name: key.to_owned(), value: Some(value.clone()), source };
        ConfigEntry {
            name: key.to_owned(),
            value: Some(set.cloned().unwrap_or_else(|| default.to_owned())),
            read_only: false,
            is_default: set.is_none(),
            source,
            sensitive: false,
            synonyms: set.map(synonym).into_iter().collect(),
            config_type: kind.code(),
            documentation: Some(doc),
        }
    };
    Ok(KEYS.into_iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_subscription_is_checked_as_kafka_checks_it() {
        let good = [
            &[][..],
            &[("interval.ms", "100")],
            &[("metrics", "org.apache.kafka,x"), ("match", "client_id = a.*, client_software_name=Java")],
            &[("match", "")],
        ];
        for pairs in good {
            assert_eq!(check_client_metrics("s", &configs(pairs)), Ok(()), "{pairs:?}");
        }
        let request = |text: &str| Err(SubscriptionFault::Request(text.to_owned()));
        let config = |text: &str| Err(SubscriptionFault::Config(text.to_owned()));
        let cases = [
            ("zork", "1", request("Unknown client metrics configuration: zork")),
            (
                "interval.ms",
                "99",
                request("Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"),
            ),
            ("interval.ms", "x", config("Invalid value x for configuration interval.ms: Not a number of type INT")),
            ("match", "zork=1", config("Illegal client matching pattern: zork=1")),
            ("match", "client_id", config("Illegal client matching pattern: client_id")),
            ("match", "client_id=(", config("Illegal client matching pattern: client_id=(")),
            ("match", "client_id=a,,", config("Configuration 'match' values must not be empty.")),
            ("metrics", "a,,b", config("Configuration 'metrics' values must not be empty.")),
        ];
        for (name, value, expected) in cases {
            assert_eq!(check_client_metrics("s", &configs(&[(name, value)])), expected);
        }
        assert_eq!(check_client_metrics("", &configs(&[])), request("Subscription name can't be empty"));
    }

    #[test]
    fn a_subscription_is_read() {
        let read = ClientMetricsConfig::read(&configs(&[("metrics", "a, b,a"), ("match", "client_id=x|y")])).unwrap();
        assert_eq!((read.metrics.join(" "), read.interval_ms), ("a b".to_owned(), 300_000));
        let (property, pattern) = &read.matches[0];
        assert_eq!(property, "client_id");
        assert!(pattern.is_match("x") && pattern.is_match("y") && !pattern.is_match("xy"));
        assert!(ClientMetricsConfig::read(&configs(&[("interval.ms", "1")])).is_err());
    }

    #[test]
    fn a_subscription_is_described_with_its_defaults() {
        let described = describe_client_metrics("s", &configs(&[("interval.ms", "1000")])).unwrap();
        let told: Vec<_> = described.iter().map(|e| (&*e.name, e.value.as_deref(), e.source, e.config_type)).collect();
        let expected = [
            ("interval.ms", Some("1000"), ConfigSource::ClientMetrics, 3),
            ("match", Some(""), ConfigSource::Default, 7),
            ("metrics", Some(""), ConfigSource::Default, 7),
        ];
        assert_eq!(told, expected);
        assert!(describe_client_metrics("", &configs(&[])).is_err());
    }
}
