//! Dynamic thread counts. Kafka resizes a pool to between half and double of what it is; that nothing follows from a
//! count here does not change what is accepted.

use super::broker::{BrokerConfig, Texts};
use super::value::{InvalidValue, Value, Values};

/// The sizes of Kafka's pools, each with its own bounds.
const POOLS: [&str; 8] = [
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
    "remote.log.reader.threads",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
];
const NETWORK_THREADS: &str = "num.network.threads";
const CLEANER_THREADS: &str = "log.cleaner.threads";

/// Broker settings as text and as values.
pub(super) struct Layered<'a> {
    pub texts: &'a Texts,
    pub values: &'a Values,
}

/// Checks the sizes of pools that `next` gives in place of `current`, with Kafka's messages.
pub(super) fn check(current: &Layered<'_>, next: &Layered<'_>, config: &BrokerConfig) -> Result<(), String> {
    for listener in config.broker_listeners() {
        let threads = |of: &Layered<'_>| network_threads(of, &listener.name);
        check_pool(NETWORK_THREADS, threads(current), threads(next))?;
    }
    let (now, wanted): (i32, i32) = (current.values.get(CLEANER_THREADS), next.values.get(CLEANER_THREADS));
    let refuse = |reason: String| Err(wrapped(&format!("Log cleaner threads {reason}")));
    if wanted < 1 && wanted != now {
        return refuse("should be at least 1".to_owned());
    }
    if wanted < now / 2 {
        return refuse(format!("cannot be reduced to less than half the current value {now}"));
    }
    if wanted > now.saturating_mul(2) {
        return refuse(format!("cannot be increased to more than double the current value {now}"));
    }
    POOLS.iter().try_for_each(|key| check_pool(key, current.values.get(key), next.values.get(key)))
}

/// The network threads of a listener: its own count, or that of all listeners.
fn network_threads(of: &Layered<'_>, listener: &str) -> i32 {
    let key = format!("listener.name.{}.{NETWORK_THREADS}", listener.to_lowercase());
    let own = BrokerConfig::key(NETWORK_THREADS).zip(of.texts.get(&key));
    match own.map(|(row, text)| row.parse(Some(text))) {
        Some(Ok(Value::Int(threads))) => threads,
        Some(Ok(_) | Err(InvalidValue { .. })) | None => of.values.get(NETWORK_THREADS),
    }
}

fn check_pool(key: &str, now: i32, wanted: i32) -> Result<(), String> {
    let refuse = |reason: String| {
        Err(wrapped(&format!(
            "Dynamic thread count update validation failed for {key}={wanted}, value should {reason}"
        )))
    };
    if wanted < now / 2 {
        return refuse(format!("be at least half the current value {now}"));
    }
    if wanted > now.saturating_mul(2) {
        return refuse(format!("not be greater than double the current value {now}"));
    }
    Ok(())
}

/// As Kafka words it: the refusal becomes the value of a setting whose name is the message.
fn wrapped(message: &str) -> String {
    format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: {message} for configuration Invalid dynamic \
         configuration"
    )
}
