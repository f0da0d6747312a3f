//! Elections on demand.

use crate::protocol::kraft::MetadataRecord;
use crate::types::ErrorCode;

use super::Denied;
use super::election::Election;
use super::machine::{Controller, Decision};

/// Which leader is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElectionType {
    Preferred,
    Unclean,
}

/// Partitions by the names of their topics.
pub type NamedPartitions = Vec<(String, Vec<i32>)>;

/// What became of the partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ElectionResult {
    pub topic: String,
    pub partitions: Vec<(i32, Result<(), Denied>)>,
}

impl Controller {
    /// Partitions that were not asked for by name and already have the leader are not answered.
    pub(super) fn elect_leaders(
        &self,
        kind: ElectionType,
        asked: Option<NamedPartitions>,
    ) -> Decision<Vec<ElectionResult>> {
        let everything = asked.is_none();
        let asked = asked.unwrap_or_else(|| {
            let mut all: NamedPartitions = self
                .image
                .topics
                .iter()
                .map(|topic| (topic.name.to_string(), topic.partitions.keys().copied().collect()))
                .collect();
            all.sort();
            all
        });
        let mut records = Vec::new();
        let mut results = Vec::new();
        for (topic, numbers) in asked {
            let mut partitions = Vec::new();
            for number in numbers {
                let result = self.elect_leader(&topic, number, kind).map(|record| records.push(record));
                let needless = matches!(&result, Err(denied) if denied.code == ErrorCode::ElectionNotNeeded);
                if !(everything && needless) {
                    partitions.push((number, result));
                }
            }
            results.push(ElectionResult { topic, partitions });
        }
        (records, results)
    }

    fn elect_leader(&self, topic: &str, number: i32, kind: ElectionType) -> Result<MetadataRecord, Denied> {
        let unknown = |message: String| Denied::new(ErrorCode::UnknownTopicOrPartition, message);
        let topic = self.image.topics.named(topic).ok_or_else(|| unknown(format!("No such topic as {topic}")))?;
        let missing = || unknown(format!("No such partition as {}-{number}", topic.name));
        let partition = topic.partitions.get(&number).ok_or_else(missing)?;
        let (satisfied, election, unavailable) = match kind {
            ElectionType::Preferred => {
                (partition.has_preferred_leader(), Election::Preferred, ErrorCode::PreferredLeaderNotAvailable)
            }
            ElectionType::Unclean => {
                (partition.leader.0 >= 0, Election::Unclean, ErrorCode::EligibleLeadersNotAvailable)
            }
        };
        if satisfied {
            return Err(ErrorCode::ElectionNotNeeded.into());
        }
        let mut change = self.change_of(topic, partition);
        change.election = election;
        let may_lead = |id| self.may_lead(partition, id);
        let record = change.record(topic.id, number, &may_lead, &|id| self.default_directory(id));
        record.map(MetadataRecord::PartitionChange).ok_or_else(|| unavailable.into())
    }
}
