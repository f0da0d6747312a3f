//! What a coordinator looks at beside its own log: the cluster's topics, and the configs of groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;

use crate::config::ConfigStore;
use crate::metadata::{ConfigResource, MetadataImage};
use crate::types::{Millis, Offset};

/// Immutable values that are swapped as a whole: a decision takes them once, as they are when it is made.
pub struct Surroundings {
    image: Arc<ArcSwap<MetadataImage>>,
    configs: Arc<ConfigStore>,
    /// The last image in which topics were created.
    new_topics_at: AtomicI64,
}

/// The pace of a consumer or share group: the group's own configs, else the broker's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    pub heartbeat_interval_ms: i32,
    pub session_timeout: Millis,
    /// The least time between two computed assignments.
    pub assignment_interval: Millis,
}

/// The pace of a streams group, and what its assignor is told: the group's own configs, else the broker's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamsPace {
    pub heartbeat_interval_ms: i32,
    pub session_timeout: Millis,
    /// The least time between two computed assignments.
    pub assignment_interval: Millis,
    /// How long the first member waits for others.
    pub initial_rebalance_delay: Millis,
    pub standby_replicas: i32,
}

impl Surroundings {
    /// The image is the one that requests see.
    pub fn new(image: Arc<ArcSwap<MetadataImage>>, configs: Arc<ConfigStore>) -> Surroundings {
        Surroundings { image, configs, new_topics_at: AtomicI64::new(Offset::NONE.0) }
    }

    /// The newest image.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Topics were created in the image of this offset; patterns are to be looked at again.
    pub fn topics_created(&self, at: Offset) {
        self.new_topics_at.store(at.0, Ordering::Release);
    }

    pub(super) fn new_topics_at(&self) -> i64 {
        self.new_topics_at.load(Ordering::Acquire)
    }

    pub(super) fn pace(&self, image: &MetadataImage, group: &str) -> Pace {
        let config = self.configs.group_config(&image.config(&ConfigResource::group(group)));
        Pace {
            heartbeat_interval_ms: config.consumer_heartbeat_interval_ms,
            session_timeout: Millis(i64::from(config.consumer_session_timeout_ms)),
            assignment_interval: Millis(i64::from(config.consumer_assignment_interval_ms)),
        }
    }

    pub(super) fn share_pace(&self, image: &MetadataImage, group: &str) -> Pace {
        let config = self.configs.group_config(&image.config(&ConfigResource::group(group)));
        Pace {
            heartbeat_interval_ms: config.share_heartbeat_interval_ms,
            session_timeout: Millis(i64::from(config.share_session_timeout_ms)),
            assignment_interval: Millis(i64::from(config.share_assignment_interval_ms)),
        }
    }

    pub(super) fn streams_pace(&self, image: &MetadataImage, group: &str) -> StreamsPace {
        let config = self.configs.group_config(&image.config(&ConfigResource::group(group)));
        StreamsPace {
            heartbeat_interval_ms: config.streams_heartbeat_interval_ms,
            session_timeout: Millis(i64::from(config.streams_session_timeout_ms)),
            assignment_interval: Millis(i64::from(config.streams_assignment_interval_ms)),
            initial_rebalance_delay: Millis(i64::from(config.streams_initial_rebalance_delay_ms)),
            standby_replicas: config.streams_num_standby_replicas,
        }
    }
}
