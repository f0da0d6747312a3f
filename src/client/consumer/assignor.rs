//! Dividing partitions among the members of a group, as Kafka's range and cooperative-sticky assignors do.

use std::collections::{BTreeMap, BTreeSet};

use super::Partition;

/// A member as the leader of its group sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) topics: Vec<String>,
    /// What it reads and has not given up; empty for members that give up everything before they join.
    pub(super) owned: Vec<Partition>,
    /// The generation of which it says so.
    pub(super) generation: i32,
}

pub(super) type Assignment = BTreeMap<String, Vec<Partition>>;

/// Divides by the protocol that the group has agreed on.
pub(super) fn assign(protocol: &str, topics: &BTreeMap<String, usize>, members: &[Member]) -> Assignment {
    match protocol {
        "cooperative-sticky" => sticky(topics, members),
        _ => range(topics, members),
    }
}

/// Each topic by itself: neighbouring partitions to one member, the first members get one more.
fn range(topics: &BTreeMap<String, usize>, members: &[Member]) -> Assignment {
    let mut assignment: Assignment = members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
    for (topic, &count) in topics {
        let mut readers: Vec<&Member> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        // Static members come first, by their own names, which outlive a restart.
        readers.sort_by_key(|member| (member.instance.is_none(), &member.instance, &member.id));
        let mut next = 0;
        for (at, member) in readers.iter().enumerate() {
            let share = count / readers.len() + usize::from(at < count % readers.len());
            let partitions = (next..next + share).map(|partition| (topic.clone(), partition as i32));
            assignment.entry(member.id.clone()).or_default().extend(partitions);
            next += share;
        }
    }
    assignment
}

/// Everybody keeps what it has up to a fair share. What moves is given to nobody until its owner has joined without it.
fn sticky(topics: &BTreeMap<String, usize>, members: &[Member]) -> Assignment {
    let all: Vec<Partition> =
        topics.iter().flat_map(|(topic, &count)| (0..count as i32).map(|at| (topic.clone(), at))).collect();
    let owners = owners(&all, members);
    let mut loads: BTreeMap<&str, usize> = members.iter().map(|member| (member.id.as_str(), 0)).collect();
    let mut given: BTreeMap<&Partition, &str> = BTreeMap::new();
    let (least, rest) = (all.len() / members.len().max(1), all.len() % members.len().max(1));
    let mut larger = rest;
    for (partition, owner) in &owners {
        let load = loads.entry(owner).or_default();
        let may_keep = *load < least || (*load == least && larger > 0);
        if may_keep {
            larger -= usize::from(*load == least);
            *load += 1;
            given.insert(partition, owner);
        }
    }
    let mut free: Vec<&Partition> = all.iter().filter(|partition| !given.contains_key(partition)).collect();
    // Those that few can read first, so that a fair share is left for them.
    free.sort_by_key(|partition| readers(members, &partition.0).count());
    for partition in free {
        let chosen = readers(members, &partition.0).min_by_key(|member| (loads[member.id.as_str()], &member.id));
        let Some(chosen) = chosen else { continue };
        *loads.entry(chosen.id.as_str()).or_default() += 1;
        given.insert(partition, &chosen.id);
    }
    let mut assignment: Assignment = members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
    for (partition, member) in given {
        let moves = owners.get(partition).is_some_and(|owner| *owner != member);
        if !moves {
            assignment.entry(member.to_owned()).or_default().push(partition.clone());
        }
    }
    assignment
}

fn readers<'a>(members: &'a [Member], topic: &'a String) -> impl Iterator<Item = &'a Member> {
    members.iter().filter(move |member| member.topics.contains(topic))
}

/// Who has what: of several that say so, the one of the newest generation; if there are two of those, nobody.
fn owners<'a>(all: &[Partition], members: &'a [Member]) -> BTreeMap<Partition, &'a str> {
    let exists: BTreeSet<&Partition> = all.iter().collect();
    let mut claims: BTreeMap<&Partition, Vec<&Member>> = BTreeMap::new();
    for member in members {
        for partition in member.owned.iter().filter(|p| exists.contains(p) && member.topics.contains(&p.0)) {
            claims.entry(partition).or_default().push(member);
        }
    }
    let newest = |claims: Vec<&'a Member>| {
        let generation = claims.iter().map(|member| member.generation).max()?;
        let mut newest = claims.into_iter().filter(|member| member.generation == generation);
        newest.next().filter(|_| newest.next().is_none()).map(|member| member.id.as_str())
    };
    claims.into_iter().filter_map(|(partition, claims)| Some((partition.clone(), newest(claims)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, topics: &[&str], owned: &[(&str, i32)]) -> Member {
        Member {
            id: id.to_owned(),
            instance: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            owned: owned.iter().map(|(topic, partition)| ((*topic).to_owned(), *partition)).collect(),
            generation: 1,
        }
    }

    fn show(assignment: &Assignment) -> String {
        let member = |(id, partitions): (&String, &Vec<Partition>)| {
            let names: Vec<String> =
                partitions.iter().map(|(topic, partition)| format!("{topic}{partition}")).collect();
            format!("{id}={}", names.join(","))
        };
        assignment.iter().map(member).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ranges_are_javas() {
        let topics = BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 2)]);
        let members = [member("m1", &["a", "b"], &[]), member("m2", &["a"], &[])];
        assert_eq!(show(&assign("range", &topics, &members)), "m1=a0,a1,b0,b1 m2=a2");
        let mut fixed = members.clone();
        fixed[1].instance = Some("i".to_owned());
        assert_eq!(show(&assign("range", &topics, &fixed)), "m1=a2,b0,b1 m2=a0,a1");
        let many: Vec<Member> = ["m1", "m2", "m3", "m4"].iter().map(|id| member(id, &["a"], &[])).collect();
        assert_eq!(show(&assign("range", &topics, &many)), "m1=a0 m2=a1 m3=a2 m4=");
    }

    #[test]
    fn what_moves_is_first_given_up() {
        let topics = BTreeMap::from([("a".to_owned(), 4)]);
        let all = [("a", 0), ("a", 1), ("a", 2), ("a", 3)];
        let members = [member("m1", &["a"], &all), member("m2", &["a"], &[])];
        assert_eq!(show(&assign("cooperative-sticky", &topics, &members)), "m1=a0,a1 m2=");
        let members = [member("m1", &["a"], &all[..2]), member("m2", &["a"], &[])];
        assert_eq!(show(&assign("cooperative-sticky", &topics, &members)), "m1=a0,a1 m2=a2,a3");
        let twice = [member("m1", &["a"], &all[..2]), member("m2", &["a"], &all[..2])];
        assert_eq!(show(&assign("cooperative-sticky", &topics, &twice)), "m1=a0,a2 m2=a1,a3");
    }
}
