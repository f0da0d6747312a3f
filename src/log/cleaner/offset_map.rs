//! The last offset of each key, in a fixed amount of memory.

use sha2::{Digest, Sha256};

use crate::types::Offset;

/// Memory of one key, as in Kafka: 16 bytes of a hash, 8 of an offset.
pub const ENTRY_BYTES: usize = 24;
/// There is always a slot without a key, at which a search ends.
const SLOTS_MIN: usize = 2;

/// Two halves of a hash and the offset after the key's; all zero where there is no key.
type Slot = [u64; 3];

/// Offsets by key. A key is known by its hash alone.
pub struct OffsetMap {
    slots: Vec<Slot>,
    keys: usize,
    keys_max: usize,
    /// Keys that the memory allowed for would take.
    capacity: usize,
    latest: Offset,
}

impl OffsetMap {
    /// A map that takes at most `bytes` of memory, of which `load_factor` is filled. It gets no larger than for the
    /// `keys_expected` that there can be.
    pub fn new(bytes: usize, load_factor: f64, keys_expected: u64) -> OffsetMap {
        let capacity = (bytes / ENTRY_BYTES).max(SLOTS_MIN);
        let keys_max = ((capacity as f64 * load_factor) as usize).clamp(1, capacity - 1);
        let expected = usize::try_from(keys_expected).unwrap_or(usize::MAX).min(keys_max);
        let slots = expected.saturating_add(expected / 3 + SLOTS_MIN).min(capacity);
        // Zeroed memory from the system is not touched before it is used.
        OffsetMap { slots: vec![[0; 3]; slots], keys: 0, keys_max, capacity, latest: Offset::NONE }
    }

    /// Whether no further record is taken, not even one of a known key.
    pub fn is_full(&self) -> bool {
        self.keys >= self.keys_max || self.keys + 1 >= self.slots.len()
    }

    /// Enters the offset of a key, which is behind all others; the map is not full.
    pub fn put(&mut self, key: &[u8], offset: Offset) {
        assert!(!self.is_full());
        let hash = hash(key);
        let at = self.find(hash);
        if self.slots[at] == [0; 3] {
            self.keys += 1;
        }
        self.slots[at] = [hash[0], hash[1], offset.0 as u64 + 1];
        self.latest = offset;
    }

    /// The last offset of a key.
    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let [.., after] = self.slots[self.find(hash(key))];
        (after > 0).then(|| Offset(after as i64 - 1))
    }

    /// Everything up to this offset is reflected here; −1 if nothing is.
    pub fn latest(&self) -> Offset {
        self.latest
    }

    /// Says that everything up to `offset` is reflected, also where there was no key.
    pub fn note_latest(&mut self, offset: Offset) {
        self.latest = offset;
    }

    /// Which share of the memory allowed for was used.
    pub fn utilization(&self) -> f64 {
        self.keys as f64 / self.capacity as f64
    }

    /// The slot of a hash, or the empty one where it belongs.
    fn find(&self, hash: [u64; 2]) -> usize {
        let mut at = ((u128::from(hash[0]) * self.slots.len() as u128) >> 64) as usize;
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || slot[..2] == hash {
                return at;
            }
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
    }
}

fn hash(key: &[u8]) -> [u64; 2] {
    let digest = Sha256::digest(key);
    let half = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().expect("eight bytes"));
    [half(0), half(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_each_key_is_found() {
        let mut map = OffsetMap::new(ENTRY_BYTES * 1000, 0.9, u64::MAX);
        for round in 0..3u64 {
            for key in 0..899u64 {
                assert!(!map.is_full());
                map.put(&key.to_be_bytes(), Offset((round * 899 + key) as i64));
            }
        }
        assert_eq!(map.latest(), Offset(3 * 899 - 1));
        for key in 0..2000u64 {
            let expected = (key < 899).then(|| Offset((2 * 899 + key) as i64));
            assert_eq!(map.get(&key.to_be_bytes()), expected, "{key}");
        }
        map.put(b"", Offset(5000));
        assert_eq!((map.get(b""), map.is_full()), (Some(Offset(5000)), true));
        assert!((map.utilization() - 0.9).abs() < 0.01);
    }

    #[test]
    fn memory_follows_the_keys_that_there_can_be() {
        assert_eq!(OffsetMap::new(128 << 20, 0.9, u64::MAX).slots.len(), (128 << 20) / ENTRY_BYTES);
        for expected in [0u64, 1, 2, 3, 10, 1000] {
            let mut map = OffsetMap::new(128 << 20, 0.9, expected);
            assert!(map.slots.len() as u64 <= 2 + expected * 4 / 3);
            for key in 0..expected {
                assert!(!map.is_full(), "{key} of {expected}");
                map.put(&key.to_be_bytes(), Offset(key as i64));
            }
        }
        for (bytes, load) in [(0, 0.9), (50, 0.0), (100, 5.0), (100, f64::NAN)] {
            let mut map = OffsetMap::new(bytes, load, u64::MAX);
            while !map.is_full() {
                map.put(&map.keys.to_be_bytes(), Offset(1));
            }
            assert!(map.keys >= 1 && map.get(b"absent").is_none());
        }
    }
}
