//! `__consumer_offsets` as the group coordinator's journal.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::coordinator::group::{Election, GroupMachine, Groups, Record};
use crate::log::LogError;
use crate::protocol::batch::{BatchBuilder, BatchError, split_batches};
use crate::protocol::compression::{Compression, Decompressor};
use crate::protocol::message::RecordError;
use crate::replication::{CoordinatorAppendError, Partition};
use crate::state_machine::{Journal, JournalError};
use crate::types::{Clock, Offset};

/// Bytes that a load reads at once; a larger batch is read whole.
const LOAD_BYTES: usize = 1 << 20;
/// Longer than any reply waits for its commit.
const COMMIT_DEADLINE: Duration = Duration::from_secs(3600);

/// One partition of `__consumer_offsets`, as a journal.
pub struct GroupLog {
    partition: Arc<Partition>,
    compression: Compression,
    clock: Clock,
}

/// Why a partition could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("at offset {0}: {1}")]
    Batch(Offset, BatchError),
    #[error("at offset {0}: {1}")]
    Record(Offset, RecordError),
    #[error("at offset {0}: there is no whole batch")]
    NoBatch(Offset),
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),
}

impl GroupLog {
    /// A journal over `partition`, whose batches are compressed as `offsets.topic.compression.codec` says.
    pub fn new(partition: Arc<Partition>, compression: Compression, clock: Clock) -> GroupLog {
        GroupLog { partition, compression, clock }
    }

    /// Whether there is nothing to load.
    pub fn is_empty(&self) -> bool {
        let log = self.partition.log();
        log.log_start_offset() == log.high_watermark()
    }

    /// Reads what is committed into `machine`.
    pub fn load(&self, machine: &mut GroupMachine) -> Result<(), LoadError> {
        let log = self.partition.log();
        let (mut offset, end) = (log.log_start_offset(), log.high_watermark());
        let mut buffer = Vec::new();
        while offset < end {
            let Some(range) = log.read(offset, LOAD_BYTES, end, true)?.range else { return Ok(()) };
            buffer.resize(range.len, 0);
            range.file.read_exact_at(&mut buffer, range.position)?;
            let began = offset;
            for batch in split_batches(&buffer) {
                let batch = batch.map_err(|error| LoadError::Batch(offset, error))?;
                if batch.header.last_offset() >= offset && !batch.header.is_control() {
                    Decompressor::on_this_thread(|decompressor| load_batch(&batch, decompressor, machine))?;
                }
                offset = offset.max(batch.header.next_offset());
            }
            if offset == began {
                return Err(LoadError::NoBatch(offset));
            }
        }
        Ok(())
    }
}

fn load_batch(
    batch: &crate::protocol::batch::BatchRef<'_>,
    decompressor: &mut Decompressor,
    machine: &mut GroupMachine,
) -> Result<(), LoadError> {
    let base = batch.header.base_offset;
    let records = batch.records(decompressor).map_err(|error| LoadError::Batch(base, error))?;
    for record in records {
        let record = record.map_err(|error| LoadError::Batch(base, BatchError::Record(error)))?;
        let offset = batch.header.offset_of(&record);
        let decoded = Record::decode(record.key.unwrap_or_default(), record.value);
        machine.load(&decoded.map_err(|error| LoadError::Record(offset, error))?);
    }
    Ok(())
}

impl Journal for GroupLog {
    type Record = Record;

    fn append(&self, records: &[Record]) -> Result<Offset, JournalError> {
        let now = self.clock.wall();
        let mut builder = BatchBuilder::new(Offset::ZERO).compression(self.compression, None);
        for record in records {
            let (key, value) = record.encode().map_err(|error| JournalError::Storage(error.to_string()))?;
            builder.append(now, Some(&key), value.as_deref(), &[]);
        }
        let batch: Bytes = builder.build();
        self.partition.append_as_coordinator(batch, now).map_err(|error| match error {
            CoordinatorAppendError::NotLeader => JournalError::NotLeader,
            CoordinatorAppendError::NotEnoughReplicas => JournalError::NotEnoughReplicas,
            CoordinatorAppendError::TooLarge { size, max } => JournalError::TooLarge { size, max },
            CoordinatorAppendError::Refused(reason) => JournalError::Storage(reason),
            CoordinatorAppendError::Log(error) => JournalError::Storage(error.to_string()),
        })
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        let committed = self.partition.committed(offset.next(), Instant::now() + COMMIT_DEADLINE).await;
        committed.map_err(|_| JournalError::NotLeader)?;
        Ok(Offset(self.partition.log().high_watermark().0 - 1))
    }
}

/// Makes this broker the coordinator of a partition it leads: at once if there is nothing to read, else when it is
/// read.
pub fn elect(groups: &Arc<Groups>, index: i32, log: GroupLog, blocking: &tokio::runtime::Handle) {
    let election = groups.begin(index);
    let log = Arc::new(log);
    if log.is_empty() {
        groups.elect(election, groups.machine(), log.clone(), Some(reload(groups, log)));
        return;
    }
    let groups = groups.clone();
    blocking.spawn_blocking(move || load_and_elect(&groups, election, &log, index));
}

fn load_and_elect(groups: &Arc<Groups>, election: Election, log: &Arc<GroupLog>, index: i32) {
    let mut machine = groups.machine();
    match log.load(&mut machine) {
        Ok(()) => groups.elect(election, machine, log.clone(), Some(reload(groups, log.clone()))),
        Err(error) => {
            tracing::error!("groups of __consumer_offsets-{index} have no coordinator: it cannot be read {error}");
            groups.give_up(election);
        }
    }
}

/// Builds the machine anew from what is committed, off the threads that serve.
fn reload(groups: &Arc<Groups>, log: Arc<GroupLog>) -> crate::state_machine::Reload<GroupMachine> {
    let groups = groups.clone();
    Box::new(move || {
        let (groups, log) = (groups.clone(), log.clone());
        Box::pin(async move {
            let loaded = tokio::task::spawn_blocking(move || {
                let mut machine = groups.machine();
                log.load(&mut machine).map(|()| machine)
            });
            let machine = loaded.await.map_err(|_| JournalError::Unavailable)?;
            machine.map_err(|error| JournalError::Storage(error.to_string()))
        })
    })
}
