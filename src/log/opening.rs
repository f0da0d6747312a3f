//! Opening the logs of all directories. Which there are is known at once; each serves when it is open, and those that
//! clients most likely ask for come first.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use crate::types::{METADATA_TOPIC, Millis, Offset, TopicPartition, is_internal_topic};

use super::housekeeping::Checkpoint;
use super::log_dirs::{LogDirs, Placed, TopicConfigs};
use super::names::{PartitionDir, delete_dir_name, parse_dir_name};
use super::partition_log::{Log, LogOptions};
use super::work::Work;
use super::{LogError, checkpoint, disk};

/// How often a long recovery tells how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(3);

/// Is told of each partition whose log was opened, or could not be.
pub struct OpenedListener(pub Box<Opened>);

type Opened = dyn Fn(&TopicPartition) + Send + Sync;

impl fmt::Debug for OpenedListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedListener")
    }
}

/// What is left to open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unopened {
    pub partitions: usize,
    /// Bytes of the logs that have to be read because the last stop was not a clean one.
    pub bytes: u64,
}

/// What the checkpoints say of a log that is not open: written down again until the log itself tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub recovery_point: Option<Offset>,
    pub log_start: Option<Offset>,
    pub high_watermark: Option<Offset>,
    pub cleaned_to: Option<Offset>,
}

/// A directory that holds a log, or a copy of one.
#[derive(Debug)]
struct Found {
    dir: usize,
    is_future: bool,
    options: LogOptions,
    bytes: u64,
}

/// Which logs are open, and which are not yet.
#[derive(Debug, Default)]
pub(super) struct Opening {
    state: Mutex<State>,
    changed: Condvar,
    listener: OnceLock<OpenedListener>,
    stopped: AtomicBool,
    /// Bytes walked by recoveries.
    walked_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// What nobody has begun to open, by directory.
    queues: HashMap<usize, VecDeque<Found>>,
    /// Logs and copies that are not open, and whether their topic was deleted meanwhile.
    unopened: HashMap<TopicPartition, Waiting>,
    known: HashMap<(usize, TopicPartition), Known>,
    total: Unopened,
    opened: Unopened,
}

#[derive(Debug, Default)]
struct Waiting {
    places: Vec<Place>,
    is_deleted: bool,
}

/// Where a log lies that is not open, or a copy of one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub dir: usize,
    pub path: PathBuf,
    pub is_future: bool,
}

impl Opening {
    /// Counts what a recovery has read; answers false if it is to be given up.
    pub fn note_walked(&self, bytes: u64) -> bool {
        self.walked_bytes.fetch_add(bytes, Ordering::Relaxed);
        !self.stopped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("this lock is never held across a panic")
    }
}

impl LogDirs {
    /// Opens every log, several threads per directory. One that is damaged is left closed and remembered.
    pub fn load(&self, configs: TopicConfigs<'_>) -> Result<(), LogError> {
        self.find_logs(configs)?;
        self.open_logs();
        Ok(())
    }

    /// Finds out which logs there are. Directories that cannot be read are offline, unless all cannot.
    pub fn find_logs(&self, configs: TopicConfigs<'_>) -> Result<(), LogError> {
        for (n, dir) in self.dirs.iter().enumerate() {
            if let Err(error) = self.find_logs_in(n, configs) {
                dir.fail(&error.to_string());
            }
        }
        self.ensure_some_online()
    }

    /// An error if every directory has failed.
    pub fn ensure_some_online(&self) -> Result<(), LogError> {
        match self.dirs.iter().all(|dir| dir.failure().is_some()) {
            true => Err(LogError::DirectoryNotFound { path: self.options.dirs.first().cloned().unwrap_or_default() }),
            false => Ok(()),
        }
    }

    fn find_logs_in(&self, n: usize, configs: TopicConfigs<'_>) -> Result<(), LogError> {
        let dir = &self.dirs[n];
        let path = dir.path();
        let recovery_points = known_offsets(&path.join(checkpoint::RECOVERY_POINT))?;
        let starts = known_offsets(&path.join(checkpoint::LOG_START))?;
        let high_watermarks = known_offsets(&path.join(checkpoint::HIGH_WATERMARK))?;
        let cleaned = known_offsets(&path.join(checkpoint::CLEANER))?;
        let listed = self.list_partitions(path)?;
        let mut state = self.opening().lock();
        for (partition, path, is_future) in listed {
            let known = Known {
                recovery_point: recovery_points.get(&partition).copied(),
                log_start: starts.get(&partition).copied(),
                high_watermark: high_watermarks.get(&partition).copied(),
                cleaned_to: cleaned.get(&partition).copied(),
            };
            let options = LogOptions {
                partition: partition.clone(),
                dir: path.clone(),
                config: configs(&partition.topic),
                clean: dir.clean,
                recovery_point: known.recovery_point.filter(|_| !is_future).unwrap_or(Offset::ZERO),
                log_start: known.log_start.unwrap_or(Offset::ZERO),
                high_watermark: known.high_watermark.unwrap_or(Offset::ZERO),
            };
            state.queues.entry(n).or_default().push_back(Found { dir: n, is_future, options, bytes: 0 });
            if !is_future {
                state.known.insert((n, partition.clone()), known);
            }
            state.unopened.entry(partition).or_default().places.push(Place { dir: n, path, is_future });
            state.total.partitions += 1;
        }
        Ok(())
    }

    fn list_partitions(&self, path: &Path) -> Result<Vec<(TopicPartition, PathBuf, bool)>, LogError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(LogError::io("list", path))? {
            let entry = entry.map_err(LogError::io("list", path))?;
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            match entry.file_name().to_str().and_then(parse_dir_name) {
                Some(PartitionDir::Current(partition)) if &*partition.topic == METADATA_TOPIC => {}
                Some(PartitionDir::Current(partition)) => found.push((partition, entry.path(), false)),
                Some(PartitionDir::Future(partition)) => found.push((partition, entry.path(), true)),
                Some(PartitionDir::Delete(_)) => self.context.work.push(Work::RemoveDir(entry.path())),
                Some(PartitionDir::Stray(partition)) => {
                    tracing::warn!(%partition, dir = %entry.path().display(), "a stray partition is kept, not served");
                }
                None => tracing::warn!(dir = %entry.path().display(), "no partition's directory; it is left alone"),
            }
        }
        found.sort();
        Ok(found)
    }

    /// Opens what [`LogDirs::find_logs`] has found; returns when all is open, or after [`LogDirs::stop_opening`].
    pub fn open_logs(&self) {
        let began = Instant::now();
        let dirs: Vec<usize> = self.opening().lock().queues.keys().copied().collect();
        std::thread::scope(|scope| {
            dirs.iter().for_each(|n| drop(scope.spawn(|| self.put_in_order(*n))));
        });
        let walks = self.tell_beginning();
        let walked_before = self.opening().walked_bytes.load(Ordering::Relaxed);
        std::thread::scope(|scope| {
            for n in dirs {
                for _ in 0..self.options.recovery_threads_per_dir.max(1) {
                    scope.spawn(move || while self.open_next(n) {});
                }
            }
            if walks {
                self.tell_progress(walked_before);
            }
        });
        if walks && !self.opening().stopped.load(Ordering::Acquire) {
            let (partitions, ms) = (self.opening().lock().opened.partitions, began.elapsed().as_millis());
            tracing::info!("recovery is complete: {partitions} partitions are open after {ms} ms");
            // The next start shall not have to read the same again.
            self.context.work.push(Work::SyncLogs);
        }
    }

    /// Puts first what clients wait for: coordinators' topics, then what was written last.
    fn put_in_order(&self, n: usize) {
        let mut found: Vec<Found> = self.opening().lock().queues.remove(&n).unwrap_or_default().into();
        let mut times = HashMap::new();
        if !self.dirs[n].clean {
            for found in &mut found {
                // What is wrong there is told when it is opened.
                if let Ok(survey) = Log::survey(&found.options, &self.context) {
                    found.bytes = survey.bytes;
                    times.insert(found.options.dir.clone(), survey.written);
                }
            }
        }
        found.sort_by_cached_key(|found| {
            let topic = &found.options.partition.topic;
            (!is_internal_topic(topic), Reverse(times.get(&found.options.dir).copied()))
        });
        let mut state = self.opening().lock();
        state.total.bytes += found.iter().map(|found| found.bytes).sum::<u64>();
        state.queues.insert(n, found.into());
    }

    /// Says what there is to recover; answers whether there is anything.
    fn tell_beginning(&self) -> bool {
        let unclean = self.dirs.iter().filter(|dir| !dir.clean).count();
        let Unopened { partitions, bytes } = self.unopened();
        if unclean == 0 || partitions == 0 {
            return false;
        }
        tracing::info!(
            "recovering after an unclean stop: {partitions} partitions, {} behind their recovery points",
            mebibytes(bytes)
        );
        true
    }

    fn tell_progress(&self, walked_before: u64) {
        let opening = self.opening();
        let mut state = opening.lock();
        loop {
            let left = |state: &mut State| !state.unopened.is_empty() && !opening.stopped.load(Ordering::Acquire);
            let waited = opening.changed.wait_timeout_while(state, PROGRESS_INTERVAL, left);
            state = waited.expect("this lock is never held across a panic").0;
            if !left(&mut state) {
                return;
            }
            let read = opening.walked_bytes.load(Ordering::Relaxed) - walked_before;
            tracing::info!(
                "recovery: {} of {} partitions are open, {} of {} are read",
                state.opened.partitions,
                state.total.partitions,
                mebibytes(read),
                mebibytes(state.total.bytes)
            );
        }
    }

    /// Opens the next log of a directory; answers false if there is none.
    fn open_next(&self, n: usize) -> bool {
        let (found, is_deleted) = {
            let mut state = self.opening().lock();
            let stopped = self.opening().stopped.load(Ordering::Acquire);
            let next = state.queues.get_mut(&n).and_then(VecDeque::pop_front).filter(|_| !stopped);
            let Some(found) = next else { return false };
            let is_deleted = state.unopened.get(&found.options.partition).is_some_and(|waiting| waiting.is_deleted);
            (found, is_deleted)
        };
        let keeps_known = match is_deleted {
            true => self.discard(&found),
            false => match self.open_found(&found) {
                Err(_) if self.opening().stopped.load(Ordering::Acquire) => return false,
                opened => self.place(&found, opened),
            },
        };
        self.settle(&found, keeps_known);
        true
    }

    fn open_found(&self, found: &Found) -> Result<Arc<Log>, LogError> {
        match self.dirs[found.dir].failure() {
            None => Log::open(&found.options, self.context.clone()),
            Some(reason) => {
                let partition = found.options.partition.clone();
                Err(LogError::Offline { partition, reason: reason.into() })
            }
        }
    }

    /// Enters an opened log, or why it is not open. Answers whether what the checkpoints say has still to be kept.
    fn place(&self, found: &Found, opened: Result<Arc<Log>, LogError>) -> bool {
        let partition = &found.options.partition;
        let error = match opened {
            Ok(log) if found.is_future => {
                log.lies_in(&self.dirs[found.dir].space);
                self.write(&self.futures).insert(partition.clone(), Placed { log, dir: found.dir });
                return false;
            }
            Ok(log) => {
                log.lies_in(&self.dirs[found.dir].space);
                let cleaned_to = self.known(found.dir, partition).cleaned_to;
                cleaned_to.into_iter().for_each(|offset| log.cleaning.set_cleaned_to(offset));
                let mut logs = self.write(&self.logs);
                let Some(first) = logs.get(partition).cloned() else {
                    logs.insert(partition.clone(), Placed { log: log.clone(), dir: found.dir });
                    drop(logs);
                    if log.recovery_point() < found.options.recovery_point {
                        // Before anything is appended where the file says that all is on disk.
                        drop(self.checkpoint_dir(found.dir, &[Checkpoint::RecoveryPoint]));
                    }
                    self.schedule(&log);
                    return false;
                };
                let reason = format!("the partition is in {} too; remove one of them", first.log.dir().display());
                LogError::BadFile { path: found.options.dir.clone(), reason }
            }
            Err(error) => error,
        };
        tracing::error!(%partition, %error, "the partition is offline");
        if error.is_disk_failure() {
            self.fail_dir(found.dir, &error.to_string());
        }
        self.write(&self.damaged).insert(partition.clone(), error);
        true
    }

    /// Removes a log whose topic was deleted before it was opened.
    fn discard(&self, found: &Found) -> bool {
        let dir = self.dirs[found.dir].path();
        let to = dir.join(delete_dir_name(&found.options.partition));
        let renamed = disk::rename(&found.options.dir, &to).and_then(|_| disk::sync_dir(dir));
        if self.watch(found.dir, renamed).is_ok() {
            let at = self.context.clock.wall() + Millis(found.options.config.file_delete_delay_ms);
            self.context.work.push_at(at, Work::RemoveDir(to));
        }
        false
    }

    /// A log is open now, or known to be damaged or gone.
    fn settle(&self, found: &Found, keeps_known: bool) {
        let partition = &found.options.partition;
        let complete = {
            let mut state = self.opening().lock();
            if !keeps_known && !found.is_future {
                state.known.remove(&(found.dir, partition.clone()));
            }
            let waiting = state.unopened.get_mut(partition).expect("it is there until it is settled");
            waiting.places.retain(|place| place.path != found.options.dir);
            waiting.places.is_empty().then_some(waiting.is_deleted)
        };
        if let Some(is_deleted) = complete {
            self.hand_over(partition, is_deleted);
        }
        // Whoever waits for all of them waits until each is served, too.
        let mut state = self.opening().lock();
        state.opened.partitions += 1;
        state.opened.bytes += found.bytes;
    }

    /// Nothing of a partition is left to open.
    fn hand_over(&self, partition: &TopicPartition, is_deleted: bool) {
        let finished = match is_deleted {
            true => self.delete(partition, self.context.clock.wall()).map(|_| ()),
            false => self.finish_move(partition),
        };
        if let Err(error) = finished {
            tracing::error!(%partition, %error, "the partition's directory was not renamed");
        }
        let all_open = {
            let mut state = self.opening().lock();
            state.unopened.remove(partition);
            state.unopened.is_empty()
        };
        if all_open {
            self.opening().changed.notify_all();
        }
        if let Some(listener) = self.opening().listener.get() {
            (listener.0)(partition);
        }
    }

    /// Has `listener` told of every partition that is settled from now on.
    pub fn on_opened(&self, listener: OpenedListener) {
        // There is one broker to tell, which asks once.
        let _ = self.opening().listener.set(listener);
    }

    /// Whether a partition's log is there and not open yet.
    pub fn is_opening(&self, partition: &TopicPartition) -> bool {
        self.opening().lock().unopened.contains_key(partition)
    }

    /// Where the logs lie that are not open yet, but for those of deleted topics.
    pub(super) fn unopened_places(&self) -> Vec<(TopicPartition, Place)> {
        let state = self.opening().lock();
        let waiting = state.unopened.iter().filter(|(_, waiting)| !waiting.is_deleted);
        waiting.flat_map(|(name, waiting)| waiting.places.iter().map(|place| (name.clone(), place.clone()))).collect()
    }

    /// What is left to open.
    pub fn unopened(&self) -> Unopened {
        let state = self.opening().lock();
        Unopened {
            partitions: state.total.partitions - state.opened.partitions,
            bytes: state.total.bytes - state.opened.bytes,
        }
    }

    /// Waits until all logs are open, at most for `timeout`; answers whether they are.
    pub fn wait_until_open(&self, timeout: Duration) -> bool {
        let left = |state: &mut State| !state.unopened.is_empty();
        let waited = self.opening().changed.wait_timeout_while(self.opening().lock(), timeout, left);
        !waited.expect("this lock is never held across a panic").1.timed_out()
    }

    /// Has [`LogDirs::open_logs`] return soon, whatever is left.
    pub fn stop_opening(&self) {
        self.opening().stopped.store(true, Ordering::Release);
        self.opening().changed.notify_all();
    }

    /// Has a log removed once it is settled, if it is not yet open. Answers whether that is so.
    pub(super) fn delete_unopened(&self, partition: &TopicPartition) -> bool {
        let mut state = self.opening().lock();
        for n in 0..self.dirs.len() {
            if !state.unopened.contains_key(partition) {
                state.known.remove(&(n, partition.clone()));
            }
        }
        state.unopened.get_mut(partition).map(|waiting| waiting.is_deleted = true).is_some()
    }

    /// What the checkpoints of a directory say of logs that are not open there.
    pub(super) fn known_in(&self, dir: usize) -> Vec<(TopicPartition, Known)> {
        let state = self.opening().lock();
        let known = state.known.iter().filter(|((n, _), _)| *n == dir);
        known.map(|((_, partition), known)| (partition.clone(), *known)).collect()
    }

    fn known(&self, dir: usize, partition: &TopicPartition) -> Known {
        self.opening().lock().known.get(&(dir, partition.clone())).copied().unwrap_or_default()
    }

    fn opening(&self) -> &Opening {
        &self.context.opening
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The offsets of a checkpoint. One that cannot be understood counts as absent: more is checked then, nothing is lost.
fn known_offsets(path: &Path) -> Result<HashMap<TopicPartition, Offset>, LogError> {
    match checkpoint::read_offsets(path) {
        Err(LogError::BadFile { path, reason }) => {
            tracing::warn!(file = %path.display(), reason, "ignoring a damaged checkpoint");
            Ok(HashMap::new())
        }
        read => read,
    }
}
