//! The clients that ask what to push and push it: what each is told, and when it comes too early.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use super::client_telemetry::Push;
use super::subscriptions::{Subscription, Wanted, wanted};
use crate::network::ConnectionInfo;
use crate::protocol::compression::Compression;
use crate::types::{ErrorCode, Millis, Uuid};

/// Codecs that a push may have beside none, the best first.
pub const ACCEPTED_COMPRESSION: [Compression; 4] =
    [Compression::Zstd, Compression::Lz4, Compression::Gzip, Compression::Snappy];

/// Clients that are remembered; of more, those that were seen last.
const INSTANCES_MAX: usize = 16_384;
/// A client is remembered for so long, and for three of its intervals if they are longer.
const EXPIRY_MS: i64 = 60_000;

/// A client, as subscriptions tell clients apart.
#[derive(Clone, Debug)]
pub struct TelemetryClient {
    id: Option<String>,
    software_name: String,
    software_version: String,
    address: String,
    port: String,
    connection: Weak<ConnectionInfo>,
}

/// What Kafka calls the software of a client that does not name it.
const UNKNOWN: &str = "unknown";

impl TelemetryClient {
    /// The client behind a connection; the id is that of the request.
    pub fn new(id: Option<&str>, connection: &Arc<ConnectionInfo>) -> TelemetryClient {
        let software = connection.client_software.get();
        TelemetryClient {
            id: id.map(str::to_owned),
            software_name: software.map_or(UNKNOWN, |software| &software.name).to_owned(),
            software_version: software.map_or(UNKNOWN, |software| &software.version).to_owned(),
            address: connection.peer.ip().to_string(),
            port: connection.peer.port().to_string(),
            connection: Arc::downgrade(connection),
        }
    }

    /// The client's id, empty without one.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// What subscriptions match against.
    pub(super) fn property<'a>(&'a self, name: &str, instance_id: &'a str) -> Option<&'a str> {
        match name {
            "client_instance_id" => Some(instance_id),
            "client_id" => self.id.as_deref(),
            "client_software_name" => Some(&self.software_name),
            "client_software_version" => Some(&self.software_version),
            "client_source_address" => Some(&self.address),
            "client_source_port" => Some(&self.port),
            _ => None,
        }
    }
}

/// What a client is to push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    pub instance_id: Uuid,
    pub subscription_id: i32,
    /// Prefixes of names.
    pub metrics: Vec<String>,
    /// Milliseconds between two pushes.
    pub interval_ms: i32,
}

/// All clients that are remembered.
#[derive(Default)]
pub(super) struct Instances {
    subscriptions: Vec<Subscription>,
    /// Raised by every change of the subscriptions.
    version: u64,
    by_id: HashMap<Uuid, Instance>,
    /// By when they were last seen, as counted by `seen`.
    by_age: BTreeMap<u64, Uuid>,
    seen: u64,
}

struct Instance {
    client: TelemetryClient,
    version: u64,
    wanted: Wanted,
    last_get: Option<Millis>,
    last_push: Option<Millis>,
    terminating: bool,
    last_error: ErrorCode,
    expires: Millis,
    seen: u64,
}

impl Instances {
    pub(super) fn set_subscriptions(&mut self, subscriptions: Vec<Subscription>) {
        self.subscriptions = subscriptions;
        self.version += 1;
    }

    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Clients that are remembered; those whose time is over are forgotten.
    pub(super) fn count(&mut self, now: Millis) -> usize {
        self.by_id.retain(|_, instance| instance.is_alive(now));
        self.by_age.retain(|_, id| self.by_id.contains_key(id));
        self.by_id.len()
    }

    /// Tells a client what to push. Who asks again before its interval is over is told to wait, unless what it was
    /// told last was that it has to ask.
    pub(super) fn subscribe(&mut self, id: Uuid, client: &TelemetryClient, now: Millis) -> Result<Told, ErrorCode> {
        let instance = self.instance(id, client, now);
        let may_ask = instance.is_due(instance.last_get.max(instance.last_push), now);
        if may_ask {
            instance.last_get = Some(now);
        }
        let has_to = [ErrorCode::UnknownSubscriptionId, ErrorCode::UnsupportedCompressionType];
        if !may_ask && !has_to.contains(&instance.last_error) {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        instance.last_error = ErrorCode::None;
        let Wanted { subscription_id, metrics, interval_ms } = instance.wanted.clone();
        Ok(Told { instance_id: id, subscription_id, metrics, interval_ms })
    }

    /// Checks a push; the time until which what it brings is kept.
    pub(super) fn push(
        &mut self,
        push: &Push<'_>,
        client: &TelemetryClient,
        max_bytes: usize,
        now: Millis,
    ) -> Result<Millis, ErrorCode> {
        let instance = self.instance(push.instance_id, client, now);
        let checked = instance.check(push, max_bytes, now);
        instance.last_error = checked.err().unwrap_or(ErrorCode::None);
        instance.terminating = push.terminating;
        checked.map(|()| instance.expires)
    }

    /// What was pushed could not be read.
    pub(super) fn note_invalid_record(&mut self, id: Uuid) {
        if let Some(instance) = self.by_id.get_mut(&id) {
            instance.last_error = ErrorCode::InvalidRecord;
        }
    }

    /// The client of that id: a new one if it is not known, has been silent for too long or lost its connection. When
    /// subscriptions changed it begins anew as well, so that it may ask at once.
    fn instance(&mut self, id: Uuid, client: &TelemetryClient, now: Millis) -> &mut Instance {
        let known = self.by_id.remove(&id);
        if let Some(known) = &known {
            self.by_age.remove(&known.seen);
        }
        let mut instance = match known.filter(|known| known.is_alive(now)) {
            Some(known) if known.version == self.version => known,
            known => {
                // The properties are those of its first request.
                let mut first = known.map_or_else(|| client.clone(), |known| known.client);
                first.connection = client.connection.clone();
                let wanted = wanted(&self.subscriptions, &first, id);
                Instance::new(first, self.version, wanted)
            }
        };
        self.make_room(now);
        self.seen += 1;
        instance.seen = self.seen;
        instance.expires = now + Millis(EXPIRY_MS.max(i64::from(instance.wanted.interval_ms) * 3));
        self.by_age.insert(instance.seen, id);
        self.by_id.entry(id).insert_entry(instance).into_mut()
    }

    /// Forgets those in front that are gone, and the one that was seen first when there are too many.
    fn make_room(&mut self, now: Millis) {
        while let Some((&seen, &id)) = self.by_age.first_key_value() {
            let is_gone = self.by_id.get(&id).is_none_or(|instance| !instance.is_alive(now));
            if !is_gone && self.by_id.len() < INSTANCES_MAX {
                break;
            }
            self.by_age.remove(&seen);
            self.by_id.remove(&id);
        }
    }
}

impl Instance {
    fn new(client: TelemetryClient, version: u64, wanted: Wanted) -> Instance {
        Instance {
            client,
            version,
            wanted,
            last_get: None,
            last_push: None,
            terminating: false,
            last_error: ErrorCode::None,
            expires: Millis::MAX,
            seen: 0,
        }
    }

    fn is_alive(&self, now: Millis) -> bool {
        now < self.expires && self.client.connection.strong_count() > 0
    }

    /// Whether an interval has passed since then.
    fn is_due(&self, since: Option<Millis>, now: Millis) -> bool {
        since.is_none_or(|since| now - since >= Millis(self.wanted.interval_ms.into()))
    }

    fn check(&mut self, push: &Push<'_>, max_bytes: usize, now: Millis) -> Result<(), ErrorCode> {
        if self.terminating {
            return Err(ErrorCode::InvalidRequest);
        }
        // The first push after a question may come early: clients spread them.
        let may_push = self.last_get > self.last_push || self.is_due(self.last_push, now);
        if may_push {
            self.last_push = Some(now);
        } else if !push.terminating {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        if push.subscription_id != self.wanted.subscription_id {
            return Err(ErrorCode::UnknownSubscriptionId);
        }
        if u8::try_from(push.compression_type).ok().and_then(Compression::from_id).is_none() {
            return Err(ErrorCode::UnsupportedCompressionType);
        }
        match push.metrics.len() > max_bytes {
            true => Err(ErrorCode::TelemetryTooLarge),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
impl TelemetryClient {
    /// A client of that id behind a connection that stays.
    pub(super) fn named(id: &str) -> TelemetryClient {
        use std::sync::OnceLock;

        use crate::network::ListenerInfo;

        static CONNECTION: OnceLock<Arc<ConnectionInfo>> = OnceLock::new();
        let connection = CONNECTION.get_or_init(|| {
            let listener =
                ListenerInfo { name: "A".into(), advertised: None, is_controller: false, is_inter_broker: false };
            let address = "127.0.0.1:9".parse().unwrap();
            let (listener, client_software) = (Arc::new(listener), OnceLock::new());
            Arc::new(ConnectionInfo { id: 1, listener, peer: address, local: address, client_software })
        });
        TelemetryClient::new(Some(id), connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::METADATA_TOPIC_ID;

    struct Scene {
        instances: Instances,
        client: TelemetryClient,
    }

    impl Scene {
        /// Does what a line says, `<time> get|push|last|odd|subscribe`, and tells the error.
        fn act(&mut self, line: &str) -> ErrorCode {
            let (at, what) = line.split_once(' ').unwrap();
            let now = Millis(at.parse().unwrap());
            let subscription = wanted(&self.instances.subscriptions, &self.client, ID).subscription_id;
            let push = |subscription_id, terminating, compression_type| Push {
                instance_id: ID,
                subscription_id,
                terminating,
                compression_type,
                metrics: &[],
            };
            let mut send = |push: Push<'_>| self.instances.push(&push, &self.client, 10, now).map(drop);
            let outcome = match what {
                "push" => send(push(subscription, false, 0)),
                "last" => send(push(subscription, true, 0)),
                "odd" => send(push(subscription ^ 1, false, 0)),
                "codec" => send(push(subscription, false, 9)),
                "get" => self.instances.subscribe(ID, &self.client, now).map(drop),
                _ => {
                    let configs = BTreeMap::from([("interval.ms".to_owned(), "1000".to_owned())]);
                    self.instances.set_subscriptions(vec![Subscription::read(&configs).unwrap()]);
                    Ok(())
                }
            };
            outcome.err().unwrap_or(ErrorCode::None)
        }
    }

    fn check(script: &[(&str, ErrorCode)]) {
        let mut scene = Scene { instances: Instances::default(), client: TelemetryClient::named("c") };
        scene.act("0 subscribe");
        for (line, expected) in script {
            assert_eq!(scene.act(line), *expected, "{line}");
        }
    }

    #[test]
    fn who_comes_too_early_is_told_so() {
        use ErrorCode::{None, ThrottlingQuotaExceeded as Early};
        check(&[
            ("5 get", None),
            ("6 get", Early),
            ("7 push", None),
            ("8 push", Early),
            ("1006 push", Early),
            ("1007 push", None),
            ("1500 get", Early),
            ("2007 get", None),
            ("2008 push", None),
            ("2500 subscribe", None),
            ("2501 get", None),
        ]);
    }

    #[test]
    fn errors_that_make_a_client_ask_let_it() {
        use ErrorCode::{
            InvalidRequest, None, ThrottlingQuotaExceeded as Early, UnknownSubscriptionId, UnsupportedCompressionType,
        };
        check(&[
            ("5 get", None),
            ("6 odd", UnknownSubscriptionId),
            ("7 get", None),
            ("8 push", Early),
            ("9 get", Early),
            ("1500 codec", UnsupportedCompressionType),
            ("1501 get", None),
            ("1502 last", None),
            ("2600 push", InvalidRequest),
            ("2700 push", None),
        ]);
    }

    #[test]
    fn clients_are_forgotten() {
        let mut instances = Instances::default();
        let client = TelemetryClient::named("c");
        for number in 0..INSTANCES_MAX as i64 + 10 {
            instances.subscribe(Uuid::from_halves(7, number), &client, Millis(number)).unwrap();
        }
        assert_eq!(instances.by_id.len(), INSTANCES_MAX);
        assert_eq!(instances.by_age.len(), INSTANCES_MAX);
        assert!(!instances.knows(Uuid::from_halves(7, 3)) && instances.knows(Uuid::from_halves(7, 11)));
        assert_eq!(instances.count(Millis(2_000_000)), 0);
        assert!(instances.by_age.is_empty());
    }

    #[test]
    fn a_closed_connection_takes_its_client_along() {
        let client = TelemetryClient::named("c");
        let lost = TelemetryClient { connection: Weak::new(), ..client.clone() };
        let mut instances = Instances::default();
        instances.subscribe(ID, &lost, Millis(1)).unwrap();
        assert!(instances.subscribe(ID, &client, Millis(2)).is_ok());
        assert_eq!(instances.subscribe(ID, &client, Millis(3)), Err(ErrorCode::ThrottlingQuotaExceeded));
    }
}
