//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::bind::{Listener, SocketOptions};
use super::budget::RequestBudget;
use super::connection::{Connection, ConnectionOptions};
use super::quotas::{ConnectionQuotas, Slot, TooManyFromAddress};
use super::service::{ConnectionInfo, ListenerInfo, Service};
use crate::metrics::NetworkMetrics;

/// A pause after the operating system refused a connection, most often for want of descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners of a process share.
#[derive(Debug)]
pub struct Network {
    pub quotas: Arc<ConnectionQuotas>,
    /// Memory for frames as they arrive.
    pub budget: Arc<RequestBudget>,
    /// Memory for what decoding makes of frames; who handles a request charges it here, all at once.
    pub decode_budget: Arc<RequestBudget>,
    pub metrics: Arc<NetworkMetrics>,
    /// How long requests in hand may take when a listener stops.
    pub grace: Duration,
    connections: AtomicU64,
}

impl Network {
    /// No connection has been made yet.
    pub fn new(
        quotas: Arc<ConnectionQuotas>,
        budget: Arc<RequestBudget>,
        decode_budget: Arc<RequestBudget>,
        metrics: Arc<NetworkMetrics>,
        grace: Duration,
    ) -> Arc<Network> {
        Arc::new(Network { quotas, budget, decode_budget, metrics, grace, connections: AtomicU64::new(0) })
    }
}

/// Serves connections of `listener` with `service` until `stop`; returns when the last of them has ended. Then no
/// connection is accepted any more, each connection answers the request that it has in hand, and closes; what takes
/// longer than the grace of the network is cut off.
pub async fn serve<S: Service>(
    listener: Listener,
    service: Arc<S>,
    options: Arc<ConnectionOptions>,
    network: Arc<Network>,
    stop: CancellationToken,
) -> io::Result<()> {
    let Listener { info, socket, options: socket_options } = listener;
    let acceptor = Acceptor { socket: TcpListener::from_std(socket)?, info, socket_options, network };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = acceptor.accept() => {
                let Some((stream, info, slot)) = accepted else { continue };
                let (service, options, stop) = (service.clone(), options.clone(), stop.clone());
                let network = acceptor.network.clone();
                let connection = Connection { info, service, options, network, stop };
                connections.spawn(async move {
                    connection.run(stream).await;
                    drop(slot);
                });
            }
            Some(ended) = connections.join_next() => note_end(ended),
        }
    }
    let Acceptor { socket, network, info, .. } = acceptor;
    drop(socket);
    let drained = tokio::time::timeout(network.grace, async {
        while let Some(ended) = connections.join_next().await {
            note_end(ended);
        }
    });
    if drained.await.is_err() {
        tracing::info!("listener {}: {} connections cut off", info.name, connections.len());
        connections.shutdown().await;
    }
    Ok(())
}

/// A handler that panics costs its connection, not the process; the panic itself was logged where it happened.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection ended because handling its request panicked");
    }
}

struct Acceptor {
    socket: TcpListener,
    info: Arc<ListenerInfo>,
    socket_options: SocketOptions,
    network: Arc<Network>,
}

impl Acceptor {
    /// The next connection that may stay.
    async fn accept(&self) -> Option<(TcpStream, Arc<ConnectionInfo>, Place)> {
        self.network.quotas.wait_for_place(&self.info.name, self.info.is_inter_broker).await;
        let (stream, peer) = match self.socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                self.refused(error).await;
                return None;
            }
        };
        let slot = match self.network.quotas.admit(&self.info.name, peer.ip()) {
            Ok(slot) => slot,
            Err(TooManyFromAddress { limit }) => {
                self.network.metrics.connections_refused.inc();
                tracing::debug!("refused a connection from {peer}: max.connections.per.ip ({limit}) is reached");
                return None;
            }
        };
        let local = self.prepare(&stream).ok()?;
        let info = ConnectionInfo {
            id: self.network.connections.fetch_add(1, Ordering::Relaxed),
            listener: self.info.clone(),
            peer: canonical(peer),
            local: canonical(local),
            client_software: OnceLock::new(),
        };
        Some((stream, Arc::new(info), Place::new(slot, self.network.metrics.clone())))
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_keepalive(true)?;
        if let Some(bytes) = self.socket_options.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        stream.local_addr()
    }

    async fn refused(&self, error: io::Error) {
        // These concern the one connection, which is gone.
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        if self.network.metrics.accept_failures.inc() == 0 {
            tracing::error!("listener {}: cannot accept connections: {error}; trying on", self.info.name);
        }
        tokio::time::sleep(REFUSED_PAUSE).await;
    }
}

/// An IPv4 address in its own form, though it came through an IPv6 socket.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A connection's place among those there are.
struct Place {
    _slot: Slot,
    metrics: Arc<NetworkMetrics>,
}

impl Place {
    fn new(slot: Slot, metrics: Arc<NetworkMetrics>) -> Place {
        metrics.connections.inc();
        metrics.connections_accepted.inc();
        Place { _slot: slot, metrics }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
