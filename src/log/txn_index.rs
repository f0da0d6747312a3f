//! The `.txnindex` of a segment: transactions that were aborted by a marker in it.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;

use crate::types::{Offset, ProducerId};

use super::producer_state::CompletedTxn;
use super::{LogError, disk};

/// Version, producer id, first, last and last stable offset.
pub const ENTRY_BYTES: usize = 34;
/// The only version of an entry.
const VERSION: i16 = 0;

/// A transaction whose records are to be skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedTxn {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
    /// The marker's offset.
    pub last_offset: Offset,
    /// Every transaction before this offset was decided when the marker was written.
    pub last_stable_offset: Offset,
}

impl AbortedTxn {
    /// The transaction, if it was aborted.
    pub fn of(txn: &CompletedTxn) -> Option<AbortedTxn> {
        let CompletedTxn { producer_id, first_offset, last_offset, aborted, last_stable_offset } = *txn;
        aborted.then_some(AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset })
    }

    /// Reads an entry from exactly [`ENTRY_BYTES`]; one of an unknown version is none.
    pub fn parse(entry: &[u8]) -> Option<AbortedTxn> {
        let field = |n: usize| {
            let at = 2 + n * 8;
            i64::from_be_bytes(entry[at..at + 8].try_into().expect("eight bytes"))
        };
        (entry[..2] == VERSION.to_be_bytes()).then(|| AbortedTxn {
            producer_id: ProducerId(field(0)),
            first_offset: Offset(field(1)),
            last_offset: Offset(field(2)),
            last_stable_offset: Offset(field(3)),
        })
    }
}

/// The aborted transactions of one segment. They are few: the file is opened when one is written or asked for.
#[derive(Debug, Default)]
pub struct TxnIndex {
    entries: Mutex<u64>,
}

impl TxnIndex {
    /// An index whose file has `len` bytes.
    pub fn in_file(len: u64) -> TxnIndex {
        TxnIndex { entries: Mutex::new(len / ENTRY_BYTES as u64) }
    }

    /// Adds a transaction.
    pub fn append(&self, path: &Path, txn: &AbortedTxn) -> Result<(), LogError> {
        let mut entries = self.entries.lock().expect("this lock is never held across a panic");
        let mut bytes = Vec::with_capacity(ENTRY_BYTES);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        for field in [txn.producer_id.0, txn.first_offset.0, txn.last_offset.0, txn.last_stable_offset.0] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        disk::write_at(&disk::open_or_create(path)?, path, *entries * ENTRY_BYTES as u64, &bytes)?;
        *entries += 1;
        Ok(())
    }

    /// Drops the transactions that ended at or behind `offset`.
    pub fn truncate(&self, path: &Path, offset: Offset) -> Result<(), LogError> {
        // Markers ascend, and none is at offset 0: zeros are of a write that a power cut took away.
        let mut last = Offset::ZERO;
        let keep = |txn: &&AbortedTxn| {
            let before = std::mem::replace(&mut last, txn.last_offset);
            txn.last_offset > before && txn.last_offset < offset
        };
        let kept = self.read(path)?.iter().take_while(keep).count() as u64;
        let mut entries = self.entries.lock().expect("this lock is never held across a panic");
        if kept < *entries {
            let file = disk::open(path)?;
            disk::set_len(&file, path, kept * ENTRY_BYTES as u64)?;
            *entries = kept;
        }
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        *self.entries.lock().expect("this lock is never held across a panic")
    }

    /// Drops the newest, so that `count` are left, and what a failed append may have written behind them.
    pub fn cut(&self, path: &Path, count: u64) -> Result<(), LogError> {
        let mut entries = self.entries.lock().expect("this lock is never held across a panic");
        match disk::open(path) {
            Ok(file) => disk::set_len(&file, path, count * ENTRY_BYTES as u64)?,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        *entries = count;
        Ok(())
    }

    /// Drops everything, and the file.
    pub fn clear(&self, path: &Path) -> Result<(), LogError> {
        disk::remove(path)?;
        *self.entries.lock().expect("this lock is never held across a panic") = 0;
        Ok(())
    }

    /// Whether there is none, as in most segments.
    pub fn is_empty(&self) -> bool {
        *self.entries.lock().expect("this lock is never held across a panic") == 0
    }

    /// The transactions, in the order of their markers.
    pub fn read(&self, path: &Path) -> Result<Vec<AbortedTxn>, LogError> {
        let entries = *self.entries.lock().expect("this lock is never held across a panic");
        if entries == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(LogError::io("open", path))?;
        file.take(entries * ENTRY_BYTES as u64).read_to_end(&mut bytes).map_err(LogError::io("read", path))?;
        bytes
            .chunks_exact(ENTRY_BYTES)
            .map(|entry| AbortedTxn::parse(entry).ok_or_else(|| unknown_version(path)))
            .collect()
    }
}

fn unknown_version(path: &Path) -> LogError {
    LogError::BadFile { path: path.to_path_buf(), reason: "an aborted transaction of an unknown version".to_string() }
}
