//! The thread that sends to one broker: several requests in flight, answered in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Shared;
use super::batches::{Batch, Content, State};
use crate::client::{ClientError, Connection};
use crate::protocol::batch::{BATCH_HEADER_LEN, BatchHeader};
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use crate::protocol::{Request, StrBytes};
use crate::types::{BrokerId, ErrorCode, ProducerEpoch, ProducerId};

/// The versions that name topics: from that of Kafka 0.11's batches to the last before topic ids.
const VERSIONS: (i16, i16) = (3, 12);
/// The last version that leaves it to the producer to add partitions to its transaction.
const LAST_TRANSACTIONAL: i16 = 11;
/// How long a sender without work sleeps at most.
const IDLE: Duration = Duration::from_secs(1);

/// A request without its answer.
struct Flight {
    deadline: Instant,
    batches: Vec<(usize, Batch)>,
}

enum Work {
    Send(Vec<(usize, Batch)>, Option<(ProducerId, ProducerEpoch)>),
    Receive(Flight),
}

struct Sender<'a> {
    shared: &'a Shared,
    broker: BrokerId,
    connection: Option<Connection>,
    flights: VecDeque<Flight>,
}

/// Sends to `broker` until the producer is closed and everything is decided.
pub(super) fn run(shared: &Shared, broker: BrokerId) {
    let mut sender = Sender { shared, broker, connection: None, flights: VecDeque::new() };
    while let Some(work) = sender.next() {
        match work {
            Work::Send(batches, producer) => sender.send(batches, producer),
            Work::Receive(flight) => sender.receive(flight),
        }
    }
}

impl Sender<'_> {
    fn next(&mut self) -> Option<Work> {
        let config = &self.shared.config;
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            if self.flights.len() < config.max_in_flight {
                let batches = state.take(self.broker, now, config);
                if !batches.is_empty() {
                    return Some(Work::Send(batches, state.producer.filter(|_| config.idempotent)));
                }
            }
            if let Some(flight) = self.flights.pop_front() {
                return Some(Work::Receive(flight));
            }
            if state.closing && state.unfinished == 0 {
                return None;
            }
            let due = state.next_due(self.broker, config).map_or(IDLE, |due| due.saturating_duration_since(now));
            let pause = due.clamp(Duration::from_millis(1), IDLE);
            state = self.shared.work.wait_timeout(state, pause).expect("as in Shared::lock").0;
        }
    }

    fn send(&mut self, mut batches: Vec<(usize, Batch)>, producer: Option<(ProducerId, ProducerEpoch)>) {
        let built: Vec<Bytes> = batches.iter_mut().map(|(_, batch)| build(batch, producer)).collect();
        match self.try_send(&batches, built) {
            Ok(deadline) if self.shared.config.acks != 0 => self.flights.push_back(Flight { deadline, batches }),
            Ok(_) => batches.into_iter().for_each(|(at, batch)| self.settle(at, batch, None)),
            Err(error) => self.lose(batches, &error),
        }
    }

    fn try_send(&mut self, batches: &[(usize, Batch)], built: Vec<Bytes>) -> Result<Instant, ClientError> {
        let config = &self.shared.config;
        let deadline = Instant::now() + config.request_timeout;
        let request = self.request(batches, built);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let address = self.shared.lock().nodes.get(&self.broker).cloned();
                let address = address.ok_or_else(|| ClientError::of(ErrorCode::LeaderNotAvailable))?;
                self.connection.insert(Connection::open(&address, &self.shared.client, deadline)?)
            }
        };
        let newest = if config.transactional_id.is_some() { LAST_TRANSACTIONAL } else { VERSIONS.1 };
        let version = connection.version_within(ProduceRequest::KEY, (VERSIONS.0, newest))?;
        match config.acks {
            0 => connection.send_unanswered(version, &request, deadline)?,
            _ => connection.send(version, &request, deadline)?,
        }
        Ok(deadline)
    }

    fn request(&self, batches: &[(usize, Batch)], built: Vec<Bytes>) -> ProduceRequest {
        let config = &self.shared.config;
        let state = self.shared.lock();
        let mut topics: Vec<TopicProduceData> = Vec::new();
        for ((at, _), records) in batches.iter().zip(built) {
            let partition = &state.partitions[*at];
            let data = PartitionProduceData::default().with_index(partition.index).with_records(Some(records));
            match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
                Some(topic) => topic.partition_data.push(data),
                None => topics.push(
                    TopicProduceData::default()
                        .with_name(TopicName(StrBytes::from_string(partition.topic.clone())))
                        .with_partition_data(vec![data]),
                ),
            }
        }
        let id = config.transactional_id.as_ref();
        ProduceRequest::default()
            .with_transactional_id(id.map(|id| StrBytes::from_string(id.clone()).into()))
            .with_acks(config.acks)
            .with_timeout_ms(i32::try_from(config.request_timeout.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(topics)
    }

    fn receive(&mut self, flight: Flight) {
        let connection = self.connection.as_mut().expect("what is in flight was sent");
        match connection.receive::<ProduceRequest>(flight.deadline) {
            Ok(response) => {
                for (at, batch) in flight.batches {
                    let result = self.result(&response, at);
                    self.settle(at, batch, result.err());
                }
            }
            Err(error) => self.lose(flight.batches, &error),
        }
    }

    fn result(&self, response: &ProduceResponse, at: usize) -> Result<(), ClientError> {
        let state = self.shared.lock();
        let partition = &state.partitions[at];
        let topic = response.responses.iter().find(|topic| *topic.name == *partition.topic);
        let answer =
            topic.and_then(|topic| topic.partition_responses.iter().find(|answer| answer.index == partition.index));
        match answer {
            Some(answer) => ClientError::from_wire(answer.error_code, answer.error_message.as_deref()),
            None => Err(ClientError::Malformed("a Produce answer lacks a partition that was sent".to_owned())),
        }
    }

    /// The connection failed, with everything that was under way on it.
    fn lose(&mut self, batches: Vec<(usize, Batch)>, error: &ClientError) {
        self.connection = None;
        self.shared.lock().stale = true;
        let others = std::mem::take(&mut self.flights);
        for (at, batch) in batches.into_iter().chain(others.into_iter().flat_map(|flight| flight.batches)) {
            self.settle(at, batch, Some(error.clone()));
        }
    }

    /// Decides a batch: written, to be sent again, or failed.
    fn settle(&self, at: usize, mut batch: Batch, error: Option<ClientError>) {
        let shared = self.shared;
        let mut state = shared.lock();
        state.landed(at, &batch);
        let code = error.as_ref().and_then(ClientError::code);
        let Some(error) = error.filter(|_| code != Some(ErrorCode::DuplicateSequenceNumber)) else {
            return self.finish(state, at, &batch, Ok(()));
        };
        let pause = Instant::now() + shared.client.retry_backoff;
        let out_of_order = matches!(code, Some(ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId));
        if out_of_order && batch.sequence.is_some() && batch.attempts < shared.config.retries {
            // It follows from the failure of a batch in front of it, or the broker has forgotten this producer.
            state.renew |= !state.has_predecessor(at, &batch);
            batch.attempts += 1;
            state.put_back(at, batch, None);
        } else if error.is_retriable() && batch.attempts < shared.config.retries {
            state.stale |= !matches!(code, Some(ErrorCode::ThrottlingQuotaExceeded | ErrorCode::NotEnoughReplicas));
            batch.attempts += 1;
            state.put_back(at, batch, Some(pause));
        } else {
            state.renew |= batch.sequence.is_some();
            return self.finish(state, at, &batch, Err(&error));
        }
        drop(state);
        shared.work.notify_all();
        shared.duty.notify_all();
    }

    fn finish(
        &self,
        state: std::sync::MutexGuard<'_, State>,
        at: usize,
        batch: &Batch,
        result: Result<(), &ClientError>,
    ) {
        let topic = state.partitions[at].topic.clone();
        let wakes = state.renew || state.closing;
        drop(state);
        self.shared.finish(&topic, batch, result);
        if wakes {
            self.shared.work.notify_all();
            self.shared.duty.notify_all();
        }
    }
}

/// The bytes of a batch for its producer and sequence, kept for when it must be sent again.
fn build(batch: &mut Batch, producer: Option<(ProducerId, ProducerEpoch)>) -> Bytes {
    let stamp = producer.zip(batch.sequence);
    let content = std::mem::replace(&mut batch.content, Content::Built(Bytes::new()));
    let bytes = match (content, stamp) {
        (Content::Open(builder), Some(((id, epoch), sequence))) => builder.producer(id, epoch, sequence).build(),
        (Content::Open(builder), None) => builder.build(),
        (Content::Built(bytes), None) => bytes,
        (Content::Built(bytes), Some(((id, epoch), sequence))) => {
            let header = BatchHeader::parse(&bytes).expect("a batch that was built here");
            let mut stamped = BatchHeader { producer_id: id, producer_epoch: epoch, base_sequence: sequence, ..header };
            if stamped == header {
                bytes
            } else {
                stamped.renew_crc(&bytes[BATCH_HEADER_LEN..]);
                [&stamped.encode()[..], &bytes[BATCH_HEADER_LEN..]].concat().into()
            }
        }
    };
    batch.content = Content::Built(bytes.clone());
    bytes
}
