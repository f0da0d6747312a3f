//! A sparse index: fixed-size entries in ascending order, the older ones in a file, the newest in memory.
//!
//! The file is exactly as long as its entries. The active segment's newest entries wait in memory and are added to
//! the file at checkpoints, roll and close; a sealed index is read by `pread` only, so that it costs no memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{LogError, disk};

/// Entries of a file that are read at once when a search has come close.
const WINDOW_ENTRIES: usize = 256;
/// No entry is larger than this.
const ENTRY_BYTES_MAX: usize = 12;

/// An entry of a fixed size on disk.
pub trait Entry: Copy {
    /// Bytes on disk.
    const SIZE: usize;
    /// Appends the entry's bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads an entry from exactly [`Entry::SIZE`] bytes.
    fn parse(bytes: &[u8]) -> Self;
}

/// The entries of one index.
#[derive(Debug)]
pub struct SparseIndex<E> {
    state: RwLock<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    in_file: usize,
    /// The file is there, and exactly as long as `in_file` entries.
    exact: bool,
    tail: Vec<E>,
    /// The last entry, once somebody asked for it.
    last: Option<Option<E>>,
}

/// Where an index finds its file; asked only when the file is needed.
pub type OpenFile<'a> = &'a dyn Fn() -> Result<Arc<File>, LogError>;

impl<E: Entry> SparseIndex<E> {
    /// An index without entries and without a file.
    pub fn empty() -> SparseIndex<E> {
        SparseIndex { state: RwLock::new(State { in_file: 0, exact: false, tail: Vec::new(), last: Some(None) }) }
    }

    /// An index whose entries are in a file of `len` bytes.
    pub fn in_file(len: u64) -> SparseIndex<E> {
        let in_file = len as usize / E::SIZE;
        SparseIndex { state: RwLock::new(State { in_file, exact: false, tail: Vec::new(), last: None }) }
    }

    /// Notes that the file is there, exactly as long as the index was told: then there is nothing to save.
    pub fn note_exact(&self) {
        self.write().exact = true;
    }

    /// Whether the file was last known to be there, exactly as long as its entries.
    pub fn is_exact(&self) -> bool {
        self.read().exact
    }

    /// Every entry, for comparison.
    #[cfg(test)]
    pub fn all(&self, open: OpenFile<'_>) -> Result<Vec<E>, LogError> {
        let state = self.read();
        let mut all = Vec::new();
        for n in 0..state.in_file {
            all.push(entry(open()?.as_ref(), n)?);
        }
        all.extend(&state.tail);
        Ok(all)
    }

    /// Number of entries.
    pub fn count(&self) -> usize {
        let state = self.read();
        state.in_file + state.tail.len()
    }

    /// Entries that only memory holds.
    pub fn unsaved(&self) -> usize {
        self.read().tail.len()
    }

    /// The first of the entries that only memory holds.
    pub fn first_unsaved(&self) -> Option<E> {
        self.read().tail.first().copied()
    }

    /// Adds an entry behind all others; the caller keeps the order.
    pub fn push(&self, entry: E) {
        let mut state = self.write();
        state.tail.push(entry);
        state.last = Some(Some(entry));
    }

    /// The last entry.
    pub fn last(&self, open: OpenFile<'_>) -> Result<Option<E>, LogError> {
        if let Some(last) = self.read().last {
            return Ok(last);
        }
        let mut state = self.write();
        let last = match (state.tail.last(), state.in_file) {
            (Some(entry), _) => Some(*entry),
            (None, 0) => None,
            (None, n) => Some(entry(open()?.as_ref(), n - 1)?),
        };
        state.last = Some(last);
        Ok(last)
    }

    /// The last entry of those for which `holds` is true; it must be true up to some entry and false from there on.
    pub fn last_where(&self, open: OpenFile<'_>, holds: impl Fn(&E) -> bool) -> Result<Option<E>, LogError> {
        let state = self.read();
        if state.tail.first().is_some_and(&holds) {
            let count = state.tail.partition_point(&holds);
            return Ok(Some(state.tail[count - 1]));
        }
        if state.in_file == 0 {
            return Ok(None);
        }
        Ok(last_in_file(open()?.as_ref(), state.in_file, &holds)?.1)
    }

    /// The first entry of those for which `holds` is false; as for [`SparseIndex::last_where`].
    pub fn first_unless(&self, open: OpenFile<'_>, holds: impl Fn(&E) -> bool) -> Result<Option<E>, LogError> {
        let state = self.read();
        if state.in_file > 0 && !state.tail.first().is_some_and(&holds) {
            let file = open()?;
            let (count, _) = last_in_file(&file, state.in_file, &holds)?;
            if count < state.in_file {
                return entry(&file, count).map(Some);
            }
        }
        Ok(state.tail.get(state.tail.partition_point(&holds)).copied())
    }

    /// Drops the entries for which `keep` is false, and cuts the file; answers whether that was changed.
    pub fn truncate(&self, path: &Path, open: OpenFile<'_>, keep: impl Fn(&E) -> bool) -> Result<bool, LogError> {
        let mut state = self.write();
        let before = state.in_file;
        let kept = state.tail.partition_point(&keep);
        state.tail.truncate(kept);
        if state.tail.is_empty() && state.in_file > 0 {
            let file = open()?;
            let (kept, _) = last_in_file(&file, state.in_file, &keep)?;
            if kept < state.in_file {
                disk::set_len(&file, path, (kept * E::SIZE) as u64)?;
                state.in_file = kept;
            }
        }
        state.last = None;
        Ok(state.in_file < before)
    }

    /// Forgets every entry, those in the file too; [`SparseIndex::save`] makes the file agree.
    pub fn clear(&self) {
        *self.write() = State { in_file: 0, exact: false, tail: Vec::new(), last: Some(None) };
    }

    /// Adds the entries in memory to the file, which is then exactly as long as its entries.
    pub fn save(&self, path: &Path) -> Result<(), LogError> {
        let mut state = self.write();
        if state.exact && state.tail.is_empty() {
            return Ok(());
        }
        let file = disk::open_or_create(path)?;
        let bytes = bytes_of(&state.tail);
        let position = (state.in_file * E::SIZE) as u64;
        let written = disk::set_len(&file, path, position).and_then(|()| disk::write_at(&file, path, position, &bytes));
        if let Err(error) = written {
            // A part of the entries would pass for all of them at the next start.
            state.exact = false;
            let _ = disk::set_len(&file, path, position);
            return Err(error);
        }
        state.in_file += state.tail.len();
        state.exact = true;
        state.tail = Vec::new();
        Ok(())
    }

    /// Puts an index that only memory holds in the place of the file, durably: no crash leaves a part of it.
    pub fn replace(&self, path: &Path) -> Result<(), LogError> {
        let mut state = self.write();
        debug_assert_eq!(state.in_file, 0, "it was cleared and not saved since");
        disk::write_atomically(path, &bytes_of(&state.tail))?;
        state.in_file = state.tail.len();
        state.exact = true;
        state.tail = Vec::new();
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, State<E>> {
        self.state.read().expect("an index lock is never held across a panic")
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<E>> {
        self.state.write().expect("an index lock is never held across a panic")
    }
}

fn bytes_of<E: Entry>(entries: &[E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * E::SIZE);
    entries.iter().for_each(|entry| entry.write(&mut bytes));
    bytes
}

/// How many of the file's first `total` entries satisfy `holds`, and the last of them.
fn last_in_file<E: Entry>(
    file: &File,
    total: usize,
    holds: &impl Fn(&E) -> bool,
) -> Result<(usize, Option<E>), LogError> {
    let mut bytes = [0; WINDOW_ENTRIES * ENTRY_BYTES_MAX];
    let mut window = 0..0;
    let (mut low, mut high, mut last) = (0, total, None);
    while low < high {
        let middle = low + (high - low) / 2;
        if !window.contains(&middle) {
            window = if high - low > WINDOW_ENTRIES { middle..middle + 1 } else { low..high };
            read_entries::<E>(file, window.start, &mut bytes[..window.len() * E::SIZE])?;
        }
        let at = (middle - window.start) * E::SIZE;
        let entry = E::parse(&bytes[at..at + E::SIZE]);
        if holds(&entry) { (low, last) = (middle + 1, Some(entry)) } else { high = middle }
    }
    Ok((low, last))
}

fn entry<E: Entry>(file: &File, n: usize) -> Result<E, LogError> {
    let mut bytes = [0; ENTRY_BYTES_MAX];
    let bytes = &mut bytes[..E::SIZE];
    read_entries::<E>(file, n, bytes)?;
    Ok(E::parse(bytes))
}

fn read_entries<E: Entry>(file: &File, first: usize, bytes: &mut [u8]) -> Result<(), LogError> {
    file.read_exact_at(bytes, (first * E::SIZE) as u64).map_err(LogError::io("read", "an index file"))
}

#[cfg(test)]
mod tests {
    use super::super::offset_index::OffsetEntry;
    use super::*;

    /// Searches give the same answer wherever the border between file and memory lies.
    #[test]
    fn searches_file_and_memory_alike() {
        let dir = tempfile::tempdir().unwrap();
        let total = 1500u32;
        for saved in [0, 1, 255, 256, 257, 700, 1499, 1500] {
            let path = dir.path().join(format!("{saved}.index"));
            let index = SparseIndex::<OffsetEntry>::empty();
            for n in 0..total {
                if n == saved {
                    index.save(&path).unwrap();
                }
                index.push(OffsetEntry { relative_offset: n * 10, position: n * 100 });
            }
            if saved == total {
                index.save(&path).unwrap();
            }
            assert_eq!(std::fs::metadata(&path).unwrap().len(), u64::from(saved) * 8);
            let open = || super::super::disk::open(&path).map(Arc::new);
            for asked in [0, 1, 9, 10, 2549, 2560, 2575, 6999, 7000, 14989, 14990, 99999] {
                let found = index.last_where(&open, |entry| entry.relative_offset <= asked).unwrap();
                assert_eq!(found.unwrap().relative_offset, (asked / 10).min(total - 1) * 10);
            }
            index.truncate(&path, &open, |entry| entry.relative_offset < 5000).unwrap();
            assert_eq!(index.count(), 500);
            assert_eq!(index.last(&open).unwrap().unwrap().position, 49900);
            index.save(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), 4000);
        }
    }
}
