//! A consumer: partitions given by hand or by a group of the classic protocol, read by one thread.
//!
//! [`Consumer::poll`] does what is due (join, heartbeat, commit, metadata), keeps a fetch under way on every leader's
//! connection, and hands records over one by one; what was handed over is what is committed. [`membership`] speaks with
//! the coordinator, [`assignor`] divides partitions where this member leads, [`fetcher`] reads.

mod assignor;
mod config;
mod fetcher;
mod membership;
mod offsets;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use regex::Regex;

use super::{Client, ClientConfig, ClientError, Target, no_fault};
use crate::protocol::StrBytes;
use crate::protocol::batch::{HeaderIter, TimestampType};
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::{MetadataRequest, TopicName};
use crate::types::{BrokerId, ErrorCode, Millis};
use fetcher::Fetcher;
use membership::{Membership, Turn};

pub use config::{ConsumerConfig, Reset};

/// A partition of a topic.
pub type Partition = (String, i32);

/// A record as it is handed over.
pub struct Consumed<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Millis,
    pub timestamp_type: TimestampType,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: HeaderIter<'a>,
    /// How often a share group has delivered it.
    pub delivery_count: Option<i16>,
}

/// What a consumer reads.
#[derive(Clone, Debug)]
pub enum Subscription {
    /// One partition from an offset, or from an end; no group.
    Assigned(Partition, Start),
    Topics(Vec<String>),
    /// Topics whose whole name matches.
    Pattern(Regex),
}

/// Where to begin in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    Earliest,
    Latest,
    Offset(Position),
}

/// A place in a partition, as it is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Of the next record.
    pub offset: i64,
    /// The leader epoch of the record before it; -1 where it is not known.
    pub leader_epoch: i32,
}

impl Position {
    /// An offset of which nothing else is known.
    pub fn at(offset: i64) -> Position {
        Position { offset, leader_epoch: -1 }
    }
}

/// Told of partitions that are given (true) or taken away (false).
pub type OnRebalance = Box<dyn FnMut(bool, &[Partition])>;

/// A consumer of one cluster.
pub struct Consumer {
    client: Client,
    config: ConsumerConfig,
    subscription: Subscription,
    membership: Option<Membership>,
    fetcher: Fetcher,
    metadata: Metadata,
    on_rebalance: OnRebalance,
    next_commit: Instant,
}

/// What is known of the topics that are read.
#[derive(Default)]
struct Metadata {
    /// Partitions by topic, those that matter to the subscription.
    topics: BTreeMap<String, usize>,
    leaders: BTreeMap<Partition, BrokerId>,
    refreshed: Option<Instant>,
}

impl Consumer {
    /// A consumer that connects when it is first polled.
    pub fn new(
        client: ClientConfig,
        config: ConsumerConfig,
        subscription: Subscription,
        on_rebalance: OnRebalance,
    ) -> Result<Consumer, ClientError> {
        let mut fetcher = Fetcher::new(client.clone(), config.clone());
        let membership = match &subscription {
            Subscription::Assigned(partition, start) => {
                fetcher.assign([(partition.clone(), *start)]);
                None
            }
            Subscription::Topics(_) | Subscription::Pattern(_) => Some(Membership::new(config.clone())?),
        };
        let next_commit = Instant::now() + config.auto_commit_interval;
        Ok(Consumer {
            client: Client::new(client)?,
            config,
            subscription,
            membership,
            fetcher,
            metadata: Metadata::default(),
            on_rebalance,
            next_commit,
        })
    }

    /// Hands over what has arrived, waiting for it at most `patience`: whole batches until `max.poll.records` are reached.
    /// `each` may stop it anywhere; the next poll goes on behind that record. The answer is the number of records.
    pub fn poll(
        &mut self,
        patience: Duration,
        mut each: impl FnMut(&Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<usize, ClientError> {
        let deadline = Instant::now() + patience.min(Duration::from_secs(3600 * 24 * 365));
        loop {
            self.do_what_is_due()?;
            let count = self.fetcher.hand_over(self.config.max_poll_records, &mut each)?;
            if count > 0 || Instant::now() >= deadline {
                return Ok(count);
            }
            let arrived = self.fetcher.fetch(&self.metadata.leaders, deadline);
            self.heed(arrived)?;
        }
    }

    /// Commits what was handed over, and leaves the group.
    pub fn close(&mut self) -> Result<(), ClientError> {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        if self.config.auto_commit
            && membership.is_member()
            && let Err(error) = membership.commit(&mut self.client, self.fetcher.positions())
        {
            eprintln!("WARN Auto-commit of offsets failed: {error}");
        }
        membership.leave(&mut self.client)
    }

    fn do_what_is_due(&mut self) -> Result<(), ClientError> {
        let age = self.metadata.refreshed.map(|time| time.elapsed());
        if age.is_none_or(|age| age >= self.config.metadata_max_age) || self.fetcher.take_stale() {
            self.refresh()?;
        }
        if let Some(membership) = &mut self.membership {
            match membership.turn(&mut self.client)? {
                Turn::Idle => {}
                Turn::Rejoin => self.rejoin()?,
            }
        }
        if self.config.auto_commit && Instant::now() >= self.next_commit {
            self.commit();
        }
        self.fetcher.find_starts(&mut self.client, &self.metadata.leaders)
    }

    /// A commit that fails is made up for by the next.
    fn commit(&mut self) {
        self.next_commit = Instant::now() + self.config.auto_commit_interval;
        if let Some(membership) = self.membership.as_mut().filter(|membership| membership.is_member())
            && let Err(error) = membership.commit(&mut self.client, self.fetcher.positions())
        {
            eprintln!("WARN Auto-commit of offsets failed: {error}");
        }
    }

    /// Gives everything back, joins, and takes what is assigned.
    fn rejoin(&mut self) -> Result<(), ClientError> {
        if self.config.auto_commit {
            self.commit();
        }
        let given_up = self.fetcher.assigned();
        if !given_up.is_empty() {
            (self.on_rebalance)(false, &given_up);
        }
        self.fetcher.assign([]);
        let Some(membership) = &mut self.membership else { return Ok(()) };
        let Some(assigned) = membership.join(&mut self.client, &self.metadata.topics)? else { return Ok(()) };
        let committed = membership.committed(&mut self.client, &assigned)?;
        let start = |partition: &Partition| match committed.get(partition) {
            Some(position) => Ok(Start::Offset(*position)),
            None => self.config.reset.start(partition),
        };
        let starts: Vec<(Partition, Start)> = assigned
            .iter()
            .map(|partition| Ok((partition.clone(), start(partition)?)))
            .collect::<Result<_, ClientError>>()?;
        self.fetcher.assign(starts);
        (self.on_rebalance)(true, &assigned);
        Ok(())
    }

    /// Errors of fetching that pass, pass; metadata is asked for again.
    fn heed(&mut self, result: Result<(), ClientError>) -> Result<(), ClientError> {
        match result {
            Err(error) if error.is_retriable() => {
                self.metadata.refreshed = None;
                std::thread::sleep(self.client.config.retry_backoff);
                Ok(())
            }
            result => result,
        }
    }

    fn refresh(&mut self) -> Result<(), ClientError> {
        let asked = match &self.subscription {
            Subscription::Assigned((topic, _), _) => Some(vec![topic.clone()]),
            Subscription::Topics(topics) => Some(topics.clone()),
            Subscription::Pattern(_) => None,
        };
        let name = |topic: &String| Some(TopicName(StrBytes::from_string(topic.clone())));
        let topics = asked
            .map(|topics| topics.iter().map(|topic| MetadataRequestTopic::default().with_name(name(topic))).collect());
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(true);
        let response = match self.client.call(Target::Any, "metadata", &request, no_fault) {
            Err(error) if error.is_retriable() => {
                std::thread::sleep(self.client.config.retry_backoff);
                return Ok(());
            }
            response => response?,
        };
        let mut found = Metadata { refreshed: Some(Instant::now()), ..Metadata::default() };
        for topic in &response.topics {
            let Some(name) = topic.name.as_ref().map(|name| name.0.to_string()) else { continue };
            let error = ClientError::from_wire(topic.error_code, None);
            match error {
                Err(error) if error.is_retriable() => {
                    self.fetcher.warn(&format!("{{{name}={}}}", error.code().map_or("", ErrorCode::name)));
                    found.refreshed = None;
                    continue;
                }
                Err(error) => return Err(named(error, &name)),
                Ok(()) if !self.wants(&name, topic.is_internal) => continue,
                Ok(()) => {}
            }
            found.topics.insert(name.clone(), topic.partitions.len());
            for partition in &topic.partitions {
                found.leaders.insert((name.clone(), partition.partition_index), BrokerId(partition.leader_id.0));
            }
        }
        if found.refreshed.is_none() {
            std::thread::sleep(self.client.config.retry_backoff);
        }
        self.fetcher.learn(&response);
        if let Some(membership) = &mut self.membership {
            membership.note_topics(&found.topics, &self.metadata.topics);
        }
        self.metadata = found;
        Ok(())
    }

    fn wants(&self, topic: &str, internal: bool) -> bool {
        match &self.subscription {
            Subscription::Pattern(pattern) => pattern.is_match(topic) && !(internal && self.config.exclude_internal),
            _ => true,
        }
    }
}

/// Some errors name the topic in Kafka's client.
fn named(error: ClientError, topic: &str) -> ClientError {
    match error.code() {
        Some(code @ ErrorCode::InvalidTopicException) => {
            ClientError::with_message(code, Some(&format!("Invalid topics: [{topic}]")))
        }
        Some(code @ ErrorCode::TopicAuthorizationFailed) => {
            ClientError::with_message(code, Some(&format!("Not authorized to access topics: [{topic}]")))
        }
        _ => error,
    }
}
