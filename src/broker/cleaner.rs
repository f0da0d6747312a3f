//! The log cleaner on a node: its settings, its threads, and what `/metrics` tells of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::BrokerError;
use crate::config::BrokerConfig;
use crate::log::{CleanerSettings, LogCleaner, LogDirs, Uncleanable};
use crate::metrics::{Labels, Metrics};
use crate::types::{Clock, Millis};

/// The cleaner, unless it is switched off.
#[derive(Clone)]
pub struct Cleaner(Option<Arc<LogCleaner>>);

impl Cleaner {
    /// Starts to clean the logs of `log_dirs`, all of which are open.
    pub fn start(
        log_dirs: &Arc<LogDirs>,
        config: &BrokerConfig,
        metrics: &Metrics,
        clock: &Clock,
    ) -> Result<Cleaner, BrokerError> {
        if !config.log_cleaner_enable {
            return Ok(Cleaner(None));
        }
        let settings = settings(config);
        let cleaner = Arc::new(LogCleaner::new(log_dirs.clone(), settings));
        register(&cleaner, metrics, clock);
        cleaner.run_with(settings).map_err(BrokerError::Thread)?;
        Ok(Cleaner(Some(cleaner)))
    }

    /// Puts changed settings in force.
    pub fn reconfigure(&self, config: &BrokerConfig) {
        if let Some(cleaner) = &self.0
            && let Err(error) = cleaner.run_with(settings(config))
        {
            tracing::error!("a thread of the log cleaner was not started: {error}");
        }
    }

    /// Ends the threads. What they were cleaning is cleaned at another time.
    pub fn stop(&self) {
        self.0.iter().for_each(|cleaner| cleaner.stop());
    }
}

fn settings(config: &BrokerConfig) -> CleanerSettings {
    CleanerSettings {
        threads: config.log_cleaner_threads.max(0) as usize,
        dedupe_buffer_size: config.log_cleaner_dedupe_buffer_size.max(0) as u64,
        io_buffer_load_factor: config.log_cleaner_io_buffer_load_factor,
        io_buffer_size: config.log_cleaner_io_buffer_size.max(0) as usize,
        io_max_bytes_per_second: config.log_cleaner_io_max_bytes_per_second,
        backoff: Millis(config.log_cleaner_backoff_ms),
    }
}

/// Kafka's gauges of its LogCleaner and LogCleanerManager.
fn register(cleaner: &Arc<LogCleaner>, metrics: &Metrics, clock: &Clock) {
    type Read = Box<dyn Fn(&LogCleaner) -> f64 + Send + Sync>;
    let clock = clock.clone();
    let seconds = |length: Millis| (length.0 / 1000) as f64;
    let percent = |share: f64| (share * 100.0).floor();
    let gauges: [(&'static str, &'static str, Read); 7] = [
        (
            "log_cleaner_max_dirty_percent",
            "Dirty part of the dirtiest compacted log when the cleaner last looked",
            Box::new(move |cleaner| percent(cleaner.measures().max_dirty_ratio)),
        ),
        (
            "log_cleaner_time_since_last_run_ms",
            "Milliseconds since the cleaner last looked for a log to clean",
            Box::new(move |cleaner| (clock.wall() - cleaner.measures().last_run).0 as f64),
        ),
        (
            "log_cleaner_max_buffer_utilization_percent",
            "The fullest offset map of the threads' last cleanings",
            Box::new(move |cleaner| percent(cleaner.measures().max_utilization())),
        ),
        (
            "log_cleaner_recopy_percent",
            "Bytes written by bytes read in the threads' last cleanings",
            Box::new(move |cleaner| percent(cleaner.measures().recopy_ratio())),
        ),
        (
            "log_cleaner_max_clean_time_seconds",
            "The longest of the threads' last cleanings",
            Box::new(move |cleaner| seconds(cleaner.measures().max_clean_time())),
        ),
        (
            "log_cleaner_max_compaction_delay_seconds",
            "By how much a log exceeded max.compaction.lag.ms when the cleaner last looked",
            Box::new(move |cleaner| seconds(cleaner.measures().max_compaction_delay)),
        ),
        (
            "log_cleaner_dead_threads",
            "Threads of the cleaner that have ended although they are wanted",
            Box::new(move |cleaner| cleaner.dead_threads() as f64),
        ),
    ];
    for (name, help, read) in gauges {
        let cleaner = cleaner.clone();
        metrics.register_gauge(name, help, move || read(&cleaner));
    }
    register_uncleanable(cleaner, metrics);
}

/// Logs that the cleaner leaves alone, and why.
fn register_uncleanable(cleaner: &Arc<LogCleaner>, metrics: &Metrics) {
    let by_dir = |cleaner: &LogCleaner, count: fn(&[Uncleanable]) -> f64| -> Vec<(Labels, f64)> {
        let of_dir = |(path, logs): (PathBuf, Vec<Uncleanable>)| {
            (vec![("log_directory", path.display().to_string())], count(&logs))
        };
        cleaner.uncleanable().into_iter().map(of_dir).collect()
    };
    let this = cleaner.clone();
    let help = "Partitions that the cleaner leaves alone because it failed at them";
    metrics.register_gauges("log_cleaner_uncleanable_partitions_count", help, move || {
        by_dir(&this, |logs| logs.len() as f64)
    });
    let this = cleaner.clone();
    let help = "Bytes that could be compacted in partitions that the cleaner leaves alone";
    metrics.register_gauges("log_cleaner_uncleanable_bytes", help, move || {
        by_dir(&this, |logs| logs.iter().map(|log| log.bytes).sum::<u64>() as f64)
    });
    let this = cleaner.clone();
    let help = "A partition that the cleaner leaves alone, with the reason";
    metrics.register_gauges("log_cleaner_uncleanable_partition", help, move || {
        let logs = this.uncleanable().into_iter().flat_map(|(_, logs)| logs);
        let labels = |log: Uncleanable| {
            let (topic, partition) = (log.partition.topic.to_string(), log.partition.partition.to_string());
            vec![("topic", topic), ("partition", partition), ("reason", log.reason.to_string())]
        };
        logs.map(|log| (labels(log), 1.0)).collect()
    });
}
