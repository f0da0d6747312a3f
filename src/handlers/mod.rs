//! Handlers: one file per API, one row per API.
//!
//! A row of the table below says which key it is, which versions are served, on which listeners, and which module
//! answers. The table drives dispatch, the ApiVersions answer, the metrics and the sweep over malformed requests:
//! adding an API is adding a row and a file. A handler translates: it checks the request, calls the one owner of the
//! state, and shapes the answer.

mod answer;
mod auto_create;
mod by_topic;
mod config_changes;
mod creation;
mod dispatch;
mod endpoints;
mod node;
mod operations;
mod producer_ids;
#[cfg(test)]
mod reference;
mod share_acks;
mod share_groups;
mod share_state;
mod verification;

pub use answer::Answer;
pub use dispatch::Dispatch;
pub use fetch::response::{FetchAnswer, FetchedPartition, FetchedTopic};
pub use node::{Call, Node};
pub use producer_ids::ProducerIds;
pub use write_txn_markers::write_marker;

use crate::controller::Denied;
use crate::protocol::frame::AnyRequest;
use crate::protocol::messages::RequestKind;
use crate::protocol::newer::OwnRequest;
use crate::state_machine::{JournalError, SubmitError};
use crate::types::ErrorCode;

/// The number of what is no element of an ACL. Kafka closes a connection that sends it, authorizer or not.
const UNKNOWN_ACL_ELEMENT: i8 = 0;

/// Where an API is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listeners {
    /// On the listeners of brokers.
    Broker,
    /// On the listeners of brokers and of controllers.
    Both,
}

/// One served API.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    pub key: i16,
    /// Kafka's name of the API.
    pub name: &'static str,
    pub min_version: i16,
    pub max_version: i16,
    /// The highest version where those that Kafka may still change are served too (`unstable.api.versions.enable`).
    pub max_unstable_version: i16,
    pub listeners: Listeners,
}

impl Api {
    /// The row of `key`, if it is served.
    pub fn find(key: i16) -> Option<&'static Api> {
        API_TABLE.binary_search_by_key(&key, |api| api.key).ok().map(|at| &API_TABLE[at])
    }

    /// Whether the API is served on a controller's listener (`controller`) or a broker's.
    pub fn served_on(&self, controller: bool) -> bool {
        !controller || self.listeners == Listeners::Both
    }

    /// The highest version that is served, `unstable` ones among them or not.
    pub fn highest_version(&self, unstable: bool) -> i16 {
        if unstable { self.max_unstable_version } else { self.max_version }
    }

    /// The lowest version that ApiVersions names. Produce is announced from 0, though 0 to 2 are refused: some
    /// releases of librdkafka take a higher floor for a broker without idempotence (KAFKA-18659).
    pub fn announced_min_version(&self) -> i16 {
        if self.key == 0 { 0 } else { self.min_version }
    }
}

const fn last_of(versions: &[i16]) -> i16 {
    versions[versions.len() - 1]
}

/// Which request a row stands for; `own` marks one of those that the message crate does not have.
macro_rules! request {
    ($name:ident, $request:ident) => {
        AnyRequest::Crate(RequestKind::$name($request))
    };
    ($name:ident, $request:ident, own) => {
        AnyRequest::Own(OwnRequest::$name($request))
    };
}

macro_rules! api_table {
    ($($name:ident = $key:literal, $min:literal ..= $max:literal $(unstable $last:literal)?, $listeners:ident, $module:ident $(, $own:ident)?;)*) => {
        $(mod $module;)*

        /// Every served API, in order of its key.
        pub const API_TABLE: &[Api] = &[$(Api {
            key: $key,
            name: stringify!($name),
            min_version: $min,
            max_version: $max,
            max_unstable_version: last_of(&[$max $(, $last)?]),
            listeners: Listeners::$listeners,
        },)*];

        /// Calls the handler of a decoded request. Handlers are boxed, so that an idle connection does not hold room
        /// for the largest of them.
        async fn handle(call: &Call<'_>, request: AnyRequest) -> Answer {
            match request {
                $(request!($name, request $(, $own)?) => Box::pin($module::handle(call, request)).await,)*
                _ => Answer::Close("the request is of no served API".into()),
            }
        }
    };
}

api_table! {
    Produce = 0, 3..=13, Broker, produce;
    Fetch = 1, 4..=18, Broker, fetch;
    ListOffsets = 2, 1..=11, Broker, list_offsets;
    Metadata = 3, 0..=13, Broker, metadata;
    OffsetCommit = 8, 2..=10, Broker, offset_commit;
    OffsetFetch = 9, 1..=10, Broker, offset_fetch;
    FindCoordinator = 10, 0..=6, Broker, find_coordinator;
    JoinGroup = 11, 0..=9, Broker, join_group;
    Heartbeat = 12, 0..=4, Broker, heartbeat;
    LeaveGroup = 13, 0..=5, Broker, leave_group;
    SyncGroup = 14, 0..=5, Broker, sync_group;
    DescribeGroups = 15, 0..=6, Broker, describe_groups;
    ListGroups = 16, 0..=5, Broker, list_groups;
    SaslHandshake = 17, 0..=1, Both, sasl_handshake;
    ApiVersions = 18, 0..=4, Both, api_versions;
    CreateTopics = 19, 2..=7, Both, create_topics;
    DeleteTopics = 20, 1..=6, Both, delete_topics;
    DeleteRecords = 21, 0..=2, Broker, delete_records;
    InitProducerId = 22, 0..=5 unstable 6, Broker, init_producer_id;
    OffsetForLeaderEpoch = 23, 2..=4, Broker, offset_for_leader_epoch;
    AddPartitionsToTxn = 24, 0..=5, Broker, add_partitions_to_txn;
    AddOffsetsToTxn = 25, 0..=4, Broker, add_offsets_to_txn;
    EndTxn = 26, 0..=5, Broker, end_txn;
    WriteTxnMarkers = 27, 1..=2, Broker, write_txn_markers;
    TxnOffsetCommit = 28, 0..=5, Broker, txn_offset_commit;
    DescribeAcls = 29, 1..=3, Both, describe_acls;
    CreateAcls = 30, 1..=3, Both, create_acls;
    DeleteAcls = 31, 1..=3, Both, delete_acls;
    DescribeConfigs = 32, 1..=4, Both, describe_configs;
    AlterConfigs = 33, 0..=2, Both, alter_configs;
    AlterReplicaLogDirs = 34, 1..=2, Broker, alter_replica_log_dirs;
    DescribeLogDirs = 35, 1..=5, Broker, describe_log_dirs;
    SaslAuthenticate = 36, 0..=2, Both, sasl_authenticate;
    CreatePartitions = 37, 0..=3, Both, create_partitions;
    CreateDelegationToken = 38, 1..=3, Both, create_delegation_token;
    RenewDelegationToken = 39, 1..=2, Both, renew_delegation_token;
    ExpireDelegationToken = 40, 1..=2, Both, expire_delegation_token;
    DescribeDelegationToken = 41, 1..=3, Both, describe_delegation_token;
    DeleteGroups = 42, 0..=2, Broker, delete_groups;
    ElectLeaders = 43, 0..=2, Both, elect_leaders;
    IncrementalAlterConfigs = 44, 0..=1, Both, incremental_alter_configs;
    AlterPartitionReassignments = 45, 0..=1, Both, alter_partition_reassignments;
    ListPartitionReassignments = 46, 0..=0, Both, list_partition_reassignments;
    OffsetDelete = 47, 0..=0, Broker, offset_delete;
    DescribeClientQuotas = 48, 0..=1, Broker, describe_client_quotas;
    AlterClientQuotas = 49, 0..=1, Both, alter_client_quotas;
    DescribeUserScramCredentials = 50, 0..=0, Both, describe_user_scram_credentials;
    AlterUserScramCredentials = 51, 0..=0, Both, alter_user_scram_credentials;
    DescribeQuorum = 55, 0..=2, Both, describe_quorum;
    UpdateFeatures = 57, 0..=2, Both, update_features;
    DescribeCluster = 60, 0..=2, Both, describe_cluster;
    DescribeProducers = 61, 0..=0, Broker, describe_producers;
    UnregisterBroker = 64, 0..=0, Both, unregister_broker;
    DescribeTransactions = 65, 0..=0, Broker, describe_transactions;
    ListTransactions = 66, 0..=2, Broker, list_transactions;
    ConsumerGroupHeartbeat = 68, 0..=1, Broker, consumer_group_heartbeat;
    ConsumerGroupDescribe = 69, 0..=1, Broker, consumer_group_describe;
    GetTelemetrySubscriptions = 71, 0..=0, Broker, get_telemetry_subscriptions;
    PushTelemetry = 72, 0..=0, Broker, push_telemetry;
    ListConfigResources = 74, 0..=1, Broker, list_config_resources;
    DescribeTopicPartitions = 75, 0..=0, Broker, describe_topic_partitions;
    ShareGroupHeartbeat = 76, 1..=1, Broker, share_group_heartbeat;
    ShareGroupDescribe = 77, 1..=1, Broker, share_group_describe;
    ShareFetch = 78, 1..=2, Broker, share_fetch;
    ShareAcknowledge = 79, 1..=2, Broker, share_acknowledge;
    AddRaftVoter = 80, 0..=1, Both, add_raft_voter;
    RemoveRaftVoter = 81, 0..=0, Both, remove_raft_voter;
    InitializeShareGroupState = 83, 0..=0, Broker, initialize_share_group_state;
    ReadShareGroupState = 84, 0..=0, Broker, read_share_group_state;
    WriteShareGroupState = 85, 0..=1, Broker, write_share_group_state;
    DeleteShareGroupState = 86, 0..=0, Broker, delete_share_group_state;
    ReadShareGroupStateSummary = 87, 0..=1, Broker, read_share_group_state_summary;
    StreamsGroupHeartbeat = 88, 0..=0, Broker, streams_group_heartbeat, own;
    StreamsGroupDescribe = 89, 0..=0, Broker, streams_group_describe, own;
    DescribeShareGroupOffsets = 90, 0..=1, Broker, describe_share_group_offsets;
    AlterShareGroupOffsets = 91, 0..=0, Broker, alter_share_group_offsets;
    DeleteShareGroupOffsets = 92, 0..=0, Broker, delete_share_group_offsets;
}

/// What a client is told that left no time: Kafka's controller drops such a request before it begins.
fn out_of_time(timeout_ms: i32) -> Option<Denied> {
    (timeout_ms <= 0).then_some(Denied { code: ErrorCode::RequestTimedOut, message: None })
}

/// What a client is told when the controller gave no reply.
fn not_submitted(error: &SubmitError) -> Denied {
    let code = match error {
        SubmitError::Stopped => ErrorCode::NotController,
        SubmitError::CommitTimedOut => ErrorCode::RequestTimedOut,
        SubmitError::Append(JournalError::Storage(_)) => ErrorCode::KafkaStorageError,
        SubmitError::Append(_) | SubmitError::Lost(_) => ErrorCode::UnknownServerError,
    };
    Denied::new(code, error.to_string())
}
