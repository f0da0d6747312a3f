//! A topology held against the topics there are.

use std::collections::{BTreeMap, BTreeSet};

use super::Status;
use super::internal_topics::{decide, together, widest_source};
use super::topology::Topology;
use crate::metadata::MetadataImage;
use crate::protocol::internal::{StreamsSubtopology, StreamsTopicInfo};

/// How many topics a message names.
const NAMED_AT_MOST: usize = 3;

/// A topology with its numbers of tasks.
#[derive(Clone, PartialEq, Debug)]
pub struct Configured {
    /// By their ids; none if that cannot be told for `fault`.
    pub subtopologies: Option<BTreeMap<String, ConfiguredSubtopology>>,
    /// Internal topics that have to be made.
    pub missing: Vec<StreamsTopicInfo>,
    pub fault: Option<Fault>,
}

/// A subtopology with its numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct ConfiguredSubtopology {
    pub tasks: i32,
    pub source_topics: BTreeSet<String>,
    pub repartition_sink_topics: BTreeSet<String>,
    pub repartition_source_topics: BTreeMap<String, StreamsTopicInfo>,
    pub state_changelog_topics: BTreeMap<String, StreamsTopicInfo>,
}

/// Why a topology is not ready.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub status: Status,
    pub detail: String,
}

/// Why a topology cannot be configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// For now: its topics may change.
    Fault(Fault),
    /// Ever: it contradicts itself.
    Invalid(String),
    /// Kafka's coordinator fails over it with an unknown error.
    Impossible,
}

impl Configured {
    /// Whether every topic is there, so that tasks can be given out.
    pub fn is_ready(&self) -> bool {
        self.fault.is_none()
    }
}

/// Configures a topology; an error refuses the member that brought it.
pub fn configure(topology: &Topology, image: &MetadataImage) -> Result<Configured, Unusable> {
    match try_configure(topology, image) {
        Ok(configured) => Ok(configured),
        Err(Unusable::Fault(fault)) => Ok(Configured { subtopologies: None, missing: Vec::new(), fault: Some(fault) }),
        Err(other) => Err(other),
    }
}

fn try_configure(topology: &Topology, image: &MetadataImage) -> Result<Configured, Unusable> {
    for subtopology in topology.subtopologies.values() {
        let all = subtopology.copartition_groups.iter().all(|group| together(subtopology, group).is_some());
        if !all {
            return Err(Unusable::Impossible);
        }
    }
    refuse_missing_sources(topology, image)?;
    let decided = decide(topology, image)?;
    let mut subtopologies = BTreeMap::new();
    for (id, subtopology) in &topology.subtopologies {
        let tasks = widest_source(subtopology, image, &decided).filter(|tasks| *tasks > 0);
        let tasks = tasks.ok_or(Unusable::Impossible)?;
        subtopologies.insert(id.clone(), with_numbers(subtopology, tasks, &decided)?);
    }
    let missing = missing_topics(topology, image, &subtopologies)?;
    let names: Vec<&str> = missing.iter().map(|topic| topic.name.as_str()).collect();
    let fault = (!names.is_empty()).then(|| Fault {
        status: Status::MissingInternalTopics,
        detail: format!("Internal topics are missing: {}", summary(&names)),
    });
    Ok(Configured { subtopologies: Some(subtopologies), missing, fault })
}

fn refuse_missing_sources(topology: &Topology, image: &MetadataImage) -> Result<(), Unusable> {
    let sources = topology.subtopologies.values().flat_map(|subtopology| &subtopology.source_topics);
    let missing: BTreeSet<&str> =
        sources.map(String::as_str).filter(|topic| image.topics.named(topic).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> = missing.into_iter().collect();
    let detail = format!("Source topics {} are missing.", summary(&missing));
    Err(Unusable::Fault(Fault { status: Status::MissingSourceTopics, detail }))
}

fn with_numbers(
    subtopology: &StreamsSubtopology,
    tasks: i32,
    decided: &BTreeMap<String, i32>,
) -> Result<ConfiguredSubtopology, Unusable> {
    let internal = |topics: &[StreamsTopicInfo]| -> Result<BTreeMap<String, StreamsTopicInfo>, Unusable> {
        let mut numbered = BTreeMap::new();
        for topic in topics {
            let partitions =
                if topic.partitions == 0 { decided.get(&topic.name).copied() } else { Some(topic.partitions) };
            let partitions = partitions.filter(|count| *count > 0).ok_or(Unusable::Impossible)?;
            let keys: BTreeSet<&str> = topic.topic_configs.iter().map(|config| config.key.as_str()).collect();
            let numbers = StreamsTopicInfo { partitions, ..topic.clone() };
            let is_double = numbered.insert(topic.name.clone(), numbers).is_some();
            if is_double || keys.len() != topic.topic_configs.len() {
                return Err(Unusable::Impossible);
            }
        }
        Ok(numbered)
    };
    Ok(ConfiguredSubtopology {
        tasks,
        source_topics: subtopology.source_topics.iter().cloned().collect(),
        repartition_sink_topics: subtopology.repartition_sink_topics.iter().cloned().collect(),
        repartition_source_topics: internal(&subtopology.repartition_source_topics)?,
        state_changelog_topics: internal(&subtopology.state_changelog_topics)?,
    })
}

/// The internal topics that are not there; those that are have the partitions they should have.
fn missing_topics(
    topology: &Topology,
    image: &MetadataImage,
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
) -> Result<Vec<StreamsTopicInfo>, Unusable> {
    let mut internal: BTreeMap<&str, &StreamsTopicInfo> = BTreeMap::new();
    for subtopology in subtopologies.values() {
        let topics = subtopology.repartition_source_topics.values().chain(subtopology.state_changelog_topics.values());
        internal.extend(topics.map(|topic| (topic.name.as_str(), topic)));
    }
    for there in topology.required_topics().into_iter().filter_map(|name| image.topics.named(name)) {
        let Some(wanted) = internal.remove(&*there.name) else { continue };
        let (name, expected, found) = (&there.name, wanted.partitions, there.partitions.len());
        if expected as usize != found {
            let detail =
                format!("Existing topic {name} has different number of partitions: expected {expected}, found {found}");
            return Err(Unusable::Fault(Fault { status: Status::IncorrectlyPartitionedTopics, detail }));
        }
    }
    Ok(internal.into_values().cloned().collect())
}

fn summary(topics: &[&str]) -> String {
    let named = topics[..topics.len().min(NAMED_AT_MOST)].join(", ");
    match topics.len().saturating_sub(NAMED_AT_MOST) {
        0 => named,
        more => format!("{named} and {more} additional topics"),
    }
}
