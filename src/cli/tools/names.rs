//! Which topics a pattern means.

use fancy_regex::Regex;

use crate::types::is_internal_topic;

/// A list of topics by name and regular expression, separated by commas.
pub struct TopicFilter {
    regex: Regex,
    exclude_internal: bool,
}

impl TopicFilter {
    /// Reads it as Kafka does: commas mean "or", blanks and quotes around the whole are dropped.
    pub fn new(text: &str, exclude_internal: bool) -> Result<TopicFilter, String> {
        let joined = text.trim().replace(',', "|").replace(' ', "");
        let pattern = joined.trim_start_matches(['"', '\'']).trim_end_matches(['"', '\'']);
        let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| format!("{pattern} is an invalid regex."))?;
        Ok(TopicFilter { regex, exclude_internal })
    }

    /// Whether it means this topic.
    pub fn allows(&self, topic: &str) -> bool {
        self.regex.is_match(topic).unwrap_or(false) && !(self.exclude_internal && is_internal_topic(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_whole_names() {
        let allows = |pattern: &str, topic: &str| TopicFilter::new(pattern, true).unwrap().allows(topic);
        assert!(allows("a, 'b'x,c.*", "c1") && allows("'a,b'", "b") && allows("(?!x).*", "abc"));
        assert!(!allows("a", "ab") && !allows(".*", "__consumer_offsets") && !allows("(?!x).*", "xy"));
        assert_eq!(TopicFilter::new("[", false).err().as_deref(), Some("[ is an invalid regex."));
    }
}
