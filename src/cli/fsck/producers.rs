//! What the batches of a partition say of their producers, held against producer snapshots and transaction indexes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::log::AbortedTxn;
use crate::log::producer_state::read_snapshot;
use crate::log::txn_index::ENTRY_BYTES;
use crate::protocol::batch::BatchHeader;
use crate::protocol::control::ControlType;
use crate::types::{Offset, ProducerId};

/// Producers that are followed; of a partition that has more, snapshots are checked for themselves only.
const PRODUCERS_MAX: usize = 100_000;
/// A larger snapshot is not read: the log remembers more producers than any sane cluster has.
const SNAPSHOT_BYTES_MAX: u64 = 8 << 20;

/// The producers of a partition, as its batches tell of them from its first one on.
pub(super) struct Producers {
    /// The last offset and sequence of each; none once they are too many.
    last: Option<HashMap<ProducerId, (Offset, i32), foldhash::fast::RandomState>>,
    /// First offsets of open transactions.
    open: BTreeMap<ProducerId, Offset>,
    first: Option<Offset>,
}

impl Producers {
    pub(super) fn new() -> Producers {
        Producers { last: Some(HashMap::default()), open: BTreeMap::new(), first: None }
    }

    /// Takes the next batch; answers the transaction that it aborts.
    pub(super) fn batch(&mut self, header: &BatchHeader, control: Option<ControlType>) -> Option<AbortedTxn> {
        let first = *self.first.get_or_insert(header.base_offset);
        if !header.has_producer_id() {
            return None;
        }
        let id = header.producer_id;
        if !header.is_control() {
            self.note(header);
            if header.is_transactional() {
                self.open.entry(id).or_insert(header.base_offset);
            }
            return None;
        }
        let begun = self.open.remove(&id);
        // Of a transaction that began before the log does, only the end is known.
        let first_offset = begun.unwrap_or(Offset(first.0 - 1));
        (control == Some(ControlType::Abort)).then(|| AbortedTxn {
            producer_id: id,
            first_offset,
            last_offset: header.last_offset(),
            last_stable_offset: self.open.values().copied().min().unwrap_or(header.next_offset()),
        })
    }

    fn note(&mut self, header: &BatchHeader) {
        if let Some(last) = &mut self.last {
            last.insert(header.producer_id, (header.last_offset(), header.last_sequence()));
            if last.len() > PRODUCERS_MAX {
                self.last = None;
            }
        }
    }

    /// Producers of transactions that no marker has ended, with the first offset of each.
    pub(super) fn open(&self) -> impl Iterator<Item = (ProducerId, Offset)> {
        self.open.iter().map(|(id, first)| (*id, *first))
    }

    /// Whether the transaction began in what was seen.
    pub(super) fn saw_begin(&self, txn: &AbortedTxn) -> bool {
        self.first.is_some_and(|first| txn.first_offset >= first)
    }

    /// What is wrong with a snapshot taken where the batches seen so far end. `replayed` tells whether these are all
    /// that it may speak of, and none was compacted.
    pub(super) fn check_snapshot(&self, path: &Path, replayed: bool) -> io::Result<Option<String>> {
        let file = File::open(path)?;
        if file.metadata()?.len() > SNAPSHOT_BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(SNAPSHOT_BYTES_MAX).read_to_end(&mut bytes)?;
        let entries = match read_snapshot(&bytes) {
            Ok(entries) => entries,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let (Some(last), Some(first), true) = (&self.last, self.first, replayed) else { return Ok(None) };
        for entry in entries {
            let Some(batch) = entry.last_batch.filter(|batch| batch.first_offset() >= first) else { continue };
            let told = (batch.last_offset, batch.last_sequence);
            let found = last.get(&entry.producer_id).copied();
            if found != Some(told) {
                let (id, (offset, sequence)) = (entry.producer_id, told);
                let found = found.map_or("nothing of it".to_owned(), |(offset, sequence)| {
                    format!("sequence {sequence} at offset {offset}")
                });
                return Ok(Some(format!(
                    "it says that producer {id} wrote sequence {sequence} at offset {offset} last, where the log has {found}"
                )));
            }
        }
        Ok(None)
    }
}

/// The entries of a transaction index; what is wrong with the file, if they cannot be read.
pub(super) fn read_txn_index(path: &Path) -> io::Result<Result<Vec<AbortedTxn>, String>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let rest = bytes.len() % ENTRY_BYTES;
    if rest != 0 {
        return Ok(Err(format!("its last {rest} bytes are no whole entry")));
    }
    let entries: Option<Vec<AbortedTxn>> = bytes.chunks_exact(ENTRY_BYTES).map(AbortedTxn::parse).collect();
    Ok(entries.ok_or_else(|| "an entry is of an unknown version".to_owned()))
}
