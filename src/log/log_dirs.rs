//! All logs of a node, in all its log directories.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

use crate::config::TopicConfig;
use crate::types::{BrokerEpoch, DirectoryId, Millis, Offset, TopicId, TopicPartition};

use super::housekeeping::Housekeeping;
use super::log_dir::LogDir;
use super::meta_properties::MetaProperties;
use super::moves::MovePace;
use super::names::{current_dir_name, delete_dir_name, stray_dir_name};
use super::partition_log::{Log, LogContext, LogOptions};
use super::space::RoomListener;
use super::unopened::same_directory;
use super::work::Work;
use super::{LogError, ballast, disk};

/// Up to so many logs are synced one by one at a stop; for more the file system is synced as a whole.
const SYNCED_ONE_BY_ONE_MAX: usize = 256;

/// Directories remembered for partitions that may never be created.
const PREFERRED_MAX: usize = 100_000;

/// How the directories are to be opened and kept.
#[derive(Clone, Debug)]
pub struct LogDirsOptions {
    /// `log.dirs`.
    pub dirs: Vec<PathBuf>,
    pub identity: MetaProperties,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_dir: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Millis,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_checkpoint_interval: Millis,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub log_start_checkpoint_interval: Millis,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval: Millis,
    /// `ottla.disk.reserve.bytes`; by default a share of the file system.
    pub reserve_bytes: Option<u64>,
}

/// The settings in force for a topic.
pub type TopicConfigs<'a> = &'a (dyn Fn(&str) -> Arc<TopicConfig> + Sync);

/// A log and the directory that holds it.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub log: Arc<Log>,
    pub dir: usize,
}

/// Every log of the node.
#[derive(Debug)]
pub struct LogDirs {
    pub(super) context: Arc<LogContext>,
    pub(super) options: LogDirsOptions,
    pub(super) dirs: Vec<LogDir>,
    /// Some configured directory could not be claimed, so that what it holds is not known.
    some_missing: bool,
    pub(super) logs: RwLock<HashMap<TopicPartition, Placed>>,
    /// Copies that are to replace their partition's log in another directory.
    pub(super) futures: RwLock<HashMap<TopicPartition, Placed>>,
    /// Partitions that could not be opened, and why.
    pub(super) damaged: RwLock<HashMap<TopicPartition, LogError>>,
    pub(super) cordoned: RwLock<BTreeSet<PathBuf>>,
    /// Where partitions are wanted that do not exist yet.
    preferred: Mutex<HashMap<TopicPartition, DirectoryId>>,
    pub(super) move_pace: MovePace,
    directories_changed: Notify,
    /// A hash of what each checkpoint file was last given, by directory and file.
    pub(super) checkpointed: Mutex<HashMap<(usize, &'static str), u64>>,
    pub(super) housekeeping: Mutex<Housekeeping>,
    /// One creation or deletion at a time, so that a partition is never made twice.
    changing: Mutex<()>,
    /// Told of each log that took the place of another.
    pub(super) moved: OnceLock<MovedListener>,
    pub(super) room_listener: OnceLock<RoomListener>,
}

/// Is told of the log that took the place of another, and of the directory it is in.
pub struct MovedListener(pub Box<Moved>);

type Moved = dyn Fn(&Arc<Log>, DirectoryId) + Send + Sync;

impl fmt::Debug for MovedListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MovedListener")
    }
}

impl LogDirs {
    /// Locks and identifies every directory; opens no log yet. Directories that fail are offline, unless all do.
    pub fn claim(options: LogDirsOptions, context: Arc<LogContext>) -> Result<LogDirs, LogError> {
        let mut dirs: Vec<LogDir> = Vec::new();
        let mut failed = Vec::new();
        for path in &options.dirs {
            match LogDir::claim(path, &options.identity) {
                Ok(dir) => {
                    if let Some(twin) = dirs.iter().find(|other| other.id() == dir.id()) {
                        return Err(same_directory(dir.path(), twin.path()));
                    }
                    ballast::release(dir.path());
                    dirs.push(dir);
                }
                Err(error) if (error.is_disk_failure() || error.is_out_of_space()) && options.dirs.len() > 1 => {
                    failed.push((path, error));
                }
                Err(error) => return Err(error),
            }
        }
        let some_missing = !failed.is_empty();
        for (path, error) in failed {
            if dirs.is_empty() {
                return Err(error);
            }
            tracing::error!(dir = %path.display(), %error, "log directory is offline");
        }
        let now = context.clock.wall();
        Ok(LogDirs {
            housekeeping: Mutex::new(Housekeeping::new(now, &options)),
            context,
            options,
            dirs,
            some_missing,
            logs: RwLock::default(),
            futures: RwLock::default(),
            damaged: RwLock::default(),
            cordoned: RwLock::default(),
            preferred: Mutex::default(),
            move_pace: MovePace::default(),
            directories_changed: Notify::new(),
            checkpointed: Mutex::default(),
            changing: Mutex::default(),
            moved: OnceLock::new(),
            room_listener: OnceLock::new(),
        })
    }

    /// Has `listener` told when a move ends.
    pub fn on_moved(&self, listener: MovedListener) {
        // There is one broker to tell, which asks once.
        let _ = self.moved.set(listener);
    }

    /// What all logs share; the metadata log is opened with it too.
    pub fn context(&self) -> &Arc<LogContext> {
        &self.context
    }

    /// The directories that could be claimed.
    pub fn dirs(&self) -> &[LogDir] {
        &self.dirs
    }

    /// The broker's epoch at the last clean stop, if all directories agree on it.
    pub fn previous_broker_epoch(&self) -> Option<BrokerEpoch> {
        let first = self.dirs.first()?.previous_broker_epoch?;
        self.dirs.iter().all(|dir| dir.previous_broker_epoch == Some(first)).then_some(first)
    }

    /// Whether a directory is out of service, so that a partition that is nowhere else may lie there.
    pub fn some_offline(&self) -> bool {
        self.some_missing || self.dirs.iter().any(|dir| dir.failure().is_some())
    }

    /// The log of a partition.
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.read(&self.logs).get(partition).map(|placed| placed.log.clone())
    }

    /// Every log.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.read(&self.logs).values().map(|placed| placed.log.clone()).collect()
    }

    /// Why a partition that is on disk could not be opened.
    pub fn damage(&self, partition: &TopicPartition) -> Option<LogError> {
        self.read(&self.damaged).get(partition).cloned()
    }

    /// The directory that holds a partition.
    pub fn directory_of(&self, partition: &TopicPartition) -> Option<DirectoryId> {
        self.read(&self.logs).get(partition).map(|placed| self.dirs[placed.dir].id())
    }

    /// The number of the directory that holds a log, unless another log has taken its place.
    pub(super) fn place_of(&self, log: &Arc<Log>) -> Option<usize> {
        let logs = self.read(&self.logs);
        logs.get(log.partition()).filter(|placed| Arc::ptr_eq(&placed.log, log)).map(|placed| placed.dir)
    }

    /// Whether the directory that holds a partition has failed.
    pub fn has_failed(&self, partition: &TopicPartition) -> bool {
        self.read(&self.logs).get(partition).is_some_and(|placed| self.dirs[placed.dir].failure().is_some())
    }

    /// `ottla.disk.reserve.bytes`, if it is set.
    pub(super) fn reserve_bytes(&self) -> Option<u64> {
        self.options.reserve_bytes
    }

    /// Directories that get no new partitions (KIP-1066).
    pub fn set_cordoned(&self, paths: BTreeSet<PathBuf>) {
        *self.write(&self.cordoned) = paths;
        self.directories_changed.notify_one();
    }

    /// Waits until a directory has failed or was cordoned, or until what happened since the last wait is told.
    pub async fn directory_change(&self) {
        self.directories_changed.notified().await;
    }

    /// Remembers the directory at `to` for a partition that is not here yet, until it is created (KIP-113).
    pub fn prefer(&self, partition: &TopicPartition, to: &Path) {
        let Some(dir) = self.dirs.iter().find(|dir| dir.path() == to) else { return };
        let mut preferred = self.preferred.lock().expect("this lock is never held across a panic");
        if preferred.len() < PREFERRED_MAX || preferred.contains_key(partition) {
            preferred.insert(partition.clone(), dir.id());
        }
    }

    /// The log of a partition, created if there is none: in the directory that [`LogDirs::prefer`] was told, else in
    /// the one asked for, else where the fewest are.
    pub fn create(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: Arc<TopicConfig>,
        wanted: Option<DirectoryId>,
    ) -> Result<Arc<Log>, LogError> {
        let placed = self.read(&self.logs).get(partition).cloned();
        if let Some(Placed { log, dir }) = placed {
            // A crash of the machine may have lost the id that the log was given.
            self.watch(dir, log.assign_topic_id(topic_id))?;
            return Ok(log);
        }
        let _changing = self.changing.lock().expect("this lock is never held across a panic");
        if let Some(log) = self.get(partition) {
            return Ok(log);
        }
        if let Some(error) = self.damage(partition) {
            return Err(error);
        }
        if self.is_opening(partition) {
            return Err(LogError::Offline { partition: partition.clone(), reason: "it is being opened".into() });
        }
        let preferred = self.preferred.lock().expect("this lock is never held across a panic").remove(partition);
        let dir = self.choose(preferred.or(wanted))?;
        let path = self.dirs[dir].path().join(current_dir_name(partition));
        let log = self.create_log(dir, path, partition, topic_id, config, Offset::ZERO)?;
        self.write(&self.logs).insert(partition.clone(), Placed { log: log.clone(), dir });
        self.schedule(&log);
        Ok(log)
    }

    pub(super) fn create_log(
        &self,
        dir: usize,
        path: PathBuf,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: Arc<TopicConfig>,
        log_start: Offset,
    ) -> Result<Arc<Log>, LogError> {
        let is_new = !path.exists();
        self.watch(dir, disk::create_dir(&path))?;
        let created = self.create_files(dir, &path, partition, topic_id, config, log_start);
        if is_new && created.as_ref().is_err_and(LogError::is_out_of_space) {
            // What came of it would be taken for a partition's log.
            let _ = disk::remove_dir(&path);
        }
        self.watch(dir, created)
    }

    fn create_files(
        &self,
        dir: usize,
        path: &Path,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: Arc<TopicConfig>,
        log_start: Offset,
    ) -> Result<Arc<Log>, LogError> {
        let (recovery_point, high_watermark) = (log_start, log_start);
        let partition = partition.clone();
        let options =
            LogOptions { partition, dir: path.into(), config, clean: false, recovery_point, log_start, high_watermark };
        let log = Log::open(&options, self.context.clone())?;
        log.lies_in(&self.dirs[dir].space);
        log.assign_topic_id(topic_id)?;
        Ok(log)
    }

    /// The directory for a new partition.
    fn choose(&self, wanted: Option<DirectoryId>) -> Result<usize, LogError> {
        let online = |n: &usize| self.dirs[*n].failure().is_none();
        if let Some(n) = wanted.and_then(|id| (0..self.dirs.len()).filter(online).find(|n| self.dirs[*n].id() == id)) {
            return Ok(n);
        }
        let mut counts = vec![0; self.dirs.len()];
        if self.dirs.len() > 1 {
            for placed in self.read(&self.logs).values().chain(self.read(&self.futures).values()) {
                counts[placed.dir] += 1;
            }
            counts.iter_mut().enumerate().for_each(|(n, count)| *count += self.known_in(n).len());
        }
        let cordoned = self.read(&self.cordoned);
        let open = |n: &usize| online(n) && !cordoned.contains(self.dirs[*n].path());
        // The room that is left goes before an even spread.
        let chosen = (0..self.dirs.len()).filter(open).min_by_key(|n| (self.dirs[*n].space.is_short(), counts[*n]));
        chosen.ok_or_else(|| LogError::DirectoryNotFound { path: PathBuf::from("log.dirs") })
    }

    /// Takes a partition out of service at once; its files go after `file.delete.delay.ms`.
    pub fn delete(&self, partition: &TopicPartition, now: Millis) -> Result<bool, LogError> {
        let _changing = self.changing.lock().expect("this lock is never held across a panic");
        let unopened = self.delete_unopened(partition);
        self.write(&self.damaged).remove(partition);
        let future = self.write(&self.futures).remove(partition);
        let current = self.write(&self.logs).remove(partition);
        let found = current.is_some() || unopened;
        for placed in [current, future].into_iter().flatten() {
            self.retire(&placed, now)?;
        }
        Ok(found)
    }

    pub(super) fn retire(&self, placed: &Placed, now: Millis) -> Result<(), LogError> {
        placed.log.fail("the partition was deleted");
        let to = self.rename(placed, &delete_dir_name(placed.log.partition()))?;
        let at = now + Millis(placed.log.config().file_delete_delay_ms);
        self.context.work.push_at(at, Work::RemoveDir(to));
        self.forget_cleaned(placed);
        Ok(())
    }

    /// Takes a log that is gone out of its directory's checkpoint of what is clean: another topic may get its name.
    fn forget_cleaned(&self, placed: &Placed) {
        if placed.log.cleaning.cleaned_to().is_some() {
            self.checkpoint_cleaned(placed.dir);
        }
    }

    /// Puts a partition aside that the metadata does not know. Its files are kept for a human to look at.
    pub fn set_aside(&self, partition: &TopicPartition) -> Result<(), LogError> {
        let _changing = self.changing.lock().expect("this lock is never held across a panic");
        let Some(placed) = self.write(&self.logs).remove(partition) else { return Ok(()) };
        placed.log.close()?;
        let to = self.rename(&placed, &stray_dir_name(partition))?;
        self.forget_cleaned(&placed);
        tracing::warn!(%partition, dir = %to.display(), "the metadata knows no such partition; its files are kept");
        Ok(())
    }

    pub(super) fn rename(&self, placed: &Placed, name: &str) -> Result<PathBuf, LogError> {
        let from = placed.log.dir();
        let to = self.dirs[placed.dir].path().join(name);
        // Nobody may follow the old name while it is taken by something else.
        let _writer = placed.log.lock_writer();
        self.watch(placed.dir, disk::rename_dir(&from, &to))?;
        placed.log.path.store(Arc::new(to.clone()));
        self.watch(placed.dir, disk::sync_dir(self.dirs[placed.dir].path()))?;
        Ok(to)
    }

    /// A disk failure takes the directory offline, and every log in it.
    pub(super) fn watch<T>(&self, dir: usize, result: Result<T, LogError>) -> Result<T, LogError> {
        match &result {
            Err(error) if error.is_out_of_space() => {
                self.dirs[dir].space.refuse(self.context.clock.wall());
                self.context.space_alarm.raise();
            }
            Err(error) if error.is_disk_failure() => self.fail_dir(dir, &error.to_string()),
            _ => {}
        }
        result
    }

    /// Takes a directory and all its logs out of service.
    pub fn fail_dir(&self, dir: usize, reason: &str) {
        self.dirs[dir].fail(reason);
        self.directories_changed.notify_one();
        for placed in self.read(&self.logs).values().chain(self.read(&self.futures).values()) {
            if placed.dir == dir {
                placed.log.fail(reason);
            }
        }
    }

    /// Closes every log and leaves the clean-shutdown marker, last of all, where nothing failed and no log is left that
    /// may need recovery.
    pub fn close(&self, broker_epoch: BrokerEpoch) -> Result<(), LogError> {
        let placed: Vec<Placed> =
            self.read(&self.logs).values().chain(self.read(&self.futures).values()).cloned().collect();
        let at_once = placed.len() > SYNCED_ONE_BY_ONE_MAX;
        let next = AtomicUsize::new(0);
        let incomplete: Vec<AtomicBool> = self.dirs.iter().map(|_| AtomicBool::new(false)).collect();
        let with_epochs = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..(4 * self.dirs.len()).min(placed.len()) {
                scope.spawn(|| {
                    while let Some(Placed { log, dir }) = placed.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let online = self.dirs[*dir].failure().is_none();
                        let finish = || {
                            if log.finish()? {
                                with_epochs.lock().expect("this lock is never held across a panic").push((*dir, log));
                            }
                            Ok(())
                        };
                        let close = || if at_once { finish() } else { log.close() };
                        let failed = if online { close().err() } else { None };
                        match failed {
                            Some(error) if error.is_out_of_space() => incomplete[*dir].store(true, Ordering::Relaxed),
                            Some(error) => self.dirs[*dir].fail(&error.to_string()),
                            None => {}
                        }
                    }
                });
            }
        });
        let with_epochs = with_epochs.into_inner().expect("this lock is never held across a panic");
        for (n, dir) in self.dirs.iter().enumerate().filter(|(_, dir)| at_once && dir.failure().is_none()) {
            let epochs: Vec<&Arc<Log>> = with_epochs.iter().filter(|(of, _)| *of == n).map(|(_, log)| *log).collect();
            let place_epochs = || {
                epochs.iter().try_for_each(|log| log.place_epochs())?;
                if epochs.is_empty() { Ok(()) } else { dir.sync_file_system() }
            };
            match dir.sync_file_system().and_then(|()| place_epochs()) {
                Ok(()) => placed.iter().filter(|placed| placed.dir == n).for_each(|placed| placed.log.seal_off()),
                Err(error) => dir.fail(&error.to_string()),
            }
        }
        let all_opened = self.unopened().partitions == 0;
        for (n, dir) in self.dirs.iter().enumerate() {
            let complete = self.write_all_checkpoints(n).is_ok() && !incomplete[n].load(Ordering::Relaxed);
            // What was not opened, or is damaged, is to be looked at again.
            let all_good = dir.clean || all_opened && self.known_in(n).is_empty();
            match dir.failure() {
                None if complete && all_good => dir.mark_clean(broker_epoch)?,
                None if complete => {
                    tracing::info!(dir = %dir.path().display(), "some logs were not recovered; the next start goes on");
                }
                None => {
                    tracing::warn!(dir = %dir.path().display(), "no room for a clean stop; the next start recovers")
                }
                Some(_) => {}
            }
        }
        self.context.work.stop();
        Ok(())
    }

    pub(super) fn read<'l, T>(&self, lock: &'l RwLock<T>) -> RwLockReadGuard<'l, T> {
        lock.read().expect("this lock is never held across a panic")
    }

    pub(super) fn write<'l, T>(&self, lock: &'l RwLock<T>) -> RwLockWriteGuard<'l, T> {
        lock.write().expect("this lock is never held across a panic")
    }
}
