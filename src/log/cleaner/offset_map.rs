//! The last offset of each key, in a fixed amount of memory.

use sha2::{Digest, Sha256};

use crate::types::Offset;

/// Memory of one key, as in Kafka: 16 bytes of a hash, 8 of an offset.
pub const ENTRY_BYTES: usize = 24;
/// Keys that are looked for together. Slots lie all over memory that is larger than any cache: asked for one by one, each
/// key would wait for its own.
pub const KEYS_TOGETHER: usize = 64;
/// There is always a slot without a key, at which a search ends.
const SLOTS_MIN: usize = 2;

/// Two halves of a hash and the offset after the key's; all zero where there is no key.
type Slot = [u64; 3];

/// What a key is known by: half of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash([u64; 2]);

impl KeyHash {
    pub fn of(key: &[u8]) -> KeyHash {
        let digest = Sha256::digest(key);
        let half = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().expect("eight bytes"));
        KeyHash([half(0), half(8)])
    }
}

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
    pub fn put(&mut self, key: KeyHash, offset: Offset) {
        assert!(!self.is_full());
        let at = self.find(key);
        if self.slots[at] == [0; 3] {
            self.keys += 1;
        }
        self.slots[at] = [key.0[0], key.0[1], offset.0 as u64 + 1];
        self.latest = offset;
    }

    /// Enters keys with their offsets, which rise, and empties `entries`. Answers false if the map was full before the
    /// last of them.
    pub fn put_all(&mut self, entries: &mut Vec<(KeyHash, Offset)>) -> bool {
        self.prefetch(entries.iter().map(|(key, _)| *key));
        for (key, offset) in entries.drain(..) {
            if self.is_full() {
                return false;
            }
            self.put(key, offset);
        }
        true
    }

    /// The last offset of a key.
    pub fn get(&self, key: KeyHash) -> Option<Offset> {
        let [.., after] = self.slots[self.find(key)];
        (after > 0).then(|| Offset(after as i64 - 1))
    }

    /// Has the slots of keys that are asked for next come into the cache, all at once.
    pub fn prefetch(&self, keys: impl Iterator<Item = KeyHash>) {
        let read = keys.fold(0, |read, key| read ^ self.slots[self.home(key)][2]);
        std::hint::black_box(read);
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

    /// Where the search for a key begins.
    fn home(&self, key: KeyHash) -> usize {
        ((u128::from(key.0[0]) * self.slots.len() as u128) >> 64) as usize
    }

    /// The slot of a key, or the empty one where it belongs.
    fn find(&self, key: KeyHash) -> usize {
        let mut at = self.home(key);
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || slot[..2] == key.0 {
                return at;
            }
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
    }
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
                map.put(KeyHash::of(&key.to_be_bytes()), Offset((round * 899 + key) as i64));
            }
        }
        assert_eq!(map.latest(), Offset(3 * 899 - 1));
        for key in 0..2000u64 {
            let expected = (key < 899).then(|| Offset((2 * 899 + key) as i64));
            assert_eq!(map.get(KeyHash::of(&key.to_be_bytes())), expected, "{key}");
        }
        map.put(KeyHash::of(b""), Offset(5000));
        assert_eq!((map.get(KeyHash::of(b"")), map.is_full()), (Some(Offset(5000)), true));
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
                map.put(KeyHash::of(&key.to_be_bytes()), Offset(key as i64));
            }
        }
        for (bytes, load) in [(0, 0.9), (50, 0.0), (100, 5.0), (100, f64::NAN)] {
            let mut map = OffsetMap::new(bytes, load, u64::MAX);
            while !map.is_full() {
                map.put(KeyHash::of(&map.keys.to_be_bytes()), Offset(1));
            }
            assert!(map.keys >= 1 && map.get(KeyHash::of(b"absent")).is_none());
        }
    }

    #[test]
    fn what_does_not_fit_is_not_entered() {
        let mut map = OffsetMap::new(ENTRY_BYTES * 10, 0.5, u64::MAX);
        let entries = |keys: std::ops::Range<u8>| -> Vec<_> {
            keys.map(|key| (KeyHash::of(&[key]), Offset(i64::from(key)))).collect()
        };
        let mut entered = entries(0..3);
        assert!(map.put_all(&mut entered) && entered.is_empty());
        assert!(!map.put_all(&mut entries(3..7)));
        assert_eq!(map.latest(), Offset(4));
        let kept = entries(0..7).into_iter().filter(|(key, offset)| map.get(*key) == Some(*offset)).count();
        assert_eq!(kept, 5);
    }
}
