//! What logs leave to a thread that may wait for the disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, Weak};
use std::time::Duration;

use crate::types::Millis;

use super::partition_log::Log;

/// One thing to do.
#[derive(Debug)]
pub enum Work {
    /// Makes everything before the active segment durable, after a roll.
    FlushSealed(Weak<Log>),
    /// Makes all logs durable, that the next start has little to read.
    SyncLogs,
    /// Syncs what was appended to a log where it counts only then.
    SyncAppended(Weak<Log>),
    /// Makes the topic id of a log with its first records durable.
    SyncMetadata(Weak<Log>),
    /// Removes files that nothing refers to any more.
    RemoveFiles(Vec<PathBuf>),
    /// Applies retention to the logs of a directory that is short of room.
    Reclaim(usize),
    /// Removes a partition's directory.
    RemoveDir(PathBuf),
}

/// Work waiting for its time, shared by all logs of a node.
#[derive(Debug, Default)]
pub struct WorkQueue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Work>,
    later: BTreeMap<(Millis, u64), Work>,
    sequence: u64,
    woken: bool,
    stopped: bool,
}

impl WorkQueue {
    /// Adds work to be done soon.
    pub fn push(&self, work: Work) {
        let mut state = self.lock();
        state.ready.push_back(work);
        self.arrived.notify_one();
    }

    /// Adds work that is not to be done before `at`.
    pub fn push_at(&self, at: Millis, work: Work) {
        let mut state = self.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        state.later.insert((at, sequence), work);
        state.woken = true;
        self.arrived.notify_one();
    }

    /// Ends the wait, so that deadlines are looked at again.
    pub fn wake(&self) {
        self.lock().woken = true;
        self.arrived.notify_one();
    }

    /// The next thing to do at `now`.
    pub fn pop(&self, now: Millis) -> Option<Work> {
        let mut state = self.lock();
        if let Some(work) = state.ready.pop_front() {
            return Some(work);
        }
        let due = state.later.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(due.remove())
    }

    /// Has files removed soon that were to be removed later.
    pub fn hasten_removals(&self) {
        let mut state = self.lock();
        let is_removal = |work: &Work| matches!(work, Work::RemoveFiles(_) | Work::RemoveDir(_));
        if state.later.values().any(is_removal) {
            let later = std::mem::take(&mut state.later).into_iter();
            let (removals, later): (Vec<_>, Vec<_>) = later.partition(|(_, work)| is_removal(work));
            state.later.extend(later);
            state.ready.extend(removals.into_iter().map(|(_, work)| work));
            self.arrived.notify_one();
        }
    }

    /// When the next delayed work is due.
    pub fn next_due(&self) -> Option<Millis> {
        self.lock().later.first_key_value().map(|((at, _), _)| *at)
    }

    /// Waits for new work or a new deadline, at most for `timeout`. Answers false once the queue is stopped.
    pub fn wait(&self, timeout: Duration) -> bool {
        let idle = |state: &mut State| state.ready.is_empty() && !state.woken && !state.stopped;
        let waited = self.arrived.wait_timeout_while(self.lock(), timeout, idle);
        let mut state = waited.expect("this lock is never held across a panic").0;
        state.woken = false;
        !state.stopped
    }

    /// Ends all waiting.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("this lock is never held across a panic")
    }
}
