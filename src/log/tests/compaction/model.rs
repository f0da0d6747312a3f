//! Random histories of a compacted log: whatever is cleaned when, a reader ends up with the same table.

use proptest::prelude::*;

use super::transactions::committed;
use super::*;
use crate::log::Truncation;
use crate::protocol::control::EndTxnMarker;

/// Producers by number: none, an idempotent one, and transactional ones.
const PLAIN: u8 = 0;
const IDEMPOTENT: u8 = 1;
const PRODUCERS: u8 = 5;

#[derive(Clone, Debug)]
enum Step {
    /// Keys, and whether each gets a value or is deleted.
    Append {
        producer: u8,
        records: Vec<(u8, bool)>,
        codec: u8,
    },
    /// Ends a producer's transaction, if it has one.
    End {
        producer: u8,
        commit: bool,
    },
    Roll,
    /// A cleaning with room for so many keys.
    Clean(usize),
    Wait(u16),
    /// Cuts off the last batches, of no transaction.
    Cut(u8),
    Reopen {
        clean: bool,
        without_snapshots: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let records = proptest::collection::vec((0u8..12, proptest::bool::weighted(0.8)), 1..5);
    prop_oneof![
        12 => (0..PRODUCERS, records, 0u8..5).prop_map(|(producer, records, codec)| Step::Append {
            producer, records, codec
        }),
        4 => (2..PRODUCERS, any::<bool>()).prop_map(|(producer, commit)| Step::End { producer, commit }),
        2 => Just(Step::Roll),
        4 => prop_oneof![Just(1000usize), 2usize..8].prop_map(Step::Clean),
        2 => (0u16..2_000).prop_map(Step::Wait),
        1 => any::<u8>().prop_map(Step::Cut),
        1 => (any::<bool>(), any::<bool>())
            .prop_map(|(clean, without_snapshots)| Step::Reopen { clean, without_snapshots }),
    ]
}

/// A record as it was appended.
#[derive(Clone, Debug)]
struct Appended {
    found: Found,
    producer: u8,
}

#[derive(Default)]
struct Model {
    now: i64,
    records: Vec<Appended>,
    /// Where each producer's open transaction begins.
    open: BTreeMap<u8, i64>,
    /// Offsets of records that were aborted.
    aborted: std::collections::BTreeSet<i64>,
    /// Last sequence of each producer.
    sequences: BTreeMap<u8, i32>,
}

impl Model {
    /// What a reader of committed records has in its table at the end: by key, offset and value.
    fn table(&self) -> BTreeMap<Vec<u8>, Found> {
        let stable = self.open.values().min().copied().unwrap_or(i64::MAX);
        let visible =
            |appended: &&Appended| !self.aborted.contains(&appended.found.offset) && appended.found.offset < stable;
        tabled(self.records.iter().filter(visible).map(|appended| &appended.found))
    }
}

fn tabled<'f>(found: impl Iterator<Item = &'f Found>) -> BTreeMap<Vec<u8>, Found> {
    let mut table = BTreeMap::new();
    for found in found {
        let key = found.key.clone().unwrap();
        match found.value {
            Some(_) => table.insert(key, found.clone()),
            None => table.remove(&key),
        };
    }
    table
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_end_up_with_the_same_table(steps in proptest::collection::vec(step(), 1..80)) {
        let mut bench = bench();
        (bench.config.segment_bytes, bench.config.delete_retention_ms) = (700, 1_000);
        let mut log = bench.open_new();
        let mut model = Model { now: 1_000_000, ..Model::default() };
        for step in &steps {
            run(&bench, &mut log, &mut model, step);
            check(&log, &model, step)?;
        }
        // In the end nothing is open and everything is cleaned: then each key is there once.
        for producer in 2..PRODUCERS {
            run(&bench, &mut log, &mut model, &Step::End { producer, commit: producer % 2 == 0 });
        }
        log.roll().unwrap();
        run(&bench, &mut log, &mut model, &Step::Clean(1000));
        run(&bench, &mut log, &mut model, &Step::Clean(1000));
        check(&log, &model, &Step::Roll)?;
        let left = records_below_active(&log);
        let keys: std::collections::BTreeSet<_> = left.iter().map(|found| found.key.clone()).collect();
        prop_assert_eq!(keys.len(), left.len(), "a key is left twice: {:?}", left);
        for found in &left {
            prop_assert!(!model.aborted.contains(&found.offset), "aborted, and still there: {:?}", found);
        }
    }
}

fn run(bench: &Bench, log: &mut Arc<Log>, model: &mut Model, step: &Step) {
    match step {
        Step::Append { producer, records, codec } => append_step(log, model, *producer, records, *codec),
        Step::End { producer, commit } => {
            let Some(first) = model.open.remove(producer) else { return };
            let id = (ProducerId(i64::from(*producer)), ProducerEpoch(0));
            let marker = EndTxnMarker { commit: *commit, coordinator_epoch: 0, timestamp: Millis(model.now) };
            follow(log, marker.batch(Offset::ZERO, LeaderEpoch(0), id));
            if !commit {
                let of_txn = |appended: &&Appended| appended.producer == *producer && appended.found.offset >= first;
                model.aborted.extend(model.records.iter().filter(of_txn).map(|appended| appended.found.offset));
            }
        }
        Step::Roll => log.roll().unwrap(),
        Step::Clean(keys) => drop(try_clean(log, model.now, *keys).unwrap()),
        Step::Wait(time) => model.now += i64::from(*time),
        Step::Cut(share) => {
            let headers = headers(log);
            let tail = headers.iter().rev().take_while(|header| !header.is_transactional());
            let places: Vec<i64> =
                tail.filter(|header| header.base_offset >= log.active().base()).map(|h| h.base_offset.0).collect();
            let Some(&to) = places.get(usize::from(*share) % places.len().max(1)) else { return };
            if !model.open.is_empty() {
                return;
            }
            log.truncate(Truncation { to: Offset(to) }).unwrap();
            log.set_high_watermark(log.end_offset());
            model.records.retain(|appended| appended.found.offset < to);
            model.aborted.retain(|offset| *offset < to);
            model.sequences = sequences(log);
        }
        Step::Reopen { clean, without_snapshots } => {
            if *clean {
                log.close().unwrap();
            }
            if *without_snapshots && !clean {
                for name in files(&bench.dir(), ".snapshot") {
                    std::fs::remove_file(bench.dir().join(name)).unwrap();
                }
            }
            log.fail("it is opened anew");
            let mark = log.cleaning.cleaned_to();
            *log = bench.open(*clean, 0).unwrap();
            mark.into_iter().for_each(|mark| log.cleaning.set_cleaned_to(mark));
            log.set_high_watermark(log.end_offset());
        }
    }
}

fn append_step(log: &Arc<Log>, model: &mut Model, producer: u8, records: &[(u8, bool)], codec: u8) {
    let codec = Compression::ALL[usize::from(codec)];
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(codec, None);
    let base = log.end_offset().0;
    if producer != PLAIN {
        let next = model.sequences.get(&producer).map_or(0, |last| last + 1);
        builder = builder.producer(ProducerId(i64::from(producer)), ProducerEpoch(0), next);
        model.sequences.insert(producer, next + records.len() as i32 - 1);
    }
    if producer > IDEMPOTENT {
        builder = builder.transactional();
        model.open.entry(producer).or_insert(base);
    }
    for (n, (key, has_value)) in records.iter().enumerate() {
        let offset = base + n as i64;
        let key = format!("key-{key}").into_bytes();
        let value = has_value.then(|| format!("value of {offset} {}", "x".repeat(offset as usize % 40)).into_bytes());
        let timestamp = model.now + n as i64 % 3;
        builder.append(Millis(timestamp), Some(&key), value.as_deref(), &[]);
        let found = Found { offset, timestamp, key: Some(key), value };
        model.records.push(Appended { found, producer });
    }
    assert_eq!(follow(log, builder.build()), base);
}

fn check(log: &Log, model: &Model, step: &Step) -> Result<(), TestCaseError> {
    prop_assert_eq!(tabled(committed(log).iter()), model.table(), "after {:?}", step);
    let appended: BTreeMap<i64, &Found> = model.records.iter().map(|a| (a.found.offset, &a.found)).collect();
    for batch in batches(log, 0, 700) {
        let header = BatchHeader::parse(&batch).unwrap();
        if header.is_control() {
            continue;
        }
        for found in records_of(&batch) {
            prop_assert_eq!(Some(&&found), appended.get(&found.offset), "a record changed after {:?}", step);
        }
    }
    prop_assert_eq!(&sequences(log), &model.sequences, "after {:?}", step);
    Ok(())
}

/// The last sequence of each producer that the log remembers.
fn sequences(log: &Log) -> BTreeMap<u8, i32> {
    log.producers().iter().map(|entry| (entry.producer_id.0 as u8, entry.last_sequence())).collect()
}

/// Records of data below the active segment.
fn records_below_active(log: &Log) -> Vec<Found> {
    let active = log.active().base();
    let data = |batch: &Bytes| {
        let header = BatchHeader::parse(batch).unwrap();
        !header.is_control() && header.base_offset < active
    };
    batches(log, 0, 1 << 20).iter().filter(|batch| data(batch)).flat_map(records_of).collect()
}
