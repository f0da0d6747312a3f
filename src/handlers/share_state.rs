//! What the requests over the state of share groups have in common.

use crate::coordinator::share::Refusal;
use crate::protocol::StrBytes;

/// Whether a request says which group and partitions it is about, given how many partitions of each topic it names. Kafka
/// answers others with nothing.
pub(super) fn is_complete(group: &str, mut partitions: impl Iterator<Item = usize>) -> bool {
    !group.is_empty() && partitions.all(|named| named > 0)
}

/// The error code and message of an answer.
pub(super) fn told(refusal: Refusal) -> (i16, Option<StrBytes>) {
    (refusal.code.code(), Some(StrBytes::from_string(refusal.message)))
}
