//! A partition between two states of the metadata log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::config::{ConfigStore, TopicPatterns, load};
use crate::log::producer_state::ProducerRules;
use crate::log::{Log, LogContext, LogOptions};
use crate::protocol::batch::BatchBuilder;
use crate::protocol::control::TxnMarker;
use crate::types::{
    BrokerId, Clock, ErrorCode, LeaderEpoch, Millis, Offset, PartitionEpoch, ProducerEpoch, ProducerId, TopicId,
    TopicPartition,
};

const ROUNDS: usize = 20_000;

fn log_context() -> Arc<LogContext> {
    let clock = Clock::Manual(Arc::new(AtomicI64::new(1_000_000)));
    LogContext::new(8, clock, ProducerRules::default())
}

fn log(root: &std::path::Path, context: Arc<LogContext>) -> Arc<Log> {
    let dir = root.join("t-0");
    std::fs::create_dir(&dir).unwrap();
    let loaded = load(None, &[], &|_: &str| None).unwrap();
    let options = LogOptions {
        partition: TopicPartition::new("t", 0),
        dir,
        config: Arc::new(ConfigStore::new(loaded.broker).topic_config(&BTreeMap::new())),
        clean: false,
        recovery_point: Offset::ZERO,
        log_start: Offset::ZERO,
        high_watermark: Offset::ZERO,
    };
    Log::open(&options, context).unwrap()
}

/// A controlled shutdown takes the leader and, with eligible leader replicas (KIP-966), the last in-sync replica in one
/// record. A produce is either before or after it.
#[test]
fn a_produce_sees_one_leadership() {
    let root = tempfile::tempdir().unwrap();
    let this_broker = BrokerId(1);
    let leading = Leadership {
        leader: this_broker,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        replicas: vec![this_broker],
        isr: vec![this_broker],
    };
    let left = Leadership { leader: BrokerId(-1), isr: Vec::new(), ..leading.clone() };
    let partition = Partition::new(this_broker, TopicId::ONE, log(root.path(), log_context()), leading.clone());
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.append(Millis(1_000_000), None, Some(b"v"), &[]);
    let records: Bytes = builder.build();
    let done = AtomicBool::new(false);
    let mut refused = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                partition.lead(left.clone());
                partition.lead(leading.clone());
            }
        });
        for _ in 0..ROUNDS {
            let produced =
                ProduceRecords { records: records.clone(), all_acks: true, version: 12, guard: None, now: Millis(1) };
            if let Err(error) = partition.produce(produced) {
                done.fetch_or(error.code != ErrorCode::NotLeaderOrFollower, Ordering::Relaxed);
                assert_eq!(error.code, ErrorCode::NotLeaderOrFollower);
                refused += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(refused > 0, "the leadership never changed in between");
}

/// What a partition sees of a transaction: its verification, its first batch, and the marker that ends it (KIP-890).
#[test]
fn a_transaction_holds_readers_back_from_its_first_batch_to_its_marker() {
    let root = tempfile::tempdir().unwrap();
    let this_broker = BrokerId(1);
    let leading = Leadership {
        leader: this_broker,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        replicas: vec![this_broker],
        isr: vec![this_broker],
    };
    let partition = Partition::new(this_broker, TopicId::ONE, log(root.path(), log_context()), leading);
    let (id, epoch) = (ProducerId(7), ProducerEpoch(0));
    let mut builder = BatchBuilder::new(Offset::ZERO).producer(id, epoch, 0).transactional();
    builder.append(Millis(1_000_000), None, Some(b"v"), &[]);
    let records: Bytes = builder.build();
    let produce = |guard| {
        let now = Millis(1_000_000);
        partition.produce(ProduceRecords { records: records.clone(), all_acks: true, version: 12, guard, now })
    };
    let stable = || {
        let request = ReadRequest {
            fetch_offset: Offset::ZERO,
            max_bytes: 1 << 20,
            min_one: true,
            isolation: Isolation::ReadCommitted,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
        };
        let read = partition.read(request).unwrap();
        (read.last_stable_offset, read.aborted_transactions.unwrap())
    };
    assert_eq!(produce(None).unwrap_err().code, ErrorCode::InvalidTxnState);
    let guard = partition.begin_verification((id, epoch), 0, true).unwrap();
    assert!(guard.is_some());
    assert_eq!(produce(guard).unwrap().first_offset, Offset(0));
    assert_eq!(partition.begin_verification((id, epoch), 1, true), Ok(None), "it is open now");
    assert_eq!(stable(), (Offset(0), vec![]));
    let marker = TxnMarker {
        producer_id: id,
        producer_epoch: ProducerEpoch(1),
        commit: false,
        coordinator_epoch: 0,
        transaction_version: 2,
    };
    let same_epoch = TxnMarker { producer_epoch: epoch, ..marker };
    let refused = partition.append_marker(&same_epoch, Millis(1_000_000)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidProducerEpoch);
    assert_eq!(partition.append_marker(&marker, Millis(1_000_000)).unwrap(), Offset(1));
    assert_eq!(stable(), (Offset(2), vec![(id, Offset(0))]));
    assert_eq!(partition.begin_verification((id, epoch), 0, true), Err(ErrorCode::InvalidProducerEpoch));
}

/// A partition of a topic whose records count once they are synced, on the threads of `blocking`.
fn synced_partition(root: &std::path::Path, blocking: Option<tokio::runtime::Handle>) -> (Arc<Log>, Arc<Partition>) {
    let context = log_context();
    context.acknowledge_synced(TopicPatterns::parse("t").unwrap(), blocking);
    let log = log(root, context);
    let leadership = Leadership {
        leader: BrokerId(1),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        replicas: vec![BrokerId(1)],
        isr: vec![BrokerId(1)],
    };
    let partition = Partition::new(BrokerId(1), TopicId::ONE, log.clone(), leadership);
    (log, Arc::new(partition))
}

fn record() -> ProduceRecords {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.append(Millis(1_000_000), None, Some(b"v"), &[]);
    ProduceRecords { records: builder.build(), all_acks: true, version: 12, guard: None, now: Millis(1) }
}

#[tokio::test]
async fn an_append_that_counts_once_synced_is_committed_by_a_sync_of_its_own_accord() {
    let root = tempfile::tempdir().unwrap();
    let (log, partition) = synced_partition(root.path(), Some(tokio::runtime::Handle::current()));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    let waits = (0..50).map(|_| {
        let through = partition.produce(record()).unwrap().last_offset.next();
        let partition = partition.clone();
        tokio::spawn(async move {
            partition.committed(through, deadline).await?;
            partition.synced(through, deadline).await
        })
    });
    for wait in waits.collect::<Vec<_>>() {
        assert_eq!(wait.await.unwrap(), Ok(()));
    }
    assert_eq!(log.recovery_point(), Offset(50));
}

#[tokio::test]
async fn who_waits_for_a_sync_learns_that_the_disk_failed() {
    let root = tempfile::tempdir().unwrap();
    let (log, partition) = synced_partition(root.path(), None);
    let through = partition.produce(record()).unwrap().last_offset.next();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    let waiting = tokio::spawn({
        let partition = partition.clone();
        async move { partition.synced(through, deadline).await }
    });
    tokio::task::yield_now().await;
    log.fail("cannot sync: Input/output error");
    assert_eq!(waiting.await.unwrap(), Err(ErrorCode::KafkaStorageError));
    let late = partition.committed(through, deadline).await;
    assert_eq!(late, Err(ErrorCode::KafkaStorageError));
    let read = partition.read(ReadRequest {
        fetch_offset: Offset::ZERO,
        max_bytes: 1000,
        min_one: true,
        isolation: Isolation::ReadUncommitted,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
    });
    assert_eq!(read.unwrap_err(), ErrorCode::KafkaStorageError);
}
