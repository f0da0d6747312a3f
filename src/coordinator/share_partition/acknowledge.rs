//! What members say of the records they have, and what happens when they say nothing in time.

use std::sync::Arc;

use crate::coordinator::share::StateBatch;
use crate::state_machine::TimerChange;
use crate::types::{Millis, Offset};

use super::delivery::{Delivery, RecordState};
use super::in_flight::{InFlight, Locks, Records, lock};
use super::partition::{Begun, Limits, SharePartition};

/// What a member says of records it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckType {
    /// There is no such record.
    Gap,
    Accept,
    /// Somebody else may have it.
    Release,
    /// Nobody can do anything with it.
    Reject,
    /// It takes longer (KIP-1222).
    Renew,
}

impl AckType {
    /// The type of that number.
    pub fn from_id(id: i8) -> Option<AckType> {
        match id {
            0 => Some(AckType::Gap),
            1 => Some(AckType::Accept),
            2 => Some(AckType::Release),
            3 => Some(AckType::Reject),
            4 => Some(AckType::Renew),
            _ => None,
        }
    }

    /// What becomes of the record; nothing if the member keeps it.
    fn outcome(self) -> Option<RecordState> {
        match self {
            AckType::Gap | AckType::Reject => Some(RecordState::Archived),
            AckType::Accept => Some(RecordState::Acknowledged),
            AckType::Release => Some(RecordState::Available),
            AckType::Renew => None,
        }
    }
}

/// What a member says of a stretch of offsets, which is not empty: the same of all, or one thing of each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acknowledgement {
    pub first: Offset,
    pub last: Offset,
    pub types: Vec<AckType>,
}

impl Acknowledgement {
    fn of(&self, offset: Offset) -> AckType {
        let at = if self.types.len() > 1 { usize::try_from(offset - self.first).unwrap_or_default() } else { 0 };
        self.types.get(at).copied().unwrap_or(AckType::Gap)
    }
}

/// Why an acknowledgement is refused. Nothing of the request has happened but renewals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckError {
    /// The records are not the member's: INVALID_RECORD_STATE.
    State(&'static str),
    /// There are no such records: INVALID_REQUEST.
    Request(&'static str),
}

const NOT_ACQUIRED: AckError =
    AckError::State("The batch cannot be acknowledged. The batch is not in the acquired state.");
const PART_NOT_ACQUIRED: AckError =
    AckError::State("The batch cannot be acknowledged. The subset batch is not in the acquired state.");
const OFFSET_NOT_ACQUIRED: AckError = AckError::State("The offset cannot be acknowledged. The offset is not acquired.");
const CHANGING: AckError =
    AckError::State("The record state is invalid. The acknowledgement of delivery could not be completed.");
const NOT_THE_OWNER: AckError = AckError::State("Member is not the owner of batch record");
const NOT_THE_OWNER_OF_OFFSET: AckError = AckError::State("Member is not the owner of offset");
const MAY_NOT_RENEW: AckError = AckError::State("Renewing acquisition locks is not enabled for the group.");
const NOT_FOUND: AckError =
    AckError::State("Batch record not found. The request batch offsets are not found in the cache.");
const FIRST_NOT_FOUND: AckError =
    AckError::Request("Batch record not found. The first offset in request is past acquired records.");
const LAST_NOT_FOUND: AckError =
    AckError::Request("Batch record not found. The last offset in request is past acquired records.");

/// A change on its way, with all that it takes.
struct Change<'a> {
    member: &'a str,
    limits: &'a Limits,
    /// When renewed locks time out.
    until: Millis,
    begun: Vec<StateBatch>,
    /// Records of which nothing more becomes.
    settled: i64,
}

impl Change<'_> {
    /// Begins what an acknowledgement says of records that share a state.
    fn begin(
        &mut self,
        delivery: &mut Delivery,
        first: Offset,
        last: Offset,
        said: AckType,
        locks: &mut Locks,
    ) -> Result<(), AckError> {
        let Some(next) = said.outcome() else {
            if !self.limits.may_renew {
                return Err(MAY_NOT_RENEW);
            }
            lock(locks, first, self.until);
            return Ok(());
        };
        match delivery.begin(next, self.limits.delivery_count) {
            true => {
                self.note(delivery, first, last, (last - first).saturating_add(1));
                Ok(())
            }
            false => Err(AckError::State("Unable to acknowledge records for the batch")),
        }
    }

    fn note(&mut self, delivery: &Delivery, first: Offset, last: Offset, counted: i64) {
        let delivery_count = i16::try_from(delivery.count).unwrap_or(i16::MAX);
        self.begun.push(StateBatch { first, last, delivery_count, delivery_state: delivery.state.id() });
        if delivery.state.is_terminal() {
            self.settled += counted;
        }
    }
}

impl SharePartition {
    /// Begins what a member says of records. On an error all of it is taken back.
    pub fn acknowledge(
        &mut self,
        member: &Arc<str>,
        said: &[Acknowledgement],
        limits: &Limits,
        now: Millis,
    ) -> Result<Begun, AckError> {
        let until = now + limits.lock_duration;
        let mut change = Change { member: member.as_ref(), limits, until, begun: Vec::new(), settled: 0 };
        let mut outcome = Ok(());
        let start = self.start;
        for acknowledgement in said.iter().filter(|said| said.last >= start) {
            outcome = self.acknowledge_one(&mut change, acknowledgement);
            if outcome.is_err() {
                break;
            }
        }
        self.complete += change.settled;
        let begun = Begun(change.begun);
        if outcome.is_err() {
            self.complete(&begun, false);
        }
        outcome.map(|()| begun)
    }

    fn acknowledge_one(&mut self, change: &mut Change<'_>, said: &Acknowledgement) -> Result<(), AckError> {
        if said.last < said.first {
            return Err(NOT_FOUND);
        }
        let mut holder = self.floor(said.first).map(|(first, _)| first);
        if holder.is_none() && self.starts_within(said.first, said.last) {
            holder = self.floor(self.start).map(|(first, _)| first);
        }
        let holder = holder.ok_or(NOT_FOUND)?;
        let reached = self.floor(said.last).map(|(_, batch)| batch.last).ok_or(NOT_FOUND)?;
        if reached < said.first {
            return Err(FIRST_NOT_FOUND);
        }
        if reached < said.last {
            return Err(LAST_NOT_FOUND);
        }
        let start = self.start;
        for (first, batch) in self.batches.range_mut(holder..=said.last) {
            if batch.last >= start {
                acknowledge_batch(change, said, (*first, batch), start, &mut self.locks)?;
            }
        }
        Ok(())
    }

    /// Begins to give back all that a member has: it is gone, or its session is.
    pub fn release(&mut self, member: &Arc<str>, limits: &Limits) -> Begun {
        let mut change = Change { member: member.as_ref(), limits, until: Millis::MAX, begun: Vec::new(), settled: 0 };
        let start = self.start;
        for (first, batch) in &mut self.batches {
            let is_whole = |delivery: &Delivery| delivery.state == RecordState::Acquired && delivery.is_of(member);
            if *first < start && start <= batch.last && batch.shared().is_some_and(is_whole) {
                batch.split(*first, &mut self.locks);
            }
            let last = batch.last;
            let mut give_back = |delivery: &mut Delivery, first: Offset, last: Offset, counted: i64| {
                let next = if last < start { RecordState::Archived } else { RecordState::Available };
                if is_whole(delivery) && delivery.begin(next, limits.delivery_count) {
                    change.note(delivery, first, last, counted);
                }
            };
            match &mut batch.records {
                Records::Whole(delivery) => {
                    let counted = if last >= start { (last - (*first).max(start)).saturating_add(1) } else { 0 };
                    give_back(delivery, *first, last, counted);
                }
                Records::Each(each) => {
                    for (offset, delivery) in each {
                        give_back(delivery, *offset, *offset, i64::from(*offset >= start));
                    }
                }
            }
        }
        self.complete += change.settled;
        Begun(change.begun)
    }

    /// Takes back what is locked for too long. Answers what is to be written of it, which is done whether or not it
    /// can be.
    pub fn expire(&mut self, limits: &Limits, now: Millis) -> Vec<StateBatch> {
        let mut change = Change { member: "", limits, until: Millis::MAX, begun: Vec::new(), settled: 0 };
        while let Some(at) = self.locks.pop_due(now) {
            let start = self.start;
            let Some((first, batch)) = self.batches.range_mut(..=at).next_back() else { continue };
            let (first, last) = (*first, batch.last);
            let is_acquired = |delivery: &Delivery| delivery.state == RecordState::Acquired;
            if first < start && start <= last && batch.shared().is_some_and(is_acquired) {
                self.locks.apply(TimerChange::Set(first, now));
                batch.split(first, &mut self.locks);
                continue;
            }
            let (delivery, last) = match &mut batch.records {
                Records::Whole(_) if first != at => continue,
                Records::Whole(delivery) => (delivery, last),
                Records::Each(each) => match each.get_mut(&at) {
                    Some(delivery) => (delivery, at),
                    None => continue,
                },
            };
            if delivery.is_changing() {
                delivery.expired = true;
                continue;
            }
            let next = if last < start { RecordState::Archived } else { RecordState::Available };
            if is_acquired(delivery) && delivery.leave(next, limits.delivery_count) {
                self.has_free |= delivery.state == RecordState::Available;
                let counted = if last >= start { (last - at.max(start)).saturating_add(1) } else { 0 };
                change.note(delivery, at, last, counted);
            }
        }
        self.complete += change.settled;
        change.begun
    }
}

/// Begins what is said of the records of one batch.
fn acknowledge_batch(
    change: &mut Change<'_>,
    said: &Acknowledgement,
    (first, batch): (Offset, &mut InFlight),
    start: Offset,
    locks: &mut Locks,
) -> Result<(), AckError> {
    let is_part = !batch.is_within(first, said.first, said.last) || (first < start && start <= batch.last);
    if let Records::Whole(delivery) = &mut batch.records {
        match &delivery.member {
            None => return Err(NOT_ACQUIRED),
            Some(owner) if **owner != *change.member => return Err(NOT_THE_OWNER),
            Some(_) => {}
        }
        if delivery.is_changing() {
            return Err(CHANGING);
        }
        let is_acquired = delivery.state == RecordState::Acquired;
        match (is_part || said.types.len() > 1, is_acquired) {
            (true, false) => return Err(PART_NOT_ACQUIRED),
            (false, false) => return Err(NOT_ACQUIRED),
            (false, true) => return change.begin(delivery, first, batch.last, said.of(said.first), locks),
            (true, true) => {}
        }
    }
    let (from, to) = (said.first.max(start), said.last);
    let each = batch.split(first, locks).iter_mut().filter(|(offset, _)| **offset >= from && **offset <= to);
    for (offset, delivery) in each {
        if delivery.state != RecordState::Acquired {
            return Err(OFFSET_NOT_ACQUIRED);
        }
        if delivery.is_changing() {
            return Err(CHANGING);
        }
        if !delivery.is_of(change.member) {
            return Err(NOT_THE_OWNER_OF_OFFSET);
        }
        change.begin(delivery, *offset, *offset, said.of(*offset), locks)?;
    }
    Ok(())
}
