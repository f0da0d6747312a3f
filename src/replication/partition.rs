//! One partition of this node: its log, who leads it, and what is committed.
//!
//! Reads see what is published: the log's end, its high watermark and its segments. Nothing here waits for an append.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::log::append::{self, AppendOrigin, AppendRules, TopicRules, ValidatedBatches};
use crate::log::producer_state::{AppendContext, ProducerEntry, VerificationGuard};
use crate::log::{CHECKED_BYTES_MAX, Log, LogAppendInfo, LogError};
use crate::protocol::compression::Decompressor;
use crate::protocol::control::TxnMarker;
use crate::state_machine::Waiters;
use crate::types::{
    BrokerId, ErrorCode, FileRange, LeaderEpoch, Millis, Offset, PartitionEpoch, ProducerEpoch, ProducerId, TopicId,
    TopicPartition,
};

/// Who leads a partition, as the metadata log says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leadership {
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: PartitionEpoch,
    pub replicas: Vec<BrokerId>,
    pub isr: Vec<BrokerId>,
}

/// How far a read may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// All records: followers and debugging consumers.
    LogEnd,
    /// Records that are committed.
    ReadUncommitted,
    /// Records below the first open transaction.
    ReadCommitted,
}

/// A read of one partition.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    pub fetch_offset: Offset,
    /// Bytes at most, but for a first batch when `min_one` holds.
    pub max_bytes: usize,
    /// Whether a first batch larger than `max_bytes` is answered whole.
    pub min_one: bool,
    pub isolation: Isolation,
    /// The epoch the reader believes in, or none.
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record the reader has, or none.
    pub last_fetched_epoch: LeaderEpoch,
}

/// What a read gave.
#[derive(Clone, Debug)]
pub struct Read {
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
    pub diverging_epoch: Option<(LeaderEpoch, Offset)>,
    pub aborted_transactions: Option<Vec<(ProducerId, Offset)>>,
    pub records: Option<FileRange>,
    /// Bytes that could be read from here, were there no limits; those of one segment.
    pub available: usize,
    /// Whether later segments hold more that the reader may see.
    pub continues: bool,
    /// The base offset of the first batch where the records have to come from the disk: what the disk did to them is
    /// not known.
    pub unchecked: Option<Offset>,
}

/// Records that a client produces to one partition.
#[derive(Debug)]
pub struct ProduceRecords {
    pub records: Bytes,
    /// Whether the producer asks for all in-sync replicas, so that there must be `min.insync.replicas` of them.
    pub all_acks: bool,
    /// The version of the Produce request.
    pub version: i16,
    /// From [`Partition::begin_verification`], if the transaction's coordinator was asked.
    pub guard: Option<VerificationGuard>,
    pub now: Millis,
}

/// Why records were not appended.
#[derive(Debug)]
pub struct ProduceError {
    pub code: ErrorCode,
    /// For the client, where Kafka sends one.
    pub message: Option<String>,
    /// The records at fault, by their index in the batch (KIP-467).
    pub record_errors: Vec<(i32, String)>,
    pub log_start_offset: Offset,
    pub current_leader: Option<(BrokerId, LeaderEpoch)>,
}

impl From<ErrorCode> for ProduceError {
    fn from(code: ErrorCode) -> ProduceError {
        let record_errors = Vec::new();
        ProduceError { code, message: None, record_errors, log_start_offset: Offset::NONE, current_leader: None }
    }
}

/// A position that ListOffsets can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetQuery {
    /// The first record at or after a time.
    Time(Millis),
    Earliest,
    Latest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// A position in remote storage, of which there is none.
    Tiered,
}

/// A position that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetOfTime {
    /// The record's, or -1 for a named position.
    pub timestamp: Millis,
    pub offset: Offset,
    pub leader_epoch: LeaderEpoch,
}

/// A partition of which this node holds a replica.
#[derive(Debug)]
pub struct Partition {
    pub topic_partition: TopicPartition,
    pub topic_id: TopicId,
    this_broker: BrokerId,
    log: ArcSwap<Log>,
    leadership: ArcSwap<Leadership>,
    waiters: Arc<Waiters>,
    /// The topic was deleted; who holds on to the partition must not go on with it.
    is_deleted: AtomicBool,
}

impl Partition {
    /// The replica that `this_broker` keeps in `log`.
    pub fn new(this_broker: BrokerId, topic_id: TopicId, log: Arc<Log>, leadership: Leadership) -> Partition {
        let partition = Partition {
            topic_partition: log.partition().clone(),
            topic_id,
            this_broker,
            log: ArcSwap::new(log),
            leadership: ArcSwap::from_pointee(leadership),
            waiters: Arc::default(),
            is_deleted: AtomicBool::new(false),
        };
        partition.log().wakes(partition.waiters.clone());
        partition.begin_epoch();
        partition
    }

    /// The log of the replica.
    pub fn log(&self) -> Arc<Log> {
        self.log.load_full()
    }

    /// Who leads.
    pub fn leadership(&self) -> Arc<Leadership> {
        self.leadership.load_full()
    }

    /// The leader and its epoch, as a client that asked the wrong node is told.
    pub fn current_leader(&self) -> (BrokerId, LeaderEpoch) {
        let leadership = self.leadership.load();
        (leadership.leader, leadership.leader_epoch)
    }

    /// Whether `broker` keeps a replica.
    pub fn has_replica(&self, broker: BrokerId) -> bool {
        self.leadership.load().replicas.contains(&broker)
    }

    /// Who waits for the partition to move.
    pub fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Takes over what the metadata log says of the leader.
    pub fn lead(&self, leadership: Leadership) {
        self.leadership.store(Arc::new(leadership));
        self.begin_epoch();
        self.waiters.wake();
    }

    /// Notes that the topic was deleted. Who waits for the partition is told.
    pub fn delete(&self) {
        self.is_deleted.store(true, Ordering::Release);
        self.waiters.wake();
    }

    /// Puts another log under the partition: the one that moved to another directory.
    pub fn replace_log(&self, log: Arc<Log>) {
        log.wakes(self.waiters.clone());
        self.log.store(log.clone());
        self.advance_high_watermark(&log);
        self.waiters.wake();
    }

    /// Appends a client's records.
    pub fn produce(&self, produced: ProduceRecords) -> Result<LogAppendInfo, ProduceError> {
        let Replica { log, leadership } = &self.replica(LeaderEpoch::NONE, true).map_err(|code| self.refuse(code))?;
        if produced.all_acks && !has_min_isr(log, leadership) {
            return Err(ErrorCode::NotEnoughReplicas.into());
        }
        if log.is_short_of_space() {
            let message = "there is no room for new records on the disk of this partition".to_owned();
            return Err(ProduceError { message: Some(message), ..ErrorCode::KafkaStorageError.into() });
        }
        let (origin, version) = (AppendOrigin::Client, Some(produced.version));
        let validated = self.validate(log, leadership.leader_epoch, produced.records, origin, version, produced.now);
        let validated = validated.map_err(|error| ProduceError {
            code: error.error_code(),
            message: error.error_message(),
            record_errors: error.record_errors().iter().map(|r| (r.batch_index, r.message.clone())).collect(),
            log_start_offset: if error.tells_log_start_offset() { log.log_start_offset() } else { Offset::NONE },
            current_leader: None,
        })?;
        let context = AppendContext { guard: produced.guard, ..AppendContext::new(origin) };
        self.append(log, leadership.leader_epoch, validated, context).map_err(|error| {
            // What the producer did wrong is told with where the log starts, what went wrong here is not.
            let log_start_offset = match error {
                LogError::Producer(_) => log.log_start_offset(),
                _ => Offset::NONE,
            };
            ProduceError { log_start_offset, ..self.refuse(error.code()) }
        })
    }

    /// Appends one batch that a coordinator built: its own records, those of a transaction that `guard` verifies, or a
    /// marker of `transaction_version`. Answers the offset of its last record.
    pub fn append_as_coordinator(
        &self,
        batch: Bytes,
        now: Millis,
        guard: Option<VerificationGuard>,
        transaction_version: i16,
    ) -> Result<Offset, CoordinatorAppendError> {
        let Replica { log, leadership } =
            &self.replica(LeaderEpoch::NONE, true).map_err(|_| CoordinatorAppendError::NotLeader)?;
        if !has_min_isr(log, leadership) {
            return Err(CoordinatorAppendError::NotEnoughReplicas);
        }
        let size = batch.len();
        let (epoch, origin) = (leadership.leader_epoch, AppendOrigin::Coordinator);
        let validated =
            self.validate(log, epoch, batch, origin, None, now).map_err(|error| match error.error_code() {
                ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => {
                    CoordinatorAppendError::TooLarge { size, max: log.config().max_message_bytes as usize }
                }
                _ => CoordinatorAppendError::Refused(error.to_string()),
            })?;
        let info = self.append(log, epoch, validated, AppendContext { origin, guard, transaction_version })?;
        Ok(info.last_offset)
    }

    /// Ends a producer's transaction in this partition. Answers the offset of the marker, which is still to be
    /// replicated.
    pub fn append_marker(&self, marker: &TxnMarker, now: Millis) -> Result<Offset, CoordinatorAppendError> {
        self.append_as_coordinator(marker.batch(now), now, None, marker.transaction_version)
    }

    /// Begins to verify that a producer's transaction is known to its coordinator (KIP-890). `None`: there is nothing
    /// to verify, a transaction is open here.
    pub fn begin_verification(
        &self,
        producer: (ProducerId, ProducerEpoch),
        base_sequence: i32,
        supports_epoch_bump: bool,
    ) -> Result<Option<VerificationGuard>, ErrorCode> {
        let log = self.replica(LeaderEpoch::NONE, true)?.log;
        let begun = log.begin_verification(producer.0, producer.1, base_sequence, supports_epoch_bump);
        begun.map_err(|error| error.error_code())
    }

    /// Waits until everything before `through` is committed, or until the deadline.
    pub async fn committed(&self, through: Offset, deadline: Instant) -> Result<(), ErrorCode> {
        self.reached(Log::high_watermark, through, deadline).await
    }

    /// Whether records count once they are on disk (`ottla.sync.ack.topics`).
    pub fn acks_after_sync(&self) -> bool {
        self.log.load().acks_after_sync()
    }

    /// Waits until everything before `through` is on this broker's disk, or until the deadline.
    pub async fn synced(&self, through: Offset, deadline: Instant) -> Result<(), ErrorCode> {
        self.reached(Log::synced_offset, through, deadline).await
    }

    async fn reached(&self, point: fn(&Log) -> Offset, through: Offset, deadline: Instant) -> Result<(), ErrorCode> {
        if point(&self.log.load()) >= through {
            return Ok(());
        }
        let notify = Arc::new(Notify::new());
        self.waiters.add_until(&notify, through);
        let mut timeout = pin!(tokio::time::sleep_until(deadline));
        let outcome = loop {
            let log = self.log.load_full();
            if point(&log) >= through {
                break Ok(());
            }
            if self.is_deleted.load(Ordering::Acquire) || self.leadership.load().leader != self.this_broker {
                break Err(ErrorCode::NotLeaderOrFollower);
            }
            if log.failure().is_some() {
                break Err(ErrorCode::KafkaStorageError);
            }
            tokio::select! {
                () = notify.notified() => {}
                () = &mut timeout => break Err(ErrorCode::RequestTimedOut),
            }
        };
        self.waiters.remove(&notify);
        outcome
    }

    /// Reads whole batches.
    pub fn read(&self, request: ReadRequest) -> Result<Read, ErrorCode> {
        let log = self.replica(request.current_leader_epoch, true)?.log;
        let high_watermark = log.high_watermark();
        let last_stable_offset = log.last_stable_offset(high_watermark);
        let log_start_offset = log.log_start_offset();
        let mut read = Read {
            high_watermark,
            last_stable_offset,
            log_start_offset,
            diverging_epoch: None,
            aborted_transactions: None,
            records: None,
            available: 0,
            continues: false,
            unchecked: None,
        };
        if request.last_fetched_epoch != LeaderEpoch::NONE {
            read.diverging_epoch = diverging_epoch(&log, &request)?;
            if read.diverging_epoch.is_some() {
                return Ok(read);
            }
        }
        let upper = match request.isolation {
            Isolation::LogEnd => log.end_offset(),
            Isolation::ReadUncommitted => high_watermark,
            Isolation::ReadCommitted => last_stable_offset,
        };
        let found = log.read(request.fetch_offset, request.max_bytes, upper, request.min_one);
        let found = found.map_err(|error| match error {
            // Clients tell their users; a storage error they would wait for.
            LogError::Damaged { .. } => ErrorCode::CorruptMessage,
            error => self.disk_error(&error),
        })?;
        if request.isolation == Isolation::ReadCommitted {
            let aborted = log.aborted_in(request.fetch_offset, &found).map_err(|error| self.disk_error(&error))?;
            read.aborted_transactions = Some(aborted.iter().map(|txn| (txn.producer_id, txn.first_offset)).collect());
        }
        let is_cold = |range: &FileRange| !range.is_resident(range.len.min(CHECKED_BYTES_MAX as usize));
        if found.is_sealed && found.range.as_ref().is_some_and(is_cold) {
            read.unchecked = Some(found.first_batch_base);
        }
        (read.records, read.available, read.continues) = (found.range, found.available, found.continues);
        Ok(read)
    }

    /// Checks a sample of records that a read found on the disk; answers whether they are good. What is not is left out
    /// when they are read again. Waits for the disk.
    pub fn check_read(&self, first: Offset, records: &FileRange) -> bool {
        let log = self.log.load_full();
        // Why it could not be read is told by the next read.
        log.check_read(first, records).unwrap_or(false)
    }

    /// The offset of a position; none where no record fits.
    pub fn list_offset(
        &self,
        query: OffsetQuery,
        isolation: Isolation,
        current_leader_epoch: LeaderEpoch,
        from_leader: bool,
    ) -> Result<Option<OffsetOfTime>, ErrorCode> {
        let Replica { log, leadership } = self.replica(current_leader_epoch, from_leader)?;
        let upper = match isolation {
            Isolation::LogEnd => log.end_offset(),
            Isolation::ReadUncommitted => log.high_watermark(),
            Isolation::ReadCommitted => log.last_stable_offset(log.high_watermark()),
        };
        let named = |offset, leader_epoch| Some(OffsetOfTime { timestamp: Millis(-1), offset, leader_epoch });
        let by_time = match query {
            OffsetQuery::Latest => return Ok(named(upper, leadership.leader_epoch)),
            OffsetQuery::Earliest => {
                return Ok(named(log.log_start_offset(), log.earliest_epoch().unwrap_or(LeaderEpoch::NONE)));
            }
            OffsetQuery::Tiered => return Ok(named(Offset::NONE, LeaderEpoch::NONE)),
            OffsetQuery::MaxTimestamp => log.max_timestamp_offset(),
            OffsetQuery::Time(time) => log.offset_for_timestamp(time),
        };
        let found = by_time.map_err(|error| self.disk_error(&error))?.filter(|found| found.offset < upper);
        Ok(found.map(|found| OffsetOfTime {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch,
        }))
    }

    /// The largest epoch at or below `epoch` and where it ended.
    pub fn end_offset_for_epoch(
        &self,
        epoch: LeaderEpoch,
        current_leader_epoch: LeaderEpoch,
    ) -> Result<(LeaderEpoch, Offset), ErrorCode> {
        Ok(self.replica(current_leader_epoch, true)?.log.end_offset_for_epoch(epoch))
    }

    /// Moves the log's start to `before`, or to the high watermark if that is -1. Answers the low watermark.
    pub fn delete_records(&self, before: Offset) -> Result<Offset, ErrorCode> {
        let log = self.replica(LeaderEpoch::NONE, true)?.log;
        let policy = log.config().cleanup_policy;
        if policy.compact && !policy.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let before = if before == Offset::NONE { log.high_watermark() } else { before };
        let start = log.delete_records_before(before).map_err(|error| self.disk_error(&error))?;
        self.waiters.wake();
        Ok(start)
    }

    /// The producers that the log remembers.
    pub fn producers(&self) -> Vec<ProducerEntry> {
        self.log.load().producers()
    }

    fn validate(
        &self,
        log: &Log,
        leader_epoch: LeaderEpoch,
        records: Bytes,
        origin: AppendOrigin,
        produce_version: Option<i16>,
        now: Millis,
    ) -> Result<ValidatedBatches, append::AppendError> {
        let topic = TopicRules::from(&*log.config());
        let rules =
            AppendRules { partition: &self.topic_partition, topic: &topic, origin, now, leader_epoch, produce_version };
        Decompressor::on_this_thread(|decompressor| append::validate(records, &rules, decompressor))
    }

    fn append(
        &self,
        log: &Log,
        leader_epoch: LeaderEpoch,
        batches: ValidatedBatches,
        context: AppendContext,
    ) -> Result<LogAppendInfo, LogError> {
        let info = log.append_in(batches, leader_epoch, context)?;
        self.advance_high_watermark(log);
        Ok(info)
    }

    /// With this broker as the only replica in sync, what is in its log is committed.
    fn advance_high_watermark(&self, log: &Log) {
        let leadership = self.leadership.load();
        if leadership.leader == self.this_broker && leadership.isr == [self.this_broker] {
            let before = log.high_watermark();
            // Where a sync is waited for, it tells of itself.
            let now = log.set_high_watermark(log.end_offset());
            if now > before || !log.acks_after_sync() {
                self.waiters.wake_up_to(now);
            }
        }
    }

    fn begin_epoch(&self) {
        let (log, leadership) = (self.log.load(), self.leadership.load());
        if leadership.leader == self.this_broker {
            log.assign_epoch(leadership.leader_epoch, log.end_offset());
            self.advance_high_watermark(&log);
        }
    }

    /// What this broker keeps, if the caller's epoch is this partition's, and this broker leads where it has to.
    fn replica(&self, current: LeaderEpoch, from_leader: bool) -> Result<Replica, ErrorCode> {
        if self.is_deleted.load(Ordering::Acquire) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        // A directory that failed takes the leader away as well: what is here is told first.
        let log = self.log.load_full();
        log.ensure_online().map_err(|error| self.disk_error(&error))?;
        let leadership = self.leadership.load_full();
        if current != LeaderEpoch::NONE && current < leadership.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if current > leadership.leader_epoch {
            return Err(ErrorCode::UnknownLeaderEpoch);
        }
        if from_leader && leadership.leader != self.this_broker {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        Ok(Replica { log, leadership })
    }

    fn disk_error(&self, error: &LogError) -> ErrorCode {
        if self.is_deleted.load(Ordering::Acquire) {
            return ErrorCode::UnknownTopicOrPartition;
        }
        if error.is_disk_failure() {
            tracing::error!(partition = %self.topic_partition, %error, "a read failed");
        }
        error.code()
    }

    fn refuse(&self, code: ErrorCode) -> ProduceError {
        let current_leader = (code == ErrorCode::NotLeaderOrFollower).then(|| self.current_leader());
        ProduceError { current_leader, ..code.into() }
    }
}

/// Why a coordinator's records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorAppendError {
    #[error("this broker does not lead the partition")]
    NotLeader,
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    #[error("a batch of {size} bytes exceeds the {max} that fit")]
    TooLarge { size: usize, max: usize },
    #[error("the batch was refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl CoordinatorAppendError {
    /// The code that tells it.
    pub fn code(&self) -> ErrorCode {
        match self {
            CoordinatorAppendError::NotLeader => ErrorCode::NotLeaderOrFollower,
            CoordinatorAppendError::NotEnoughReplicas => ErrorCode::NotEnoughReplicas,
            CoordinatorAppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            CoordinatorAppendError::Refused(_) => ErrorCode::UnknownServerError,
            CoordinatorAppendError::Log(error) => error.code(),
        }
    }
}

/// A log and the leadership it was found under: what one request asks is decided by one state of the metadata log, also
/// while the next one is being taken over.
struct Replica {
    log: Arc<Log>,
    leadership: Arc<Leadership>,
}

fn has_min_isr(log: &Log, leadership: &Leadership) -> bool {
    let wanted = log.config().min_insync_replicas.max(1) as usize;
    leadership.isr.len() >= wanted.min(leadership.replicas.len())
}

/// Where the reader's log left this one, if it did (KIP-595).
fn diverging_epoch(log: &Log, request: &ReadRequest) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let (epoch, end_offset) = log.end_offset_for_epoch(request.last_fetched_epoch);
    let unknown = epoch == LeaderEpoch::NONE || end_offset == Offset::NONE;
    if unknown || request.fetch_offset < log.log_start_offset() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let diverges = epoch < request.last_fetched_epoch || end_offset < request.fetch_offset;
    Ok(diverges.then_some((epoch, end_offset)))
}
