//! One run from one seed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::faults::Faults;
use super::invariants::Violation;
use super::others::{CLASSIC, CONSUMER, MIXED};
use super::planted::Bug;
use super::shard::{ID_EXPIRATION_MS, elect_groups, elect_transactions};
use super::world::{Sim, TOPICS, World};
use super::{classic, consumer, others, producer, share};
use crate::config::{ConfigStore, load};
use crate::coordinator::group::Surroundings;
use crate::coordinator::transaction::{Producer, Record, Transaction};
use crate::log::append::AppendOrigin;
use crate::log::producer_state::AppendContext;
use crate::types::{ProducerEpoch, ProducerId, TopicPartition};

/// Steps in which things go wrong.
const STEPS: usize = 420;
/// An epoch from which it is not far to the last.
const HIGH_EPOCH: i16 = i16::MAX - 6;

/// What came of a run.
pub struct Report {
    pub seed: u64,
    pub violation: Option<Violation>,
    pub hash: u64,
    pub trace: Vec<String>,
    pub figures: BTreeMap<String, u64>,
}

/// Runs a seed, with a bug or without.
pub fn run(seed: u64, planted: Option<Bug>, configs: &Arc<ConfigStore>) -> Report {
    let sim = World::new(seed, planted, |image| Surroundings::new(image.clone(), configs.clone()));
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(&sim))) {
        let told = panic.downcast_ref::<String>().cloned();
        let told = told.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        sim.violate("no panic", told.unwrap_or_default());
    }
    let (hash, trace) = sim.trace();
    let violation = sim.violation.borrow().clone();
    let figures = std::mem::take(&mut *sim.figures.borrow_mut());
    sim.end();
    Report { seed, violation, hash, trace, figures }
}

/// The configs that consumer groups go by.
pub fn configs() -> Arc<ConfigStore> {
    Arc::new(ConfigStore::new(load(None, &[], &|_| None).expect("the defaults").broker))
}

fn play(sim: &Sim) {
    exhaust(sim, "worn");
    elect_groups(sim);
    elect_transactions(sim);
    populate(sim);
    let mut faults = Faults::new(sim);
    for _ in 0..STEPS {
        sim.pass(1 + sim.below(70) as i64);
        sim.turn();
        faults.strike(sim);
        if !holds(sim) {
            return;
        }
    }
    faults.end(sim);
    sim.closing.set(true);
    // Everybody finishes, and what is left open times out.
    if !settle(sim, &mut faults, 260, 50) {
        return;
    }
    sim.silent.set(true);
    if !settle(sim, &mut faults, 60, 1_500) {
        return;
    }
    if sim.chance(20) {
        sim.pass(2 * i64::from(ID_EXPIRATION_MS));
    }
    if !settle(sim, &mut faults, 60, 1_000) {
        return;
    }
    finish(sim, &mut faults);
}

fn holds(sim: &Sim) -> bool {
    sim.oracle.borrow_mut().observe(sim);
    sim.violation.borrow().is_none()
}

fn settle(sim: &Sim, faults: &mut Faults, steps: usize, millis: i64) -> bool {
    for _ in 0..steps {
        sim.pass(millis);
        sim.turn();
        faults.replicate(sim, 100);
        if !holds(sim) {
            return false;
        }
    }
    true
}

/// Reads all offsets once more from coordinators that were read anew, and looks at what is left.
fn finish(sim: &Sim, faults: &mut Faults) {
    for (invariant, told) in sim.oracle.borrow().at_rest(sim) {
        sim.violate(invariant, told);
    }
    let waiting = sim.tasks();
    let workers = 1;
    if waiting > workers {
        sim.violate("everything is answered", format!("{} tasks still wait", waiting - workers));
    }
    sim.groups.crash();
    elect_groups(sim);
    let reader = sim.clone();
    sim.spawn(async move {
        for group in others::GROUPS {
            for (topic, partitions) in TOPICS {
                for index in 0..partitions {
                    let partition = TopicPartition::new(topic, index);
                    if others::fetch(&reader, group, partition, true).await.is_none() {
                        reader.violate("everything is answered", format!("{group}: {topic}-{index} cannot be fetched"));
                    }
                }
            }
        }
    });
    settle(sim, faults, 120, 20);
}

fn populate(sim: &Sim) {
    sim.spawn(producer::application(sim.clone(), "new", true));
    sim.spawn(producer::application(sim.clone(), "old", false));
    sim.spawn(producer::application(sim.clone(), "worn", true));
    sim.spawn(classic::member(sim.clone(), CLASSIC, "a", None));
    sim.spawn(classic::member(sim.clone(), CLASSIC, "b", None));
    sim.spawn(classic::member(sim.clone(), CLASSIC, "s", Some("i")));
    sim.spawn(consumer::member(sim.clone(), CONSUMER, "c", None));
    sim.spawn(consumer::member(sim.clone(), CONSUMER, "d", None));
    sim.spawn(consumer::member(sim.clone(), CONSUMER, "e", Some("j")));
    if sim.chance(60) {
        sim.spawn(classic::member(sim.clone(), MIXED, "f", None));
        sim.spawn(classic::member(sim.clone(), MIXED, "g", Some("k")));
        sim.spawn(consumer::member(sim.clone(), MIXED, "h", None));
    }
    sim.spawn(share::member(sim.clone(), "x"));
    sim.spawn(share::member(sim.clone(), "y"));
    sim.spawn(others::lone_committer(sim.clone()));
    sim.spawn(others::fetcher(sim.clone()));
    sim.spawn(others::administrator(sim.clone()));
}

/// A transactional id whose epochs are nearly used up.
fn exhaust(sim: &Sim, id: &str) {
    let producer = Producer { id: ProducerId(1), epoch: ProducerEpoch(HIGH_EPOCH) };
    let transaction = Transaction { producer, ..Transaction::new(producer.id, 4_000, sim.now()) };
    let record = Record { id: id.into(), transaction: Some(transaction) };
    let batch = super::super::transaction_log::batch_of(&[record], super::log::TRANSACTION_VERSION, sim.now());
    let appended =
        sim.transaction_log.append(batch.expect("a valid record"), 0, AppendContext::new(AppendOrigin::Coordinator));
    appended.expect("nothing is in the way");
}
