//! Which partition a record goes to, as in Kafka's producer.

use std::hash::{BuildHasher, RandomState};

/// Chooses partitions: by the hash of the key, or for records without one the same until a batch is full (KIP-794).
pub(super) struct Partitioner {
    batch_size: usize,
    sticky: Option<usize>,
    /// Bytes given to the sticky partition.
    given: usize,
    random: u64,
}

impl Partitioner {
    pub(super) fn new(batch_size: usize) -> Partitioner {
        Partitioner { batch_size, sticky: None, given: 0, random: RandomState::new().hash_one(0) }
    }

    /// One of `count` partitions.
    pub(super) fn choose(&mut self, key: Option<&[u8]>, count: usize) -> usize {
        match (key, self.sticky) {
            (Some(key), _) => (murmur2(key) & 0x7fff_ffff) as usize % count,
            (None, Some(sticky)) if sticky < count => sticky,
            (None, _) => self.switch(count),
        }
    }

    /// A record without key was appended; `closed` tells that it ended a batch.
    pub(super) fn note(&mut self, bytes: usize, closed: bool, count: usize) {
        self.given += bytes;
        if closed && self.given >= self.batch_size {
            self.switch(count);
        }
    }

    fn switch(&mut self, count: usize) -> usize {
        // splitmix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let chosen = ((mixed ^ (mixed >> 31)) % count as u64) as usize;
        self.given = 0;
        self.sticky = Some(chosen);
        chosen
    }
}

/// MurmurHash 2 with Kafka's seed, which places keys alike in all clients.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(M);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(M) ^ mixed.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (at, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kafka's `Utils.murmur2` answers for the same bytes.
    #[test]
    fn keys_hash_as_in_java() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn records_without_key_stay_until_a_batch_is_full() {
        let mut partitioner = Partitioner::new(100);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let chosen = partitioner.choose(None, 4);
            partitioner.note(60, false, 4);
            assert_eq!(partitioner.choose(None, 4), chosen);
            partitioner.note(60, true, 4);
            seen.insert(chosen);
        }
        assert_eq!(seen.len(), 4);
    }
}
