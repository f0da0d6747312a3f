//! Walking over the batches of a log file with a bounded buffer, however large the batches are.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::batch::{BATCH_HEADER_LEN, BatchHeader};
use crate::types::Offset;

use super::{LogError, disk};

/// Bytes read at once to find a batch near a known place.
pub const SEEK_WINDOW_BYTES: usize = 4 << 10;
/// Bytes read at once to walk a whole file.
pub const WALK_WINDOW_BYTES: usize = 256 << 10;
/// The checksum covers everything behind itself.
pub const CRC_START: u64 = 21;

/// A batch and where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    /// Bytes from the beginning of the file.
    pub position: u64,
    pub header: BatchHeader,
}

impl Located {
    /// Where the next batch begins.
    pub fn end(&self) -> u64 {
        self.position + self.header.total_len() as u64
    }
}

/// What lies at the scanner's position.
#[derive(Debug)]
pub enum Step {
    Batch(Located),
    /// Exactly at the end.
    End,
    /// No whole batch: cut short, or no batch at all.
    Broken(String),
}

/// A position in a log file that moves from batch to batch.
pub struct Scanner {
    file: Arc<File>,
    path: PathBuf,
    position: u64,
    end: u64,
    window: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Scanner {
    /// Scans from `position`, where a batch begins, to `end`.
    pub fn new(file: Arc<File>, path: PathBuf, position: u64, end: u64, window: usize) -> Scanner {
        Scanner { file, path, position, end, window, buffer: Vec::new(), buffer_at: 0 }
    }

    /// Where the next batch is expected.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next batch's header; bytes behind the header are not looked at.
    pub fn step(&mut self) -> Result<Step, LogError> {
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            return Ok(Step::End);
        }
        if left < BATCH_HEADER_LEN as u64 {
            return Ok(Step::Broken(format!("{left} bytes are too few for a batch header")));
        }
        let position = self.position;
        let header = match BatchHeader::parse(self.bytes(position, BATCH_HEADER_LEN)?) {
            Ok(header) => header,
            Err(error) => return Ok(Step::Broken(error.to_string())),
        };
        if header.total_len() as u64 > left {
            return Ok(Step::Broken(format!("a batch of {} bytes with {left} bytes left", header.total_len())));
        }
        let located = Located { position, header };
        self.position = located.end();
        Ok(Step::Batch(located))
    }

    /// The next batch where all bytes are known to be good; anything else is damage.
    pub fn next_good(&mut self) -> Result<Option<Located>, LogError> {
        match self.step()? {
            Step::Batch(located) => Ok(Some(located)),
            Step::End => Ok(None),
            Step::Broken(reason) => Err(self.damaged(Offset::NONE, reason)),
        }
    }

    /// An error that names this file and the position of the next batch.
    pub fn damaged(&self, offset: Offset, reason: String) -> LogError {
        self.damaged_at(self.position, offset, reason)
    }

    /// An error that names this file and `position`.
    pub fn damaged_at(&self, position: u64, offset: Offset, reason: String) -> LogError {
        LogError::Damaged { file: self.path.clone(), position, offset, reason }
    }

    /// Whether the batch's checksum is right.
    pub fn checksum_valid(&mut self, batch: &Located) -> Result<bool, LogError> {
        let mut position = batch.position + CRC_START;
        let mut crc = 0;
        while position < batch.end() {
            let wanted = (batch.end() - position).min(self.window as u64) as usize;
            crc = crc32c::crc32c_append(crc, self.bytes(position, wanted)?);
            position += wanted as u64;
        }
        Ok(crc == batch.header.crc)
    }

    /// All bytes of a batch.
    pub fn batch_bytes(&mut self, batch: &Located) -> Result<Bytes, LogError> {
        let mut bytes = vec![0; batch.header.total_len()];
        let read = disk::read_at_most(&self.file, batch.position, &mut bytes);
        match read.map_err(LogError::io("read", &self.path))? {
            read if read == bytes.len() => Ok(bytes.into()),
            _ => Err(self.damaged(Offset(batch.header.base_offset.0), "the file ends inside a batch".to_string())),
        }
    }

    /// All bytes of a batch, until the scanner is asked for something else.
    pub fn batch_slice(&mut self, batch: &Located) -> Result<&[u8], LogError> {
        self.buffer.shrink_to(self.window.max(batch.header.total_len()));
        self.bytes(batch.position, batch.header.total_len())
    }

    /// `len` bytes at `position`, from the buffer or through it.
    fn bytes(&mut self, position: u64, len: usize) -> Result<&[u8], LogError> {
        let buffered = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        if position < buffered.start || position + len as u64 > buffered.end {
            let wanted = (self.end - position).min(self.window.max(len) as u64) as usize;
            self.buffer.resize(wanted, 0);
            let read = disk::read_at_most(&self.file, position, &mut self.buffer);
            let read = read.map_err(LogError::io("read", &self.path))?;
            self.buffer.truncate(read);
            self.buffer_at = position;
            if read < len {
                return Err(self.damaged(Offset::NONE, "the file is shorter than it was".to_string()));
            }
        }
        let start = (position - self.buffer_at) as usize;
        Ok(&self.buffer[start..start + len])
    }
}
