//! `__share_group_state` as the journal of the coordinator of share states, and the cutting of its useless beginning.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::coordinator_log::{self, LoadError};
use crate::coordinator::Election;
use crate::coordinator::share::{Record, Redundancy, ShareMachine, ShareStates};
use crate::protocol::batch::BatchBuilder;
use crate::protocol::compression::Compression;
use crate::replication::Partition;
use crate::state_machine::{Journal, JournalError, Reload};
use crate::types::{Clock, Offset};

/// The least time between two cuts.
const PRUNE_INTERVAL: Duration = Duration::from_secs(300);

/// One partition of `__share_group_state`, as a journal.
pub struct ShareLog {
    compression: Compression,
    clock: Clock,
    runtime: Handle,
    pruner: Arc<Pruner>,
}

/// Cuts what stands in front of every state's newest snapshot.
struct Pruner {
    partition: Arc<Partition>,
    noted: Mutex<Noted>,
    /// Whether a cut is to come.
    scheduled: AtomicBool,
}

#[derive(Default)]
struct Noted {
    redundancy: Redundancy,
    /// The last offset that is taken note of.
    end: Offset,
}

impl ShareLog {
    /// A journal over `partition`, whose batches are compressed as `share.coordinator.state.topic.compression.codec`
    /// says. Cuts are made by tasks on `runtime`.
    pub fn new(partition: Arc<Partition>, compression: Compression, clock: Clock, runtime: Handle) -> ShareLog {
        let pruner = Pruner { partition, noted: Mutex::default(), scheduled: AtomicBool::new(false) };
        ShareLog { compression, clock, runtime, pruner: Arc::new(pruner) }
    }

    /// Reads what is committed into `machine`.
    fn load(&self, mut machine: ShareMachine) -> Result<ShareMachine, LoadError> {
        let partition = &self.pruner.partition;
        let mut noted = Noted::default();
        coordinator_log::read_batches(partition, |batch| {
            if batch.header.is_control() {
                return Ok(());
            }
            coordinator_log::read_records_at(batch, |offset, key, value| {
                match Record::decode(key, value)? {
                    Some(record) => {
                        noted.note(&record, offset);
                        machine.load(&record);
                    }
                    None => tracing::warn!("{} holds a record of a newer version", partition.topic_partition),
                }
                Ok(())
            })
        })?;
        *self.pruner.noted.lock().unwrap_or_else(PoisonError::into_inner) = noted;
        self.prune_later();
        Ok(machine)
    }

    /// Has the log cut after a while, if there is anything to cut: at rest nobody wakes up.
    fn prune_later(&self) {
        if !self.pruner.has_useless() || self.pruner.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let pruner = Arc::downgrade(&self.pruner);
        self.runtime.spawn(async move {
            tokio::time::sleep(PRUNE_INTERVAL).await;
            // Whoever leads the partition next cuts it.
            if let Some(pruner) = pruner.upgrade() {
                pruner.scheduled.store(false, Ordering::Release);
                pruner.prune().await;
            }
        });
    }
}

impl Noted {
    fn note(&mut self, record: &Record, at: Offset) {
        self.redundancy.note(record, at);
        self.end = at;
    }
}

impl Pruner {
    fn has_useless(&self) -> bool {
        let useful = self.noted.lock().unwrap_or_else(PoisonError::into_inner).redundancy.first_useful();
        useful > self.partition.log().log_start_offset()
    }

    /// Cuts the log, once the snapshots that make its beginning useless are committed.
    async fn prune(&self) {
        let (useful, end) = {
            let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            (noted.redundancy.first_useful(), noted.end)
        };
        if coordinator_log::committed(&self.partition, end).await.is_err() {
            return;
        }
        if let Err(error) = self.partition.delete_records(useful) {
            tracing::warn!("{} is not cut before offset {useful}: {error}", self.partition.topic_partition);
        }
    }
}

impl Journal for ShareLog {
    type Record = Record;

    fn append(&self, records: &[Record]) -> Result<Offset, JournalError> {
        let now = self.clock.wall();
        let mut builder = BatchBuilder::new(Offset::ZERO).compression(self.compression, None);
        for record in records {
            let (key, value) = record.encode().map_err(|error| JournalError::Storage(error.to_string()))?;
            builder.append(now, Some(&key), value.as_deref(), &[]);
        }
        let appended = self.pruner.partition.append_as_coordinator(builder.build(), now, None, 0);
        let last = appended.map_err(coordinator_log::not_appended)?;
        let mut noted = self.pruner.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let first = last.0 - (records.len() as i64 - 1);
        for (offset, record) in (first..).zip(records) {
            noted.note(record, Offset(offset));
        }
        drop(noted);
        self.prune_later();
        Ok(last)
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        coordinator_log::committed(&self.pruner.partition, offset).await
    }
}

/// Makes this broker the coordinator of a partition it leads: at once if there is nothing to read, else when it is
/// read.
pub fn elect(states: &Arc<ShareStates>, index: i32, log: ShareLog) {
    let election = states.begin(index);
    let log = Arc::new(log);
    if coordinator_log::is_empty(&log.pruner.partition) {
        states.elect(election, states.machine(), log.clone(), Some(reload(states, &log)));
        return;
    }
    let (states, runtime) = (states.clone(), log.runtime.clone());
    runtime.spawn_blocking(move || load_and_elect(&states, election, &log, index));
}

fn load_and_elect(states: &Arc<ShareStates>, election: Election, log: &Arc<ShareLog>, index: i32) {
    match log.load(states.machine()) {
        Ok(machine) => states.elect(election, machine, log.clone(), Some(reload(states, log))),
        Err(error) => {
            tracing::error!("states of __share_group_state-{index} have no coordinator: it cannot be read {error}");
            states.give_up(election);
        }
    }
}

fn reload(states: &Arc<ShareStates>, log: &Arc<ShareLog>) -> Reload<ShareMachine> {
    let (states, again) = (states.clone(), log.clone());
    coordinator_log::reload(&log.pruner.partition, move || again.load(states.machine()))
}
