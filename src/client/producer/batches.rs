//! The batches of a producer, by partition, and what is known of its topics.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{NOBODY, ProducerConfig, Record, Sent};
use crate::client::{Address, ClientError};
use crate::protocol::batch::{BatchBuilder, sequence_after};
use crate::types::{BrokerId, Millis, Offset, ProducerEpoch, ProducerId};

/// Records that are sent together.
pub(super) struct Batch {
    pub(super) content: Content,
    pub(super) records: Vec<Sent>,
    /// Bytes that count against `buffer.memory`.
    pub(super) memory: usize,
    pub(super) created: Instant,
    pub(super) attempts: u32,
    /// Of the first record; given when the batch is first sent.
    pub(super) sequence: Option<i32>,
}

/// A batch before and after it is first sent.
pub(super) enum Content {
    Open(Box<BatchBuilder>),
    Built(Bytes),
}

/// The batches of one partition.
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) index: i32,
    pub(super) leader: BrokerId,
    open: Option<Batch>,
    ready: VecDeque<Batch>,
    /// Sequences of the batches that are being sent.
    in_flight: Vec<Option<i32>>,
    next_sequence: i32,
    /// A pause after a failure.
    pub(super) not_before: Option<Instant>,
}

/// What all threads of a producer see.
#[derive(Default)]
pub(super) struct State {
    pub(super) partitions: Vec<Partition>,
    /// Where the partitions of a topic are in `partitions`.
    pub(super) topics: HashMap<String, Arc<[usize]>>,
    pub(super) nodes: BTreeMap<BrokerId, Address>,
    /// Topics whose metadata is followed.
    pub(super) wanted: BTreeSet<String>,
    /// Topics that there cannot be.
    pub(super) failures: BTreeMap<String, ClientError>,
    /// Bytes of all batches.
    pub(super) memory: usize,
    /// Batches that are not decided.
    pub(super) unfinished: usize,
    /// Somebody waits for memory: batches are sent before they are full.
    pub(super) starved: bool,
    pub(super) flushing: bool,
    pub(super) closing: bool,
    /// The metadata is known to be old.
    pub(super) stale: bool,
    pub(super) producer: Option<(ProducerId, ProducerEpoch)>,
    /// Nothing can be sent any more.
    pub(super) fatal: Option<ClientError>,
    /// A batch was lost between others: sequences begin again with another producer epoch.
    pub(super) renew: bool,
}

/// What became of the open batch when a record was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Appended {
    pub(super) opened: bool,
    pub(super) closed: bool,
}

impl State {
    /// Appends a record of about `size` bytes to the open batch of a partition.
    pub(super) fn append(
        &mut self,
        partition: usize,
        time: Millis,
        record: &Record<'_>,
        size: usize,
        config: &ProducerConfig,
    ) -> Appended {
        let partition = &mut self.partitions[partition];
        let mut appended = Appended { opened: false, closed: false };
        if partition.open.as_ref().is_some_and(|batch| batch.len() + size > config.batch_size) {
            partition.ready.extend(partition.open.take());
            appended.closed = true;
        }
        let batch = partition.open.get_or_insert_with(|| {
            appended.opened = true;
            Batch::new(size, config)
        });
        let Content::Open(builder) = &mut batch.content else { unreachable!("an open batch is not built") };
        builder.append(time, record.key, record.value, record.headers);
        let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i32);
        batch.records.push(Sent { time, key_len: len(record.key), value_len: len(record.value), mark: record.mark });
        batch.memory += size;
        self.memory += size;
        self.unfinished += usize::from(appended.opened);
        appended
    }

    /// Takes the batches that can go to `broker` now, one for each partition, at most `max.request.size` together.
    pub(super) fn take(&mut self, broker: BrokerId, now: Instant, config: &ProducerConfig) -> Vec<(usize, Batch)> {
        let mut taken = Vec::new();
        if self.renew || config.idempotent && self.producer.is_none() {
            return taken;
        }
        let urgent = self.flushing || self.closing || self.starved;
        let mut left = config.max_request_size;
        for (at, partition) in self.partitions.iter_mut().enumerate().filter(|(_, p)| p.leader == broker) {
            if !partition.may_send(now, urgent, config) {
                continue;
            }
            let room = if taken.is_empty() { usize::MAX } else { left };
            let Some(mut batch) = partition.pop(room) else { continue };
            left = left.saturating_sub(batch.len());
            if config.idempotent && batch.sequence.is_none() {
                batch.sequence = Some(partition.next_sequence);
                let count = batch.records.len() as i32;
                partition.next_sequence = sequence_after(partition.next_sequence, count);
            }
            partition.in_flight.push(batch.sequence);
            taken.push((at, batch));
        }
        taken
    }

    /// When the next batch for `broker` will be old enough, if nothing else happens.
    pub(super) fn next_due(&self, broker: BrokerId, config: &ProducerConfig) -> Option<Instant> {
        let own = self.partitions.iter().filter(|partition| partition.leader == broker);
        own.filter_map(|partition| {
            let linger = partition.open.as_ref().map(|batch| batch.created + config.linger);
            let due = if partition.ready.is_empty() { linger? } else { Instant::now() };
            Some(due.max(partition.not_before.unwrap_or(due)))
        })
        .min()
    }

    /// A batch is no longer being sent.
    pub(super) fn landed(&mut self, partition: usize, batch: &Batch) {
        let in_flight = &mut self.partitions[partition].in_flight;
        if let Some(at) = in_flight.iter().position(|sequence| *sequence == batch.sequence) {
            in_flight.remove(at);
        }
    }

    /// Puts a batch back that is to be sent again, in front of all that come after it.
    pub(super) fn put_back(&mut self, partition: usize, batch: Batch, not_before: Option<Instant>) {
        let partition = &mut self.partitions[partition];
        let after = |other: &Batch| other.sequence.is_none() || other.sequence > batch.sequence;
        let at = match batch.sequence {
            Some(_) => partition.ready.iter().position(after).unwrap_or(partition.ready.len()),
            None => 0,
        };
        partition.ready.insert(at, batch);
        partition.not_before = not_before.or(partition.not_before);
    }

    /// Whether a batch in front of this one is not decided yet.
    pub(super) fn has_predecessor(&self, partition: usize, batch: &Batch) -> bool {
        let partition = &self.partitions[partition];
        let queued = partition.ready.iter().map(|batch| batch.sequence);
        queued.chain(partition.in_flight.iter().copied()).any(|other| other.is_some() && other < batch.sequence)
    }

    /// Whether nothing is being sent at all.
    pub(super) fn is_calm(&self) -> bool {
        self.partitions.iter().all(|partition| partition.in_flight.is_empty())
    }

    /// Begins again at sequence 0 as another producer; only when nothing is being sent.
    pub(super) fn renew_producer(&mut self, producer: (ProducerId, ProducerEpoch)) {
        self.producer = Some(producer);
        self.renew = false;
        for partition in &mut self.partitions {
            partition.next_sequence = 0;
            partition.ready.iter_mut().for_each(|batch| batch.sequence = None);
        }
    }

    /// Takes the batches that have waited too long.
    pub(super) fn take_expired(&mut self, now: Instant, config: &ProducerConfig) -> Vec<(String, i32, Batch)> {
        let mut expired = Vec::new();
        let fatal = self.fatal.is_some();
        let is_late = |batch: &Batch| fatal || now.duration_since(batch.created) >= config.delivery_timeout;
        for partition in &mut self.partitions {
            while partition.ready.front().or(partition.open.as_ref()).is_some_and(is_late) {
                let Some(batch) = partition.ready.pop_front().or_else(|| partition.open.take()) else { break };
                self.renew |= config.idempotent && batch.sequence.is_some();
                expired.push((partition.topic.clone(), partition.index, batch));
            }
        }
        expired
    }
}

impl Partition {
    pub(super) fn new(topic: &str, index: i32) -> Partition {
        Partition {
            topic: topic.to_owned(),
            index,
            leader: NOBODY,
            open: None,
            ready: VecDeque::new(),
            in_flight: Vec::new(),
            next_sequence: 0,
            not_before: None,
        }
    }

    fn may_send(&self, now: Instant, urgent: bool, config: &ProducerConfig) -> bool {
        if self.not_before.is_some_and(|time| time > now) {
            return false;
        }
        match (self.ready.front(), &self.open) {
            // What is sent again goes alone, so that nothing overtakes it.
            (Some(first), _) => first.attempts == 0 || self.in_flight.is_empty(),
            (None, Some(open)) => urgent || now >= open.created + config.linger,
            (None, None) => false,
        }
    }

    /// The next batch, unless it is longer than `left`.
    fn pop(&mut self, left: usize) -> Option<Batch> {
        let next = self.ready.front().or(self.open.as_ref())?;
        match next.len() <= left {
            true => self.ready.pop_front().or_else(|| self.open.take()),
            false => None,
        }
    }
}

impl Batch {
    fn new(first: usize, config: &ProducerConfig) -> Batch {
        let builder = BatchBuilder::new(Offset::ZERO)
            .compression(config.compression, config.compression_level)
            .reserve(config.batch_size.max(first));
        let builder = if config.transactional_id.is_some() { builder.transactional() } else { builder };
        Batch {
            content: Content::Open(Box::new(builder)),
            records: Vec::new(),
            memory: 0,
            created: Instant::now(),
            attempts: 0,
            sequence: None,
        }
    }

    /// Bytes, before compression as long as it is not done.
    fn len(&self) -> usize {
        match &self.content {
            Content::Open(builder) => builder.uncompressed_len(),
            Content::Built(bytes) => bytes.len(),
        }
    }
}
