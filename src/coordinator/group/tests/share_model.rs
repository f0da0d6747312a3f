//! Random histories of a share group: only what has state is assigned, and in the end everything is.

use std::collections::BTreeSet;

use super::super::machine::Settings;
use super::script::Bench;
use crate::coordinator::testing::Random;

const MEMBERS: [&str; 4] = ["a", "b", "c", "d"];

#[test]
fn only_what_has_state_is_assigned_and_in_the_end_everything_is() {
    for seed in 1..=300 {
        run(seed, 120);
    }
}

fn run(seed: u64, steps: usize) {
    let mut random = Random::seeded(seed);
    let mut bench = Bench::new(Settings::default());
    let mut history = vec!["topics t=3 u=2".to_owned()];
    bench.step(&history[0]);
    for _ in 0..steps {
        let step = random_step(&mut random);
        history.push(step.clone());
        bench.step(&step);
        bench.told.clear();
        check_assigned(&bench, &history, seed);
    }
    bench.failing = None;
    for _ in 0..40 {
        let there: Vec<String> = bench.share.epochs.keys().cloned().collect();
        for member in there {
            bench.step(&format!("share {member}"));
            bench.step("made");
            bench.wait(1_500);
        }
        check_assigned(&bench, &history, seed);
    }
    let Some(group) = bench.machine.shares.get("g").filter(|group| !group.members.is_empty()) else { return };
    let told = format!("seed {seed}: {group:?}\n{:?}\nafter {history:?}", bench.share);
    assert!(group.members.values().all(|member| member.is_reconciled_to(group.epoch)), "{told}");
    let image = bench.image.load();
    let wanted = image.topics.iter().filter(|topic| group.subscribers.contains_key(&topic.name));
    let all: BTreeSet<_> = wanted.flat_map(|topic| topic.partitions.keys().map(|one| (topic.id, *one))).collect();
    let owns = bench.share.owns.values().flatten();
    let owned: BTreeSet<_> = owns.flat_map(|(topic, each)| each.iter().map(|one| (*topic, *one))).collect();
    assert_eq!(owned, all, "{told}");
}

fn random_step(random: &mut Random) -> String {
    let who = random.one_of(&MEMBERS);
    match random.below(24) {
        0..=11 => format!("share {who}{}", random.one_of(&["", "", "", " topics=t", " topics=t,u", " topics=u"])),
        12 => format!("unshare {who}"),
        13..=15 => "made".to_owned(),
        16 => "unmade".to_owned(),
        17 => "reload".to_owned(),
        18 => format!("fail {}", random.one_of(&["leader", "large", "replicas"])),
        19 => random.one_of(&["topics t=3 u=2", "topics t=3", "topics t=5 u=2", "topics u=4 t=3"]).to_owned(),
        20 => "wait 30000".to_owned(),
        21 => random.one_of(&["reset t-1 to=7", "drop t", "drop u", "doom", "delete", "gone t"]).to_owned(),
        _ => format!("wait {}", 1 + random.below(3_000)),
    }
}

/// What a member has, it subscribes to, and it has state.
fn check_assigned(bench: &Bench, history: &[String], seed: u64) {
    let Some(group) = bench.machine.shares.get("g") else { return };
    let nothing = Default::default();
    let initialized = group.partitions.as_ref().map_or(&nothing, |partitions| &partitions.initialized);
    for member in group.members.values() {
        for (topic, partitions) in &member.current.assigned {
            let has_state = initialized.get(topic).is_some_and(|topic| topic.partitions.is_superset(partitions));
            assert!(has_state, "seed {seed}: {topic} of {member:?} has no state after {history:?}\n{group:?}");
        }
    }
}
