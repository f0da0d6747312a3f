//! A partition in memory: the real batches and producer states; what is not committed may be lost with the leader.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use bytes::Bytes;

use super::planted::Bug;
use crate::broker::group_log;
use crate::broker::transaction_log;
use crate::coordinator::{group, transaction};
use crate::log::append::AppendOrigin;
use crate::log::producer_state::{
    AppendContext, CompletedTxn, ProducerAppend, ProducerEntry, ProducerError, ProducerRules, ProducerStates,
    SequenceCheck, VerificationGuard,
};
use crate::protocol::batch::{BatchHeader, BatchRef};
use crate::protocol::compression::{Compression, Decompressor};
use crate::protocol::control::{EndTxnMarker, TxnMarker};
use crate::state_machine::{Journal, JournalError};
use crate::types::{
    Clock, ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition, is_internal_topic,
};

/// The level of `transaction.version`.
pub const TRANSACTION_VERSION: i16 = 2;

/// A batch in its place.
#[derive(Clone, Debug)]
pub struct Stored {
    pub header: BatchHeader,
    pub bytes: Bytes,
    pub marker: Option<EndTxnMarker>,
}

impl Stored {
    pub fn batch(&self) -> BatchRef<'_> {
        BatchRef { header: self.header, bytes: &self.bytes }
    }
}

/// Where an append ended up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    pub last: Offset,
    pub duplicate: bool,
}

/// One partition.
pub struct SimLog {
    pub partition: TopicPartition,
    clock: Clock,
    planted: Option<Bug>,
    state: Mutex<State>,
}

struct State {
    batches: Vec<Stored>,
    leader_epoch: i32,
    high_watermark: Offset,
    end: Offset,
    producers: ProducerStates,
    aborted: Vec<CompletedTxn>,
    failing: Option<JournalError>,
}

impl SimLog {
    pub fn new(partition: TopicPartition, clock: Clock, planted: Option<Bug>) -> SimLog {
        let state = State {
            batches: Vec::new(),
            leader_epoch: 0,
            high_watermark: Offset::ZERO,
            end: Offset::ZERO,
            producers: new_producers(planted),
            aborted: Vec::new(),
            failing: None,
        };
        SimLog { partition, clock, planted, state: Mutex::new(state) }
    }

    pub fn leader_epoch(&self) -> i32 {
        self.lock().leader_epoch
    }

    pub fn high_watermark(&self) -> Offset {
        self.lock().high_watermark
    }

    pub fn end(&self) -> Offset {
        self.lock().end
    }

    /// Readers of committed records stop here.
    pub fn last_stable_offset(&self) -> Offset {
        let state = self.lock();
        let unstable =
            state.producers.first_unstable_offset().filter(|_| self.planted != Some(Bug::ReadersPassOpenTransactions));
        unstable.map_or(state.high_watermark, |unstable| unstable.min(state.high_watermark))
    }

    /// The producers as they are known now, committed or not.
    pub fn producers(&self) -> Vec<ProducerEntry> {
        self.lock().producers.entries()
    }

    /// Transactions that readers of committed records skip, by their markers.
    pub fn aborted(&self) -> Vec<CompletedTxn> {
        self.lock().aborted.clone()
    }

    /// The committed batches from the `from`th on.
    pub fn committed_batches(&self, from: usize) -> Vec<Stored> {
        let state = self.lock();
        let committed = |stored: &&Stored| stored.header.last_offset() < state.high_watermark;
        state.batches.iter().skip(from).take_while(committed).cloned().collect()
    }

    /// The next append is refused.
    pub fn fail_next(&self, why: JournalError) {
        self.lock().failing = Some(why);
    }

    /// Everything that was appended is replicated.
    pub fn replicate(&self) {
        let mut state = self.lock();
        state.high_watermark = state.end;
        let high_watermark = state.high_watermark;
        state.producers.on_high_watermark(high_watermark);
    }

    /// Another leader, which has what is committed and of the rest the batches that begin before `keep`.
    pub fn move_leader(&self, keep: Offset) {
        let mut state = self.lock();
        let keep = keep.max(state.high_watermark);
        let batches = std::mem::take(&mut state.batches);
        state.leader_epoch += 1;
        state.failing = None;
        state.end = Offset::ZERO;
        state.producers = new_producers(self.planted);
        state.aborted.clear();
        let context = AppendContext::new(AppendOrigin::Replication);
        for stored in batches.into_iter().take_while(|stored| stored.header.base_offset < keep) {
            let mut append = ProducerAppend::default();
            let checked = state.producers.check(&mut append, &stored.header, stored.marker.as_ref(), context);
            checked.expect("what was appended once can be read again");
            self.put(&mut state, stored, append);
        }
        if self.planted == Some(Bug::ProducersForgottenByNewLeader) {
            let end = state.end;
            state.producers.restart_at(end);
        }
        if self.planted == Some(Bug::AbortedRangesForgottenByNewLeader) && !is_internal_topic(&self.partition.topic) {
            state.aborted.clear();
        }
        let high_watermark = state.high_watermark;
        state.producers.on_high_watermark(high_watermark);
    }

    /// As [`Partition::begin_verification`](crate::replication::Partition::begin_verification).
    pub fn begin_verification(
        &self,
        producer: (ProducerId, ProducerEpoch),
        sequence: i32,
        supports_epoch_bump: bool,
    ) -> Result<Option<VerificationGuard>, ErrorCode> {
        let now = self.clock.wall();
        let begun =
            self.lock().producers.begin_verification(producer.0, producer.1, sequence, supports_epoch_bump, now);
        match begun {
            Ok(_) if self.planted == Some(Bug::TransactionsNotVerified) => Ok(None),
            begun => begun.map_err(|error| error.error_code()),
        }
    }

    /// A batch of a client, or of a coordinator that believes to lead in `leader_epoch`.
    pub fn append(&self, bytes: Bytes, leader_epoch: i32, context: AppendContext) -> Result<Appended, JournalError> {
        let mut state = self.lock();
        if state.leader_epoch != leader_epoch {
            return Err(JournalError::NotLeader);
        }
        if let Some(why) = state.failing.take() {
            return Err(why);
        }
        let mut stored = stored(bytes);
        stored.header.base_offset = state.end;
        stored.header.leader_epoch = LeaderEpoch(leader_epoch);
        if self.planted == Some(Bug::MarkersOfAnyEpoch) && stored.header.is_control() {
            forgive(&state.producers, &mut stored);
        }
        let mut append = ProducerAppend::default();
        let checked = state.producers.check(&mut append, &stored.header, stored.marker.as_ref(), context);
        match checked.map_err(|error: ProducerError| JournalError::Refused(error.error_code()))? {
            SequenceCheck::New => {}
            SequenceCheck::Duplicate { last_offset, .. } => {
                return Ok(Appended { last: last_offset, duplicate: true });
            }
        }
        let last = stored.header.last_offset();
        self.put(&mut state, stored, append);
        Ok(Appended { last, duplicate: false })
    }

    /// Ends a producer's transaction here.
    pub fn append_marker(&self, marker: &TxnMarker, leader_epoch: i32) -> Result<Appended, JournalError> {
        let transaction_version = marker.transaction_version;
        let context = AppendContext { origin: AppendOrigin::Coordinator, guard: None, transaction_version };
        self.append(marker.batch(self.clock.wall()), leader_epoch, context)
    }

    /// Waits until `offset`, which was appended in that epoch, is committed; fails if it may be lost.
    pub async fn committed(&self, offset: Offset, leader_epoch: i32) -> Result<Offset, JournalError> {
        poll_fn(|_| {
            let state = self.lock();
            if self.planted == Some(Bug::AnsweredBeforeCommit) && state.leader_epoch == leader_epoch {
                return Poll::Ready(Ok(offset));
            }
            if state.high_watermark > offset {
                return Poll::Ready(Ok(Offset(state.high_watermark.0 - 1)));
            }
            if state.leader_epoch != leader_epoch {
                return Poll::Ready(Err(JournalError::NotLeader));
            }
            Poll::Pending
        })
        .await
    }

    fn put(&self, state: &mut State, stored: Stored, append: ProducerAppend) {
        state.end = stored.header.next_offset();
        let end = state.end;
        let completed = state.producers.commit(append, end);
        state.aborted.extend(completed.into_iter().filter(|completed| completed.aborted));
        state.batches.push(stored);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding a log")
    }
}

fn new_producers(planted: Option<Bug>) -> ProducerStates {
    let transaction_verification = planted != Some(Bug::TransactionsNotVerified);
    ProducerStates::new(ProducerRules { transaction_verification, ..ProducerRules::default() })
}

fn stored(bytes: Bytes) -> Stored {
    let batch = BatchRef::parse(&bytes).expect("a batch that was built here");
    let header = batch.header;
    let read =
        |decompressor: &mut Decompressor| EndTxnMarker::of(&batch, decompressor).expect("a marker that was built here");
    let marker = if header.is_control() { Decompressor::on_this_thread(read) } else { None };
    Stored { header, marker, bytes }
}

/// Has a marker pass for one that the producer's present epoch allows.
fn forgive(producers: &ProducerStates, stored: &mut Stored) {
    let known = producers.entries().into_iter().find(|known| known.producer_id == stored.header.producer_id);
    let Some(known) = known else { return };
    let raise = i16::from(known.current_txn_first_offset.is_some());
    let least = ProducerEpoch(known.producer_epoch.0.saturating_add(raise));
    stored.header.producer_epoch = stored.header.producer_epoch.max(least);
    if let Some(marker) = &mut stored.marker {
        marker.coordinator_epoch = marker.coordinator_epoch.max(known.coordinator_epoch);
    }
}

/// A partition as the journal of a coordinator, for one leadership of it.
pub struct SimJournal<R> {
    pub log: Arc<SimLog>,
    pub leader_epoch: i32,
    pub write: fn(&SimJournal<R>, &[R]) -> Result<Appended, JournalError>,
}

impl<R: Send + Sync + 'static> Journal for SimJournal<R> {
    type Record = R;

    fn append(&self, records: &[R]) -> Result<Offset, JournalError> {
        (self.write)(self, records).map(|appended| appended.last)
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        self.log.committed(offset, self.leader_epoch).await
    }
}

/// Writes as [`GroupLog`](group_log::GroupLog) does.
pub fn write_groups(journal: &SimJournal<group::Record>, records: &[group::Record]) -> Result<Appended, JournalError> {
    if let [group::Record::EndTxn(marker)] = records {
        return journal.log.append_marker(marker, journal.leader_epoch);
    }
    let (batch, guard) = group_log::batch_of(records, Compression::None, journal.log.clock.wall())?;
    let context = AppendContext { origin: AppendOrigin::Coordinator, guard, transaction_version: 0 };
    journal.log.append(batch, journal.leader_epoch, context)
}

/// Writes as [`TransactionLog`](transaction_log::TransactionLog) does.
pub fn write_transactions(
    journal: &SimJournal<transaction::Record>,
    records: &[transaction::Record],
) -> Result<Appended, JournalError> {
    let batch = transaction_log::batch_of(records, TRANSACTION_VERSION, journal.log.clock.wall())?;
    journal.log.append(batch, journal.leader_epoch, AppendContext::new(AppendOrigin::Coordinator))
}
