//! A client of any Kafka cluster, for the tools: blocking, one thread, no state beyond its connections.
//!
//! - [`ClientConfig`] is read from `--bootstrap-server` (or `--bootstrap-controller`), a client properties file and
//!   the properties a tool sets itself. What is asked for and not served, such as TLS, is an error.
//! - [`Client`] finds nodes and calls them. `client.call(Target::Any, "listTopics", &request, no_fault)` picks the
//!   newest version both sides know, retries what can be retried until the deadline of the call, and looks the
//!   controller, a leader's broker or a coordinator up again when it has moved. `call_versioned` is for requests that
//!   depend on the version. `client.topics(..)` answers with metadata, `client.connection(node)` with a connection.
//! - [`Connection`] sends one request after another: `call` waits for the answer; `send` and `receive` allow several
//!   requests in flight, answered in order, and `send_unanswered` is for a Produce with acks=0. Frames are bounded and
//!   walked by the guard before they are decoded: a broker is trusted as little as a client.
//! - [`ClientError`] speaks in Kafka's terms: its code, the message, and the name of the Java exception.

mod address;
mod cluster;
mod config;
mod connection;
pub mod consumer;
mod error;
pub mod producer;
pub mod share;

pub use address::Address;
pub use cluster::{Client, Node, Target, no_fault, out_of_time};
pub use config::{Bootstrap, ClientConfig};
pub use connection::Connection;
pub use error::{ClientError, exception_of};
