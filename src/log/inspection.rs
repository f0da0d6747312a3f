//! Whether what lies on disk still is what was written.
//!
//! Batches are checked by their checksums: some of what a fetch had to get from the disk, and all sealed segments, slowly
//! (`scrub.rs`). A bad batch is named once and is no answer from then on: readers get what lies before it, and then are
//! told.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::protocol::batch::BATCH_HEADER_LEN;
use crate::types::{FileRange, Offset};

use super::LogError;
use super::names::FileKind;
use super::partition_log::Log;
use super::scan::{Scanner, Step, WALK_WINDOW_BYTES};
use super::segment::Segment;

/// The most of one read that is checked.
pub const CHECKED_BYTES_MAX: u64 = 1 << 20;
/// Bad batches of one segment that are remembered.
const BAD_MAX: usize = 1000;

/// A batch that is not what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadBatch {
    pub file: PathBuf,
    /// Bytes from the beginning of the file.
    pub position: u64,
    /// Where it ends, as far as that can be told.
    pub end: u64,
    /// Its first offset; `NONE` where no header can be read.
    pub offset: Offset,
    pub reason: String,
}

impl BadBatch {
    /// What a reader is told that would begin with it.
    pub(super) fn error(&self) -> LogError {
        let BadBatch { file, position, offset, reason, .. } = self.clone();
        LogError::Damaged { file, position, offset, reason }
    }
}

/// The bad batches of one segment.
#[derive(Debug, Default)]
pub(super) struct Damage {
    is_any: AtomicBool,
    found: Mutex<Vec<BadBatch>>,
}

impl Damage {
    /// Remembers a bad batch; answers whether it is news.
    fn note(&self, bad: BadBatch) -> bool {
        if self.knows(bad.position) {
            return false;
        }
        let mut found = self.lock();
        if found.len() >= BAD_MAX {
            return false;
        }
        found.push(bad);
        self.is_any.store(true, Ordering::Release);
        true
    }

    fn knows(&self, position: u64) -> bool {
        self.is_any.load(Ordering::Acquire) && self.lock().iter().any(|bad| bad.position == position)
    }

    /// The first of those that lie between two positions.
    pub fn first_within(&self, from: u64, to: u64) -> Option<BadBatch> {
        if !self.is_any.load(Ordering::Acquire) {
            return None;
        }
        let found = self.lock();
        found.iter().filter(|bad| bad.position < to && bad.end > from).min_by_key(|bad| bad.position).cloned()
    }

    /// All of them.
    pub fn all(&self) -> Vec<BadBatch> {
        match self.is_any.load(Ordering::Acquire) {
            true => self.lock().clone(),
            false => Vec::new(),
        }
    }

    /// Forgets what a truncation may have taken away.
    pub fn clear(&self) {
        self.lock().clear();
        self.is_any.store(false, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BadBatch>> {
        self.found.lock().expect("this lock is never held across a panic")
    }
}

/// How far a walk came.
pub(super) struct Checked {
    /// Where the next batch begins.
    pub to: u64,
    /// What is bad; the walk ended with it.
    pub bad: Option<BadBatch>,
}

/// Checks batch after batch until `until` is reached or one is bad. Behind a batch without a header nothing is found,
/// and the walk is at the end.
pub(super) fn check(scanner: &mut Scanner, until: u64, end: u64) -> Result<Checked, LogError> {
    loop {
        let position = scanner.position();
        if position >= until {
            return Ok(Checked { to: position, bad: None });
        }
        let bad = |end: u64, offset: Offset, reason: String| {
            Some(BadBatch { file: PathBuf::new(), position, end, offset, reason })
        };
        match scanner.step()? {
            Step::End => return Ok(Checked { to: position, bad: None }),
            Step::Broken(reason) => {
                return Ok(Checked { to: end, bad: bad(position + BATCH_HEADER_LEN as u64, Offset::NONE, reason) });
            }
            Step::Batch(batch) if !scanner.checksum_valid(&batch)? => {
                let reason = "the batch's checksum does not match".to_string();
                return Ok(Checked { to: batch.end(), bad: bad(batch.end(), batch.header.base_offset, reason) });
            }
            Step::Batch(_) => {}
        }
    }
}

impl Log {
    /// Checks whole batches that a read has answered, the first of them at `first`, or as many as make a sample. Answers
    /// whether they are good; reading again leaves out what is not. Waits for the disk.
    pub fn check_read(&self, first: Offset, range: &FileRange) -> Result<bool, LogError> {
        let end = range.position + range.len as u64;
        let mut scanner = Scanner::new(range.file.clone(), PathBuf::new(), range.position, end, WALK_WINDOW_BYTES);
        let checked = check(&mut scanner, end.min(range.position + CHECKED_BYTES_MAX), end);
        let Some(bad) = self.guard_read(checked)?.bad else { return Ok(true) };
        let segments = self.segments.load_full();
        let holder = segments.partition_point(|segment| segment.base() <= first).saturating_sub(1);
        Ok(!self.note_bad(&segments[holder], bad.position)?)
    }

    /// Remembers and names the batch at `position`, if it is bad: a cleaning may have put other files in place. Answers
    /// whether it is.
    pub(super) fn note_bad(&self, segment: &Segment, position: u64) -> Result<bool, LogError> {
        if segment.damage.knows(position) {
            return Ok(true);
        }
        let size = segment.size();
        let mut scanner = segment.scanner(position, size, WALK_WINDOW_BYTES)?;
        let Some(bad) = check(&mut scanner, position + 1, size)?.bad else { return Ok(false) };
        let bad = BadBatch { file: segment.path(FileKind::Log), ..bad };
        if segment.damage.note(bad.clone()) {
            let BadBatch { file, position, offset, reason, .. } = bad;
            tracing::error!(
                partition = %self.partition, file = %file.display(), %offset, position,
                "a batch is damaged and is not served: {reason}; restore the file, or delete the records up to it"
            );
        }
        Ok(true)
    }

    /// Remembers what a read stumbled over.
    pub(super) fn note_damage(&self, segment: &Segment, error: &LogError) {
        if let LogError::Damaged { position, .. } = error {
            // The reader is told what it found in any case.
            let _ = self.note_bad(segment, *position);
        }
    }

    /// The batches that are known to be bad.
    pub fn bad_batches(&self) -> Vec<BadBatch> {
        self.segments.load().iter().flat_map(|segment| segment.damage.all()).collect()
    }
}
