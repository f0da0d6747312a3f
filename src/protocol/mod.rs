//! Messages, record batches and compression: everything that knows bytes, nothing that knows meaning.

pub mod batch;
pub mod compression;
pub mod control;
pub mod frame;
pub mod internal;
pub mod json;
pub mod kraft;
pub mod message;
pub mod newer;
pub mod schema;
pub mod wire;

/// The request and response structs, of which no other folder names the crate.
pub mod messages {
    pub use kafka_protocol::messages::*;
}

pub use kafka_protocol::messages::ApiKey;
pub use kafka_protocol::protocol::{Message as MessageVersions, Request, StrBytes};
