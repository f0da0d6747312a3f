//! Reading for a member of a share group: once, and again whenever a partition or a share partition moves, until there is
//! enough or time is up.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::Call;
use super::batches;
use super::response::SharedRecords;
use crate::config::{AutoOffsetReset, GroupConfig, IsolationLevel};
use crate::coordinator::share::SharePartitionKey;
use crate::coordinator::share_partition::{AcquireMode, FetchedRecords, Limits, SessionPartition, Shared, Wanted};
use crate::protocol::newer::ShareFetchRequest;
use crate::replication::{Isolation, OffsetQuery, Partition, Read, ReadRequest};
use crate::types::{Clock, ErrorCode, LeaderEpoch, Millis, Offset, TopicIdPartition};

/// The number of the mode that never delivers more records than asked for; all others deliver whole batches.
const RECORD_LIMIT: i8 = 1;

/// What a ShareFetch wants to read, and within which limits.
pub struct SharePlan {
    group: Arc<str>,
    wanted: Wanted,
    max_wait: Millis,
    min_bytes: i64,
    max_bytes: i32,
    isolation: Isolation,
    limits: Limits,
    epoch: i32,
}

/// A share partition that can be read.
struct Target {
    partition: TopicIdPartition,
    replica: Arc<Partition>,
    shared: Arc<Shared>,
}

/// What was read for a target, and from where.
struct TargetRead<'a> {
    target: &'a Target,
    offset: Offset,
    read: Result<Read, ErrorCode>,
}

/// How an attempt ended.
enum Attempt {
    Enough(Vec<SharedRecords>),
    /// Nothing was delivered, but something moved.
    Again,
    Wait,
}

impl SharePlan {
    /// The plan of a request of that member, within the limits of broker and group.
    pub fn new(call: &Call<'_>, request: &ShareFetchRequest, (group, member): (&Arc<str>, &Arc<str>)) -> SharePlan {
        let partitions = &call.node.share_partitions;
        let max_bytes = request.max_bytes.min(call.node.config.broker().fetch_max_bytes);
        let isolation = match partitions.config(group).share_isolation_level {
            IsolationLevel::ReadCommitted => Isolation::ReadCommitted,
            IsolationLevel::ReadUncommitted => Isolation::ReadUncommitted,
        };
        let mode = match request.share_acquire_mode {
            RECORD_LIMIT => AcquireMode::RecordLimit,
            _ => AcquireMode::BatchOptimized,
        };
        SharePlan {
            group: group.clone(),
            wanted: Wanted {
                member: member.clone(),
                mode,
                batch_size: request.batch_size,
                max_records: request.max_records,
            },
            max_wait: Millis(request.max_wait_ms.into()),
            min_bytes: request.min_bytes.min(max_bytes).into(),
            max_bytes,
            isolation,
            limits: partitions.limits(group),
            epoch: request.share_session_epoch,
        }
    }

    /// Reads what the session names. What cannot be read is told why.
    pub async fn run(&self, call: &Call<'_>, partitions: &[SessionPartition]) -> Vec<SharedRecords> {
        let (mut failed, mut found) = (Vec::new(), Vec::new());
        for named in partitions {
            match self.known(call, named) {
                Ok(()) => found.push(named.partition),
                Err(error) => failed.push(SharedRecords::failed(named.partition, error, None)),
            }
        }
        if found.is_empty() || self.wanted.max_records == 0 || self.max_bytes <= 0 {
            return failed;
        }
        // Another partition comes first each time.
        let shift = usize::try_from(self.epoch).unwrap_or(0) % found.len();
        found.rotate_left(shift);
        let deadline = Instant::now() + self.max_wait.duration();
        let mut targets = Vec::new();
        for partition in found {
            match self.open(call, partition, deadline).await {
                Ok(Some(target)) => targets.push(target),
                Ok(None) => {}
                Err(refused) => failed.push(refused),
            }
        }
        if !targets.is_empty() {
            failed.extend(self.read_until(call, &targets, deadline).await);
        }
        failed
    }

    fn known(&self, call: &Call<'_>, named: &SessionPartition) -> Result<(), ErrorCode> {
        let image = call.node.image();
        match image.topics.with_id(named.partition.topic_id) {
            Some(topic) if topic.partitions.contains_key(&named.partition.partition) => Ok(()),
            None if !named.is_known => Err(ErrorCode::UnknownTopicId),
            Some(_) | None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    /// The share partition, once it is loaded; `None` if that takes too long.
    async fn open(
        &self,
        call: &Call<'_>,
        partition: TopicIdPartition,
        deadline: Instant,
    ) -> Result<Option<Target>, SharedRecords> {
        let refuse = |code: ErrorCode| SharedRecords::failed(partition, code, Some(code.message().to_owned()));
        let TopicIdPartition { topic_id, partition: index } = partition;
        let image = call.node.image();
        let topic = image.topics.with_id(topic_id).ok_or_else(|| refuse(ErrorCode::UnknownTopicOrPartition))?;
        let replica = call.node.replica(topic, index).map_err(refuse)?;
        let (leader, epoch) = replica.current_leader();
        if leader != call.node.broker_id {
            return Err(refuse(ErrorCode::NotLeaderOrFollower));
        }
        let key = SharePartitionKey::new(self.group.clone(), topic_id, index);
        let (of, clock) = (replica.clone(), call.node.clock.clone());
        let beginning = Box::new(move |config: &GroupConfig| beginning(&of, epoch, config, &clock));
        let shared = call.node.share_partitions.open(&key, epoch, beginning);
        match shared.loaded(deadline.saturating_duration_since(Instant::now())).await {
            Some(Ok(())) => Ok(Some(Target { partition, replica, shared })),
            Some(Err(refusal)) => Err(SharedRecords::failed(partition, refusal.code, Some(refusal.message))),
            None => Ok(None),
        }
    }

    async fn read_until(&self, call: &Call<'_>, targets: &[Target], deadline: Instant) -> Vec<SharedRecords> {
        let subscription = Subscription::to(targets);
        loop {
            let is_last = self.min_bytes <= 0 || Instant::now() >= deadline || !call.may_wait();
            match self.attempt(call, targets, is_last) {
                Attempt::Enough(told) => return told,
                Attempt::Again => tokio::task::consume_budget().await,
                Attempt::Wait if is_last => return Vec::new(),
                Attempt::Wait => {
                    // In time or not, it is looked at again.
                    let _ = tokio::time::timeout_at(deadline, subscription.notify.notified()).await;
                }
            }
        }
    }

    fn attempt(&self, call: &Call<'_>, targets: &[Target], is_last: bool) -> Attempt {
        let partitions = &call.node.share_partitions;
        let next = |target: &Target| {
            let offset = partitions.with(&target.shared, |partition| {
                partition.can_acquire(&self.limits).then(|| partition.next_fetch_offset())
            });
            offset.flatten()
        };
        let wanted: Vec<(&Target, Offset)> =
            targets.iter().filter_map(|target| next(target).map(|offset| (target, offset))).collect();
        let reads = self.read(&wanted);
        if !is_last && !self.is_enough(&reads) {
            return Attempt::Wait;
        }
        let (mut told, mut is_news, mut moved) = (Vec::new(), false, false);
        let mut left = i64::from(self.wanted.max_records);
        for read in &reads {
            let (records, has_moved) = self.deliver(call, read, left);
            left -= records.acquired.iter().map(|acquired| acquired.span()).sum::<i64>();
            is_news |= records.records.is_some() || !records.error.0.is_none();
            moved |= has_moved;
            told.push(records);
        }
        match (is_news || is_last, moved) {
            (true, _) => Attempt::Enough(told),
            (false, true) => Attempt::Again,
            (false, false) => Attempt::Wait,
        }
    }

    /// Reads each target, all of them getting as many bytes.
    fn read<'a>(&self, wanted: &[(&'a Target, Offset)]) -> Vec<TargetRead<'a>> {
        let each = (self.max_bytes as usize / wanted.len().max(1)).max(1);
        let mut left = self.max_bytes as usize;
        let mut reads = Vec::new();
        for (target, offset) in wanted {
            let read = target.replica.read(ReadRequest {
                fetch_offset: *offset,
                max_bytes: each.min(left),
                min_one: left == self.max_bytes as usize,
                isolation: self.isolation,
                current_leader_epoch: LeaderEpoch::NONE,
                last_fetched_epoch: LeaderEpoch::NONE,
            });
            let len = read.as_ref().ok().and_then(|read| read.records.as_ref()).map_or(0, |range| range.len);
            left = left.saturating_sub(len);
            reads.push(TargetRead { target, offset: *offset, read });
        }
        reads
    }

    fn is_enough(&self, reads: &[TargetRead<'_>]) -> bool {
        let settled = |read: &TargetRead<'_>| read.read.as_ref().map_or(true, |read| read.continues);
        let available = |read: &TargetRead<'_>| read.read.as_ref().map_or(0, |read| read.available as i64);
        !reads.is_empty()
            && (reads.iter().any(settled) || reads.iter().map(available).sum::<i64>() >= self.min_bytes)
    }

    /// Delivers what was read, `left` records at most. Answers what there is to tell, and whether anything moved.
    fn deliver(&self, call: &Call<'_>, read: &TargetRead<'_>, left: i64) -> (SharedRecords, bool) {
        let partitions = &call.node.share_partitions;
        let TargetRead { target, offset, read } = read;
        let nothing = || SharedRecords::nothing(target.partition);
        let refuse = |code: ErrorCode| {
            (SharedRecords::failed(target.partition, code, Some(code.message().to_owned())), false)
        };
        let read = match read {
            Ok(read) => read,
            Err(ErrorCode::OffsetOutOfRange) => {
                let log_start = target.replica.log().log_start_offset();
                let moved = partitions.with(&target.shared, |partition| {
                    partition.log_start_moved(log_start);
                    partition.next_fetch_offset() != *offset
                });
                return (nothing(), moved.unwrap_or(false));
            }
            Err(code) => return refuse(*code),
        };
        let Some(range) = &read.records else { return (nothing(), false) };
        let is_committed = self.isolation == Isolation::ReadCommitted;
        let end = partitions.with(&target.shared, |partition| partition.end_offset()).unwrap_or(*offset);
        // Of what lies further away nothing can be delivered.
        let last = end.max(*offset) + left.max(0);
        let found = match batches::scan(range, last, is_committed) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!("{}: {error}", target.replica.topic_partition);
                return refuse(ErrorCode::KafkaStorageError);
            }
        };
        let fetched = FetchedRecords {
            fetch_offset: *offset,
            batches: found.batches.clone(),
            aborted: read.aborted_transactions.clone().unwrap_or_default(),
        };
        let wanted = Wanted { max_records: i32::try_from(left).unwrap_or(0), ..self.wanted.clone() };
        let now = call.node.clock.monotonic();
        let delivered = partitions.with(&target.shared, |partition| {
            let acquired = partition.acquire(&wanted, &fetched, &self.limits, now);
            (acquired, partition.next_fetch_offset() != *offset)
        });
        let Some((acquired, moved)) = delivered else { return (nothing(), false) };
        let Some(records) = found.slice(range, &acquired) else { return (nothing(), moved) };
        (SharedRecords { records: Some(records), acquired, ..nothing() }, true)
    }
}

/// Where a group begins that has read nothing of a partition.
fn beginning(
    replica: &Partition,
    epoch: LeaderEpoch,
    config: &GroupConfig,
    clock: &Clock,
) -> Result<Offset, ErrorCode> {
    let query = match config.share_auto_offset_reset {
        AutoOffsetReset::Latest => OffsetQuery::Latest,
        AutoOffsetReset::Earliest => OffsetQuery::Earliest,
        AutoOffsetReset::ByDuration(ago) => OffsetQuery::Time(clock.wall() - ago),
    };
    let found = replica.list_offset(query, Isolation::ReadUncommitted, epoch, true)?;
    found.map(|found| found.offset).ok_or(ErrorCode::OffsetNotAvailable)
}

/// A wait on all targets of a fetch, which ends when it is dropped.
struct Subscription<'a> {
    notify: Arc<Notify>,
    targets: &'a [Target],
}

impl<'a> Subscription<'a> {
    fn to(targets: &'a [Target]) -> Subscription<'a> {
        let notify = Arc::new(Notify::new());
        for target in targets {
            target.replica.waiters().add(&notify);
            target.shared.waiters().add(&notify);
        }
        Subscription { notify, targets }
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        for target in self.targets {
            target.replica.waiters().remove(&self.notify);
            target.shared.waiters().remove(&self.notify);
        }
    }
}
