//! The runs: seeds without bugs, one seed twice, and every planted bug.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::planted::{BUGS, Bug};
use super::world::World;
use super::*;
use crate::seeds;

/// Seeds that `cargo test` runs, and within which each planted bug must be caught.
const SEEDS: u64 = 300;
const SEEDS_FOR_A_BUG: u64 = 600;
const STEPS: usize = 60;
/// Lines of a trace that a failure prints; the run of one seed prints all.
const LAST_LINES: usize = 40;
/// What a run of many seeds must have met.
const REACHED: [&str; 7] = [
    "records lost that were not durable",
    "nothing lost",
    "ended at a call",
    "ended in a start",
    "failed disk",
    "clean stops",
    "power cuts",
];

struct Report {
    seed: u64,
    broken: Option<String>,
    trace: Vec<String>,
    figures: BTreeMap<&'static str, u64>,
}

fn run(seed: u64, bug: Option<Bug>, config: &TopicConfig) -> Report {
    let mut world = World::new(seed, bug, config);
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut world)));
    let broken = played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
    });
    let (trace, figures) = (std::mem::take(&mut world.trace), std::mem::take(&mut world.figures));
    Report { seed, broken: broken.err(), trace, figures }
}

fn play(world: &mut World) -> Result<(), String> {
    world.start(false)?;
    for _ in 0..STEPS {
        world.step()?;
    }
    world.crash()
}

#[test]
fn what_is_durable_outlives_every_crash() {
    let config = topic_config();
    let (one, seeds) = seeds::chosen("OTTLA_DISK_SEED", "OTTLA_DISK_SEEDS", SEEDS);
    if one.is_some() {
        // What the log says itself belongs to the trace of one seed.
        let _ = tracing_subscriber::fmt().with_test_writer().without_time().try_init();
    }
    let reports = seeds::in_parallel(&seeds, |seed| {
        let mut report = run(seed, None, &config);
        if report.broken.is_none() && seeds.len() > 1 {
            report.trace.clear();
        }
        report
    });
    let mut figures: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in reports.iter().flat_map(|report| &report.figures) {
        *figures.entry(name).or_default() += count;
    }
    if one.is_some() {
        println!("{}", reports[0].trace.join("\n"));
    }
    println!("{} seeds: {figures:?}", reports.len());
    let broken: Vec<&Report> = reports.iter().filter(|report| report.broken.is_some()).collect();
    if let Some(first) = broken.first() {
        for Report { seed, broken, .. } in broken.iter().take(LAST_LINES) {
            println!("seed {seed}: {}", broken.as_deref().unwrap_or_default());
        }
        panic!("{} of {} seeds fail; the first:\n{}", broken.len(), reports.len(), told(first));
    }
    if one.is_none() && seeds.len() as u64 >= SEEDS {
        let missed: Vec<&str> = REACHED.into_iter().filter(|name| !figures.contains_key(name)).collect();
        assert_eq!(missed, [""; 0], "the simulation no longer gets there");
    }
}

#[test]
fn a_seed_of_the_disk_is_the_same_run_again() {
    let config = topic_config();
    for seed in [3, 8, 1_000_003] {
        assert_eq!(run(seed, None, &config).trace, run(seed, None, &config).trace, "seed {seed}");
    }
}

#[test]
fn every_planted_bug_of_storage_is_caught() {
    let config = topic_config();
    let mut escaped = Vec::new();
    for (bug, breaks) in BUGS {
        let caught = (0..SEEDS_FOR_A_BUG).map(|seed| run(seed, Some(*bug), &config)).find(|run| run.broken.is_some());
        match caught {
            Some(report) => {
                let (name, told) = (format!("{bug:?}"), report.broken.unwrap_or_default());
                println!("{name:<28} seed {:>4}: {breaks}\n{:<28} {told}", report.seed, "");
                assert_eq!(run(report.seed, None, &config).broken, None, "seed {} fails without it", report.seed);
            }
            None => escaped.push(format!("{bug:?}: {breaks}")),
        }
    }
    assert!(escaped.is_empty(), "not caught within {SEEDS_FOR_A_BUG} seeds: {escaped:#?}");
}

fn told(report: &Report) -> String {
    format!(
        "{}\n\n{}\n\nOTTLA_DISK_SEED={} cargo test --lib what_is_durable_outlives_every_crash -- --nocapture\n",
        report.trace[report.trace.len().saturating_sub(LAST_LINES)..].join("\n"),
        report.broken.as_deref().unwrap_or_default(),
        report.seed
    )
}
