//! An application's topology as its members describe it.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::internal::{StreamsGroupTopologyValue, StreamsSubtopology};
use crate::protocol::newer::StreamsRequestTopology;

/// The topology of a group.
#[derive(Clone, PartialEq, Debug)]
pub struct Topology {
    pub epoch: i32,
    /// By their ids.
    pub subtopologies: BTreeMap<String, StreamsSubtopology>,
}

/// The request is one that Kafka's coordinator fails over with an unknown error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Impossible;

impl Topology {
    pub fn from_value(value: StreamsGroupTopologyValue) -> Topology {
        let each = value.subtopologies.into_iter();
        let subtopologies = each.map(|subtopology| (subtopology.subtopology_id.clone(), subtopology)).collect();
        Topology { epoch: value.epoch, subtopologies }
    }

    pub fn to_value(&self) -> StreamsGroupTopologyValue {
        let subtopologies = self.subtopologies.values().cloned().collect();
        StreamsGroupTopologyValue { epoch: self.epoch, subtopologies }
    }

    /// As a member brings it.
    pub fn from_request(topology: &StreamsRequestTopology) -> Result<Topology, Impossible> {
        let value = StreamsGroupTopologyValue { epoch: topology.epoch, subtopologies: topology.subtopologies.clone() };
        let parsed = Topology::from_value(value);
        let is_sound = parsed.epoch >= 0 && parsed.subtopologies.len() == topology.subtopologies.len();
        if is_sound { Ok(parsed) } else { Err(Impossible) }
    }

    /// Every topic that has to be there before tasks can run.
    pub fn required_topics(&self) -> BTreeSet<&str> {
        let each = self.subtopologies.values().flat_map(|subtopology| {
            let changelogs = subtopology.state_changelog_topics.iter().map(|topic| topic.name.as_str());
            sources(subtopology).chain(changelogs)
        });
        each.collect()
    }

    /// The subtopology that reads a topic. Of several, the last.
    pub fn reader_of(&self, topic: &str) -> Option<&StreamsSubtopology> {
        self.subtopologies.values().rev().find(|subtopology| sources(subtopology).any(|source| source == topic))
    }
}

/// The topics that a subtopology reads, repartition topics last.
pub fn sources(subtopology: &StreamsSubtopology) -> impl Iterator<Item = &str> {
    let external = subtopology.source_topics.iter().map(String::as_str);
    external.chain(subtopology.repartition_source_topics.iter().map(|topic| topic.name.as_str()))
}
