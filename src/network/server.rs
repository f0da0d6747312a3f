//! All listeners of a node, as its configuration wants them.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bind::{BindError, Listener, SocketOptions};
use super::budget::RequestBudget;
use super::connection::ConnectionOptions;
use super::listener::{Network, serve};
use super::quotas::{ConnectionLimits, ConnectionQuotas, ListenerLimits};
use super::service::{ListenerInfo, Service};
use crate::config::BrokerConfig;
use crate::metrics::Metrics;

/// How long requests in hand may take when the node stops.
const GRACE: Duration = Duration::from_secs(5);

/// The listeners of a node: bound when it starts, served when there is somebody to answer, stopped together.
#[derive(Debug)]
pub struct Server {
    bound: Vec<Listener>,
    served: Vec<JoinHandle<std::io::Result<()>>>,
    options: Arc<ConnectionOptions>,
    network: Arc<Network>,
    stop: CancellationToken,
}

impl Server {
    /// Binds every address of `listeners`.
    pub fn bind(config: &BrokerConfig, metrics: &Metrics) -> Result<Server, BindError> {
        let sockets = SocketOptions {
            backlog: config.socket_listen_backlog_size,
            send_buffer_bytes: usize::try_from(config.socket_send_buffer_bytes).ok(),
            receive_buffer_bytes: usize::try_from(config.socket_receive_buffer_bytes).ok(),
        };
        let bind = |listener: &crate::config::Listener| {
            let info = listener_info(config, &listener.name);
            Listener::bind(info, &listener.host, listener.port, sockets)
        };
        let bound = config.listeners.iter().map(bind).collect::<Result<_, _>>()?;
        // Half for frames as they arrive, half for what decoding makes of them: the two never wait for each other.
        let budget = || RequestBudget::new(request_memory(config) / 2);
        let quotas = ConnectionQuotas::new(connection_limits(config));
        let network = Network::new(quotas, budget(), budget(), metrics.network.clone(), GRACE);
        let options = Arc::new(connection_options(config));
        Ok(Server { bound, served: Vec::new(), options, network, stop: CancellationToken::new() })
    }

    /// Listeners that are bound and not served.
    pub fn bound(&self) -> &[Listener] {
        &self.bound
    }

    /// What all connections share.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Serves the controllers' listeners (`controller`) or the brokers' from now on, on the threads of `runtime`.
    pub fn serve<S: Service>(&mut self, controller: bool, service: &Arc<S>, runtime: &Handle) {
        let chosen = self.bound.extract_if(.., |listener| listener.info().is_controller == controller);
        for listener in chosen {
            if let Ok(address) = listener.local_addr() {
                tracing::info!("listener {} at {address}", listener.info().name);
            }
            let (service, options, network) = (service.clone(), self.options.clone(), self.network.clone());
            self.served.push(runtime.spawn(serve(listener, service, options, network, self.stop.clone())));
        }
    }

    /// Accepts no more connections, answers the requests in hand, and returns when the last connection has ended.
    pub async fn stop(self) {
        drop(self.bound);
        self.stop.cancel();
        for served in self.served {
            match served.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("a listener could not be served: {error}"),
                Err(error) => tracing::error!("a listener ended early: {error}"),
            }
        }
    }
}

impl Network {
    /// Obeys other limits on connections.
    pub fn reconfigure(&self, config: &BrokerConfig) {
        self.quotas.set_limits(connection_limits(config));
    }
}

fn listener_info(config: &BrokerConfig, name: &str) -> ListenerInfo {
    let advertised = config.advertised_listeners.iter().find(|listener| listener.name == name);
    let advertised = advertised.filter(|_| !config.advertises_arrival_address);
    ListenerInfo {
        name: name.to_string(),
        advertised: advertised.map(|listener| (listener.host.clone(), listener.port)),
        is_controller: config.is_controller_listener(name),
        is_inter_broker: name == config.inter_broker_listener_name && config.broker_listeners().count() > 1,
    }
}

fn connection_options(config: &BrokerConfig) -> ConnectionOptions {
    let idle_max = u64::try_from(config.connections_max_idle_ms).ok().map(Duration::from_millis);
    let request_max_bytes = config.socket_request_max_bytes.max(0) as usize;
    ConnectionOptions { idle_max, ..ConnectionOptions::new(request_max_bytes) }
}

/// `queued.max.request.bytes` where it is set, else our own key.
fn request_memory(config: &BrokerConfig) -> u64 {
    match u64::try_from(config.queued_max_request_bytes) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => config.ottla_request_memory_bytes,
    }
}

fn connection_limits(config: &BrokerConfig) -> ConnectionLimits {
    let listener = |(name, limits): (&String, &crate::config::ListenerLimits)| {
        let max = limits.max_connections.and_then(limit);
        let creation_rate = limits.max_connection_creation_rate.and_then(limit).map(|rate| rate as u32);
        (name.clone(), ListenerLimits { max, creation_rate })
    };
    ConnectionLimits {
        total_max: limit(config.max_connections),
        per_ip_max: limit(config.max_connections_per_ip),
        per_ip_overrides: config.max_connections_per_ip_overrides.iter().flat_map(resolve).collect(),
        creation_rate: limit(config.max_connection_creation_rate).map(|rate| rate as u32),
        listeners: config.listener_limits.iter().map(listener).collect(),
    }
}

/// Kafka's largest number means that there is no limit.
fn limit(value: i32) -> Option<usize> {
    usize::try_from(value).ok().filter(|_| value != i32::MAX)
}

/// The addresses of a host with their limit. A name that resolves to nothing limits nobody.
fn resolve((host, max): (&String, &i32)) -> Vec<(IpAddr, usize)> {
    let max = usize::try_from(*max).unwrap_or(0);
    let addresses = (host.as_str(), 0).to_socket_addrs();
    if let Err(error) = &addresses {
        tracing::warn!("max.connections.per.ip.overrides: {host} has no address: {error}");
    }
    addresses.into_iter().flatten().map(|address| (address.ip().to_canonical(), max)).collect()
}
