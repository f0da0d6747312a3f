//! `__transaction_state` as the transaction coordinator's journal.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::coordinator_log::{self, LoadError};
use super::markers;
use crate::coordinator::Election;
use crate::coordinator::transaction::{Record, TransactionMachine, Transactions};
use crate::handlers::Node;
use crate::protocol::batch::{BatchBuilder, BatchRef};
use crate::replication::Partition;
use crate::state_machine::{Journal, JournalError, Reload};
use crate::types::{Clock, Millis, Offset};

/// One partition of `__transaction_state`, as a journal.
pub struct TransactionLog {
    partition: Arc<Partition>,
    transactions: Arc<Transactions>,
    clock: Clock,
}

impl TransactionLog {
    /// A journal over `partition`, whose batches are never compressed.
    pub fn new(partition: Arc<Partition>, transactions: Arc<Transactions>, clock: Clock) -> TransactionLog {
        TransactionLog { partition, transactions, clock }
    }

    /// What is committed, as a machine.
    fn load(&self) -> Result<TransactionMachine, LoadError> {
        let mut machine = self.transactions.machine();
        coordinator_log::read_batches(&self.partition, |batch| read_batch(batch, |record| machine.load(record)))?;
        Ok(machine)
    }
}

/// Has `take` look at every record of a batch.
pub(super) fn read_batch(batch: &BatchRef<'_>, mut take: impl FnMut(&Record)) -> Result<(), LoadError> {
    if batch.header.is_control() {
        return Ok(());
    }
    coordinator_log::read_records(batch, |key, value| {
        match Record::decode(key, value)? {
            Some(record) => take(&record),
            None => tracing::warn!("__transaction_state holds a record of a newer version"),
        }
        Ok(())
    })
}

/// The batch of these records while `transaction.version` is finalised at `level`.
pub(super) fn batch_of(records: &[Record], level: i16, now: Millis) -> Result<Bytes, JournalError> {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for record in records {
        let (key, value) = record.encode(level).map_err(|error| JournalError::Storage(error.to_string()))?;
        builder.append(now, Some(&key), value.as_deref(), &[]);
    }
    Ok(builder.build())
}

impl Journal for TransactionLog {
    type Record = Record;

    fn append(&self, records: &[Record]) -> Result<Offset, JournalError> {
        let (now, level) = (self.clock.wall(), self.transactions.transaction_version());
        let appended = self.partition.append_as_coordinator(batch_of(records, level, now)?, now, None, 0);
        appended.map_err(coordinator_log::not_appended)
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        coordinator_log::committed(&self.partition, offset).await
    }
}

/// Makes this broker the coordinator of a partition it leads: at once if there is nothing to read, else when it is
/// read. The markers of its transactions are written by tasks on `runtime`.
pub fn elect(node: &Weak<Node>, index: i32, log: TransactionLog, runtime: &tokio::runtime::Handle) {
    let election = log.transactions.begin(index);
    let log = Arc::new(log);
    if coordinator_log::is_empty(&log.partition) {
        let machine = log.transactions.machine();
        return coordinate(node, election, &log, machine, runtime);
    }
    let (node, handle) = (node.clone(), runtime.clone());
    runtime.spawn_blocking(move || match log.load() {
        Ok(machine) => coordinate(&node, election, &log, machine, &handle),
        Err(error) => {
            tracing::error!(
                "transactions of __transaction_state-{index} have no coordinator: it cannot be read {error}"
            );
            log.transactions.give_up(election);
        }
    });
}

fn coordinate(
    node: &Weak<Node>,
    election: Election,
    log: &Arc<TransactionLog>,
    machine: TransactionMachine,
    runtime: &tokio::runtime::Handle,
) {
    let coordinator_epoch = log.partition.leadership().leader_epoch.0;
    let worker = log.transactions.elect(election, machine, log.clone(), Some(reload(log)));
    if let Some(worker) = worker {
        runtime.spawn(markers::work(node.clone(), worker, coordinator_epoch));
    }
}

fn reload(log: &Arc<TransactionLog>) -> Reload<TransactionMachine> {
    let again = log.clone();
    coordinator_log::reload(&log.partition, move || again.load())
}
