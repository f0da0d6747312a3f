//! The threads of the cleaner: what they take next, and what becomes of it.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::choice::Cleanable;
use super::measures::{Measures, ThreadMeasure};
use super::pace::Pace;
use super::pass::{Memory, Pass, PassStats};
use super::swap::Interrupted;
use crate::log::partition_log::Log;
use crate::log::{LogDirs, LogError};
use crate::types::{Millis, TopicPartition};

/// The least memory for reading, and for writing.
const IO_BYTES_MIN: usize = 4 << 10;
/// No offset map is larger, as in Kafka.
const MAP_BYTES_MAX: u64 = i32::MAX as u64;

/// The settings that begin with `log.cleaner.`, in bytes and milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CleanerSettings {
    pub threads: usize,
    /// Memory for the offset maps of all threads, and which share of it is filled.
    pub dedupe_buffer_size: u64,
    pub io_buffer_load_factor: f64,
    /// Memory of all threads for reading and writing.
    pub io_buffer_size: usize,
    pub io_max_bytes_per_second: f64,
    pub backoff: Millis,
}

impl CleanerSettings {
    fn memory(&self) -> Memory {
        let threads = self.threads.max(1);
        Memory {
            map_bytes: (self.dedupe_buffer_size / threads as u64).min(MAP_BYTES_MAX) as usize,
            load_factor: self.io_buffer_load_factor,
            io_bytes: (self.io_buffer_size / threads / 2).max(IO_BYTES_MIN),
        }
    }
}

/// Compacts the logs of a node, and applies retention to those that are compacted.
pub struct LogCleaner {
    dirs: Arc<LogDirs>,
    settings: ArcSwap<CleanerSettings>,
    threads: Mutex<Threads>,
    signal: Mutex<Signal>,
    signalled: Condvar,
    /// One thread at a time looks for work.
    choosing: Mutex<()>,
    in_progress: Mutex<HashSet<TopicPartition>>,
    pace: Mutex<Pace>,
    measures: Mutex<Measures>,
}

/// Threads by number; one that was told to end is `None`.
#[derive(Default)]
struct Threads {
    running: Vec<Option<JoinHandle<()>>>,
    ended: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Signal {
    is_stopped: bool,
    /// Raised when the settings change.
    changes: u64,
}

impl LogCleaner {
    /// A cleaner of the logs in `dirs`, with no thread yet.
    pub fn new(dirs: Arc<LogDirs>, settings: CleanerSettings) -> LogCleaner {
        let last_run = dirs.context().clock.wall();
        LogCleaner {
            dirs,
            settings: ArcSwap::from_pointee(settings),
            threads: Mutex::default(),
            signal: Mutex::default(),
            signalled: Condvar::new(),
            choosing: Mutex::default(),
            in_progress: Mutex::default(),
            pace: Mutex::default(),
            measures: Mutex::new(Measures::new(last_run)),
        }
    }

    /// Puts settings in force, and starts as many threads as they say. Threads that are too many end when they have
    /// cleaned what they are at.
    pub fn run_with(self: &Arc<Self>, settings: CleanerSettings) -> io::Result<()> {
        let mut threads = lock(&self.threads);
        if **self.settings.load() == settings && !threads.running.is_empty() {
            return Ok(());
        }
        self.settings.store(Arc::new(settings));
        lock(&self.pace).restart();
        lock(&self.signal).changes += 1;
        self.signalled.notify_all();
        for number in 0..settings.threads {
            if threads.running.len() == number {
                threads.running.push(None);
            }
            let slot = &mut threads.running[number];
            if slot.as_ref().is_none_or(JoinHandle::is_finished) {
                let this = self.clone();
                let thread = std::thread::Builder::new().name(format!("log-cleaner-{number}"));
                *slot = Some(thread.spawn(move || this.run(number))?);
            }
        }
        Ok(())
    }

    /// Ends all threads, giving up what they clean.
    pub fn stop(&self) {
        lock(&self.signal).is_stopped = true;
        self.signalled.notify_all();
        let Threads { running, ended } = std::mem::take(&mut *lock(&self.threads));
        for thread in running.into_iter().flatten().chain(ended) {
            // A thread that panicked was counted while it mattered.
            let _ = thread.join();
        }
    }

    fn run(&self, number: usize) {
        while self.goes_on(number) {
            let now = self.dirs.context().clock.wall();
            if !self.clean_next(number, now) {
                // Without any pause it would do nothing but look.
                self.wait(self.settings.load().backoff.max(Millis(1)).duration());
            }
        }
    }

    /// Whether a thread is still wanted; one that is not gives up its place.
    fn goes_on(&self, number: usize) -> bool {
        let mut threads = lock(&self.threads);
        if lock(&self.signal).is_stopped {
            return false;
        }
        if number < self.settings.load().threads {
            return true;
        }
        let ended = threads.running.get_mut(number).and_then(Option::take);
        threads.ended.extend(ended);
        false
    }

    /// Cleans the dirtiest log, if one is dirty enough, and applies retention to compacted logs. Answers whether there
    /// may be more to clean.
    pub fn clean_next(&self, number: usize, now: Millis) -> bool {
        let cleaned = match self.choose(now) {
            Some(cleanable) => self.clean(number, &cleanable, now),
            None => false,
        };
        self.apply_retention(now);
        cleaned
    }

    /// Takes the dirtiest log of those that are due; nobody else takes it then.
    fn choose(&self, now: Millis) -> Option<Cleanable> {
        let _alone = lock(&self.choosing);
        let taken = lock(&self.in_progress).clone();
        let mut found = Vec::new();
        for log in self.compacted().filter(|log| !taken.contains(log.partition())) {
            let round = log.cleaning.round();
            if self.dirs.is_moving(log.partition()) {
                continue;
            }
            match Cleanable::of(&log, round, now) {
                Ok(cleanable) => found.push(cleanable),
                Err(error) => self.set_aside(&log, round, &error.to_string()),
            }
        }
        lock(&self.measures).note_search(&found, now);
        found.retain(|cleanable| cleanable.has_bytes() && cleanable.is_due());
        let dirtiest = found.into_iter().max_by(|a, b| a.dirty_ratio().total_cmp(&b.dirty_ratio()))?;
        lock(&self.in_progress).insert(dirtiest.log.partition().clone());
        Some(dirtiest)
    }

    /// Compacted logs that are well.
    fn compacted(&self) -> impl Iterator<Item = Arc<Log>> {
        let is_well = |log: &Arc<Log>| log.failure().is_none() && log.cleaning.uncleanable().is_none();
        self.dirs.logs().into_iter().filter(move |log| log.config().cleanup_policy.compact && is_well(log))
    }

    fn clean(&self, number: usize, cleanable: &Cleanable, now: Millis) -> bool {
        let clock = &self.dirs.context().clock;
        let began = clock.monotonic();
        let pay = |bytes: u64| self.pay(bytes);
        let pass = Pass::new(cleanable, self.settings.load().memory(), now, &pay);
        let outcome = catch_unwind(AssertUnwindSafe(|| pass.run()));
        let log = &cleanable.log;
        let cleaned = match outcome {
            Ok(Ok(stats)) => {
                self.record(number, cleanable, &stats, clock.monotonic() - began);
                true
            }
            Ok(Err(Interrupted::GivenUp)) => false,
            Ok(Err(Interrupted::Failed(error))) => {
                self.note_failure(cleanable, error);
                false
            }
            Err(_) => {
                self.set_aside(log, cleanable.round, "the cleaner failed at it; the error is in the log above");
                false
            }
        };
        if let Some(dir) = self.dirs.place_of(log).filter(|_| cleaned) {
            self.dirs.checkpoint_cleaned(dir);
        }
        lock(&self.in_progress).remove(log.partition());
        cleaned
    }

    fn record(&self, number: usize, cleanable: &Cleanable, stats: &PassStats, took: Millis) {
        let measure = ThreadMeasure::of(stats, took);
        lock(&self.measures).note_pass(number, measure);
        let without_key = stats.records.without_key;
        if without_key > 0 {
            tracing::warn!(partition = %cleanable.log.partition(), records = without_key, "dropped records without a key");
        }
        tracing::info!(
            partition = %cleanable.log.partition(), from = %cleanable.first_dirty, to = %stats.end,
            bytes_before = stats.bytes_read, bytes_after = stats.bytes_written, records_before = stats.records.read,
            records_after = stats.records.kept, milliseconds = took.0, "cleaned a log"
        );
    }

    /// A full disk passes; a failing one takes the log out of service; anything else is wrong with the log itself.
    fn note_failure(&self, cleanable: &Cleanable, error: LogError) {
        let log = &cleanable.log;
        if log.ensure_round(cleanable.round).is_err() {
            return;
        }
        if error.is_out_of_space() {
            tracing::warn!(partition = %log.partition(), %error, "a log is not cleaned for now");
        } else if error.is_disk_failure() {
            tracing::error!(partition = %log.partition(), %error, "a log cannot be cleaned");
            let _ = log.guard::<()>(Err(error));
        } else {
            self.set_aside(log, cleanable.round, &error.to_string());
        }
    }

    /// Has a log left alone that cannot be cleaned, unless it was only overtaken.
    fn set_aside(&self, log: &Arc<Log>, round: u64, reason: &str) {
        if log.ensure_round(round).is_ok() {
            let partition = log.partition();
            tracing::error!(%partition, reason, "the log grows: it cannot be cleaned and is left alone until a restart");
            log.cleaning.set_uncleanable(reason);
        }
    }

    fn apply_retention(&self, now: Millis) {
        for log in self.compacted() {
            if !lock(&self.in_progress).insert(log.partition().clone()) {
                continue;
            }
            if let Err(error) = log.apply_retention(now, log.high_watermark()) {
                tracing::warn!(partition = %log.partition(), %error, "retention failed");
            }
            lock(&self.in_progress).remove(log.partition());
        }
    }

    /// Waits until that many bytes more may be read or written.
    fn pay(&self, bytes: u64) -> Result<(), Interrupted> {
        let rate = self.settings.load().io_max_bytes_per_second;
        let now = self.dirs.context().clock.monotonic();
        let wait = lock(&self.pace).pay(bytes, rate, now);
        if self.wait(wait) { Ok(()) } else { Err(Interrupted::GivenUp) }
    }

    /// Waits, at most until the settings change. Answers false once the cleaner is to stop.
    fn wait(&self, timeout: Duration) -> bool {
        let signal = lock(&self.signal);
        if timeout.is_zero() || signal.is_stopped {
            return !signal.is_stopped;
        }
        let changes = signal.changes;
        let idle = |signal: &mut Signal| !signal.is_stopped && signal.changes == changes;
        let waited = self.signalled.wait_timeout_while(signal, timeout, idle);
        !waited.expect("this lock is never held across a panic").0.is_stopped
    }

    /// What was measured last.
    pub fn measures(&self) -> Measures {
        lock(&self.measures).clone()
    }

    /// Threads that have ended although they are wanted.
    pub fn dead_threads(&self) -> usize {
        lock(&self.threads).running.iter().flatten().filter(|thread| thread.is_finished()).count()
    }

    /// Logs that are left alone, and why, by directory; with the bytes that could be cleaned in each. Waits for the
    /// disk.
    pub fn uncleanable(&self) -> Vec<(PathBuf, Vec<Uncleanable>)> {
        let now = self.dirs.context().clock.wall();
        let mut by_dir: Vec<_> = self.dirs.dirs().iter().map(|dir| (dir.path().to_path_buf(), Vec::new())).collect();
        for log in self.dirs.logs() {
            let Some((reason, dir)) = log.cleaning.uncleanable().zip(self.dirs.place_of(&log)) else { continue };
            let bytes = Cleanable::of(&log, log.cleaning.round(), now).map_or(0, |cleanable| cleanable.cleanable_bytes);
            by_dir[dir].1.push(Uncleanable { partition: log.partition().clone(), reason, bytes });
        }
        by_dir
    }
}

/// A log that is not cleaned any more.
#[derive(Clone, Debug)]
pub struct Uncleanable {
    pub partition: TopicPartition,
    pub reason: Arc<str>,
    /// Bytes that could be cleaned for the first time.
    pub bytes: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("this lock is never held across a panic")
}
