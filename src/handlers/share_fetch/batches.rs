//! The batches of a stretch of the log: which offsets they hold, and which of their bytes a member gets.

use std::io;
use std::os::unix::fs::FileExt;

use crate::coordinator::share_partition::{AcquiredRecords, FetchedBatch};
use crate::protocol::batch::{BATCH_HEADER_LEN, BatchHeader, split_batches};
use crate::protocol::compression::Decompressor;
use crate::protocol::control::EndTxnMarker;
use crate::types::{FileRange, Offset};

/// Bytes read at once to find the next headers.
const WINDOW_BYTES: usize = 4 << 10;

/// The batches of a range, as far as they were looked at.
pub struct RangeBatches {
    pub batches: Vec<FetchedBatch>,
    /// Where each begins in the range, and how long it is.
    places: Vec<(usize, usize)>,
}

/// Looks at the headers of the batches in a range, which begins with one, up to the first that begins behind `last`.
/// Markers are read only if somebody wants to know of aborted transactions.
pub fn scan(range: &FileRange, last: Offset, with_markers: bool) -> io::Result<RangeBatches> {
    let mut found = RangeBatches { batches: Vec::new(), places: Vec::new() };
    let mut window = Window { range, at: 0, bytes: Vec::new() };
    let mut at = 0;
    while range.len - at >= BATCH_HEADER_LEN {
        let header = BatchHeader::parse(window.get(at, BATCH_HEADER_LEN)?).map_err(io::Error::other)?;
        let len = header.total_len();
        if len > range.len - at || header.base_offset > last {
            break;
        }
        let is_abort_marker = with_markers && header.is_control() && is_abort_marker(range, at, len)?;
        found.batches.push(FetchedBatch {
            first: header.base_offset,
            last: header.last_offset(),
            producer: header.producer_id,
            is_transactional: header.is_transactional(),
            is_abort_marker,
        });
        found.places.push((at, len));
        at += len;
    }
    Ok(found)
}

impl RangeBatches {
    /// The bytes of the batches that hold what was acquired, from the first to the last of them.
    pub fn slice(&self, range: &FileRange, acquired: &[AcquiredRecords]) -> Option<FileRange> {
        let (first, last) = (acquired.first()?.first, acquired.last()?.last);
        let begin = self.batches.iter().rposition(|batch| batch.first <= first).unwrap_or(0);
        let end = self.batches.iter().rposition(|batch| batch.first <= last).unwrap_or(begin).max(begin);
        let ((start, _), (place, len)) = (self.places.get(begin)?, self.places.get(end)?);
        Some(FileRange { file: range.file.clone(), position: range.position + *start as u64, len: place + len - start })
    }
}

/// A part of a range in memory.
struct Window<'a> {
    range: &'a FileRange,
    at: usize,
    bytes: Vec<u8>,
}

impl Window<'_> {
    fn get(&mut self, at: usize, len: usize) -> io::Result<&[u8]> {
        if at < self.at || at + len > self.at + self.bytes.len() {
            self.bytes.resize(WINDOW_BYTES.max(len).min(self.range.len - at), 0);
            self.range.file.read_exact_at(&mut self.bytes, self.range.position + at as u64)?;
            self.at = at;
        }
        let begin = at - self.at;
        self.bytes.get(begin..begin + len).ok_or(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Whether a control batch says that its producer's transaction was aborted.
fn is_abort_marker(range: &FileRange, at: usize, len: usize) -> io::Result<bool> {
    let mut bytes = vec![0; len];
    range.file.read_exact_at(&mut bytes, range.position + at as u64)?;
    let Some(Ok(batch)) = split_batches(&bytes).next() else { return Ok(false) };
    // Other control records end no transaction.
    let marker = Decompressor::on_this_thread(|decompressor| EndTxnMarker::of(&batch, decompressor));
    Ok(matches!(marker, Ok(Some(marker)) if !marker.commit))
}
