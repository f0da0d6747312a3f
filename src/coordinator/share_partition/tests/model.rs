//! Random histories against a reference that knows each record by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::acknowledge::AckType;
use super::super::acquire::AcquireMode;
use super::super::delivery::RecordState;
use super::super::partition::Limits;
use super::bench::{Bench, LIMITS, acknowledgement, at, batch, load, state};
use crate::coordinator::testing::Random;
use crate::types::{Millis, Offset};

/// What the reference knows of a record.
#[derive(Clone, PartialEq, Debug)]
struct Known {
    state: RecordState,
    count: i32,
    /// Who has it, and until when.
    owner: Option<(Arc<str>, i64)>,
}

struct Model {
    bench: Bench,
    records: BTreeMap<i64, Known>,
    /// What was written, by offset: the highest count, and the highest state of that.
    written: BTreeMap<i64, (i16, i8)>,
}

const WORDS: [(&str, AckType); 5] = [
    ("accept", AckType::Accept),
    ("release", AckType::Release),
    ("reject", AckType::Reject),
    ("renew", AckType::Renew),
    ("gap", AckType::Gap),
];

impl Model {
    fn new(random: &mut Random) -> Model {
        let mut log = Vec::new();
        let mut next = 0;
        while next < 3_000 {
            let last = next + random.below(12) as i64;
            log.push(batch(next, last));
            next = last + 1;
        }
        let limits = Limits { delivery_count: 2 + random.below(4) as i32, ..LIMITS };
        let bench = Bench {
            partition: load(0, Vec::new()),
            limits,
            log,
            aborted: Vec::new(),
            now: 0,
            open: Vec::new(),
            told: Vec::new(),
        };
        Model { bench, records: BTreeMap::new(), written: BTreeMap::new() }
    }

    fn acquire(&mut self, member: &Arc<str>, random: &mut Random) {
        let mode = if random.below(2) == 0 { AcquireMode::RecordLimit } else { AcquireMode::BatchOptimized };
        let (max, size) = (1 + random.below(20) as i32, 1 + random.below(30) as i32);
        let acquired = self.bench.acquire(member, mode, max, size, 1 + random.below(4) as usize);
        let total: i64 = acquired.iter().map(|range| range.span()).sum();
        assert!(mode == AcquireMode::BatchOptimized || total <= max.into(), "{total} of {max}");
        let until = self.bench.now + self.bench.limits.lock_duration.0;
        for range in acquired {
            for offset in range.first.0..=range.last.0 {
                let known = self.records.entry(offset).or_insert(Known {
                    state: RecordState::Available,
                    count: 0,
                    owner: None,
                });
                assert_eq!(known.state, RecordState::Available, "{offset}");
                known.count += 1;
                assert_eq!(known.count, i32::from(range.delivery_count), "{offset}");
                (known.state, known.owner) = (RecordState::Acquired, Some((member.clone(), until)));
            }
        }
    }

    /// A stretch that the member has, and what it says of it.
    fn acknowledge(&mut self, member: &Arc<str>, random: &mut Random) {
        let is_its = |known: &Known| known.owner.as_ref().is_some_and(|(owner, _)| owner == member);
        let its: Vec<i64> = self.records.iter().filter(|(_, known)| is_its(known)).map(|(offset, _)| *offset).collect();
        if its.is_empty() {
            return;
        }
        let begin = random.below(its.len() as u64) as usize;
        let run = its[begin..].iter().zip(its[begin]..).take_while(|(offset, expected)| *offset == expected).count();
        let len = 1 + random.below(run as u64) as i64;
        let (first, last) = (its[begin], its[begin] + len - 1);
        let words: Vec<usize> = (0..len).map(|_| random.below(5) as usize).collect();
        let each = random.below(3) == 0;
        let said = if each {
            words.iter().map(|word| WORDS[*word].0).collect::<Vec<_>>().join(",")
        } else {
            WORDS[words[0]].0.to_owned()
        };
        let said = acknowledgement(&format!("{first}-{last}"), &said);
        let now = Millis(self.bench.now);
        let stranger: Arc<str> = "nobody".into();
        assert!(
            self.bench.partition.acknowledge(&stranger, std::slice::from_ref(&said), &self.bench.limits, now).is_err()
        );
        let begun = self.bench.partition.acknowledge(member, &[said], &self.bench.limits, now).unwrap();
        let is_written = random.below(5) > 0;
        if is_written {
            self.write(&begun.0);
        }
        self.bench.partition.complete(&begun, is_written);
        for (at, offset) in (first..=last).enumerate() {
            let word = WORDS[if each { words[at] } else { words[0] }].1;
            let limit = self.bench.limits.delivery_count;
            let until = self.bench.now + self.bench.limits.lock_duration.0;
            let known = self.records.get_mut(&offset).unwrap();
            let next = match word {
                AckType::Renew => {
                    known.owner = Some((member.clone(), until));
                    continue;
                }
                AckType::Accept => RecordState::Acknowledged,
                AckType::Release if known.count < limit => RecordState::Available,
                AckType::Release | AckType::Reject | AckType::Gap => RecordState::Archived,
            };
            if is_written {
                (known.state, known.owner) = (next, None);
            }
        }
    }

    fn give_back(&mut self, wanted: impl Fn(&Arc<str>, i64) -> bool) {
        let limit = self.bench.limits.delivery_count;
        for known in self.records.values_mut() {
            if known.owner.as_ref().is_some_and(|(owner, until)| wanted(owner, *until)) {
                known.state = if known.count < limit { RecordState::Available } else { RecordState::Archived };
                known.owner = None;
            }
        }
    }

    fn write(&mut self, batches: &[crate::coordinator::share::StateBatch]) {
        for batch in batches {
            for offset in batch.first.0..=batch.last.0 {
                let written = self.written.entry(offset).or_default();
                *written = (*written).max((batch.delivery_count, batch.delivery_state));
            }
        }
    }

    /// Another broker goes on with what was written.
    fn restart(&mut self) {
        let start = self.bench.partition.start_offset().0;
        let kept: BTreeMap<i64, (i16, i8)> = self.written.range(start..).map(|(at, written)| (*at, *written)).collect();
        let batches = kept.iter().map(|(at, (count, id))| state(*at, *at, *count, *id)).collect();
        self.bench.partition = load(start, batches);
        self.records.retain(|offset, _| *offset < start || kept.contains_key(offset));
        for (offset, (count, id)) in kept {
            let state = RecordState::from_id(id).unwrap();
            self.records.insert(offset, Known { state, count: count.into(), owner: None });
        }
    }

    fn check(&mut self, seed: u64, step: usize) {
        let partition = &mut self.bench.partition;
        partition.advance();
        let (start, end) = (partition.start_offset().0, partition.end_offset().0);
        let mut settled = 0;
        for (offset, known) in &self.records {
            let is_terminal = known.state.is_terminal();
            if *offset < start {
                assert!(is_terminal, "seed {seed} step {step}: {offset} was passed over");
                continue;
            }
            settled += i64::from(is_terminal);
            let found = at(partition, Offset(*offset));
            let found = found.unwrap_or_else(|| panic!("seed {seed} step {step}: {offset} is not in flight"));
            let owner = known.owner.as_ref().map(|(owner, _)| owner.clone());
            assert_eq!(
                (found.state, found.count, found.member.clone()),
                (known.state, known.count, owner),
                "seed {seed} step {step}: {offset}"
            );
        }
        assert_eq!(partition.complete, settled, "seed {seed} step {step}");
        let first_open =
            (start..=end).find(|offset| self.records.get(offset).is_none_or(|known| !known.state.is_terminal()));
        assert!(
            partition.has_gaps() || partition.batches.is_empty() || first_open == Some(start),
            "seed {seed} step {step}: the start could move"
        );
        let next = partition.next_fetch_offset();
        let free = self.records.range(start..).find(|(_, known)| known.state == RecordState::Available);
        assert!(free.is_none_or(|(free, _)| next.0 <= *free), "seed {seed} step {step}: {next} is behind {free:?}");
    }
}

#[test]
fn every_record_goes_the_way_its_members_say() {
    for seed in 1..120 {
        let random = &mut Random::seeded(seed);
        let mut model = Model::new(random);
        let members: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
        for step in 0..150 {
            let member = members[random.below(3) as usize].clone();
            match random.below(20) {
                0..8 => model.acquire(&member, random),
                8..16 => model.acknowledge(&member, random),
                16 => {
                    let begun = model.bench.partition.release(&member, &model.bench.limits);
                    model.write(&begun.0);
                    model.bench.partition.complete(&begun, true);
                    model.give_back(|owner, _| *owner == member);
                }
                17 if random.below(3) == 0 => model.restart(),
                _ => {
                    model.bench.now += random.below(20_000) as i64;
                    let now = model.bench.now;
                    let expired = model.bench.partition.expire(&model.bench.limits, Millis(now));
                    model.write(&expired);
                    model.give_back(|_, until| until <= now);
                }
            }
            model.check(seed, step);
        }
    }
}
