//! The known name that an unknown one was probably meant to be.

use super::broker::BROKER_KEYS;
use super::ottla::OTTLA_KEYS;
use super::topic::TOPIC_KEYS;

/// The known key with the fewest letters to change; `None` when none is near.
pub(super) fn nearest_key(name: &str) -> Option<&'static str> {
    // A topic's key in the broker's file means the broker's synonym.
    if let Some(key) = TOPIC_KEYS.iter().find(|key| key.name == name) {
        return key.synonym;
    }
    let farthest = (name.len() / 4).max(2);
    BROKER_KEYS
        .iter()
        .chain(OTTLA_KEYS)
        .map(|key| (distance(name.as_bytes(), key.name.as_bytes()), key.name))
        .filter(|(distance, _)| *distance <= farthest)
        .min()
        .map(|(_, name)| name)
}

/// The Levenshtein distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_neighbours() {
        for (name, expected) in [
            ("log.retention.hour", Some("log.retention.hours")),
            ("num.partition", Some("num.partitions")),
            ("retention.ms", Some("log.retention.ms")),
            ("ottla.admin.listner", Some("ottla.admin.listener")),
            ("my.own.plugin.setting", None),
        ] {
            assert_eq!(nearest_key(name), expected, "{name}");
        }
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
