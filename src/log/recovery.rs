//! Opening a log: leftovers of interrupted work, segments, the torn tail, indexes, producer states.
//!
//! Data before the recovery point is trusted, what lies behind it is walked and checked: from the recovery point itself
//! where the indexes are those of a process that synced them before it moved the point (`resume.rs`). Only bytes
//! behind the last good batch of the last segment are cut. Where bytes never
//! reached the disk, a power cut may have left good data behind them, all of it unsynced, which is cut as well. Anything
//! else that is wrong before good data takes the log offline as it is: a human or a replica can mend it, a cut could not
//! be undone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::protocol::batch::BatchRef;
use crate::types::Offset;

use super::append::AppendOrigin;
use super::leader_epochs::LeaderEpochs;
use super::leftovers::{FoundFile, settle_leftovers};
use super::names::{FileKind, FileState, file_path};
use super::offset_index::OffsetEntry;
use super::partition_log::{Log, LogContext, LogOptions, LogParts, roll_jitter};
use super::producer_state::{AppendContext, ProducerAppend, ProducerStates};
use super::resync::{self, Gap};
use super::scan::{Located, SEEK_WINDOW_BYTES, Scanner, Step, WALK_WINDOW_BYTES};
use super::segment::{FileSizes, LogPath, RELATIVE_OFFSET_MAX, Segment, log_path};
use super::sparse_index::Entry;
use super::time_index::TimeEntry;
use super::txn_index::AbortedTxn;
use super::work::Work;
use super::writer::{Writer, marker_of};
use super::{LogError, checkpoint, disk, snapshots};

impl Log {
    /// Opens the log in `options.dir`, which exists, and recovers it if need be.
    pub fn open(options: &LogOptions, context: Arc<LogContext>) -> Result<Arc<Log>, LogError> {
        let files = settle_leftovers(&options.dir)?;
        let topic_id = checkpoint::read_topic_id(&options.dir)?;
        let known_epochs = checkpoint::read_epochs(&options.dir.join(checkpoint::LEADER_EPOCH))?;
        let mut loader = Loader {
            path: log_path(&options.dir),
            files,
            options,
            context: &context,
            segments: Vec::new(),
            epochs: LeaderEpochs::from_entries(known_epochs.clone()),
            producers: ProducerStates::new(context.producer_rules()),
            recovered: false,
        };
        loader.load_segments()?;
        let end = loader.load_records()?;
        let last = loader.segments.last().expect("it was created if there was none");
        if !options.clean && end <= options.recovery_point && last.size() > 0 {
            // A truncation may have ended in the middle: what it has cut must not come back before the recovery point.
            last.sync()?;
        }
        let (start, end) = loader.settle_start(end)?;
        loader.epochs.truncate_end(end);
        loader.epochs.truncate_start(start);
        let last_snapshot = loader.settle_snapshots(end)?;
        let Loader { path, segments, epochs, producers, .. } = loader;
        let recovery_point = if options.clean { end } else { options.recovery_point.min(end) };
        let writer = Writer { producers, last_snapshot };
        let epochs_dirty = epochs.entries() != known_epochs;
        let parts = LogParts { path, segments, start, end, recovery_point, epochs, epochs_dirty, writer, topic_id };
        let log = Log::assemble(options, context.clone(), parts);
        log.settle_acks()?;
        Ok(log)
    }
}

struct Loader<'o> {
    options: &'o LogOptions,
    context: &'o Arc<LogContext>,
    path: Arc<LogPath>,
    /// What was found in the directory.
    files: Vec<FoundFile>,
    segments: Vec<Arc<Segment>>,
    epochs: LeaderEpochs,
    producers: ProducerStates,
    /// Something was walked and may have changed.
    recovered: bool,
}

impl Loader<'_> {
    /// Finds the segments' files; missing or malformed indexes of checked segments are rebuilt.
    fn load_segments(&mut self) -> Result<(), LogError> {
        let dir = &self.options.dir;
        let mut sizes: BTreeMap<Offset, (FileSizes, [bool; 3])> = BTreeMap::new();
        for &(base, kind, state, len) in &self.files {
            if state != FileState::Live || kind == FileKind::Snapshot {
                continue;
            }
            let (sizes, found) = sizes.entry(base).or_default();
            match kind {
                FileKind::Log => (sizes.log, found[0]) = (len, true),
                FileKind::OffsetIndex => (sizes.offset_index, found[1]) = (len, true),
                FileKind::TimeIndex => (sizes.time_index, found[2]) = (len, true),
                FileKind::TxnIndex => sizes.txn_index = len,
                FileKind::Snapshot => {}
            }
        }
        let orphans: Vec<Offset> = sizes.iter().filter(|(_, (_, found))| !found[0]).map(|(base, _)| *base).collect();
        for base in orphans {
            tracing::warn!(partition = %self.options.partition, %base, "removing index files that have no log file");
            remove_segment_files(dir, base)?;
            sizes.remove(&base);
        }
        let bases: Vec<Offset> = sizes.keys().copied().collect();
        for (n, (base, (sizes, found))) in sizes.into_iter().enumerate() {
            let next = bases.get(n + 1).copied();
            let segment = self.segment(base, sizes, next.unwrap_or(base));
            let usable = found[1] && found[2] && indexes_plausible(&segment, sizes)?;
            if usable {
                segment.offset_index.note_exact();
                segment.time_index.note_exact();
            }
            if !self.is_unchecked(next) && !usable {
                tracing::warn!(partition = %self.options.partition, %base, "rebuilding missing or malformed indexes");
                rebuild_indexes(&segment, self.options.config.index_interval_bytes as u64)?;
            }
            self.segments.push(Arc::new(segment));
        }
        Ok(())
    }

    /// Whether the segment that ends at `next` (the last one: `None`) has to be walked. One that ends at the recovery point
    /// may have been the last one when that was written down, and its indexes not complete.
    fn is_unchecked(&self, next: Option<Offset>) -> bool {
        !self.options.clean && next.is_none_or(|next| next >= self.options.recovery_point)
    }

    /// Walks what is not known to be good, and brings producer states to the end. Answers the log's end.
    fn load_records(&mut self) -> Result<Offset, LogError> {
        if self.segments.is_empty() {
            return self.create_first(self.options.log_start.max(Offset::ZERO));
        }
        let bases: Vec<Offset> = self.segments.iter().map(|segment| segment.base()).collect();
        let next = |n: usize| bases.get(n + 1).copied();
        let checked = (0..bases.len()).take_while(|n| !self.is_unchecked(next(*n))).count();
        if checked == bases.len() {
            let last = self.segments[checked - 1].clone();
            self.find_end(&last)?;
        }
        let resumed = self.segments.get(checked).map(|segment| segment.resume_at(self.options.recovery_point));
        let resumed = resumed.transpose()?.flatten();
        if !self.walk_behind(checked, resumed)? {
            // What counted as synced is not there: nothing but a whole walk tells what is.
            self.producers = ProducerStates::new(self.context.producer_rules());
            self.walk_behind(checked, None)?;
        }
        Ok(self.segments.last().expect("checked above").next_offset())
    }

    /// Brings producer states to the end of the first `checked` segments and walks the others, the first of them from
    /// the batch at `resumed`. Answers false if the log ends before the recovery point nevertheless.
    fn walk_behind(&mut self, checked: usize, resumed: Option<Located>) -> Result<bool, LogError> {
        let walked_base = self.segments.get(checked).map_or(Offset(i64::MAX), |segment| segment.base());
        let trusted = resumed.map_or(walked_base, |_| self.options.recovery_point);
        let replay_from = self.load_snapshot(trusted)?;
        for n in 0..checked {
            let segment = self.segments[n].clone();
            if segment.next_offset() > replay_from {
                self.replay(&segment, replay_from, segment.size())?;
            }
        }
        for n in checked..self.segments.len() {
            self.recovered = true;
            let segment = self.segments[n].clone();
            let from = resumed.filter(|_| n == checked);
            if let Some(batch) = from.filter(|batch| batch.header.base_offset > replay_from) {
                self.replay(&segment, replay_from, batch.position)?;
            }
            if !self.walk(&segment, from, replay_from, n + 1 == self.segments.len())? {
                return Ok(false);
            }
            if self.segments.get(n + 1).is_some_and(|next| self.is_lost(&segment, next)) {
                self.drop_behind(&segment)?;
            }
            if n + 1 >= self.segments.len() {
                break;
            }
        }
        Ok(true)
    }

    /// Takes the newest readable snapshot at or before `limit`; answers from where records are to be replayed.
    fn load_snapshot(&mut self, limit: Offset) -> Result<Offset, LogError> {
        for offset in self.found_snapshots().into_iter().rev().filter(|offset| *offset <= limit) {
            if snapshots::load(&self.options.dir, offset, &mut self.producers, self.context.clock.wall())? {
                return Ok(offset);
            }
        }
        Ok(self.options.log_start)
    }

    /// Replays a segment's batches from `from` into the producer states; those before the byte at `end` are good.
    fn replay(&mut self, segment: &Segment, from: Offset, end: u64) -> Result<(), LogError> {
        let Some(first) = segment.locate(from)? else { return Ok(()) };
        let mut scanner = segment.scanner(first.position, end, WALK_WINDOW_BYTES)?;
        while let Some(batch) = scanner.next_good()? {
            replay_batch(&mut self.producers, &mut scanner, &batch)?;
        }
        self.producers.set_end_offset(segment.next_offset());
        Ok(())
    }

    /// Checks every batch of a segment, or those from `from` on, and builds the indexes again. In the last segment a
    /// torn tail is cut. Answers false, with nothing cut, if a walk from `from` meets the end before the recovery point.
    fn walk(
        &mut self,
        segment: &Segment,
        from: Option<Located>,
        replay_from: Offset,
        last: bool,
    ) -> Result<bool, LogError> {
        if segment.is_bare() {
            // There is nothing to find, and index files that are not there yet come with the first entries.
            segment.publish(0, segment.base());
            return Ok(true);
        }
        let (position, mut next) = match from {
            None => {
                segment.clear_indexes()?;
                (0, segment.base())
            }
            Some(Located { position, header }) => {
                segment.forget_indexes_behind(header.last_offset(), header.base_offset.max(replay_from))?;
                (position, header.base_offset)
            }
        };
        // Of what is walked the records tell the epochs: the file may be of a time when there were others.
        self.epochs.truncate_end(next);
        let size = segment.size();
        disk::drop_cached(&*segment.file()?, &segment.path(FileKind::Log), position)?;
        let mut scanner = segment.scanner(position, size, WALK_WINDOW_BYTES)?;
        let broken = loop {
            let batch = match scanner.step()? {
                Step::End => break None,
                Step::Broken(reason) => break Some(Fault { position: scanner.position(), intact: false, reason }),
                Step::Batch(batch) => batch,
            };
            if let Some(fault) = fault(&mut scanner, &batch, segment.base(), next)? {
                break Some(fault);
            }
            let is_indexed = from.is_some() && batch.header.last_offset() < self.options.recovery_point;
            self.accept(segment, &mut scanner, &batch, replay_from, is_indexed)?;
            if !self.context.opening.note_walked(batch.header.total_len() as u64) {
                let partition = self.options.partition.clone();
                return Err(LogError::Offline { partition, reason: "the broker stops".into() });
            }
            next = batch.header.next_offset();
        };
        if from.is_some() && next < self.options.recovery_point && (broken.is_some() || last) {
            return Ok(false);
        }
        if from.is_some() && replay_from < self.options.recovery_point && !segment.txn_index.is_empty() {
            // The next start may find a newer snapshot, and replays no marker before it.
            disk::sync_path(&segment.path(FileKind::TxnIndex))?;
            disk::sync_dir(&self.options.dir)?;
        }
        let mut good = size;
        if let Some(fault) = broken {
            good = fault.position;
            self.settle_damage(segment, &scanner, fault, next, last)?;
        }
        segment.publish(good, next);
        // What a whole walk finds before the recovery point the next start will believe.
        let is_believed = from.is_none() && segment.base() < self.options.recovery_point;
        if let Err(error) = if is_believed { segment.seal_anew() } else { segment.seal() } {
            if !error.is_out_of_space() {
                return Err(error);
            }
            // A part of the entries on disk would pass for all of them at the next start.
            rebuild_indexes(segment, self.options.config.index_interval_bytes as u64)?;
        }
        Ok(true)
    }

    fn accept(
        &mut self,
        segment: &Segment,
        scanner: &mut Scanner,
        batch: &Located,
        replay_from: Offset,
        is_indexed: bool,
    ) -> Result<(), LogError> {
        let header = &batch.header;
        // The next start believes what is indexed before the recovery point, and this is not synced.
        let interval = if is_indexed { u64::MAX } else { self.options.config.index_interval_bytes as u64 };
        let len = header.total_len() as u64;
        segment.note_batch(batch.position, len, header.last_offset(), header.max_timestamp, interval)?;
        if self.epochs.latest().is_none_or(|latest| header.leader_epoch > latest) {
            self.epochs.assign(header.leader_epoch, header.base_offset);
        }
        if header.last_offset() >= replay_from
            && let Some(txn) = replay_batch(&mut self.producers, scanner, batch)?
        {
            segment.add_aborted(&txn)?;
        }
        Ok(())
    }

    /// Cuts a torn tail; refuses to open where good data would be cut off.
    fn settle_damage(
        &mut self,
        segment: &Segment,
        scanner: &Scanner,
        fault: Fault,
        next: Offset,
        last: bool,
    ) -> Result<(), LogError> {
        let Fault { position, intact, reason } = fault;
        let path = segment.path(FileKind::Log);
        let later_data = !last && self.segments.iter().any(|later| later.base() > segment.base() && later.size() > 0);
        let good = resync::find_good_batch(&segment.file()?, &path, position, segment.size(), next)?;
        if later_data || intact || good.is_some() {
            let may_be_torn = next >= self.options.recovery_point;
            let gap =
                Gap { range: position..good.unwrap_or(segment.size()), next, intact, is_followed: good.is_some() };
            if !may_be_torn || !gap.is_torn(&segment.file()?, &path)? {
                return Err(scanner.damaged_at(position, next, reason));
            }
            self.drop_behind(segment)?;
        }
        let cut = segment.size() - position;
        tracing::warn!(file = %path.display(), offset = %next, bytes = cut, %reason, "cutting an incomplete tail");
        // Synced, or a stop with nothing more to sync would call clean what a power cut makes torn again.
        let file = segment.file()?;
        disk::set_len(&file, &path, position)?;
        disk::sync(&file, &path)
    }

    /// Whether records are missing between two segments that were not synced: a power cut may leave the end of a file as it
    /// was when the next one was written already. In a compacted log records are missing anyway.
    fn is_lost(&self, segment: &Segment, next: &Segment) -> bool {
        let end = segment.next_offset();
        !self.options.config.cleanup_policy.compact && end < next.base() && end >= self.options.recovery_point
    }

    /// Removes the segments behind one that a power cut has torn: what is in them was not synced either, as no segment is
    /// synced before those before it.
    fn drop_behind(&mut self, torn: &Segment) -> Result<(), LogError> {
        let first = self.segments.partition_point(|segment| segment.base() <= torn.base());
        // The last one first: another power cut may bring back those that were removed last.
        for segment in self.segments.split_off(first).into_iter().rev() {
            let path = segment.path(FileKind::Log);
            tracing::warn!(file = %path.display(), "removing a segment behind one that a power cut has torn");
            let gone = segment.mark_deleted()?;
            self.context.work.push(Work::RemoveFiles(gone));
        }
        disk::sync_dir(&self.options.dir)
    }

    /// Finds the end of a last segment that is known to be good.
    fn find_end(&self, segment: &Segment) -> Result<(), LogError> {
        if segment.is_bare() {
            segment.publish(0, segment.base());
            return Ok(());
        }
        let entry = segment.offset_index.last(&|| segment.index_file())?;
        let position = entry.map_or(0, |entry: OffsetEntry| u64::from(entry.position));
        let mut scanner = segment.scanner(position, segment.size(), SEEK_WINDOW_BYTES)?;
        let mut next = segment.base();
        while let Some(batch) = next_in_place(&mut scanner, segment.base(), next)? {
            next = batch.header.next_offset();
        }
        segment.publish(segment.size(), next);
        Ok(())
    }

    /// Agrees on where the log starts. A log that ends before its start has lost its files: it goes on at its start.
    fn settle_start(&mut self, end: Offset) -> Result<(Offset, Offset), LogError> {
        let wanted = self.options.log_start;
        if end >= wanted {
            return Ok((wanted.max(self.segments[0].base()), end));
        }
        tracing::warn!(partition = %self.options.partition, %end, start = %wanted,
            "the log ends before its recorded start; its segments are set aside and it goes on at the start");
        for segment in std::mem::take(&mut self.segments) {
            segment.mark_deleted()?;
        }
        self.epochs.clear();
        self.producers.restart_at(wanted);
        let end = self.create_first(wanted)?;
        Ok((wanted, end))
    }

    fn create_first(&mut self, base: Offset) -> Result<Offset, LogError> {
        let jitter = roll_jitter(&self.options.partition, base, &self.options.config);
        let now = self.context.clock.wall();
        let segment = Segment::create(FileState::Live, &self.path, &self.context.cache, base, now, jitter)?;
        self.producers.set_end_offset(base);
        self.segments.push(Arc::new(segment));
        Ok(base)
    }

    /// Removes snapshots that belong to nothing and, after a recovery, writes the one at the end.
    fn settle_snapshots(&mut self, end: Offset) -> Result<Offset, LogError> {
        let dir = &self.options.dir;
        let bases: Vec<Offset> = self.segments.iter().map(|segment| segment.base()).collect();
        let found = self.found_snapshots();
        for offset in found.iter().filter(|offset| **offset > end) {
            snapshots::remove(dir, *offset)?;
        }
        self.producers.set_end_offset(end);
        self.producers.expire(self.context.clock.wall());
        let needed = self.recovered && end > bases[0];
        if !needed && found.is_empty() {
            return Ok(bases[0]);
        }
        if needed {
            unless_full(snapshots::write(dir, end, &self.producers))?;
        }
        snapshots::remove_strays(dir, &bases)?;
        Ok(snapshots::list(dir)?.last().copied().unwrap_or(bases[0]))
    }

    /// The offsets of the snapshots that were found, ascending.
    fn found_snapshots(&self) -> Vec<Offset> {
        let snapshots =
            self.files.iter().filter(|(_, kind, state, _)| (*kind, *state) == (FileKind::Snapshot, FileState::Live));
        snapshots.map(|(offset, ..)| *offset).collect()
    }

    fn segment(&self, base: Offset, sizes: FileSizes, next: Offset) -> Segment {
        let jitter = roll_jitter(&self.options.partition, base, &self.options.config);
        Segment::with(&self.path, &self.context.cache, base, sizes, next, self.context.clock.wall(), jitter)
    }
}

/// Where the good part of a file ends, and why.
struct Fault {
    position: u64,
    /// The bytes there are a whole batch with a right checksum: no torn write leaves that, whatever its offsets say.
    intact: bool,
    reason: String,
}

/// What is wrong with a whole batch, if anything is.
fn fault(scanner: &mut Scanner, batch: &Located, base: Offset, next: Offset) -> Result<Option<Fault>, LogError> {
    let intact = scanner.checksum_valid(batch)?;
    let reason = match misplaced(batch, base, next) {
        Some(reason) => reason,
        None if intact => return Ok(None),
        None => "the batch's checksum does not match".to_string(),
    };
    Ok(Some(Fault { position: batch.position, intact, reason }))
}

/// What is wrong with a batch's offsets in the segment of `base`, where `next` is due.
pub(super) fn misplaced(batch: &Located, base: Offset, next: Offset) -> Option<String> {
    let (first, delta) = (batch.header.base_offset, batch.header.last_offset_delta);
    let room = RELATIVE_OFFSET_MAX - (first - base).max(0);
    if first < next {
        Some(format!("a batch begins at offset {first} where {next} or a later one is due"))
    } else if delta < 0 || i64::from(delta) > room || first.0.checked_add(i64::from(delta) + 1).is_none() {
        Some(format!("a batch ends {delta} offsets behind {first}, which is no place in the segment of {base}"))
    } else {
        None
    }
}

/// The next batch of a file that is known to be good; one that is out of place is damage.
pub(super) fn next_in_place(scanner: &mut Scanner, base: Offset, next: Offset) -> Result<Option<Located>, LogError> {
    let Some(batch) = scanner.next_good()? else { return Ok(None) };
    match misplaced(&batch, base, next) {
        None => Ok(Some(batch)),
        Some(reason) => Err(scanner.damaged_at(batch.position, batch.header.base_offset, reason)),
    }
}

/// Brings one batch into the producer states; answers the transaction it aborts.
pub(super) fn replay_batch(
    producers: &mut ProducerStates,
    scanner: &mut Scanner,
    batch: &Located,
) -> Result<Option<AbortedTxn>, LogError> {
    let header = batch.header;
    if !header.has_producer_id() {
        return Ok(None);
    }
    let marker = match header.is_control() {
        true => marker_of(&BatchRef { header, bytes: &scanner.batch_bytes(batch)? })?,
        false => None,
    };
    let mut append = ProducerAppend::default();
    producers.check(&mut append, &header, marker.as_ref(), AppendContext::new(AppendOrigin::Replication))?;
    Ok(producers.commit(append, header.next_offset()).first().and_then(AbortedTxn::of))
}

/// Whether the indexes of a segment that is not walked can be what was once written.
fn indexes_plausible(segment: &Segment, sizes: FileSizes) -> Result<bool, LogError> {
    if !sizes.offset_index.is_multiple_of(OffsetEntry::SIZE as u64)
        || !sizes.time_index.is_multiple_of(TimeEntry::SIZE as u64)
    {
        return Ok(false);
    }
    let position = segment.offset_index.last(&|| segment.index_file())?.map_or(0, |last| last.position);
    Ok(u64::from(position) < sizes.log.max(1))
}

/// Builds the indexes of good data again.
pub(super) fn rebuild_indexes(segment: &Segment, interval: u64) -> Result<(), LogError> {
    segment.clear_sparse_indexes();
    let mut scanner = segment.scanner(0, segment.size(), WALK_WINDOW_BYTES)?;
    let mut next = segment.base();
    while let Some(batch) = next_in_place(&mut scanner, segment.base(), next)? {
        let header = &batch.header;
        let len = header.total_len() as u64;
        next = header.next_offset();
        segment.note_batch(batch.position, len, header.last_offset(), header.max_timestamp, interval)?;
    }
    // A full disk keeps no log closed: indexes that do not fit stay in memory until there is room.
    unless_full(segment.seal_anew())
}

fn unless_full(written: Result<(), LogError>) -> Result<(), LogError> {
    match written {
        Err(error) if error.is_out_of_space() => {
            tracing::warn!(%error, "recovery goes on without it");
            Ok(())
        }
        written => written,
    }
}

fn remove_segment_files(dir: &Path, base: Offset) -> Result<(), LogError> {
    for kind in FileKind::OF_SEGMENT {
        disk::remove(&file_path(dir, base, kind, FileState::Live))?;
    }
    Ok(())
}
