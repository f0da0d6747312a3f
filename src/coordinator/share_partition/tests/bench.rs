//! A share partition over a log of batches, and a small language for what its members do.
//!
//! Steps are separated by ` · `: `get m` (options `max=`, `limit` and `from=`), `ack m 0-4 accept`, `release m`, `wait N`, `lso N`, `next`,
//! `all`. A write is completed at once unless the step says `open` (completed by `written` or `lost`).

use std::sync::Arc;

use super::super::acknowledge::{AckError, AckType, Acknowledgement};
use super::super::acquire::{AcquireMode, AcquiredRecords, FetchedBatch, FetchedRecords, Wanted};
use super::super::delivery::{Delivery, RecordState};
use super::super::in_flight::Records;
use super::super::partition::{Begun, Limits, SharePartition};
use crate::coordinator::share::{ReadState, StateBatch};
use crate::coordinator::testing;
use crate::types::{LeaderEpoch, Millis, Offset, ProducerId};

pub const LIMITS: Limits =
    Limits { record_locks: 50, delivery_count: 5, lock_duration: Millis(30_000), may_renew: true };

/// A batch of the log.
pub fn batch(first: i64, last: i64) -> FetchedBatch {
    FetchedBatch {
        first: Offset(first),
        last: Offset(last),
        producer: ProducerId::NONE,
        is_transactional: false,
        is_abort_marker: false,
    }
}

/// A share partition of a group that begins at an offset.
pub fn fresh(start: i64) -> SharePartition {
    load(start, Vec::new())
}

/// A share partition with what was written of it.
pub fn load(start: i64, batches: Vec<StateBatch>) -> SharePartition {
    let read = ReadState { state_epoch: 0, start_offset: Offset(start), batches };
    SharePartition::load(Offset(start), &read, LeaderEpoch(0)).expect("it has a meaning")
}

/// A batch of a state.
pub fn state(first: i64, last: i64, delivery_count: i16, delivery_state: i8) -> StateBatch {
    StateBatch { first: Offset(first), last: Offset(last), delivery_count, delivery_state }
}

/// The state of one record, if it is in flight.
pub fn at(partition: &SharePartition, offset: Offset) -> Option<&Delivery> {
    let (_, batch) = partition.floor(offset)?;
    match &batch.records {
        _ if batch.last < offset => None,
        Records::Whole(delivery) => Some(delivery),
        Records::Each(each) => each.get(&offset),
    }
}

/// Runs a script over a log of ten records a batch, and compares what was told.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    check_over(fresh(0), LIMITS, script, expected);
}

/// As [`check`], over a share partition and under limits.
#[track_caller]
pub fn check_over(partition: SharePartition, limits: Limits, script: &str, expected: &str) {
    let log = (0..20).map(|number| batch(number * 10, number * 10 + 9)).collect();
    let mut bench = Bench { partition, limits, log, aborted: Vec::new(), now: 0, open: Vec::new(), told: Vec::new() };
    testing::steps(script).for_each(|step| bench.step(step));
    testing::compare(script, &bench.told, expected);
}

pub struct Bench {
    pub partition: SharePartition,
    pub limits: Limits,
    pub log: Vec<FetchedBatch>,
    pub aborted: Vec<(ProducerId, Offset)>,
    pub now: i64,
    pub open: Vec<Begun>,
    pub told: Vec<String>,
}

impl Bench {
    pub fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split_whitespace().collect();
        let (verb, name) = (words[0], words.get(1).copied().unwrap_or_default());
        let rest = words.get(2..).unwrap_or_default();
        let number = |key: &str, other: i64| {
            rest.iter().find_map(|word| word.strip_prefix(key)).map_or(other, |text| text.parse().unwrap())
        };
        let member: Arc<str> = name.into();
        let now = Millis(self.now);
        match verb {
            "get" => {
                let mode = if rest.contains(&"limit") { AcquireMode::RecordLimit } else { AcquireMode::BatchOptimized };
                let (max, bytes) = (number("max=", 500) as i32, number("batches=", 3) as usize);
                let acquired = self.acquire(&member, mode, max, number("size=", 500) as i32, bytes);
                self.told.push(text(&acquired));
            }
            "ack" => {
                let said = acknowledgement(rest[0], rest[1]);
                let begun = self.partition.acknowledge(&member, &[said], &self.limits, now);
                let told = begun.map(|begun| self.finish(begun, rest.contains(&"open")));
                self.told.push(match told {
                    Ok(()) => "ok".to_owned(),
                    Err(AckError::State(_)) => "not yours".to_owned(),
                    Err(AckError::Request(_)) => "no such records".to_owned(),
                });
            }
            "release" => {
                let begun = self.partition.release(&member, &self.limits);
                self.finish(begun, rest.contains(&"open"));
            }
            "written" | "lost" => {
                for begun in std::mem::take(&mut self.open) {
                    self.partition.complete(&begun, verb == "written");
                }
            }
            "wait" => {
                self.now += name.parse::<i64>().unwrap();
                self.partition.expire(&self.limits, Millis(self.now));
                self.partition.advance();
            }
            "lso" => self.partition.log_start_moved(Offset(name.parse().unwrap())),
            "next" => {
                let next = self.partition.next_fetch_offset();
                let (start, room) = (self.partition.start_offset(), self.partition.can_acquire(&self.limits));
                self.told.push(format!("{start}..{next}{}", if room { "" } else { " full" }));
            }
            "all" => self.tell_all(),
            _ => panic!("unknown step {step}"),
        }
    }

    fn finish(&mut self, begun: Begun, stays_open: bool) {
        match stays_open {
            true => self.open.push(begun),
            false => {
                self.partition.complete(&begun, true);
            }
        }
    }

    /// Reads some batches from where the share partition wants to be read, and acquires of them.
    pub fn acquire(
        &mut self,
        member: &Arc<str>,
        mode: AcquireMode,
        max_records: i32,
        batch_size: i32,
        batches: usize,
    ) -> Vec<AcquiredRecords> {
        if !self.partition.can_acquire(&self.limits) {
            return Vec::new();
        }
        let fetch_offset = self.partition.next_fetch_offset();
        let readable = self.log.iter().filter(|batch| batch.last >= fetch_offset).take(batches);
        let aborted = self.aborted.clone();
        let fetched = FetchedRecords { fetch_offset, batches: readable.copied().collect(), aborted };
        let wanted = Wanted { member: member.clone(), mode, batch_size, max_records };
        self.partition.acquire(&wanted, &fetched, &self.limits, Millis(self.now))
    }

    fn tell_all(&mut self) {
        let mut told: Vec<(i64, i64, String)> = Vec::new();
        for offset in self.partition.start.0..=self.partition.end.0 {
            let Some(delivery) = at(&self.partition, Offset(offset)) else { continue };
            let state = match delivery.state {
                RecordState::Available => "free".to_owned(),
                RecordState::Acquired => delivery.member.as_deref().unwrap_or_default().to_owned(),
                RecordState::Acknowledged => "done".to_owned(),
                RecordState::Archiving => "archiving".to_owned(),
                RecordState::Archived => "gone".to_owned(),
            };
            let state = format!("{state}*{}", delivery.count);
            match told.last_mut() {
                Some((_, last, before)) if *last + 1 == offset && *before == state => *last = offset,
                _ => told.push((offset, offset, state)),
            }
        }
        let told: Vec<String> =
            told.into_iter().map(|(first, last, state)| format!("{first}-{last} {state}")).collect();
        self.told.push(told.join(", "));
    }
}

/// What a word says of a range of offsets.
pub fn acknowledgement(range: &str, said: &str) -> Acknowledgement {
    let (first, last) = range.split_once('-').unwrap();
    let types = said.split(',').map(|word| match word {
        "gap" => AckType::Gap,
        "accept" => AckType::Accept,
        "release" => AckType::Release,
        "reject" => AckType::Reject,
        "renew" => AckType::Renew,
        _ => panic!("{word} says nothing"),
    });
    Acknowledgement {
        first: Offset(first.parse().unwrap()),
        last: Offset(last.parse().unwrap()),
        types: types.collect(),
    }
}

fn text(acquired: &[AcquiredRecords]) -> String {
    let one = |range: &AcquiredRecords| format!("{}-{}*{}", range.first, range.last, range.delivery_count);
    acquired.iter().map(one).collect::<Vec<_>>().join(" ")
}
