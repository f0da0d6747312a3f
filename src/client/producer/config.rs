//! The configuration of a producer, by Kafka's names.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::client::ClientError;
use crate::protocol::compression::Compression;

/// How a producer collects and sends.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// `acks`: 0, 1, or -1 for all.
    pub acks: i16,
    /// `batch.size`, bytes
    pub batch_size: usize,
    /// `linger.ms`
    pub linger: Duration,
    /// `retries`
    pub retries: u32,
    /// `request.timeout.ms`
    pub request_timeout: Duration,
    /// `delivery.timeout.ms`
    pub delivery_timeout: Duration,
    /// `max.block.ms`
    pub max_block: Duration,
    /// `buffer.memory`, bytes
    pub buffer_memory: usize,
    /// `max.request.size`, bytes
    pub max_request_size: usize,
    /// `compression.type`
    pub compression: Compression,
    /// `compression.<codec>.level`
    pub compression_level: Option<i32>,
    /// `enable.idempotence`
    pub idempotent: bool,
    /// `max.in.flight.requests.per.connection`
    pub max_in_flight: usize,
    /// `metadata.max.age.ms`
    pub metadata_max_age: Duration,
    /// `transactional.id`
    pub transactional_id: Option<String>,
    /// `transaction.timeout.ms`
    pub transaction_timeout_ms: i32,
}

/// Properties that would change what a producer does, and whose work is not done here.
const NOT_SERVED: [&str; 2] = ["partitioner.class", "interceptor.classes"];

impl ProducerConfig {
    /// Reads what concerns a producer.
    pub fn new(properties: &BTreeMap<String, String>) -> Result<ProducerConfig, ClientError> {
        if let Some(key) = NOT_SERVED.into_iter().find(|key| properties.contains_key(*key)) {
            return Err(ClientError::Config(format!("{key} is not supported by this tool; use Kafka's own")));
        }
        let read = Reader(properties);
        let codec = properties.get("compression.type").map_or("none", String::as_str);
        let compression = Compression::from_name(codec).ok_or_else(|| {
            ClientError::Config(format!(
                "Invalid value {codec} for configuration compression.type: String must be one of: none, gzip, snappy, \
                 lz4, zstd"
            ))
        })?;
        let acks = acks(properties.get("acks").map_or("all", String::as_str))?;
        let (retries, max_in_flight) = (
            read.number("retries", i32::MAX, 0)? as u32,
            read.number("max.in.flight.requests.per.connection", 5, 1)? as usize,
        );
        let idempotent = idempotence(properties, acks, retries, max_in_flight)?;
        let transactional_id = properties.get("transactional.id").cloned();
        if transactional_id.is_some() && !idempotent {
            let message = "Cannot set a transactional.id without also enabling idempotence.";
            return Err(ClientError::Config(message.to_owned()));
        }
        let linger = read.millis("linger.ms", 5)?;
        let request_timeout = read.millis("request.timeout.ms", 30_000)?;
        let mut delivery_timeout = read.millis("delivery.timeout.ms", 120_000)?;
        if delivery_timeout < linger + request_timeout {
            if properties.contains_key("delivery.timeout.ms") {
                return Err(ClientError::Config(
                    "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms".to_owned(),
                ));
            }
            delivery_timeout = linger + request_timeout;
        }
        let level = format!("compression.{codec}.level");
        Ok(ProducerConfig {
            acks,
            batch_size: read.number("batch.size", 16_384, 0)? as usize,
            linger,
            retries,
            request_timeout,
            delivery_timeout,
            max_block: read.millis("max.block.ms", 60_000)?,
            buffer_memory: read.number("buffer.memory", 32 << 20, 0)? as usize,
            max_request_size: read.number("max.request.size", 1 << 20, 0)? as usize,
            compression,
            compression_level: properties.get(&level).map(|_| read.number(&level, 0, i32::MIN)).transpose()?,
            idempotent,
            max_in_flight,
            metadata_max_age: read.millis("metadata.max.age.ms", 300_000)?,
            transactional_id,
            transaction_timeout_ms: read.number("transaction.timeout.ms", 60_000, 0)?,
        })
    }
}

/// Whether each batch is to be written once: unless told otherwise, where the rest allows it.
fn idempotence(
    properties: &BTreeMap<String, String>,
    acks: i16,
    retries: u32,
    max_in_flight: usize,
) -> Result<bool, ClientError> {
    let is_possible = acks == -1 && retries > 0 && max_in_flight <= 5;
    match properties.get("enable.idempotence").map(String::as_str) {
        None => Ok(is_possible),
        Some("false") => Ok(false),
        Some("true") if is_possible => Ok(true),
        Some("true") => {
            let what = match (acks, retries) {
                (-1, 0) => "retries to non-zero",
                (-1, _) => "max.in.flight.requests.per.connection to at most 5",
                _ => "acks to all",
            };
            Err(ClientError::Config(format!("Must set {what} in order to use the idempotent producer.")))
        }
        Some(other) => Err(ClientError::Config(format!(
            "Invalid value {other} for configuration enable.idempotence: Expected value to be either true or false"
        ))),
    }
}

fn acks(text: &str) -> Result<i16, ClientError> {
    match text.trim() {
        "all" | "-1" => Ok(-1),
        "0" => Ok(0),
        "1" => Ok(1),
        _ => Err(ClientError::Config(format!(
            "Invalid value {text} for configuration acks: String must be one of: all, -1, 0, 1"
        ))),
    }
}

/// Numbers among properties.
pub(in crate::client) struct Reader<'a>(pub(in crate::client) &'a BTreeMap<String, String>);

impl Reader<'_> {
    /// A number that is at least `min`.
    pub(in crate::client) fn number<T>(&self, key: &str, default: T, min: T) -> Result<T, ClientError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.0.get(key) else { return Ok(default) };
        let invalid =
            |reason: String| ClientError::Config(format!("Invalid value {text} for configuration {key}: {reason}"));
        let value: T = text.trim().parse().map_err(|_| invalid("Not a number of type INT".to_owned()))?;
        match value >= min {
            true => Ok(value),
            false => Err(invalid(format!("Value must be at least {min}"))),
        }
    }

    /// `true` or `false`.
    pub(in crate::client) fn flag(&self, key: &str, default: bool) -> Result<bool, ClientError> {
        match self.0.get(key).map(|text| text.trim().to_ascii_lowercase()) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                ClientError::Config(format!(
                    "Invalid value {text} for configuration {key}: Expected value to be either true or false"
                ))
            }),
        }
    }

    /// A time, not negative.
    pub(in crate::client) fn millis(&self, key: &str, default: u64) -> Result<Duration, ClientError> {
        let millis = self.number(key, default as i64, 0)?;
        Ok(Duration::from_millis(millis as u64))
    }
}
