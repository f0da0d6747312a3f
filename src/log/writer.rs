//! Appending. Whoever gets the writer's lock writes for all that wait, in one vectored write.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::config::TopicConfig;
use crate::protocol::batch::{BatchHeader, BatchRef, TimestampType, split_batches};
use crate::protocol::compression::Decompressor;
use crate::protocol::control::EndTxnMarker;
use crate::types::{LeaderEpoch, Millis, Offset};

use super::append::{AppendOrigin, ValidatedBatch, ValidatedBatches};
use super::disk::SLICES_MAX;
use super::names::{FileKind, FileState};
use super::offset_index::OffsetEntry;
use super::partition_log::{Log, roll_jitter};
use super::producer_state::{AppendContext, ProducerAppend, ProducerStates, SequenceCheck};
use super::segment::{BatchWrite, RELATIVE_OFFSET_MAX, Segment};
use super::sparse_index::Entry;
use super::time_index::TimeEntry;
use super::txn_index::AbortedTxn;
use super::undo::Undo;
use super::work::Work;
use super::{LogError, snapshots};

/// Batches of one group: each takes two slices of a vectored write.
const GROUP_BATCHES_MAX: usize = SLICES_MAX / 2;

/// What an append did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogAppendInfo {
    /// `NONE` if there was nothing to append.
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// The time the log gave the records; -1 where they keep their own.
    pub log_append_time: Millis,
    pub log_start_offset: Offset,
    /// The batch was in the log already; the offsets are the ones it got then.
    pub duplicate: bool,
}

/// What only the append owner touches.
pub(super) struct Writer {
    pub producers: ProducerStates,
    /// The offset of the newest snapshot on disk.
    pub last_snapshot: Offset,
}

/// An append that waits for an owner.
pub(super) struct Pending {
    batches: Vec<PendingBatch>,
    /// The epoch to stamp; `None` keeps offsets and epochs as they are.
    leader_epoch: Option<LeaderEpoch>,
    context: AppendContext,
    outcome: Arc<Outcome>,
}

struct PendingBatch {
    bytes: Bytes,
    header: BatchHeader,
    marker: Option<EndTxnMarker>,
}

type Outcome = Mutex<Option<Result<LogAppendInfo, LogError>>>;

/// Batches of a group that are checked but not yet written.
#[derive(Default)]
struct Staged {
    batches: Vec<BatchWrite>,
    bytes: u64,
    aborted: Vec<AbortedTxn>,
    answers: Vec<(Arc<Outcome>, LogAppendInfo)>,
    undo: Undo,
}

impl Writer {
    /// The first offset of a transaction that is undecided, or decided above the high watermark.
    pub fn first_undecided(&self) -> Offset {
        self.producers.first_unstable_offset().unwrap_or(Offset(i64::MAX))
    }

    /// Transactions decided below the high watermark hold readers back no more.
    pub fn on_high_watermark(&mut self, offset: Offset) {
        self.producers.on_high_watermark(offset);
    }
}

impl Log {
    /// Appends validated batches at the end, as a leader does: gives them offsets and the leader's epoch.
    pub fn append(
        &self,
        batches: ValidatedBatches,
        leader_epoch: LeaderEpoch,
        origin: AppendOrigin,
    ) -> Result<LogAppendInfo, LogError> {
        self.append_in(batches, leader_epoch, AppendContext::new(origin))
    }

    /// As [`Log::append`], for appends that belong to a verified transaction. Batches of an origin that assigns its
    /// own offsets keep them.
    pub fn append_in(
        &self,
        batches: ValidatedBatches,
        leader_epoch: LeaderEpoch,
        context: AppendContext,
    ) -> Result<LogAppendInfo, LogError> {
        let epoch = context.origin.assigns_offsets().then_some(leader_epoch);
        let pending =
            |batch: ValidatedBatch| PendingBatch { bytes: batch.bytes, header: batch.header, marker: batch.marker };
        self.enqueue(batches.batches.into_iter().map(pending).collect(), epoch, context)
    }

    /// Appends batches with the offsets and epochs that they bring, as a follower does.
    pub fn append_as_follower(&self, records: &Bytes) -> Result<LogAppendInfo, LogError> {
        let invalid = |reason: String| LogError::InvalidBatch { reason };
        let mut batches = Vec::new();
        for batch in split_batches(records) {
            let batch = batch.map_err(|error| invalid(error.to_string()))?;
            batch.check_crc().map_err(|error| invalid(error.to_string()))?;
            let marker = marker_of(&batch)?;
            batches.push(PendingBatch { bytes: records.slice_ref(batch.bytes), header: batch.header, marker });
        }
        self.enqueue(batches, None, AppendContext::new(AppendOrigin::Replication))
    }

    fn enqueue(
        &self,
        batches: Vec<PendingBatch>,
        leader_epoch: Option<LeaderEpoch>,
        context: AppendContext,
    ) -> Result<LogAppendInfo, LogError> {
        self.ensure_online()?;
        self.begin_metadata_sync();
        if batches.is_empty() {
            return Ok(self.info(Offset::NONE, Offset::NONE, Millis(-1), false));
        }
        let outcome = Arc::<Outcome>::default();
        let pending = Pending { batches, leader_epoch, context, outcome: outcome.clone() };
        self.queue.lock().expect("this lock is never held across a panic").push(pending);
        {
            let mut writer = self.lock_writer();
            let group = std::mem::take(&mut *self.queue.lock().expect("this lock is never held across a panic"));
            self.append_group(&mut writer, group);
        }
        let taken = outcome.lock().expect("this lock is never held across a panic").take();
        let result = taken.expect("every append of a group is answered before the writer's lock is given up");
        if result.is_ok() {
            self.begin_sync();
        }
        if result.is_ok() && self.unflushed_records() >= self.config().flush_messages {
            self.flush()?;
        }
        result
    }

    fn append_group(&self, writer: &mut Writer, group: Vec<Pending>) {
        let config = self.config();
        let mut staged = Staged::default();
        let mut end = self.end_offset();
        for pending in group {
            let outcome = pending.outcome.clone();
            if let Err(error) = self.stage(writer, &mut staged, &mut end, pending, &config) {
                *outcome.lock().expect("this lock is never held across a panic") = Some(Err(error));
            }
        }
        // Whoever waits for it is told.
        let _ = self.write_staged(writer, &mut staged, &config);
    }

    /// Checks one append and puts it behind what is staged already.
    fn stage(
        &self,
        writer: &mut Writer,
        staged: &mut Staged,
        end: &mut Offset,
        pending: Pending,
        config: &TopicConfig,
    ) -> Result<(), LogError> {
        self.ensure_online()?;
        let Pending { mut batches, leader_epoch, context, outcome } = pending;
        let size: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
        if size > config.segment_bytes as usize {
            return Err(LogError::RecordBatchTooLarge { size, segment_bytes: config.segment_bytes as usize });
        }
        let mut next = *end;
        for PendingBatch { header, .. } in &mut batches {
            match leader_epoch {
                Some(epoch) => (header.base_offset, header.leader_epoch) = (next, epoch),
                None if header.base_offset < next && *end > Offset::ZERO || header.last_offset() < next => {
                    return Err(LogError::UnexpectedOffset { first: header.base_offset, end: next });
                }
                None => {}
            }
            next = header.next_offset();
        }
        if batches.iter().any(|batch| batch.header.is_transactional()) {
            writer.producers.set_rules(self.context.producer_rules());
        }
        let mut producers = ProducerAppend::default();
        if let Some(duplicate) = self.check_producers(writer, &mut producers, &batches, context)? {
            staged.answers.push((outcome, duplicate));
            return Ok(());
        }
        let first = batches[0].header.base_offset;
        let must_roll = self.must_roll(staged, size as u64, &batches, config)?;
        if must_roll || staged.batches.len() + batches.len() > GROUP_BATCHES_MAX {
            self.write_staged(writer, staged, config).inspect_err(|_| *end = self.end_offset())?;
        }
        if must_roll {
            self.guard(self.roll_at(writer, first))?;
        }
        staged.undo.note(self, writer, batches.iter().any(|batch| batch.header.has_producer_id()));
        let mut log_append_time = Millis(-1);
        let completed = writer.producers.commit(producers, next);
        staged.aborted.extend(completed.iter().filter_map(AbortedTxn::of));
        for PendingBatch { bytes, header, .. } in batches {
            self.change_epochs(|epochs| epochs.assign(header.leader_epoch, header.base_offset));
            if header.timestamp_type() == TimestampType::LogAppendTime {
                log_append_time = header.max_timestamp;
            }
            staged.bytes += bytes.len() as u64;
            staged.batches.push(BatchWrite {
                head: header.patched_prefix(),
                bytes,
                last_offset: header.last_offset(),
                max_timestamp: header.max_timestamp,
            });
        }
        staged.answers.push((outcome, self.info(first, next + -1, log_append_time, false)));
        *end = next;
        Ok(())
    }

    /// Checks every batch against its producer; answers with the earlier append if this one repeats it.
    fn check_producers(
        &self,
        writer: &Writer,
        producers: &mut ProducerAppend,
        batches: &[PendingBatch],
        context: AppendContext,
    ) -> Result<Option<LogAppendInfo>, LogError> {
        for batch in batches {
            match writer.producers.check(producers, &batch.header, batch.marker.as_ref(), context)? {
                SequenceCheck::New => {}
                SequenceCheck::Duplicate { base_offset, last_offset, timestamp } => {
                    return Ok(Some(self.info(base_offset, last_offset, timestamp, true)));
                }
            }
        }
        Ok(None)
    }

    fn must_roll(
        &self,
        staged: &Staged,
        incoming: u64,
        batches: &[PendingBatch],
        config: &TopicConfig,
    ) -> Result<bool, LogError> {
        let active = self.active();
        let size = active.size() + staged.bytes;
        let last_offset = batches.last().map_or(Offset::NONE, |batch| batch.header.last_offset());
        let too_far = last_offset - active.base() > RELATIVE_OFFSET_MAX;
        if size == 0 {
            return Ok(too_far && batches[0].header.base_offset > active.base());
        }
        let newest = batches.iter().map(|batch| batch.header.max_timestamp).max().unwrap_or(Millis(-1));
        let index_bytes_max = config.segment_index_bytes as usize;
        let waited = match active.size() {
            0 => Millis(0),
            _ => active.waited_for_roll(self.context.clock.wall(), newest)?,
        };
        Ok(size + incoming > config.segment_bytes as u64
            || waited > Millis(config.max_segment_ms()) - active.jitter()
            || active.offset_index.count() >= index_bytes_max / OffsetEntry::SIZE
            || active.time_index.count() + 1 >= index_bytes_max / TimeEntry::SIZE
            || too_far)
    }

    /// Writes what is staged, publishes it and answers. A failed write takes the log out of service, unless there is
    /// just no room: then it is as if nothing had been appended.
    fn write_staged(&self, writer: &mut Writer, staged: &mut Staged, config: &TopicConfig) -> Result<(), LogError> {
        let staged = std::mem::take(staged);
        let result = self.guard(self.write(&staged, config));
        match result {
            Ok(()) => {
                self.context.changed.store(true, Ordering::Release);
                self.first_undecided.store(writer.first_undecided().0, Ordering::Release);
            }
            Err(_) => self.take_back(writer, staged.undo),
        }
        for (outcome, info) in staged.answers {
            let answer = result.clone().map(|()| info);
            *outcome.lock().expect("this lock is never held across a panic") = Some(answer);
        }
        result
    }

    fn write(&self, staged: &Staged, config: &TopicConfig) -> Result<(), LogError> {
        let Some(last) = staged.batches.last() else { return Ok(()) };
        let active = self.active();
        let append = || active.append(&staged.batches, config.index_interval_bytes as u64);
        match staged.aborted.is_empty() {
            true => append()?,
            false => {
                // The first one of a segment makes a file.
                self.files_changed.store(true, Ordering::Release);
                note_aborted(&active, &staged.aborted, append)?;
            }
        }
        self.durability.hold(|| active.file())?;
        self.durability.note_appended(staged.bytes);
        if self.space.get().is_some_and(|space| space.take(staged.bytes)) {
            self.context.space_alarm.raise();
        }
        self.end.store(last.last_offset.next().0, Ordering::Release);
        self.context.note_appended(staged.bytes);
        Ok(())
    }

    /// Begins a new segment at the end of the log. Does nothing while the active one is empty.
    pub fn roll(&self) -> Result<(), LogError> {
        self.ensure_online()?;
        let mut writer = self.lock_writer();
        match self.active().size() {
            0 => Ok(()),
            _ => self.guard(self.roll_at(&mut writer, self.end_offset())),
        }
    }

    /// Seals the active segment and begins one at `base`, which is at or behind the log's end.
    pub(super) fn roll_at(&self, writer: &mut Writer, base: Offset) -> Result<(), LogError> {
        let base = base.max(self.end_offset());
        let old = self.active();
        if base <= old.base() {
            // Only a file that was changed behind our back can hold data and end before it begins.
            let reason = format!("its records end at offset {base}, where it begins");
            let file = old.path(FileKind::Log);
            return Err(LogError::Damaged { file, position: 0, offset: base, reason });
        }
        old.seal()?;
        old.publish(old.size(), base);
        writer.producers.set_end_offset(base);
        self.snapshot(writer)?;
        let config = self.config();
        let jitter = roll_jitter(&self.partition, base, &config);
        let new =
            Segment::create(FileState::Live, &self.path, &self.context.cache, base, self.context.clock.wall(), jitter)?;
        let mut segments = self.segments.load_full().to_vec();
        segments.push(Arc::new(new));
        self.files_changed.store(true, Ordering::Release);
        self.segments.store(Arc::new(segments));
        if !self.flush_queued.swap(true, Ordering::AcqRel) {
            self.context.work.push(Work::FlushSealed(self.this.clone()));
        }
        tracing::debug!(partition = %self.partition, %base, "rolled a new segment");
        Ok(())
    }

    /// Writes the producer states at the log's end, unless that snapshot exists.
    pub(super) fn snapshot(&self, writer: &mut Writer) -> Result<(), LogError> {
        let offset = writer.producers.end_offset();
        if offset > writer.last_snapshot {
            snapshots::write(&self.dir(), offset, &writer.producers)?;
            self.files_changed.store(true, Ordering::Release);
            writer.last_snapshot = offset;
        }
        Ok(())
    }

    fn info(&self, first: Offset, last: Offset, log_append_time: Millis, duplicate: bool) -> LogAppendInfo {
        let log_start_offset = self.log_start_offset();
        LogAppendInfo { first_offset: first, last_offset: last, log_append_time, log_start_offset, duplicate }
    }
}

/// Notes aborted transactions before the markers that end them are appended: until then nobody asks for them.
fn note_aborted(
    active: &Segment,
    aborted: &[AbortedTxn],
    append: impl FnOnce() -> Result<(), LogError>,
) -> Result<(), LogError> {
    let (path, known) = (active.path(FileKind::TxnIndex), active.txn_index.count());
    let noted = aborted.iter().try_for_each(|txn| active.add_aborted(txn));
    let written = noted.and_then(|()| append());
    if written.is_err() {
        active.txn_index.cut(&path, known)?;
    }
    written
}

/// What a transaction marker says, if the batch is one.
pub(super) fn marker_of(batch: &BatchRef<'_>) -> Result<Option<EndTxnMarker>, LogError> {
    if !batch.header.is_control() || !batch.header.has_producer_id() {
        return Ok(None);
    }
    Decompressor::on_this_thread(|decompressor| EndTxnMarker::of(batch, decompressor))
        .map_err(|error| LogError::InvalidBatch { reason: error.to_string() })
}
