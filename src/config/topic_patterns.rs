//! Patterns of topic names, as they stand in lists of `server.properties`.

use super::value::split_list;

/// Which topics a list of patterns names. In a pattern `*` stands for any characters, also none, and `?` for one; all
/// others stand for themselves, the dot too.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TopicPatterns(Vec<String>);

impl TopicPatterns {
    /// Reads patterns that commas separate. Answers what is wrong with one that no topic's name can match.
    pub fn parse(text: &str) -> Result<TopicPatterns, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*' | '?');
        let patterns = split_list(text);
        for pattern in &patterns {
            if pattern.is_empty() {
                return Err("A pattern between two commas is empty".to_owned());
            }
            if let Some(other) = pattern.chars().find(|c| !allowed(*c)) {
                let rule = "a pattern is a topic's name in which * stands for any characters and ? for one";
                return Err(format!("'{pattern}' has '{other}', which is in no topic's name: {rule}"));
            }
        }
        Ok(TopicPatterns(patterns))
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the patterns fits the whole of `topic`.
    pub fn contains(&self, topic: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern.as_bytes(), topic.as_bytes()))
    }
}

/// Whether `pattern` fits the whole of `name`; a star takes as little as it can and more when the rest does not fit.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        let patterns = TopicPatterns::parse("orders, payments.*,__consumer_offsets,t?st-*-log").unwrap();
        for name in ["orders", "payments.", "payments.eu.cards", "__consumer_offsets", "test-a-b-log", "tast--log"] {
            assert!(patterns.contains(name), "{name}");
        }
        for name in ["order", "orders2", "payments", "paymentsX", "consumer_offsets", "tst-a-log", "test-log", ""] {
            assert!(!patterns.contains(name), "{name}");
        }
        let all = TopicPatterns::parse("*").unwrap();
        assert!(all.contains("a") && all.contains("__transaction_state"));
        assert!(TopicPatterns::parse("a*b*c").unwrap().contains("a-bb-bc-c"));
        let none = TopicPatterns::parse("  ").unwrap();
        assert!(none.is_empty() && !none.contains("a"));
    }

    #[test]
    fn what_fits_no_topic_is_refused() {
        for text in ["a,,b", "a.*,(b|c)", "^a", "a b"] {
            assert!(TopicPatterns::parse(text).is_err(), "{text}");
        }
    }
}
