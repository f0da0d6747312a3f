//! The configuration of a consumer, by Kafka's names.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Partition, Start};
use crate::client::ClientError;
use crate::client::producer::Reader;

/// Where a partition without a committed offset, or with one that is gone, begins (`auto.offset.reset`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reset {
    Earliest,
    Latest,
    /// It does not: that is an error.
    None,
}

/// How a consumer reads.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// `group.id`
    pub group: String,
    /// `group.instance.id`
    pub group_instance: Option<String>,
    /// `session.timeout.ms`
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: how long a rebalance waits for this member.
    pub max_poll_interval: Duration,
    /// `max.poll.records`
    pub max_poll_records: usize,
    /// `enable.auto.commit`
    pub auto_commit: bool,
    /// `auto.commit.interval.ms`
    pub auto_commit_interval: Duration,
    /// `auto.offset.reset`
    pub reset: Reset,
    /// `isolation.level` is `read_committed`
    pub read_committed: bool,
    /// `exclude.internal.topics`
    pub exclude_internal: bool,
    /// `check.crcs`
    pub check_crcs: bool,
    /// `fetch.min.bytes`
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`
    pub partition_max_bytes: i32,
    /// `fetch.max.wait.ms`
    pub fetch_max_wait: Duration,
    /// `client.rack`
    pub rack: Option<String>,
    /// `metadata.max.age.ms`
    pub metadata_max_age: Duration,
    /// `partition.assignment.strategy`: the protocols' names, the preferred first.
    pub assignors: Vec<&'static str>,
}

/// Properties that would change what a consumer does, and whose work is not done here.
const NOT_SERVED: [&str; 2] = ["interceptor.classes", "group.remote.assignor"];

impl ConsumerConfig {
    /// Reads what concerns a consumer.
    pub fn new(properties: &BTreeMap<String, String>) -> Result<ConsumerConfig, ClientError> {
        if let Some(key) = NOT_SERVED.into_iter().find(|key| properties.contains_key(*key)) {
            return Err(ClientError::Config(format!("{key} is not supported by this tool; use Kafka's own")));
        }
        if let Some(protocol) = properties.get("group.protocol").filter(|name| !name.eq_ignore_ascii_case("classic")) {
            return Err(ClientError::Config(format!(
                "group.protocol={protocol} is not supported by this tool, only classic; use Kafka's own"
            )));
        }
        let read = Reader(properties);
        let text = |key: &str| properties.get(key).cloned();
        Ok(ConsumerConfig {
            group: text("group.id").unwrap_or_default(),
            group_instance: text("group.instance.id"),
            session_timeout: read.millis("session.timeout.ms", 45_000)?,
            heartbeat_interval: read.millis("heartbeat.interval.ms", 3_000)?,
            max_poll_interval: read.millis("max.poll.interval.ms", 300_000)?,
            max_poll_records: read.number("max.poll.records", 500, 1)?,
            auto_commit: read.flag("enable.auto.commit", true)?,
            auto_commit_interval: read.millis("auto.commit.interval.ms", 5_000)?,
            reset: reset(properties.get("auto.offset.reset").map_or("latest", String::as_str))?,
            read_committed: isolation(properties.get("isolation.level").map_or("read_uncommitted", String::as_str))?,
            exclude_internal: read.flag("exclude.internal.topics", true)?,
            check_crcs: read.flag("check.crcs", true)?,
            fetch_min_bytes: read.number("fetch.min.bytes", 1, 0)?,
            fetch_max_bytes: read.number("fetch.max.bytes", 50 << 20, 0)?,
            partition_max_bytes: read.number("max.partition.fetch.bytes", 1 << 20, 0)?,
            fetch_max_wait: read.millis("fetch.max.wait.ms", 500)?,
            rack: text("client.rack").filter(|rack| !rack.is_empty()),
            metadata_max_age: read.millis("metadata.max.age.ms", 300_000)?,
            assignors: assignors(properties.get("partition.assignment.strategy"))?,
        })
    }
}

impl Reset {
    /// Where `partition` begins.
    pub fn start(self, partition: &Partition) -> Result<Start, ClientError> {
        match self {
            Reset::Earliest => Ok(Start::Earliest),
            Reset::Latest => Ok(Start::Latest),
            Reset::None => Err(ClientError::Config(format!(
                "Undefined offset with no reset policy for partitions: [{}-{}]",
                partition.0, partition.1
            ))),
        }
    }
}

fn reset(text: &str) -> Result<Reset, ClientError> {
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Reset::Earliest),
        "latest" => Ok(Reset::Latest),
        "none" => Ok(Reset::None),
        _ => Err(ClientError::Config(format!(
            "Invalid value {text} for configuration auto.offset.reset: it is earliest, latest or none here"
        ))),
    }
}

fn isolation(text: &str) -> Result<bool, ClientError> {
    match text.to_ascii_lowercase().as_str() {
        "read_committed" => Ok(true),
        "read_uncommitted" => Ok(false),
        _ => Err(ClientError::Config(format!(
            "Invalid value {text} for configuration isolation.level: String must be one of: read_committed, \
             read_uncommitted"
        ))),
    }
}

/// Kafka's consumer offers both unless it is told otherwise.
fn assignors(strategy: Option<&String>) -> Result<Vec<&'static str>, ClientError> {
    let Some(strategy) = strategy else { return Ok(vec!["range", "cooperative-sticky"]) };
    let name = |class: &str| match class.trim().rsplit('.').next().unwrap_or_default() {
        "RangeAssignor" => Ok("range"),
        "CooperativeStickyAssignor" => Ok("cooperative-sticky"),
        _ => Err(ClientError::Config(format!(
            "partition.assignment.strategy={class}: only RangeAssignor and CooperativeStickyAssignor are there"
        ))),
    };
    strategy.split(',').map(name).collect()
}
