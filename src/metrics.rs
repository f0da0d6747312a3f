//! Counters, and their form for Prometheus.
//!
//! Each broker object has a [`Metrics`] of its own, so that several can live in one process. What is counted on the
//! way of a request is an atomic addition; what can be asked for (sizes, offsets, memory) is asked when somebody
//! scrapes, through [`Metrics::register_gauges`]. Names and labels stay as they are once released.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

/// Error codes run from −1 to this; those that are not known are counted as the first.
const ERROR_CODE_MAX: i16 = 150;

/// All metrics of one broker.
pub struct Metrics {
    registry: Mutex<Registry>,
    pub network: Arc<NetworkMetrics>,
    pub requests: Arc<RequestMetrics>,
    pub topics: Arc<TopicMetrics>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics that count the requests of `apis`, given by key and name, by error codes that `error_name` names.
    pub fn new(apis: &[(i16, &'static str)], error_name: fn(i16) -> &'static str) -> Arc<Metrics> {
        let mut registry = Registry::with_prefix("ottla");
        let network = NetworkMetrics::registered(&mut registry);
        let topics = TopicMetrics::registered(&mut registry);
        let requests = Arc::new(RequestMetrics::new(apis, error_name));
        registry.register_collector(Box::new(RequestCollector(requests.clone())));
        Arc::new(Metrics { registry: Mutex::new(registry), network, requests, topics })
    }

    /// Adds gauges that are asked for at each scrape. `read` answers with a value for each set of labels.
    pub fn register_gauges(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Vec<(Labels, f64)> + Send + Sync + 'static,
    ) {
        self.lock().register_collector(Box::new(AskedGauges { name, help, read: Box::new(read) }));
    }

    /// Adds one gauge without labels that is asked for at each scrape.
    pub fn register_gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.register_gauges(name, help, move || vec![(Labels::new(), read())]);
    }

    /// Adds metrics whose names are known at each scrape only.
    pub fn register_families(&self, help: &'static str, read: impl Fn() -> Vec<Family> + Send + Sync + 'static) {
        self.lock().register_collector(Box::new(AskedFamilies { help, read: Box::new(read) }));
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.lock())?;
        Ok(text)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Labels of a gauge, by name.
pub type Labels = Vec<(&'static str, String)>;

/// A metric with all its values.
#[derive(Clone, PartialEq, Debug)]
pub struct Family {
    /// Without `ottla_` in front, and without `_total` behind.
    pub name: String,
    /// It only grows.
    pub counter: bool,
    /// A value for each set of labels.
    pub samples: Vec<(Vec<(String, String)>, f64)>,
}

/// What goes through the sockets.
#[derive(Debug, Default)]
pub struct NetworkMetrics {
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    /// Connections there are.
    pub connections: Gauge,
    pub connections_accepted: Counter,
    /// Connections closed at once because of a limit on their address.
    pub connections_refused: Counter,
    /// Connections closed because of what they sent.
    pub connections_rejected: Counter,
    /// Times the operating system would not give a connection.
    pub accept_failures: Counter,
}

impl NetworkMetrics {
    fn registered(registry: &mut Registry) -> Arc<NetworkMetrics> {
        let m = NetworkMetrics::default();
        registry.register("network_received_bytes", "Bytes received from clients", m.bytes_in.clone());
        registry.register("network_sent_bytes", "Bytes sent to clients", m.bytes_out.clone());
        registry.register("connections", "Open connections", m.connections.clone());
        registry.register("connections_accepted", "Connections accepted", m.connections_accepted.clone());
        let help = "Connections closed at once by the limit on their address";
        registry.register("connections_refused", help, m.connections_refused.clone());
        let help = "Connections closed because of a malformed or unacceptable request";
        registry.register("connections_rejected", help, m.connections_rejected.clone());
        registry.register("accept_failures", "Failures to accept a connection", m.accept_failures.clone());
        Arc::new(m)
    }
}

/// What goes into and out of the logs of all topics.
#[derive(Debug, Default)]
pub struct TopicMetrics {
    pub appended_bytes: Counter,
    pub appended_records: Counter,
    pub fetched_bytes: Counter,
}

impl TopicMetrics {
    fn registered(registry: &mut Registry) -> Arc<TopicMetrics> {
        let m = TopicMetrics::default();
        registry.register("appended_bytes", "Bytes of record batches appended by producers", m.appended_bytes.clone());
        registry.register("appended_records", "Records appended by producers", m.appended_records.clone());
        registry.register("fetched_bytes", "Bytes of record batches sent to consumers", m.fetched_bytes.clone());
        Arc::new(m)
    }
}

/// Requests by API, with their errors and the time they took.
#[derive(Debug)]
pub struct RequestMetrics {
    /// By API key.
    apis: Vec<Option<ApiMetrics>>,
    error_name: fn(i16) -> &'static str,
}

/// Requests of one API.
#[derive(Debug)]
pub struct ApiMetrics {
    name: &'static str,
    duration: LatencyHistogram,
    errors: Box<[AtomicU64]>,
}

impl RequestMetrics {
    fn new(apis: &[(i16, &'static str)], error_name: fn(i16) -> &'static str) -> RequestMetrics {
        let len = apis.iter().map(|(key, _)| *key as usize + 1).max().unwrap_or(0);
        let mut table = Vec::new();
        table.resize_with(len, || None);
        for &(key, name) in apis {
            let errors = (-1..=ERROR_CODE_MAX).map(|_| AtomicU64::new(0)).collect();
            table[key as usize] = Some(ApiMetrics { name, duration: LatencyHistogram::default(), errors });
        }
        RequestMetrics { apis: table, error_name }
    }

    /// The counters of an API, if it is one of those counted.
    pub fn api(&self, key: i16) -> Option<&ApiMetrics> {
        self.apis.get(usize::try_from(key).ok()?)?.as_ref()
    }
}

impl ApiMetrics {
    /// Counts a request that took `duration` from its arrival to its answer.
    pub fn observe(&self, duration: Duration) {
        self.duration.observe(duration);
    }

    /// Counts an error in an answer, of which one may hold many. Code 0 is not an error.
    pub fn error(&self, code: i16) {
        if code != 0 {
            let index = if (-1..=ERROR_CODE_MAX).contains(&code) { code + 1 } else { 0 };
            self.errors[index as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
struct RequestCollector(Arc<RequestMetrics>);

impl Collector for RequestCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let used = || self.0.apis.iter().flatten().filter(|api| api.duration.count() > 0);
        let help = "Time from the arrival of a request to its answer";
        let mut family = encoder.encode_descriptor("request_duration_seconds", help, None, MetricType::Histogram)?;
        for api in used() {
            api.duration.encode(family.encode_family(&[("api", api.name)])?)?;
        }
        let help = "Errors in answers to requests";
        let mut family = encoder.encode_descriptor("request_errors", help, None, MetricType::Counter)?;
        for api in self.0.apis.iter().flatten() {
            for (index, count) in api.errors.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let error = (self.0.error_name)(index as i16 - 1);
                    let labels = [("api", api.name), ("error", error)];
                    ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// Upper bounds of the buckets, in microseconds.
const BUCKETS_MICROS: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000, 10_000_000];

/// Durations by size, without a lock.
#[derive(Debug, Default)]
pub struct LatencyHistogram {
    sum_micros: AtomicU64,
    /// The last one is for what exceeds the bounds.
    buckets: [AtomicU64; BUCKETS_MICROS.len() + 1],
}

impl LatencyHistogram {
    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let micros = duration.as_micros() as u64;
        let bucket = BUCKETS_MICROS.iter().position(|&bound| micros <= bound).unwrap_or(BUCKETS_MICROS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }
}

impl EncodeMetric for LatencyHistogram {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let bounds = BUCKETS_MICROS.iter().map(|&micros| micros as f64 / 1e6).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

struct AskedGauges {
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> Vec<(Labels, f64)> + Send + Sync>,
}

impl fmt::Debug for AskedGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Collector for AskedGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?;
        for (labels, value) in (self.read)() {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

struct AskedFamilies {
    help: &'static str,
    read: Box<dyn Fn() -> Vec<Family> + Send + Sync>,
}

impl fmt::Debug for AskedFamilies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.help)
    }
}

impl Collector for AskedFamilies {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for Family { name, counter, samples } in (self.read)() {
            let kind = if counter { MetricType::Counter } else { MetricType::Gauge };
            let mut family = encoder.encode_descriptor(&name, self.help, None, kind)?;
            for (labels, value) in samples {
                match counter {
                    true => ConstCounter::new(value).encode(family.encode_family(&labels)?)?,
                    false => ConstGauge::new(value).encode(family.encode_family(&labels)?)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_shows_what_was_counted() {
        let metrics = Metrics::new(&[(0, "Produce"), (3, "Metadata")], |code| if code == 3 { "UNKNOWN" } else { "?" });
        metrics.network.bytes_in.inc_by(7);
        let metadata = metrics.requests.api(3).expect("counted");
        metadata.observe(Duration::from_micros(80));
        metadata.observe(Duration::from_secs(60));
        metadata.error(0);
        metadata.error(3);
        metadata.error(9999);
        assert!(metrics.requests.api(1).is_none() && metrics.requests.api(-1).is_none());
        metrics.register_gauges("log_size_bytes", "Sizes", || vec![(vec![("topic", "a\"b".to_string())], 5.0)]);
        metrics.register_families("Pushed", || {
            let labels = vec![("client_id".to_string(), "a\"b\n".to_string())];
            let family =
                |name: &str, counter| Family { name: name.to_string(), counter, samples: vec![(labels.clone(), 1.5)] };
            vec![family("client_sent", true), family("client_depth", false)]
        });
        let text = metrics.encode().expect("text");
        for line in [
            "ottla_network_received_bytes_total 7",
            "ottla_request_duration_seconds_count{api=\"Metadata\"} 2",
            "ottla_request_duration_seconds_bucket{le=\"0.0001\",api=\"Metadata\"} 1",
            "ottla_request_duration_seconds_bucket{le=\"+Inf\",api=\"Metadata\"} 2",
            "ottla_request_errors_total{api=\"Metadata\",error=\"UNKNOWN\"} 1",
            "ottla_request_errors_total{api=\"Metadata\",error=\"?\"} 1",
            "ottla_log_size_bytes{topic=\"a\\\"b\"} 5.0",
            "# TYPE ottla_client_sent counter",
            "ottla_client_sent_total{client_id=\"a\\\"b\\n\"} 1.5",
            "ottla_client_depth{client_id=\"a\\\"b\\n\"} 1.5",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
