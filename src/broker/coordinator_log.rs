//! A partition of an internal topic as the log of a coordinator: read from its start, appended to, and waited for.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use crate::log::LogError;
use crate::protocol::batch::{BatchError, BatchRef, split_batches};
use crate::protocol::compression::Decompressor;
use crate::protocol::message::RecordError;
use crate::replication::{CoordinatorAppendError, Partition};
use crate::state_machine::{JournalError, Reload};
use crate::types::Offset;

/// Bytes that a load reads at once; a larger batch is read whole.
const LOAD_BYTES: usize = 1 << 20;
/// Longer than any reply waits for its commit.
const COMMIT_DEADLINE: Duration = Duration::from_secs(3600);

/// Why a partition could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("at offset {0}: {1}")]
    Batch(Offset, BatchError),
    #[error("at offset {0}: {1}")]
    Record(Offset, RecordError),
    #[error("at offset {0}: {1}")]
    Marker(Offset, String),
    #[error("at offset {0}: there is no whole batch")]
    NoBatch(Offset),
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),
}

/// Whether there is nothing to load.
pub fn is_empty(partition: &Partition) -> bool {
    let log = partition.log();
    log.log_start_offset() == log.end_offset()
}

/// Has `take` look at every batch that is committed, in order.
pub fn read_batches(
    partition: &Partition,
    mut take: impl FnMut(&BatchRef<'_>) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let log = partition.log();
    log.settle_acks()?;
    let (mut offset, end) = (log.log_start_offset(), log.high_watermark());
    let mut buffer = Vec::new();
    while offset < end {
        let Some(range) = log.read(offset, LOAD_BYTES, end, true)?.range else { return Ok(()) };
        buffer.resize(range.len, 0);
        range.file.read_exact_at(&mut buffer, range.position)?;
        let began = offset;
        for batch in split_batches(&buffer) {
            let batch = batch.map_err(|error| LoadError::Batch(offset, error))?;
            if batch.header.last_offset() >= offset {
                // After a clean stop nobody else has looked: a damaged position would be believed.
                batch.check_crc().map_err(|error| LoadError::Batch(batch.header.base_offset, error))?;
                take(&batch)?;
            }
            offset = offset.max(batch.header.next_offset());
        }
        if offset == began {
            return Err(LoadError::NoBatch(offset));
        }
    }
    Ok(())
}

/// Has `take` look at the key and value of every record of a batch.
pub fn read_records(
    batch: &BatchRef<'_>,
    mut take: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), RecordError>,
) -> Result<(), LoadError> {
    read_records_at(batch, |_, key, value| take(key, value))
}

/// As [`read_records`], with the offset of each.
pub fn read_records_at(
    batch: &BatchRef<'_>,
    mut take: impl FnMut(Offset, &[u8], Option<&[u8]>) -> Result<(), RecordError>,
) -> Result<(), LoadError> {
    let base = batch.header.base_offset;
    Decompressor::on_this_thread(|decompressor| {
        let records = batch.records(decompressor).map_err(|error| LoadError::Batch(base, error))?;
        for record in records {
            let record = record.map_err(|error| LoadError::Batch(base, BatchError::Record(error)))?;
            let offset = batch.header.offset_of(&record);
            let taken = take(offset, record.key.unwrap_or_default(), record.value);
            taken.map_err(|error| LoadError::Record(offset, error))?;
        }
        Ok(())
    })
}

/// Builds a machine anew by `load`, off the threads that serve, after the partition has lost records.
pub fn reload<M, L>(partition: &Arc<Partition>, load: L) -> Reload<M>
where
    M: Send + 'static,
    L: Fn() -> Result<M, LoadError> + Clone + Send + 'static,
{
    let partition = partition.clone();
    Box::new(move || {
        let (partition, load) = (partition.clone(), load.clone());
        Box::pin(async move {
            let loaded = tokio::task::spawn_blocking(load).await.map_err(|_| JournalError::Unavailable)?;
            loaded.map_err(|error| {
                let log = partition.log();
                tracing::error!("{} has no coordinator any more: it cannot be read {error}", log.partition());
                JournalError::Storage(error.to_string())
            })
        })
    })
}

/// Waits until `offset` is committed; answers how far the partition is by then.
pub async fn committed(partition: &Partition, offset: Offset) -> Result<Offset, JournalError> {
    let committed = partition.committed(offset.next(), Instant::now() + COMMIT_DEADLINE).await;
    committed.map_err(|_| JournalError::NotLeader)?;
    Ok(Offset(partition.log().high_watermark().0 - 1))
}

/// What a refused append means to a state machine.
pub fn not_appended(error: CoordinatorAppendError) -> JournalError {
    match error {
        CoordinatorAppendError::NotLeader => JournalError::NotLeader,
        CoordinatorAppendError::NotEnoughReplicas => JournalError::NotEnoughReplicas,
        CoordinatorAppendError::TooLarge { size, max } => JournalError::TooLarge { size, max },
        CoordinatorAppendError::Refused(reason) => JournalError::Storage(reason),
        CoordinatorAppendError::Log(LogError::Producer(error)) => JournalError::Refused(error.error_code()),
        CoordinatorAppendError::Log(error) => JournalError::Storage(error.to_string()),
    }
}
