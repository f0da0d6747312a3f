//! One cleaning of one log.

use std::collections::HashMap;
use std::sync::Arc;

use super::choice::{Cleanable, between};
use super::filter::{Filter, FilterError, Kept, LastRecord, Marks, RecordCounts, control_type};
use super::offset_map::{KEYS_TOGETHER, KeyHash, OffsetMap};
use super::swap::Interrupted;
use super::target::Target;
use super::transactions::CleanedTransactions;
use crate::log::LogError;
use crate::log::names::FileKind;
use crate::log::offset_index::OffsetEntry;
use crate::log::scan::{Located, Scanner};
use crate::log::segment::{RELATIVE_OFFSET_MAX, Segment};
use crate::log::sparse_index::Entry;
use crate::log::time_index::TimeEntry;
use crate::protocol::batch::BatchRef;
use crate::protocol::compression::Decompressor;
use crate::types::{Millis, Offset, ProducerId};

/// Segments that are copied into one: readers may hold the files of all of them open.
const GROUP_SEGMENTS_MAX: usize = 256;
/// Bytes after which is asked whether to go on.
const CHECK_BYTES: u64 = 256 << 10;
/// A batch beyond this is checked piece by piece before it is taken into memory: its length may be damage.
const LARGE_BATCH_BYTES: usize = 4 << 20;

/// The memory that a cleaning may take, apart from single batches.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// For the offset map, and which share of it is filled.
    pub map_bytes: usize,
    pub load_factor: f64,
    /// For reading, and as much for writing.
    pub io_bytes: usize,
}

/// What a cleaning did.
#[derive(Clone, Copy, Default, Debug)]
pub struct PassStats {
    /// The offset up to which the log is clean now.
    pub end: Offset,
    pub map_bytes_read: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub records: RecordCounts,
    /// Share of the offset map that was filled.
    pub utilization: f64,
}

/// A cleaning under way.
pub struct Pass<'a> {
    cleanable: &'a Cleanable,
    memory: Memory,
    now: Millis,
    /// Is told how many bytes were read or written; waits for them to be allowed, or has the cleaning end.
    pay: &'a dyn Fn(u64) -> Result<(), Interrupted>,
    unpaid: u64,
    decompressor: Decompressor,
    marks: Marks,
    stats: PassStats,
}

impl<'a> Pass<'a> {
    /// A cleaning of `cleanable` at `now`.
    pub fn new(
        cleanable: &'a Cleanable,
        memory: Memory,
        now: Millis,
        pay: &'a dyn Fn(u64) -> Result<(), Interrupted>,
    ) -> Pass<'a> {
        let (decompressor, marks, stats) = (Decompressor::new(), Marks::default(), PassStats::default());
        Pass { cleanable, memory, now, pay, unpaid: 0, decompressor, marks, stats }
    }

    /// Cleans as far as the memory for keys reaches.
    pub fn run(mut self) -> Result<PassStats, Interrupted> {
        let Cleanable { log, round, first_dirty, first_uncleanable, .. } = self.cleanable;
        let map = self.build_map()?;
        let end = map.latest().next();
        self.stats.utilization = map.utilization();
        if end > *first_dirty {
            // A record that is on disk goes only for one that is there, too.
            log.flush_to(end)?;
            let config = log.config();
            let groups = {
                let segments = log.segments.load_full();
                let limits = GroupLimits {
                    log_bytes: config.segment_bytes as u64,
                    index_bytes: config.segment_index_bytes as u64,
                    end: *first_uncleanable,
                };
                let reached = segments.partition_point(|segment| segment.base() < end);
                group(&segments[..reached], &limits)
            };
            let producers = log.last_records();
            let mut transactions = CleanedTransactions::default();
            for group in groups {
                self.clean_group(&group, &map, &producers, &mut transactions)?;
            }
            log.finish_cleaning(end, *round)?;
        }
        self.stats.end = end.max(*first_dirty);
        Ok(self.stats)
    }

    /// Enters the keys of the dirty part.
    fn build_map(&mut self) -> Result<OffsetMap, Interrupted> {
        let Cleanable { log, first_dirty, first_uncleanable, .. } = self.cleanable;
        let keys_expected = (*first_uncleanable - *first_dirty).max(0) as u64;
        let mut map = OffsetMap::new(self.memory.map_bytes, self.memory.load_factor, keys_expected);
        let segments = log.segments.load_full();
        let dirty = between(&segments, *first_dirty, *first_uncleanable);
        let mut transactions = CleanedTransactions::default();
        if !dirty.is_empty() {
            transactions.add(log.aborted_transactions(*first_dirty, *first_uncleanable)?);
        }
        for (n, segment) in dirty.iter().enumerate() {
            let next = dirty.get(n + 1).map_or(*first_uncleanable, |next| next.base());
            if self.map_segment(segment, &mut map, &mut transactions)? {
                break;
            }
            // Offsets that nothing has any more are reflected, too.
            map.note_latest(next + -1);
        }
        Ok(map)
    }

    /// Enters the keys of a segment. Answers whether the map is full.
    fn map_segment(
        &mut self,
        segment: &Segment,
        map: &mut OffsetMap,
        transactions: &mut CleanedTransactions,
    ) -> Result<bool, Interrupted> {
        let from = self.cleanable.first_dirty;
        let Some(first) = segment.locate(from)? else { return Ok(false) };
        let mut scanner = segment.scanner(first.position, segment.size(), self.memory.io_bytes)?;
        let mut due = segment.base();
        let mut entries = Vec::with_capacity(KEYS_TOGETHER);
        while let Some(located) = scanner.next_good()? {
            check_place(segment, &located, due, segment.next_offset())?;
            due = located.header.next_offset();
            let len = located.header.total_len() as u64;
            self.stats.map_bytes_read += len;
            self.pay(len)?;
            let batch = read_batch(&mut scanner, &located, segment)?;
            let header = located.header;
            if header.is_control() {
                let kind = control_type(&batch, &mut self.decompressor);
                transactions.on_control(&header, kind.map_err(|error| damaged(segment, &located, &error))?);
            } else if !transactions.on_data(&header) && header.record_count > 0 {
                let damaged = |error: &dyn std::fmt::Display| damaged(segment, &located, error);
                for record in batch.records(&mut self.decompressor).map_err(|error| damaged(&error))? {
                    let record = record.map_err(|error| damaged(&error))?;
                    let offset = header.offset_of(&record);
                    let Some(key) = record.key.filter(|_| offset >= from) else { continue };
                    entries.push((KeyHash::of(key), offset));
                    if entries.len() == KEYS_TOGETHER && !map.put_all(&mut entries) {
                        return Ok(true);
                    }
                }
                if !map.put_all(&mut entries) {
                    return Ok(true);
                }
            }
            map.note_latest(header.last_offset());
        }
        Ok(false)
    }

    /// Copies what is kept of a group of segments into one, and has it take their place.
    fn clean_group(
        &mut self,
        group: &[Arc<Segment>],
        map: &OffsetMap,
        producers: &HashMap<ProducerId, LastRecord>,
        transactions: &mut CleanedTransactions,
    ) -> Result<(), Interrupted> {
        let Cleanable { log, round, first_uncleanable, .. } = self.cleanable;
        let last = group.last().expect("a group is never empty");
        let cleaned = Arc::new(log.begin_cleaned(group[0].base(), *round)?);
        let delete_retention_ms = log.config().delete_retention_ms;
        let filter = Filter { map, producers, now: self.now, delete_retention_ms, end: *first_uncleanable };
        let copied = self
            .copy(group, &cleaned, &filter, transactions)
            .and_then(|()| log.complete_cleaned(&cleaned, last, *round));
        let complete = copied.is_ok();
        let swapped = copied.and_then(|()| log.replace(&cleaned, group, *round));
        match &swapped {
            Ok(()) => self.stats.bytes_written += cleaned.size(),
            // A swap that failed half way is finished at the next start.
            Err(Interrupted::Failed(_)) if complete => {}
            // Otherwise the next start removes what this leaves.
            Err(_) => drop(cleaned.remove_files()),
        }
        swapped
    }

    fn copy(
        &mut self,
        group: &[Arc<Segment>],
        cleaned: &Segment,
        filter: &Filter<'_>,
        transactions: &mut CleanedTransactions,
    ) -> Result<(), Interrupted> {
        let log = &self.cleanable.log;
        let mut target = Target::new(cleaned, self.memory.io_bytes, log.config().index_interval_bytes as u64);
        let mut due = group[0].base();
        for (n, segment) in group.iter().enumerate() {
            let next = group.get(n + 1).map_or(segment.next_offset(), |next| next.base());
            transactions.add(log.aborted_transactions(segment.base(), next)?);
            let mut scanner = segment.scanner(0, segment.size(), self.memory.io_bytes)?;
            while let Some(located) = scanner.next_good()? {
                let header = located.header;
                check_place(segment, &located, due, next)?;
                due = header.next_offset();
                let len = header.total_len() as u64;
                self.stats.bytes_read += len;
                self.pay(len)?;
                let batch = read_batch(&mut scanner, &located, segment)?;
                let (decompressor, marks) = (&mut self.decompressor, &mut self.marks);
                let kept = filter.apply(&batch, transactions, decompressor, marks, &mut self.stats.records);
                let written = match kept.map_err(|error: FilterError| damaged(segment, &located, &error))? {
                    Kept::Nothing => 0,
                    Kept::Whole => {
                        target.push(&header, batch.bytes)?;
                        len
                    }
                    Kept::Rewritten(bytes) => {
                        target.push_rewritten(&bytes)?;
                        bytes.len() as u64
                    }
                };
                for txn in transactions.take_retained() {
                    target.push_aborted(&txn)?;
                }
                self.pay(written)?;
            }
        }
        Ok(target.write()?)
    }

    /// Pays for bytes in larger pieces, and sees whether to go on.
    fn pay(&mut self, bytes: u64) -> Result<(), Interrupted> {
        self.unpaid += bytes;
        if self.unpaid < CHECK_BYTES {
            return Ok(());
        }
        let due = std::mem::take(&mut self.unpaid);
        self.cleanable.log.ensure_round(self.cleanable.round)?;
        (self.pay)(due)
    }
}

/// A batch whose checksum is right: what is copied must not get a new one over damage.
fn read_batch<'s>(scanner: &'s mut Scanner, located: &Located, segment: &Segment) -> Result<BatchRef<'s>, LogError> {
    let mismatch = || damaged(segment, located, &"the batch's checksum does not match");
    if located.header.total_len() > LARGE_BATCH_BYTES && !scanner.checksum_valid(located)? {
        return Err(mismatch());
    }
    let batch = BatchRef { header: located.header, bytes: scanner.batch_slice(located)? };
    if batch.crc_valid() { Ok(batch) } else { Err(mismatch()) }
}

/// A batch's offsets, which no checksum covers, lie from `due` to before `next`.
fn check_place(segment: &Segment, located: &Located, due: Offset, next: Offset) -> Result<(), LogError> {
    let header = &located.header;
    let begins_right = header.base_offset >= due && header.base_offset < next;
    if begins_right && header.last_offset_delta >= 0 && header.next_offset() <= next {
        return Ok(());
    }
    Err(damaged(segment, located, &"the batch's offsets are out of place"))
}

fn damaged(segment: &Segment, located: &Located, reason: &dyn std::fmt::Display) -> LogError {
    let (file, reason) = (segment.path(FileKind::Log), reason.to_string());
    LogError::Damaged { file, position: located.position, offset: located.header.base_offset, reason }
}

/// How large the originals of one segment may be together.
struct GroupLimits {
    log_bytes: u64,
    index_bytes: u64,
    /// Where the part that is cleaned ends.
    end: Offset,
}

/// Cuts a run of segments into groups that each fit into one.
fn group(segments: &[Arc<Segment>], limits: &GroupLimits) -> Vec<Vec<Arc<Segment>>> {
    let sizes = |segment: &Segment| {
        let offset_index = segment.offset_index.count() * OffsetEntry::SIZE;
        let time_index = segment.time_index.count() * TimeEntry::SIZE;
        [segment.size(), offset_index as u64, time_index as u64]
    };
    let mut groups: Vec<Vec<Arc<Segment>>> = Vec::new();
    let mut sums = [0; 3];
    for (n, segment) in segments.iter().enumerate() {
        let more = sizes(segment);
        let together = [sums[0] + more[0], sums[1] + more[1], sums[2] + more[2]];
        // A little more than where the segment really ends, which is not worth a look into its file.
        let last_offset = segments.get(n + 1).map_or(limits.end, |next| next.base()) + -1;
        let joins = groups.last().is_some_and(|group| {
            let spans = last_offset - group[0].base();
            together[0] <= limits.log_bytes
                && together[1].max(together[2]) <= limits.index_bytes
                && (more[0] == 0 || spans <= RELATIVE_OFFSET_MAX)
                && group.len() < GROUP_SEGMENTS_MAX
        });
        match groups.last_mut().filter(|_| joins) {
            Some(group) => {
                group.push(segment.clone());
                sums = together;
            }
            None => {
                groups.push(vec![segment.clone()]);
                sums = more;
            }
        }
    }
    groups
}
