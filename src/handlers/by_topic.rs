//! Answers that stand one for each partition, gathered by topic.

use std::collections::BTreeMap;

use crate::protocol::messages::TopicName;

/// Answers by topic and partition, as Kafka's hash tables hold them: a topic without partitions is not answered, and of
/// what is named twice the last answer counts.
pub(super) struct ByTopic<T, K = TopicName> {
    topics: BTreeMap<K, BTreeMap<i32, T>>,
}

impl<T, K> Default for ByTopic<T, K> {
    fn default() -> ByTopic<T, K> {
        ByTopic { topics: BTreeMap::new() }
    }
}

impl<T, K: Ord + Clone> ByTopic<T, K> {
    pub(super) fn set(&mut self, topic: &K, partition: i32, answer: T) {
        self.topics.entry(topic.clone()).or_default().insert(partition, answer);
    }

    /// The topics, each made of its name, or id, and answers.
    pub(super) fn into_topics<R>(self, topic: impl Fn(K, Vec<T>) -> R) -> Vec<R> {
        self.topics.into_iter().map(|(name, answers)| topic(name, answers.into_values().collect())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::StrBytes;

    #[test]
    fn the_last_answer_of_a_partition_counts() {
        let topic = |name: &'static str| TopicName(StrBytes::from_static_str(name));
        let mut answers = ByTopic::default();
        for (name, partition, answer) in [("b", 1, "first"), ("a", 0, "only"), ("b", 0, "other"), ("b", 1, "last")] {
            answers.set(&topic(name), partition, answer);
        }
        let topics = answers.into_topics(|name, answers| (name.to_string(), answers));
        assert_eq!(topics, [("a".to_owned(), vec!["only"]), ("b".to_owned(), vec!["other", "last"])]);
    }
}
