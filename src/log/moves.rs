//! Moving a partition to another directory of this node (KIP-113): copy, catch up, swap.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;

use crate::types::{Millis, Offset, TopicPartition};

use super::log_dirs::{LogDirs, Placed};
use super::names::{current_dir_name, future_dir_name};
use super::partition_log::Log;
use super::{LogError, disk};

/// Bytes copied of one partition before others get their turn.
const STEP_BYTES: usize = 4 << 20;
/// Bytes read at once, though never less than a batch.
const READ_BYTES: usize = 1 << 20;

/// How fast partitions may move, all of them together.
#[derive(Debug)]
pub(super) struct MovePace {
    bytes_per_second: AtomicI64,
    /// Nothing is copied before this time, so that the average stays within the rate.
    paused_until: AtomicI64,
}

impl Default for MovePace {
    fn default() -> MovePace {
        MovePace { bytes_per_second: AtomicI64::new(i64::MAX), paused_until: AtomicI64::new(0) }
    }
}

impl MovePace {
    fn rate(&self) -> i64 {
        self.bytes_per_second.load(Ordering::Acquire).max(1)
    }

    /// Bytes that may be copied at once, never more than a second's worth.
    fn step(&self) -> usize {
        self.rate().min(STEP_BYTES as i64) as usize
    }

    /// Pays for what was copied; answers when more may be.
    fn copied(&self, bytes: usize, now: Millis) -> Millis {
        let until = now.0 + (bytes as i64).saturating_mul(1000) / self.rate();
        self.paused_until.store(until, Ordering::Release);
        Millis(until)
    }

    fn paused_until(&self) -> Millis {
        Millis(self.paused_until.load(Ordering::Acquire))
    }
}

impl LogDirs {
    /// Holds moves to so many bytes a second (`replica.alter.log.dirs.io.max.bytes.per.second`).
    pub fn set_move_rate(&self, bytes_per_second: i64) {
        self.move_pace.bytes_per_second.store(bytes_per_second, Ordering::Release);
    }

    /// Begins to move a partition to the directory at `to`; the copying is done by [`LogDirs::tick`].
    pub fn start_move(&self, partition: &TopicPartition, to: &Path) -> Result<(), LogError> {
        let not_found = || LogError::DirectoryNotFound { path: to.to_path_buf() };
        let online = |dir: &super::log_dir::LogDir| dir.path() == to && dir.failure().is_none();
        let dir = self.dirs.iter().position(online).ok_or_else(not_found)?;
        let current = self.read(&self.logs).get(partition).cloned().ok_or_else(not_found)?;
        let earlier = self.read(&self.futures).get(partition).cloned();
        if earlier.as_ref().is_some_and(|future| future.dir == dir) {
            return Ok(());
        }
        if earlier.is_some() {
            let placed = self.write(&self.futures).remove(partition);
            placed.map_or(Ok(()), |placed| self.retire(&placed, self.context.clock.wall()))?;
        }
        if current.dir == dir {
            return Ok(());
        }
        if self.dirs[dir].space.is_short() {
            return Err(LogError::NoRoom { dir: to.to_path_buf() });
        }
        let (start, end) = (current.log.log_start_offset(), current.log.end_offset());
        let first = if start < end { current.log.read(start, 0, end, true)?.first_batch_base } else { start };
        let first = first.max(current.log.first_segment_base()).min(start);
        let path = self.dirs[dir].path().join(future_dir_name(partition));
        let topic_id = current.log.topic_id().unwrap_or_default();
        let log = self.create_log(dir, path, partition, topic_id, current.log.config(), first)?;
        {
            // What is copied stays as it is until the copy takes its place.
            let _writer = current.log.lock_writer();
            self.write(&self.futures).insert(partition.clone(), Placed { log, dir });
            current.log.cleaning.abort();
        }
        self.context.work.push(super::Work::RemoveFiles(Vec::new()));
        Ok(())
    }

    /// Whether a partition is being copied to another directory.
    pub(super) fn is_moving(&self, partition: &TopicPartition) -> bool {
        self.read(&self.futures).contains_key(partition)
    }

    /// Copies a bounded stretch of every partition on the move; answers when the next one is due.
    pub(super) fn step_moves(&self, now: Millis) -> Millis {
        let paused = self.move_pace.paused_until();
        if paused > now {
            return if self.read(&self.futures).is_empty() { Millis::MAX } else { paused };
        }
        let futures: Vec<(TopicPartition, Placed)> =
            self.read(&self.futures).iter().map(|(partition, placed)| (partition.clone(), placed.clone())).collect();
        let mut busy = false;
        let mut copied = 0;
        for (partition, future) in futures {
            let Some(current) = self.read(&self.logs).get(&partition).cloned() else { continue };
            match self.step_move(&partition, &current, &future, &mut copied, now) {
                Ok(caught_up) => busy |= !caught_up,
                Err(error) => {
                    tracing::warn!(%partition, %error, "moving the partition failed; it stays where it is");
                    self.write(&self.futures).remove(&partition);
                    let _ = self.retire(&future, now);
                }
            }
        }
        let next = self.move_pace.copied(copied, now);
        if busy { next } else { Millis::MAX }
    }

    /// A copy without the log it was made of: the process ended in the middle of the swap, when the copy was complete.
    pub(super) fn finish_move(&self, partition: &TopicPartition) -> Result<(), LogError> {
        // The log may be in the directory that is offline, and then the copy need not be complete.
        if self.some_offline() || self.get(partition).is_some() || self.damage(partition).is_some() {
            return Ok(());
        }
        let Some(future) = self.read(&self.futures).get(partition).cloned() else { return Ok(()) };
        self.rename(&future, &current_dir_name(partition))?;
        self.write(&self.futures).remove(partition);
        self.schedule(&future.log);
        tracing::info!(%partition, dir = %future.log.dir().display(), "finished moving the partition");
        self.write(&self.logs).insert(partition.clone(), future);
        Ok(())
    }

    fn step_move(
        &self,
        partition: &TopicPartition,
        current: &Placed,
        future: &Placed,
        copied: &mut usize,
        now: Millis,
    ) -> Result<bool, LogError> {
        let step = self.move_pace.step();
        let end = *copied + step;
        while *copied < end {
            match copy(&current.log, &future.log, step.min(READ_BYTES))? {
                0 => {
                    self.swap(partition, current, future, now)?;
                    return Ok(true);
                }
                bytes => *copied += bytes,
            }
        }
        Ok(false)
    }

    /// Puts the copy in the log's place, under the writer's lock of the old log so that nothing is missed.
    fn swap(&self, partition: &TopicPartition, current: &Placed, future: &Placed, now: Millis) -> Result<(), LogError> {
        future.log.flush()?;
        {
            let _writer = current.log.lock_writer();
            while copy(&current.log, &future.log, READ_BYTES)? > 0 {}
            current.log.fail("the partition was moved to another directory of this node");
        }
        future.log.follow_log_start(current.log.log_start_offset());
        future.log.set_high_watermark(current.log.high_watermark());
        future.log.cleaning.take_over(&current.log.cleaning);
        self.retire(current, now)?;
        self.rename(future, &current_dir_name(partition))?;
        self.write(&self.futures).remove(partition);
        self.write(&self.logs).insert(partition.clone(), future.clone());
        [current.dir, future.dir].into_iter().for_each(|dir| self.checkpoint_cleaned(dir));
        self.schedule(&future.log);
        tracing::info!(%partition, dir = %future.log.dir().display(), "moved the partition");
        if let Some(listener) = self.moved.get() {
            (listener.0)(&future.log, self.dirs[future.dir].id());
        }
        Ok(())
    }
}

/// Appends to `to` what follows its end in `from`; answers how many bytes that was.
fn copy(from: &Arc<Log>, to: &Arc<Log>, bytes_max: usize) -> Result<usize, LogError> {
    let (next, end): (Offset, Offset) = (to.end_offset(), from.end_offset());
    if next >= end {
        return Ok(0);
    }
    let Some(range) = from.read(next.max(from.log_start_offset()), bytes_max, end, true)?.range else { return Ok(0) };
    let mut bytes = vec![0; range.len];
    let read =
        disk::read_at_most(&range.file, range.position, &mut bytes).map_err(LogError::io("read", &*from.dir()))?;
    bytes.truncate(read);
    to.append_as_follower(&Bytes::from(bytes))?;
    Ok(read)
}
