//! The periodic work on logs, from one heap of deadlines, and the work that logs leave to be done later.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::types::{Millis, Offset, TopicPartition};

use super::log_dirs::{LogDirs, LogDirsOptions, Placed};
use super::meta_properties::META_PROPERTIES;
use super::opening::Known;
use super::partition_log::Log;
use super::work::Work;
use super::{LogError, checkpoint, disk};

/// Pieces of work done before deadlines are looked at again.
const WORK_MAX: usize = 256;
/// The longest sleep; only so that a changed wall clock is noticed.
const SLEEP_MAX: Millis = Millis(30_000);

/// Checks of logs that are due within so long of each other are done together: a node at rest wakes once for all of them.
const SLOT: Millis = Millis(1_000);

/// What is due when.
#[derive(Debug)]
pub struct Housekeeping {
    heap: BinaryHeap<Reverse<(Millis, u64)>>,
    jobs: std::collections::HashMap<u64, Job>,
    sequence: u64,
}

#[derive(Debug)]
enum Job {
    /// Retention and producer expiry of one log.
    Retention(Weak<Log>),
    /// `flush.ms` of one log, as it was when this was entered.
    Flush(Weak<Log>, i64),
    RecoveryPoints,
    LogStarts,
    HighWatermarks,
}

impl Housekeeping {
    pub(super) fn new(now: Millis, options: &LogDirsOptions) -> Housekeeping {
        let mut this = Housekeeping { heap: BinaryHeap::new(), jobs: Default::default(), sequence: 0 };
        this.push(now + options.recovery_checkpoint_interval, Job::RecoveryPoints);
        this.push(now + options.log_start_checkpoint_interval, Job::LogStarts);
        this.push(now + options.high_watermark_checkpoint_interval, Job::HighWatermarks);
        this
    }

    fn push(&mut self, at: Millis, job: Job) {
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence)));
        self.jobs.insert(self.sequence, job);
    }

    fn pop(&mut self, now: Millis) -> Option<Job> {
        let Reverse((at, sequence)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        self.jobs.remove(&sequence)
    }

    fn next(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

impl LogDirs {
    /// Does what is due at `now`; answers when something is due next. Waits for the disk: not for a thread that
    /// serves requests.
    pub fn tick(&self, now: Millis) -> Millis {
        for _ in 0..WORK_MAX {
            let Some(work) = self.context.work.pop(now) else { break };
            self.perform(work);
        }
        loop {
            let job = self.lock_housekeeping().pop(now);
            let Some(job) = job else { break };
            self.run(job, now);
        }
        let next_move = self.step_moves(now);
        self.notice_failures();
        let next = self.lock_housekeeping().next().unwrap_or(Millis::MAX);
        next.min(self.context.work.next_due().unwrap_or(Millis::MAX)).min(next_move)
    }

    /// Ticks until `stop` is set and [`super::WorkQueue::stop`] has woken it.
    pub fn run_housekeeping(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let now = self.context.clock.wall();
            let pause = (self.tick(now) - now).min(SLEEP_MAX).duration();
            if pause > Duration::ZERO && !self.context.work.wait(pause) {
                break;
            }
        }
    }

    /// Enters a log's periodic work. Also after its settings changed.
    pub fn schedule(&self, log: &Arc<Log>) {
        let now = self.context.clock.wall();
        let interval = self.options.retention_check_interval;
        // Spread over the interval, so that the checks of many logs do not come at once.
        let mut hasher = DefaultHasher::new();
        log.partition().hash(&mut hasher);
        let first = now + Millis((hasher.finish() % interval.0.max(1) as u64) as i64);
        let mut housekeeping = self.lock_housekeeping();
        let next = housekeeping.next();
        housekeeping.push(slot(first, interval), Job::Retention(Arc::downgrade(log)));
        self.arm_flush(&mut housekeeping, log, now);
        let is_sooner = housekeeping.next() != next;
        drop(housekeeping);
        if is_sooner {
            self.context.work.wake();
        }
    }

    /// Puts new settings of a topic in force for one of its logs.
    pub fn update_config(&self, log: &Arc<Log>, config: Arc<crate::config::TopicConfig>) {
        let before = log.config().flush_ms;
        log.update_config(config);
        if log.config().flush_ms != before {
            self.arm_flush(&mut self.lock_housekeeping(), log, self.context.clock.wall());
            self.context.work.wake();
        }
    }

    fn arm_flush(&self, housekeeping: &mut Housekeeping, log: &Arc<Log>, now: Millis) {
        let interval = log.config().flush_ms;
        if interval != i64::MAX {
            housekeeping.push(now + Millis(interval.max(1)), Job::Flush(Arc::downgrade(log), interval));
        }
    }

    fn run(&self, job: Job, now: Millis) {
        match job {
            Job::Retention(weak) => {
                let Some(log) = weak.upgrade().filter(|log| log.failure().is_none()) else { return };
                // That of compacted logs is the cleaner's, so that the two do not meet.
                if !log.config().cleanup_policy.compact
                    && let Err(error) = log.apply_retention(now, log.high_watermark())
                {
                    tracing::warn!(partition = %log.partition(), %error, "retention failed");
                }
                log.expire_producers(now);
                let interval = self.options.retention_check_interval;
                self.lock_housekeeping().push(slot(now + interval, interval), Job::Retention(weak));
            }
            Job::Flush(weak, interval) => {
                let Some(log) = weak.upgrade().filter(|log| log.failure().is_none()) else { return };
                if log.config().flush_ms != interval {
                    // Another one was entered when that was changed.
                    return;
                }
                if log.dirty_since().is_some_and(|since| now - since >= Millis(interval))
                    && let Err(error) = log.flush()
                {
                    tracing::warn!(partition = %log.partition(), %error, "flush failed");
                }
                self.arm_flush(&mut self.lock_housekeeping(), &log, now);
            }
            Job::RecoveryPoints => {
                self.sync_logs();
                self.lock_housekeeping().push(now + self.options.recovery_checkpoint_interval, Job::RecoveryPoints);
            }
            Job::LogStarts => {
                self.checkpoint_dirs(&[Checkpoint::LogStart]);
                self.lock_housekeeping().push(now + self.options.log_start_checkpoint_interval, Job::LogStarts);
            }
            Job::HighWatermarks => {
                self.look_after_dirs();
                if self.context.changed.swap(false, Ordering::AcqRel) {
                    self.checkpoint_dirs(&[Checkpoint::HighWatermark]);
                }
                let at = now + self.options.high_watermark_checkpoint_interval;
                self.lock_housekeeping().push(at, Job::HighWatermarks);
            }
        }
    }

    fn perform(&self, work: Work) {
        let outcome = match work {
            Work::FlushSealed(log) => log.upgrade().map_or(Ok(()), |log| log.flush_sealed()),
            Work::SyncAppended(log) => {
                log.upgrade().iter().for_each(|log| log.sync_appended());
                Ok(())
            }
            Work::SyncMetadata(log) => match log.upgrade().filter(|log| log.failure().is_none()) {
                Some(log) => log.sync_metadata(),
                None => Ok(()),
            },
            Work::SyncLogs => {
                self.sync_logs();
                Ok(())
            }
            Work::RemoveFiles(paths) => paths.iter().try_for_each(|path| disk::remove(path).map(drop)),
            Work::RemoveDir(path) => remove_dir(&path),
            Work::Reclaim(dir) => {
                self.reclaim(dir);
                Ok(())
            }
        };
        if let Err(error) = outcome
            && !matches!(error, LogError::Offline { .. })
        {
            tracing::warn!(%error, "deferred work on a log failed");
        }
    }

    /// Notices directories that are gone although nothing is written to them.
    fn look_after_dirs(&self) {
        for (n, dir) in self.dirs.iter().enumerate().filter(|(_, dir)| dir.failure().is_none()) {
            let path = dir.path().join(META_PROPERTIES);
            // What is wrong is kept with the directory.
            let _ = self.watch(n, fs::metadata(&path).map_err(LogError::io("find", &path)));
        }
    }

    /// Takes directories offline whose logs met a failing disk.
    fn notice_failures(&self) {
        if !self.context.disk_failed.swap(false, Ordering::AcqRel) {
            return;
        }
        let failed: Vec<(usize, Arc<str>)> = self
            .read(&self.logs)
            .values()
            .filter(|placed| placed.log.disk_failed())
            .filter_map(|placed| placed.log.failure().map(|reason| (placed.dir, reason)))
            .collect();
        for (dir, reason) in failed {
            if self.dirs[dir].failure().is_none() {
                self.fail_dir(dir, &reason);
            }
        }
    }

    /// Writes every checkpoint file of a directory; fails where there is no room for them.
    pub(super) fn write_all_checkpoints(&self, n: usize) -> Result<(), LogError> {
        use Checkpoint::{Cleaned, HighWatermark, LogStart, RecoveryPoint};
        self.checkpoint_dir(n, &[RecoveryPoint, LogStart, HighWatermark, Cleaned])
    }

    /// Writes how far the logs of a directory are cleaned.
    pub(super) fn checkpoint_cleaned(&self, dir: usize) {
        // Where it was not written it is written with the others.
        let _ = self.checkpoint_dir(dir, &[Checkpoint::Cleaned]);
    }

    pub(super) fn checkpoint_dirs(&self, kinds: &[Checkpoint]) {
        // What a full disk refused is due again with the next ones.
        (0..self.dirs.len()).for_each(|n| drop(self.checkpoint_dir(n, kinds)));
    }

    pub(super) fn checkpoint_dir(&self, n: usize, kinds: &[Checkpoint]) -> Result<(), LogError> {
        let dir = &self.dirs[n];
        let mut written = Ok(());
        for kind in kinds.iter().filter(|_| dir.failure().is_none()) {
            written = written.and(self.watch(n, self.write_checkpoint(n, dir.path(), *kind)));
        }
        written
    }

    /// Writes a checkpoint file, unless it would say what it says already.
    fn write_checkpoint(&self, n: usize, dir: &Path, kind: Checkpoint) -> Result<(), LogError> {
        // First of all, so that of two writers the later one writes what is newer.
        let mut written = self.checkpointed.lock().expect("this lock is never held across a panic");
        let logs = self.read(&self.logs);
        let mut entries: Vec<(TopicPartition, Offset)> = logs
            .iter()
            .filter(|(_, placed)| placed.dir == n)
            .filter_map(|(partition, placed)| kind.value(placed).map(|offset| (partition.clone(), offset)))
            .collect();
        let unopened = self.known_in(n).into_iter();
        let unopened = unopened.filter(|(partition, _)| logs.get(partition).is_none_or(|placed| placed.dir != n));
        entries.extend(unopened.filter_map(|(partition, known)| kind.known(&known).map(|offset| (partition, offset))));
        drop(logs);
        let mut hasher = DefaultHasher::new();
        entries.hash(&mut hasher);
        let hash = hasher.finish();
        if written.get(&(n, kind.file())) == Some(&hash) {
            return Ok(());
        }
        checkpoint::write_offsets(
            &dir.join(kind.file()),
            entries.iter().map(|(partition, offset)| (partition, *offset)),
        )?;
        written.insert((n, kind.file()), hash);
        Ok(())
    }

    fn lock_housekeeping(&self) -> std::sync::MutexGuard<'_, Housekeeping> {
        self.housekeeping.lock().expect("this lock is never held across a panic")
    }
}

#[derive(Clone, Copy)]
pub(super) enum Checkpoint {
    RecoveryPoint,
    LogStart,
    HighWatermark,
    Cleaned,
}

impl Checkpoint {
    fn file(self) -> &'static str {
        match self {
            Checkpoint::RecoveryPoint => checkpoint::RECOVERY_POINT,
            Checkpoint::LogStart => checkpoint::LOG_START,
            Checkpoint::HighWatermark => checkpoint::HIGH_WATERMARK,
            Checkpoint::Cleaned => checkpoint::CLEANER,
        }
    }

    /// What the file said of a log that is not open.
    fn known(self, known: &Known) -> Option<Offset> {
        match self {
            Checkpoint::RecoveryPoint => known.recovery_point,
            Checkpoint::LogStart => known.log_start,
            Checkpoint::HighWatermark => known.high_watermark,
            Checkpoint::Cleaned => known.cleaned_to,
        }
    }

    /// What the file says of a log; a start that its first segment tells is left out, and a log never cleaned. As long as the
    /// names of the segments are not durable those before the first one may come back.
    fn value(self, placed: &Placed) -> Option<Offset> {
        let log = &placed.log;
        match self {
            Checkpoint::RecoveryPoint => Some(log.checkpointed_recovery_point()),
            Checkpoint::LogStart => {
                let start = log.log_start_offset();
                let is_told = start == Offset::ZERO || start <= log.first_segment_base() && log.names_are_durable();
                (!is_told).then_some(start)
            }
            Checkpoint::HighWatermark => Some(log.high_watermark()),
            Checkpoint::Cleaned => log.cleaning.cleaned_to(),
        }
    }
}

/// When a check is done that is due at `at` and comes every `interval`: at the beginning of its slot.
fn slot(at: Millis, interval: Millis) -> Millis {
    at - Millis(at.0.rem_euclid(interval.min(SLOT).0.max(1)))
}

fn remove_dir(path: &Path) -> Result<(), LogError> {
    disk::remove_dir(path)?;
    tracing::info!(dir = %path.display(), "removed a deleted partition");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_that_come_close_together_share_a_wake_up() {
        let interval = Millis(300_000);
        let due = |now: i64| slot(Millis(now) + interval, interval);
        assert_eq!((due(61_000), due(61_999), due(62_000)), (Millis(361_000), Millis(361_000), Millis(362_000)));
        // However short the interval is, a check is never due at once again.
        for interval in [1, 2, 700, 999, 1_000, 1_001] {
            let next = |now: i64| slot(Millis(now + interval), Millis(interval));
            assert!((0..3_000).all(|now| next(now) > Millis(now) && next(now) <= Millis(now + interval)), "{interval}");
        }
    }
}
