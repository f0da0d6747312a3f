//! Brokers and controllers as they registered.

use std::collections::BTreeMap;

use crate::types::{BrokerEpoch, BrokerId, DirectoryId, Uuid};

/// Where a listener can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    /// Kafka's id of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The levels of a feature that a node can run at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

/// A broker of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerRegistration {
    pub id: BrokerId,
    pub epoch: BrokerEpoch,
    pub incarnation_id: Uuid,
    pub listeners: BTreeMap<String, Endpoint>,
    pub features: BTreeMap<String, VersionRange>,
    pub rack: Option<String>,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    /// Kept for the snapshot only: no ZooKeeper broker can be in a cluster at this level.
    pub migrating_zk_broker: bool,
    /// Online directories, sorted.
    pub directories: Vec<DirectoryId>,
    /// None until the broker has reported them.
    pub cordoned_directories: Option<Vec<DirectoryId>>,
}

impl BrokerRegistration {
    /// Whether the broker may lead and join the ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether a replica in `directory` is usable. Directories that are not known yet count as online (KIP-858).
    pub fn has_online_directory(&self, directory: DirectoryId) -> bool {
        if directory == Uuid::UNASSIGNED_DIR || directory == Uuid::MIGRATING_DIR {
            return true;
        }
        if directory == Uuid::LOST_DIR {
            return false;
        }
        // A broker that registered no directory is older than KIP-858 and answers for all of them.
        self.directories.is_empty() || self.directories.binary_search(&directory).is_ok()
    }

    /// Whether new replicas may be placed here: one directory at least is not cordoned.
    pub fn has_uncordoned_directory(&self) -> bool {
        match &self.cordoned_directories {
            Some(cordoned) if !self.directories.is_empty() => {
                self.directories.iter().any(|directory| !cordoned.contains(directory))
            }
            Some(_) | None => true,
        }
    }
}

/// A controller of the quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControllerRegistration {
    pub id: BrokerId,
    pub incarnation_id: Uuid,
    pub zk_migration_ready: bool,
    pub listeners: BTreeMap<String, Endpoint>,
    pub features: BTreeMap<String, VersionRange>,
}

/// Whether the leader was elected from the ISR.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LeaderRecoveryState {
    #[default]
    Recovered,
    /// The leader was elected uncleanly and has not recovered yet (KIP-704).
    Recovering,
}

impl LeaderRecoveryState {
    /// The state of that number.
    pub fn from_code(code: i8) -> Option<LeaderRecoveryState> {
        match code {
            0 => Some(LeaderRecoveryState::Recovered),
            1 => Some(LeaderRecoveryState::Recovering),
            _ => None,
        }
    }

    /// The number in records and on the wire.
    pub fn code(self) -> i8 {
        match self {
            LeaderRecoveryState::Recovered => 0,
            LeaderRecoveryState::Recovering => 1,
        }
    }
}
