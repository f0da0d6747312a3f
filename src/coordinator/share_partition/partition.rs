//! A share partition: which records of a partition are in flight to a group, and what became of them.
//!
//! Between the start and the end offset each record is in one of the states of [`RecordState`]; before the start nothing
//! more becomes of any, behind the end none was delivered yet. Records are held in batches as they were delivered.

use std::collections::BTreeMap;

use crate::coordinator::share::{ReadState, StateBatch, Write};
use crate::types::{LeaderEpoch, Millis, Offset};

use super::delivery::{Delivery, RecordState};
use super::in_flight::{InFlight, Locks, Records, unlock};

/// What a group is allowed; each is its config of that name, else the broker's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `share.partition.max.record.locks`
    pub record_locks: i32,
    /// `share.delivery.count.limit`
    pub delivery_count: i32,
    /// `share.record.lock.duration.ms`
    pub lock_duration: Millis,
    /// `share.renew.acknowledge.enable`
    pub may_renew: bool,
}

/// The pure state: no clock, file or socket.
#[derive(Debug)]
pub struct SharePartition {
    pub(super) start: Offset,
    /// The last offset that was delivered; with nothing in flight, the next to be delivered.
    pub(super) end: Offset,
    state_epoch: i32,
    leader_epoch: LeaderEpoch,
    /// Whether something before the end may be free.
    pub(super) has_free: bool,
    /// Offsets that the state read at the beginning says nothing of.
    gaps: Option<Gaps>,
    /// Records from the start on of which nothing more becomes.
    pub(super) complete: i64,
    pub(super) batches: BTreeMap<Offset, InFlight>,
    pub(super) locks: Locks,
}

/// Gaps up to `end`, the first of which begins at `from` or later.
#[derive(Clone, Copy, Debug)]
struct Gaps {
    from: Offset,
    end: Offset,
}

/// Changes that were begun and are to be completed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Begun(pub Vec<StateBatch>);

/// What was read does not make sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the state that was read has no meaning: {0}")]
pub struct InvalidState(&'static str);

/// The longest batch that a state read may hold: each record of it may take memory of its own.
const BATCH_RECORDS_MAX: i64 = 1 << 20;

impl SharePartition {
    /// The share partition with the state that was read. `start` is where it begins, also if the state does not know.
    pub fn load(start: Offset, read: &ReadState, leader_epoch: LeaderEpoch) -> Result<SharePartition, InvalidState> {
        let mut partition = SharePartition {
            start,
            end: start,
            state_epoch: read.state_epoch,
            leader_epoch,
            has_free: false,
            gaps: None,
            complete: 0,
            batches: BTreeMap::new(),
            locks: Locks::default(),
        };
        let mut expected = start;
        let mut gap = None;
        for batch in &read.batches {
            if batch.first < expected || batch.last < batch.first {
                return Err(InvalidState("its batches are not in order"));
            }
            let len = (batch.last - batch.first).saturating_add(1);
            if len > BATCH_RECORDS_MAX {
                return Err(InvalidState("a batch is too long"));
            }
            let state = RecordState::from_id(batch.delivery_state).ok_or(InvalidState("a state is unknown"))?;
            if batch.first > expected {
                gap.get_or_insert(expected);
            }
            expected = batch.last.next();
            let delivery = Delivery::new(state, batch.delivery_count.into(), None);
            partition.batches.insert(batch.first, InFlight::whole(batch.last, delivery));
            if state.is_terminal() {
                partition.complete += len;
            }
        }
        if let Some(last) = partition.last() {
            partition.has_free = true;
            partition.end = last;
            partition.gaps = gap.map(|from| Gaps { from, end: last });
            partition.advance();
        }
        Ok(partition)
    }

    /// Where nothing more becomes of anything before it.
    pub fn start_offset(&self) -> Offset {
        self.start
    }

    /// The last offset that was delivered; with nothing in flight, the next to be delivered.
    pub fn end_offset(&self) -> Offset {
        self.end
    }

    /// The leader epoch in which this node leads the partition.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// When the next lock times out.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.locks.next()
    }

    /// What is to be written of changes.
    pub fn write(&self, batches: Vec<StateBatch>) -> Write {
        Write {
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset: self.start,
            delivery_complete_count: i32::try_from(self.complete).unwrap_or(i32::MAX),
            batches,
        }
    }

    /// The next offset to be read for the group: the first that is free, else the one behind the end.
    pub fn next_fetch_offset(&mut self) -> Offset {
        let is_fresh = self.last().is_none_or(|last| self.start > last);
        if is_fresh {
            self.has_free = false;
            return self.end;
        }
        if self.has_free {
            match self.first_free() {
                Some(offset) => return offset,
                None => self.has_free = false,
            }
        }
        self.end.next()
    }

    fn first_free(&self) -> Option<Offset> {
        let mut gap = self.active_gaps().map(|gaps| gaps.from);
        for (first, batch) in &self.batches {
            if let Some(from) = gap {
                if *first > from {
                    return Some(from);
                }
                gap = Some(from.max(batch.last.next()));
            }
            let free = match &batch.records {
                Records::Whole(delivery) => delivery.is_free().then_some(*first),
                Records::Each(each) => each.iter().find(|(_, delivery)| delivery.is_free()).map(|(offset, _)| *offset),
            };
            if free.is_some() {
                return free;
            }
        }
        None
    }

    /// Whether the group may have more: something free before the end, or room behind it.
    pub fn can_acquire(&mut self, limits: &Limits) -> bool {
        self.next_fetch_offset() != self.end.next() || self.in_flight() < i64::from(limits.record_locks)
    }

    /// Offsets from the start to the end, if anything is in flight.
    pub(super) fn in_flight(&self) -> i64 {
        if self.batches.is_empty() { 0 } else { (self.end - self.start).saturating_add(1) }
    }

    /// The last offset of the last batch.
    pub(super) fn last(&self) -> Option<Offset> {
        self.batches.last_key_value().map(|(_, batch)| batch.last)
    }

    /// The batch at or before an offset.
    pub(super) fn floor(&self, offset: Offset) -> Option<(Offset, &InFlight)> {
        self.batches.range(..=offset).next_back().map(|(first, batch)| (*first, batch))
    }

    /// Whether the start lies within a batch, behind its first record.
    pub(super) fn starts_within(&self, first: Offset, last: Offset) -> bool {
        first < self.start && self.start <= last
    }

    /// How many of the offsets lie from the start on.
    pub(super) fn counted(&self, first: Offset, last: Offset) -> i64 {
        if last >= self.start { (last - first.max(self.start)).saturating_add(1) } else { 0 }
    }

    fn active_gaps(&self) -> Option<Gaps> {
        self.gaps.filter(|gaps| gaps.end == self.end)
    }

    /// Whether there may be offsets before the end that are in no batch.
    pub(super) fn has_gaps(&self) -> bool {
        self.active_gaps().is_some()
    }

    /// The gaps up to `offset` are acquired.
    pub(super) fn close_gaps(&mut self, offset: Offset) {
        self.gaps = self.active_gaps().filter(|gaps| offset <= gaps.end).map(|gaps| Gaps { from: offset, ..gaps });
    }

    /// Completes changes: as they were begun if they are `written`. Answers whether the start moved.
    pub fn complete(&mut self, begun: &Begun, written: bool) -> bool {
        for changed in &begun.0 {
            self.complete_one(changed, written);
        }
        written && self.advance()
    }

    fn complete_one(&mut self, changed: &StateBatch, written: bool) {
        let start = self.start;
        let Some((_, batch)) = self.batches.range_mut(..=changed.first).next_back() else { return };
        let was_terminal = RecordState::from_id(changed.delivery_state).is_some_and(RecordState::is_terminal);
        let (mut freed, mut taken_back) = (false, 0);
        let mut settle = |delivery: &mut Delivery, first: Offset, last: Offset, locks: &mut Locks| {
            if delivery.complete(written) {
                unlock(locks, first);
            }
            freed |= delivery.state == RecordState::Available;
            if !written && was_terminal && !delivery.state.is_terminal() && last >= start {
                taken_back += last - first.max(start) + 1;
            }
        };
        match &mut batch.records {
            Records::Whole(delivery) => settle(delivery, changed.first, changed.last, &mut self.locks),
            Records::Each(each) => {
                for (offset, delivery) in each.range_mut(changed.first..=changed.last) {
                    settle(delivery, *offset, *offset, &mut self.locks);
                }
            }
        }
        self.has_free |= freed;
        self.complete -= taken_back;
    }

    /// Moves the start over the records of which nothing more becomes, and forgets them. Answers whether it moved.
    pub fn advance(&mut self) -> bool {
        if !self.can_advance() {
            return false;
        }
        let (Some((settled, count)), Some(last)) = (self.last_settled(), self.last()) else { return false };
        if settled == last {
            self.start = last.next();
            self.end = last.next();
            self.batches.clear();
            self.locks = Locks::default();
            self.complete = 0;
            return true;
        }
        let Some((first, batch)) = self.floor(settled) else { return false };
        let keep_from = if batch.last == settled {
            let next = self.batches.range(settled.next()..).next().map(|(first, _)| *first);
            self.start = self.start.max(next.unwrap_or(settled.next()));
            if let Some(gaps) = self.active_gaps() {
                self.start = self.start.min(gaps.from);
            }
            settled.next()
        } else {
            self.start = self.start.max(settled.next());
            first
        };
        self.complete -= count;
        self.batches = self.batches.split_off(&keep_from);
        true
    }

    fn can_advance(&self) -> bool {
        let Some((_, batch)) = self.floor(self.start) else { return false };
        let delivery = match &batch.records {
            Records::Whole(delivery) => Some(delivery),
            Records::Each(each) => each.get(&self.start),
        };
        delivery.is_some_and(|delivery| !delivery.is_changing() && delivery.state.is_terminal())
    }

    /// The last offset up to which nothing more becomes of any record, and how many there are from the start on.
    fn last_settled(&self) -> Option<(Offset, i64)> {
        let is_settled = |delivery: &Delivery| !delivery.is_changing() && delivery.state.is_terminal();
        let (mut settled, mut count) = (None, 0);
        for (first, batch) in &self.batches {
            if self.active_gaps().is_some_and(|gaps| batch.last >= gaps.from) {
                break;
            }
            match &batch.records {
                Records::Whole(delivery) if is_settled(delivery) => {
                    settled = Some(batch.last);
                    count += self.counted(*first, batch.last);
                }
                Records::Whole(_) => break,
                Records::Each(each) => {
                    for (offset, _) in each.iter().take_while(|(_, delivery)| is_settled(delivery)) {
                        settled = Some(*offset);
                        count += i64::from(*offset >= self.start);
                    }
                    if settled != Some(batch.last) {
                        break;
                    }
                }
            }
        }
        settled.map(|settled| (settled, count))
    }

    /// The log begins at `log_start` now: what was free before it is gone, what is acquired is given up when it comes
    /// back.
    pub fn log_start_moved(&mut self, log_start: Offset) {
        if log_start <= self.start {
            return;
        }
        if self.batches.is_empty() {
            (self.start, self.end, self.complete) = (log_start, log_start, 0);
            return;
        }
        let gone = self.settled_before(log_start);
        if self.archive(self.start, log_start, None, RecordState::Available, false) {
            self.has_free = true;
        }
        self.start = log_start;
        self.complete -= gone;
        self.end = self.end.max(log_start);
    }

    /// How many records from the start on, but before `offset`, nothing more becomes of.
    fn settled_before(&self, offset: Offset) -> i64 {
        let mut count = 0;
        for (first, batch) in self.batches.range(..offset) {
            count += match &batch.records {
                Records::Whole(delivery) if delivery.state.is_terminal() => {
                    self.counted(*first, batch.last.min(offset + -1))
                }
                Records::Whole(_) => 0,
                Records::Each(each) => {
                    let settled = each
                        .iter()
                        .filter(|(at, delivery)| **at >= self.start && **at < offset && delivery.state.is_terminal());
                    settled.count() as i64
                }
            };
        }
        count
    }

    /// Archives what is in a state `from` an offset and before another one, in batches that begin at or behind
    /// `first_batch`. Answers whether anything was.
    pub(super) fn archive(
        &mut self,
        from: Offset,
        before: Offset,
        first_batch: Option<Offset>,
        state: RecordState,
        counts: bool,
    ) -> bool {
        let mut archived = 0;
        let locks = &mut self.locks;
        let begin = first_batch.unwrap_or(Offset(i64::MIN));
        for (first, batch) in self.batches.range_mut(begin..).take_while(|(first, _)| **first < before) {
            let is_within = batch.is_within(*first, from, before + -1);
            match &mut batch.records {
                Records::Whole(delivery) if delivery.state != state => continue,
                Records::Whole(delivery) if is_within => {
                    delivery.archive();
                    unlock(locks, *first);
                    archived += batch.last - *first + 1;
                    continue;
                }
                Records::Whole(_) | Records::Each(_) => {}
            }
            let last = before + -1;
            if from > last {
                continue;
            }
            for (offset, delivery) in batch.split(*first, locks).range_mut(from..=last) {
                if delivery.state == state {
                    delivery.archive();
                    unlock(locks, *offset);
                    archived += 1;
                }
            }
        }
        if counts {
            self.complete += archived;
        }
        archived > 0
    }
}
