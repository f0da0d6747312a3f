//! A consumer of a share group (KIP-932): the records it is given are its own for a while, and it says of each what became
//! of it.
//!
//! [`ShareConsumer::poll`] does what is due (heartbeat, metadata), fetches from the leaders of the partitions assigned,
//! and hands records over one by one. What it was told of them goes along with the next fetch, or with the end.
//! [`session`] is what goes on with one leader.

mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::consumer::Consumed;
use super::producer::Reader;
use super::{Client, ClientConfig, ClientError, Target, no_fault};
use crate::protocol::StrBytes;
use crate::protocol::batch::{BatchRef, split_batches};
use crate::protocol::compression::Decompressor;
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::share_group_heartbeat_response::Assignment;
use crate::protocol::messages::{GroupId, MetadataRequest, ShareGroupHeartbeatRequest, TopicName};
use crate::types::{BrokerId, ErrorCode, Uuid};
use session::{Given, Session};

/// A partition by its topic's id.
type Place = (Uuid, i32);

/// How a share consumer reads.
#[derive(Clone, Debug)]
pub struct ShareConfig {
    /// `group.id`
    pub group: String,
    /// `max.poll.records`
    pub max_poll_records: i32,
    /// `fetch.min.bytes`
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`
    pub fetch_max_wait: Duration,
    /// `check.crcs`
    pub check_crcs: bool,
    /// `client.rack`
    pub rack: Option<String>,
    /// `metadata.max.age.ms`
    pub metadata_max_age: Duration,
}

/// Properties that mean nothing to a share consumer, and that Kafka's refuses.
const REFUSED: [&str; 7] = [
    "auto.offset.reset",
    "enable.auto.commit",
    "group.instance.id",
    "isolation.level",
    "partition.assignment.strategy",
    "interceptor.classes",
    "group.remote.assignor",
];

impl ShareConfig {
    /// Reads what concerns a share consumer.
    pub fn new(properties: &BTreeMap<String, String>) -> Result<ShareConfig, ClientError> {
        if let Some(key) = REFUSED.into_iter().find(|key| properties.contains_key(*key)) {
            return Err(ClientError::Config(format!("{key} cannot be set when using a share group.")));
        }
        let read = Reader(properties);
        Ok(ShareConfig {
            group: properties.get("group.id").cloned().unwrap_or_default(),
            max_poll_records: read.number("max.poll.records", 500, 1)?,
            fetch_min_bytes: read.number("fetch.min.bytes", 1, 0)?,
            fetch_max_bytes: read.number("fetch.max.bytes", 50 << 20, 0)?,
            fetch_max_wait: read.millis("fetch.max.wait.ms", 500)?,
            check_crcs: read.flag("check.crcs", true)?,
            rack: properties.get("client.rack").filter(|rack| !rack.is_empty()).cloned(),
            metadata_max_age: read.millis("metadata.max.age.ms", 300_000)?,
        })
    }
}

/// What became of a record, as the wire numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub enum Verdict {
    /// There is no record at that offset.
    Gap = 0,
    Accept = 1,
    /// Another delivery is wanted.
    Release = 2,
    /// No other delivery is wanted.
    Reject = 3,
}

/// Told of each record; says what became of it, and whether to go on.
pub type Judgement = (Verdict, ControlFlow<()>);

/// A consumer of one share group.
pub struct ShareConsumer {
    client: Client,
    config: ShareConfig,
    topics: Vec<String>,
    member_id: String,
    member_epoch: i32,
    next_heartbeat: Instant,
    assigned: BTreeSet<Place>,
    names: BTreeMap<Uuid, String>,
    leaders: BTreeMap<Place, BrokerId>,
    refreshed: Option<Instant>,
    sessions: BTreeMap<BrokerId, Session>,
    given: VecDeque<Given>,
    decompressor: Decompressor,
}

impl ShareConsumer {
    /// A consumer of these topics that connects when it is first polled.
    pub fn new(client: ClientConfig, config: ShareConfig, topics: Vec<String>) -> Result<ShareConsumer, ClientError> {
        Ok(ShareConsumer {
            client: Client::new(client)?,
            config,
            topics,
            member_id: Uuid::random().to_string(),
            member_epoch: 0,
            next_heartbeat: Instant::now(),
            assigned: BTreeSet::new(),
            names: BTreeMap::new(),
            leaders: BTreeMap::new(),
            refreshed: None,
            sessions: BTreeMap::new(),
            given: VecDeque::new(),
            decompressor: Decompressor::new(),
        })
    }

    /// Hands over what was given, waiting for it at most `patience`. `each` may stop it anywhere; the next poll goes on
    /// behind that record. The answer is the number of records.
    pub fn poll(
        &mut self,
        patience: Duration,
        mut each: impl FnMut(&Consumed<'_>) -> Judgement,
    ) -> Result<usize, ClientError> {
        let deadline = Instant::now() + patience.min(Duration::from_secs(3600 * 24 * 365));
        loop {
            self.heartbeat()?;
            let is_old = self.refreshed.is_none_or(|time| time.elapsed() >= self.config.metadata_max_age);
            if is_old || self.assigned.iter().any(|place| !self.leaders.contains_key(place)) {
                self.refresh()?;
            }
            let count = self.hand_over(&mut each)?;
            if count > 0 || Instant::now() >= deadline {
                return Ok(count);
            }
            if let Err(error) = self.fetch(deadline) {
                // Answers may still be on their way, that nobody waits for any more.
                let brokers: Vec<BrokerId> = std::mem::take(&mut self.sessions).into_keys().collect();
                brokers.into_iter().for_each(|broker| self.client.disconnect(broker));
                return Err(error);
            }
        }
    }

    /// Tells what became of the records that were handed over, gives back the others, and leaves the group.
    pub fn close(&mut self) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.client.config.request_timeout;
        for (broker, session) in std::mem::take(&mut self.sessions) {
            if let Ok(connection) = self.client.connection(broker, deadline) {
                // What is not told is given to another consumer when its time is over.
                let _ = session.end(connection, &self.config, &self.member_id, deadline);
            }
        }
        if self.member_epoch <= 0 {
            return Ok(());
        }
        const LEAVE: i32 = -1;
        let request = self.heartbeat_request().with_member_epoch(LEAVE);
        let group = self.config.group.clone();
        self.client.call(Target::Group(&group), "shareGroupHeartbeat", &request, no_fault).map(drop)
    }

    fn heartbeat_request(&self) -> ShareGroupHeartbeatRequest {
        ShareGroupHeartbeatRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(self.config.group.clone())))
            .with_member_id(StrBytes::from_string(self.member_id.clone()))
            .with_member_epoch(self.member_epoch)
            .with_rack_id(None)
            .with_subscribed_topic_names(None)
    }

    fn heartbeat(&mut self) -> Result<(), ClientError> {
        if Instant::now() < self.next_heartbeat {
            return Ok(());
        }
        let mut request = self.heartbeat_request();
        if self.member_epoch == 0 {
            let name = |topic: &String| TopicName(StrBytes::from_string(topic.clone()));
            request.subscribed_topic_names = Some(self.topics.iter().map(name).collect());
            request.rack_id = self.config.rack.clone().map(StrBytes::from_string);
        }
        let group = self.config.group.clone();
        let fault = |answer: &crate::protocol::messages::ShareGroupHeartbeatResponse| answer.error_code;
        let answer = self.client.call(Target::Group(&group), "shareGroupHeartbeat", &request, fault)?;
        match ClientError::from_wire(answer.error_code, answer.error_message.as_deref()) {
            Ok(()) => {}
            Err(error) => match error.code() {
                Some(ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch) => {
                    self.member_epoch = 0;
                    self.assign(None);
                    return Ok(());
                }
                _ => return Err(error),
            },
        }
        self.member_epoch = answer.member_epoch;
        self.next_heartbeat =
            Instant::now() + Duration::from_millis(u64::from(answer.heartbeat_interval_ms.unsigned_abs()));
        if let Some(assignment) = answer.assignment {
            self.assign(Some(assignment));
        }
        Ok(())
    }

    fn assign(&mut self, assignment: Option<Assignment>) {
        let topics = assignment.into_iter().flat_map(|assignment| assignment.topic_partitions);
        self.assigned = topics
            .flat_map(|topic| topic.partitions.into_iter().map(move |index| (Uuid::from(topic.topic_id), index)))
            .collect();
        self.given.retain(|given| self.assigned.contains(&given.place));
    }

    fn refresh(&mut self) -> Result<(), ClientError> {
        let name = |topic: &String| Some(TopicName(StrBytes::from_string(topic.clone())));
        let asked = self.topics.iter().map(|topic| MetadataRequestTopic::default().with_name(name(topic))).collect();
        let request = MetadataRequest::default().with_topics(Some(asked)).with_allow_auto_topic_creation(true);
        let response = self.client.call(Target::Any, "metadata", &request, no_fault)?;
        self.refreshed = Some(Instant::now());
        for topic in &response.topics {
            match ClientError::from_wire(topic.error_code, None) {
                Ok(()) => {}
                Err(error) if error.is_retriable() => {
                    self.refreshed = None;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let id = Uuid::from(topic.topic_id);
            self.names.insert(id, topic.name.as_ref().map(|name| name.0.to_string()).unwrap_or_default());
            for partition in &topic.partitions {
                self.leaders.insert((id, partition.partition_index), BrokerId(partition.leader_id.0));
            }
        }
        if self.refreshed.is_none() {
            std::thread::sleep(self.client.config.retry_backoff);
        }
        Ok(())
    }

    /// Asks every leader of what is assigned, and takes in their answers.
    fn fetch(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let mut led: BTreeMap<BrokerId, BTreeSet<Place>> = BTreeMap::new();
        for place in &self.assigned {
            if let Some(leader) = self.leaders.get(place).filter(|leader| **leader != BrokerId::NONE) {
                led.entry(*leader).or_default().insert(*place);
            }
        }
        if led.is_empty() {
            let until = deadline.min(self.next_heartbeat).saturating_duration_since(Instant::now());
            std::thread::sleep(until.clamp(Duration::from_millis(1), Duration::from_millis(50)));
            return Ok(());
        }
        let until = Instant::now() + self.client.config.request_timeout;
        for (broker, places) in &led {
            let session = self.sessions.entry(*broker).or_default();
            let sent = self
                .client
                .connection(*broker, until)
                .and_then(|connection| session.ask(connection, &self.config, &self.member_id, places, until));
            self.heed(*broker, sent)?;
        }
        for (broker, places) in led {
            let Some(session) = self.sessions.get_mut(&broker) else { continue };
            let answered = self
                .client
                .connection(broker, until)
                .and_then(|connection| session.answer(broker, connection, places, until));
            match answered {
                Ok(answer) => {
                    self.given.extend(answer.given.into_iter().filter(|given| self.assigned.contains(&given.place)));
                    if answer.is_stale {
                        self.refreshed = None;
                    }
                }
                Err(error) => self.heed(broker, Err(error))?,
            }
        }
        Ok(())
    }

    /// A leader that cannot be reached is looked for anew, and another session begun.
    fn heed(&mut self, broker: BrokerId, outcome: Result<(), ClientError>) -> Result<(), ClientError> {
        match outcome {
            Err(error) if error.is_retriable() || session::is_over(&error) => {
                self.sessions.remove(&broker);
                if error.is_retriable() {
                    self.client.disconnect(broker);
                    self.refreshed = None;
                }
                std::thread::sleep(self.client.config.retry_backoff);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn hand_over(&mut self, each: &mut impl FnMut(&Consumed<'_>) -> Judgement) -> Result<usize, ClientError> {
        let mut count = 0;
        while let Some(mut given) = self.given.pop_front() {
            let done = self.hand_over_partition(&mut given, &mut count, each)?;
            if !done {
                self.given.push_front(given);
                break;
            }
        }
        Ok(count)
    }

    /// Whether everything of it was handed over.
    fn hand_over_partition(
        &mut self,
        given: &mut Given,
        count: &mut usize,
        each: &mut impl FnMut(&Consumed<'_>) -> Judgement,
    ) -> Result<bool, ClientError> {
        let bytes = given.records.clone();
        for batch in split_batches(&bytes) {
            let batch = batch.map_err(|error| damaged(&self.names, given.place, &error))?;
            if given.is_done() {
                break;
            }
            if batch.header.is_control() || batch.header.last_offset().0 < given.next() {
                continue;
            }
            if !self.hand_over_batch(given, &batch, count, each)? {
                return Ok(false);
            }
        }
        let rest = given.rest();
        judge(&mut self.sessions, given, &rest, Verdict::Gap);
        Ok(true)
    }

    fn hand_over_batch(
        &mut self,
        given: &mut Given,
        batch: &BatchRef<'_>,
        count: &mut usize,
        each: &mut impl FnMut(&Consumed<'_>) -> Judgement,
    ) -> Result<bool, ClientError> {
        if self.config.check_crcs {
            batch.check_crc().map_err(|error| damaged(&self.names, given.place, &error))?;
        }
        let topic = self.names.get(&given.place.0).map_or("", String::as_str);
        let records = batch.records(&mut self.decompressor);
        let records = records.map_err(|error| damaged(&self.names, given.place, &error))?;
        for record in records {
            let record = record.map_err(|error| damaged(&self.names, given.place, &error))?;
            let offset = batch.header.offset_of(&record).0;
            let Some((gaps, delivery_count)) = given.take(offset) else { continue };
            judge(&mut self.sessions, given, &gaps, Verdict::Gap);
            let (verdict, flow) = each(&Consumed {
                topic,
                partition: given.place.1,
                offset,
                timestamp: batch.header.timestamp_of(&record),
                timestamp_type: batch.header.timestamp_type(),
                key: record.key,
                value: record.value,
                headers: record.headers,
                delivery_count: Some(delivery_count),
            });
            *count += 1;
            judge(&mut self.sessions, given, &[(offset, offset)], verdict);
            if flow.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Notes what became of offsets. With a session that is lost, what it gave is given back.
fn judge(sessions: &mut BTreeMap<BrokerId, Session>, given: &Given, offsets: &[(i64, i64)], verdict: Verdict) {
    if let Some(session) = sessions.get_mut(&given.broker) {
        offsets.iter().for_each(|range| session.judge(given.place, *range, verdict));
    }
}

fn damaged(names: &BTreeMap<Uuid, String>, (id, partition): Place, error: &dyn std::fmt::Display) -> ClientError {
    let topic = names.get(&id).map_or("", String::as_str);
    let message = format!("Received exception when fetching the next record from {topic}-{partition}: {error}.");
    ClientError::Malformed(message)
}
