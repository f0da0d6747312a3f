//! Random histories of a consumer group: no partition is ever owned twice, and in the end every one is owned.

use std::collections::{BTreeMap, BTreeSet};

use super::super::machine::Settings;
use super::consumer::topic_id;
use super::script::Bench;
use crate::coordinator::testing::Random;
use crate::types::TopicId;

const MEMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn nothing_is_owned_twice_and_in_the_end_everything_is() {
    for seed in 1..=300 {
        run(seed, 150);
    }
}

fn run(seed: u64, steps: usize) {
    let mut random = Random::seeded(seed);
    let mut bench = Bench::new(Settings::default());
    let mut history = vec!["topics t=5 u=3".to_owned()];
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
        for member in MEMBERS {
            if bench.consumers.get(member).is_none_or(|known| known.epoch == 0) {
                continue;
            }
            bench.step(&format!("hb {member}{}", instance_of(member)));
            bench.wait(2_000);
            check_owners(&bench, &|| format!("seed {seed}, in the end of {history:?}"));
        }
        bench.wait(2_000);
    }
    let Some(group) = bench.machine.consumers.get("g").filter(|group| !group.members.is_empty()) else { return };
    let told = format!("seed {seed}: {:?}\n{:?}\nafter {history:?}", group.members, bench.consumers);
    assert_eq!(group.state().name(), "Stable", "{told}");
    let wanted: BTreeSet<TopicId> = group.subscribers.topics.keys().map(|name| topic_id(name)).collect();
    let image = bench.image.load();
    let topics = image.topics.iter().filter(|topic| wanted.contains(&topic.id));
    let all: BTreeSet<_> = topics.flat_map(|topic| topic.partitions.keys().map(|index| (topic.id, *index))).collect();
    let owned: BTreeSet<_> = bench.consumers.values().flat_map(|known| known.owns.iter().copied()).collect();
    assert_eq!(owned, all, "{told}");
}

fn instance_of(member: &str) -> &'static str {
    match member {
        "d" => " instance=i",
        "e" => " instance=j",
        _ => "",
    }
}

fn random_step(random: &mut Random) -> String {
    let who = random.one_of(&MEMBERS);
    let instance = instance_of(who);
    match random.below(24) {
        0..=12 => {
            let topics = random.one_of(&["", "", "", "", " topics=t", " topics=t,u", " topics=u", " regex=t|u"]);
            format!("hb {who}{instance}{topics}")
        }
        13 => format!("quit {who}{instance}"),
        14 if !instance.is_empty() => format!("away {who}{instance}"),
        15 => "reload".to_owned(),
        16 => format!("fail {}", random.one_of(&["leader", "large", "replicas"])),
        17 => random.one_of(&["topics t=5 u=3", "topics t=5", "topics t=5 u=4", "topics u=4 t=6"]).to_owned(),
        18 => "hb a epoch=99".to_owned(),
        19 => "wait 30000".to_owned(),
        _ => format!("wait {}", 1 + random.below(3_000)),
    }
}

/// A consumer owns what it was told last, until it knows of its end or its session is over.
fn check_owners(bench: &Bench, told: &dyn Fn() -> String) {
    let Some(group) = bench.machine.consumers.get("g") else { return };
    let mut owners: BTreeMap<(TopicId, i32), &str> = BTreeMap::new();
    for (name, known) in &bench.consumers {
        if !group.members.contains_key(name.as_str()) {
            continue;
        }
        for partition in &known.owns {
            if let Some(other) = owners.insert(*partition, name) {
                panic!("{partition:?} is owned by {other} and {name}: {}\n{:?}", told(), group.members);
            }
        }
    }
    let has: usize =
        group.members.values().flat_map(|member| member.current.assigned.values()).map(BTreeMap::len).sum();
    let assigned = group.members.values().flat_map(|member| {
        member.current.assigned.iter().flat_map(|(topic, all)| all.keys().map(move |partition| (*topic, *partition)))
    });
    assert_eq!(assigned.collect::<BTreeSet<_>>().len(), has, "assigned twice: {}", told());
}
