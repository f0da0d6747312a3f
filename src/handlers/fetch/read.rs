//! Reading for a fetch: once, and again whenever a partition moves, until there is enough or time is up.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::Call;
use super::response::FetchedPartition;
use crate::protocol::messages::FetchRequest;
use crate::replication::fetch_session::{FetchKey, FetchPosition, FetchTopicKey};
use crate::replication::{Isolation, Partition, ReadRequest};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Millis, TopicId};

/// The id under which a log that moves to another directory follows its own broker; any other below 0 is a consumer's.
const FUTURE_REPLICA: BrokerId = BrokerId(-3);

/// One partition of a fetch: its names, and the replica that answers or the reason there is none.
pub struct Target {
    pub name: Arc<str>,
    pub topic_id: TopicId,
    pub partition: i32,
    position: FetchPosition,
    is_known: bool,
    replica: Result<Arc<Partition>, ErrorCode>,
}

impl Target {
    /// Whether there is such a partition.
    pub fn is_known(&self) -> bool {
        self.is_known
    }
}

/// Finds the replica of each partition asked for. What does not exist is put last, as Kafka answers it: in the
/// partitions too, which the session keeps in the order of the answer.
pub fn resolve(call: &Call<'_>, partitions: &mut Vec<(FetchKey, FetchPosition)>) -> Vec<Target> {
    let mut targets = find(call, partitions);
    if !targets.iter().all(Target::is_known) {
        let mut both: Vec<_> = targets.into_iter().zip(std::mem::take(partitions)).collect();
        both.sort_by_key(|(target, _)| match &target.replica {
            _ if target.is_known => 0,
            Err(ErrorCode::UnknownTopicId) => 1,
            _ => 2,
        });
        (targets, *partitions) = both.into_iter().unzip();
    }
    targets
}

fn find(call: &Call<'_>, partitions: &[(FetchKey, FetchPosition)]) -> Vec<Target> {
    let image = call.node.image();
    let find = |(key, position): &(FetchKey, FetchPosition)| {
        let (topic, name, topic_id, unknown) = match &key.topic {
            FetchTopicKey::Name(name) => {
                (image.topics.named(name), name.clone(), TopicId::ZERO, ErrorCode::UnknownTopicOrPartition)
            }
            FetchTopicKey::Id(id) => (image.topics.with_id(*id), Arc::from(""), *id, ErrorCode::UnknownTopicId),
        };
        let (is_known, replica) = match topic {
            None => (false, Err(unknown)),
            Some(topic) => (topic.partitions.contains_key(&key.partition), call.node.replica(topic, key.partition)),
        };
        Target { name, topic_id, partition: key.partition, position: *position, is_known, replica }
    };
    partitions.iter().map(find).collect()
}

/// What bounds a whole fetch.
pub struct Limits {
    max_wait: Millis,
    min_bytes: usize,
    /// Below 0, nothing can be read: Kafka fails over it when there is something to read.
    max_bytes: i32,
    isolation: Isolation,
    replica_id: BrokerId,
}

/// A fetch that is ready to read.
pub struct FetchPlan<'a> {
    pub limits: Limits,
    pub targets: &'a [Target],
}

impl FetchPlan<'_> {
    /// The limits of a request, within those of the broker.
    pub fn limits(call: &Call<'_>, request: &FetchRequest) -> Limits {
        let replica_id = super::replica_id(call, request);
        let max_bytes = request.max_bytes.min(call.node.config.broker().fetch_max_bytes);
        let isolation = match (replica_id.0 < 0 && replica_id != FUTURE_REPLICA, request.isolation_level) {
            (false, _) => Isolation::LogEnd,
            (true, super::READ_COMMITTED) => Isolation::ReadCommitted,
            (true, _) => Isolation::ReadUncommitted,
        };
        Limits {
            max_wait: Millis(request.max_wait_ms.into()),
            min_bytes: request.min_bytes.min(max_bytes).max(0) as usize,
            max_bytes,
            isolation,
            replica_id,
        }
    }

    /// Reads, and waits for more while there are fewer bytes than asked for, no error and time left. The wait begins
    /// before the second read, so that no append falls between. A very large fetch does not wait while memory lacks.
    pub async fn run(&self, call: &Call<'_>) -> Vec<FetchedPartition> {
        let fetched = self.read_checked(call).await;
        if self.limits.max_wait.0 <= 0 || !self.targets.iter().any(Target::is_known) || self.is_enough(&fetched) {
            return fetched;
        }
        if !call.may_wait() {
            return fetched;
        }
        drop(fetched);
        let deadline = Instant::now() + self.limits.max_wait.duration();
        let subscription = Subscription::to(self.targets);
        loop {
            let fetched = self.read_checked(call).await;
            if self.is_enough(&fetched) {
                return fetched;
            }
            if tokio::time::timeout_at(deadline, subscription.notify.notified()).await.is_err() {
                return self.read_checked(call).await;
            }
        }
    }

    /// Records that wait behind a limit count too: they are there, and no waiting makes this answer longer.
    fn is_enough(&self, fetched: &[FetchedPartition]) -> bool {
        let bytes: usize = fetched.iter().map(|partition| partition.records_len().max(partition.available)).sum();
        let settled = |partition: &FetchedPartition| {
            !partition.error.is_none() || partition.diverging_epoch.is_some() || partition.continues
        };
        let known = self.targets.iter().zip(fetched).filter(|(target, _)| target.is_known);
        bytes >= self.limits.min_bytes || known.map(|(_, partition)| partition).any(settled)
    }

    /// Reads, and again where records that have to come from the disk turn out to be damaged.
    async fn read_checked(&self, call: &Call<'_>) -> Vec<FetchedPartition> {
        let fetched = self.read(call);
        let unchecked = |(target, fetched): (&Target, &FetchedPartition)| {
            let (replica, records) = (target.replica.as_ref().ok()?, fetched.records.as_ref()?);
            Some((replica.clone(), fetched.unchecked?, records.clone()))
        };
        let unchecked: Vec<_> = self.targets.iter().zip(&fetched).filter_map(unchecked).collect();
        if unchecked.is_empty() {
            return fetched;
        }
        let are_good = tokio::task::spawn_blocking(move || {
            let checks = unchecked.iter().map(|(replica, first, records)| replica.check_read(*first, records));
            // Each of them, so that all that is bad is known at once.
            checks.fold(true, |all, is_good| all & is_good)
        });
        match are_good.await {
            Ok(false) => self.read(call),
            _ => fetched,
        }
    }

    fn read(&self, call: &Call<'_>) -> Vec<FetchedPartition> {
        let mut left = self.limits.max_bytes;
        let mut min_one = true;
        let mut fetched = Vec::with_capacity(self.targets.len());
        for target in self.targets {
            let partition = self.read_one(call, target, left, min_one);
            let bytes = partition.records_len();
            min_one &= bytes == 0;
            left = left.saturating_sub(i32::try_from(bytes).unwrap_or(i32::MAX)).max(0);
            fetched.push(partition);
        }
        fetched
    }

    fn read_one(&self, call: &Call<'_>, target: &Target, left: i32, min_one: bool) -> FetchedPartition {
        let failed = |error| FetchedPartition::failed(target.partition, error_of_version(call, error));
        let replica = match &target.replica {
            Ok(replica) => replica,
            Err(error) => {
                // Kafka answers what it cannot find with an empty list here, and what it cannot read with null.
                let aborted_transactions = Some(Vec::new());
                return FetchedPartition { aborted_transactions, ..failed(*error) };
            }
        };
        if let Err(error) = self.check_replica(call, target, replica) {
            return FetchedPartition { current_leader: leader_for(call, replica, error), ..failed(error) };
        }
        let limit = left.min(target.position.max_bytes);
        let request = ReadRequest {
            fetch_offset: target.position.fetch_offset,
            max_bytes: limit.max(0) as usize,
            // Below 0, reading tells whether there would have been something.
            min_one: min_one || limit < 0,
            isolation: self.limits.isolation,
            current_leader_epoch: target.position.current_leader_epoch,
            last_fetched_epoch: target.position.last_fetched_epoch,
        };
        match replica.read(request) {
            Err(error) => FetchedPartition { current_leader: leader_for(call, replica, error), ..failed(error) },
            Ok(read) if limit < 0 && read.records.as_ref().is_some_and(|records| records.len > 0) => {
                failed(ErrorCode::UnknownServerError)
            }
            Ok(read) => {
                let is_empty = read.records.as_ref().is_none_or(|records| records.len == 0);
                let left_out = limit > 0 && !min_one && target.position.fetch_offset < read.last_stable_offset;
                FetchedPartition {
                    high_watermark: read.high_watermark,
                    last_stable_offset: read.last_stable_offset,
                    log_start_offset: read.log_start_offset,
                    diverging_epoch: read.diverging_epoch,
                    // Where a batch did not fit, Kafka does not even tell that no transaction was aborted.
                    aborted_transactions: read.aborted_transactions.filter(|_| !(is_empty && left_out)),
                    records: read.records,
                    available: read.available.min(target.position.max_bytes.max(0) as usize),
                    continues: read.continues,
                    unchecked: read.unchecked,
                    ..FetchedPartition::failed(target.partition, ErrorCode::None)
                }
            }
        }
    }

    /// A node that fetches as a replica must be another one's: in an epoch that both know it is not one yet, else not
    /// any more.
    fn check_replica(&self, call: &Call<'_>, target: &Target, replica: &Partition) -> Result<(), ErrorCode> {
        let id = self.limits.replica_id;
        if id.0 < 0 || (id != call.node.broker_id && replica.has_replica(id)) {
            return Ok(());
        }
        match target.position.current_leader_epoch {
            LeaderEpoch::NONE => Err(ErrorCode::NotLeaderOrFollower),
            _ => Err(ErrorCode::UnknownLeaderEpoch),
        }
    }
}

/// The leader, for a client that asked in vain and can be told (KIP-951).
fn leader_for(call: &Call<'_>, replica: &Partition, error: ErrorCode) -> Option<(BrokerId, LeaderEpoch)> {
    let tells_leader = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
    (tells_leader && call.version() >= 16).then(|| replica.current_leader())
}

/// Clients below version 6 do not know storage errors; another one makes them look for the leader again.
fn error_of_version(call: &Call<'_>, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::KafkaStorageError if call.version() <= 5 => ErrorCode::NotLeaderOrFollower,
        error => error,
    }
}

/// A wait on all partitions of a fetch, which ends when it is dropped.
struct Subscription<'a> {
    notify: Arc<Notify>,
    targets: &'a [Target],
}

impl<'a> Subscription<'a> {
    fn to(targets: &'a [Target]) -> Subscription<'a> {
        let subscription = Subscription { notify: Arc::new(Notify::new()), targets };
        for replica in subscription.replicas() {
            replica.waiters().add(&subscription.notify);
        }
        subscription
    }

    fn replicas(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.targets.iter().filter_map(|target| target.replica.as_ref().ok())
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        for replica in self.replicas() {
            replica.waiters().remove(&self.notify);
        }
    }
}
