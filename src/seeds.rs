//! For the simulations: which seeds a test runs, and all of them at once.

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The seed that the variable `one` names, if it does, and the seeds to run: that one, or as many as `many` says.
pub fn chosen(one: &str, many: &str, by_default: u64) -> (Option<u64>, Vec<u64>) {
    let one = number(one);
    let seeds = match one {
        Some(seed) => vec![seed],
        None => (0..number(many).unwrap_or(by_default)).collect(),
    };
    (one, seeds)
}

/// Runs each seed on its own, on as many threads as there are processors; answers in the order of the seeds.
pub fn in_parallel<R: Send>(seeds: &[u64], run: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let work = || {
        let mut reports = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            match seeds.get(place) {
                Some(seed) => reports.push((place, run(*seed))),
                None => return reports,
            }
        }
    };
    let mut reports: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a run that panics says so")).collect()
    });
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(_, report)| report).collect()
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
