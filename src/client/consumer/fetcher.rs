//! Reading from leaders: a fetch is always under way while the records of the one before are handed over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::offsets::{self, Positions};
use super::{Consumed, ConsumerConfig, Partition, Position, Start};
use crate::client::{Address, Client, ClientConfig, ClientError, Connection};
use crate::protocol::batch::{BatchRef, split_batches};
use crate::protocol::compression::Decompressor;
use crate::protocol::control::{ControlType, EndTxnMarker};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::protocol::messages::fetch_response::PartitionData;
use crate::protocol::messages::{FetchRequest, FetchResponse, MetadataResponse, TopicName};
use crate::protocol::{Request, StrBytes};
use crate::types::{BrokerId, ErrorCode};

/// The versions that name topics: from Kafka 0.11's batches to the last before topic ids.
const VERSIONS: (i16, i16) = (4, 12);

/// Where a partition is read.
struct Place {
    /// Where the next fetch begins, once it is known.
    fetched: Option<i64>,
    /// Behind the last record that was handed over.
    handed: Option<Position>,
    /// How to find out where to begin.
    start: Start,
}

/// Bytes that have arrived and are not handed over.
struct Chunk {
    partition: Partition,
    bytes: Bytes,
    /// Records before it were handed over, or not asked for.
    next: i64,
    /// Of the last batch that was handed over.
    leader_epoch: i32,
    /// Producers whose transactions were aborted, by the first offset of each.
    aborted: Vec<(i64, i64)>,
    /// Those of them that have begun in what was handed over.
    open: BTreeSet<i64>,
}

/// Reads the partitions that are assigned.
pub(super) struct Fetcher {
    client: ClientConfig,
    config: ConsumerConfig,
    places: BTreeMap<Partition, Place>,
    chunks: VecDeque<Chunk>,
    connections: BTreeMap<BrokerId, Connection>,
    addresses: BTreeMap<BrokerId, Address>,
    /// The brokers that owe an answer, and the assignment it was asked under.
    under_way: BTreeMap<BrokerId, u64>,
    assignment: u64,
    stale: bool,
    warned: bool,
    decompressor: Decompressor,
}

impl Fetcher {
    pub(super) fn new(client: ClientConfig, config: ConsumerConfig) -> Fetcher {
        Fetcher {
            client,
            config,
            places: BTreeMap::new(),
            chunks: VecDeque::new(),
            connections: BTreeMap::new(),
            addresses: BTreeMap::new(),
            under_way: BTreeMap::new(),
            assignment: 0,
            stale: false,
            warned: false,
            decompressor: Decompressor::new(),
        }
    }

    /// Reads these partitions from now on, and no others.
    pub(super) fn assign(&mut self, partitions: impl IntoIterator<Item = (Partition, Start)>) {
        self.assignment += 1;
        self.chunks.clear();
        let place = |start| {
            let known = if let Start::Offset(position) = start { Some(position) } else { None };
            Place { fetched: known.map(|known: Position| known.offset), handed: known, start }
        };
        self.places = partitions.into_iter().map(|(partition, start)| (partition, place(start))).collect();
    }

    pub(super) fn assigned(&self) -> Vec<Partition> {
        self.places.keys().cloned().collect()
    }

    /// What may be committed: the positions behind the records that were handed over.
    pub(super) fn positions(&self) -> Positions {
        self.places.iter().filter_map(|(partition, place)| Some((partition.clone(), place.handed?))).collect()
    }

    pub(super) fn learn(&mut self, response: &MetadataResponse) {
        for broker in &response.brokers {
            let Ok(port) = u16::try_from(broker.port) else { continue };
            self.addresses.insert(BrokerId(broker.node_id.0), Address { host: broker.host.to_string(), port });
        }
    }

    /// Whether the metadata has turned out to be old since the last time this was asked.
    pub(super) fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.stale)
    }

    pub(super) fn warn(&mut self, issue: &str) {
        if !std::mem::replace(&mut self.warned, true) {
            eprintln!("WARN The metadata response from the cluster reported a recoverable issue: {issue}");
        }
    }

    /// Finds out where the partitions begin that are to be read from an end.
    pub(super) fn find_starts(
        &mut self,
        client: &mut Client,
        leaders: &BTreeMap<Partition, BrokerId>,
    ) -> Result<(), ClientError> {
        let mut asked: BTreeMap<BrokerId, Vec<(Partition, Start)>> = BTreeMap::new();
        for (partition, place) in self.places.iter().filter(|(_, place)| place.fetched.is_none()) {
            if let Some(leader) = leaders.get(partition).filter(|leader| **leader != BrokerId::NONE) {
                asked.entry(*leader).or_default().push((partition.clone(), place.start));
            }
        }
        for (leader, partitions) in asked {
            let ends = match offsets::ends(client, leader, self.config.read_committed, &partitions) {
                Err(error) if error.is_retriable() => {
                    self.stale = true;
                    continue;
                }
                ends => ends?,
            };
            self.stale |= ends.len() < partitions.len();
            for (partition, position) in ends {
                if let Some(place) = self.places.get_mut(&partition) {
                    (place.fetched, place.handed) = (Some(position.offset), Some(position));
                }
            }
        }
        Ok(())
    }

    /// Asks every leader that owes nothing, and takes in one round of answers.
    pub(super) fn fetch(
        &mut self,
        leaders: &BTreeMap<Partition, BrokerId>,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.ask(leaders)?;
        let owing: Vec<BrokerId> = self.under_way.keys().copied().collect();
        if owing.is_empty() {
            let pause = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(50));
            std::thread::sleep(pause);
            return Ok(());
        }
        for broker in owing {
            self.receive(broker)?;
        }
        // The next answers are on their way while these records are handed over.
        self.ask(leaders)
    }

    fn ask(&mut self, leaders: &BTreeMap<Partition, BrokerId>) -> Result<(), ClientError> {
        let mut wanted: BTreeMap<BrokerId, BTreeMap<String, Vec<FetchPartition>>> = BTreeMap::new();
        for (partition, place) in &self.places {
            let (Some(offset), Some(leader)) = (place.fetched, leaders.get(partition)) else { continue };
            if *leader == BrokerId::NONE || self.under_way.contains_key(leader) {
                continue;
            }
            let asked = FetchPartition::default()
                .with_partition(partition.1)
                .with_fetch_offset(offset)
                .with_partition_max_bytes(self.config.partition_max_bytes);
            wanted.entry(*leader).or_default().entry(partition.0.clone()).or_default().push(asked);
        }
        for (broker, topics) in wanted {
            let topics = topics.into_iter().map(|(topic, partitions)| {
                FetchTopic::default().with_topic(TopicName(StrBytes::from_string(topic))).with_partitions(partitions)
            });
            self.send(broker, topics.collect()).inspect_err(|_| self.drop_connection(broker))?;
        }
        Ok(())
    }

    fn send(&mut self, broker: BrokerId, topics: Vec<FetchTopic>) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.client.request_timeout;
        if !self.connections.contains_key(&broker) {
            let address = self.addresses.get(&broker).ok_or_else(|| ClientError::of(ErrorCode::LeaderNotAvailable))?;
            self.connections.insert(broker, Connection::open(address, &self.client, deadline)?);
        }
        let connection = self.connections.get_mut(&broker).expect("it was just made");
        let version = connection.version_within(FetchRequest::KEY, VERSIONS)?;
        let rack = self.config.rack.as_deref().filter(|_| version >= 11).unwrap_or_default();
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(i32::try_from(self.config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(self.config.fetch_min_bytes)
            .with_max_bytes(self.config.fetch_max_bytes)
            .with_isolation_level(i8::from(self.config.read_committed))
            .with_session_epoch(-1)
            .with_rack_id(StrBytes::from_string(rack.to_owned()))
            .with_topics(topics);
        connection.send(version, &request, deadline)?;
        self.under_way.insert(broker, self.assignment);
        Ok(())
    }

    fn receive(&mut self, broker: BrokerId) -> Result<(), ClientError> {
        let Some(asked_under) = self.under_way.remove(&broker) else { return Ok(()) };
        let connection = self.connections.get_mut(&broker).expect("a broker that was asked has a connection");
        let deadline = Instant::now() + self.client.request_timeout.max(self.config.fetch_max_wait);
        let response = connection.receive::<FetchRequest>(deadline);
        let response = response.inspect_err(|_| self.drop_connection(broker))?;
        ClientError::from_wire(response.error_code, None)?;
        match asked_under == self.assignment {
            true => self.take_in(response),
            false => Ok(()),
        }
    }

    fn drop_connection(&mut self, broker: BrokerId) {
        self.connections.remove(&broker);
        self.under_way.remove(&broker);
        self.stale = true;
    }

    fn take_in(&mut self, response: FetchResponse) -> Result<(), ClientError> {
        for topic in response.responses {
            let name = topic.topic.0.to_string();
            for data in topic.partitions {
                self.take_in_partition((name.clone(), data.partition_index), data)?;
            }
        }
        Ok(())
    }

    fn take_in_partition(&mut self, partition: Partition, data: PartitionData) -> Result<(), ClientError> {
        let Some(place) = self.places.get_mut(&partition) else { return Ok(()) };
        match ClientError::from_wire(data.error_code, None) {
            Ok(()) => {}
            Err(error) if error.code() == Some(ErrorCode::OffsetOutOfRange) => {
                place.start = self.config.reset.start(&partition)?;
                place.fetched = None;
                return Ok(());
            }
            Err(error) if error.is_retriable() => {
                self.stale = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let Some(bytes) = data.records.filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let Some(from) = place.fetched else { return Ok(()) };
        let leader_epoch = place.handed.map_or(-1, |handed| handed.leader_epoch);
        for batch in split_batches(&bytes) {
            let batch = batch.map_err(|error| damaged(&partition, from, &error))?;
            place.fetched = Some(batch.header.next_offset().0);
        }
        let mut aborted: Vec<(i64, i64)> = data
            .aborted_transactions
            .into_iter()
            .flatten()
            .map(|transaction| (transaction.first_offset, transaction.producer_id.0))
            .collect();
        aborted.sort_unstable_by(|a, b| b.cmp(a));
        self.chunks.push_back(Chunk { partition, bytes, next: from, leader_epoch, aborted, open: BTreeSet::new() });
        Ok(())
    }

    /// Hands over what has arrived, batch by batch until there are `limit` records.
    pub(super) fn hand_over(
        &mut self,
        limit: usize,
        each: &mut impl FnMut(&Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<usize, ClientError> {
        let mut count = 0;
        while count < limit
            && let Some(mut chunk) = self.chunks.pop_front()
        {
            let done = self.hand_over_chunk(&mut chunk, limit, &mut count, each)?;
            if let Some(place) = self.places.get_mut(&chunk.partition) {
                place.handed = Some(Position { offset: chunk.next, leader_epoch: chunk.leader_epoch });
            }
            if !done {
                self.chunks.push_front(chunk);
                break;
            }
        }
        Ok(count)
    }

    /// Whether the end of the chunk was reached.
    fn hand_over_chunk(
        &mut self,
        chunk: &mut Chunk,
        limit: usize,
        count: &mut usize,
        each: &mut impl FnMut(&Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<bool, ClientError> {
        let bytes = chunk.bytes.clone();
        let mut batches = split_batches(&bytes);
        loop {
            let start = bytes.len() - batches.rest().len();
            let Some(batch) = batches.next() else { return Ok(true) };
            let batch = batch.map_err(|error| damaged(&chunk.partition, chunk.next, &error))?;
            if *count < limit {
                chunk.leader_epoch = batch.header.leader_epoch.0;
            }
            let stopped =
                *count >= limit || !self.skips(chunk, &batch)? && !self.hand_over_batch(chunk, &batch, count, each)?;
            if stopped {
                chunk.bytes = bytes.slice(start..);
                return Ok(false);
            }
            chunk.next = chunk.next.max(batch.header.next_offset().0);
        }
    }

    /// Whether a reader sees nothing of this batch: control records, and what was aborted.
    fn skips(&mut self, chunk: &mut Chunk, batch: &BatchRef<'_>) -> Result<bool, ClientError> {
        if self.config.check_crcs {
            batch.check_crc().map_err(|error| damaged(&chunk.partition, batch.header.base_offset.0, &error))?;
        }
        let producer = batch.header.producer_id.0;
        while chunk.aborted.last().is_some_and(|(first, _)| *first <= batch.header.last_offset().0) {
            chunk.open.extend(chunk.aborted.pop().map(|(_, producer)| producer));
        }
        if batch.header.is_control() {
            let kind = batch.records(&mut self.decompressor).ok().and_then(|mut records| records.next()?.ok());
            let is_abort = kind.is_some_and(|record| ControlType::parse(record.key) == Ok(ControlType::Abort));
            if is_abort && EndTxnMarker::of(batch, &mut self.decompressor).is_ok() {
                chunk.open.remove(&producer);
            }
            return Ok(true);
        }
        Ok(self.config.read_committed && batch.header.is_transactional() && chunk.open.contains(&producer))
    }

    /// Whether the end of the batch was reached.
    fn hand_over_batch(
        &mut self,
        chunk: &mut Chunk,
        batch: &BatchRef<'_>,
        count: &mut usize,
        each: &mut impl FnMut(&Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<bool, ClientError> {
        let header = &batch.header;
        let wrong =
            |partition: &Partition, error: &dyn std::fmt::Display| damaged(partition, header.base_offset.0, error);
        let records = batch.records(&mut self.decompressor).map_err(|error| wrong(&chunk.partition, &error))?;
        for record in records {
            let record = record.map_err(|error| wrong(&chunk.partition, &error))?;
            let offset = header.offset_of(&record).0;
            if offset < chunk.next {
                continue;
            }
            let flow = each(&Consumed {
                topic: &chunk.partition.0,
                partition: chunk.partition.1,
                offset,
                timestamp: header.timestamp_of(&record),
                timestamp_type: header.timestamp_type(),
                key: record.key,
                value: record.value,
                headers: record.headers,
                delivery_count: None,
            });
            chunk.next = offset + 1;
            *count += 1;
            if flow.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn damaged((topic, partition): &Partition, offset: i64, error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Malformed(format!(
        "Received exception when fetching the next record from {topic}-{partition} near offset {offset}: {error}. If \
         needed, please seek past the record to continue consumption."
    ))
}
