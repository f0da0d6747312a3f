//! Salvaging a partition: every record that can still be read, as lines of JSON or into a topic.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::batches::{BatchCheck, Verdict};
use super::log_file::{LogFile, WINDOW_BYTES};
use super::producers::Producers;
use crate::log::names::{FileKind, FileState, parse_file_name};
use crate::log::scan::{Located, SEEK_WINDOW_BYTES, Step};
use crate::log::{AbortedTxn, LogError};
use crate::protocol::batch::{BatchHeader, RecordRef};
use crate::protocol::control::ControlType;
use crate::types::{Offset, ProducerId};

/// What became of the transaction that a record was written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Committed, or of no transaction.
    Valid,
    Aborted,
    /// No marker has ended it.
    Open,
}

/// What could be read, and what not.
#[derive(Default, Debug)]
pub(super) struct Salvaged {
    pub(super) records: u64,
    /// Bytes of no batch that can be read, and in how many places they are.
    pub(super) lost_bytes: u64,
    pub(super) places: usize,
}

/// Takes each record that is not a control record, in the order of the log.
pub(super) type EachRecord<'a, E> = &'a mut dyn FnMut(&BatchHeader, &RecordRef<'_>, Fate) -> Result<(), E>;

/// Tells `each` of every readable record in the partition's directory `dir`. The log is read twice: what became of a
/// transaction stands behind its records.
pub(super) fn salvage<E: From<LogError>>(dir: &Path, each: EachRecord<'_, E>) -> Result<Salvaged, E> {
    let logs = logs_in_order(dir)?;
    let mut transactions = Transactions::default();
    let mut producers = Producers::new();
    for log in &logs {
        walk(log, &mut Salvaged::default(), &mut |_, _| (), &mut |header, control| {
            transactions.aborted(producers.batch(header, control));
            Ok(())
        })?;
    }
    transactions.open = producers.open().collect();
    let mut salvaged = Salvaged::default();
    for log in &logs {
        let mut failed = None;
        let mut records = 0;
        walk(
            log,
            &mut salvaged,
            &mut |header, record| {
                if failed.is_none() && !header.is_control() {
                    records += 1;
                    failed = each(header, record, transactions.fate(header)).err();
                }
            },
            &mut |_, _| Ok(()),
        )?;
        salvaged.records += records;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(salvaged)
}

/// The log files by the offsets that they hold, whatever their names say.
fn logs_in_order(dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(dir).map_err(LogError::io("list", dir))? {
        let entry = entry.map_err(LogError::io("list", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((base, FileKind::Log, FileState::Live)) = parse_file_name(&name) {
            logs.push((first_offset(&entry.path())?.unwrap_or(base), base, entry.path()));
        }
    }
    logs.sort();
    Ok(logs.into_iter().map(|(_, _, path)| path).collect())
}

/// Where the first batch of a file that can be read begins.
fn first_offset(path: &Path) -> Result<Option<Offset>, LogError> {
    let file = LogFile::open(path)?;
    let mut from = 0;
    loop {
        let mut scan = file.scan(from, SEEK_WINDOW_BYTES);
        match scan.step()? {
            Step::End => return Ok(None),
            Step::Batch(batch) if scan.checksum_valid(&batch)? => return Ok(Some(batch.header.base_offset)),
            Step::Batch(_) | Step::Broken(_) => {}
        }
        match file.find_good_batch(from, Offset::ZERO)? {
            Some(good) => from = good,
            None => return Ok(None),
        }
    }
}

type EachBatch<'a> = &'a mut dyn FnMut(&BatchHeader, Option<ControlType>) -> Result<(), LogError>;

/// Walks from one readable batch of a file to the next, over whatever lies between them.
fn walk(
    path: &Path,
    salvaged: &mut Salvaged,
    each_record: super::batches::EachRecord<'_>,
    each_batch: EachBatch<'_>,
) -> Result<(), LogError> {
    let file = LogFile::open(path)?;
    let mut scan = file.scan(0, WINDOW_BYTES);
    let mut check = BatchCheck::unlimited();
    let mut due = Offset::ZERO;
    loop {
        let at = scan.position();
        let batch: Option<Located> = match scan.step()? {
            Step::End => return Ok(()),
            Step::Batch(batch) => Some(batch),
            Step::Broken(_) => None,
        };
        if let Some(batch) = batch {
            match check.check(&mut scan, &batch, each_record)? {
                Verdict::Good { control } => {
                    due = batch.header.next_offset();
                    each_batch(&batch.header, control)?;
                    continue;
                }
                Verdict::TooLarge | Verdict::Bad { intact: true, .. } => {
                    salvaged.lost_bytes += batch.header.total_len() as u64;
                    salvaged.places += 1;
                    continue;
                }
                Verdict::Bad { intact: false, .. } => {}
            }
        }
        let good = file.find_good_batch(at, due)?;
        salvaged.lost_bytes += good.unwrap_or(file.size) - at;
        salvaged.places += 1;
        let Some(good) = good else { return Ok(()) };
        scan = file.scan(good, WINDOW_BYTES);
    }
}

/// What became of the transactions of a partition.
#[derive(Default)]
struct Transactions {
    /// First and last offsets of aborted ones.
    aborted: HashMap<ProducerId, Vec<(Offset, Offset)>>,
    /// First offsets of those without a marker.
    open: HashMap<ProducerId, Offset>,
}

impl Transactions {
    fn aborted(&mut self, txn: Option<AbortedTxn>) {
        if let Some(txn) = txn {
            self.aborted.entry(txn.producer_id).or_default().push((txn.first_offset, txn.last_offset));
        }
    }

    fn fate(&self, header: &BatchHeader) -> Fate {
        if !header.is_transactional() {
            return Fate::Valid;
        }
        let (id, offset) = (header.producer_id, header.base_offset);
        let within = |(first, last): &(Offset, Offset)| (*first..*last).contains(&offset);
        if self.aborted.get(&id).is_some_and(|aborted| aborted.iter().any(within)) {
            return Fate::Aborted;
        }
        match self.open.get(&id) {
            Some(first) if offset >= *first => Fate::Open,
            _ => Fate::Valid,
        }
    }
}
