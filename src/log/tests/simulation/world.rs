//! One partition in one directory, what is done to it, and the disk below.

use std::io;
use std::sync::atomic::Ordering;

use super::audit;
use super::model::{Kept, Model};
use super::planted::{Bug, forgets};
use super::*;
use crate::log::faults::{Chance, FaultyDisk, Omit, Plan};
use crate::log::{CleanerSettings, LogCleaner, LogDirs, LogDirsOptions, Truncation};
use crate::protocol::control::EndTxnMarker;
use crate::types::BrokerEpoch;

/// Keys of records, and producers.
const KEYS: u64 = 7;
const PRODUCERS: u64 = 3;
/// Calls of the disk within which a planned fault comes.
const CALLS_MAX: u64 = 60;

/// What a seed does with its topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Plain,
    Transactions,
    Compacted,
}

/// A promise was broken.
pub type Broken = String;

pub struct World {
    pub kind: Kind,
    pub is_synced: bool,
    pub trace: Vec<String>,
    pub figures: BTreeMap<&'static str, u64>,
    chance: Chance,
    bug: Option<Bug>,
    root: tempfile::TempDir,
    /// Where logs are built again for comparison.
    scratch: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    disk: Arc<FaultyDisk>,
    config: TopicConfig,
    model: Model,
    node: Option<Node>,
    sequences: BTreeMap<i64, i32>,
    /// Producers with an open transaction.
    open: Vec<i64>,
    epoch: i32,
    /// Whether a sync may have failed, so that bytes are lost although the power stays.
    has_failed: bool,
    /// The latest start that the log ever had.
    deleted_to: i64,
    /// Whether a fault was planned, so that calls may fail.
    is_planned: bool,
    /// Whether every index was made by appends or walks alone, so that a rebuild makes the same.
    is_rebuildable: bool,
    values: u64,
}

struct Node {
    dirs: Arc<LogDirs>,
    log: Arc<Log>,
    cleaner: Arc<LogCleaner>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.disk.lift();
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

impl World {
    pub fn new(seed: u64, bug: Option<Bug>, config: &TopicConfig) -> World {
        let mut chance = Chance::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
        let shared = Path::new("/dev/shm");
        let place = || if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
        let (root, scratch) = (place().expect("a directory"), place().expect("a directory"));
        let disk = FaultyDisk::lay(root.path(), &root.path().join("kept"), Plan::default()).expect("a directory");
        let kind = [Kind::Plain, Kind::Plain, Kind::Transactions, Kind::Compacted][chance.below(4) as usize];
        let is_synced = chance.percent(60);
        let mut config = config.clone();
        config.segment_bytes = [2_500, 4_000, 10_000, 100_000][chance.below(4) as usize];
        config.index_interval_bytes = [0, 150, 400][chance.below(3) as usize];
        config.file_delete_delay_ms = [0, 60_000][chance.below(2) as usize];
        if kind == Kind::Compacted {
            (config.cleanup_policy.compact, config.cleanup_policy.delete) = (true, false);
            config.min_cleanable_dirty_ratio = 0.0;
            config.delete_retention_ms = 100_000;
        } else if chance.percent(30) {
            config.retention_bytes = 4_000;
        }
        let model = Model { is_compacted: kind == Kind::Compacted, ..Model::default() };
        let clock = Arc::new(AtomicI64::new(1_000_000_000));
        let mut world = World {
            kind,
            is_synced,
            trace: Vec::new(),
            figures: BTreeMap::new(),
            chance,
            bug,
            root,
            scratch,
            clock,
            disk,
            config,
            model,
            node: None,
            sequences: BTreeMap::new(),
            open: Vec::new(),
            epoch: 0,
            has_failed: false,
            deleted_to: 0,
            is_planned: false,
            is_rebuildable: true,
            values: 0,
        };
        world.tell(format!("{kind:?}, synced {is_synced}, segments of {}", world.config.segment_bytes));
        world.plan(None, None);
        world
    }

    /// Opens the directory and looks at what is there.
    pub fn start(&mut self, may_lose: bool) -> Result<(), Broken> {
        let dirs = vec![self.root.path().join("data")];
        let options = LogDirsOptions {
            recovery_threads_per_dir: 1,
            log_start_checkpoint_interval: Millis(60_000),
            ..super::super::dirs::options(dirs, 1)
        };
        let context = LogContext::new(8, Clock::Manual(self.clock.clone()), ProducerRules::default());
        if self.is_synced {
            context.acknowledge_synced(crate::config::TopicPatterns::parse("t").expect("a pattern"), None);
        }
        let config = Arc::new(self.config.clone());
        let dirs = LogDirs::claim(options, context).map_err(|error| format!("the directory is not taken: {error}"))?;
        dirs.load(&|_| config.clone()).map_err(|error| format!("the directory does not open: {error}"))?;
        let dirs = Arc::new(dirs);
        if let Some(error) = dirs.damage(&partition()) {
            return Err(format!("the partition does not open: {error}"));
        }
        let was_there = dirs.get(&partition()).is_some();
        let log = dirs.create(&partition(), TopicId::ONE, config, None);
        let log = log.map_err(|error| format!("the partition is not created: {error}"))?;
        let settings = CleanerSettings {
            threads: 1,
            dedupe_buffer_size: 1 << 16,
            io_buffer_load_factor: 0.9,
            io_buffer_size: 16 << 10,
            io_max_bytes_per_second: f64::MAX,
            backoff: Millis(15_000),
        };
        let cleaner = Arc::new(LogCleaner::new(dirs.clone(), settings));
        self.node = Some(Node { dirs, log: log.clone(), cleaner });
        if !was_there && self.model.durable > 0 {
            return Err(format!("the partition is gone, {} was acknowledged", self.model.durable));
        }
        self.look(&log, may_lose)?;
        self.epoch += 1;
        log.assign_epoch(LeaderEpoch(self.epoch), log.end_offset());
        log.set_high_watermark(log.end_offset());
        Ok(())
    }

    /// Holds an opened log against the model.
    fn look(&mut self, log: &Arc<Log>, may_lose: bool) -> Result<(), Broken> {
        let found = audit::content(log)?;
        let (start, end) = (log.log_start_offset().0, log.end_offset().0);
        self.tell(format!("opened: {start} to {end}, recovery point {}", log.recovery_point()));
        self.count(if end < self.model.end { "records lost that were not durable" } else { "nothing lost" });
        // Epochs of what was deleted are forgotten at once, the start is written down later.
        self.deleted_to = self.deleted_to.max(self.model.start);
        let known_from = self.deleted_to;
        self.model.adopt(&found, start, end, may_lose)?;
        audit::audit(log, Offset(known_from), self.kind == Kind::Compacted)?;
        if self.is_rebuildable {
            audit::audit_rebuilt(log, &self.scratch.path().join("t-0"), &self.config)?;
        }
        if self.is_synced && log.synced_offset().0 < end {
            return Err(format!("served up to {end}, synced up to {}", log.synced_offset()));
        }
        self.note_durable(log)?;
        let told = log.producers();
        self.sequences = told.iter().map(|entry| (entry.producer_id.0, entry.last_sequence())).collect();
        let is_open = |entry: &&crate::log::producer_state::ProducerEntry| entry.current_txn_first_offset.is_some();
        self.open = told.iter().filter(is_open).map(|entry| entry.producer_id.0).collect();
        Ok(())
    }

    /// What the log says that no crash takes back.
    fn note_durable(&mut self, log: &Log) -> Result<(), Broken> {
        let (point, visible) = (log.recovery_point().0, log.high_watermark().0);
        if self.is_synced && visible > log.synced_offset().0 {
            return Err(format!("readers see {visible}, synced is {}", log.synced_offset()));
        }
        let acknowledged = if self.is_synced { visible } else { 0 };
        self.model.durable = self.model.durable.max(point).max(acknowledged).min(self.model.end);
        Ok(())
    }

    /// One thing is done, and what comes of it.
    pub fn step(&mut self) -> Result<(), Broken> {
        if !self.is_planned {
            match self.chance.below(100) {
                0..12 => {
                    let calls = self.chance.below(CALLS_MAX);
                    self.plan(Some(calls), None);
                }
                12..16 => self.plan(None, Some(io::ErrorKind::Other)),
                16..18 => self.plan(None, Some(io::ErrorKind::StorageFull)),
                _ => {}
            }
        }
        let done = self.act();
        let log = self.node().log.clone();
        // Retention moves it before it removes anything.
        self.model.start = self.model.start.max(log.log_start_offset().0).min(self.model.end);
        if self.disk.has_ended() {
            self.count("ended at a call");
            return self.crash();
        }
        if let Some(reason) = log.failure() {
            if !self.is_planned {
                return Err(format!("out of service without a fault: {reason}"));
            }
            self.count("failed disk");
            self.has_failed = true;
            self.tell(format!("failed: {reason}"));
            return self.crash();
        }
        match done {
            Err(error) if !self.is_planned => return Err(format!("failed without a fault: {error}")),
            Err(error) => self.tell(format!("refused: {error}")),
            Ok(()) => {}
        }
        if log.end_offset().0 != self.model.end {
            return Err(format!("the log ends at {}, expected {}", log.end_offset(), self.model.end));
        }
        self.note_durable(&log)
    }

    fn act(&mut self) -> Result<(), LogError> {
        let log = self.node().log.clone();
        match self.chance.below(100) {
            0..45 => self.append(&log),
            45..62 => self.sync(&log),
            62..67 => {
                self.tell("roll".to_owned());
                log.roll()
            }
            67..72 => self.delete_records(&log),
            72..76 => self.truncate(&log),
            76..90 => self.pass(),
            90..95 => self.clean(),
            95..98 => self.restart(),
            _ => {
                self.disk.set_plan(Plan { has_ended: true, ..Plan::default() });
                Ok(())
            }
        }
    }

    fn append(&mut self, log: &Arc<Log>) -> Result<(), LogError> {
        let count = 1 + self.chance.below(3) as usize;
        let now = self.clock.load(Ordering::Relaxed);
        let id = self.chance.below(PRODUCERS) as i64;
        let is_open = self.open.contains(&id);
        if self.kind == Kind::Transactions && is_open && self.chance.percent(40) {
            let commit = self.chance.percent(50);
            let marker = EndTxnMarker { commit, coordinator_epoch: 0, timestamp: Millis(now) };
            let batch = marker.batch(log.end_offset(), LeaderEpoch(self.epoch), (ProducerId(id), ProducerEpoch(0)));
            self.model.begin_append(std::iter::once(Kept { key: None, value: None, epoch: self.epoch }));
            self.open.retain(|open| *open != id);
            return self.follow(log, batch);
        }
        let sequence = self.sequences.get(&id).map_or(0, |last| last + 1);
        let mut builder = BatchBuilder::new(log.end_offset()).leader_epoch(LeaderEpoch(self.epoch)).producer(
            ProducerId(id),
            ProducerEpoch(0),
            sequence,
        );
        if self.kind == Kind::Transactions {
            builder = builder.transactional();
            self.open.push(id);
        }
        let mut records = Vec::new();
        for n in 0..count {
            self.values += 1;
            let key = format!("k{}", self.chance.below(KEYS));
            let length = [10, 90, 700][self.chance.below(3) as usize];
            let value = (!self.chance.percent(15)).then(|| format!("{:0length$}", self.values));
            builder.append(Millis(now + n as i64), Some(key.as_bytes()), value.as_deref().map(str::as_bytes), &[]);
            records.push(Kept { key: Some(key), value, epoch: self.epoch });
        }
        self.sequences.insert(id, sequence + count as i32 - 1);
        self.model.begin_append(records.into_iter());
        self.follow(log, builder.build())
    }

    fn follow(&mut self, log: &Arc<Log>, batch: Bytes) -> Result<(), LogError> {
        let info = log.append_as_follower(&batch)?;
        self.tell(format!("appended {} to {}", info.first_offset, info.last_offset));
        self.model.appended();
        log.set_high_watermark(log.end_offset());
        Ok(())
    }

    fn sync(&mut self, log: &Arc<Log>) -> Result<(), LogError> {
        self.tell("sync".to_owned());
        match self.is_synced {
            true => log.sync_appended(),
            false => log.flush()?,
        }
        Ok(())
    }

    fn delete_records(&mut self, log: &Arc<Log>) -> Result<(), LogError> {
        let (start, limit) = (log.log_start_offset().0, log.high_watermark().0);
        if self.kind == Kind::Compacted || limit < start {
            return Ok(());
        }
        let before = start + self.chance.below((limit - start) as u64 + 1) as i64;
        self.tell(format!("records before {before} deleted"));
        self.model.start = self.model.start.max(before);
        log.delete_records_before(Offset(before)).map(drop)
    }

    fn truncate(&mut self, log: &Arc<Log>) -> Result<(), LogError> {
        let (start, end) = (log.log_start_offset().0, log.end_offset().0);
        if self.kind != Kind::Plain || end == start {
            return Ok(());
        }
        let to = start + self.chance.below((end - start) as u64) as i64;
        // Batches go whole, and with them what a follower would have to fetch again.
        let to = self.batch_border(log, to);
        if to < start {
            return Ok(());
        }
        self.tell(format!("truncated to {to}"));
        self.is_rebuildable = false;
        self.model.begin_truncation(to);
        log.truncate(Truncation { to: Offset(to) })?;
        self.model.truncated();
        // Who truncates writes down that the recovery point went back, before anything else is appended.
        if let Err(error) = self.node().dirs.write_all_checkpoints(0) {
            self.tell(format!("not written down: {error}"));
            self.disk.set_plan(Plan { has_ended: true, ..Plan::default() });
        }
        self.sequences = log.producers().iter().map(|entry| (entry.producer_id.0, entry.last_sequence())).collect();
        Ok(())
    }

    /// The base offset of the batch that holds `offset`.
    fn batch_border(&self, log: &Arc<Log>, offset: i64) -> i64 {
        let read = log.read(Offset(offset), 1, log.end_offset(), true);
        read.map_or(offset, |read| read.first_batch_base.0.min(offset)).max(log.first_segment_base().0)
    }

    /// Time passes, and what is due is done.
    fn pass(&mut self) -> Result<(), LogError> {
        let later = [1, 6_000, 61_000, 400_000][self.chance.below(4) as usize];
        self.tell(format!("{later} ms pass"));
        let now = Millis(self.clock.fetch_add(later, Ordering::Relaxed) + later);
        let dirs = self.node().dirs.clone();
        for _ in 0..20 {
            if dirs.tick(now) > now {
                break;
            }
        }
        Ok(())
    }

    fn clean(&mut self) -> Result<(), LogError> {
        if self.kind == Kind::Compacted {
            self.tell("clean".to_owned());
            let now = Millis(self.clock.load(Ordering::Relaxed));
            let cleaner = self.node().cleaner.clone();
            cleaner.clean_next(0, now);
            self.is_rebuildable = false;
        }
        Ok(())
    }

    /// A clean stop and a start; the power may go in between.
    fn restart(&mut self) -> Result<(), LogError> {
        self.tell("stop".to_owned());
        let dirs = self.node().dirs.clone();
        // The start that follows may be a clean one, and count the bytes between index entries anew.
        self.is_rebuildable = false;
        let closed = dirs.close(BrokerEpoch(1));
        if self.disk.has_ended() {
            return Ok(());
        }
        let failure = dirs.dirs()[0].failure();
        assert!(failure.is_none() || self.is_planned, "not closed, without a fault: {failure:?}");
        if failure.is_some() || closed.is_err() {
            self.has_failed = true;
            self.disk.set_plan(Plan { has_ended: true, ..Plan::default() });
            return Ok(());
        }
        self.count("clean stops");
        if !self.is_planned {
            // With a full disk the stop may not be a clean one.
            (self.model.durable, self.model.durable_start) = (self.model.end, self.model.start);
        }
        // The step goes on as after a crash, which a clean stop must bear as well.
        self.disk.set_plan(Plan { has_ended: true, ..Plan::default() });
        Ok(())
    }

    /// The process is gone, and maybe the power.
    pub fn crash(&mut self) -> Result<(), Broken> {
        let mut may_lose = std::mem::take(&mut self.has_failed);
        loop {
            if let Some(node) = self.node.take() {
                node.log.fail("the process has ended");
            }
            may_lose |= self.end_process()?;
            if self.chance.percent(20) {
                let calls = self.chance.below(CALLS_MAX);
                self.plan(Some(calls), None);
            }
            let started = self.start(may_lose);
            if !self.disk.has_ended() {
                return started;
            }
            self.count("ended in a start");
        }
    }

    /// Answers whether the power went, too.
    fn end_process(&mut self) -> Result<bool, Broken> {
        let lost_power = self.chance.percent(70);
        self.tell(format!("crash, {}", if lost_power { "power lost" } else { "power stays" }));
        self.is_planned = false;
        self.plan(None, None);
        if lost_power {
            self.count("power cuts");
            self.disk.cut_power(&mut self.chance).map_err(|error| format!("the cut itself: {error}"))?;
        }
        Ok(lost_power)
    }

    /// Plans at which call the process ends or the disk fails.
    fn plan(&mut self, ends_in: Option<u64>, fails: Option<io::ErrorKind>) {
        let fails_in = fails.map(|kind| (self.chance.below(CALLS_MAX), kind));
        self.is_planned |= ends_in.is_some() || fails_in.is_some();
        let bug = self.bug;
        let omit: Option<Omit> = bug.map(|bug| Box::new(move |call, path: &Path| forgets(bug, call, path)) as Omit);
        let chance = Some(Chance::new(self.chance.below(u64::MAX)));
        let trusts_failed_syncs = bug == Some(Bug::FailedSyncsTrusted);
        self.disk.set_plan(Plan { ends_in, fails_in, omit, chance, trusts_failed_syncs, ..Plan::default() });
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("a node runs between two crashes")
    }

    fn tell(&mut self, text: String) {
        // A seed's trace is the same wherever the files are.
        self.trace.push(text.replace(&*self.root.path().to_string_lossy(), ""));
    }

    fn count(&mut self, figure: &'static str) {
        *self.figures.entry(figure).or_default() += 1;
    }
}
