//! The part of the consumer's embedded protocol that the coordinator looks into: which topics a member wants.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The protocol type of ordinary consumers.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The topics of a `ConsumerProtocolSubscription` of any version, or nothing if the bytes are not one.
pub fn subscribed_topics(metadata: &[u8]) -> Option<BTreeSet<Arc<str>>> {
    let mut bytes = metadata;
    let _version = take_i16(&mut bytes)?;
    let count = take_i32(&mut bytes)?;
    let mut topics = BTreeSet::new();
    for _ in 0..count {
        let len = usize::try_from(take_i16(&mut bytes)?).ok()?;
        let name = std::str::from_utf8(bytes.split_off(..len)?).ok()?;
        topics.insert(Arc::from(name));
    }
    let user_data = take_i32(&mut bytes)?;
    (count >= 0 && user_data <= bytes.len() as i32).then_some(topics)
}

fn take_i16(bytes: &mut &[u8]) -> Option<i16> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i16::from_be_bytes(*first))
}

fn take_i32(bytes: &mut &[u8]) -> Option<i32> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i32::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_and_garbage_is_not_read() {
        let two = b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff";
        let topics = subscribed_topics(two).unwrap();
        assert_eq!(topics.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "bc"]);
        for cut in 0..17 {
            assert_eq!(subscribed_topics(&two[..cut]), None, "cut at {cut}");
        }
        assert_eq!(subscribed_topics(b"\0\0\x7f\xff\xff\xff"), None);
        assert_eq!(subscribed_topics(b"\0\0\xff\xff\xff\xff\0\0\0\0"), None);
        assert_eq!(subscribed_topics(b"\0\0\0\0\0\0\0\0\0\x05"), None);
    }
}
