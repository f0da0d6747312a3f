//! A node: the only place that builds its parts and connects them. They start in order and stop in reverse.

mod cleaner;
mod cluster;
mod coordinator_log;
mod disks;
mod durability;
mod group_log;
mod lifecycle;
mod markers;
mod publisher;
mod recovery;
mod report;
mod share_locks;
mod share_log;
#[cfg(test)]
mod simulation;
mod storage;
mod transaction_log;

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle as Thread;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{BrokerConfig, ConfigError, ConfigStore, StaticConfig};
use crate::coordinator::group::{self, Groups, Surroundings};
use crate::coordinator::share::{self, ShareStates};
use crate::coordinator::share_partition::{SharePartitions, ShareSessions};
use crate::coordinator::transaction::{self, Transactions};
use crate::handlers::{API_TABLE, Dispatch, Node, ProducerIds};
use crate::log::{LogDirs, LogError, OpenedListener, RoomListener};
use crate::logging::LogLevels;
use crate::metadata::{ConfigResource, MetadataImage};
use crate::metrics::Metrics;
use crate::network::{AdminServer, BindError, Health, Server};
use crate::quorum::Quorum;
use crate::replication::Partitions;
use crate::replication::fetch_session::FetchSessions;
use crate::telemetry::{self, ClientTelemetry};
use crate::types::{BrokerId, Clock, ErrorCode, Millis, OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTIONS_TOPIC, Uuid};

use cleaner::Cleaner;
pub use cluster::{Cluster, ClusterError, ExaminedCluster, format_if_empty};
use disks::Disks;
use lifecycle::Lifecycle;
use publisher::Publisher;
use recovery::Recovery;
use share_locks::ShareLocks;

/// The file with which a JVM broker could take over what the embedded default began.
const WRITTEN_PROPERTIES: &str = "server.properties";

/// What a node is built from.
#[derive(Clone, Debug)]
pub struct Setup {
    pub config: Arc<StaticConfig>,
    /// The cluster that empty directories are formatted for; a new one by default.
    pub cluster_id: Option<String>,
    pub logs: Arc<LogLevels>,
    /// Threads for handlers, sockets and logs.
    pub data: Handle,
    /// Threads for what must not wait for a disk.
    pub control: Handle,
}

/// Why a node does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Bind(#[from] BindError),
    #[error("{0}")]
    Log(#[from] LogError),
    #[error("the cluster's metadata: {0}")]
    Cluster(#[from] ClusterError),
    #[error("{} is not formatted: run `ottla storage format`", .0.display())]
    NotFormatted(PathBuf),
    #[error(
        "{} holds {partition} and no meta.properties: it was copied in part; copy that file, too, or name another directory in \
         log.dirs", dir.display()
    )]
    HalfCopied { dir: PathBuf, partition: String },
    #[error(
        "{} is there, and the metadata log {} is missing or empty: nothing would be known of the partitions; copy it, too, or \
         set metadata.log.dir to the directory that has it", found.display(), expected.display()
    )]
    NoMetadata { found: PathBuf, expected: PathBuf },
    #[error(
        "the metadata holds {what} ({count} of its kind), which guards access and would not be enforced here: remove \
         it with a broker that enforces it, stay with that broker, or set ottla.takeover.ignore.security=true, and whoever \
         reaches a PLAINTEXT listener may do everything"
    )]
    Guarded { what: String, count: usize },
    #[error("a task of the start ended early: {0}")]
    Start(#[from] tokio::task::JoinError),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    #[error(
        "{} is there, but the metadata log belongs into {}: set metadata.log.dir to the directory that has it, or move it",
        found.display(), expected.display()
    )]
    MetadataElsewhere { found: PathBuf, expected: PathBuf },
    #[error("every log directory is offline: {0}")]
    NoDirectories(String),
    #[error("{0}")]
    MetadataFailed(String),
    #[error("the directory of the metadata log failed: {0}; mend it or its disk, then start again")]
    MetadataDirectoryFailed(String),
}

/// A running node.
pub struct Broker {
    server: Server,
    node: Arc<Node>,
    lifecycle: Lifecycle,
    recovery: Recovery,
    housekeeping: Housekeeping,
    cleaner: Cleaner,
    disks: Disks,
    health: Arc<Health>,
    /// The timer of share groups' locks.
    locks: ShareLocks,
    admin: Option<JoinHandle<std::io::Result<()>>>,
    stop_admin: CancellationToken,
}

/// The thread that does the logs' periodic work.
struct Housekeeping {
    stop: Arc<AtomicBool>,
    thread: Thread<()>,
}

impl Broker {
    /// Starts a node; it serves when this returns.
    pub async fn start(setup: Setup) -> Result<Broker, BrokerError> {
        let began = std::time::Instant::now();
        setup.config.check_single_node()?;
        let clock = Clock::system();
        let config = Arc::new(ConfigStore::new(setup.config.clone()));
        let metrics = metrics();
        let health = Health::starting();
        let stop_admin = CancellationToken::new();
        let mut server = Server::bind(&config.broker(), &metrics)?;
        let admin = bind_admin(&config.broker())
            .map(|admin| setup.control.spawn(admin.serve(health.clone(), metrics.clone(), stop_admin.clone())));
        let (log_dirs, cluster, recovery) = {
            let (setup, config, clock, metrics) = (setup.clone(), config.clone(), clock.clone(), metrics.clone());
            tokio::task::spawn_blocking(move || open_storage(&setup, &config, &clock, &metrics)).await??
        };
        let housekeeping = Housekeeping::start(&log_dirs)?;
        let disks = Disks::start(&log_dirs, &config.broker(), &metrics)?;
        let cleaner = Cleaner::start(&log_dirs, &config.broker(), &metrics, &clock)?;
        let broker = config.broker();
        let image = Arc::new(ArcSwap::new(cluster.image()));
        let surroundings = Surroundings::new(image.clone(), config.clone());
        let (share_states, share_partitions) = share(&image, &config, &clock, &setup.data);
        let locks = ShareLocks::start(share_partitions.clone(), clock.clone(), &setup.data);
        let node = Arc::new(Node {
            broker_id: BrokerId(broker.node_id),
            cluster_id: cluster.cluster_id().into(),
            image,
            partitions: Arc::new(Partitions::new()),
            groups: Arc::new(Groups::new(
                group::Settings::from(&*broker),
                surroundings,
                clock.clone(),
                setup.data.clone(),
                Uuid::random,
            )),
            transactions: Arc::new(Transactions::new(
                transaction::Settings::from(&*broker),
                clock.clone(),
                setup.data.clone(),
            )),
            share_states,
            share_partitions,
            fetch_sessions: FetchSessions::new(broker.max_incremental_fetch_session_cache_slots.max(0) as usize),
            producer_ids: ProducerIds::default(),
            telemetry: client_telemetry(&broker, &clock, &metrics),
            log_levels: setup.logs,
            budget: server.network().decode_budget.clone(),
            controller: cluster.controller().clone(),
            quorum: cluster.quorum().clone(),
            log_dirs,
            metrics,
            clock,
            config,
        });
        register_coordinators(&node);
        let (placed, to_assign) = mpsc::unbounded_channel();
        let publisher = publisher(&node, &setup.data, placed, server.network().clone(), cleaner.clone());
        tokio::task::spawn_blocking({
            let quorum = node.quorum.clone();
            move || subscribe(publisher, &quorum)
        })
        .await?;
        let lifecycle = Lifecycle::join(cluster, node.clone(), to_assign, &setup.control).await?;
        let dispatch = Arc::new(Dispatch::new(node.clone()));
        server.serve(true, &dispatch, &setup.control);
        server.serve(false, &dispatch, &setup.data);
        health.set_ready_unless(recovery.obstacle());
        tracing::info!("node {} serves after {} ms", node.broker_id, began.elapsed().as_millis());
        Ok(Broker { server, node, lifecycle, recovery, housekeeping, cleaner, disks, health, locks, admin, stop_admin })
    }

    /// Waits until the node cannot go on.
    pub async fn failed(&self) -> BrokerError {
        self.lifecycle.failed().await
    }

    /// Stops the node: no new connections, requests in hand answered, everything written.
    pub async fn stop(self) {
        self.health.set_unready("stopping");
        let epoch = self.node.broker_epoch();
        let recovery = self.recovery;
        // A panic there leaves logs unopened, which the next start looks at again.
        let _ = tokio::task::spawn_blocking(move || recovery.stop()).await;
        let cluster = self.lifecycle.leave(&self.node).await;
        self.server.stop().await;
        self.locks.stop().await;
        self.node.share_states.stop().await;
        self.node.transactions.stop().await;
        self.node.groups.stop().await;
        if let Err(error) = cluster.stop().await {
            tracing::error!("the metadata log was not closed: {error}");
        }
        let Housekeeping { stop, thread } = self.housekeeping;
        stop.store(true, Ordering::Release);
        let (node, cleaner, disks) = (self.node, self.cleaner, self.disks);
        let closed = tokio::task::spawn_blocking(move || {
            cleaner.stop();
            disks.stop();
            node.log_dirs.context().work.stop();
            // What it was doing is done again at the next start.
            let _ = thread.join();
            node.log_dirs.close(epoch)
        });
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("the logs were not closed: {error}"),
            Err(error) => tracing::error!("the logs were not closed: {error}"),
        }
        self.stop_admin.cancel();
        if let Some(admin) = self.admin {
            // Nobody depends on how the health server ended.
            let _ = admin.await;
        }
    }
}

impl Housekeeping {
    fn start(log_dirs: &Arc<LogDirs>) -> Result<Housekeeping, BrokerError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (dirs, stopped) = (log_dirs.clone(), stop.clone());
        let thread = thread("log-housekeeping", move || dirs.run_housekeeping(&stopped))?;
        Ok(Housekeeping { stop, thread })
    }
}

/// Starts a thread that lives as long as the node.
fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Thread<()>, BrokerError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(BrokerError::Thread)
}

fn metrics() -> Arc<Metrics> {
    let apis: Vec<_> = API_TABLE.iter().map(|api| (api.key, api.name)).collect();
    Metrics::new(&apis, |code| ErrorCode::from_code(code).map_or("UNKNOWN_CODE", ErrorCode::name))
}

/// How many partitions of the coordinators' topics are led, by state.
fn register_coordinators(node: &Node) {
    let (groups, transactions, states) = (node.groups.clone(), node.transactions.clone(), node.share_states.clone());
    let help = "Partitions of a coordinator's topic that this broker leads, by state: failed ones could not be read";
    node.metrics.register_gauges("coordinator_partitions", help, move || {
        let counts = [
            (OFFSETS_TOPIC, groups.counts()),
            (TRANSACTIONS_TOPIC, transactions.counts()),
            (SHARE_STATE_TOPIC, states.counts()),
        ];
        let states = counts.into_iter().flat_map(|(topic, counts)| {
            [("loading", counts.loading), ("active", counts.active), ("failed", counts.failed)]
                .map(|(state, count)| (vec![("topic", topic.to_string()), ("state", state.to_string())], count as f64))
        });
        states.collect()
    });
}

/// What clients push, and where it is shown.
fn client_telemetry(config: &BrokerConfig, clock: &Clock, metrics: &Metrics) -> Arc<ClientTelemetry> {
    let settings = telemetry::Settings { max_bytes: config.telemetry_max_bytes.max(0) as usize };
    let telemetry = Arc::new(ClientTelemetry::new(settings, clock.clone(), Uuid::random));
    let shown = telemetry.clone();
    metrics.register_families("Pushed by a client", move || shown.families());
    let asked = telemetry.clone();
    metrics
        .register_gauge("telemetry_clients", "Clients that ask what metrics to push", move || asked.instances() as f64);
    let asked = telemetry.clone();
    metrics.register_gauge("telemetry_dropped", "Numbers of clients that were pushed and not kept", move || {
        asked.dropped() as f64
    });
    telemetry
}

/// From directories that may be empty to a leading quorum and the logs that are to be opened.
fn open_storage(
    setup: &Setup,
    store: &Arc<ConfigStore>,
    clock: &Clock,
    metrics: &Metrics,
) -> Result<(Arc<LogDirs>, Cluster, Recovery), BrokerError> {
    let config = store.broker();
    if format_if_empty(&config, setup.cluster_id.as_deref(), clock)? {
        tracing::info!("formatted {:?}: they were empty", config.log_dirs);
    }
    let context = storage::context(&config, clock);
    let identity = storage::examine(&config)?;
    let examined = ExaminedCluster::read(store, context.clone(), clock.clone())?;
    storage::refuse_guards(examined.image(), &config)?;
    let log_dirs = Arc::new(storage::claim(&config, identity, context)?);
    durability::acknowledge_synced(&log_dirs, &config, &setup.data);
    if let Some(dir) = setup.config.is_built_in().then(|| config.log_dirs.first()).flatten()
        && let Err(error) = setup.config.write_properties(&dir.join(WRITTEN_PROPERTIES))
    {
        tracing::warn!("{WRITTEN_PROPERTIES} was not written to {}: {error}", dir.display());
    }
    let cluster = Cluster::open(examined, store, clock.clone(), &setup.control)?;
    let image = cluster.image();
    report::lines(&image, store).iter().for_each(|line| tracing::warn!("{line}"));
    publisher::take_over_broker_configs(store, &image);
    log_dirs.context().set_producer_rules(storage::producer_rules(&store.broker()));
    log_dirs.find_logs(&|topic| Arc::new(store.topic_config(&image.config(&ConfigResource::topic(topic)))))?;
    let recovery = Recovery::start(&log_dirs, metrics)?;
    Ok((log_dirs, cluster, recovery))
}

/// Where share groups stand, and what they have in hand.
fn share(
    image: &Arc<ArcSwap<MetadataImage>>,
    configs: &Arc<ConfigStore>,
    clock: &Clock,
    runtime: &Handle,
) -> (Arc<ShareStates>, Arc<SharePartitions>) {
    let config = configs.broker();
    let commit_timeout = Millis(i64::from(config.share_coordinator_write_timeout_ms));
    let settings = share::Settings::from(&*config);
    let states = ShareStates::new(settings, image.clone(), clock.clone(), runtime.clone(), commit_timeout);
    // Where a state will belong is known before the topic is there.
    states.set_partition_count(config.share_coordinator_state_topic_num_partitions);
    let (states, sessions) =
        (Arc::new(states), ShareSessions::new(config.group_share_max_share_sessions.max(0) as usize));
    let (configs, clock) = (configs.clone(), clock.clone());
    let partitions = SharePartitions::new(sessions, states.clone(), image.clone(), configs, clock, runtime.clone());
    (states, partitions)
}

fn publisher(
    node: &Arc<Node>,
    blocking: &Handle,
    placed: mpsc::UnboundedSender<publisher::PlacedReplica>,
    network: Arc<crate::network::Network>,
    cleaner: Cleaner,
) -> Publisher {
    Publisher {
        broker_id: node.broker_id,
        config: node.config.clone(),
        log_dirs: node.log_dirs.clone(),
        partitions: node.partitions.clone(),
        groups: node.groups.clone(),
        transactions: node.transactions.clone(),
        telemetry: node.telemetry.clone(),
        share_states: node.share_states.clone(),
        share_partitions: node.share_partitions.clone(),
        node: Arc::downgrade(node),
        image: node.image.clone(),
        clock: node.clock.clone(),
        blocking: blocking.clone(),
        placed,
        unplaced: Mutex::default(),
        reconfigured: Box::new(move |config| {
            let broker = config.broker();
            network.reconfigure(&broker);
            cleaner.reconfigure(&broker);
        }),
    }
}

/// Puts the image in force, and from then on every committed change.
fn subscribe(publisher: Publisher, quorum: &Quorum) {
    let image = quorum.image();
    publisher.enforce_broker_configs();
    publisher.follow_moves();
    let log_dirs = publisher.log_dirs.clone();
    let publisher = Arc::new(Mutex::new(publisher));
    let (opened, roomy) = (Arc::downgrade(&publisher), Arc::downgrade(&publisher));
    {
        let mut publisher = publisher.lock().unwrap_or_else(PoisonError::into_inner);
        // From here on a log is either seen open by `begin` or told of behind it.
        log_dirs.on_opened(OpenedListener(Box::new(move |partition| {
            if let Some(publisher) = opened.upgrade() {
                publisher.lock().unwrap_or_else(PoisonError::into_inner).opened(partition);
            }
        })));
        publisher.begin(&image);
    }
    log_dirs.on_room(RoomListener(Box::new(move || {
        if let Some(publisher) = roomy.upgrade() {
            publisher.lock().unwrap_or_else(PoisonError::into_inner).place_again();
        }
    })));
    // Nothing is appended before the broker has joined, so the first delta starts from the image just applied.
    quorum.subscribe(Box::new(move |delta, image| {
        publisher.lock().unwrap_or_else(PoisonError::into_inner).publish(delta, image);
    }));
}

/// The admin listener; without it the node serves all the same.
fn bind_admin(config: &BrokerConfig) -> Option<AdminServer> {
    let (host, port) = config.ottla_admin_listener.as_ref()?;
    let address = (host.as_str(), *port).to_socket_addrs().map(|mut addresses| addresses.next());
    let bound = address.and_then(|address| match address {
        Some(address) => AdminServer::bind(address),
        None => Err(std::io::ErrorKind::AddrNotAvailable.into()),
    });
    bound
        .inspect_err(|error| tracing::warn!("no health and metrics at {host}:{port} (ottla.admin.listener): {error}"))
        .ok()
}
