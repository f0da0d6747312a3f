//! Sockets that listen.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::service::ListenerInfo;

/// A listener's address could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "listener {listener}: port {port} of {host} is in use: stop the process that holds it, or change listeners"
    )]
    InUse { listener: String, host: String, port: u16 },
    #[error("listener {listener}: the host name {host} has no address: {source}")]
    UnknownHost { listener: String, host: String, source: io::Error },
    #[error("listener {listener}: cannot listen at {host}:{port}: {source}")]
    Refused { listener: String, host: String, port: u16, source: io::Error },
}

/// Settings of the sockets.
#[derive(Debug, Clone, Copy, Default)]
pub struct SocketOptions {
    /// `socket.listen.backlog.size`.
    pub backlog: i32,
    /// `socket.send.buffer.bytes`; none leaves it to the operating system.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; none leaves it to the operating system, and so does what it goes to by itself.
    pub receive_buffer_bytes: Option<usize>,
}

/// A bound and listening socket; connections queue up until it is served.
#[derive(Debug)]
pub struct Listener {
    pub(super) info: Arc<ListenerInfo>,
    pub(super) socket: std::net::TcpListener,
    pub(super) options: SocketOptions,
}

impl Listener {
    /// Listens at `host`, of which an empty one means every address of this machine, and `port`, of which 0 means any.
    pub fn bind(info: ListenerInfo, host: &str, port: u16, options: SocketOptions) -> Result<Listener, BindError> {
        let addresses = addresses(host, port).map_err(|source| BindError::UnknownHost {
            listener: info.name.clone(),
            host: host.to_string(),
            source,
        })?;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match listen(address, options) {
                Ok(socket) => return Ok(Listener { info: Arc::new(info), socket, options }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(BindError::InUse { listener: info.name, host: host.to_string(), port });
                }
                Err(error) => failure = error,
            }
        }
        Err(BindError::Refused { listener: info.name, host: host.to_string(), port, source: failure })
    }

    /// The address listened at, with the port that was chosen.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The listener's name and advertised address.
    pub fn info(&self) -> &Arc<ListenerInfo> {
        &self.info
    }
}

/// In the order in which they are tried. Every address of a machine is the IPv6 wildcard, which takes IPv4 too, unless
/// the machine has no IPv6.
fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.is_empty() {
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]);
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host, port).to_socket_addrs()?.collect())
}

/// The size up to which the operating system lets a receive buffer grow by itself; 0 if it does not say.
fn receive_buffer_grown_max() -> usize {
    let sizes = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_rmem").unwrap_or_default();
    sizes.split_whitespace().nth(2).and_then(|max| max.parse().ok()).unwrap_or(0)
}

fn listen(address: SocketAddr, options: SocketOptions) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    // Before listening, because the window that a connection offers is settled when it is accepted. A size that is set is
    // one that no longer grows: a producer of large batches would stop and be acknowledged after every 100 KiB.
    if let Some(bytes) = options.receive_buffer_bytes.filter(|bytes| *bytes > receive_buffer_grown_max()) {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog.max(1))?;
    Ok(socket.into())
}
