//! Sockets: listeners, connections, frames and the file → socket path.
//!
//! A [`Listener`] is bound first and served later, so that a port in use is known before anything else starts.
//! [`serve`] accepts connections within the [`ConnectionQuotas`], and one task per connection reads frames, hands
//! each to the [`Service`] and writes the replies. What a frame means is the service's affair; what it weighs, how
//! long it may take to arrive and how its answer leaves is decided here:
//!
//! - Requests of one connection are handled one after the other, as Kafka does by muting: a request is looked at
//!   when the reply before it is known, so answers keep the order and a produce is in the log before its successor
//!   is read. Frames that have arrived together are handled without going back to the socket, and their replies
//!   leave in one write. Connections never wait for each other.
//! - A buffer grows with the bytes that arrive, never with the length that a peer claims; large frames are charged
//!   to a [`RequestBudget`] that the process shares, and wait when it is spent.
//! - Ranges of log files leave by `sendfile`. A file that is shorter than promised closes the connection, because
//!   the length of the reply is on the wire by then.
//! - Nothing waits for ever: idle connections, frames that stop arriving and replies that nobody reads end.

mod admin;
mod bind;
mod budget;
mod connection;
mod frames;
mod listener;
mod outbox;
mod quotas;
mod server;
mod service;
mod text;

pub use admin::{AdminServer, Health};
pub use bind::{BindError, Listener, SocketOptions};
pub use budget::{Charge, RequestBudget};
pub use connection::ConnectionOptions;
pub use listener::{Network, serve};
pub use quotas::{ConnectionLimits, ConnectionQuotas, ListenerLimits};
pub use server::Server;
pub use service::{ClientSoftware, ConnectionInfo, ListenerInfo, Reply, ReplySegment, Service};
pub use text::printable;

#[cfg(test)]
mod tests;
