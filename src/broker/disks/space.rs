//! The room on the disks: the thread that watches it, and what `/metrics` tells of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::broker::{BrokerError, thread};
use crate::log::{LogDir, LogDirs};
use crate::metrics::Metrics;

/// Watches the room in every log directory.
pub struct SpaceWatch {
    log_dirs: Arc<LogDirs>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl SpaceWatch {
    /// Looks once, so that nothing is served before it is known, and from then on.
    pub fn start(log_dirs: &Arc<LogDirs>, metrics: &Metrics) -> Result<SpaceWatch, BrokerError> {
        log_dirs.look_for_space(log_dirs.context().clock.wall());
        register(log_dirs, metrics);
        let stop = Arc::new(AtomicBool::new(false));
        let (dirs, stopped) = (log_dirs.clone(), stop.clone());
        let thread = thread("disk-space", move || dirs.run_space_watch(&stopped))?;
        Ok(SpaceWatch { log_dirs: log_dirs.clone(), stop, thread })
    }

    /// Ends the thread; waits for it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.log_dirs.context().space_alarm.raise();
        // Nothing is lost with what it was at.
        let _ = self.thread.join();
    }
}

fn register(log_dirs: &Arc<LogDirs>, metrics: &Metrics) {
    type Read = fn(&LogDir) -> f64;
    let gauges: [(&'static str, &'static str, Read); 4] = [
        ("log_directory_free_bytes", "Bytes that are free for the broker", |dir| dir.space.free() as f64),
        ("log_directory_reserve_bytes", "Free bytes below which records and new partitions are refused", |dir| {
            dir.space.reserve() as f64
        }),
        ("log_directory_short_of_space", "Whether records and new partitions are refused for lack of room", |dir| {
            f64::from(u8::from(dir.space.is_short()))
        }),
        ("log_directory_offline", "Whether the directory has failed", |dir| {
            f64::from(u8::from(dir.failure().is_some()))
        }),
    ];
    for (name, help, read) in gauges {
        let dirs = log_dirs.clone();
        metrics.register_gauges(name, help, move || {
            let of = |dir: &LogDir| (vec![("log_directory", dir.path().display().to_string())], read(dir));
            dirs.dirs().iter().map(of).collect()
        });
    }
}
