//! A producer: records are collected into batches by partition and sent by one thread for each leader.
//!
//! The caller's thread appends to the open batch of a partition ([`batches`]). A batch that is full, or old enough, is
//! taken by the sender of its leader ([`sender`]), which keeps several requests in flight and puts what failed back in
//! order. One more thread ([`keeper`]) follows the metadata, gets the producer id and ends what waits too long.

mod batches;
mod config;
mod keeper;
mod partitioner;
mod sender;
mod transaction;

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{ClientConfig, ClientError};
use crate::protocol::batch::RecordHeader;
use crate::types::{BrokerId, ErrorCode, Millis};
use batches::{Batch, State};
use partitioner::Partitioner;
use transaction::Transaction;

pub use config::ProducerConfig;
pub(super) use config::Reader;
pub use partitioner::murmur2;

/// Bytes of a record's batch that are not of the record.
const OVERHEAD_BYTES: usize = 61 + 25;

/// A record to send.
#[derive(Clone, Debug, Default)]
pub struct Record<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [RecordHeader<'a>],
    /// The caller's own, to be found again in [`Sent`].
    pub mark: u32,
}

/// What is remembered of a record until it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When it was given to the producer.
    pub time: Millis,
    /// Bytes of the key, -1 without one.
    pub key_len: i32,
    /// Bytes of the value, -1 without one.
    pub value_len: i32,
    /// That of the record.
    pub mark: u32,
}

/// Told for each batch once it is decided: the topic, its records, and why they were not written.
pub type OnDelivery = Box<dyn Fn(&str, &[Sent], Result<(), &ClientError>) + Send + Sync>;

/// A producer of one cluster.
pub struct Producer {
    shared: Arc<Shared>,
    partitioner: Partitioner,
    keeper: Option<JoinHandle<()>>,
    /// With a `transactional.id`, once that is claimed.
    transaction: Option<Transaction>,
}

/// What the threads share.
struct Shared {
    client: ClientConfig,
    config: ProducerConfig,
    state: Mutex<State>,
    /// For senders: a batch is ready, or it is time to stop.
    work: Condvar,
    /// For the keeper: a topic is wanted, something is stale, or it is time to stop.
    duty: Condvar,
    /// A topic is known, memory is free, or a batch is decided.
    progress: Condvar,
    on_delivery: OnDelivery,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of a producer panics while it holds its state")
    }

    /// Tells the caller of a batch's end, and frees its memory.
    fn finish(&self, topic: &str, batch: &Batch, result: Result<(), &ClientError>) {
        (self.on_delivery)(topic, &batch.records, result);
        let mut state = self.lock();
        state.memory -= batch.memory;
        state.unfinished -= 1;
        drop(state);
        self.progress.notify_all();
    }
}

impl Producer {
    /// A producer that connects when it is first used.
    pub fn new(client: ClientConfig, config: ProducerConfig, on_delivery: OnDelivery) -> Result<Producer, ClientError> {
        let partitioner = Partitioner::new(config.batch_size);
        let state = Mutex::new(State::default());
        let (work, duty, progress) = (Condvar::new(), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { client, config, state, work, duty, progress, on_delivery });
        let keeper = keeper::start(shared.clone())?;
        Ok(Producer { shared, partitioner, keeper: Some(keeper), transaction: None })
    }

    /// Claims the `transactional.id`: another producer that has it is fenced, and its transaction aborted.
    pub fn init_transactions(&mut self) -> Result<(), ClientError> {
        let transaction = Transaction::claim(&self.shared.client, &self.shared.config)?;
        self.shared.lock().renew_producer(transaction.producer());
        self.transaction = Some(transaction);
        Ok(())
    }

    /// Commits everything that was sent since the commit before.
    pub fn commit_transaction(&mut self) -> Result<(), ClientError> {
        self.flush();
        let state = self.shared.lock();
        if state.renew || state.fatal.is_some() {
            return Err(state.fatal.clone().unwrap_or_else(transaction::failed));
        }
        drop(state);
        self.transaction.as_mut().map_or(Ok(()), Transaction::commit)
    }

    /// Takes a record of `topic`, given at `time`. It waits for metadata and for memory, at most `max.block.ms`.
    pub fn send(&mut self, topic: &str, time: Millis, record: &Record<'_>) -> Result<(), ClientError> {
        let shared = &self.shared;
        let size = record_size(record);
        self.check_size(size + OVERHEAD_BYTES)?;
        let mut state = shared.lock();
        let partitions = match state.topics.get(topic) {
            Some(known) => known.clone(),
            None => {
                state = self.await_topic(state, topic)?;
                state.topics[topic].clone()
            }
        };
        if state.memory + size > shared.config.buffer_memory {
            state = self.await_memory(state, size)?;
        }
        if let Some(error) = &state.fatal {
            return Err(error.clone());
        }
        let chosen = partitions[self.partitioner.choose(record.key, partitions.len())];
        if shared.config.transactional_id.is_some() {
            let index = state.partitions[chosen].index;
            let transaction = self.transaction.as_mut().ok_or_else(transaction::not_claimed)?;
            if !transaction.includes(topic, index) {
                drop(state);
                transaction.include(topic, index)?;
                state = shared.lock();
            }
        }
        let appended = state.append(chosen, time, record, size, &shared.config);
        drop(state);
        if record.key.is_none() {
            self.partitioner.note(size, appended.closed, partitions.len());
        }
        if appended.closed || appended.opened {
            shared.work.notify_all();
        }
        Ok(())
    }

    /// Sends everything that was given and waits until it is decided.
    pub fn flush(&mut self) {
        let mut state = self.shared.lock();
        state.flushing = true;
        self.shared.work.notify_all();
        while state.unfinished > 0 {
            state = self.shared.progress.wait(state).expect("as in Shared::lock");
        }
        state.flushing = false;
    }

    /// Sends everything that was given, and ends.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        self.shared.duty.notify_all();
        if let Some(keeper) = self.keeper.take() {
            keeper.join().expect("the keeper of a producer ends in order");
        }
    }

    fn check_size(&self, size: usize) -> Result<(), ClientError> {
        let too_large = |limit: usize, key: &str| ClientError::Kafka {
            code: ErrorCode::MessageTooLarge,
            message: format!(
                "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the \
                 {key} configuration."
            ),
        };
        let config = &self.shared.config;
        if size > config.max_request_size {
            return Err(too_large(config.max_request_size, "max.request.size"));
        }
        match size > config.buffer_memory {
            true => Err(too_large(config.buffer_memory, "buffer.memory")),
            false => Ok(()),
        }
    }

    fn await_topic<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        topic: &str,
    ) -> Result<MutexGuard<'a, State>, ClientError> {
        let deadline = Instant::now() + self.shared.config.max_block;
        state.wanted.insert(topic.to_owned());
        state.failures.remove(topic);
        self.shared.duty.notify_all();
        while !state.topics.contains_key(topic) {
            if let Some(failure) = state.failures.remove(topic) {
                return Err(failure);
            }
            let Some(left) = left(deadline) else {
                let millis = self.shared.config.max_block.as_millis();
                return Err(ClientError::timeout(format!("Topic {topic} not present in metadata after {millis} ms.")));
            };
            state = self.shared.progress.wait_timeout(state, left).expect("as in Shared::lock").0;
        }
        Ok(state)
    }

    fn await_memory<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        size: usize,
    ) -> Result<MutexGuard<'a, State>, ClientError> {
        let config = &self.shared.config;
        let deadline = Instant::now() + config.max_block;
        state.starved = true;
        self.shared.work.notify_all();
        while state.memory + size > config.buffer_memory {
            let Some(left) = left(deadline) else {
                return Err(ClientError::timeout(format!(
                    "Failed to allocate {size} bytes within the configured max blocking time {} ms. Total memory: {} \
                     bytes. Available memory: {} bytes. Poolable size: {} bytes",
                    config.max_block.as_millis(),
                    config.buffer_memory,
                    config.buffer_memory.saturating_sub(state.memory),
                    config.batch_size
                )));
            };
            state = self.shared.progress.wait_timeout(state, left).expect("as in Shared::lock").0;
        }
        state.starved = false;
        Ok(state)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Bytes of a record within a batch, about: its fields, and their lengths.
fn record_size(record: &Record<'_>) -> usize {
    let headers: usize = record.headers.iter().map(|h| h.key.len() + h.value.map_or(0, <[u8]>::len) + 4).sum();
    record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + headers + 12
}

/// The time until `deadline`, while there is any.
fn left(deadline: Instant) -> Option<Duration> {
    Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

/// No leader.
const NOBODY: BrokerId = BrokerId::NONE;
