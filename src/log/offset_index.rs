//! Entries of a `.index` file: from an offset to a position in the segment's log.

use super::sparse_index::{Entry, SparseIndex};

/// Says that the batch at `position` ends with the offset `relative_offset` above the segment's base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetEntry {
    pub relative_offset: u32,
    /// Bytes from the beginning of the log file.
    pub position: u32,
}

/// The offset index of a segment.
pub type OffsetIndex = SparseIndex<OffsetEntry>;

impl Entry for OffsetEntry {
    const SIZE: usize = 8;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn parse(bytes: &[u8]) -> OffsetEntry {
        let (relative_offset, position) = bytes.split_at(4);
        OffsetEntry { relative_offset: be_u32(relative_offset), position: be_u32(position) }
    }
}

/// A big-endian number from exactly four bytes.
pub(super) fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}
