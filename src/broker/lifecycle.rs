//! This broker as a member of the cluster: it registers, is unfenced, tells of its directories, and leaves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc::UnboundedReceiver, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::publisher::PlacedReplica;
use super::{BrokerError, Cluster};
use crate::controller::{AssignDirectories, AssignedPartition};
use crate::handlers::Node;
use crate::types::{BrokerEpoch, DirectoryId};

/// How long after a failure the controller is told again, and the most placements that are told at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const PLACEMENTS_MAX: usize = 1000;
/// The epoch of the last clean stop, where there was none.
const NEVER_STOPPED: BrokerEpoch = BrokerEpoch(-1);

/// The broker's membership.
pub struct Lifecycle {
    cluster: Arc<Cluster>,
    epoch: BrokerEpoch,
    stop: CancellationToken,
    watcher: JoinHandle<()>,
    failure: watch::Receiver<Option<DirectoryFailure>>,
}

/// A failure of directories that leaves nothing to go on with.
#[derive(Clone, Debug)]
enum DirectoryFailure {
    All(String),
    MetadataLog(String),
}

impl Lifecycle {
    /// Registers the broker and has it unfenced; then leaders are in place.
    pub async fn join(
        cluster: Cluster,
        node: Arc<Node>,
        placed: UnboundedReceiver<PlacedReplica>,
        control: &Handle,
    ) -> Result<Lifecycle, BrokerError> {
        let config = node.config.broker();
        let online = Directories::of(&node).online.into_iter().collect();
        let previous = node.log_dirs.previous_broker_epoch().unwrap_or(NEVER_STOPPED);
        let epoch = cluster.register(&config, online, previous).await?;
        cluster.unfence(epoch, Directories::of(&node).cordoned).await?;
        let (cluster, stop) = (Arc::new(cluster), CancellationToken::new());
        let (failed, failure) = watch::channel(None);
        let watcher = Watcher { cluster: cluster.clone(), node, epoch, failed };
        let watcher = control.spawn(watcher.run(placed, stop.clone()));
        Ok(Lifecycle { cluster, epoch, stop, watcher, failure })
    }

    /// Waits until every directory, or the metadata log, has failed.
    pub async fn failed(&self) -> BrokerError {
        let mut failure = self.failure.clone();
        tokio::select! {
            reason = self.cluster.quorum().failed() => BrokerError::MetadataFailed(reason),
            Ok(failure) = failure.wait_for(Option::is_some) => match failure.clone() {
                Some(DirectoryFailure::MetadataLog(reason)) => BrokerError::MetadataDirectoryFailed(reason),
                Some(DirectoryFailure::All(reason)) => BrokerError::NoDirectories(reason),
                None => BrokerError::NoDirectories(String::new()),
            },
        }
    }

    /// Leaves the cluster by controlled shutdown, if that is wanted. What is left is to stop the cluster's metadata.
    pub async fn leave(self, node: &Node) -> Cluster {
        self.stop.cancel();
        // A watcher that panicked has nothing left to tell.
        let _ = self.watcher.await;
        let cluster = Arc::into_inner(self.cluster).expect("only the watcher shared it");
        if node.config.broker().controlled_shutdown_enable
            && let Err(error) = cluster.leave(self.epoch, Directories::of(node).cordoned).await
        {
            tracing::warn!("the controller was not told of the stop: {error}");
        }
        cluster
    }
}

/// The directories as the controller wants to know them.
#[derive(PartialEq)]
struct Directories {
    online: BTreeSet<DirectoryId>,
    offline: Vec<DirectoryId>,
    cordoned: Vec<DirectoryId>,
}

impl Directories {
    fn of(node: &Node) -> Directories {
        let cordoned = &node.config.broker().cordoned_log_dirs;
        let dirs = node.log_dirs.dirs();
        let (failed, online): (Vec<_>, Vec<_>) = dirs.iter().partition(|dir| dir.failure().is_some());
        Directories {
            online: online.iter().map(|dir| dir.id()).collect(),
            offline: failed.iter().map(|dir| dir.id()).collect(),
            cordoned: dirs
                .iter()
                .filter(|dir| cordoned.iter().any(|path| path == dir.path()))
                .map(|d| d.id())
                .collect(),
        }
    }
}

/// Tells the controller where replicas were placed, and which directories failed or were cordoned.
struct Watcher {
    cluster: Arc<Cluster>,
    node: Arc<Node>,
    epoch: BrokerEpoch,
    failed: watch::Sender<Option<DirectoryFailure>>,
}

impl Watcher {
    async fn run(self, mut placed: UnboundedReceiver<PlacedReplica>, stop: CancellationToken) {
        let mut told = Directories::of(&self.node);
        let mut retry = false;
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.node.log_dirs.directory_change() => {}
                () = tokio::time::sleep(RETRY_AFTER), if retry => {}
                received = placed.recv_many(&mut waiting, PLACEMENTS_MAX) => {
                    if received == 0 {
                        return;
                    }
                    assign(&self.node, self.epoch, std::mem::take(&mut waiting)).await;
                }
            }
            let now = Directories::of(&self.node);
            retry = false;
            if now == told {
                continue;
            }
            if let Some(failure) = self.fatal_failure(&now) {
                self.failed.send_replace(Some(failure));
            }
            let heartbeat = self.cluster.heartbeat(self.epoch, false, now.offline.clone(), now.cordoned.clone()).await;
            if let Err(error) = heartbeat {
                tracing::warn!("the controller was not told of a directory: {error}");
                retry = true;
                continue;
            }
            told = now;
        }
    }
}

impl Watcher {
    /// What of the failed directories the node cannot do without.
    fn fatal_failure(&self, now: &Directories) -> Option<DirectoryFailure> {
        let dirs = self.node.log_dirs.dirs();
        let metadata_dir = &self.node.config.broker().metadata_log_dir;
        if let Some(reason) = dirs.iter().find(|dir| dir.path() == metadata_dir).and_then(|dir| dir.failure()) {
            return Some(DirectoryFailure::MetadataLog(reason.to_owned()));
        }
        let reason = dirs.iter().find_map(|dir| dir.failure())?;
        now.online.is_empty().then(|| DirectoryFailure::All(reason.to_owned()))
    }
}

async fn assign(node: &Node, epoch: BrokerEpoch, placed: Vec<PlacedReplica>) {
    let partition = |placed: PlacedReplica| AssignedPartition {
        directory: placed.directory,
        topic_id: placed.topic_id,
        partition: placed.partition,
    };
    let partitions = placed.into_iter().map(partition).collect();
    let request = AssignDirectories { broker_id: node.broker_id, broker_epoch: epoch, partitions };
    match node.controller.assign_directories(request).await {
        Ok(Ok(_)) => {}
        Ok(Err(denied)) => tracing::warn!("the controller did not take note of directories: {}", denied.code),
        Err(error) => tracing::warn!("the controller was not told of directories: {error}"),
    }
}
