//! One segment: a `.log` file with its indexes.
//!
//! The append owner writes behind the published size and publishes afterwards, size first, next offset second.
//! Readers load them in the same order, so that a next offset they see is never behind the size they saw.

use std::fs::File;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::types::{Millis, Offset};

use super::descriptors::{DescriptorCache, Slot};
use super::inspection::Damage;
use super::names::{FileKind, FileState, file_path};
use super::offset_index::{OffsetEntry, OffsetIndex};
use super::recent::{Place, Recent};
use super::scan::{SEEK_WINDOW_BYTES, Scanner, WALK_WINDOW_BYTES};
use super::time_index::{TimeEntry, TimeIndex, TimestampOffset};
use super::txn_index::{AbortedTxn, TxnIndex};
use super::{LogError, disk};

/// The first bytes of a batch, which the log writes itself: base offset, length, leader epoch.
pub const PATCHED_BYTES: usize = 16;
/// Offsets of a segment fit into four bytes relative to its base.
pub const RELATIVE_OFFSET_MAX: i64 = i32::MAX as i64;

/// The directory of a log, which a rename can change under its segments.
pub type LogPath = ArcSwap<PathBuf>;

/// A batch ready to be written.
#[derive(Debug)]
pub struct BatchWrite {
    pub head: [u8; PATCHED_BYTES],
    /// The whole batch; its first [`PATCHED_BYTES`] are not used.
    pub bytes: Bytes,
    pub last_offset: Offset,
    pub max_timestamp: Millis,
}

impl BatchWrite {
    fn place(&self, position: u64) -> Place {
        let [base @ .., _, _, _, _, _, _, _, _] = self.head;
        let base_offset = Offset(i64::from_be_bytes(base));
        Place { base_offset, last_offset: self.last_offset, position, len: self.bytes.len() }
    }
}

/// A segment of a log.
#[derive(Debug)]
pub struct Segment {
    base: Offset,
    dir: Arc<LogPath>,
    cache: Arc<DescriptorCache>,
    log_slot: Arc<Slot>,
    offset_slot: Arc<Slot>,
    time_slot: Arc<Slot>,
    size: AtomicU64,
    next_offset: AtomicI64,
    /// Behind the published bytes there may be others, of a write that failed.
    has_remains: AtomicBool,
    /// They were cut off, and the file is not synced since: they may come back.
    is_cut: AtomicBool,
    pub(super) damage: Damage,
    pub(super) offset_index: OffsetIndex,
    pub(super) time_index: TimeIndex,
    pub(super) txn_index: TxnIndex,
    /// The largest timestamp; `None` until somebody asked the time index.
    largest: Mutex<Option<TimestampOffset>>,
    /// The first batch's timestamp, by which the segment's age is counted; `None` until read or written.
    first_timestamp: Mutex<Option<Millis>>,
    pub(super) recent: Recent,
    unindexed_bytes: AtomicU64,
    /// Something was written to an index since they were last made durable.
    indexes_unsynced: AtomicBool,
    created: Millis,
    jitter: Millis,
    /// What its names end with, until a cleaned segment has its final ones.
    state: Mutex<FileState>,
    held: OnceLock<HeldFiles>,
}

/// The files of a segment whose names another one has now.
#[derive(Debug)]
struct HeldFiles {
    log: Arc<File>,
    offset_index: Arc<File>,
    time_index: Arc<File>,
    aborted: Vec<AbortedTxn>,
}

/// What is known of a segment's files before they are opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSizes {
    pub log: u64,
    pub offset_index: u64,
    pub time_index: u64,
    pub txn_index: u64,
}

impl Segment {
    /// Creates the files of a new segment, under the names of `state`: a cleaner's are none that readers look for.
    pub fn create(
        state: FileState,
        dir: &Arc<LogPath>,
        cache: &Arc<DescriptorCache>,
        base: Offset,
        now: Millis,
        jitter: Millis,
    ) -> Result<Segment, LogError> {
        let segment = Segment::with(dir, cache, base, FileSizes::default(), base, now, jitter);
        let segment = Segment {
            state: Mutex::new(state),
            offset_index: OffsetIndex::empty(),
            time_index: TimeIndex::empty(),
            largest: Mutex::new(Some(segment.no_timestamp())),
            ..segment
        };
        segment.remove_files()?;
        segment.cache.insert(&segment.log_slot, disk::create(&segment.path(FileKind::Log))?);
        Ok(segment)
    }

    /// A segment whose files exist; `next_offset` may be corrected later.
    pub fn with(
        dir: &Arc<LogPath>,
        cache: &Arc<DescriptorCache>,
        base: Offset,
        sizes: FileSizes,
        next_offset: Offset,
        now: Millis,
        jitter: Millis,
    ) -> Segment {
        Segment {
            base,
            dir: dir.clone(),
            cache: cache.clone(),
            log_slot: Arc::default(),
            offset_slot: Arc::default(),
            time_slot: Arc::default(),
            size: AtomicU64::new(sizes.log),
            next_offset: AtomicI64::new(next_offset.0),
            has_remains: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            damage: Damage::default(),
            offset_index: OffsetIndex::in_file(sizes.offset_index),
            time_index: TimeIndex::in_file(sizes.time_index),
            txn_index: TxnIndex::in_file(sizes.txn_index),
            largest: Mutex::new(None),
            first_timestamp: Mutex::new(None),
            recent: Recent::default(),
            unindexed_bytes: AtomicU64::new(0),
            indexes_unsynced: AtomicBool::new(false),
            created: now,
            jitter,
            state: Mutex::new(FileState::Live),
            held: OnceLock::new(),
        }
    }

    /// The offset that names the files.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// Published bytes of the log file.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The offset behind the last published batch; for sealed segments at most the next segment's base.
    pub fn next_offset(&self) -> Offset {
        Offset(self.next_offset.load(Ordering::Acquire))
    }

    /// The path of one of the segment's files.
    pub fn path(&self, kind: FileKind) -> PathBuf {
        let state = *self.state.lock().expect("this lock is never held across a panic");
        file_path(&self.dir.load(), self.base, kind, state)
    }

    /// Whether its files are about to be removed.
    pub fn is_deleted(&self) -> bool {
        *self.state.lock().expect("this lock is never held across a panic") == FileState::Deleted
    }

    /// The open log file.
    pub fn file(&self) -> Result<Arc<File>, LogError> {
        self.open(&self.log_slot, FileKind::Log, |held| &held.log)
    }

    /// The aborted transactions whose markers are in the segment.
    pub fn aborted_transactions(&self) -> Result<Vec<AbortedTxn>, LogError> {
        if self.txn_index.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.txn_index.read(&self.path(FileKind::TxnIndex));
        self.held.get().map_or(read, |held| Ok(held.aborted.clone()))
    }

    fn open(
        &self,
        slot: &Arc<Slot>,
        kind: FileKind,
        of: impl FnOnce(&HeldFiles) -> &Arc<File>,
    ) -> Result<Arc<File>, LogError> {
        let opened = self.cache.get(slot, || self.path(kind));
        // Asked afterwards: if the name was given away while it was opened, another segment's file was found.
        self.held.get().map_or(opened, |held| Ok(of(held).clone()))
    }

    /// Keeps the files open for whoever still reads the segment, before another one gets its names.
    pub fn hold(&self) -> Result<(), LogError> {
        let (log, offset_index, time_index) = (self.file()?, self.offset_file()?, self.time_file()?);
        let aborted = self.aborted_transactions()?;
        // Held once, it is the same files again.
        let _ = self.held.set(HeldFiles { log, offset_index, time_index, aborted });
        Ok(())
    }

    /// Writes `batches` behind the end, publishes them and indexes them. Nothing is visible if it fails.
    pub fn append(&self, batches: &[BatchWrite], index_interval_bytes: u64) -> Result<(), LogError> {
        let Some(last) = batches.last() else { return Ok(()) };
        let file = self.file()?;
        let start = self.size();
        if self.has_remains.load(Ordering::Relaxed) {
            self.cut_remains(&file)?;
        }
        let mut slices: Vec<IoSlice<'_>> = batches
            .iter()
            .flat_map(|batch| [IoSlice::new(&batch.head), IoSlice::new(&batch.bytes[PATCHED_BYTES..])])
            .collect();
        if let Err(error) = disk::write_all_vectored_at(&file, &|| self.path(FileKind::Log), start, &mut slices) {
            // What was written must not be taken for data later: until it is cut off, nothing is written here.
            self.has_remains.store(true, Ordering::Relaxed);
            let _ = self.cut_remains(&file);
            return Err(LogError::io("write", self.path(FileKind::Log))(error));
        }
        let mut position = start;
        for batch in batches {
            let len = batch.bytes.len() as u64;
            self.note_batch(position, len, batch.last_offset, batch.max_timestamp, index_interval_bytes)
                .inspect_err(|_| self.has_remains.store(true, Ordering::Relaxed))?;
            position += len;
        }
        self.publish(position, last.last_offset.next());
        let mut end = start;
        self.recent.push(batches.iter().map(|batch| {
            let position = end;
            end += batch.bytes.len() as u64;
            batch.place(position)
        }));
        Ok(())
    }

    fn cut_remains(&self, file: &File) -> Result<(), LogError> {
        disk::set_len(file, &self.path(FileKind::Log), self.size())?;
        self.is_cut.store(true, Ordering::Release);
        self.has_remains.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Makes everything before `size` and `next_offset` visible.
    pub fn publish(&self, size: u64, next_offset: Offset) {
        self.size.store(size, Ordering::Release);
        self.next_offset.store(next_offset.0, Ordering::Release);
    }

    /// Updates timestamps and indexes for a batch at `position`.
    pub fn note_batch(
        &self,
        position: u64,
        len: u64,
        last_offset: Offset,
        max_timestamp: Millis,
        index_interval_bytes: u64,
    ) -> Result<(), LogError> {
        if position == 0 {
            *self.first_timestamp.lock().expect("this lock is never held across a panic") = Some(max_timestamp);
        }
        let largest = self.largest()?;
        if max_timestamp > largest.timestamp {
            let now_largest = TimestampOffset { timestamp: max_timestamp, offset: last_offset };
            *self.largest.lock().expect("this lock is never held across a panic") = Some(now_largest);
        }
        if self.unindexed_bytes.load(Ordering::Relaxed) > index_interval_bytes {
            let relative_offset = self.relative(last_offset);
            self.offset_index.push(OffsetEntry { relative_offset, position: position as u32 });
            self.index_largest()?;
            self.unindexed_bytes.store(0, Ordering::Relaxed);
        }
        self.unindexed_bytes.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }

    /// Enters the largest timestamp into the time index, as happens with every offset entry and at the end.
    pub fn index_largest(&self) -> Result<(), LogError> {
        let largest = self.largest()?;
        let last = self.time_index.last(&|| self.time_file())?;
        if largest.timestamp.0 > last.map_or(-1, |last| last.timestamp) {
            let relative_offset = self.relative(largest.offset);
            self.time_index.push(TimeEntry { timestamp: largest.timestamp.0, relative_offset });
        }
        Ok(())
    }

    /// The largest timestamp and the last offset of its batch; the timestamp is -1 in an empty segment.
    pub fn largest(&self) -> Result<TimestampOffset, LogError> {
        let mut largest = self.largest.lock().expect("this lock is never held across a panic");
        if let Some(known) = *largest {
            return Ok(known);
        }
        let last = self.time_index.last(&|| self.time_file())?;
        let found = last.map_or(self.no_timestamp(), |last| TimestampOffset {
            timestamp: Millis(last.timestamp),
            offset: self.base + i64::from(last.relative_offset),
        });
        *largest = Some(found);
        Ok(found)
    }

    /// The time by which retention judges the segment: its largest record timestamp, or else its file's age.
    pub fn retention_timestamp(&self) -> Result<Millis, LogError> {
        let largest = self.largest()?.timestamp;
        if largest.0 >= 0 {
            return Ok(largest);
        }
        let path = self.path(FileKind::Log);
        let modified =
            std::fs::metadata(&path).and_then(|meta| meta.modified()).map_err(LogError::io("stat", &path))?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Millis(since.as_millis() as i64))
    }

    /// How long the segment has waited to be rolled: by record timestamps, or by the clock where there are none.
    pub fn waited_for_roll(&self, now: Millis, incoming: Millis) -> Result<Millis, LogError> {
        Ok(match self.first_timestamp()? {
            Some(first) if first.0 >= 0 => incoming - first,
            _ => now - self.created,
        })
    }

    /// By how much this segment rolls earlier than `segment.ms`.
    pub fn jitter(&self) -> Millis {
        self.jitter
    }

    /// A scanner over published bytes from `position`.
    pub fn scanner(&self, position: u64, end: u64, window: usize) -> Result<Scanner, LogError> {
        Ok(Scanner::new(self.file()?, self.path(FileKind::Log), position, end, window))
    }

    /// The first offset that the index files would have to tell of and do not, if there is one.
    pub fn unsaved_from(&self) -> Option<Offset> {
        let offset = self.offset_index.first_unsaved().map(|entry| self.base + i64::from(entry.relative_offset));
        // Times are entered with offsets, but for the last one of a segment.
        offset.or_else(|| self.time_index.first_unsaved().map(|_| self.base))
    }

    /// Writes the index entries that only memory holds.
    pub fn save_indexes(&self) -> Result<(), LogError> {
        self.indexes_unsynced.store(true, Ordering::Release);
        self.offset_index.save(&self.path(FileKind::OffsetIndex))?;
        self.time_index.save(&self.path(FileKind::TimeIndex))
    }

    /// Whether there is no record, and no index entry of one that was.
    pub fn is_bare(&self) -> bool {
        self.size() == 0 && self.offset_index.count() + self.time_index.count() == 0 && self.txn_index.is_empty()
    }

    /// Whether only memory holds some index entries.
    pub fn has_unsaved_indexes(&self) -> bool {
        self.offset_index.unsaved() + self.time_index.unsaved() > 0
    }

    /// Completes the indexes of a segment that gets no more records for now.
    pub fn seal(&self) -> Result<(), LogError> {
        self.recent.clear();
        self.index_largest()?;
        self.save_indexes()
    }

    /// As [`Segment::seal`] of indexes that were built again where a start believes what it finds: before and after that
    /// there are whole files. The offset index comes last, by which such a start finds its way.
    pub fn seal_anew(&self) -> Result<(), LogError> {
        self.index_largest()?;
        if !self.txn_index.is_empty() {
            disk::sync_path(&self.path(FileKind::TxnIndex))?;
        }
        self.time_index.replace(&self.path(FileKind::TimeIndex))?;
        self.offset_index.replace(&self.path(FileKind::OffsetIndex))
    }

    /// Makes the log file durable if something was cut off its end, which was never published.
    pub fn sync_cut(&self) -> Result<(), LogError> {
        match self.is_cut.swap(false, Ordering::AcqRel) {
            true => self.sync(),
            false => Ok(()),
        }
    }

    /// Makes the log file durable.
    pub fn sync(&self) -> Result<(), LogError> {
        disk::sync(&*self.file()?, &self.path(FileKind::Log))
    }

    /// Enters an aborted transaction, whose marker the segment holds.
    pub fn add_aborted(&self, txn: &AbortedTxn) -> Result<(), LogError> {
        self.indexes_unsynced.store(true, Ordering::Release);
        self.txn_index.append(&self.path(FileKind::TxnIndex), txn)
    }

    /// Makes saved indexes durable, unless they are.
    pub fn sync_indexes(&self) -> Result<(), LogError> {
        if !self.indexes_unsynced.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex] {
            let path = self.path(kind);
            match disk::sync_path(&path) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Cuts everything from `offset` on; the batch that contains it goes as a whole. It is durable then.
    ///
    /// The recovery point may still be written down as one behind `offset`. The offset index is cut first and durably:
    /// wherever this ends, a start walks from before `offset` on and finds what the other files lack.
    pub fn truncate(&self, offset: Offset) -> Result<(), LogError> {
        let cut = self.locate(offset)?;
        self.recent.clear();
        self.damage.clear();
        self.indexes_unsynced.store(true, Ordering::Release);
        let relative = (offset - self.base).clamp(0, i64::from(u32::MAX)) as u32;
        let index = self.path(FileKind::OffsetIndex);
        if self.offset_index.truncate(&index, &|| self.offset_file(), |entry| entry.relative_offset < relative)? {
            disk::sync(&*self.offset_file()?, &index)?;
        }
        let index = self.path(FileKind::TimeIndex);
        self.time_index.truncate(&index, &|| self.time_file(), |entry| entry.relative_offset < relative)?;
        self.txn_index.truncate(&self.path(FileKind::TxnIndex), offset)?;
        if let Some(cut) = cut {
            let (file, path) = (self.file()?, self.path(FileKind::Log));
            disk::set_len(&file, &path, cut.position)?;
            // What is cut must not come back between what is appended in its place.
            disk::sync(&file, &path)?;
            self.publish(cut.position, offset.min(self.next_offset()));
        }
        self.unindexed_bytes.store(0, Ordering::Relaxed);
        self.find_largest()
    }

    /// Finds the largest timestamp again: the time index's last entry, or a later one behind it.
    pub fn find_largest(&self) -> Result<(), LogError> {
        *self.largest.lock().expect("this lock is never held across a panic") = None;
        *self.first_timestamp.lock().expect("this lock is never held across a panic") = None;
        let mut largest = self.largest()?;
        let relative = self.relative(largest.offset);
        let entry = self.offset_index.last_where(&|| self.offset_file(), |entry| entry.relative_offset <= relative)?;
        let position = entry.map_or(0, |entry| u64::from(entry.position));
        let mut scanner = self.scanner(position, self.size(), WALK_WINDOW_BYTES)?;
        while let Some(batch) = scanner.next_good()? {
            if batch.header.max_timestamp.0 > largest.timestamp.0 {
                let offset = Offset(batch.header.last_offset().0);
                largest = TimestampOffset { timestamp: Millis(batch.header.max_timestamp.0), offset };
            }
        }
        *self.largest.lock().expect("this lock is never held across a panic") = Some(largest);
        Ok(())
    }

    /// Forgets all indexes; the caller walks the log to build them again.
    pub fn clear_indexes(&self) -> Result<(), LogError> {
        self.clear_sparse_indexes();
        self.txn_index.clear(&self.path(FileKind::TxnIndex))
    }

    /// Forgets the offset and the time index; the caller walks the log to build them again.
    pub fn clear_sparse_indexes(&self) {
        self.offset_index.clear();
        self.time_index.clear();
        *self.largest.lock().expect("this lock is never held across a panic") = Some(self.no_timestamp());
        self.unindexed_bytes.store(0, Ordering::Relaxed);
        self.offset_slot.close();
        self.time_slot.close();
    }

    /// Forgets what the indexes say behind the batch that ends at `last`, which is indexed, and the transactions that
    /// were aborted at or behind `aborted_from`; the caller walks the log from that batch on.
    pub fn forget_indexes_behind(&self, last: Offset, aborted_from: Offset) -> Result<(), LogError> {
        let relative = self.relative(last);
        self.indexes_unsynced.store(true, Ordering::Release);
        // Zeros are of writes that a power cut took away.
        let keep = |entry: &OffsetEntry| entry.relative_offset <= relative && entry.position > 0;
        self.offset_index.truncate(&self.path(FileKind::OffsetIndex), &|| self.offset_file(), keep)?;
        let keep = |entry: &TimeEntry| entry.relative_offset <= relative && entry.timestamp > 0;
        self.time_index.truncate(&self.path(FileKind::TimeIndex), &|| self.time_file(), keep)?;
        self.txn_index.truncate(&self.path(FileKind::TxnIndex), aborted_from)?;
        *self.largest.lock().expect("this lock is never held across a panic") = None;
        self.unindexed_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Renames the files so that nothing takes them for live ones; answers their new paths. Open readers go on.
    pub fn mark_deleted(&self) -> Result<Vec<PathBuf>, LogError> {
        let mut renamed = Vec::new();
        for kind in FileKind::OF_SEGMENT {
            let from = self.path(kind);
            let to = file_path(&self.dir.load(), self.base, kind, FileState::Deleted);
            match disk::rename(&from, &to) {
                Ok(true) => renamed.push(to),
                Ok(false) => {}
                // Without its log the next start removes it.
                Err(error) if kind != FileKind::Log && error.is_out_of_space() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(renamed)
    }

    /// Gives the files of a cleaned segment the names of its next state, the log's file first.
    pub fn rename_to(&self, state: FileState) -> Result<(), LogError> {
        for kind in FileKind::OF_SEGMENT {
            disk::rename(&self.path(kind), &file_path(&self.dir.load(), self.base, kind, state))?;
        }
        *self.state.lock().expect("this lock is never held across a panic") = state;
        Ok(())
    }

    /// Removes the files, under the names that they have now.
    pub fn remove_files(&self) -> Result<(), LogError> {
        FileKind::OF_SEGMENT.into_iter().try_for_each(|kind| disk::remove(&self.path(kind)).map(drop))
    }

    /// Lets go of open files that no reader holds.
    pub fn close_files(&self) {
        self.log_slot.close();
        self.offset_slot.close();
        self.time_slot.close();
    }

    /// The largest timestamp of the first batch, if there is a batch.
    pub fn first_timestamp(&self) -> Result<Option<Millis>, LogError> {
        let mut first = self.first_timestamp.lock().expect("this lock is never held across a panic");
        if first.is_none() && self.size() > 0 {
            let batch = self.scanner(0, self.size(), SEEK_WINDOW_BYTES)?.next_good()?;
            *first = batch.map(|batch| Millis(batch.header.max_timestamp.0));
        }
        Ok(*first)
    }

    fn relative(&self, offset: Offset) -> u32 {
        (offset - self.base).clamp(0, RELATIVE_OFFSET_MAX) as u32
    }

    fn no_timestamp(&self) -> TimestampOffset {
        TimestampOffset { timestamp: Millis(-1), offset: self.base }
    }

    /// The open offset index.
    pub fn index_file(&self) -> Result<Arc<File>, LogError> {
        self.offset_file()
    }

    pub(super) fn offset_file(&self) -> Result<Arc<File>, LogError> {
        self.open(&self.offset_slot, FileKind::OffsetIndex, |held| &held.offset_index)
    }

    pub(super) fn time_file(&self) -> Result<Arc<File>, LogError> {
        self.open(&self.time_slot, FileKind::TimeIndex, |held| &held.time_index)
    }
}

/// Where a file of `dir` would be; for callers that have no segment.
pub fn log_path(dir: &Path) -> Arc<LogPath> {
    Arc::new(LogPath::from_pointee(dir.to_path_buf()))
}
