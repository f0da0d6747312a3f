//! What handlers reach: the owners of a node's state, and the request at hand.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::producer_ids::ProducerIds;
use crate::config::ConfigStore;
use crate::controller::ControllerHandle;
use crate::coordinator::group::{Client, Groups};
use crate::coordinator::share::ShareStates;
use crate::coordinator::share_partition::SharePartitions;
use crate::coordinator::transaction::Transactions;
use crate::log::LogDirs;
use crate::logging::LogLevels;
use crate::metadata::{MetadataImage, TopicImage};
use crate::metrics::Metrics;
use crate::network::{Charge, ConnectionInfo, RequestBudget};
use crate::protocol::frame::RequestHeader;
use crate::quorum::Quorum;
use crate::replication::fetch_session::FetchSessions;
use crate::replication::{Partition, Partitions};
use crate::telemetry::{ClientTelemetry, TelemetryClient};
use crate::types::{BrokerEpoch, BrokerId, Clock, ErrorCode};

/// A node: its identity, and the owners of its state.
pub struct Node {
    pub broker_id: BrokerId,
    pub cluster_id: Arc<str>,
    pub config: Arc<ConfigStore>,
    /// The newest image whose partitions, configs and coordinators are in place.
    pub image: Arc<ArcSwap<MetadataImage>>,
    pub controller: ControllerHandle,
    pub quorum: Arc<Quorum>,
    pub partitions: Arc<Partitions>,
    pub log_dirs: Arc<LogDirs>,
    pub groups: Arc<Groups>,
    pub transactions: Arc<Transactions>,
    /// Where share groups stand.
    pub share_states: Arc<ShareStates>,
    pub share_partitions: Arc<SharePartitions>,
    pub fetch_sessions: FetchSessions,
    pub producer_ids: ProducerIds,
    pub telemetry: Arc<ClientTelemetry>,
    pub log_levels: Arc<LogLevels>,
    pub budget: Arc<RequestBudget>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
}

impl Node {
    /// Whether versions of APIs are served that Kafka may still change.
    pub fn serves_unstable_versions(&self) -> bool {
        self.config.broker().unstable_api_versions_enable
    }

    /// The metadata as this node serves it.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// The replica that this node keeps of a partition. Where it keeps none of those that it should keep, the topic is
    /// being deleted, and the image it was found in is the one before.
    pub fn replica(&self, topic: &TopicImage, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let registration = topic.partitions.get(&index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        match self.partitions.find(topic.id, index) {
            Err(ErrorCode::NotLeaderOrFollower) if registration.replicas.contains(&self.broker_id) => {
                Err(ErrorCode::UnknownTopicOrPartition)
            }
            found => found,
        }
    }

    /// The epoch of this broker's registration; -1 before it is registered.
    pub fn broker_epoch(&self) -> BrokerEpoch {
        self.image().broker(self.broker_id).map_or(BrokerEpoch(-1), |broker| broker.epoch)
    }
}

/// One request on its way: who asks, and what its header says.
pub struct Call<'a> {
    pub node: &'a Node,
    pub connection: &'a Arc<ConnectionInfo>,
    pub header: &'a RequestHeader,
    /// The bytes behind the header, for what the decoded request has no room for.
    pub body: &'a Bytes,
    /// The memory that the decoded request was charged.
    pub charge: Mutex<Charge>,
}

/// What a request may hold while it waits for others and not be charged for: about what its connection costs anyway.
const WAITS_FREE_BYTES: usize = 64 << 10;

impl Call<'_> {
    /// The version of the request.
    pub fn version(&self) -> i16 {
        self.header.api_version
    }

    /// To be called before a wait that may be long, when the decoded request is gone and only what follows from it
    /// stays: gives back the memory of all but very large requests, so that many who wait leave room for others.
    /// Answers false if others lack the memory that this one would keep, so that it had better not wait.
    pub fn may_wait(&self) -> bool {
        let mut charge = self.charge.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = charge.bytes().saturating_sub(WAITS_FREE_BYTES);
        charge.shrink(kept);
        kept == 0 || !self.node.budget.is_spent()
    }

    /// Whether groups of the consumer protocol are on, in the cluster and on this broker.
    pub fn consumer_groups_enabled(&self) -> bool {
        let protocols = &self.node.config.broker().group_coordinator_rebalance_protocols;
        self.node.image().consumer_groups_enabled() && protocols.iter().any(|name| name == "consumer")
    }

    /// Whether groups of the streams protocol are on, in the cluster and on this broker.
    pub fn streams_groups_enabled(&self) -> bool {
        let protocols = &self.node.config.broker().group_coordinator_rebalance_protocols;
        self.node.image().streams_groups_enabled() && protocols.iter().any(|name| name == "streams")
    }

    /// Whether share groups are on in the cluster.
    pub fn share_groups_enabled(&self) -> bool {
        self.node.image().share_groups_enabled()
    }

    /// PRODUCER_FENCED as this client knows it: one below version `since` takes INVALID_PRODUCER_EPOCH for it. Other
    /// errors stay what they are.
    pub fn fenced_since(&self, since: i16, error: ErrorCode) -> ErrorCode {
        match error {
            ErrorCode::ProducerFenced if self.version() < since => ErrorCode::InvalidProducerEpoch,
            error => error,
        }
    }

    /// The client, as subscriptions to its metrics know it.
    pub fn telemetry_client(&self) -> TelemetryClient {
        TelemetryClient::new(self.header.client_id.as_deref(), self.connection)
    }

    /// The client, as a group remembers it.
    pub fn client(&self) -> Client {
        let id = Arc::from(self.header.client_id.as_deref().unwrap_or_default());
        Client { id, host: format!("/{}", self.connection.peer.ip()).into() }
    }
}
