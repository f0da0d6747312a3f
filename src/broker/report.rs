//! What the metadata holds that this node keeps and does not act on: told at every start.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{BROKER_KEYS, ConfigKey, ConfigStore, GROUP_KEYS, Status, TOPIC_KEYS};
use crate::metadata::{ConfigResource, MetadataImage};

/// Names in a line before the rest is only counted.
const NAMES_MAX: usize = 10;

/// One line for each kind of thing that has no effect.
pub fn lines(image: &MetadataImage, configs: &ConfigStore) -> Vec<String> {
    let ways_in = [credentials(image), tokens(image)];
    let lines = [acls(image), compacted(image, configs), quotas(image), settings(image)];
    lines.into_iter().chain(ways_in).flatten().collect()
}

/// Topics that would be compacted if the cleaner were not switched off.
fn compacted(image: &MetadataImage, configs: &ConfigStore) -> Option<String> {
    if configs.broker().log_cleaner_enable {
        return None;
    }
    let is_compacted =
        |name: &&str| configs.topic_config(&image.config(&ConfigResource::topic(*name))).cleanup_policy.compact;
    let names: BTreeSet<String> =
        image.topics.iter().map(|topic| &*topic.name).filter(is_compacted).map(str::to_owned).collect();
    let grow = if names.is_empty() { String::new() } else { format!("; these grow: {}", listed(&names)) };
    Some(format!("log.cleaner.enable=false is deprecated, and compacted topics are neither compacted nor cut{grow}"))
}

/// ACLs stop the start unless the operator said that they are ignored.
fn acls(image: &MetadataImage) -> Option<String> {
    let count = image.acls.len();
    (count > 0).then(|| {
        format!("SECURITY IS IGNORED (ottla.takeover.ignore.security=true): {count} ACLs are kept and described, but NOT ENFORCED")
    })
}

fn credentials(image: &MetadataImage) -> Option<String> {
    let users: BTreeSet<&String> = image.scram.values().flat_map(BTreeMap::keys).collect();
    (!users.is_empty()).then(|| {
        format!(
            "SCRAM credentials of {} users are kept, and nobody is asked for them: there is no SASL listener",
            users.len()
        )
    })
}

fn tokens(image: &MetadataImage) -> Option<String> {
    let count = image.delegation_tokens.len();
    (count > 0)
        .then(|| format!("{count} delegation tokens are kept, and nobody can use them: there is no SASL listener"))
}

fn quotas(image: &MetadataImage) -> Option<String> {
    let count = image.client_quotas.len();
    (count > 0).then(|| format!("client quotas are kept and described, but not enforced: {count} of them are set"))
}

/// Settings of topics, groups and brokers in the metadata that have no effect, by reason.
fn settings(image: &MetadataImage) -> Option<String> {
    let mut reasons: BTreeMap<&str, BTreeMap<&str, BTreeSet<String>>> = BTreeMap::new();
    for (resource, configs) in image.configs.iter() {
        let (kind, keys): (&str, &[ConfigKey]) = match resource.kind {
            ConfigResource::TOPIC => ("topic", TOPIC_KEYS),
            ConfigResource::GROUP => ("group", GROUP_KEYS),
            ConfigResource::BROKER => ("broker", BROKER_KEYS),
            _ => continue,
        };
        for name in configs.keys() {
            if let Some(key) = keys.iter().find(|key| key.name == name)
                && let Status::WithoutEffect(reason) = key.status
            {
                let owner =
                    if resource.name.is_empty() { "all brokers".into() } else { format!("{kind} {}", resource.name) };
                reasons.entry(reason).or_default().entry(key.name).or_default().insert(owner);
            }
        }
    }
    let group = |(reason, keys): (&&str, &BTreeMap<&str, BTreeSet<String>>)| {
        let keys: Vec<_> = keys.iter().map(|(key, owners)| format!("{key} of {}", listed(owners))).collect();
        format!("{} ({reason})", keys.join("; "))
    };
    let groups: Vec<_> = reasons.iter().map(group).collect();
    (!groups.is_empty()).then(|| format!("set in the metadata without effect: {}", groups.join("; ")))
}

fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<_> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::load;
    use crate::protocol::kraft::TopicRecord;
    use crate::types::Uuid;

    /// An image with topics and the settings of resources.
    fn image(topics: &[&str], configs: &[(ConfigResource, &str, &str)]) -> MetadataImage {
        let mut image = MetadataImage::default();
        for (number, name) in (1..).zip(topics) {
            let topic_id = Uuid::from_halves(0, number);
            image.replay(&TopicRecord { name: (*name).into(), topic_id }.into()).unwrap();
        }
        let set = configs.iter().map(|(resource, key, value)| {
            (resource.clone(), Arc::new(BTreeMap::from([((*key).to_owned(), (*value).to_owned())])))
        });
        image.configs = Arc::new(set.collect());
        image
    }

    fn said(image: &MetadataImage, overrides: &[(&str, &str)]) -> Vec<String> {
        let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        lines(image, &ConfigStore::new(load(None, &overrides, &|_| None).unwrap().broker))
    }

    #[test]
    fn nothing_is_said_of_what_takes_effect() {
        let retention = (ConfigResource::topic("a"), "retention.ms", "1");
        let offsets = (ConfigResource::topic("__consumer_offsets"), "cleanup.policy", "compact");
        assert_eq!(said(&image(&["a", "__consumer_offsets"], &[retention, offsets]), &[]), Vec::<String>::new());
    }

    #[test]
    fn what_is_kept_without_effect_is_named() {
        let mut image = image(
            &["a", "b", "__consumer_offsets"],
            &[
                (ConfigResource::topic("a"), "cleanup.policy", "compact"),
                (ConfigResource::topic("b"), "cleanup.policy", "compact,delete"),
                (ConfigResource::topic("__consumer_offsets"), "cleanup.policy", "compact"),
                (ConfigResource::topic("c"), "local.retention.ms", "50000"),
                (ConfigResource::default_broker(), "num.io.threads", "3"),
            ],
        );
        let user = BTreeMap::from([("user".to_owned(), None)]);
        image.client_quotas =
            Arc::new(BTreeMap::from([(user, BTreeMap::from([("producer_byte_rate".to_owned(), 1.0)]))]));
        assert_eq!(
            said(&image, &[("log.cleaner.enable", "false")]),
            [
                "log.cleaner.enable=false is deprecated, and compacted topics are neither compacted nor cut; these grow: \
                 __consumer_offsets, a, b",
                "client quotas are kept and described, but not enforced: 1 of them are set",
                "set in the metadata without effect: local.retention.ms of topic c (there is no tiered storage); \
                 num.io.threads of all brokers (work is spread over the processors, there are no thread pools)",
            ]
        );
    }
}
