//! The order in which Java walks a `HashMap`: the output of several tools shows it, and ids are made from it.

use super::Uuid;

/// Java's hash of a string: over its UTF-16 units.
pub fn of_text(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The hash of an id.
pub fn of_uuid(id: Uuid) -> i32 {
    let words = id.0.chunks_exact(4).map(|word| i32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    words.fold(0, |hash, word| hash ^ word)
}

/// The hash of a number of 64 bits.
pub fn of_long(number: i64) -> i32 {
    (number ^ (number as u64 >> 32) as i64) as i32
}

/// The hash of a topic's partition.
pub fn of_partition(topic: &str, partition: i32) -> i32 {
    31_i32.wrapping_mul(31_i32.wrapping_add(partition)).wrapping_add(of_text(topic))
}

/// Puts distinct keys, given in the order of their insertion, into the order of the map. `capacity` is what the map
/// was made for; without it the map grows from its usual 16 buckets.
pub fn sort<T>(items: &mut [T], capacity: Option<usize>, hash: impl Fn(&T) -> i32) {
    let mut buckets = capacity.map_or(16, |wanted| wanted.max(1).next_power_of_two());
    while items.len() > buckets * 3 / 4 {
        buckets *= 2;
    }
    let bucket = |item: &T| {
        let hash = hash(item) as u32;
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    };
    items.sort_by_key(bucket);
}

/// Puts topics, given in the order of their names, into the order in which Kafka's client describes them: they pass
/// through three maps, each of a size of its own.
pub fn sort_described<T>(topics: &mut [T], name: impl Fn(&T) -> &str) {
    let count = topics.len();
    for capacity in [count, count * 4 / 3 + 1, count] {
        sort(topics, Some(capacity), |topic| of_text(name(topic)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_javas() {
        assert_eq!(of_text("hello"), 99_162_322);
        // Kafka 4.3.1 describes these topics and these configs in this order.
        let mut topics = ["a.b_c", "aaa", "bbb"];
        sort_described(&mut topics, |name| name);
        assert_eq!(topics, ["aaa", "a.b_c", "bbb"]);
        let mut configs = ["max.message.bytes", "min.insync.replicas", "retention.ms"];
        sort(&mut configs, Some(64), |name| of_text(name));
        assert_eq!(configs, ["min.insync.replicas", "retention.ms", "max.message.bytes"]);
    }
}
