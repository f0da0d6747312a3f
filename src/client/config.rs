//! What a client is told: where to begin, how long to wait, how to call itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Address, ClientError};
use crate::config::properties;

/// Where a client begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bootstrap {
    /// Brokers, separated by commas.
    Servers(String),
    /// Controllers of a KRaft quorum, separated by commas (KIP-919).
    Controllers(String),
}

/// The configuration of a client. Values of properties that the client itself does not use are kept in `properties`.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    pub bootstrap: Bootstrap,
    pub addresses: Vec<Address>,
    pub client_id: String,
    /// How long one request may take (`request.timeout.ms`).
    pub request_timeout: Duration,
    /// How long a call may take with all its retries (`default.api.timeout.ms`).
    pub api_timeout: Duration,
    /// How often a call is tried again (`retries`).
    pub retries: u64,
    /// Pause before the first retry (`retry.backoff.ms`); it doubles up to `retry_backoff_max`.
    pub retry_backoff: Duration,
    /// The longest pause between retries (`retry.backoff.max.ms`).
    pub retry_backoff_max: Duration,
    /// How long a connection may take to be made (`socket.connection.setup.timeout.ms`).
    pub connect_timeout: Duration,
    /// Bytes of a socket's buffers (`send.buffer.bytes`, `receive.buffer.bytes`); none leaves them to the system.
    pub send_buffer_bytes: Option<usize>,
    pub receive_buffer_bytes: Option<usize>,
    /// Bytes an answer may have.
    pub response_bytes_max: usize,
    pub properties: BTreeMap<String, String>,
}

/// Far above what any API answers: fetches are bounded by what they ask for, and lists by the memory of brokers.
const RESPONSE_BYTES_MAX: usize = 256 << 20;

impl ClientConfig {
    /// Reads a client properties file, such as `--command-config` names.
    pub fn read_properties(path: &Path) -> Result<BTreeMap<String, String>, ClientError> {
        let failed = |reason: String| ClientError::Config(format!("{}: {reason}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let entries =
            properties::parse(&bytes).map_err(|error| failed(format!("line {}: {}", error.line, error.reason)))?;
        Ok(entries.into_iter().map(|entry| (entry.key, entry.value.trim().to_owned())).collect())
    }

    /// Checks the properties and takes from them what the client uses. `client_id` names a client that has no
    /// `client.id`.
    pub fn new(
        bootstrap: Bootstrap,
        properties: BTreeMap<String, String>,
        client_id: &str,
    ) -> Result<ClientConfig, ClientError> {
        refuse_what_is_not_served(&properties)?;
        let (Bootstrap::Servers(text) | Bootstrap::Controllers(text)) = &bootstrap;
        let addresses = Address::parse_list(text)?;
        let request_timeout = millis(&properties, "request.timeout.ms", 30_000)?;
        let api_timeout = millis(&properties, "default.api.timeout.ms", 60_000)?;
        if api_timeout < request_timeout && properties.contains_key("default.api.timeout.ms") {
            return Err(ClientError::Config(
                "The specified value of default.api.timeout.ms must be no smaller than the value of request.timeout.ms."
                    .to_owned(),
            ));
        }
        Ok(ClientConfig {
            addresses,
            client_id: properties.get("client.id").filter(|id| !id.is_empty()).map_or(client_id, |id| id).to_owned(),
            request_timeout,
            api_timeout: api_timeout.max(request_timeout),
            retries: number_from(&properties, "retries", 0)?.map_or(u64::MAX, i64::unsigned_abs),
            retry_backoff: millis(&properties, "retry.backoff.ms", 100)?,
            retry_backoff_max: millis(&properties, "retry.backoff.max.ms", 1_000)?,
            connect_timeout: millis(&properties, "socket.connection.setup.timeout.ms", 10_000)?,
            send_buffer_bytes: buffer_bytes(&properties, "send.buffer.bytes")?,
            receive_buffer_bytes: buffer_bytes(&properties, "receive.buffer.bytes")?,
            response_bytes_max: RESPONSE_BYTES_MAX,
            bootstrap,
            properties,
        })
    }
}

/// Properties that would have to change how the client speaks, and do not.
fn refuse_what_is_not_served(properties: &BTreeMap<String, String>) -> Result<(), ClientError> {
    if let Some(protocol) = properties.get("security.protocol")
        && !protocol.eq_ignore_ascii_case("PLAINTEXT")
    {
        return Err(ClientError::Config(format!(
            "Invalid value {protocol} for configuration security.protocol: this tool speaks PLAINTEXT only; use a \
             plaintext listener or Kafka's own tool"
        )));
    }
    Ok(())
}

fn millis(properties: &BTreeMap<String, String>, key: &str, default: u64) -> Result<Duration, ClientError> {
    let number = number_from(properties, key, 0)?;
    Ok(Duration::from_millis(number.map_or(default, i64::unsigned_abs)))
}

/// The size of a socket's buffer; -1 leaves it to the system.
fn buffer_bytes(properties: &BTreeMap<String, String>, key: &str) -> Result<Option<usize>, ClientError> {
    Ok(number_from(properties, key, -1)?.and_then(|bytes| usize::try_from(bytes).ok()))
}

fn number_from(properties: &BTreeMap<String, String>, key: &str, min: i64) -> Result<Option<i64>, ClientError> {
    let Some(text) = properties.get(key) else { return Ok(None) };
    let invalid = |why: String| ClientError::Config(format!("Invalid value {text} for configuration {key}: {why}"));
    let number: i64 = text.parse().map_err(|_| invalid("Not a number of type INT".to_owned()))?;
    match number >= min {
        true => Ok(Some(number)),
        false => Err(invalid(format!("Value must be at least {min}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_checked() {
        let new = |entries: &[(&str, &str)]| {
            let properties = entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            ClientConfig::new(Bootstrap::Servers("a:1".to_owned()), properties, "adminclient-1")
        };
        let config = new(&[("request.timeout.ms", "90000"), ("client.id", "me")]).unwrap();
        assert_eq!((config.api_timeout.as_secs(), config.client_id.as_str()), (90, "me"));
        let error = |entries: &[(&str, &str)]| new(entries).unwrap_err().to_string();
        assert!(error(&[("security.protocol", "SASL_SSL")]).contains("PLAINTEXT only"));
        assert!(error(&[("default.api.timeout.ms", "10")]).contains("no smaller than"));
        assert!(error(&[("retry.backoff.ms", "-1")]).contains("at least 0"));
        assert!(error(&[("retry.backoff.ms", "x")]).contains("Not a number"));
        assert!(error(&[("send.buffer.bytes", "-2")]).contains("at least -1"));
        let config = new(&[("send.buffer.bytes", "-1"), ("receive.buffer.bytes", "4096")]).unwrap();
        assert_eq!((config.send_buffer_bytes, config.receive_buffer_bytes), (None, Some(4096)));
    }
}
