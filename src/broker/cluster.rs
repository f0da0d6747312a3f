//! The metadata side of a node: its quorum, the controller over it, and this node's place in the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::config::{BrokerConfig, ConfigStore, Listener, TopicConfig};
use crate::controller::{
    BrokerHeartbeat, Controller, ControllerHandle, ControllerOptions, Denied, HeartbeatReply, NewRegistration,
};
use crate::log::{LogContext, LogError, MetaProperties};
use crate::metadata::{Feature, MetadataImage};
use crate::protocol::kraft::{
    BrokerEndpoint, BrokerFeature, ControllerEndpoint, ControllerFeature, RegisterControllerRecord,
};
use crate::quorum::{
    Examined, FormatError, FormatOptions, InitialVoters, Opened, Quorum, QuorumError, QuorumOptions, Voter, VoterSet,
    format_directories,
};
use crate::state_machine::{Options, Runtime, Stop, SubmitError};
use crate::types::{BrokerEpoch, BrokerId, Clock, DirectoryId, Millis, Uuid};

/// How long a change of metadata may take until it is in force: as long as clients wait for an answer by default. The logs
/// of thousands of partitions, on a disk that has other work, take more than a moment.
const COMMIT_TIMEOUT: Millis = Millis(30_000);

/// Why the metadata side does not start, or a broker does not come into the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the controller does not answer: {0}")]
    Submit(#[from] SubmitError),
    #[error("the controller refuses: {}", .0.message.as_deref().unwrap_or(.0.code.message()))]
    Denied(Denied),
    #[error("no log directory is formatted as {0}")]
    NotFormatted(String),
}

/// The running metadata side of a node.
pub struct Cluster {
    quorum: Arc<Quorum>,
    controller: ControllerHandle,
    runtime: JoinHandle<()>,
    node: BrokerId,
    cluster_id: String,
}

/// The metadata of a directory that was read, and not changed yet.
pub struct ExaminedCluster {
    quorum: Examined,
    cluster_id: String,
}

impl ExaminedCluster {
    /// Reads the metadata log and decides whether this node may lead its quorum.
    pub fn read(
        configs: &Arc<ConfigStore>,
        context: Arc<LogContext>,
        clock: Clock,
    ) -> Result<ExaminedCluster, ClusterError> {
        let config = configs.broker();
        let identity = MetaProperties::read(&config.metadata_log_dir)?;
        let Some(identity) = identity else {
            return Err(ClusterError::NotFormatted(config.metadata_log_dir.display().to_string()));
        };
        let options = quorum_options(configs, &identity, context, clock);
        Ok(ExaminedCluster { quorum: Examined::read(options)?, cluster_id: identity.cluster_id })
    }

    /// The metadata that was read.
    pub fn image(&self) -> &Arc<MetadataImage> {
        self.quorum.image()
    }
}

impl Cluster {
    /// Opens the quorum and runs the controller on `control`.
    pub fn open(
        examined: ExaminedCluster,
        configs: &Arc<ConfigStore>,
        clock: Clock,
        control: &Handle,
    ) -> Result<Cluster, ClusterError> {
        let config = configs.broker();
        let ExaminedCluster { quorum, cluster_id } = examined;
        let Opened { quorum, image } = quorum.open()?;
        let quorum = Arc::new(quorum);
        let options = ControllerOptions {
            cluster_id: cluster_id.clone(),
            session_timeout: Millis(i64::from(config.broker_session_timeout_ms)),
            configs: configs.clone(),
        };
        let machine = Controller::new(options, (*image).clone(), quorum.next_offset());
        let options = Options { commit_timeout: COMMIT_TIMEOUT, ..Options::default() };
        let (runtime, handle) = Runtime::new(machine, quorum.clone(), clock, options);
        Ok(Cluster {
            quorum,
            controller: ControllerHandle::new(handle),
            runtime: control.spawn(runtime.run()),
            node: BrokerId(config.node_id),
            cluster_id,
        })
    }

    /// The metadata quorum: images, listeners, DescribeQuorum.
    pub fn quorum(&self) -> &Arc<Quorum> {
        &self.quorum
    }

    /// The controller.
    pub fn controller(&self) -> &ControllerHandle {
        &self.controller
    }

    /// The newest committed image.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.quorum.image()
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Registers this node as controller and as broker; the broker is fenced until [`Cluster::unfence`]. `previous` is the epoch in the clean
    /// shutdown marker, -1 without one.
    pub async fn register(
        &self,
        config: &BrokerConfig,
        log_dirs: Vec<DirectoryId>,
        previous: BrokerEpoch,
    ) -> Result<BrokerEpoch, ClusterError> {
        let incarnation_id = Uuid::random();
        let end_points = config.advertised_controller_listeners.iter().map(|listener| ControllerEndpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            security_protocol: listener.protocol.id(),
        });
        let features = Feature::SUPPORTED.iter().map(|feature| ControllerFeature {
            name: feature.name.to_owned(),
            min_supported_version: feature.min,
            max_supported_version: feature.max,
        });
        let controller = RegisterControllerRecord {
            controller_id: self.node.0,
            incarnation_id,
            zk_migration_ready: false,
            end_points: end_points.collect(),
            features: features.collect(),
        };
        self.controller.register_controller(controller).await?;
        let features = Feature::SUPPORTED.iter().map(|feature| BrokerFeature {
            name: feature.name.to_owned(),
            min_supported_version: feature.min,
            max_supported_version: feature.max,
        });
        let broker = NewRegistration {
            broker_id: self.node,
            cluster_id: self.cluster_id.clone(),
            incarnation_id,
            end_points: config.advertised_listeners.iter().map(broker_endpoint).collect(),
            features: features.collect(),
            rack: config.broker_rack.clone(),
            log_dirs,
            previous_broker_epoch: previous,
            local: true,
        };
        self.controller.register_broker(broker).await?.map_err(ClusterError::Denied)
    }

    /// Lets the broker serve: it has everything the metadata log says.
    pub async fn unfence(
        &self,
        epoch: BrokerEpoch,
        cordoned: Vec<DirectoryId>,
    ) -> Result<HeartbeatReply, ClusterError> {
        self.heartbeat(epoch, false, Vec::new(), cordoned).await
    }

    /// Takes the broker out of the cluster: its leaderships are given up, then it is fenced.
    pub async fn leave(&self, epoch: BrokerEpoch, cordoned: Vec<DirectoryId>) -> Result<(), ClusterError> {
        // The first answer may say that leaderships are being moved; on one node they are gone with the second.
        for _ in 0..2 {
            if self.heartbeat(epoch, true, Vec::new(), cordoned.clone()).await?.should_shut_down {
                break;
            }
        }
        Ok(())
    }

    /// Tells the controller how this broker is.
    pub async fn heartbeat(
        &self,
        epoch: BrokerEpoch,
        want_shut_down: bool,
        offline: Vec<DirectoryId>,
        cordoned: Vec<DirectoryId>,
    ) -> Result<HeartbeatReply, ClusterError> {
        let request = BrokerHeartbeat {
            broker_id: self.node,
            broker_epoch: epoch,
            metadata_offset: self.image().offset,
            want_fence: false,
            want_shut_down,
            offline_log_dirs: offline,
            cordoned_log_dirs: Some(cordoned),
        };
        self.controller.heartbeat(request).await?.map_err(ClusterError::Denied)
    }

    /// Stops the controller, commits what it wrote, and closes the metadata log.
    pub async fn stop(self) -> Result<(), ClusterError> {
        self.controller.inner().stop(Stop::Drain).await;
        // A runtime that panicked has nothing left to save.
        let _ = self.runtime.await;
        let quorum = self.quorum;
        let closed = tokio::task::spawn_blocking(move || quorum.close()).await;
        closed.map_err(|error| QuorumError::Log(error.to_string()))??;
        Ok(())
    }
}

/// Formats the directories as `--standalone` does (or as a static quorum, if voters are configured) when none of them
/// is formatted yet, for the cluster named or a new one.
pub fn format_if_empty(config: &BrokerConfig, cluster_id: Option<&str>, clock: &Clock) -> Result<bool, ClusterError> {
    let mut log_dirs = config.log_dirs.clone();
    if !log_dirs.contains(&config.metadata_log_dir) {
        log_dirs.push(config.metadata_log_dir.clone());
    }
    for dir in &log_dirs {
        // A directory that holds anything was somebody's, and is not begun anew without being told to; one that
        // cannot be read may hold anything.
        let is_empty = match std::fs::read_dir(dir) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if !is_empty {
            return Ok(false);
        }
    }
    let controller = config.advertised_controller_listeners.first();
    let voters = match controller {
        Some(listener) if config.controller_quorum_voters.is_empty() => InitialVoters::Standalone {
            listener: listener.name.clone(),
            host: if listener.host.is_empty() { "localhost".to_owned() } else { listener.host.clone() },
            port: listener.port,
        },
        Some(_) | None => InitialVoters::Static,
    };
    let options = FormatOptions {
        cluster_id: cluster_id.map_or_else(|| Uuid::random().to_string(), str::to_owned),
        node_id: BrokerId(config.node_id),
        log_dirs,
        metadata_log_dir: config.metadata_log_dir.clone(),
        release_version: None,
        features: BTreeMap::new(),
        ignore_formatted: false,
        records: Vec::new(),
        voters,
        now: clock.wall(),
    };
    format_directories(&options)?;
    Ok(true)
}

fn quorum_options(
    configs: &ConfigStore,
    identity: &MetaProperties,
    context: Arc<LogContext>,
    clock: Clock,
) -> QuorumOptions {
    let config = configs.broker();
    let listener = config.advertised_controller_listeners.first();
    let name = listener.map_or("CONTROLLER", |listener| listener.name.as_str());
    let voters = config.controller_quorum_voters.iter().map(|voter| Voter {
        id: BrokerId(voter.id),
        directory_id: DirectoryId::ZERO,
        endpoints: vec![(name.to_owned(), voter.host.clone(), voter.port)],
    });
    let endpoints = config.advertised_controller_listeners.iter().map(|listener| {
        let host = if listener.host.is_empty() { "localhost".to_owned() } else { listener.host.clone() };
        (listener.name.clone(), host, listener.port)
    });
    QuorumOptions {
        node_id: BrokerId(config.node_id),
        log_dir: config.metadata_log_dir.clone(),
        directory_id: identity.directory_id.unwrap_or(DirectoryId::ZERO),
        endpoints: endpoints.collect(),
        static_voters: (!config.controller_quorum_voters.is_empty()).then(|| VoterSet::new(voters.collect())),
        min_insync_replicas: config.topic_defaults.min_insync_replicas,
        snapshot_bytes: config.metadata_log_max_record_bytes_between_snapshots.max(1) as u64,
        snapshot_interval: Millis(config.metadata_log_max_snapshot_interval_ms),
        retention_bytes: config.metadata_max_retention_bytes,
        retention_age: Millis(config.metadata_max_retention_ms),
        log_config: Arc::new(metadata_log_config(configs, &config)),
        context,
        clock,
    }
}

/// The metadata log is cut by size and age of its segments; only snapshots decide what may go.
fn metadata_log_config(configs: &ConfigStore, config: &BrokerConfig) -> TopicConfig {
    let mut log = configs.topic_config(&BTreeMap::new());
    log.segment_bytes = config.metadata_log_segment_bytes;
    log.segment_ms = config.metadata_log_segment_ms;
    log.retention_ms = -1;
    log.retention_bytes = -1;
    log.max_message_bytes = crate::quorum::BATCH_BYTES_MAX as i32;
    log
}

fn broker_endpoint(listener: &Listener) -> BrokerEndpoint {
    BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.protocol.id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::controller::{NewTopic, TopicRef};
    use crate::log::producer_state::ProducerRules;

    fn configs(dir: &std::path::Path) -> Arc<ConfigStore> {
        let overrides = [("log.dirs".to_owned(), dir.display().to_string())];
        Arc::new(ConfigStore::new(load(None, &overrides, &|_| None).unwrap().broker))
    }

    fn open(configs: &Arc<ConfigStore>) -> Cluster {
        let clock = Clock::system();
        let context = LogContext::new(100, clock.clone(), ProducerRules::default());
        let examined = ExaminedCluster::read(configs, context, clock.clone()).unwrap();
        Cluster::open(examined, configs, clock, &Handle::current()).unwrap()
    }

    #[tokio::test]
    async fn a_node_comes_up_creates_a_topic_and_finds_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let configs = configs(dir.path());
        let config = configs.broker();
        assert!(format_if_empty(&config, None, &Clock::system()).unwrap());
        assert!(!format_if_empty(&config, None, &Clock::system()).unwrap(), "once");
        let directory = MetaProperties::read(dir.path()).unwrap().unwrap().directory_id.unwrap();

        let cluster = open(&configs);
        let epoch = cluster.register(&config, vec![directory], BrokerEpoch(-1)).await.unwrap();
        assert!(!cluster.unfence(epoch, vec![]).await.unwrap().is_fenced);
        let topic = NewTopic {
            name: "t".into(),
            id: Uuid::random(),
            partitions: 2,
            replication_factor: -1,
            assignments: vec![],
            configs: vec![],
        };
        let created = cluster.controller().create_topics((vec![topic], false)).await.unwrap().unwrap();
        assert!(created[0].1.is_ok());
        let leader = |cluster: &Cluster| cluster.image().partition("t", 1).unwrap().leader;
        assert_eq!(leader(&cluster), BrokerId(1), "what is answered is visible");
        cluster.leave(epoch, vec![]).await.unwrap();
        assert_eq!(leader(&cluster), BrokerId::NONE);
        cluster.stop().await.unwrap();

        let cluster = open(&configs);
        let next = cluster.register(&config, vec![directory], epoch).await.unwrap();
        assert!(next > epoch);
        cluster.unfence(next, vec![]).await.unwrap();
        assert_eq!(leader(&cluster), BrokerId(1));
        let deleted = cluster.controller().delete_topics(vec![TopicRef::Name("t".into())]).await.unwrap();
        assert_eq!(deleted[0].result, Ok(()));
        assert!(cluster.image().topics.is_empty());
        cluster.stop().await.unwrap();
    }
}
