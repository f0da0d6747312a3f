//! The scrubber on a node: its thread, and what `/metrics` tells of it.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::broker::{BrokerError, thread};
use crate::config::BrokerConfig;
use crate::log::{LogDirs, Scrubber};
use crate::metrics::Metrics;

/// The scrubber, unless it is switched off.
pub struct Scrub(Option<(Arc<Scrubber>, JoinHandle<()>)>);

impl Scrub {
    /// Starts to look for damage in the logs of `log_dirs`, once all of them are open.
    pub fn start(log_dirs: &Arc<LogDirs>, config: &BrokerConfig, metrics: &Metrics) -> Result<Scrub, BrokerError> {
        register_damage(log_dirs, metrics);
        if config.ottla_scrub_bytes_per_second == 0 {
            return Ok(Scrub(None));
        }
        let scrubber = Arc::new(Scrubber::new(log_dirs.clone(), config.ottla_scrub_bytes_per_second));
        register(&scrubber, metrics);
        let runs = scrubber.clone();
        let thread = thread("log-scrub", move || runs.run())?;
        Ok(Scrub(Some((scrubber, thread))))
    }

    /// Ends the thread; waits for it.
    pub fn stop(self) {
        if let Some((scrubber, thread)) = self.0 {
            scrubber.stop();
            // It is begun again at the next start.
            let _ = thread.join();
        }
    }
}

fn register(scrubber: &Arc<Scrubber>, metrics: &Metrics) {
    let asked = scrubber.clone();
    metrics.register_gauge(
        "log_scrub_checked_bytes",
        "Bytes that the scrubber has checked since the start",
        move || asked.measures().checked_bytes as f64,
    );
    let asked = scrubber.clone();
    let help = "Rounds of the scrubber through a log directory that have ended since the start";
    metrics.register_gauge("log_scrub_rounds", help, move || asked.measures().rounds as f64);
}

fn register_damage(log_dirs: &Arc<LogDirs>, metrics: &Metrics) {
    let dirs = log_dirs.clone();
    let help = "A batch that was found damaged and is not served, by its first offset, with its place in the file";
    metrics.register_gauges("log_damaged_batch_position", help, move || {
        let of_log = |log: &Arc<crate::log::Log>| {
            let (topic, partition) = (log.partition().topic.to_string(), log.partition().partition.to_string());
            let bad = log.bad_batches().into_iter();
            let sample = move |bad: crate::log::BadBatch| {
                let labels = vec![
                    ("topic", topic.clone()),
                    ("partition", partition.clone()),
                    ("file", bad.file.display().to_string()),
                    ("offset", bad.offset.to_string()),
                ];
                (labels, bad.position as f64)
            };
            bad.map(sample).collect::<Vec<_>>()
        };
        dirs.logs().iter().flat_map(of_log).collect()
    });
}
