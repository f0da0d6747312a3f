//! One number for what a group's topics are like: while it stays, the assignment need not be looked at again.
//!
//! It is written to the log, so it is computed exactly as Kafka does: XXH3 of 64 bits over ids, names, partitions and
//! racks in Kafka's order of bytes. A coordinator of another kind that takes the log over sees the same number.

use twox_hash::XxHash3_64;

use crate::metadata::{MetadataImage, TopicImage};

/// The form of what is hashed.
const MAGIC: u8 = 0;

/// The hash over the topics of these names; those that do not exist count for nothing.
pub fn metadata_hash<'a>(image: &MetadataImage, names: impl Iterator<Item = &'a str>) -> i64 {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let topics = names.into_iter().filter_map(|name| image.topics.named(name));
    let hashes: Vec<u8> = topics.flat_map(|topic| topic_hash(image, topic).to_le_bytes()).collect();
    if hashes.is_empty() { 0 } else { XxHash3_64::oneshot(&hashes) as i64 }
}

fn topic_hash(image: &MetadataImage, topic: &TopicImage) -> u64 {
    let mut bytes = vec![MAGIC];
    let (high, low) = topic.id.0.split_at(8);
    bytes.extend(high.iter().rev());
    bytes.extend(low.iter().rev());
    put_text(&mut bytes, &topic.name);
    put_number(&mut bytes, topic.partitions.len());
    for (index, partition) in topic.partitions.values().enumerate() {
        put_number(&mut bytes, index);
        let racks = partition.replicas.iter().filter_map(|replica| image.broker(*replica)?.rack.as_deref());
        let mut racks: Vec<&str> = racks.collect();
        racks.sort_unstable();
        for rack in racks {
            put_number(&mut bytes, rack.encode_utf16().count());
            put_text(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

/// As Java has it: units of two bytes, and behind them how many they are.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let before = bytes.len();
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let units = (bytes.len() - before) / 2;
    put_number(bytes, units);
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend((number as i32).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::kraft::{PartitionRecord, TopicRecord};
    use crate::types::TopicId;

    /// What a JVM coordinator 4.3.1 wrote for a group of one topic with two partitions.
    #[test]
    fn the_hash_is_kafkas() {
        let topic_id = TopicId::from_halves(0xf5b6_06cb_22a6_455f_u64 as i64, 0x87fe_4abb_fe31_a77a_u64 as i64);
        let mut image = MetadataImage::default();
        image.replay(&TopicRecord { name: "t1".into(), topic_id }.into()).unwrap();
        for partition_id in 0..2 {
            let record = PartitionRecord { partition_id, topic_id, replicas: vec![1], ..Default::default() };
            image.replay(&record.into()).unwrap();
        }
        assert_eq!(metadata_hash(&image, ["t1"].into_iter()), 0x440a_7171_99f9_6de7);
        assert_eq!(metadata_hash(&image, ["t1", "absent"].into_iter()), 0x440a_7171_99f9_6de7);
        assert_eq!(metadata_hash(&image, ["absent"].into_iter()), 0);
        assert_eq!(metadata_hash(&image, std::iter::empty()), 0);
    }
}
