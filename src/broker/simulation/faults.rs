//! What goes wrong: logs stall, refuse and change their leader; coordinators crash, are deposed and come back; time jumps.

use std::sync::Arc;

use super::log::SimLog;
use super::shard::{elect_groups, elect_transactions};
use super::world::Sim;
use crate::state_machine::JournalError;
use crate::types::Offset;

/// How likely each fault is in this run, of a thousand steps: some runs have none of a kind, so that others come further.
pub struct Faults {
    crashes: u64,
    depositions: u64,
    moves: u64,
    refusals: u64,
    stalls: u64,
    jumps: u64,
    stalled: Vec<(usize, i64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Groups,
    Transactions,
}

impl Faults {
    pub fn new(sim: &Sim) -> Faults {
        let some = |most: u64| if sim.chance(25) { 0 } else { 1 + sim.below(most) };
        sim.loss.set(some(12));
        let (crashes, depositions, moves) = (some(14), some(8), some(20));
        Faults {
            crashes,
            depositions,
            moves,
            refusals: some(16),
            stalls: some(8),
            jumps: some(10),
            stalled: Vec::new(),
        }
    }

    /// One step's share of misfortune; then what was appended is replicated, where nothing is in the way.
    pub fn strike(&mut self, sim: &Sim) {
        for kind in [Kind::Groups, Kind::Transactions] {
            if sim.below(1_000) < self.crashes && is_up(sim, kind) {
                crash(sim, kind);
            }
            if sim.below(1_000) < self.depositions && is_up(sim, kind) {
                depose(sim, kind);
            }
        }
        if sim.below(1_000) < self.moves {
            let which = sim.below(sim.data.len() as u64) as usize;
            let log = sim.data.values().nth(which).expect("one of the logs");
            sim.reach("leaders of data moved");
            move_leader(sim, log);
        }
        if sim.below(1_000) < self.refusals {
            let why = match sim.below(3) {
                0 => JournalError::NotEnoughReplicas,
                1 => JournalError::TooLarge { size: 2, max: 1 },
                _ => JournalError::Unavailable,
            };
            sim.reach("appends refused");
            pick(sim).fail_next(why);
        }
        if sim.below(1_000) < self.stalls {
            sim.reach("replication stalled");
            let which = sim.below(sim.logs().count() as u64) as usize;
            self.stalled.push((which, sim.now().0 + sim.below(7_000) as i64));
        }
        if sim.below(1_000) < self.jumps {
            jump(sim);
        }
        self.replicate(sim, 60);
    }

    /// Has followers take what was appended, with that chance for each log.
    pub fn replicate(&mut self, sim: &Sim, percent: u64) {
        let now = sim.now().0;
        self.stalled.retain(|(_, until)| *until > now);
        for (index, log) in sim.logs().enumerate() {
            if !self.stalled.iter().any(|(stalled, _)| *stalled == index) && sim.chance(percent) {
                log.replicate();
            }
        }
    }

    /// Nothing goes wrong any more.
    pub fn end(&mut self, sim: &Sim) {
        self.stalled.clear();
        sim.loss.set(0);
    }
}

fn pick(sim: &Sim) -> &Arc<SimLog> {
    let which = sim.below(sim.logs().count() as u64) as usize;
    sim.logs().nth(which).expect("one of the logs")
}

/// Time passes in which nobody did anything.
fn jump(sim: &Sim) {
    let millis = match sim.below(10) {
        0 => 330_000 + sim.below(400_000),
        1..=3 => 20_000 + sim.below(40_000),
        _ => 1_000 + sim.below(9_000),
    };
    sim.reach("jumps of time");
    sim.note(format!("time jumps by {millis}"));
    sim.pass(millis as i64);
}

fn move_leader(sim: &Sim, log: &SimLog) {
    let (committed, end) = (log.high_watermark(), log.end());
    let keep = Offset(committed.0 + sim.below((end - committed) as u64 + 1) as i64);
    if keep < end {
        sim.reach("records lost with a leader");
    }
    sim.note(format!("{} moves, and keeps {keep} of {committed}..{end}", log.partition));
    log.move_leader(keep);
}

fn is_up(sim: &Sim, kind: Kind) -> bool {
    match kind {
        Kind::Groups => sim.groups.is_up(),
        Kind::Transactions => sim.transactions.is_up(),
    }
}

/// A coordinator's broker ends, and another one takes over.
fn crash(sim: &Sim, kind: Kind) {
    match kind {
        Kind::Groups => {
            sim.reach("coordinators of groups crashed");
            sim.groups.crash();
            move_leader(sim, &sim.group_log);
        }
        Kind::Transactions => {
            sim.reach("coordinators of transactions crashed");
            sim.transactions.crash();
            move_leader(sim, &sim.transaction_log);
        }
    }
    elect_later(sim, kind);
}

/// A coordinator loses its partition and learns of it late.
fn depose(sim: &Sim, kind: Kind) {
    let later = sim.below(3_000) as i64;
    let deposed = sim.clone();
    match kind {
        Kind::Groups => {
            sim.reach("coordinators of groups deposed");
            let election = sim.groups.depose();
            move_leader(sim, &sim.group_log);
            sim.spawn(async move {
                deposed.sleep(later).await;
                deposed.groups.resign(election);
            });
        }
        Kind::Transactions => {
            sim.reach("coordinators of transactions deposed");
            let election = sim.transactions.depose();
            move_leader(sim, &sim.transaction_log);
            sim.spawn(async move {
                deposed.sleep(later).await;
                deposed.transactions.resign(election);
            });
        }
    }
    elect_later(sim, kind);
}

fn elect_later(sim: &Sim, kind: Kind) {
    let (elected, later) = (sim.clone(), sim.below(600) as i64);
    sim.spawn(async move {
        elected.sleep(later).await;
        match kind {
            Kind::Groups => elect_groups(&elected),
            Kind::Transactions => elect_transactions(&elected),
        }
    });
}
