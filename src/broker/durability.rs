//! What the node promises of its disks: acknowledgement after a sync, and the measure of what is not synced.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::config::BrokerConfig;
use crate::log::LogDirs;
use crate::metrics::Metrics;

/// Has the logs of `ottla.sync.ack.topics`, which are still to be opened, acknowledge what is synced.
pub fn acknowledge_synced(log_dirs: &LogDirs, config: &BrokerConfig, blocking: &Handle) {
    log_dirs.context().acknowledge_synced(config.ottla_sync_ack_topics.clone(), Some(blocking.clone()));
}

/// What a power cut would take away, and how many syncs keep it from being more.
pub fn register(log_dirs: &Arc<LogDirs>, metrics: &Metrics) {
    let dirs = log_dirs.clone();
    let help = "Bytes of record batches that are not known to be on disk: what a power cut would take away now";
    metrics.register_gauges("unsynced_bytes", help, move || {
        let of_dir = |(path, bytes): (std::path::PathBuf, u64)| {
            (vec![("log_directory", path.display().to_string())], bytes as f64)
        };
        dirs.unsynced_bytes().into_iter().map(of_dir).collect()
    });
}
