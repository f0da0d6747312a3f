//! Opening the logs behind the start: the node serves as soon as its metadata is there, each partition when it is open.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::{BrokerError, thread};
use crate::log::LogDirs;
use crate::metrics::Metrics;

/// How long the start waits for the logs: those of most nodes are open by then, and no client is sent away.
const WAIT_MAX: Duration = Duration::from_millis(300);

/// The thread that opens the logs.
pub struct Recovery {
    log_dirs: Arc<LogDirs>,
    thread: JoinHandle<()>,
}

impl Recovery {
    /// Begins to open the logs that were found, and waits a moment for them.
    pub fn start(log_dirs: &Arc<LogDirs>, metrics: &Metrics) -> Result<Recovery, BrokerError> {
        let dirs = log_dirs.clone();
        let help = "Partitions whose log is not open yet after the start";
        metrics.register_gauge("unopened_partitions", help, move || dirs.unopened().partitions as f64);
        let dirs = log_dirs.clone();
        let help = "Bytes of logs that are still to be read after an unclean stop";
        metrics.register_gauge("unrecovered_bytes", help, move || dirs.unopened().bytes as f64);
        let dirs = log_dirs.clone();
        let thread = thread("log-recovery", move || dirs.open_logs())?;
        log_dirs.wait_until_open(WAIT_MAX);
        log_dirs.ensure_some_online()?;
        Ok(Recovery { log_dirs: log_dirs.clone(), thread })
    }

    /// Tells how many partitions are still to be opened, while there are any: whoever restarts node after node waits
    /// for them. One that cannot be opened is not waited for.
    pub fn obstacle(&self) -> impl Fn() -> Option<String> + Send + 'static {
        let log_dirs = self.log_dirs.clone();
        move || match log_dirs.unopened().partitions {
            0 => None,
            left => Some(format!("recovering: {left} partitions are not open yet")),
        }
    }

    /// Leaves the logs that are not open yet as they are, for the next start.
    pub fn stop(self) {
        self.log_dirs.stop_opening();
        // What it had begun is begun again at the next start.
        let _ = self.thread.join();
    }
}
