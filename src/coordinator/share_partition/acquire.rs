//! Delivering what was read from the log to a member.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::types::{Millis, Offset, ProducerId};

use super::delivery::{Delivery, RecordState};
use super::in_flight::{InFlight, Records, lock};
use super::partition::{Limits, SharePartition};

/// How records are counted out (KIP-1206).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcquireMode {
    /// Whole batches as they lie in the log, so that there may be more records than asked for.
    BatchOptimized,
    /// Never more than asked for.
    RecordLimit,
}

/// What a member wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub member: Arc<str>,
    pub mode: AcquireMode,
    /// Records that are told as one batch, about.
    pub batch_size: i32,
    pub max_records: i32,
}

/// What was read from the log for it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FetchedRecords {
    /// Where the read began.
    pub fetch_offset: Offset,
    pub batches: Vec<FetchedBatch>,
    /// Transactions that were aborted, by their first offsets; empty when they are not to be left out.
    pub aborted: Vec<(ProducerId, Offset)>,
}

/// A batch of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchedBatch {
    pub first: Offset,
    pub last: Offset,
    pub producer: ProducerId,
    pub is_transactional: bool,
    pub is_abort_marker: bool,
}

/// Records that a member has from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcquiredRecords {
    pub first: Offset,
    pub last: Offset,
    pub delivery_count: i16,
}

impl AcquiredRecords {
    /// How many offsets it spans.
    pub fn span(&self) -> i64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// Of records that were delivered this often, at least, few are delivered together, so that a bad one is found.
fn throttled_from(delivery_limit: i32) -> i32 {
    2.max(delivery_limit.saturating_add(1) / 2)
}

/// One delivery while it is made up.
struct Delivering<'a> {
    wanted: &'a Wanted,
    fetched: &'a FetchedRecords,
    limits: &'a Limits,
    /// When locks that begin now time out.
    until: Millis,
    first: Offset,
    last: Offset,
    max: i64,
    acquired: Vec<AcquiredRecords>,
}

impl Delivering<'_> {
    fn count(&self) -> i64 {
        self.acquired.iter().map(AcquiredRecords::span).sum()
    }

    fn left(&self) -> i64 {
        self.max - self.count()
    }

    fn is_limited(&self) -> bool {
        self.wanted.mode == AcquireMode::RecordLimit
    }
}

impl SharePartition {
    /// Delivers what is free of the records read to a member. Aborted records are archived, and not delivered.
    pub fn acquire(
        &mut self,
        wanted: &Wanted,
        fetched: &FetchedRecords,
        limits: &Limits,
        now: Millis,
    ) -> Vec<AcquiredRecords> {
        let (Some(first), Some(last)) = (fetched.batches.first(), fetched.batches.last()) else { return Vec::new() };
        if wanted.max_records <= 0 || last.last < self.start {
            return Vec::new();
        }
        let (last, max) = self.room(fetched.fetch_offset, wanted.max_records.into(), last.last, limits);
        if max <= 0 {
            return Vec::new();
        }
        let until = now + limits.lock_duration;
        let mut delivering =
            Delivering { wanted, fetched, limits, until, first: first.first, last, max, acquired: Vec::new() };
        self.archive_stale(fetched.fetch_offset, first.first);
        let base = self.base_of(first.first);
        let begin = base.min(first.first);
        if begin > last {
            return Vec::new();
        }
        let known: Vec<Offset> = self.batches.range(begin..=last).map(|(first, _)| *first).collect();
        match known.is_empty() {
            true => self.acquire_new(&mut delivering, base, last),
            false => self.acquire_known(&mut delivering, base, begin, &known),
        }
        self.leave_out_aborted(delivering.fetched, delivering.acquired)
    }

    /// The last offset that may be acquired, and how many records: behind the end only while there is room, before it
    /// what is free.
    fn room(&self, fetch_offset: Offset, max: i64, last: Offset, limits: &Limits) -> (Offset, i64) {
        let room = max.min(i64::from(limits.record_locks) - self.in_flight());
        if room <= 0 && fetch_offset <= self.end {
            let before_end = (self.end - fetch_offset).saturating_add(1);
            return (last.min(self.end), max.min(before_end));
        }
        (last, room)
    }

    /// What was free between the offset asked for and the first batch found has been compacted away.
    fn archive_stale(&mut self, fetch_offset: Offset, first: Offset) {
        if fetch_offset >= first {
            return;
        }
        let holder = self.floor(fetch_offset).filter(|(_, batch)| batch.last >= fetch_offset).map(|(first, _)| first);
        let begin = holder.unwrap_or(fetch_offset);
        if self.archive(fetch_offset, first, Some(begin), RecordState::Available, true) {
            self.has_free = true;
        }
    }

    /// Where acquiring begins: at the batch that holds the first record read, but not before the start.
    fn base_of(&self, first: Offset) -> Offset {
        match self.floor(first) {
            Some((holder, batch)) if batch.last >= first => holder,
            Some(_) | None => first.max(self.start),
        }
    }

    /// Acquires records of which some are in flight already.
    fn acquire_known(&mut self, delivering: &mut Delivering<'_>, base: Offset, begin: Offset, known: &[Offset]) {
        let mut gap = base;
        for first in known {
            if delivering.left() <= 0 {
                break;
            }
            let Some(last) = self.batches.get(first).map(|batch| batch.last) else { continue };
            if self.has_gaps() {
                if gap < *first {
                    self.acquire_new(delivering, gap, *first + -1);
                }
                gap = last.next();
                if delivering.left() <= 0 {
                    break;
                }
            }
            let is_throttled = self.is_throttled(delivering, *first);
            if is_throttled && !delivering.acquired.is_empty() {
                delivering.max = 0;
                break;
            }
            let before = delivering.count();
            self.acquire_batch(delivering, *first, is_throttled);
            if is_throttled && delivering.count() > before {
                delivering.max = 0;
                break;
            }
        }
        let reached = self.batches.range(begin..=delivering.last).next_back().map(|(_, batch)| batch.last);
        if let Some(reached) = reached.filter(|reached| delivering.left() > 0 && *reached < delivering.last) {
            self.acquire_new(delivering, reached.next(), delivering.last);
        }
        if let Some(last) = delivering.acquired.last() {
            self.close_gaps(last.last.next());
        }
    }

    /// Acquires what is free of one batch in flight: all of it, or some of its records.
    fn acquire_batch(&mut self, delivering: &mut Delivering<'_>, first: Offset, is_throttled: bool) {
        let left = delivering.left();
        let Some(batch) = self.batches.get_mut(&first) else { return };
        let len = (batch.last - first).saturating_add(1);
        let is_part = !batch.is_within(first, delivering.first, delivering.last);
        let is_too_long = delivering.is_limited() && len > left;
        if batch.shared().is_some_and(|delivery| !delivery.is_free()) {
            return;
        }
        match &mut batch.records {
            Records::Whole(delivery) if !(is_part || is_too_long || is_throttled) => {
                if delivery.acquire(&delivering.wanted.member) {
                    lock(&mut self.locks, first, delivering.until);
                    let delivery_count = short(delivery.count);
                    delivering.acquired.push(AcquiredRecords { first, last: batch.last, delivery_count });
                }
            }
            Records::Whole(_) | Records::Each(_) => self.acquire_some(delivering, first, left),
        }
    }

    /// Acquires what is free of the records of one batch, at most `left` where they are limited. A record that is
    /// delivered for the last time is delivered alone, and those that were delivered often in small numbers.
    fn acquire_some(&mut self, delivering: &mut Delivering<'_>, first: Offset, left: i64) {
        let limit = delivering.limits.delivery_count;
        let mut some: Vec<AcquiredRecords> = Vec::new();
        let Some(batch) = self.batches.get_mut(&first) else { return };
        let each = batch.split(first, &mut self.locks);
        let (len, mut throttled, mut count) = (each.len() as i64, None, 0);
        let asked = each.iter_mut().filter(|(at, _)| **at >= delivering.first && **at <= delivering.last);
        for (offset, delivery) in asked {
            if !delivery.is_free() {
                continue;
            }
            if limit > 2 && delivery.count == limit - 1 && count > 0 {
                break;
            }
            let often = delivery.count - throttled_from(limit);
            if often >= 0 && throttled.is_none() {
                throttled = Some((len >> (often + 1).min(62)).max(1));
            }
            if !delivery.acquire(&delivering.wanted.member) {
                continue;
            }
            lock(&mut self.locks, *offset, delivering.until);
            add(&mut some, *offset, short(delivery.count));
            count += 1;
            let is_last_time = delivery.count == limit && limit > 2;
            if is_last_time || (delivering.is_limited() && count == left) || throttled == Some(count) {
                break;
            }
        }
        delivering.acquired.extend(some);
    }

    /// Whether a batch holds something free that was delivered so often that little is to be delivered with it.
    fn is_throttled(&self, delivering: &Delivering<'_>, first: Offset) -> bool {
        let from = throttled_from(delivering.limits.delivery_count);
        match self.batches.get(&first).map(|batch| &batch.records) {
            None => false,
            Some(Records::Whole(delivery)) => delivery.is_free() && delivery.count >= from,
            Some(Records::Each(each)) => {
                let asked = each.iter().filter(|(at, _)| **at >= delivering.first && **at <= delivering.last);
                asked.filter(|(_, delivery)| delivery.is_free()).any(|(_, delivery)| delivery.count >= from)
            }
        }
    }

    /// Acquires records that were not in flight, in whole batches of the log as far as the limit of records allows.
    fn acquire_new(&mut self, delivering: &mut Delivering<'_>, first: Offset, last: Offset) {
        let max = delivering.left();
        let first = if self.batches.is_empty() { first.max(self.end) } else { first };
        if first > last {
            return;
        }
        let mut reached = last;
        if max < (last - first).saturating_add(1) {
            reached = last_of_batch_with(&delivering.fetched.batches, first + (max - 1));
            if self.has_gaps() {
                reached = reached.min(last);
            }
        }
        let delivered = match delivering.is_limited() {
            true => self.add_limited(delivering, first, reached, max),
            false => self.add_batches(delivering, first, reached),
        };
        if self.batches.first_key_value().is_some_and(|(lowest, _)| *lowest == first) {
            self.start = first;
        }
        self.end = self.end.max(reached);
        self.close_gaps(delivered.next());
    }

    /// Adds batches of about the wanted size, which end where batches of the log do. Answers the last offset
    /// delivered.
    fn add_batches(&mut self, delivering: &mut Delivering<'_>, first: Offset, last: Offset) -> Offset {
        let size = i64::from(delivering.wanted.batch_size);
        let mut begin = first;
        if last - first >= size {
            for batch in delivering.fetched.batches.iter().take_while(|batch| batch.first <= last) {
                if batch.first - begin >= size && batch.first > begin {
                    self.add(delivering, begin, batch.first + -1);
                    begin = batch.first;
                }
            }
        }
        self.add(delivering, begin, last);
        last
    }

    /// Adds one batch, of which at most `max` records are delivered; the others stay free. Answers the last offset
    /// delivered.
    fn add_limited(&mut self, delivering: &mut Delivering<'_>, first: Offset, last: Offset, max: i64) -> Offset {
        if last - first < max {
            self.add(delivering, first, last);
            return last;
        }
        let reached = first + (max - 1);
        self.batches.insert(first, InFlight::partly(first, last, reached, &delivering.wanted.member));
        (first.0..=reached.0).for_each(|offset| lock(&mut self.locks, Offset(offset), delivering.until));
        self.has_free = true;
        delivering.acquired.push(AcquiredRecords { first, last: reached, delivery_count: 1 });
        reached
    }

    fn add(&mut self, delivering: &mut Delivering<'_>, first: Offset, last: Offset) {
        let delivery = Delivery::new(RecordState::Acquired, 1, Some(delivering.wanted.member.clone()));
        self.batches.insert(first, InFlight::whole(last, delivery));
        lock(&mut self.locks, first, delivering.until);
        delivering.acquired.push(AcquiredRecords { first, last, delivery_count: 1 });
    }

    /// Archives the records of aborted transactions among those acquired.
    fn leave_out_aborted(
        &mut self,
        fetched: &FetchedRecords,
        mut acquired: Vec<AcquiredRecords>,
    ) -> Vec<AcquiredRecords> {
        if fetched.aborted.is_empty() || acquired.is_empty() {
            return acquired;
        }
        for batch in aborted_batches(fetched) {
            let holder = self.floor(batch.first).map_or(batch.first, |(first, _)| first);
            self.archive(batch.first, batch.last.next(), Some(holder), RecordState::Acquired, true);
            acquired = acquired.into_iter().flat_map(|range| without(range, &batch)).flatten().collect();
        }
        acquired
    }
}

/// The batches of aborted transactions.
fn aborted_batches(fetched: &FetchedRecords) -> Vec<FetchedBatch> {
    let mut to_come = fetched.aborted.clone();
    to_come.sort_by_key(|(producer, first)| (*first, *producer));
    let mut to_come = to_come.into_iter().peekable();
    let mut aborting = BTreeSet::new();
    let mut aborted = Vec::new();
    for batch in fetched.batches.iter().filter(|batch| batch.producer != ProducerId::NONE) {
        while let Some((producer, _)) = to_come.next_if(|(_, first)| *first <= batch.last) {
            aborting.insert(producer);
        }
        if batch.is_abort_marker {
            aborting.remove(&batch.producer);
        } else if batch.is_transactional && aborting.contains(&batch.producer) {
            aborted.push(*batch);
        }
    }
    aborted
}

/// What is left of records around a batch.
fn without(records: AcquiredRecords, batch: &FetchedBatch) -> [Option<AcquiredRecords>; 2] {
    if records.last < batch.first || batch.last < records.first {
        return [Some(records), None];
    }
    let before = (records.first < batch.first).then(|| AcquiredRecords { last: batch.first + -1, ..records });
    let after = (batch.last < records.last).then(|| AcquiredRecords { first: batch.last.next(), ..records });
    [before, after]
}

/// The last offset of the batch that holds `offset`; `offset` itself if none does.
fn last_of_batch_with(batches: &[FetchedBatch], offset: Offset) -> Offset {
    let holder = batches.iter().take_while(|batch| batch.first <= offset).last();
    holder.filter(|batch| offset <= batch.last).map_or(offset, |batch| batch.last)
}

/// Adds one record; records in a row that were delivered equally often are told as one stretch.
fn add(acquired: &mut Vec<AcquiredRecords>, offset: Offset, delivery_count: i16) {
    match acquired.last_mut() {
        Some(before) if before.last.next() == offset && before.delivery_count == delivery_count => before.last = offset,
        _ => acquired.push(AcquiredRecords { first: offset, last: offset, delivery_count }),
    }
}

fn short(count: i32) -> i16 {
    i16::try_from(count).unwrap_or(i16::MAX)
}
