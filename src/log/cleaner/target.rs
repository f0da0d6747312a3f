//! The segment into which a group of others is copied.

use crate::log::disk;
use crate::log::names::FileKind;
use crate::log::segment::{RELATIVE_OFFSET_MAX, Segment};
use crate::log::{AbortedTxn, LogError};
use crate::protocol::batch::{BatchHeader, BatchRef};

/// Bytes after which write-back is begun, so that the sync at the end has little to wait for.
const WRITE_BACK_BYTES: u64 = 8 << 20;

/// A segment being written, with bytes that wait to be.
pub struct Target<'s> {
    segment: &'s Segment,
    buffer: Vec<u8>,
    buffer_max: usize,
    index_interval_bytes: u64,
    written_back: u64,
}

impl<'s> Target<'s> {
    /// Writes into `segment`, about `buffer_max` bytes at a time.
    pub fn new(segment: &'s Segment, buffer_max: usize, index_interval_bytes: u64) -> Target<'s> {
        Target { segment, buffer: Vec::with_capacity(buffer_max), buffer_max, index_interval_bytes, written_back: 0 }
    }

    /// Appends a batch, whose header is given, and enters it into the indexes.
    pub fn push(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<(), LogError> {
        if !self.buffer.is_empty() && self.buffer.len() + bytes.len() > self.buffer_max {
            self.write()?;
        }
        let position = self.segment.size() + self.buffer.len() as u64;
        let last_offset = header.last_offset();
        let too_far = last_offset - self.segment.base() > RELATIVE_OFFSET_MAX;
        if too_far || position > u64::from(u32::MAX) {
            let reason = "its copy would not fit into one segment".to_string();
            let file = self.segment.path(FileKind::Log);
            return Err(LogError::Damaged { file, position, offset: header.base_offset, reason });
        }
        let len = bytes.len() as u64;
        self.segment.note_batch(position, len, last_offset, header.max_timestamp, self.index_interval_bytes)?;
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// As [`Target::push`], of a batch that was made here.
    pub fn push_rewritten(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let batch = BatchRef::parse(bytes).map_err(|error| LogError::InvalidBatch { reason: error.to_string() })?;
        self.push(&batch.header, bytes)
    }

    /// Enters an aborted transaction of which something is left.
    pub fn push_aborted(&self, txn: &AbortedTxn) -> Result<(), LogError> {
        self.segment.txn_index.append(&self.segment.path(FileKind::TxnIndex), txn)
    }

    /// Writes what waits.
    pub fn write(&mut self) -> Result<(), LogError> {
        let (start, file) = (self.segment.size(), self.segment.file()?);
        disk::write_at(&file, &self.segment.path(FileKind::Log), start, &self.buffer)?;
        let end = start + self.buffer.len() as u64;
        self.segment.publish(end, self.segment.next_offset());
        if end - self.written_back >= WRITE_BACK_BYTES {
            disk::start_write_back(&file, self.written_back, end - self.written_back);
            self.written_back = end;
        }
        self.buffer.clear();
        // One batch larger than the buffer must not be remembered for long.
        self.buffer.shrink_to(self.buffer_max);
        Ok(())
    }
}
