//! The controller: decides every change of the cluster's metadata.
//!
//! [`Controller`] is a state machine over metadata records. Its hard state is a [`MetadataImage`](crate::metadata::MetadataImage) that also
//! holds what is appended and not yet committed; its live state is the brokers' sessions. One file per area, each a set of methods that
//! read the image and return records and an answer. What depends on chance (ids of topics) comes with the command.
//!
//! | file | decides |
//! | --- | --- |
//! | `brokers` | registration, heartbeats, fencing, controlled shutdown |
//! | `election` | leader, ISR and ELR of one partition |
//! | `topics`, `placement` | creating and deleting topics, adding partitions |
//! | `configs`, `quotas`, `scram`, `features` | settings of those kinds |
//! | `leaders`, `reassignments`, `directories` | elections on demand, moving replicas, assigning directories |

mod brokers;
mod command;
mod configs;
mod directories;
mod election;
mod features;
mod leaders;
mod machine;
mod placement;
mod quotas;
mod reassignments;
mod scram;
mod topics;

#[cfg(test)]
mod tests;

pub use brokers::{BrokerHeartbeat, HeartbeatReply, NewRegistration};
pub use command::{Command, ControllerHandle, Denied, Reply};
pub use configs::{ConfigAlteration, ConfigOperation, ConfigResult, Operation};
pub use directories::{AssignDirectories, AssignedPartition};
pub use features::{FeatureUpdate, FeatureUpdates};
pub use leaders::{ElectionResult, ElectionType, NamedPartitions};
pub use machine::{Controller, ControllerOptions, Sessions, Timer};
pub use quotas::QuotaAlteration;
pub use reassignments::{Reassignment, ReassignmentResult};
pub use scram::{ScramChange, ScramMechanism};
pub use topics::{CreateResult, CreatedTopic, DeletedTopic, NewPartitions, NewTopic, TopicRef};
