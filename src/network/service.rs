//! What the network hands to the layers above, and what it gets back.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::types::FileRange;

/// Answers requests: one for the broker's listeners, one for the controller's.
pub trait Service: Send + Sync + 'static {
    /// Handles one frame, which begins at the API key: the length in front of it is gone.
    ///
    /// The future lives inside the connection's task; a handler whose future is large boxes it, or every idle
    /// connection pays for its size.
    fn call(&self, connection: &Arc<ConnectionInfo>, frame: Bytes) -> impl Future<Output = Reply> + Send;

    /// The connection has ended; nothing of it is called any more.
    fn ended(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// A whole response frame, its length included.
    Frame(Vec<ReplySegment>),
    /// Nothing is sent (a produce with acks=0).
    None,
    /// The connection is closed after the replies before this one; the reason goes to the log.
    Close(String),
}

impl Reply {
    /// A response frame that lies in memory.
    pub fn bytes(frame: impl Into<Bytes>) -> Reply {
        Reply::Frame(vec![ReplySegment::Bytes(frame.into())])
    }
}

/// A part of a response frame.
#[derive(Debug)]
pub enum ReplySegment {
    Bytes(Bytes),
    /// Sent from the page cache without a copy.
    File(FileRange),
}

impl ReplySegment {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            ReplySegment::Bytes(bytes) => bytes.len(),
            ReplySegment::File(range) => range.len,
        }
    }

    /// True if there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The listener that a connection arrived at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerInfo {
    /// As in `listeners`, upper case.
    pub name: String,
    /// The address of `advertised.listeners`; without one, clients are told the address they connected to.
    pub advertised: Option<(String, u16)>,
    /// Named in `controller.listener.names`.
    pub is_controller: bool,
    /// The listener that brokers use among themselves: exempt from the limit on all connections, as in Kafka.
    pub is_inter_broker: bool,
}

/// One connection, as its requests see it.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Unique within this process.
    pub id: u64,
    pub listener: Arc<ListenerInfo>,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// Set by the first ApiVersions request that names it (KIP-511).
    pub client_software: OnceLock<ClientSoftware>,
}

/// Name and version of a client's library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSoftware {
    pub name: String,
    pub version: String,
}
