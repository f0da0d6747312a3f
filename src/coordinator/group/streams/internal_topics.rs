//! How many partitions the internal topics of a topology have.
//!
//! A repartition topic has as many as its description says, else as many as the widest topic that the subtopologies
//! writing it read; topics that are to be read together have equally many. A changelog topic has as many as the widest
//! source of its subtopology.

use std::collections::{BTreeMap, BTreeSet};

use super::Status;
use super::configure::{Fault, Unusable};
use super::topology::{Topology, sources};
use crate::metadata::MetadataImage;
use crate::protocol::internal::{StreamsCopartitionGroup, StreamsSubtopology};

/// Partitions by topic.
type Counts = BTreeMap<String, i32>;

/// The partitions of a topic: of one that is there, else as they are decided for an internal one.
pub fn partitions_of(image: &MetadataImage, decided: &Counts, topic: &str) -> Option<i32> {
    let there = image.topics.named(topic).map(|topic| topic.partitions.len() as i32);
    there.or_else(|| decided.get(topic).copied())
}

/// The widest of a subtopology's sources.
pub fn widest_source(subtopology: &StreamsSubtopology, image: &MetadataImage, decided: &Counts) -> Option<i32> {
    sources(subtopology).filter_map(|topic| partitions_of(image, decided, topic)).max()
}

/// Decides for all internal topics. The sources that are no internal topics are there.
pub fn decide(topology: &Topology, image: &MetadataImage) -> Result<Counts, Unusable> {
    let mut decided = repartition_topics(topology, image)?;
    for subtopology in topology.subtopologies.values() {
        for group in &subtopology.copartition_groups {
            let topics = together(subtopology, group).ok_or(Unusable::Impossible)?;
            let counts = enforce(&topics, &Repartition::of(topology), |topic| partitions_of(image, &decided, topic))?;
            decided.extend(counts);
        }
    }
    let mut changelogs = Counts::new();
    for subtopology in topology.subtopologies.values() {
        let none = || {
            let id = &subtopology.subtopology_id;
            Unusable::Invalid(format!("No source topics found for subtopology {id}"))
        };
        let widest = widest_source(subtopology, image, &decided).ok_or_else(none)?;
        changelogs.extend(subtopology.state_changelog_topics.iter().map(|topic| (topic.name.clone(), widest)));
    }
    decided.extend(changelogs);
    Ok(decided)
}

fn repartition_topics(topology: &Topology, image: &MetadataImage) -> Result<Counts, Unusable> {
    let all = || topology.subtopologies.values();
    let fixed = all().flat_map(|subtopology| &subtopology.repartition_source_topics);
    let mut counts: Counts =
        fixed.filter(|topic| topic.partitions != 0).map(|topic| (topic.name.clone(), topic.partitions)).collect();
    loop {
        let (mut moves, mut waits) = (false, false);
        for subtopology in all() {
            for sink in &subtopology.repartition_sink_topics {
                if counts.contains_key(sink) {
                    continue;
                }
                match widest_known(subtopology, image, &counts) {
                    Some(count) => {
                        counts.insert(sink.clone(), count);
                        moves = true;
                    }
                    None => waits = true,
                }
            }
        }
        if !waits {
            break;
        }
        if !moves {
            let message = "Failed to compute number of partitions for all repartition topics. There may be loops in the topology that cannot be resolved.";
            return Err(Unusable::Invalid(message.to_owned()));
        }
    }
    let mut read = all().flat_map(|subtopology| &subtopology.repartition_source_topics);
    if read.any(|topic| !counts.contains_key(&topic.name)) {
        let message = "Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic.";
        return Err(Unusable::Invalid(message.to_owned()));
    }
    Ok(counts)
}

/// The widest of a subtopology's sources as far as it is decided.
fn widest_known(subtopology: &StreamsSubtopology, image: &MetadataImage, counts: &Counts) -> Option<i32> {
    let repartition = subtopology.repartition_source_topics.iter().filter_map(|topic| counts.get(&topic.name).copied());
    let external = subtopology.source_topics.iter().filter_map(|topic| image.topics.named(topic));
    repartition.chain(external.map(|topic| topic.partitions.len() as i32)).max()
}

/// The topics of a group of topics that are read together, which names them by their places.
pub fn together<'a>(subtopology: &'a StreamsSubtopology, group: &StreamsCopartitionGroup) -> Option<BTreeSet<&'a str>> {
    let place = |index: &i16| usize::try_from(*index).ok();
    let external = group.source_topics.iter().map(|index| subtopology.source_topics.get(place(index)?));
    let external = external.map(|topic| topic.map(String::as_str));
    let repartition = group.repartition_source_topics.iter();
    let repartition = repartition.map(|index| subtopology.repartition_source_topics.get(place(index)?));
    external.chain(repartition.map(|topic| topic.map(|topic| topic.name.as_str()))).collect()
}

/// The repartition topics of a topology: with and without a number of partitions of their own.
struct Repartition<'a> {
    fixed: BTreeSet<&'a str>,
    flexible: BTreeSet<&'a str>,
}

impl Repartition<'_> {
    fn of(topology: &Topology) -> Repartition<'_> {
        let topics = topology.subtopologies.values().flat_map(|subtopology| &subtopology.repartition_source_topics);
        let (fixed, flexible): (Vec<_>, Vec<_>) = topics.partition(|topic| topic.partitions != 0);
        Repartition {
            fixed: fixed.into_iter().map(|topic| topic.name.as_str()).collect(),
            flexible: flexible.into_iter().map(|topic| topic.name.as_str()).collect(),
        }
    }
}

/// The partitions of those of `topics` that are repartition topics, so that all of `topics` have equally many.
fn enforce(
    topics: &BTreeSet<&str>,
    repartition: &Repartition,
    count_of: impl Fn(&str) -> Option<i32>,
) -> Result<Counts, Unusable> {
    let mut own: BTreeMap<&str, i32> = BTreeMap::new();
    let mut others: BTreeMap<&str, i32> = BTreeMap::new();
    for topic in topics {
        let is_own = repartition.fixed.contains(topic) || repartition.flexible.contains(topic);
        let count = count_of(topic).ok_or(Unusable::Impossible)?;
        if is_own {
            own.insert(topic, count)
        } else {
            others.insert(topic, count)
        };
    }
    let unequal = |counts: &BTreeMap<&str, i32>| {
        let each: Vec<String> = counts.iter().map(|(topic, count)| format!("{topic}={count}")).collect();
        let each = each.join(", ");
        Unusable::incorrect(format!("Following topics do not have the same number of partitions: [{{{each}}}]"))
    };
    let all_equal = |mut counts: Vec<i32>| {
        counts.dedup();
        if let [count] = counts[..] { Some(count) } else { None }
    };
    let count = if topics.is_empty() {
        return Ok(Counts::new());
    } else if !others.is_empty() {
        all_equal(others.values().copied().collect()).ok_or_else(|| unequal(&others))?
    } else if !repartition.fixed.is_empty() {
        let fixed: Option<Vec<i32>> = repartition.fixed.iter().map(|topic| count_of(topic)).collect();
        all_equal(fixed.ok_or(Unusable::Impossible)?).ok_or_else(|| unequal(&own))?
    } else {
        own.values().copied().max().unwrap_or_default()
    };
    let odd = own.iter().find(|(topic, has)| repartition.fixed.contains(**topic) && **has != count);
    if let Some((topic, has)) = odd {
        return Err(Unusable::incorrect(format!(
            "Number of partitions [{has}] of repartition topic [{topic}] doesn't match number of partitions [{count}] of the source topic."
        )));
    }
    Ok(own.into_keys().map(|topic| (topic.to_owned(), count)).collect())
}

impl Unusable {
    fn incorrect(detail: String) -> Unusable {
        Unusable::Fault(Fault { status: Status::IncorrectlyPartitionedTopics, detail })
    }
}
