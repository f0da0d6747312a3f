//! What the benches work on: requests, batches, logs, sessions and groups as a busy node has them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ottla::config::{ConfigStore, load};
use ottla::coordinator::group::{GroupMachine, GroupSnapshot, MemberSnapshot, Record, Settings, Surroundings};
use ottla::handlers::{FetchAnswer, FetchedPartition, FetchedTopic};
use ottla::log::append::{AppendOrigin, AppendRules, TopicRules, ValidatedBatches, validate};
use ottla::log::offset_index::{OffsetEntry, OffsetIndex};
use ottla::log::producer_state::ProducerRules;
use ottla::log::{Log, LogContext, LogOptions};
use ottla::metadata::MetadataImage;
use ottla::protocol::batch::BatchBuilder;
use ottla::protocol::compression::{Compression, Decompressor};
use ottla::protocol::frame::{RequestHeader, encode_request};
use ottla::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla::protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla::protocol::messages::{
    FetchRequest, GroupId, HeartbeatRequest, ProduceRequest, ProduceResponse, RequestKind, ResponseKind, TopicName,
};
use ottla::protocol::{ApiKey, StrBytes};
use ottla::replication::fetch_session::{
    FetchKey, FetchPosition, FetchSessionRequest, FetchSessions, FetchTopicKey, FetchedState, SessionKind,
};
use ottla::replication::{Isolation, Leadership, Partition, ReadRequest};
use ottla::state_machine::{Now, StateMachine, Ticket};
use ottla::types::{
    BrokerId, Clock, ErrorCode, FileRange, LeaderEpoch, Millis, Offset, PartitionEpoch, TopicId, TopicPartition,
};

/// The time at which everything happens.
pub const NOW: Millis = Millis(1_700_000_000_000);
const TOPIC: &str = "bench";
const GROUP: &str = "group";
const EPOCH: LeaderEpoch = LeaderEpoch(3);
const THIS_BROKER: BrokerId = BrokerId(1);

/// One batch of `count` records with values of `value_bytes`.
pub fn batch(count: usize, value_bytes: usize, compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(compression, None);
    for n in 0..count {
        let value: Vec<u8> = (0..value_bytes).map(|byte| (byte * 31 + n * 7) as u8).collect();
        builder.append(NOW + Millis(n as i64), None, Some(&value), &[]);
    }
    builder.build()
}

/// A Produce request of one batch for each of `partitions`, without its length.
pub fn produce_request(partitions: i32, records: &Bytes) -> Bytes {
    let data = |n| PartitionProduceData::default().with_index(n).with_records(Some(records.clone()));
    let topic =
        TopicProduceData::default().with_name(topic_name()).with_partition_data((0..partitions).map(data).collect());
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    frame(ApiKey::Produce, 12, RequestKind::Produce(request))
}

/// A Fetch request of `partitions`, without its length.
pub fn fetch_request(partitions: i32) -> Bytes {
    let partition =
        |n| FetchPartition::default().with_partition(n).with_fetch_offset(1_000).with_partition_max_bytes(1 << 20);
    let topic =
        FetchTopic::default().with_topic(topic_name()).with_partitions((0..partitions).map(partition).collect());
    let request = FetchRequest::default().with_max_wait_ms(500).with_min_bytes(1).with_topics(vec![topic]);
    frame(ApiKey::Fetch, 12, RequestKind::Fetch(request))
}

/// A Heartbeat request, without its length.
pub fn heartbeat_request() -> Bytes {
    frame(ApiKey::Heartbeat, 4, RequestKind::Heartbeat(heartbeat(0)))
}

fn heartbeat(member: usize) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str(GROUP)))
        .with_generation_id(5)
        .with_member_id(StrBytes::from_string(member_id(member)))
}

fn frame(key: ApiKey, api_version: i16, request: RequestKind) -> Bytes {
    let header =
        RequestHeader { api_key: key as i16, api_version, correlation_id: 7, client_id: Some("client".to_owned()) };
    encode_request(&header, &request).expect("the version carries it").freeze().slice(4..)
}

fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

/// Records on their way into a log.
pub struct Validation {
    records: Bytes,
    partition: TopicPartition,
    topic: TopicRules,
    decompressor: Decompressor,
}

impl Validation {
    pub fn of(records: Bytes) -> Validation {
        let (partition, topic) = (TopicPartition::new(TOPIC, 0), TopicRules::default());
        Validation { records, partition, topic, decompressor: Decompressor::new() }
    }

    pub fn run(&mut self) -> ValidatedBatches {
        let rules = AppendRules {
            partition: &self.partition,
            topic: &self.topic,
            origin: AppendOrigin::Client,
            now: NOW,
            leader_epoch: EPOCH,
            produce_version: Some(12),
        };
        validate(self.records.clone(), &rules, &mut self.decompressor).expect("good records")
    }
}

/// A partition with its log in a directory that goes with it.
pub struct Replica {
    partition: Partition,
    log: Arc<Log>,
    _root: tempfile::TempDir,
}

impl Replica {
    /// A log of so many batches of one record of a KiB.
    pub fn with_batches(count: usize) -> Replica {
        let root = tempfile::tempdir().expect("a directory");
        let log = open_log(root.path());
        let records = batch(1, 1 << 10, Compression::None);
        for _ in 0..count {
            let batches = Validation::of(records.clone()).run();
            log.append(batches, EPOCH, AppendOrigin::Client).expect("an append");
        }
        log.set_high_watermark(log.end_offset());
        let leadership = Leadership {
            leader: THIS_BROKER,
            leader_epoch: EPOCH,
            partition_epoch: PartitionEpoch(0),
            replicas: vec![THIS_BROKER],
            isr: vec![THIS_BROKER],
        };
        let partition = Partition::new(THIS_BROKER, TopicId::ONE, log.clone(), leadership);
        Replica { partition, log, _root: root }
    }

    pub fn append(&self, batches: ValidatedBatches) -> Offset {
        self.log.append(batches, EPOCH, AppendOrigin::Client).expect("an append").last_offset
    }

    /// Where the records are that a fetch from `offset` is answered with.
    pub fn read(&self, offset: i64) -> FileRange {
        let request = ReadRequest {
            fetch_offset: Offset(offset),
            max_bytes: 1 << 20,
            min_one: true,
            isolation: Isolation::ReadUncommitted,
            current_leader_epoch: EPOCH,
            last_fetched_epoch: LeaderEpoch::NONE,
        };
        self.partition.read(request).expect("an offset of the log").records.expect("records")
    }

    /// The offset of a record by its time.
    pub fn offset_for_timestamp(&self, timestamp: Millis) -> Offset {
        self.log.offset_for_timestamp(timestamp).expect("a good log").expect("a record").offset
    }
}

fn open_log(root: &Path) -> Arc<Log> {
    let dir = root.join("bench-0");
    std::fs::create_dir(&dir).expect("a directory");
    let options = LogOptions {
        partition: TopicPartition::new(TOPIC, 0),
        dir,
        config: Arc::new(configs().topic_config(&BTreeMap::new())),
        clean: false,
        recovery_point: Offset::ZERO,
        log_start: Offset::ZERO,
        high_watermark: Offset::ZERO,
    };
    let clock = Clock::Manual(Arc::new(AtomicI64::new(NOW.0)));
    let log = Log::open(&options, LogContext::new(8, clock, ProducerRules::default())).expect("an empty log");
    log.assign_topic_id(TopicId::ONE).expect("a topic's id");
    log
}

fn configs() -> ConfigStore {
    ConfigStore::new(load(None, &[], &|_: &str| None).expect("the defaults").broker)
}

/// An index of ten thousand entries, in its file or in memory.
pub struct Index {
    index: OffsetIndex,
    file: Arc<File>,
    _root: tempfile::TempDir,
}

impl Index {
    pub fn of(saved: bool) -> Index {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("index");
        let index = OffsetIndex::empty();
        for n in 0..10_000 {
            index.push(OffsetEntry { relative_offset: n * 10, position: n * 4096 });
        }
        if saved {
            index.save(&path).expect("a file");
        } else {
            File::create(&path).expect("a file");
        }
        let file = Arc::new(File::open(&path).expect("a file"));
        Index { index, file, _root: root }
    }

    /// The last entry at or before an offset.
    pub fn look_up(&self, offset: u32) -> Option<OffsetEntry> {
        let open = || Ok(self.file.clone());
        self.index.last_where(&open, |entry| entry.relative_offset <= offset).expect("a whole file")
    }
}

/// A fetch session of many partitions, of which one has moved.
pub struct Session {
    sessions: FetchSessions,
    id: i32,
    keys: Vec<FetchKey>,
    states: Vec<FetchedState>,
}

impl Session {
    pub fn of(partitions: i32) -> Session {
        let sessions = FetchSessions::new(10);
        let topic: Arc<str> = TOPIC.into();
        let key = |partition| FetchKey { topic: FetchTopicKey::Name(topic.clone()), partition };
        let keys: Vec<FetchKey> = (0..partitions).map(key).collect();
        let position = FetchPosition {
            fetch_offset: Offset(1_000),
            max_bytes: 1 << 20,
            current_leader_epoch: EPOCH,
            last_fetched_epoch: LeaderEpoch::NONE,
            log_start_offset: Offset::NONE,
        };
        let state = FetchedState {
            error: ErrorCode::None,
            high_watermark: Offset(1_000),
            log_start_offset: Offset::ZERO,
            has_records: false,
            has_diverging_epoch: false,
        };
        let mut states = vec![state; keys.len()];
        let asked: Vec<_> = keys.iter().map(|key| (key.clone(), position)).collect();
        let kind = SessionKind { uses_topic_ids: false, from_follower: false };
        let id = sessions.open(&asked, &states, kind, NOW, || 17);
        let moved = keys.len() / 2;
        states[moved] = FetchedState { high_watermark: Offset(1_001), has_records: true, ..state };
        Session { sessions, id, keys, states }
    }

    /// What the next fetch of the session is about, and which partitions its answer names.
    pub fn plan(&self) -> Vec<bool> {
        let request = FetchSessionRequest {
            session_id: self.id,
            session_epoch: 1,
            uses_topic_ids: false,
            from_follower: false,
            partitions: Vec::new(),
            forgotten: Vec::new(),
        };
        std::hint::black_box(self.sessions.begin(request, NOW));
        self.sessions.select(self.id, &self.keys, &self.states)
    }
}

/// The answer to a Produce request of `partitions`.
pub fn produce_response(partitions: i32) -> ResponseKind {
    let answer = |n| PartitionProduceResponse::default().with_index(n).with_base_offset(1_000).with_log_start_offset(0);
    let topic = TopicProduceResponse::default()
        .with_name(topic_name())
        .with_partition_responses((0..partitions).map(answer).collect());
    ResponseKind::Produce(ProduceResponse::default().with_responses(vec![topic]))
}

/// The answer to a Fetch request of `partitions`, each with records in `range`.
pub fn fetch_answer(partitions: i32, range: &FileRange) -> FetchAnswer {
    let answer = |n| FetchedPartition {
        high_watermark: Offset(1_001),
        last_stable_offset: Offset(1_001),
        log_start_offset: Offset::ZERO,
        records: Some(range.clone()),
        ..FetchedPartition::failed(n, ErrorCode::None)
    };
    let partitions = (0..partitions).map(answer).collect();
    let topic = FetchedTopic { name: TOPIC.into(), topic_id: TopicId::ONE, partitions };
    FetchAnswer { session_id: 17, topics: vec![topic], ..FetchAnswer::default() }
}

type GroupCommand = <GroupMachine as StateMachine>::Command;
type GroupLive = <GroupMachine as StateMachine>::Live;

/// A coordinator of one stable classic group.
pub struct Coordinator {
    machine: GroupMachine,
    live: GroupLive,
}

impl Coordinator {
    pub fn of(members: usize) -> Coordinator {
        let image = Arc::new(ArcSwap::from_pointee(MetadataImage::default()));
        let surroundings = Arc::new(Surroundings::new(image, Arc::new(configs())));
        let mut machine = GroupMachine::new(Arc::new(Settings::default()), surroundings);
        let member = |n| MemberSnapshot {
            member_id: member_id(n).into(),
            instance_id: None,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(&[0; 40]),
            assignment: Bytes::from_static(&[0; 40]),
        };
        let snapshot = GroupSnapshot {
            protocol_type: "consumer".into(),
            generation: 5,
            protocol: Some("range".into()),
            leader: Some(member_id(0).into()),
            state_since: Some(NOW),
            members: (0..members).map(member).collect(),
        };
        machine.load(&Record::Group { group: GROUP.into(), snapshot: Some(snapshot) });
        let mut live = GroupLive::default();
        machine.start(&mut live, Now { monotonic: Millis(0), wall: NOW });
        Coordinator { machine, live }
    }

    /// A heartbeat of a member, before it is decided.
    pub fn command(&self, member: usize) -> GroupCommand {
        GroupCommand::Heartbeat(heartbeat(member))
    }

    /// Decides it; answers how many replies and timers come of it.
    pub fn decide(&mut self, command: GroupCommand) -> (usize, usize) {
        let now = Now { monotonic: Millis(3_000), wall: NOW };
        let outcome = self.machine.decide(&mut self.live, Ticket(9), command, now);
        (outcome.replies.len(), outcome.timers.len())
    }
}

fn member_id(n: usize) -> String {
    format!("client-{n}-7a3c1e0a-1f0e-4f6b-9a53-0c36b9c4a1d2")
}
