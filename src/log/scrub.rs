//! A slow walk over all sealed segments, again and again, that looks for batches that are not what was written.
//!
//! It reads so many bytes a second and no more, begins a new round a day after the last one began, and goes on after a
//! restart where it was. What it brings into the page cache it takes out again. Kafka does not see the file in which a
//! directory keeps how far it is.

use std::fs::File;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::fs::Advice;

use crate::types::{FileRange, Millis, Offset};

use super::inspection::check;
use super::log_dirs::LogDirs;
use super::names::FileKind;
use super::partition_log::Log;
use super::scan::{Scanner, WALK_WINDOW_BYTES};
use super::segment::Segment;
use super::{LogError, disk};

/// The file in each directory.
const FILE: &str = ".ottla-scrub";
const VERSION: &str = "0";
/// Bytes that are read at once, but for a larger batch.
const STEP_BYTES: u64 = 1 << 20;
/// From the beginning of a round to that of the next.
const ROUND: Millis = Millis(24 * 60 * 60 * 1000);
/// How often it is written down how far a round is.
const SAVED_EVERY: Millis = Millis(60_000);
/// How often it is looked whether all logs are open.
const WHILE_OPENING: Millis = Millis(1_000);
/// The longest sleep; only so that a changed wall clock is noticed.
const SLEEP_MAX: Millis = Millis(60_000);

/// A segment, in the order of a round.
type Place = (Arc<str>, i32, Offset);

/// How far the round of a directory is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Round {
    began: Millis,
    /// The last segment that was looked at; all, if there is none.
    at: Option<Place>,
    is_done: bool,
}

/// Looks for damage in the logs of a node.
#[derive(Debug)]
pub struct Scrubber {
    dirs: Arc<LogDirs>,
    bytes_per_second: u64,
    is_stopped: Mutex<bool>,
    stopped: Condvar,
    checked_bytes: AtomicU64,
    rounds: AtomicU64,
}

/// What a scrubber has done since the start.
#[derive(Clone, Copy, Debug)]
pub struct ScrubMeasures {
    pub checked_bytes: u64,
    /// Rounds through a directory that came to their end.
    pub rounds: u64,
}

impl Scrubber {
    /// A scrubber of the logs in `dirs` that reads at most so many bytes a second.
    pub fn new(dirs: Arc<LogDirs>, bytes_per_second: u64) -> Scrubber {
        Scrubber {
            dirs,
            bytes_per_second: bytes_per_second.max(1),
            is_stopped: Mutex::default(),
            stopped: Condvar::new(),
            checked_bytes: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
        }
    }

    /// Goes round until it is stopped.
    pub fn run(&self) {
        loop {
            let now = self.now();
            let next = (0..self.dirs.dirs().len()).map(|n| self.round(n, now)).min().unwrap_or(now + SLEEP_MAX);
            let pause = (next - self.now()).clamp(Millis(1), SLEEP_MAX);
            if !self.wait(pause.duration()) {
                return;
            }
        }
    }

    /// Ends it, in the middle of a segment too.
    pub fn stop(&self) {
        *self.is_stopped.lock().expect("this lock is never held across a panic") = true;
        self.stopped.notify_all();
    }

    /// What it has done.
    pub fn measures(&self) -> ScrubMeasures {
        ScrubMeasures {
            checked_bytes: self.checked_bytes.load(Ordering::Relaxed),
            rounds: self.rounds.load(Ordering::Relaxed),
        }
    }

    /// Does what is left of a directory's round, if one is due at `now`; answers when the next is.
    pub fn round(&self, dir: usize, now: Millis) -> Millis {
        if self.dirs.unopened().partitions > 0 {
            // A round over the logs that are open by now would leave out the others.
            return now + WHILE_OPENING;
        }
        let path = self.dirs.dirs()[dir].path();
        let mut round = read_round(path).filter(|round| round.began <= now);
        if round.as_ref().is_some_and(|round| round.is_done && now - round.began >= ROUND) {
            round = None;
        }
        let mut round = round.unwrap_or(Round { began: now, at: None, is_done: false });
        if self.dirs.dirs()[dir].failure().is_none() && !round.is_done {
            round.is_done = self.walk(dir, &mut round);
            if round.at.is_none() {
                // There was nothing to look at; there may be soon.
                return now + SLEEP_MAX;
            }
            // Where it cannot be written, a restart begins anew.
            let _ = write_round(path, &round);
            self.rounds.fetch_add(u64::from(round.is_done), Ordering::Relaxed);
        }
        round.began + ROUND
    }

    /// Answers whether the round came to its end. What lies ahead is looked up again and again: whoever holds a log or
    /// a segment keeps its files on the disk, deleted or not, and a round takes hours.
    fn walk(&self, dir: usize, round: &mut Round) -> bool {
        let mut saved = self.now();
        let mut last: Option<Place> = None;
        while let Some((place, log, segment)) = self.next(dir, round.at.as_ref(), last.as_ref()) {
            if last.as_ref().is_none_or(|last| !is_same_partition(last, &place)) {
                // What is sealed from now on waits for the next round, or a busy partition would never be left.
                last = sealed_of(&log).pop().map(|segment| place_of(&log, &segment));
            }
            match self.scrub(&log, &segment) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) if log.failure().is_some() || error.is_not_found() => {}
                Err(error) => tracing::error!(partition = %log.partition(), %error, "a segment cannot be read"),
            }
            round.at = Some(place);
            if self.now() - saved >= SAVED_EVERY {
                saved = self.now();
                // As at the end of the round.
                let _ = write_round(self.dirs.dirs()[dir].path(), round);
            }
        }
        true
    }

    /// The first segment behind `at`, but for those of the partition of `last` that lie behind that.
    fn next(&self, dir: usize, at: Option<&Place>, last: Option<&Place>) -> Option<(Place, Arc<Log>, Arc<Segment>)> {
        let candidates = self.dirs.logs_in(dir).into_iter().filter_map(|log| {
            let is_due = |place: &Place| {
                at.is_none_or(|at| place > at)
                    && last.is_none_or(|last| !is_same_partition(last, place) || place <= last)
            };
            let segment = sealed_of(&log).into_iter().find(|segment| is_due(&place_of(&log, segment)))?;
            Some((place_of(&log, &segment), log, segment))
        });
        candidates.min_by(|(one, ..), (other, ..)| one.cmp(other))
    }

    /// Checks one segment; answers false if it was stopped meanwhile.
    fn scrub(&self, log: &Log, segment: &Segment) -> Result<bool, LogError> {
        // A descriptor of its own, so that nobody else reads without reading ahead.
        let path = segment.path(FileKind::Log);
        let file = Arc::new(File::open(&path).map_err(LogError::io("open", &path))?);
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Random);
        let size = segment.size();
        let mut scanner = Scanner::new(file.clone(), path, 0, size, WALK_WINDOW_BYTES);
        let mut at = 0;
        while at < size && log.failure().is_none() && !segment.is_deleted() {
            let until = size.min(at + STEP_BYTES);
            let step = FileRange { file: file.clone(), position: at, len: (until - at) as usize };
            let was_resident = step.is_resident(step.len);
            if !was_resident {
                // The disk is asked for all of it at once, and not for one window after the other.
                let _ = rustix::fs::fadvise(&file, at, NonZeroU64::new(until - at), Advice::WillNeed);
            }
            let checked = check(&mut scanner, until, size)?;
            if let Some(bad) = &checked.bad {
                log.note_bad(segment, bad.position)?;
            }
            let bytes = checked.to - at;
            if !was_resident {
                // Only a hint; what others use meanwhile they get from the disk once more.
                let _ = rustix::fs::fadvise(&file, at, NonZeroU64::new(bytes), Advice::DontNeed);
            }
            self.checked_bytes.fetch_add(bytes, Ordering::Relaxed);
            at = checked.to;
            if !self.wait(Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn now(&self) -> Millis {
        self.dirs.context().clock.wall()
    }

    /// Waits; answers false once it is stopped.
    fn wait(&self, timeout: Duration) -> bool {
        let is_stopped = self.is_stopped.lock().expect("this lock is never held across a panic");
        let waited = self.stopped.wait_timeout_while(is_stopped, timeout, |is_stopped| !*is_stopped);
        !*waited.expect("this lock is never held across a panic").0
    }
}

fn place_of(log: &Log, segment: &Segment) -> Place {
    (log.partition().topic.clone(), log.partition().partition, segment.base())
}

fn is_same_partition(one: &Place, other: &Place) -> bool {
    (&one.0, one.1) == (&other.0, other.1)
}

/// The segments that are appended to no more.
fn sealed_of(log: &Log) -> Vec<Arc<Segment>> {
    let segments = log.segments.load();
    let (_, sealed) = segments.split_last().expect("a log always has a segment");
    sealed.to_vec()
}

fn read_round(dir: &Path) -> Option<Round> {
    let text = disk::read_small(&dir.join(FILE)).ok()??;
    let mut lines = text.lines();
    if lines.next()? != VERSION {
        return None;
    }
    let (began, is_done) = lines.next()?.split_once(' ')?;
    let place = |line: &str| -> Option<Place> {
        let mut fields = line.split(' ');
        let (topic, partition, base) = (fields.next()?, fields.next()?, fields.next()?);
        Some((topic.into(), partition.parse().ok()?, Offset(base.parse().ok()?)))
    };
    let at = match lines.next() {
        Some(line) => Some(place(line)?),
        None => None,
    };
    Some(Round { began: Millis(began.parse().ok()?), at, is_done: is_done == "done" })
}

fn write_round(dir: &Path, round: &Round) -> Result<(), LogError> {
    let state = if round.is_done { "done" } else { "begun" };
    let at = round.at.iter().map(|(topic, partition, base)| format!("{topic} {partition} {base}\n"));
    let text = format!("{VERSION}\n{} {state}\n{}", round.began, at.collect::<String>());
    disk::write_atomically(&dir.join(FILE), text.as_bytes())
}
