//! What a topic may be called.

/// The longest name, in characters: with a partition's number and a suffix it must still fit into a file name.
const NAME_LEN_MAX: usize = 249;

/// The topic in which groups keep their state.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// The log of the controllers' quorum, which is no topic, nor may one be called so.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// The topic in which transactions keep their state.
pub const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// The topic in which share groups keep their state.
pub const SHARE_STATE_TOPIC: &str = "__share_group_state";

/// Why `name` cannot be a topic's, as Kafka says it behind "Topic name is invalid: "; None when it can.
pub fn topic_name_fault(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        return Some("the empty string is not allowed".into());
    }
    if matches!(name, "." | "..") {
        return Some(format!("'{name}' is not allowed"));
    }
    if name.chars().count() > NAME_LEN_MAX {
        return Some(format!("the length of '{name}' is longer than the max allowed length {NAME_LEN_MAX}"));
    }
    let other = "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
    (!name.chars().all(allowed)).then(|| format!("'{name}' {other}"))
}

/// Whether Kafka keeps state of its own in the topic, so that clients may not write to it.
pub fn is_internal_topic(name: &str) -> bool {
    matches!(name, OFFSETS_TOPIC | TRANSACTIONS_TOPIC | SHARE_STATE_TOPIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        for good in ["a", "A.b_c-9", &"x".repeat(249), "__consumer_offsets", "..."] {
            assert_eq!(topic_name_fault(good), None, "{good}");
        }
        for bad in ["", ".", "..", "a/../b", "a b", "ä", "a\0", &"x".repeat(250)] {
            assert!(topic_name_fault(bad).is_some(), "{bad}");
        }
    }
}
