//! The runs: seeds without bugs, one seed twice, and every planted bug.

use std::collections::BTreeMap;

use super::coverage;
use super::invariants::{self, INVARIANTS};
use super::planted::BUGS;
use super::run::{Report, configs, run};
use crate::seeds;

/// Seeds that `cargo test` runs.
const SEEDS: u64 = 300;
/// Seeds within which each planted bug must be caught.
const SEEDS_FOR_A_BUG: u64 = 300;
/// From so many seeds on everything that is required must be reached.
const SEEDS_FOR_COVERAGE: u64 = 300;

#[test]
fn promises_hold_whatever_happens() {
    let configs = configs();
    let (one, seeds) = seeds::chosen("OTTLA_SIM_SEED", "OTTLA_SIM_SEEDS", SEEDS);
    let reports = seeds::in_parallel(&seeds, |seed| run(seed, None, &configs));
    let mut figures: BTreeMap<String, u64> = BTreeMap::new();
    for report in &reports {
        for (name, count) in &report.figures {
            *figures.entry(name.clone()).or_default() += count;
        }
    }
    if one.is_some() {
        println!("{}", reports[0].trace.join("\n"));
    }
    println!("{}", coverage::table(&figures));
    println!(
        "{} seeds, hash of all traces {:016x}",
        reports.len(),
        reports.iter().fold(0, |all, each| all ^ each.hash)
    );
    let broken: Vec<&Report> = reports.iter().filter(|report| report.violation.is_some()).collect();
    if let Some(first) = broken.first() {
        for Report { seed, violation, .. } in &broken {
            println!("seed {seed}: {violation:?}");
        }
        panic!("{} of {} seeds fail; the first:\n{}", broken.len(), reports.len(), told(first));
    }
    if seeds.len() as u64 >= SEEDS_FOR_COVERAGE {
        assert_eq!(coverage::missing(&figures), [""; 0], "the simulation no longer gets there");
    }
}

#[test]
fn a_seed_is_the_same_run_again() {
    let configs = configs();
    for seed in [1, 7, 1_000_003] {
        let (first, again) = (run(seed, None, &configs), run(seed, None, &configs));
        assert_eq!((first.hash, first.trace), (again.hash, again.trace), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_caught() {
    let configs = configs();
    let mut table = vec![format!("{:<36} {:<24} {:>5}", "bug", "caught by", "seeds")];
    let mut escaped = Vec::new();
    for (bug, breaks) in BUGS {
        let caught =
            (0..SEEDS_FOR_A_BUG).map(|seed| run(seed, Some(*bug), &configs)).find(|run| run.violation.is_some());
        match caught {
            Some(Report { seed, violation: Some(violation), .. }) => {
                assert_eq!(run(seed, None, &configs).violation, None, "seed {seed} fails without {bug:?}");
                let name = format!("{bug:?}");
                table.push(format!("{name:<36} {:<24} {:>5}  {breaks}", violation.invariant, seed + 1));
            }
            Some(_) | None => escaped.push(format!("{bug:?}: {breaks}")),
        }
    }
    println!("{}", table.join("\n"));
    assert!(escaped.is_empty(), "not caught within {SEEDS_FOR_A_BUG} seeds: {escaped:#?}");
}

#[test]
fn each_invariant_is_named_once() {
    for row in INVARIANTS {
        let named = invariants::named(row.name).expect("its own name");
        assert_eq!((named.statement, named.source), (row.statement, row.source));
    }
}

/// Lines of a trace that a failure prints; the run of one seed prints all.
const LAST_LINES: usize = 60;

fn told(report: &Report) -> String {
    let Some(violation) = &report.violation else { return String::new() };
    let row = invariants::named(violation.invariant);
    let (statement, source) = row.map_or(("", ""), |row| (row.statement, row.source));
    format!(
        "{}\n\n{}: {}\n({statement}; {source})\n\nOTTLA_SIM_SEED={} cargo test --lib promises_hold_whatever_happens -- --nocapture\n",
        report.trace[report.trace.len().saturating_sub(LAST_LINES)..].join("\n"),
        violation.invariant,
        violation.told,
        report.seed
    )
}
