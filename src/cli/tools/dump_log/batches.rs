//! Walking over the batches of a log file as Kafka's own reader of files does, damaged ones included.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::protocol::batch::{BATCH_HEADER_LEN, BATCH_PREFIX_LEN, BatchHeader, MAGIC};

use super::legacy::LegacyRecord;

/// What must be there for a batch to be recognised: everything up to its magic.
const RECOGNISED_LEN: usize = 17;
/// The shortest batch of any magic, after the prefix.
const LENGTH_MIN: i32 = 14;
/// Bytes read at once.
const WINDOW_BYTES: usize = 1 << 20;

/// A stretch of a log file.
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    start: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// A batch of any magic.
pub(super) struct Batch {
    /// Bytes from the beginning of the file.
    pub(super) position: u64,
    /// Bytes of the whole batch.
    pub(super) size: usize,
    /// As the batch's prefix has it: of the first record from magic 2 on, of the last before.
    pub(super) offset: i64,
    pub(super) header: Header,
}

/// What stands behind a batch's prefix.
pub(super) enum Header {
    Legacy(LegacyRecord),
    Default(BatchHeader),
}

impl Batch {
    pub(super) fn last_offset(&self) -> i64 {
        match &self.header {
            Header::Legacy(_) => self.offset,
            Header::Default(header) => header.last_offset().0,
        }
    }
}

impl LogFile {
    /// The first `max_bytes` of the file.
    pub(super) fn open(path: &Path, max_bytes: u64) -> Result<LogFile, String> {
        let fail = |error: io::Error| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        let end = len.min(max_bytes);
        Ok(LogFile { file, path: path.to_owned(), start: 0, end, window: Vec::new(), window_at: 0 })
    }

    /// At most `max_bytes` from `position` on.
    pub(super) fn slice(&mut self, position: i32, max_bytes: u64) -> Result<(), String> {
        let len = self.file.metadata().map_err(|error| self.failed(&error))?.len();
        match u64::try_from(position) {
            Ok(start) if start <= len => {
                self.start = start;
                self.end = (start + max_bytes).min(len);
                Ok(())
            }
            _ => Err(format!("Slice from position {position} exceeds end position of {}", self.path.display())),
        }
    }

    /// Bytes of the stretch.
    pub(super) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// The next batch. None is left where less than a whole one is; a length that no batch has is an error.
    pub(super) fn next(&mut self) -> Result<Option<Batch>, String> {
        let position = self.start;
        if self.end < position + RECOGNISED_LEN as u64 + 1 {
            return Ok(None);
        }
        let prefix: [u8; RECOGNISED_LEN] = self.array(position)?;
        let offset = i64::from_be_bytes(prefix[..8].try_into().expect("eight bytes"));
        let length = i32::from_be_bytes(prefix[8..BATCH_PREFIX_LEN].try_into().expect("four bytes"));
        if length < LENGTH_MIN {
            let file = self.path.display();
            return Err(format!(
                "Found record size {length} smaller than minimum record overhead ({LENGTH_MIN}) in file {file}."
            ));
        }
        let size = BATCH_PREFIX_LEN + length as usize;
        if position + size as u64 > self.end {
            return Ok(None);
        }
        let header = if (prefix[16] as i8) < MAGIC {
            Header::Legacy(LegacyRecord::parse(self.bytes(position, size)?[BATCH_PREFIX_LEN..].to_vec())?)
        } else {
            Header::Default(BatchHeader::read(&self.array::<BATCH_HEADER_LEN>(position)?))
        };
        self.start += size as u64;
        Ok(Some(Batch { position, size, offset, header }))
    }

    /// All bytes of a batch.
    pub(super) fn batch_bytes(&mut self, batch: &Batch) -> Result<&[u8], String> {
        self.bytes(batch.position, batch.size)
    }

    fn array<const N: usize>(&mut self, position: u64) -> Result<[u8; N], String> {
        Ok(self.bytes(position, N)?.try_into().expect("as many bytes as were asked for"))
    }

    /// `len` bytes at `position`, which may lie behind the stretch but not behind the file.
    fn bytes(&mut self, position: u64, len: usize) -> Result<&[u8], String> {
        let buffered = self.window_at..self.window_at + self.window.len() as u64;
        if position < buffered.start || position + len as u64 > buffered.end {
            self.window.resize(WINDOW_BYTES.max(len), 0);
            let mut filled = 0;
            while filled < self.window.len() {
                let read = self.file.read_at(&mut self.window[filled..], position + filled as u64);
                match read {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(self.failed(&error)),
                }
            }
            self.window.truncate(filled);
            self.window_at = position;
        }
        let start = (position - self.window_at) as usize;
        self.window.get(start..start + len).ok_or_else(|| {
            let file = self.path.display();
            format!("Failed to load record batch at position {position} from {file}: the file ends too early")
        })
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("{}: {error}", self.path.display())
    }
}
