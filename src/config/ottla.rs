//! Ottla's own keys. They stand in `server.properties` only: no other broker must ever meet them in the metadata log.

use std::fs;

use super::broker::Texts;
use super::key::Default::{Is, Null};
use super::key::Valid::{Any, AtLeast, OneOf};
use super::key::{ConfigKey, Status, Type, UpdateMode};
use super::listeners::host_and_port;
use super::topic_patterns::TopicPatterns;
use super::value::{InvalidValue, Values};

/// What the names of our own keys begin with.
pub const PREFIX: &str = "ottla.";

/// Whether the node starts without what guards access.
pub const IGNORE_SECURITY: &str = "ottla.takeover.ignore.security";
const DISK_RESERVE_BYTES: &str = "ottla.disk.reserve.bytes";
const SCRUB_BYTES_PER_SECOND: &str = "ottla.scrub.bytes.per.second";

/// Every key of our own.
pub const OTTLA_KEYS: &[ConfigKey] = &[
    row(
        "ottla.sync.ack.topics",
        Type::String,
        Is(""),
        Any,
        "Topics whose records are acknowledged (acks=1 and all) and read only after fdatasync, as patterns with commas between them: * \
         stands for any characters and ? for one. One sync serves all that wait. Internal topics can be among them.",
    ),
    row(
        "ottla.admin.listener",
        Type::String,
        Is("127.0.0.1:9644"),
        Any,
        "Where health (/healthz, /readyz) and metrics (/metrics) are served, as host:port; empty switches them off.",
    ),
    row(
        "ottla.log.format",
        Type::String,
        Is("human"),
        OneOf(&["human", "json"]),
        "How log lines look: for people, or as one JSON object each.",
    ),
    row(
        "ottla.request.memory.bytes",
        Type::Long,
        Null,
        AtLeast(1 << 20),
        "Memory that all requests in hand may hold together; a quarter of the machine's memory when not set.",
    ),
    row(
        IGNORE_SECURITY,
        Type::Boolean,
        Is("false"),
        Any,
        "Whether this node starts although it does not enforce what guards access: an authorizer, ACLs, a listener with TLS or SASL \
         (which stays closed). Whoever reaches a PLAINTEXT listener may then do everything.",
    ),
    row(
        DISK_RESERVE_BYTES,
        Type::Long,
        Null,
        AtLeast(0),
        "Free bytes of a log directory's file system below which producers' records and new partitions are refused with \
         KAFKA_STORAGE_ERROR; when not set 1 GiB, or a twentieth of the file system if that is less. 0 keeps nothing.",
    ),
    row(
        SCRUB_BYTES_PER_SECOND,
        Type::Long,
        Is("2097152"),
        AtLeast(0),
        "How fast sealed segments are read to find what a disk has damaged, one round a day at most. 0 switches it off.",
    ),
];

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people to read.
    Human,
    /// One JSON object a line.
    Json,
}

/// The values of our own keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OttlaConfig {
    pub admin_listener: Option<(String, u16)>,
    pub log_format: LogFormat,
    pub request_memory_bytes: u64,
    pub takeover_ignore_security: bool,
    pub disk_reserve_bytes: Option<u64>,
    pub scrub_bytes_per_second: u64,
}

impl OttlaConfig {
    /// Reads our own keys.
    pub fn parse(texts: &Texts) -> Result<OttlaConfig, InvalidValue> {
        let set = |key: &str| texts.get(key).map(String::as_str);
        // A key whose valid range only counts when it is set.
        let memory_key = &OTTLA_KEYS[3];
        let memory = set(memory_key.name).map(|text| memory_key.parse(Some(text))).transpose()?;
        let values = Values::parse(&OTTLA_KEYS[..3], set)?;
        let admin: String = values.get("ottla.admin.listener");
        let admin_listener = match admin.as_str() {
            "" => None,
            address => {
                let parsed = host_and_port(address).ok_or_else(|| {
                    InvalidValue::new("ottla.admin.listener", address, "Expected host:port, or nothing")
                })?;
                Some(parsed)
            }
        };
        let log_format = match values.get::<String>("ottla.log.format").as_str() {
            "json" => LogFormat::Json,
            _ => LogFormat::Human,
        };
        let request_memory_bytes = match memory {
            Some(super::value::Value::Long(bytes)) => bytes.unsigned_abs(),
            _ => machine_memory() / 4,
        };
        let ignore_security = OTTLA_KEYS.iter().filter(|row| row.name == IGNORE_SECURITY);
        let ignored: Vec<_> = ignore_security.map(|row| row.parse(set(row.name))).collect::<Result<_, _>>()?;
        let takeover_ignore_security = ignored.contains(&super::value::Value::Boolean(true));
        let reserve_key = key_named(DISK_RESERVE_BYTES);
        let reserve = set(reserve_key.name).map(|text| reserve_key.parse(Some(text))).transpose()?;
        let disk_reserve_bytes = match reserve {
            Some(super::value::Value::Long(bytes)) => Some(bytes.unsigned_abs()),
            _ => None,
        };
        let scrub_key = key_named(SCRUB_BYTES_PER_SECOND);
        let scrub = Values::parse(std::slice::from_ref(scrub_key), set)?.get::<i64>(scrub_key.name);
        Ok(OttlaConfig {
            admin_listener,
            log_format,
            request_memory_bytes,
            takeover_ignore_security,
            disk_reserve_bytes,
            scrub_bytes_per_second: scrub.unsigned_abs(),
        })
    }
}

/// The topics whose records count once they are synced.
pub fn sync_ack_topics(texts: &Texts) -> Result<TopicPatterns, InvalidValue> {
    let key = "ottla.sync.ack.topics";
    let text = texts.get(key).map_or("", String::as_str);
    TopicPatterns::parse(text).map_err(|fault| InvalidValue::new(key, text, &fault))
}

fn key_named(name: &str) -> &'static ConfigKey {
    OTTLA_KEYS.iter().find(|key| key.name == name).expect("it is declared above")
}

const fn row(
    name: &'static str,
    kind: Type,
    default: super::key::Default,
    valid: super::key::Valid,
    doc: &'static str,
) -> ConfigKey {
    ConfigKey { name, kind, default, valid, mode: UpdateMode::ReadOnly, status: Status::Obeyed, synonym: None, doc }
}

/// Bytes of memory this process may use: the machine's, or its control group's when that is less.
fn machine_memory() -> u64 {
    const UNKNOWN: u64 = 4 << 30;
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or(UNKNOWN, |kibibytes| kibibytes * 1024);
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.min(group.unwrap_or(u64::MAX))
}
