//! Room on the disks of the log directories.
//!
//! Below a reserve nothing new is taken in: clients' records and new partitions are refused. What lets others go on, or
//! gives room back, may use the reserve: positions, markers of transactions, metadata, deletions. Free space is looked
//! at by a thread of its own, the more often the less there is, and when as much was appended as was free at its last
//! look; a write that finds the disk full is told at once.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::log_dirs::LogDirs;
use super::work::Work;
use super::{LogError, ballast};
use crate::types::Millis;

/// The reserve where none is configured: so many bytes, or this share of the file system if that is less.
const RESERVE_BYTES_MAX: u64 = 1 << 30;
const RESERVE_SHARE: u64 = 20;
/// Room beyond the reserve that ends a shortage: this share of it, and never less than so many bytes.
const AMPLE_SHARE: u64 = 8;
const AMPLE_BYTES_MIN: u64 = 1 << 20;
/// As fast as a disk is taken to fill up, in bytes a millisecond: so often it is looked at.
const FILL_RATE: u64 = 1 << 20;
const LOOK_MIN: Millis = Millis(50);
const LOOK_MAX: Millis = Millis(10_000);
const LOOK_WHEN_SHORT: Millis = Millis(500);
/// How often retention is applied while room is short: it may be what makes room.
const RECLAIM_EVERY: Millis = Millis(5_000);
/// How long writes are refused after the disk refused one although it shows room: a quota, or no more inodes. Longer
/// each time, until a minute has passed without a refusal.
const HOLD_MIN: Millis = Millis(1_000);
const HOLD_MAX: Millis = Millis(8_000);
const HOLD_FORGOTTEN: Millis = Millis(60_000);

/// When a file system counts as full. It has no clock and asks nobody.
#[derive(Debug)]
struct Gauge {
    reserve: u64,
    is_short: bool,
    refused_at: Option<Millis>,
    hold: Millis,
    reclaimed_at: Option<Millis>,
}

/// What a look at the free space has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    None,
    Short,
    Ample,
}

impl Gauge {
    fn new(reserve: u64) -> Gauge {
        Gauge { reserve, is_short: false, refused_at: None, hold: HOLD_MIN, reclaimed_at: None }
    }

    /// The disk refused a write.
    fn refuse(&mut self, now: Millis) {
        let since = self.refused_at.map(|before| now - before);
        self.hold = match since {
            Some(since) if since < self.hold => self.hold,
            Some(since) if since < HOLD_FORGOTTEN => Millis((self.hold.0 * 2).min(HOLD_MAX.0)),
            _ => HOLD_MIN,
        };
        self.refused_at = Some(now);
    }

    fn observe(&mut self, free: u64, now: Millis) -> Change {
        let ample = self.reserve + (self.reserve / AMPLE_SHARE).max(AMPLE_BYTES_MIN);
        let was_refused = self.refused_at.is_some_and(|at| now - at < self.hold);
        let is_short = match self.is_short {
            true => was_refused || free < ample,
            false => was_refused || free < self.reserve,
        };
        match (std::mem::replace(&mut self.is_short, is_short), is_short) {
            (false, true) => Change::Short,
            (true, false) => Change::Ample,
            (true, true) | (false, false) => Change::None,
        }
    }

    /// Whether it is time to look for what can be removed.
    fn reclaims(&mut self, now: Millis) -> bool {
        let is_due = self.is_short && self.reclaimed_at.is_none_or(|at| now - at >= RECLAIM_EVERY);
        if is_due {
            self.reclaimed_at = Some(now);
        }
        is_due
    }

    /// After what time the disk could be full, at the earliest.
    fn pause(&self, free: u64) -> Millis {
        match self.is_short {
            true => LOOK_WHEN_SHORT,
            false => Millis((free.saturating_sub(self.reserve) / FILL_RATE) as i64).clamp(LOOK_MIN, LOOK_MAX),
        }
    }
}

/// The room in one log directory.
#[derive(Debug)]
pub struct DirSpace {
    is_short: AtomicBool,
    free: AtomicU64,
    reserve: AtomicU64,
    /// Bytes that can be appended until the reserve begins, as far as the last look and appends since then tell.
    left: AtomicI64,
    gauge: Mutex<Gauge>,
}

impl DirSpace {
    /// Room not looked at yet.
    pub(super) fn unknown() -> DirSpace {
        DirSpace {
            is_short: AtomicBool::new(false),
            free: AtomicU64::new(u64::MAX),
            reserve: AtomicU64::new(0),
            left: AtomicI64::new(i64::MAX),
            gauge: Mutex::new(Gauge::new(0)),
        }
    }

    /// Whether nothing new is to be written.
    pub fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Bytes that were free at the last look.
    pub fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Bytes that are kept free.
    pub fn reserve(&self) -> u64 {
        self.reserve.load(Ordering::Relaxed)
    }

    /// Takes note of appended bytes; answers whether the reserve may have been reached with them: then the room is to be
    /// looked at, and nothing new is written before.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let before = self.left.fetch_sub(bytes as i64, Ordering::Relaxed);
        let is_reached = (0..bytes as i64).contains(&before);
        if is_reached {
            self.is_short.store(true, Ordering::Relaxed);
        }
        is_reached
    }

    /// The disk refused a write for lack of room.
    pub(super) fn refuse(&self, now: Millis) {
        self.lock().refuse(now);
        self.is_short.store(true, Ordering::Relaxed);
    }

    /// Takes note of free bytes, of `total`; answers what that changes, whether it is time to look for what can be
    /// removed, and when to look again.
    fn observe(&self, configured: Option<u64>, total: u64, free: u64, now: Millis) -> (Change, bool, Millis) {
        let mut gauge = self.lock();
        gauge.reserve = configured.unwrap_or(RESERVE_BYTES_MAX.min(total / RESERVE_SHARE));
        let change = gauge.observe(free, now);
        self.free.store(free, Ordering::Relaxed);
        self.reserve.store(gauge.reserve, Ordering::Relaxed);
        self.left.store(free as i64 - gauge.reserve as i64, Ordering::Relaxed);
        self.is_short.store(gauge.is_short, Ordering::Relaxed);
        (change, gauge.reclaims(now), now + gauge.pause(free))
    }

    fn lock(&self) -> MutexGuard<'_, Gauge> {
        self.gauge.lock().expect("this lock is never held across a panic")
    }
}

/// Is told when a directory has room again.
pub struct RoomListener(pub Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for RoomListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomListener")
    }
}

/// Wakes whoever looks after the room.
#[derive(Debug, Default)]
pub struct SpaceAlarm {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl SpaceAlarm {
    /// Has the room looked at now.
    pub fn raise(&self) {
        *self.raised.lock().expect("this lock is never held across a panic") = true;
        self.changed.notify_all();
    }

    fn wait(&self, timeout: Duration) {
        let raised = self.raised.lock().expect("this lock is never held across a panic");
        let waited = self.changed.wait_timeout_while(raised, timeout, |raised| !*raised);
        *waited.expect("this lock is never held across a panic").0 = false;
    }
}

impl LogDirs {
    /// Looks how much room there is in each directory; answers when to look again.
    pub fn look_for_space(&self, now: Millis) -> Millis {
        let mut next = now + LOOK_MAX;
        let (mut is_short, mut has_more) = (false, false);
        for (n, dir) in self.dirs().iter().enumerate().filter(|(_, dir)| dir.failure().is_none()) {
            let Ok(found) = rustix::fs::statvfs(dir.path()) else { continue };
            let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
            let (total, free) = (bytes(found.f_blocks), bytes(found.f_bavail));
            let first = dir.space.free() == u64::MAX;
            let (change, reclaims, at) = dir.space.observe(self.reserve_bytes(), total, free, now);
            next = next.min(at);
            if reclaims {
                self.context().work.push(Work::Reclaim(n));
            }
            is_short |= dir.space.is_short();
            if change != Change::None || first {
                ballast::keep(dir.path(), dir.space.reserve(), free);
            }
            let (dir, reserve) = (dir.path().display(), dir.space.reserve());
            match change {
                Change::Short => tracing::error!(
                    "{dir} has no room for new records: {free} bytes are free, {reserve} are kept in reserve. Reads, \
                     deletions, commits and markers go on; it takes records again when there is room: delete topics or \
                     records, shorten their retention, or make the file system larger"
                ),
                Change::Ample => {
                    tracing::info!("{dir} takes records again: {free} bytes are free");
                    has_more = true;
                }
                Change::None => {}
            }
        }
        if is_short {
            self.context().work.hasten_removals();
        }
        if has_more {
            self.room_listener.get().iter().for_each(|listener| (listener.0)());
        }
        next
    }

    /// Looks for space until `stop` is set and the alarm was raised.
    pub fn run_space_watch(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let now = self.context().clock.wall();
            let pause = self.look_for_space(now) - now;
            self.context().space_alarm.wait(pause.duration());
        }
    }

    /// Applies retention to the logs of a directory, but for those that the cleaner looks after.
    pub(super) fn reclaim(&self, dir: usize) {
        let now = self.context().clock.wall();
        let logs = self.logs_in(dir).into_iter();
        for log in logs.filter(|log| log.failure().is_none() && !log.config().cleanup_policy.compact) {
            if let Err(error) = log.apply_retention(now, log.high_watermark()) {
                tracing::debug!(partition = %log.partition(), %error, "retention failed");
            }
        }
    }

    /// Has `listener` told when a directory has room again.
    pub fn on_room(&self, listener: RoomListener) {
        // There is one broker to tell, which asks once.
        let _ = self.room_listener.set(listener);
    }

    /// Whether a partition can be placed in some directory; else the refusal.
    pub fn room_for_partitions(&self) -> Result<(), LogError> {
        let working = || self.dirs().iter().filter(|dir| dir.failure().is_none());
        match working().find(|dir| dir.space.is_short()) {
            Some(dir) if working().all(|dir| dir.space.is_short()) => {
                Err(LogError::NoRoom { dir: dir.path().to_path_buf() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_begins_at_the_reserve_and_ends_well_above_it() {
        const MIB: u64 = 1 << 20;
        let mut gauge = Gauge::new(80 * MIB);
        let looks = [
            (100, Change::None),
            (80, Change::None),
            (79, Change::Short),
            (0, Change::None),
            (89, Change::None),
            (90, Change::Ample),
            (81, Change::None),
            (10, Change::Short),
        ];
        for (n, (free, change)) in looks.into_iter().enumerate() {
            assert_eq!(gauge.observe(free * MIB, Millis(n as i64)), change, "look {n} at {free} MiB");
        }
    }

    #[test]
    fn what_is_appended_between_two_looks_counts() {
        let space = DirSpace::unknown();
        let look = |free| space.observe(Some(1_000), 1 << 30, free, Millis(0)).0;
        assert!(!space.take(1 << 40), "nobody has looked");
        assert_eq!(look(1_500), Change::None);
        assert_eq!([300, 200, 1, 50].map(|bytes| space.take(bytes)), [false, false, true, false]);
        assert!(space.is_short());
        assert_eq!(look(1_400), Change::None, "something was removed meanwhile");
        assert!(!space.is_short());
        assert!(space.take(500));
        assert_eq!(look(900), Change::Short);
    }

    #[test]
    fn a_refusal_counts_although_there_seems_to_be_room_and_longer_each_time() {
        let mut gauge = Gauge::new(0);
        let plenty = 1 << 40;
        let mut now = Millis(0);
        for hold in [1_000, 2_000, 4_000, 8_000, 8_000] {
            gauge.refuse(now);
            assert_eq!(gauge.observe(plenty, now), Change::Short);
            assert_eq!(gauge.observe(plenty, now + Millis(hold - 1)), Change::None);
            now = now + Millis(hold);
            assert_eq!(gauge.observe(plenty, now), Change::Ample);
        }
        now = now + HOLD_FORGOTTEN;
        gauge.refuse(now);
        assert_eq!(gauge.hold, HOLD_MIN);
    }

    #[test]
    fn the_less_room_the_sooner_it_is_looked_at_again() {
        let gauge = Gauge::new(1 << 30);
        let pauses = [1 << 40, 4 << 30, 3 << 29, 1 << 30].map(|free| gauge.pause(free).0);
        assert_eq!(pauses, [10_000, 3_072, 512, 50]);
    }
}
