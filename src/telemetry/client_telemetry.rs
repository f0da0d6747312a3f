//! The owner of subscriptions, of the clients that follow them, and of what they pushed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::instances::{Instances, TelemetryClient, Told};
use super::otlp;
use super::series::{Owner, Received};
use super::subscriptions::Subscription;
use crate::metrics::Family;
use crate::protocol::compression::{Compression, Decompressor};
use crate::types::{Clock, ErrorCode, Millis, Uuid};

/// What a broker's configuration says of telemetry.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `telemetry.max.bytes`: of a push, as it arrives and decompressed.
    pub max_bytes: usize,
}

/// What a client pushes.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    pub instance_id: Uuid,
    pub subscription_id: i32,
    /// The client ends: it is the last push.
    pub terminating: bool,
    pub compression_type: i8,
    /// OTLP's MetricsData, compressed.
    pub metrics: &'a [u8],
}

/// Metrics of clients, on one broker.
pub struct ClientTelemetry {
    settings: Settings,
    clock: Clock,
    new_id: fn() -> Uuid,
    instances: Mutex<Instances>,
    received: Mutex<Received>,
}

impl ClientTelemetry {
    pub fn new(settings: Settings, clock: Clock, new_id: fn() -> Uuid) -> ClientTelemetry {
        let (instances, received) = (Mutex::default(), Mutex::default());
        ClientTelemetry { settings, clock, new_id, instances, received }
    }

    /// The subscriptions by their names, with what is set on each; in force from the next request on.
    pub fn set_subscriptions<'a>(&self, configs: impl Iterator<Item = (&'a str, &'a BTreeMap<String, String>)>) {
        let mut subscriptions = BTreeMap::new();
        for (name, configs) in configs.filter(|(_, configs)| !configs.is_empty()) {
            match Subscription::read(configs) {
                Ok(subscription) => drop(subscriptions.insert(name.to_owned(), subscription)),
                // Another broker may have taken what this one cannot read, such as a pattern of Java's own.
                Err(reason) => tracing::warn!("the subscription {name} to client metrics is ignored: {reason}"),
            }
        }
        lock(&self.instances).set_subscriptions(subscriptions.into_values().collect());
    }

    /// Tells a client what to push. The zero id stands for a client that has none yet.
    pub fn subscribe(&self, instance_id: Uuid, client: &TelemetryClient) -> Result<Told, ErrorCode> {
        let now = self.clock.monotonic();
        let mut instances = lock(&self.instances);
        let mut id = instance_id;
        while id == Uuid::ZERO || instance_id == Uuid::ZERO && instances.knows(id) {
            id = (self.new_id)();
        }
        instances.subscribe(id, client, now)
    }

    /// The bytes that a push may have.
    pub fn max_bytes(&self) -> usize {
        self.settings.max_bytes
    }

    /// Takes what a client pushes.
    pub fn push(&self, push: &Push<'_>, client: &TelemetryClient) -> Result<(), ErrorCode> {
        if matches!(push.instance_id, Uuid::ZERO | Uuid::ONE) {
            return Err(ErrorCode::InvalidRequest);
        }
        let now = self.clock.monotonic();
        let expires = lock(&self.instances).push(push, client, self.settings.max_bytes, now)?;
        if push.metrics.is_empty() {
            return Ok(());
        }
        let taken = self.take(push, client, expires, now);
        if taken.is_err() {
            lock(&self.instances).note_invalid_record(push.instance_id);
        }
        taken
    }

    fn take(&self, push: &Push<'_>, client: &TelemetryClient, expires: Millis, now: Millis) -> Result<(), ErrorCode> {
        let codec = u8::try_from(push.compression_type).ok().and_then(Compression::from_id);
        let codec = codec.ok_or(ErrorCode::InvalidRecord)?;
        let mut decompressor = Decompressor::with_limit(self.settings.max_bytes);
        let bytes = decompressor.decompress(codec, push.metrics).map_err(|_| ErrorCode::InvalidRecord)?;
        // Nothing is taken of a push that does not hold together.
        otlp::walk(bytes, &mut |_| {}).map_err(|_| ErrorCode::InvalidRecord)?;
        let owner = Owner { instance_id: push.instance_id, client_id: client.id(), expires };
        let mut received = lock(&self.received);
        let mut taking = received.take(&owner, now);
        otlp::walk(bytes, &mut |point| taking.add(point)).map_err(|_| ErrorCode::InvalidRecord)
    }

    /// What clients pushed, for a scrape.
    pub fn families(&self) -> Vec<Family> {
        lock(&self.received).families(self.clock.monotonic())
    }

    /// Clients that are remembered.
    pub fn instances(&self) -> usize {
        lock(&self.instances).count(self.clock.monotonic())
    }

    /// Numbers that were pushed and not kept, since the start.
    pub fn dropped(&self) -> u64 {
        lock(&self.received).dropped()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use super::*;
    use crate::telemetry::otlp::fixture;

    fn telemetry(max_bytes: usize) -> ClientTelemetry {
        let clock = Clock::Manual(Arc::new(AtomicI64::new(1_000)));
        let telemetry = ClientTelemetry::new(Settings { max_bytes }, clock, Uuid::random);
        let configs = BTreeMap::from([("metrics".to_owned(), "*".to_owned())]);
        telemetry.set_subscriptions([("all", &configs)].into_iter());
        telemetry
    }

    fn push(telemetry: &ClientTelemetry, compression_type: i8, metrics: &[u8]) -> Result<(), ErrorCode> {
        let client = TelemetryClient::named("c");
        let told = telemetry.subscribe(Uuid::ZERO, &client)?;
        let (instance_id, subscription_id) = (told.instance_id, told.subscription_id);
        telemetry.push(&Push { instance_id, subscription_id, terminating: false, compression_type, metrics }, &client)
    }

    #[test]
    fn what_is_pushed_is_shown() {
        let telemetry = telemetry(1_000);
        let pushed = fixture::sum("org.apache.kafka.producer.record.send.total", true, &[("topic", "t")], 7.0);
        for (id, codec) in Compression::ALL.into_iter().enumerate() {
            let mut compressed = Vec::new();
            codec.compress(None, &pushed, &mut compressed);
            assert_eq!(push(&telemetry, id as i8, &compressed), Ok(()), "{codec}");
        }
        let families = telemetry.families();
        assert_eq!(families[0].name, "client_producer_record_send");
        assert_eq!(families[0].samples.len(), 5);
        assert_eq!(telemetry.instances(), 5);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let telemetry = telemetry(1_000);
        let mut bomb = Vec::new();
        Compression::Zstd.compress(None, &vec![0; 100_000], &mut bomb);
        assert_eq!(push(&telemetry, 4, &bomb), Err(ErrorCode::InvalidRecord));
        assert_eq!(push(&telemetry, 1, b"no gzip"), Err(ErrorCode::InvalidRecord));
        assert_eq!(push(&telemetry, 0, b"\x0a\xff"), Err(ErrorCode::InvalidRecord));
        assert_eq!(push(&telemetry, 5, b""), Err(ErrorCode::UnsupportedCompressionType));
        assert_eq!(push(&telemetry, 0, &vec![0; 1_001]), Err(ErrorCode::TelemetryTooLarge));
        assert!(telemetry.families().is_empty());
    }
}
