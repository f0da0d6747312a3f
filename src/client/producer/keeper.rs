//! The thread that keeps a producer going: metadata, senders, the producer id, and the end of what waits too long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::batches::{Partition, State};
use super::{NOBODY, Shared, sender, transaction};
use crate::client::{Address, Client, ClientError, Target, no_fault};
use crate::protocol::StrBytes;
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::metadata_response::MetadataResponseTopic;
use crate::protocol::messages::{InitProducerIdRequest, MetadataRequest, MetadataResponse, TopicName};
use crate::types::{BrokerId, ErrorCode, ProducerEpoch, ProducerId};

/// How long one attempt may take, so that late batches are seen in between.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How often the keeper looks for late batches.
const ROUND: Duration = Duration::from_millis(100);

struct Keeper {
    shared: Arc<Shared>,
    client: Client,
    senders: BTreeMap<BrokerId, JoinHandle<()>>,
    refreshed: Instant,
    warned: bool,
}

/// What is to be done.
struct Duties {
    topics: Option<Vec<String>>,
    producer: bool,
}

/// Starts the thread; it ends when the producer is closed and everything is decided.
pub(super) fn start(shared: Arc<Shared>) -> Result<JoinHandle<()>, ClientError> {
    let mut config = shared.client.clone();
    config.api_timeout = ATTEMPT.min(shared.config.max_block);
    let client = Client::new(config)?;
    let (senders, refreshed) = (BTreeMap::new(), Instant::now());
    let mut keeper = Keeper { shared, client, senders, refreshed, warned: false };
    Ok(thread::spawn(move || {
        while let Some(duties) = keeper.next() {
            keeper.perform(duties);
        }
        for (_, sender) in std::mem::take(&mut keeper.senders) {
            sender.join().expect("a sender ends in order");
        }
    }))
}

impl Keeper {
    fn next(&mut self) -> Option<Duties> {
        let shared = self.shared.clone();
        let config = &shared.config;
        let mut state = shared.lock();
        loop {
            let expired = state.take_expired(Instant::now(), config);
            if !expired.is_empty() {
                let fatal = state.fatal.clone();
                drop(state);
                for (topic, index, batch) in expired {
                    let waited = batch.created.elapsed().as_millis();
                    let count = batch.records.len();
                    let late = format!(
                        "Expiring {count} record(s) for {topic}-{index}:{waited} ms has passed since batch creation"
                    );
                    let error = fatal.clone().unwrap_or_else(|| ClientError::timeout(late));
                    shared.finish(&topic, &batch, Err(&error));
                }
                state = shared.lock();
                continue;
            }
            if state.closing && state.unfinished == 0 {
                shared.work.notify_all();
                return None;
            }
            if state.renew && config.transactional_id.is_some() && state.fatal.is_none() {
                // The transaction lacks a batch: what follows must not be written either.
                state.fatal = Some(transaction::failed());
                continue;
            }
            let unknown = state.wanted.iter().any(|topic| !state.topics.contains_key(topic));
            let old = self.refreshed.elapsed() >= config.metadata_max_age;
            let topics = (unknown || state.stale || old).then(|| state.wanted.iter().cloned().collect());
            let needs_id = state.producer.is_none() && !state.wanted.is_empty() || state.renew && state.is_calm();
            let is_own = config.idempotent && config.transactional_id.is_none();
            let producer = is_own && needs_id && state.fatal.is_none();
            if topics.is_some() || producer {
                state.stale = false;
                return Some(Duties { topics, producer });
            }
            state = shared.duty.wait_timeout(state, ROUND).expect("as in Shared::lock").0;
        }
    }

    fn perform(&mut self, duties: Duties) {
        let mut done = true;
        if let Some(topics) = duties.topics {
            done = self.refresh(&topics);
        }
        if duties.producer {
            done &= self.get_producer_id();
        }
        if !done {
            thread::sleep(self.shared.client.retry_backoff);
        }
        self.shared.work.notify_all();
        self.shared.progress.notify_all();
    }

    /// Asks for the topics; whether everything is known now.
    fn refresh(&mut self, topics: &[String]) -> bool {
        let name = |topic: &String| Some(TopicName(StrBytes::from_string(topic.clone())));
        let asked = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(name(topic))).collect();
        let request = MetadataRequest::default().with_topics(Some(asked)).with_allow_auto_topic_creation(true);
        let response = self.client.call(Target::Any, "metadata", &request, no_fault);
        let shared = self.shared.clone();
        let mut state = shared.lock();
        match response {
            Ok(response) => {
                self.refreshed = Instant::now();
                self.learn(&mut state, &response)
            }
            Err(error) => {
                state.stale = true;
                if !error.is_retriable() {
                    state.wanted.clone().into_iter().for_each(|topic| {
                        state.failures.insert(topic, error.clone());
                    });
                }
                false
            }
        }
    }

    fn learn(&mut self, state: &mut State, response: &MetadataResponse) -> bool {
        for broker in &response.brokers {
            let id = BrokerId(broker.node_id.0);
            let Ok(port) = u16::try_from(broker.port) else { continue };
            state.nodes.insert(id, Address { host: broker.host.to_string(), port });
            let shared = &self.shared;
            self.senders.entry(id).or_insert_with(|| {
                let shared = shared.clone();
                thread::spawn(move || sender::run(&shared, id))
            });
        }
        let mut complete = true;
        for topic in &response.topics {
            complete &= self.learn_topic(state, topic);
        }
        complete
    }

    fn learn_topic(&mut self, state: &mut State, topic: &MetadataResponseTopic) -> bool {
        let name = topic.name.as_ref().map_or("", |name| name.0.as_str());
        if let Err(error) = ClientError::from_wire(topic.error_code, None) {
            match error.is_retriable() {
                true => self.warn(name, error.code()),
                false => {
                    let error = match error.code() {
                        Some(code @ ErrorCode::InvalidTopicException) => {
                            ClientError::with_message(code, Some(&format!("Invalid topics: [{name}]")))
                        }
                        Some(code @ ErrorCode::TopicAuthorizationFailed) => {
                            ClientError::with_message(code, Some(&format!("Not authorized to access topics: [{name}]")))
                        }
                        _ => error,
                    };
                    state.failures.insert(name.to_owned(), error);
                    state.wanted.remove(name);
                }
            }
            return false;
        }
        let mut places: Vec<usize> = state.topics.get(name).map_or(Vec::new(), |places| places.to_vec());
        for index in places.len()..topic.partitions.len() {
            places.push(state.partitions.len());
            state.partitions.push(Partition::new(name, index as i32));
        }
        let mut led = true;
        for partition in &topic.partitions {
            let Some(&place) = usize::try_from(partition.partition_index).ok().and_then(|at| places.get(at)) else {
                continue;
            };
            let leader = BrokerId(partition.leader_id.0);
            led &= leader != NOBODY;
            state.partitions[place].leader = leader;
        }
        state.stale |= !led;
        if !places.is_empty() {
            state.topics.insert(name.to_owned(), places.into());
        }
        led
    }

    fn warn(&mut self, topic: &str, code: Option<ErrorCode>) {
        if !std::mem::replace(&mut self.warned, true) {
            let code = code.map_or(String::new(), |code| code.name().to_owned());
            eprintln!("WARN The metadata response from the cluster reported a recoverable issue: {{{topic}={code}}}");
        }
    }

    /// Whether there is a producer id now.
    fn get_producer_id(&mut self) -> bool {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let response = self.client.call(Target::Any, "initProducerId", &request, |response| response.error_code);
        let given = response.and_then(|response| {
            ClientError::from_wire(response.error_code, None)?;
            Ok((ProducerId(response.producer_id.0), ProducerEpoch(response.producer_epoch)))
        });
        let mut state = self.shared.lock();
        match given {
            Ok(producer) => state.renew_producer(producer),
            Err(error) if error.is_retriable() => return false,
            Err(error) => state.fatal = Some(error),
        }
        true
    }
}
