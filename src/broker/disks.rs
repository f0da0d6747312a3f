//! The care of the disks under the logs: their room, and what they damage.

mod scrub;
mod space;

use std::sync::Arc;

use super::{BrokerError, durability};
use crate::config::BrokerConfig;
use crate::log::LogDirs;
use crate::metrics::Metrics;

use scrub::Scrub;
use space::SpaceWatch;

/// What watches the disks.
pub struct Disks {
    space: SpaceWatch,
    scrub: Scrub,
}

impl Disks {
    /// Begins to watch the directories of `log_dirs`, whose logs may still be opened.
    pub fn start(log_dirs: &Arc<LogDirs>, config: &BrokerConfig, metrics: &Metrics) -> Result<Disks, BrokerError> {
        durability::register(log_dirs, metrics);
        let space = SpaceWatch::start(log_dirs, metrics)?;
        Ok(Disks { space, scrub: Scrub::start(log_dirs, config, metrics)? })
    }

    /// Ends the threads; waits for them.
    pub fn stop(self) {
        self.space.stop();
        self.scrub.stop();
    }
}
