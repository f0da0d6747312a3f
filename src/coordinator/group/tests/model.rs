//! Random histories: whatever happens, the promises hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::machine::{Settings, Timer};
use super::super::member::Member;
use super::super::state::State;
use super::script::Bench;
use crate::coordinator::testing::Random;

#[test]
fn promises_hold_in_random_histories() {
    for seed in 1..=300 {
        run(seed, 120);
    }
}

fn run(seed: u64, steps: usize) {
    let mut random = Random::seeded(seed);
    let max = 2 + random.below(4) as i32;
    let mut bench = Bench::new(Settings { group_max_size: max, ..Settings::default() });
    let mut generation = 0;
    let mut history = Vec::new();
    for _ in 0..steps {
        let step = random_step(&mut random, &bench);
        history.push(step.clone());
        if step == "reload" {
            // What is parked is answered by the runtime, and an unpersisted generation may be given again.
            bench.step(&step);
            generation = bench.generation();
        } else {
            bench.step(&step);
        }
        let told = || format!("seed {seed}, after {history:?}");
        if !bench.live.groups.contains_key("g") {
            generation = 0;
        }
        assert!(bench.generation() >= generation, "generations rise: {}", told());
        generation = bench.generation();
        check_group(&bench, &told);
    }
    bench.failing = None;
    bench.wait(4_000_000);
    assert!(bench.open.is_empty(), "seed {seed}: unanswered {:?} after {history:?}", bench.open);
}

fn random_step(random: &mut Random, bench: &Bench) -> String {
    let who = random.one_of(&["a", "b", "c", "d", "e"]);
    let instance = match who {
        "d" => " instance=i v5",
        "e" => " instance=j v9",
        _ => random.one_of(&["", " v4", ""]),
    };
    let fresh = random.one_of(&["", "", "", " id=none"]);
    let protocols = random.one_of(&["range", "range", "sticky+range", "range:u", "sticky"]);
    match random.below(20) {
        0..=6 => format!("join {who}{instance}{fresh} protocols={protocols} rebalance=20000"),
        7..=10 => {
            let give: Vec<String> = bench.ids.keys().map(|name| format!("{name}:for-{name}")).collect();
            format!("sync {who} give={}", give.join(","))
        }
        11 => format!("beat {who}"),
        12 => format!("leave {who}"),
        13 => format!("commit {who} t-0=5"),
        14 => "fetch all".to_owned(),
        15 => random.one_of(&["reload", "delete", "describe", "list"]).to_owned(),
        16 => format!("fail {}", random.one_of(&["leader", "large", "replicas"])),
        _ => format!("wait {}", 1 + random.below(7_000)),
    }
}

fn check_group(bench: &Bench, told: &dyn Fn() -> String) {
    let Some(group) = bench.live.groups.get("g") else { return };
    let parked: Vec<_> = group.parked().collect();
    assert_eq!(parked.len(), bench.open.len(), "what is open is parked: {}", told());
    assert!(parked.iter().all(|ticket| bench.open.contains_key(ticket)), "{}", told());
    match group.state {
        State::Empty => assert!(group.members.is_empty(), "{}", told()),
        State::PreparingRebalance => {
            assert!(group.members.values().all(|member| member.awaiting_sync.is_none()), "{}", told());
        }
        State::CompletingRebalance | State::Stable => {
            assert!(group.members.values().all(|member| member.awaiting_join.is_none()), "{}", told());
            assert!(group.leader.as_ref().is_some_and(|leader| group.members.contains_key(leader)), "{}", told());
            let protocol = group.protocol.as_deref().expect("a generation has a protocol");
            let knows = |name: &str| {
                group.members.values().all(|member| member.protocols.iter().any(|(known, _)| &**known == name))
            };
            assert!(knows(protocol), "{}", told());
        }
        State::Dead => panic!("a dead group is not kept: {}", told()),
    }
    let mut holders = BTreeMap::new();
    for member in group.members.values() {
        if let Some(instance) = &member.instance_id {
            assert!(holders.insert(instance.clone(), member.id.clone()).is_none(), "{}", told());
        }
    }
    assert_eq!(holders, group.static_members, "{}", told());
    if group.state == State::Stable {
        let owners: BTreeMap<_, _> = group.members.values().map(|member| (&member.assignment, &member.id)).collect();
        let given = group.members.values().filter(|member| !member.assignment.is_empty()).count();
        assert!(owners.keys().filter(|assignment| !assignment.is_empty()).count() == given, "owned twice: {}", told());
    }
    let sessions = |id: &Arc<str>| bench.deadlines.when(&Timer::Session(group.id.clone(), id.clone())).is_some();
    let kept = |member: &Member| member.is_kept_alive_by_a_parked_request() || sessions(&member.id);
    assert!(group.members.values().all(kept), "a member without a session: {}", told());
    assert!(group.pending.iter().all(sessions), "a handed-out id without an end: {}", told());
}
