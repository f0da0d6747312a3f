//! Random histories of a streams group: no active task is ever had twice, no process has two copies of a task, and in the
//! end every task is given out, with as many standbys as there are processes for.

use std::collections::{BTreeMap, BTreeSet};

use super::super::machine::Settings;
use super::script::Bench;
use super::streams::{Instance, Task};
use crate::coordinator::testing::Random;

/// Instances and their processes.
const INSTANCES: [(&str, &str); 5] = [("a", "p"), ("b", "p"), ("c", "q"), ("d", "r"), ("e", "r")];
const BEGIN: &str = "exist t=5 c=5 u=3";
const APP: &str = "app=0:t,!c;1:u";

#[test]
fn nothing_is_had_twice_and_in_the_end_everything_is_had() {
    for seed in 1..=300 {
        run(seed, 150);
    }
}

fn run(seed: u64, steps: usize) {
    let mut random = Random::seeded(seed);
    let mut bench = Bench::new(Settings::default());
    let mut history = vec![BEGIN.to_owned()];
    bench.step(&history[0]);
    for _ in 0..steps {
        let step = random_step(&mut random);
        history.push(step.clone());
        bench.step(&step);
        bench.told.clear();
        check_owners(&bench, &|| format!("seed {seed}, after {history:?}"));
    }
    bench.failing = None;
    // Everybody who is there is heard from until nothing moves any more.
    for _ in 0..40 {
        for (name, process) in INSTANCES {
            if bench.instances.get(name).is_none_or(|known| known.epoch == 0) {
                continue;
            }
            bench.step(&format!("sb {name} proc={process}"));
            bench.wait(2_000);
            check_owners(&bench, &|| format!("seed {seed}, in the end of {history:?}"));
        }
        bench.wait(2_000);
    }
    let Some(group) = bench.machine.streams.get("g").filter(|group| !group.members.is_empty()) else { return };
    let told = format!("seed {seed}: {:?}\n{:?}\nafter {history:?}", group.members, bench.instances);
    assert_eq!(group.state().name(), "Stable", "{told}");
    let all = (0..5).map(|partition| ("0", partition)).chain((0..3).map(|partition| ("1", partition)));
    let all: Vec<Task> = all.map(|(id, partition)| (id.to_owned(), partition)).collect();
    let had = |of: fn(&Instance) -> &BTreeSet<Task>| {
        let mut had: Vec<Task> = living(&bench).flat_map(|(_, known)| of(known).iter().cloned()).collect();
        had.sort();
        had
    };
    assert_eq!(had(|known| &known.active), all, "{told}");
    let processes: BTreeSet<&str> = living(&bench).map(|(_, known)| known.process.as_str()).collect();
    let replicas: usize = group.epoch.configs.values().next().unwrap().parse().unwrap();
    let copies = replicas.min(processes.len() - 1);
    let stateful: Vec<Task> =
        all.iter().filter(|(id, _)| id == "0").flat_map(|task| vec![task.clone(); copies]).collect();
    assert_eq!(had(|known| &known.standby), stateful, "{told}");
}

fn living(bench: &Bench) -> impl Iterator<Item = (&String, &Instance)> {
    let group = bench.machine.streams.get("g");
    bench.instances.iter().filter(move |(name, _)| group.is_some_and(|group| group.members.contains_key(name.as_str())))
}

fn random_step(random: &mut Random) -> String {
    let (who, process) = INSTANCES[random.below(INSTANCES.len() as u64) as usize];
    match random.below(24) {
        0..=13 => format!("sb {who} proc={process} {APP}"),
        14 => format!("squit {who}"),
        15 => "reload".to_owned(),
        16 => format!("fail {}", random.one_of(&["leader", "large", "replicas"])),
        17 => format!("config streams.num.standby.replicas={}", random.below(3)),
        18 => "sb a epoch=99".to_owned(),
        19 => "wait 30000".to_owned(),
        _ => format!("wait {}", 1 + random.below(3_000)),
    }
}

/// An instance has what it was told last, until it knows of its end or its session is over.
fn check_owners(bench: &Bench, told: &dyn Fn() -> String) {
    let mut owners: BTreeMap<&Task, &str> = BTreeMap::new();
    let mut copies: BTreeMap<(&Task, &str), &str> = BTreeMap::new();
    for (name, known) in living(bench) {
        for task in &known.active {
            if let Some(other) = owners.insert(task, name) {
                panic!("{task:?} is had by {other} and {name}: {}", told());
            }
        }
        for task in known.active.iter().chain(&known.standby) {
            if let Some(other) = copies.insert((task, known.process.as_str()), name) {
                panic!("{task:?} is twice in process {}, with {other} and {name}: {}", known.process, told());
            }
        }
    }
}
