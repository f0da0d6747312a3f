//! The name of a share partition.

use std::fmt;
use std::sync::Arc;

use crate::types::TopicId;

/// A share group in one partition of a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SharePartitionKey {
    pub group: Arc<str>,
    pub topic_id: TopicId,
    pub partition: i32,
}

impl SharePartitionKey {
    /// The group in that partition.
    pub fn new(group: impl Into<Arc<str>>, topic_id: TopicId, partition: i32) -> SharePartitionKey {
        SharePartitionKey { group: group.into(), topic_id, partition }
    }

    /// Reads `group:topicId:partition`, as FindCoordinator gets it. The group may hold colons; those at the end of the
    /// text count for nothing, as Java splits.
    pub fn parse(text: &str) -> Option<SharePartitionKey> {
        let mut parts = text.trim_end_matches(':').rsplitn(3, ':');
        let partition = parts.next()?.parse().ok()?;
        let topic_id = parts.next()?.parse().ok()?;
        let group = parts.next().filter(|group| group.chars().any(|c| c > ' '))?;
        Some(SharePartitionKey::new(group, topic_id, partition))
    }
}

impl fmt::Display for SharePartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.group, self.topic_id, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_the_right() {
        let id = "MkU3OEVBNTcwNTJENDM2Qk";
        let topic_id: TopicId = id.parse().unwrap();
        for (text, group, partition) in [("g", "g", 3), ("a:b", "a:b", -1), (" x ", " x ", 0)] {
            let key = SharePartitionKey::parse(&format!("{text}:{id}:{partition}")).unwrap();
            assert_eq!(key, SharePartitionKey::new(group, topic_id, partition));
        }
        assert_eq!(SharePartitionKey::parse(&format!("g:{id}:7:")).unwrap().to_string(), format!("g:{topic_id}:7"));
        for bad in ["", ":", "g", "g:1", &format!("{id}:0"), &format!(":{id}:0"), &format!("  :{id}:0")] {
            assert_eq!(SharePartitionKey::parse(bad), None, "{bad}");
        }
        for bad in [format!("g:{id}:x"), format!("g:{id}:2147483648"), "g:short:0".to_owned()] {
            assert_eq!(SharePartitionKey::parse(&bad), None, "{bad}");
        }
    }
}
