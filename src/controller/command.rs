//! What the controller can be asked, and its answers.

use crate::protocol::kraft::RegisterControllerRecord;
use crate::state_machine::{Handle, SubmitError};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, ProducerId};

use super::brokers::{BrokerHeartbeat, HeartbeatReply, NewRegistration};
use super::configs::{ConfigAlteration, ConfigResult};
use super::directories::{AssignDirectories, AssignedPartition};
use super::features::FeatureUpdates;
use super::leaders::{ElectionResult, ElectionType, NamedPartitions};
use super::machine::Controller;
use super::quotas::QuotaAlteration;
use super::reassignments::{Reassignment, ReassignmentResult};
use super::scram::ScramChange;
use super::topics::{CreateResult, DeletedTopic, NewPartitions, NewTopic, TopicRef};

/// A refusal, as it goes to the client. Without a message the client gets the code's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    pub code: ErrorCode,
    pub message: Option<String>,
}

impl Denied {
    /// A refusal with a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Denied {
        Denied { code, message: Some(message.into()) }
    }
}

impl From<ErrorCode> for Denied {
    /// A refusal whose message is the code's own, as Kafka fills it in.
    fn from(code: ErrorCode) -> Denied {
        Denied { code, message: Some(code.message().to_owned()) }
    }
}

macro_rules! commands {
    ($($(#[doc = $doc:literal])* $method:ident: $variant:ident($argument:ty) -> $answer:ty;)*) => {
        /// A command.
        #[derive(Clone, Debug)]
        pub enum Command {
            $($(#[doc = $doc])* $variant($argument),)*
        }

        /// The answer to the command of the same name.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Reply {
            $($variant($answer),)*
        }

        /// Where commands are submitted; cheap to clone. An answer comes when its records are committed and every listener of the quorum
        /// has seen them.
        #[derive(Clone)]
        pub struct ControllerHandle {
            handle: Handle<Controller>,
        }

        impl ControllerHandle {
            /// Wraps the handle of a controller's runtime.
            pub fn new(handle: Handle<Controller>) -> ControllerHandle {
                ControllerHandle { handle }
            }

            /// The runtime's own handle.
            pub fn inner(&self) -> &Handle<Controller> {
                &self.handle
            }

            $($(#[doc = $doc])* pub async fn $method(&self, argument: $argument) -> Result<$answer, SubmitError> {
                match self.handle.submit(Command::$variant(argument)).await? {
                    Reply::$variant(answer) => Ok(answer),
                    other => unreachable!("{} is answered by {other:?}", stringify!($variant)),
                }
            })*
        }
    };
}

commands! {
    /// Creates topics, or only says what would come of it: the flag is `validate_only`.
    create_topics: CreateTopics((Vec<NewTopic>, bool)) -> Result<Vec<CreateResult>, Denied>;
    /// Deletes topics by name or id.
    delete_topics: DeleteTopics(Vec<TopicRef>) -> Vec<DeletedTopic>;
    /// Adds partitions; the flag is `validate_only`.
    create_partitions: CreatePartitions((Vec<NewPartitions>, bool)) -> Vec<(String, Result<(), Denied>)>;
    /// Changes single settings.
    alter_configs: AlterConfigs(ConfigAlteration) -> Vec<ConfigResult>;
    /// Replaces all settings of a resource (the legacy call).
    replace_configs: ReplaceConfigs(ConfigAlteration) -> Vec<ConfigResult>;
    /// Registers a broker; the answer is its epoch.
    register_broker: RegisterBroker(NewRegistration) -> Result<BrokerEpoch, Denied>;
    /// Registers a controller, at levels that know such records.
    register_controller: RegisterController(RegisterControllerRecord) -> ();
    /// Tells how a broker is and what it wants.
    heartbeat: Heartbeat(BrokerHeartbeat) -> Result<HeartbeatReply, Denied>;
    /// Forgets a broker.
    unregister_broker: UnregisterBroker(BrokerId) -> Result<(), Denied>;
    /// Elects leaders; without partitions, for all of them.
    elect_leaders: ElectLeaders((ElectionType, Option<NamedPartitions>)) -> Vec<ElectionResult>;
    /// Moves replicas; the flag allows the replication factor to change.
    alter_reassignments: AlterReassignments((Vec<Reassignment>, bool)) -> Vec<ReassignmentResult>;
    /// Sets and removes client quotas; the flag is `validate_only`.
    alter_client_quotas: AlterClientQuotas((Vec<QuotaAlteration>, bool)) -> Vec<Result<(), Denied>>;
    /// Sets and removes SCRAM credentials, answered by user.
    alter_scram: AlterScram(Vec<ScramChange>) -> Vec<(String, Result<(), Denied>)>;
    /// Gives a broker the next block of producer ids.
    allocate_producer_ids: AllocateProducerIds((BrokerId, BrokerEpoch)) -> Result<(ProducerId, i32), Denied>;
    /// Notes in which directories a broker keeps its replicas.
    assign_directories: AssignDirectories(AssignDirectories) -> Result<Vec<(AssignedPartition, ErrorCode)>, Denied>;
    /// Changes feature levels.
    update_features: UpdateFeatures(FeatureUpdates) -> Result<(), Denied>;
}
