//! One member of a classic group.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::state_machine::Ticket;

/// An assignor's (or any protocol's) name with the member's metadata for it, in the member's order of preference.
pub type Protocols = Vec<(Arc<str>, Bytes)>;

/// One member of a classic group.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub protocols: Protocols,
    /// Empty until the leader has assigned something.
    pub assignment: Bytes,
    /// Its JoinGroup that waits for the others.
    pub awaiting_join: Option<Ticket>,
    /// Its SyncGroup that waits for the leader's.
    pub awaiting_sync: Option<Ticket>,
    /// It has never got its member id from us by a completed join, so it cannot send heartbeats.
    pub is_new: bool,
}

impl Member {
    /// The metadata it sent for a protocol; empty for one it does not know.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| &**name == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    /// The protocol among `candidates` that it likes best.
    pub fn vote<'a>(&self, candidates: &BTreeSet<&'a str>) -> Option<&'a str> {
        self.protocols.iter().find_map(|(name, _)| candidates.get(&**name).copied())
    }

    /// A parked request shows that a member lives as well as a heartbeat does; but not for a new one, whose client may
    /// be gone.
    pub fn is_kept_alive_by_a_parked_request(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
