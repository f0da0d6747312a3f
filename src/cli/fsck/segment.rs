//! One segment: its log from the first byte to the last, and its indexes beside it.

use std::path::PathBuf;

use super::batches::{Verdict, export_remedy, misplaced};
use super::content::Fault as RecordFault;
use super::entries::{Fault, OffsetIndexCheck, TimeIndexCheck};
use super::finding::{Finding, Fix, damage, note};
use super::log_file::{LogFile, WINDOW_BYTES};
use super::partition::Walk;
use super::producers::read_txn_index;
use crate::log::names::{FileKind, FileState, file_path};
use crate::log::scan::{Located, Scanner, Step};
use crate::log::{AbortedTxn, LogError};
use crate::types::Offset;

/// What is found of one segment.
pub(super) struct SegmentCheck<'w, 's> {
    walk: &'w mut Walk<'s>,
    base: Offset,
    /// Where the next segment begins.
    limit: Option<Offset>,
    /// The indexes are trusted by the next start as they are; otherwise only up to the recovery point.
    trusted: bool,
    path: PathBuf,
    size: u64,
    /// The least offset that may come.
    due: Offset,
    /// Nothing can be said of what should come next.
    adrift: bool,
    /// The log is not what it was, so that indexes cannot be held against it.
    damaged: bool,
    /// It ends within a batch, and nothing follows.
    torn: bool,
    offsets: Option<OffsetIndexCheck>,
    times: Option<TimeIndexCheck>,
    aborted: Vec<AbortedTxn>,
}

impl<'w, 's> SegmentCheck<'w, 's> {
    /// Checks the segment of `base`. Answers the offset behind its last good batch, and whether all before it are good.
    pub(super) fn run(walk: &'w mut Walk<'s>, base: Offset, limit: Option<Offset>) -> Result<(Offset, bool), LogError> {
        let path = file_path(walk.subject.path, base, FileKind::Log, FileState::Live);
        let file = LogFile::open(&path)?;
        let trusted = walk.subject.clean || limit.is_some_and(|limit| limit <= walk.subject.recovery_point);
        let mut check = SegmentCheck {
            walk,
            base,
            limit,
            trusted,
            path,
            size: file.size,
            due: base,
            adrift: false,
            damaged: false,
            torn: false,
            offsets: None,
            times: None,
            aborted: Vec::new(),
        };
        check.open_indexes()?;
        check.batches(&file)?;
        check.indexes()?;
        Ok((check.due.max(base), !check.damaged))
    }

    fn file(&self, kind: FileKind) -> PathBuf {
        file_path(self.walk.subject.path, self.base, kind, FileState::Live)
    }

    fn open_indexes(&mut self) -> Result<(), LogError> {
        let recovery_point = self.walk.subject.recovery_point;
        if !self.trusted && recovery_point <= self.base {
            return Ok(());
        }
        let until = Some(recovery_point).filter(|_| !self.trusted);
        let (offsets, times) = (self.file(FileKind::OffsetIndex), self.file(FileKind::TimeIndex));
        if offsets.exists() {
            let opened = OffsetIndexCheck::open(&offsets, self.base, until, self.walk.index_gap);
            self.offsets = Some(opened.map_err(LogError::io("read", offsets))?);
        }
        if times.exists() {
            self.times = Some(TimeIndexCheck::open(&times, self.base, until).map_err(LogError::io("read", times))?);
        }
        Ok(())
    }

    fn batches(&mut self, file: &LogFile) -> Result<(), LogError> {
        let mut scan = file.scan(0, WINDOW_BYTES);
        loop {
            let at = scan.position();
            let (reason, intact) = match scan.step()? {
                Step::End => return Ok(()),
                Step::Broken(reason) => (reason, false),
                Step::Batch(batch) => match self.batch(&mut scan, &batch)? {
                    None => continue,
                    Some(fault) => fault,
                },
            };
            if intact {
                self.damaged = true;
                self.add_damage(at, reason);
                continue;
            }
            match file.find_good_batch(at, self.due)? {
                Some(good) => {
                    let what =
                        format!("{reason}; {} bytes cannot be read, good batches follow at byte {good}", good - at);
                    self.damaged = true;
                    self.add_damage(at, what);
                    self.adrift = true;
                    scan = file.scan(good, WINDOW_BYTES);
                }
                None => return self.tail(at, &reason),
            }
        }
    }

    /// Takes a whole batch; answers what is wrong with it, and whether its checksum is right all the same.
    fn batch(&mut self, scan: &mut Scanner, batch: &Located) -> Result<Option<(String, bool)>, LogError> {
        let header = batch.header;
        let mut faults = Vec::new();
        let verdict = self.walk.look_into(scan, batch, &mut faults)?;
        let control = match verdict {
            Verdict::Bad { intact: false, reason } => return Ok(Some((reason, false))),
            Verdict::Bad { intact: true, reason } => {
                self.due = self.due.max(header.next_offset());
                return Ok(Some((reason, true)));
            }
            Verdict::TooLarge => {
                let what = "a batch that is too large to be looked into; its checksum is right";
                self.add(note(&self.path, what), batch.position, header.base_offset);
                None
            }
            Verdict::Good { control } => control,
        };
        for (offset, fault) in faults {
            self.record_fault(batch.position, offset, fault);
        }
        if let Some(what) = misplaced(&header, self.base, self.limit, self.due) {
            let remedy = "the file was renamed or replaced: give it back its name, or restore it from a copy; ";
            let remedy = format!("{remedy}--export {} reads it", self.walk.subject.partition);
            if !std::mem::replace(&mut self.damaged, true) {
                self.add(damage(&self.path, what, remedy), batch.position, header.base_offset);
            }
            self.due = header.next_offset();
            return Ok(None);
        }
        self.gap(batch);
        self.due = header.next_offset();
        self.adrift = false;
        self.walk.epochs.batch(&header);
        self.aborted.extend(self.walk.producers.batch(&header, control));
        if let Some(offsets) = &mut self.offsets {
            offsets.batch(batch).map_err(LogError::io("read", &self.path))?;
        }
        if let Some(times) = &mut self.times {
            times.batch(batch).map_err(LogError::io("read", &self.path))?;
        }
        Ok(None)
    }

    /// Offsets that are missing before a batch in the middle, where compaction cannot have taken them.
    fn gap(&mut self, batch: &Located) {
        let (first, due) = (batch.header.base_offset, self.due);
        if first > due && batch.position > 0 && !self.adrift && !self.walk.subject.may_have_gap(first) {
            let what = format!("the offsets {due} to {} are missing in front of this batch", first + -1);
            let remedy = "restore the file from a copy if it was changed from outside";
            self.damaged = true;
            self.add(damage(&self.path, what, remedy), batch.position, first);
        }
    }

    fn record_fault(&mut self, position: u64, offset: Offset, fault: RecordFault) {
        let finding = match fault {
            RecordFault::Unknown(what) => note(&self.path, format!("{what}: brokers pass over it")),
            RecordFault::Undecodable(what) => {
                let remedy = "restore the file from a copy: what is written there cannot be loaded whole";
                damage(&self.path, format!("a record that cannot be decoded: {what}"), remedy)
            }
        };
        self.add(finding, position, offset);
    }

    /// What stands behind the last batch.
    fn tail(&mut self, at: u64, reason: &str) -> Result<(), LogError> {
        let (left, due) = (self.size - at, self.due);
        if self.limit.is_some() {
            self.damaged = true;
            self.add_damage(at, format!("{reason}; the last {left} bytes cannot be read, and later segments follow"));
            return Ok(());
        }
        self.torn = true;
        let lost = due < self.walk.subject.recovery_point || self.walk.subject.clean;
        if !lost {
            let what =
                format!("{reason}: an unclean stop left {left} bytes of no whole batch, the next start cuts them");
            self.add(note(&self.path, what), at, due);
            return Ok(());
        }
        let what = format!("{reason}; the last {left} bytes are no whole batch, records from offset {due} on are lost");
        let remedy = "restore the file from a copy, or cut what is torn with --repair";
        let (dir, base, interval) = (self.walk.subject.path.to_path_buf(), self.base, self.walk.subject.index_interval);
        let finding = damage(&self.path, what, remedy)
            .fixed_by(Fix::CutTail { path: self.path.clone(), size: at })
            .fixed_by(Fix::RebuildIndexes { dir, base, interval });
        self.add(finding, at, due);
        Ok(())
    }

    fn add_damage(&mut self, position: u64, what: String) {
        let finding = damage(&self.path, what, export_remedy(&self.walk.subject.partition));
        self.add(finding, position, self.due);
    }

    fn add(&mut self, finding: Finding, position: u64, offset: Offset) {
        self.walk.findings.add(finding.at(position, offset));
    }

    /// What the indexes say, now that the log is known.
    fn indexes(&mut self) -> Result<(), LogError> {
        let (offsets, times) =
            (self.offsets.take().map(OffsetIndexCheck::end), self.times.take().map(|times| times.end()));
        if self.damaged || self.torn {
            return Ok(());
        }
        let (dir, base, interval) = (self.walk.subject.path.to_path_buf(), self.base, self.walk.subject.index_interval);
        let rebuild = Fix::RebuildIndexes { dir, base, interval };
        let has_batches = self.size > 0 && self.trusted;
        let missing = || has_batches.then(|| Fault { position: 0, what: "the file is missing".to_owned() });
        let offset_fault = match offsets {
            Some((fault, gap)) => {
                self.walk.index_gap = gap;
                fault
            }
            None => missing(),
        };
        let time_fault = times.unwrap_or_else(missing);
        for (kind, fault) in [(FileKind::OffsetIndex, offset_fault), (FileKind::TimeIndex, time_fault)] {
            if let Some(Fault { position, what }) = fault {
                let finding = damage(&self.file(kind), what, "--repair builds it again").fixed_by(rebuild.clone());
                self.add(finding, position, Offset::NONE);
            }
        }
        if self.trusted { self.txn_index() } else { Ok(()) }
    }

    fn txn_index(&mut self) -> Result<(), LogError> {
        let path = self.file(FileKind::TxnIndex);
        if self.walk.subject.may_have_gap(self.base) {
            return Ok(());
        }
        let what = match read_txn_index(&path).map_err(LogError::io("read", &path))? {
            Err(what) => Some(what),
            Ok(entries) => self.txn_fault(&entries),
        };
        if let Some(what) = what {
            let mut finding = damage(&path, what, "--repair writes it again");
            if self.aborted.iter().all(|txn| self.walk.producers.saw_begin(txn)) {
                finding = finding.fixed_by(Fix::WriteTxnIndex { path: path.clone(), aborted: self.aborted.clone() });
            } else {
                finding.remedy =
                    "restore the file from a copy: some of its transactions began before the log does".to_owned();
            }
            self.add(finding, 0, Offset::NONE);
        }
        Ok(())
    }

    fn txn_fault(&self, entries: &[AbortedTxn]) -> Option<String> {
        let same = |a: &AbortedTxn, b: &AbortedTxn| (a.producer_id, a.last_offset) == (b.producer_id, b.last_offset);
        for entry in entries {
            let found = self.aborted.iter().find(|txn| same(txn, entry));
            let (id, first, last) = (entry.producer_id, entry.first_offset, entry.last_offset);
            match found {
                None => return Some(format!("it has producer {id} abort at offset {last}, where the log does not")),
                Some(txn) if self.walk.producers.saw_begin(txn) && txn.first_offset != first => {
                    let begun = txn.first_offset;
                    return Some(format!(
                        "the transaction of producer {id} aborted at {last} began at {begun}, not {first}"
                    ));
                }
                Some(_) => {}
            }
        }
        let begun = self.aborted.iter().filter(|txn| self.walk.producers.saw_begin(txn));
        let mut missing = begun.filter(|txn| !entries.iter().any(|entry| same(txn, entry)));
        let txn = missing.next()?;
        Some(format!(
            "the transaction that producer {} aborted at offset {} is missing",
            txn.producer_id, txn.last_offset
        ))
    }
}
