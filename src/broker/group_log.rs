//! `__consumer_offsets` as the group coordinator's journal.

use std::sync::Arc;

use bytes::Bytes;

use super::coordinator_log::{self, LoadError};
use crate::coordinator::Election;
use crate::coordinator::group::{GroupMachine, Groups, Record, TxnProducer};
use crate::log::producer_state::VerificationGuard;
use crate::protocol::batch::{BatchBuilder, BatchRef, NO_SEQUENCE};
use crate::protocol::compression::{Compression, Decompressor};
use crate::protocol::control::{EndTxnMarker, TxnMarker};
use crate::replication::Partition;
use crate::state_machine::{Journal, JournalError, Reload};
use crate::types::{Clock, Millis, Offset};

/// One partition of `__consumer_offsets`, as a journal.
pub struct GroupLog {
    partition: Arc<Partition>,
    compression: Compression,
    clock: Clock,
}

impl GroupLog {
    /// A journal over `partition`, whose batches are compressed as `offsets.topic.compression.codec` says.
    pub fn new(partition: Arc<Partition>, compression: Compression, clock: Clock) -> GroupLog {
        GroupLog { partition, compression, clock }
    }

    /// Reads what is committed into `machine`.
    pub fn load(&self, machine: &mut GroupMachine) -> Result<(), LoadError> {
        coordinator_log::read_batches(&self.partition, |batch| read_batch(batch, |record| machine.load(record)))
    }
}

/// Has `take` look at every record of a batch; a marker is one.
pub(super) fn read_batch(batch: &BatchRef<'_>, mut take: impl FnMut(&Record)) -> Result<(), LoadError> {
    let header = &batch.header;
    let (id, epoch) = (header.producer_id, header.producer_epoch);
    if header.is_control() {
        let marker = Decompressor::on_this_thread(|decompressor| EndTxnMarker::of(batch, decompressor));
        let marker = marker.map_err(|error| LoadError::Marker(header.base_offset, error.to_string()))?;
        if let Some(EndTxnMarker { commit, coordinator_epoch, .. }) = marker {
            let marker =
                TxnMarker { producer_id: id, producer_epoch: epoch, commit, coordinator_epoch, transaction_version: 0 };
            take(&Record::EndTxn(marker));
        }
        return Ok(());
    }
    let producer = header.is_transactional().then_some(TxnProducer { id, epoch, guard: None });
    coordinator_log::read_records(batch, |key, value| {
        let record = Record::decode(key, value)?;
        take(&match producer {
            Some(producer) => record.in_transaction(producer),
            None => record,
        });
        Ok(())
    })
}

/// The batch of these records, none of which is a marker, and what shows its transaction to be verified.
pub(super) fn batch_of(
    records: &[Record],
    compression: Compression,
    now: Millis,
) -> Result<(Bytes, Option<VerificationGuard>), JournalError> {
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(compression, None);
    let mut guard = None;
    if let Some(Record::TxnOffset { producer, .. }) = records.first() {
        builder = builder.producer(producer.id, producer.epoch, NO_SEQUENCE).transactional();
        guard = producer.guard;
    }
    for record in records {
        let (key, value) = record.encode().map_err(|error| JournalError::Storage(error.to_string()))?;
        builder.append(now, Some(&key), value.as_deref(), &[]);
    }
    Ok((builder.build(), guard))
}

impl Journal for GroupLog {
    type Record = Record;

    fn append(&self, records: &[Record]) -> Result<Offset, JournalError> {
        let now = self.clock.wall();
        if let [Record::EndTxn(marker)] = records {
            return self.partition.append_marker(marker, now).map_err(coordinator_log::not_appended);
        }
        let (batch, guard) = batch_of(records, self.compression, now)?;
        let appended = self.partition.append_as_coordinator(batch, now, guard, 0);
        appended.map_err(coordinator_log::not_appended)
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        coordinator_log::committed(&self.partition, offset).await
    }
}

/// Makes this broker the coordinator of a partition it leads: at once if there is nothing to read, else when it is
/// read.
pub fn elect(groups: &Arc<Groups>, index: i32, log: GroupLog, blocking: &tokio::runtime::Handle) {
    let election = groups.begin(index);
    let log = Arc::new(log);
    if coordinator_log::is_empty(&log.partition) {
        groups.elect(election, groups.machine(), log.clone(), Some(reload(groups, &log)));
        return;
    }
    let groups = groups.clone();
    blocking.spawn_blocking(move || load_and_elect(&groups, election, &log, index));
}

fn load_and_elect(groups: &Arc<Groups>, election: Election, log: &Arc<GroupLog>, index: i32) {
    let mut machine = groups.machine();
    match log.load(&mut machine) {
        Ok(()) => groups.elect(election, machine, log.clone(), Some(reload(groups, log))),
        Err(error) => {
            tracing::error!("groups of __consumer_offsets-{index} have no coordinator: it cannot be read {error}");
            groups.give_up(election);
        }
    }
}

fn reload(groups: &Arc<Groups>, log: &Arc<GroupLog>) -> Reload<GroupMachine> {
    let (groups, again) = (groups.clone(), log.clone());
    coordinator_log::reload(&log.partition, move || {
        let mut machine = groups.machine();
        again.load(&mut machine).map(|()| machine)
    })
}
