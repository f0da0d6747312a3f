//! DescribeConfigs: every key with its value, where the value comes from, and what would hold without it.

use std::collections::BTreeMap;

use super::broker::{BROKER_KEYS, BrokerConfig, DYNAMIC_ONLY};
use super::change::synonyms;
use super::group::{self, GROUP_KEYS};
use super::internal::internal_key;
use super::key::{ConfigKey, Default, UpdateMode};
use super::load::base_name;
use super::ottla::OTTLA_KEYS;
use super::store::{ConfigStore, State};
use super::topic::{self, INTERNAL_TOPIC_KEYS, TOPIC_KEYS};
use super::value::Values;

/// Where a value comes from; the number is the one on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub enum ConfigSource {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    DynamicBrokerLogger = 6,
    ClientMetrics = 7,
    Group = 8,
}

/// One config of a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigEntry {
    pub name: String,
    /// `None` for null, and always for sensitive values.
    pub value: Option<String>,
    pub read_only: bool,
    /// Nobody has set it.
    pub is_default: bool,
    pub source: ConfigSource,
    pub sensitive: bool,
    /// All values that were given, the one in force first.
    pub synonyms: Vec<Synonym>,
    /// The type's number; 0 when the key is not known.
    pub config_type: i8,
    pub documentation: Option<&'static str>,
}

/// A value that holds, or would if those before it did not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Synonym {
    pub name: String,
    pub value: Option<String>,
    pub source: ConfigSource,
}

impl ConfigSource {
    /// The number on the wire.
    pub fn code(self) -> i8 {
        self as i8
    }
}

impl ConfigStore {
    /// The configs of this broker, by name.
    pub fn describe_broker(&self) -> Vec<ConfigEntry> {
        let state = self.state();
        let mut names: Vec<&str> =
            BROKER_KEYS.iter().map(|key| key.name).filter(|name| !DYNAMIC_ONLY.contains(name)).collect();
        let set = self.base.texts.keys().chain(state.default_broker.keys()).chain(state.this_broker.keys());
        names.extend(
            set.map(String::as_str).filter(|name| BrokerConfig::key(name).is_none() || DYNAMIC_ONLY.contains(name)),
        );
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| self.broker_entry(&state, name)).collect()
    }

    /// The configs that are set for all brokers.
    pub fn describe_default_broker(&self) -> Vec<ConfigEntry> {
        let state = self.state();
        let describe = |(name, value): (&String, &String)| {
            let mut entry = self.broker_entry(&state, name);
            entry.synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
            entry.value = (!entry.sensitive).then(|| value.clone());
            entry.with_first_source()
        };
        state.default_broker.iter().map(describe).collect()
    }

    /// The configs of a topic, given what it overrides.
    pub fn describe_topic(&self, overrides: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
        let state = self.state();
        let values = topic::effective(&state.values, overrides);
        let inherited =
            |key: &ConfigKey| key.synonym.map(|name| self.broker_synonyms(&state, name)).unwrap_or_default();
        let internal = INTERNAL_TOPIC_KEYS.iter().filter(|key| overrides.contains_key(key.name));
        resource_entries(TOPIC_KEYS.iter().chain(internal), &values, overrides, ConfigSource::Topic, inherited)
    }

    /// The configs of a group, given what it overrides.
    pub fn describe_group(&self, overrides: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
        let state = self.state();
        let values = group::effective(&state.values, overrides);
        let inherited = |key: &ConfigKey| match (key.synonym, key.default) {
            (Some(name), _) => self.broker_synonyms(&state, name),
            (None, Default::Is(text)) => {
                vec![Synonym { name: key.name.to_owned(), value: Some(text.to_owned()), source: ConfigSource::Default }]
            }
            (None, Default::Null | Default::Required) => Vec::new(),
        };
        resource_entries(GROUP_KEYS.iter(), &values, overrides, ConfigSource::Group, inherited)
    }

    fn broker_entry(&self, state: &State, name: &str) -> ConfigEntry {
        let row = broker_row(name);
        let in_table = BrokerConfig::key(name).is_some() && !DYNAMIC_ONLY.contains(&name);
        let value = if in_table { state.values.of(name).text() } else { self.text_in_force(state, name) };
        let sensitive = row.is_none_or(ConfigKey::sensitive);
        ConfigEntry {
            name: name.to_owned(),
            value: value.filter(|_| !sensitive),
            read_only: BrokerConfig::key(name).is_none_or(|row| row.mode == UpdateMode::ReadOnly),
            is_default: true,
            source: ConfigSource::Default,
            sensitive,
            synonyms: self.broker_synonyms(state, name),
            config_type: row.map_or(0, |row| row.kind.code()),
            documentation: row.map(|row| row.doc),
        }
        .with_first_source()
    }

    fn text_in_force(&self, state: &State, name: &str) -> Option<String> {
        let layers = [&state.this_broker, &state.default_broker, &self.base.texts];
        layers.into_iter().find_map(|layer| layer.get(name).cloned())
    }

    /// Every value given for a broker key under any of its names: this broker's, all brokers', the file's, the
    /// default. Names before the key's own first appearance are left out, as Kafka does.
    fn broker_synonyms(&self, state: &State, name: &str) -> Vec<Synonym> {
        let names = synonyms(name);
        let sensitive = broker_row(name).is_none_or(ConfigKey::sensitive);
        let layers = [
            (&state.this_broker, ConfigSource::DynamicBroker),
            (&state.default_broker, ConfigSource::DynamicDefaultBroker),
            (&self.base.texts, ConfigSource::StaticBroker),
        ];
        let mut found = Vec::new();
        let mut add = |name: &str, value: &str, source| {
            let value = (!sensitive).then(|| value.to_owned());
            found.push(Synonym { name: name.to_owned(), value, source });
        };
        for (layer, source) in layers {
            for name in &names {
                if let Some(value) = layer.get(*name) {
                    add(name, value, source);
                }
            }
        }
        for name in names.iter().filter(|name| !DYNAMIC_ONLY.contains(name)) {
            if let Some(Default::Is(text)) =
                BrokerConfig::key(name).or_else(|| internal_key(name)).map(|row| row.default)
            {
                add(name, text, ConfigSource::Default);
            }
        }
        found.into_iter().skip_while(|synonym| synonym.name != name).collect()
    }
}

impl ConfigEntry {
    fn with_first_source(mut self) -> ConfigEntry {
        self.source = self.synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source);
        self.is_default = self.source == ConfigSource::Default;
        self
    }
}

fn broker_row(name: &str) -> Option<&'static ConfigKey> {
    let base = base_name(name);
    BrokerConfig::key(base).or_else(|| internal_key(base)).or_else(|| OTTLA_KEYS.iter().find(|row| row.name == name))
}

fn resource_entries(
    keys: impl Iterator<Item = &'static ConfigKey> + Clone,
    values: &Values,
    overrides: &BTreeMap<String, String>,
    own: ConfigSource,
    inherited: impl Fn(&ConfigKey) -> Vec<Synonym>,
) -> Vec<ConfigEntry> {
    let known = keys.clone().map(|key| {
        let value = values.of(key.name).text();
        let mut synonyms = inherited(key);
        if overrides.contains_key(key.name) {
            synonyms.insert(0, Synonym { name: key.name.to_owned(), value: value.clone(), source: own });
        }
        ConfigEntry {
            name: key.name.to_owned(),
            value,
            read_only: false,
            is_default: true,
            source: ConfigSource::Default,
            sensitive: false,
            synonyms,
            config_type: key.kind.code(),
            documentation: Some(key.doc),
        }
        .with_first_source()
    });
    // What an older release may have left in the metadata log.
    let unknown = overrides.keys().filter(|name| keys.clone().all(|key| key.name != **name)).map(|name| {
        let synonyms = vec![Synonym { name: name.clone(), value: None, source: own }];
        ConfigEntry {
            name: name.clone(),
            value: None,
            read_only: false,
            is_default: false,
            source: own,
            sensitive: true,
            synonyms,
            config_type: 0,
            documentation: None,
        }
    });
    known.chain(unknown).collect()
}
