//! The configuration in force: what the process started with, under what was changed since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::broker::{BrokerConfig, Texts};
use super::change;
use super::error::ConfigError;
use super::group::GroupConfig;
use super::load::StaticConfig;
use super::topic::TopicConfig;
use super::value::Values;

/// All layers of broker configuration. Readers take the state in force without a lock.
pub struct ConfigStore {
    pub(super) base: Arc<StaticConfig>,
    state: ArcSwap<State>,
    /// Held while a new state is made, so that two changes do not lose each other.
    writing: Mutex<()>,
}

/// One state of the dynamic layers and what follows from it.
pub(super) struct State {
    pub default_broker: Texts,
    pub this_broker: Texts,
    pub values: Values,
    pub broker: Arc<BrokerConfig>,
    /// The configuration of groups that set nothing themselves, as nearly all do: every heartbeat asks for it.
    group: GroupConfig,
}

impl State {
    fn new(default_broker: Texts, this_broker: Texts, values: Values, broker: BrokerConfig) -> State {
        let group = GroupConfig::resolve(&values, &BTreeMap::new());
        State { default_broker, this_broker, values, broker: Arc::new(broker), group }
    }
}

impl ConfigStore {
    /// A store with nothing changed yet.
    pub fn new(base: Arc<StaticConfig>) -> ConfigStore {
        let state = State::new(Texts::new(), Texts::new(), base.values.clone(), base.config.clone());
        ConfigStore { base, state: ArcSwap::from_pointee(state), writing: Mutex::new(()) }
    }

    /// The broker's configuration in force.
    pub fn broker(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.state.load().broker)
    }

    /// A topic's configuration, given what it overrides.
    pub fn topic_config(&self, overrides: &BTreeMap<String, String>) -> TopicConfig {
        let state = self.state.load();
        if overrides.is_empty() {
            return state.broker.topic_defaults.clone();
        }
        TopicConfig::resolve(&state.values, overrides)
    }

    /// A group's configuration, given what it overrides.
    pub fn group_config(&self, overrides: &BTreeMap<String, String>) -> GroupConfig {
        let state = self.state.load();
        if overrides.is_empty() {
            return state.group.clone();
        }
        GroupConfig::resolve(&state.values, overrides)
    }

    /// Takes over what the metadata log says about all brokers and about this one. What cannot be applied is left
    /// out; the answer says what and why.
    pub fn set_dynamic(&self, default_broker: Texts, this_broker: Texts) -> Vec<String> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ignored = Vec::new();
        let default_broker = change::applicable(default_broker, change::Scope::AllBrokers, &mut ignored);
        let this_broker = change::applicable(this_broker, change::Scope::ThisBroker, &mut ignored);
        let mut texts = self.base.texts.clone();
        change::lay_over(&mut texts, &default_broker);
        change::lay_over(&mut texts, &this_broker);
        change::clamp(&mut texts);
        match BrokerConfig::parse(&texts, self.base.built_in) {
            Ok((config, values)) => {
                self.state.store(Arc::new(State::new(default_broker, this_broker, values, config)));
            }
            Err(invalid) => ignored.push(format!("dynamic broker configs are not applied: {}", invalid.message)),
        }
        ignored
    }

    /// Checks what all brokers, or this one, would have after a change.
    pub fn validate_broker(&self, scope: change::Scope, configs: &Texts) -> Result<(), ConfigError> {
        change::validate_broker(&self.base, &self.state(), scope, configs)
    }

    /// Refuses broker configs that guard access and would not be enforced, whatever else is wrong with them.
    pub fn refuse_guards(&self, configs: &Texts) -> Result<(), ConfigError> {
        change::check_refused(configs).map_err(ConfigError::Change)
    }

    /// Checks what a topic would override after a change.
    pub fn validate_topic(&self, configs: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        change::validate_topic(&self.state().values, configs)
    }

    /// Checks what a group would override after a change.
    pub fn validate_group(&self, configs: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        change::validate_group(&self.state().values, configs)
    }

    pub(super) fn state(&self) -> arc_swap::Guard<Arc<State>> {
        self.state.load()
    }
}
