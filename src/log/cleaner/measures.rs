//! What the cleaner measures of itself, as Kafka does.

use super::choice::Cleanable;
use super::pass::PassStats;
use crate::types::Millis;

/// The last cleaning of a thread.
#[derive(Clone, Copy, Default, Debug)]
pub struct ThreadMeasure {
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub took: Millis,
    /// Share of the offset map that was filled.
    pub utilization: f64,
}

impl ThreadMeasure {
    /// What a cleaning that took so long comes down to.
    pub fn of(stats: &PassStats, took: Millis) -> ThreadMeasure {
        let PassStats { map_bytes_read, bytes_read, bytes_written, utilization, .. } = *stats;
        ThreadMeasure { bytes_read: map_bytes_read + bytes_read, bytes_written, took, utilization }
    }
}

/// What all threads have measured.
#[derive(Clone, Debug)]
pub struct Measures {
    threads: Vec<ThreadMeasure>,
    /// When a log to clean was last looked for.
    pub last_run: Millis,
    /// The dirty ratio of the dirtiest log then.
    pub max_dirty_ratio: f64,
    /// By how much a log exceeded `max.compaction.lag.ms` then.
    pub max_compaction_delay: Millis,
}

impl Measures {
    pub(super) fn new(now: Millis) -> Measures {
        Measures { threads: Vec::new(), last_run: now, max_dirty_ratio: 0.0, max_compaction_delay: Millis(0) }
    }

    pub(super) fn note_search(&mut self, found: &[Cleanable], now: Millis) {
        self.last_run = now;
        self.max_dirty_ratio = found.iter().map(Cleanable::dirty_ratio).fold(0.0, f64::max);
        self.max_compaction_delay = found.iter().map(|cleanable| cleanable.overdue).max().unwrap_or_default();
    }

    pub(super) fn note_pass(&mut self, thread: usize, measure: ThreadMeasure) {
        if self.threads.len() <= thread {
            self.threads.resize(thread + 1, ThreadMeasure::default());
        }
        self.threads[thread] = measure;
    }

    /// The fullest offset map of the threads' last cleanings.
    pub fn max_utilization(&self) -> f64 {
        self.threads.iter().map(|thread| thread.utilization).fold(0.0, f64::max)
    }

    /// The longest of the threads' last cleanings.
    pub fn max_clean_time(&self) -> Millis {
        self.threads.iter().map(|thread| thread.took).max().unwrap_or_default()
    }

    /// Bytes written by bytes read in the threads' last cleanings.
    pub fn recopy_ratio(&self) -> f64 {
        let (read, written) = self
            .threads
            .iter()
            .fold((0, 0), |(read, written), thread| (read + thread.bytes_read, written + thread.bytes_written));
        written as f64 / (read as f64).max(1.0)
    }
}
