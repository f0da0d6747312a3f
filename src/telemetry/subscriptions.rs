//! What an operator wants to know of which clients.

use std::collections::BTreeMap;

use regex::Regex;

use super::instances::TelemetryClient;
use crate::config::ClientMetricsConfig;
use crate::types::{Uuid, hash_order};

/// The metric that stands for all.
const ALL: &str = "*";

/// One subscription: a CLIENT_METRICS resource.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    metrics: Vec<String>,
    interval_ms: i32,
    /// Properties of clients, and what the whole of each must match.
    matches: Vec<(String, Regex)>,
}

/// What all subscriptions together want of one client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub subscription_id: i32,
    /// Prefixes of names; in the order of Java's set, which the id depends on.
    pub metrics: Vec<String>,
    pub interval_ms: i32,
}

impl Subscription {
    pub(super) fn read(configs: &BTreeMap<String, String>) -> Result<Subscription, String> {
        let ClientMetricsConfig { metrics, interval_ms, matches } = ClientMetricsConfig::read(configs)?;
        Ok(Subscription { metrics, interval_ms, matches })
    }

    fn is_for(&self, client: &TelemetryClient, instance_id: &str) -> bool {
        self.matches.iter().all(|(property, pattern)| {
            let value = client.property(property, instance_id);
            value.is_some_and(|value| pattern.is_match(value))
        })
    }
}

/// What is wanted of that client.
pub(super) fn wanted(subscriptions: &[Subscription], client: &TelemetryClient, instance_id: Uuid) -> Wanted {
    let text = instance_id.to_string();
    let mut metrics: Vec<String> = Vec::new();
    let mut interval_ms = ClientMetricsConfig::INTERVAL_MS_DEFAULT;
    for subscription in subscriptions.iter().filter(|subscription| subscription.is_for(client, &text)) {
        interval_ms = interval_ms.min(subscription.interval_ms);
        for metric in &subscription.metrics {
            if !metrics.contains(metric) {
                metrics.push(metric.clone());
            }
        }
    }
    if metrics.iter().any(|metric| metric == ALL) {
        metrics = vec![ALL.to_owned()];
    }
    hash_order::sort(&mut metrics, None, |metric| hash_order::of_text(metric));
    let subscription_id = subscription_id(&metrics, interval_ms, instance_id);
    Wanted { subscription_id, metrics, interval_ms }
}

/// The same on every broker of a cluster, Kafka's own included, so that a client may go from one to another.
fn subscription_id(metrics: &[String], interval_ms: i32, instance_id: Uuid) -> i32 {
    let text = format!("[{}]{interval_ms}", metrics.join(", "));
    crc32c::crc32c(text.as_bytes()) as i32 ^ hash_order::of_uuid(instance_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(metrics: &str, interval_ms: &str, matches: &str) -> Subscription {
        let configs = [("metrics", metrics), ("interval.ms", interval_ms), ("match", matches)];
        let configs = configs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        Subscription::read(&configs.collect()).unwrap()
    }

    #[test]
    fn subscriptions_come_together() {
        let all = [
            subscription("b,a", "5000", ""),
            subscription("a,c", "1000", "client_id=c.*, client_source_port=[0-9]+"),
            subscription("*", "100", "client_id=d"),
            subscription("d", "200", "client_software_name=Java"),
        ];
        let of = |client_id: &str| wanted(&all, &TelemetryClient::named(client_id), Uuid::ONE);
        let told = of("c1");
        assert_eq!((told.metrics.join(","), told.interval_ms), ("a,b,c".to_owned(), 1000));
        assert_eq!((of("xc").metrics.join(","), of("xc").interval_ms), ("a,b".to_owned(), 5000));
        assert_eq!(of("d").metrics, ["*"]);
        assert_eq!(wanted(&[], &TelemetryClient::named("c"), Uuid::ONE).interval_ms, 300_000);
    }

    #[test]
    fn the_id_is_that_of_kafka() {
        let id = |metrics: &[&str], interval| {
            let metrics: Vec<String> = metrics.iter().map(|metric| (*metric).to_owned()).collect();
            subscription_id(&metrics, interval, Uuid::from_halves(1 << 33, 5))
        };
        assert_eq!(id(&["*"], 1000), crc32c::crc32c(b"[*]1000") as i32 ^ (2 ^ 5));
        assert_ne!(id(&["a", "b"], 1000), id(&["a", "b"], 1001));
    }
}
