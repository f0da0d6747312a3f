//! The coordinator as the rest of the broker sees it: all partitions of `__share_group_state` that this broker leads.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use crate::coordinator::{Election, ShardCounts, Shards};
use crate::metadata::MetadataImage;
use crate::state_machine::{Journal, Reload};
use crate::types::{Clock, Millis};

use super::key::SharePartitionKey;
use super::machine::{Settings, ShareMachine};
use super::records::Record;

/// Told of a share partition whose state begins anew or is forgotten.
pub type ResetListener = Box<dyn Fn(&SharePartitionKey) + Send + Sync>;

/// All states of share partitions that this broker coordinates.
pub struct ShareStates {
    settings: Arc<Settings>,
    pub(super) on_reset: OnceLock<ResetListener>,
    pub(super) image: Arc<ArcSwap<MetadataImage>>,
    pub(super) shards: Shards<ShareMachine>,
}

impl ShareStates {
    /// Coordinates nothing yet; the machines will run on `runtime`, and their replies wait at most `commit_timeout`.
    /// The image is the one that requests see.
    pub fn new(
        settings: Settings,
        image: Arc<ArcSwap<MetadataImage>>,
        clock: Clock,
        runtime: tokio::runtime::Handle,
        commit_timeout: Millis,
    ) -> ShareStates {
        let shards = Shards::new(clock, runtime, commit_timeout);
        ShareStates { settings: Arc::new(settings), on_reset: OnceLock::new(), image, shards }
    }

    /// Has `listener` be told of states that begin anew or are forgotten. Only the first listener is.
    pub fn on_reset(&self, listener: ResetListener) {
        let _ = self.on_reset.set(listener);
    }

    /// `__share_group_state` has this many partitions, or will have them.
    pub fn set_partition_count(&self, partitions: i32) {
        self.shards.set_partition_count(partitions);
    }

    /// Whether the cluster has finalised `share.version` at a level with share groups.
    pub fn set_share_groups_enabled(&self, enabled: bool) {
        self.settings.share_groups_enabled.store(enabled, Ordering::Release);
    }

    /// The partition of `__share_group_state` that a share partition belongs to.
    pub fn partition_for(&self, key: &SharePartitionKey) -> Option<i32> {
        self.shards.partition_for(&key.to_string())
    }

    /// This broker leads the partition and begins to read it. An earlier leadership of it ends here.
    pub fn begin(&self, partition: i32) -> Election {
        self.shards.begin(partition)
    }

    /// An empty machine, to be filled with [`ShareMachine::load`].
    pub fn machine(&self) -> ShareMachine {
        ShareMachine::new(self.settings.clone())
    }

    /// The partition has been read into `machine`: coordinate from now on. Without effect if the leadership has ended
    /// meanwhile.
    pub fn elect<J>(
        &self,
        election: Election,
        machine: ShareMachine,
        journal: Arc<J>,
        reload: Option<Reload<ShareMachine>>,
    ) where
        J: Journal<Record = Record>,
    {
        // Nobody but this coordinator speaks to the machine.
        let _ = self.shards.elect(election, machine, journal, reload);
    }

    /// The load has failed: the partition stays without a coordinator until it is elected again.
    pub fn give_up(&self, election: Election) {
        self.shards.give_up(election);
    }

    /// This broker does not lead the partition any more. Open requests are answered with NOT_COORDINATOR.
    pub fn resign(&self, partition: i32) {
        self.shards.resign(partition);
    }

    /// The partitions led, counted by state.
    pub fn counts(&self) -> ShardCounts {
        self.shards.counts()
    }

    /// Ends all coordination: what is queued is decided and committed.
    pub async fn stop(&self) {
        self.shards.stop().await;
    }

    /// Lets every machine look at a clock that was turned by hand.
    pub async fn wake(&self) {
        self.shards.wake().await;
    }
}
