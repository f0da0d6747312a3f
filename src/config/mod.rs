//! Configuration: one table with a row for every key that Kafka 4.3.1 has, and everything that follows from it.
//!
//! [`table`] holds the rows: type, default, valid values, how a key can be changed, what it does here, and a sentence
//! about it. The fields of [`BrokerConfig`], their parsers, validation, DescribeConfigs, the sample files and the
//! reference page all come from the rows. [`load`] reads the file a process starts with and judges every key:
//! obeyed, without effect (reported at start) or refused; what guards access is never accepted without effect.
//! [`ConfigStore`] lays the dynamic configs of the metadata log over it while the process runs.

#[macro_use]
mod table;

mod broker;
mod change;
mod client_metrics;
mod container;
mod derived;
mod describe;
mod error;
mod group;
mod guards;
mod internal;
mod key;
mod listeners;
mod load;
mod loggers;
mod nearest;
mod ottla;
pub mod properties;
mod providers;
mod reference;
mod rules;
mod store;
mod threads;
mod topic;
mod topic_patterns;
mod value;

#[cfg(test)]
mod tests;

pub use broker::{BROKER_KEYS, BrokerConfig, DYNAMIC_ONLY, ListenerLimits, ProcessRoles, Texts, Voter};
pub use change::{ListOp, Scope};
pub use client_metrics::{ClientMetricsConfig, SubscriptionFault, check_client_metrics, describe_client_metrics};
pub use container::Container;
pub use describe::{ConfigEntry, ConfigSource, Synonym};
pub use error::{ConfigError, Origin};
pub use group::{GROUP_KEYS, GroupConfig, IsolationLevel};
pub use key::{ConfigKey, Default, Status, Type, UpdateMode, Valid};
pub use listeners::{Listener, SecurityProtocol};
pub use load::{LoadedConfig, StartupReport, StaticConfig, load, load_container};
pub use loggers::{change_logger, check_logger, describe_loggers};
pub use ottla::{LogFormat, OTTLA_KEYS};
pub use reference::{Sample, reference_page};
pub use rules::CONSUMER_ASSIGNORS;
pub use store::ConfigStore;
pub use topic::{CleanupPolicy, TOPIC_KEYS, TimestampType, TopicCompression, TopicConfig};
pub use topic_patterns::TopicPatterns;
pub use value::{AutoOffsetReset, split_list};
