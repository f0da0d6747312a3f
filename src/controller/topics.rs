//! Creating and deleting topics, adding partitions.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::{ConfigResource, PartitionRegistration, TopicImage};
use crate::protocol::kraft::{MetadataRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};
use crate::types::{BrokerId, ErrorCode, TopicId, Uuid, topic_name_fault};

use super::Denied;
use super::configs::{ConfigOperation, Operation};
use super::machine::{Controller, Decision, has_collision_chars, unified};

/// The most partitions that one request may create.
const PARTITIONS_MAX: i64 = 10_000;

/// A topic to create.
#[derive(Clone, Debug)]
pub struct NewTopic {
    pub name: String,
    /// A fresh random id.
    pub id: TopicId,
    /// -1: the default.
    pub partitions: i32,
    /// -1: the default.
    pub replication_factor: i16,
    /// Partition and its replicas; empty: the controller chooses.
    pub assignments: Vec<(i32, Vec<BrokerId>)>,
    pub configs: Vec<(String, Option<String>)>,
}

/// A topic that was created, or would have been.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    pub id: TopicId,
    pub partitions: i32,
    pub replication_factor: i16,
    /// What the topic overrides, for the echo of its configuration.
    pub configs: BTreeMap<String, String>,
}

/// A topic as a request names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TopicRef {
    Name(String),
    Id(TopicId),
}

/// What became of a topic to delete. Name and id are those that are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedTopic {
    pub name: Option<String>,
    pub id: TopicId,
    pub result: Result<(), Denied>,
}

/// Partitions to add.
#[derive(Clone, Debug)]
pub struct NewPartitions {
    pub topic: String,
    /// How many there shall be in the end.
    pub count: i32,
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// A topic's name, and what became of it.
pub type CreateResult = (String, Result<CreatedTopic, Denied>);

impl Controller {
    pub(super) fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Decision<Result<Vec<CreateResult>, Denied>> {
        let defaults = self.options.configs.broker();
        let counts = topics
            .iter()
            .filter(|topic| topic.partitions > 0 || topic.partitions == -1 || !topic.assignments.is_empty());
        let total: i64 = counts
            .map(|topic| match topic.partitions {
                _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
                -1 => i64::from(defaults.num_partitions),
                given => i64::from(given),
            })
            .sum();
        if total > PARTITIONS_MAX {
            let message = "Excessively large number of partitions per request.";
            return (Vec::new(), Err(Denied::new(ErrorCode::PolicyViolation, message)));
        }
        let mut seen = BTreeMap::<&str, usize>::new();
        topics.iter().for_each(|topic| *seen.entry(&topic.name).or_default() += 1);
        let duplicates: BTreeSet<String> =
            seen.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name.to_owned()).collect();
        let mut records = Vec::new();
        let mut results = Vec::new();
        let mut answered = BTreeSet::new();
        for topic in topics {
            if duplicates.contains(&topic.name) {
                if answered.insert(topic.name.clone()) {
                    let denied = Denied::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
                    results.push((topic.name, Err(denied)));
                }
                continue;
            }
            let name = topic.name.clone();
            let result = self.create_topic(topic).map(|(new, created)| {
                records.extend(new);
                created
            });
            results.push((name, result));
        }
        if validate_only {
            records.clear();
        }
        (records, Ok(results))
    }

    fn create_topic(&self, topic: NewTopic) -> Result<(Vec<MetadataRecord>, CreatedTopic), Denied> {
        self.check_name(&topic.name)?;
        let configs = self.check_new_configs(&topic)?;
        let partitions = match topic.assignments.is_empty() {
            true => self.place_new_topic(&topic)?,
            false => self.assigned_partitions(&topic)?,
        };
        let replication_factor = partitions[0].replicas.len() as i16;
        let created = CreatedTopic { id: topic.id, partitions: partitions.len() as i32, replication_factor, configs };
        let mut records = vec![MetadataRecord::Topic(TopicRecord { name: topic.name.clone(), topic_id: topic.id })];
        // Configs stand between the topic and its partitions, so that a partition never begins without them.
        let set = created.configs.iter();
        records.extend(
            set.map(|(key, value)| super::configs::record(&ConfigResource::topic(&topic.name), key, Some(value))),
        );
        records.extend(
            partitions.iter().enumerate().map(|(index, part)| self.partition_record(topic.id, index as i32, part)),
        );
        Ok((records, created))
    }

    fn check_name(&self, name: &str) -> Result<(), Denied> {
        if self.image.topics.named(name).is_some() {
            return Err(Denied::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        if let Some(fault) = topic_name_fault(name) {
            return Err(Denied::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {fault}")));
        }
        if has_collision_chars(name)
            && let Some(other) = self.collisions.get(&unified(name)).and_then(|names| names.first())
        {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            return Err(Denied::new(ErrorCode::InvalidTopicException, message));
        }
        Ok(())
    }

    fn check_new_configs(&self, topic: &NewTopic) -> Result<BTreeMap<String, String>, Denied> {
        let nulls: Vec<&str> =
            topic.configs.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
        if !nulls.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
            return Err(Denied::new(ErrorCode::InvalidConfig, message));
        }
        let operations =
            topic.configs.iter().filter_map(|(name, value)| Some((name.clone(), Operation::Set(value.clone()?))));
        let resource = ConfigResource::topic(&topic.name);
        let operation = ConfigOperation { resource, changes: operations.collect() };
        self.new_topic_configs(&operation)
    }

    fn assigned_partitions(&self, topic: &NewTopic) -> Result<Vec<PartitionRegistration>, Denied> {
        if topic.replication_factor != -1 {
            let message = "A manual partition assignment was specified, but replication factor was not set to -1.";
            return Err(Denied::new(ErrorCode::InvalidRequest, message));
        }
        if topic.partitions != -1 {
            let message = "A manual partition assignment was specified, but numPartitions was not set to -1.";
            return Err(Denied::new(ErrorCode::InvalidRequest, message));
        }
        let refuse = |message: String| Denied::new(ErrorCode::InvalidReplicaAssignment, message);
        let mut partitions = BTreeMap::new();
        let mut factor = None;
        for (partition, replicas) in &topic.assignments {
            if partitions.contains_key(partition) {
                return Err(refuse(format!("Found multiple manual partition assignments for partition {partition}")));
            }
            self.check_assignment(replicas, factor)?;
            factor = Some(replicas.len());
            let registration = self.new_partition(replicas.clone()).ok_or_else(|| {
                refuse(format!(
                    "All brokers specified in the manual partition assignment for partition {partition} are fenced or in \
                     controlled shutdown."
                ))
            })?;
            partitions.insert(*partition, registration);
        }
        if !partitions.keys().copied().eq(0..partitions.len() as i32) {
            return Err(refuse("partitions should be a consecutive 0-based integer sequence".to_owned()));
        }
        Ok(partitions.into_values().collect())
    }

    fn place_new_topic(&self, topic: &NewTopic) -> Result<Vec<PartitionRegistration>, Denied> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(Denied::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if topic.partitions < -1 || topic.partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(Denied::new(ErrorCode::InvalidPartitions, message));
        }
        let defaults = self.options.configs.broker();
        let count = if topic.partitions == -1 { defaults.num_partitions } else { topic.partitions };
        let factor = match topic.replication_factor {
            -1 => i16::try_from(defaults.default_replication_factor).unwrap_or(i16::MAX),
            given => given,
        };
        self.placed_partitions(topic.id, 0, count, factor).map_err(|denied| Denied {
            message: denied
                .message
                .map(|message| format!("Unable to replicate the partition {factor} time(s): {message}")),
            ..denied
        })
    }

    fn placed_partitions(
        &self,
        id: TopicId,
        first: i32,
        count: i32,
        factor: i16,
    ) -> Result<Vec<PartitionRegistration>, Denied> {
        let placed = self.place(id, first, count, factor)?.into_iter();
        let partitions = placed.map(|replicas| {
            self.new_partition(replicas).ok_or_else(|| {
                let message = "All brokers are currently fenced or in controlled shutdown.";
                Denied::new(ErrorCode::InvalidReplicationFactor, message)
            })
        });
        partitions.collect()
    }

    fn partition_record(&self, id: TopicId, partition: i32, state: &PartitionRegistration) -> MetadataRecord {
        let record: PartitionRecord =
            state.to_record(id, partition, self.version().directory_assignment(), self.image.elr_enabled());
        MetadataRecord::Partition(record)
    }

    pub(super) fn delete_topics(&self, topics: Vec<TopicRef>) -> Decision<Vec<DeletedTopic>> {
        let mut records = Vec::new();
        let mut results = Vec::new();
        let mut counts = BTreeMap::<&TopicRef, usize>::new();
        topics.iter().for_each(|topic| *counts.entry(topic).or_default() += 1);
        let mut gone = BTreeSet::new();
        for (reference, count) in counts {
            let found = match reference {
                TopicRef::Name(name) => self.image.topics.named(name),
                TopicRef::Id(id) => self.image.topics.with_id(*id),
            };
            let refuse = |message: &str| Err(Denied::new(ErrorCode::InvalidRequest, message));
            let result = match (reference, found) {
                (TopicRef::Name(_), _) if count > 1 => refuse("Duplicate topic name."),
                (TopicRef::Id(_), _) if count > 1 => refuse("Duplicate topic id."),
                (_, Some(topic)) if !gone.insert(topic.id) => {
                    refuse("The provided topic name maps to an ID that was already supplied.")
                }
                (_, Some(topic)) => {
                    records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: topic.id }));
                    Ok(())
                }
                (TopicRef::Name(_), None) => Err(ErrorCode::UnknownTopicOrPartition.into()),
                (TopicRef::Id(_), None) => Err(ErrorCode::UnknownTopicId.into()),
            };
            let (name, id) = match (reference, found) {
                (_, Some(topic)) => (Some(topic.name.to_string()), topic.id),
                (TopicRef::Name(name), None) => (Some(name.clone()), Uuid::ZERO),
                (TopicRef::Id(id), None) => (None, *id),
            };
            results.push(DeletedTopic { name, id, result });
        }
        (records, results)
    }

    pub(super) fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        validate_only: bool,
    ) -> Decision<Vec<(String, Result<(), Denied>)>> {
        let mut counts = BTreeMap::<String, usize>::new();
        topics.iter().for_each(|topic| *counts.entry(topic.topic.clone()).or_default() += 1);
        let mut records = Vec::new();
        let mut results = Vec::new();
        for topic in topics {
            match counts.get_mut(&topic.topic) {
                Some(0) => continue,
                Some(count) if *count > 1 => {
                    *count = 0;
                    results.push((topic.topic, Err(Denied::new(ErrorCode::InvalidRequest, "Duplicate topic name."))));
                    continue;
                }
                Some(_) | None => {}
            }
            let room = PARTITIONS_MAX - records.len() as i64;
            let result = self.add_partitions(&topic, room).map(|new| records.extend(new));
            results.push((topic.topic, result));
        }
        if validate_only {
            records.clear();
        }
        (records, results)
    }

    /// The records of more partitions, of which the request may still ask for `room`.
    fn add_partitions(&self, request: &NewPartitions, room: i64) -> Result<Vec<MetadataRecord>, Denied> {
        let Some(topic) = self.image.topics.named(&request.topic) else {
            return Err(Denied { code: ErrorCode::UnknownTopicOrPartition, message: None });
        };
        let existing = topic.partitions.len() as i32;
        if request.count == existing {
            let message = format!("Topic already has {existing} partition(s).");
            return Err(Denied::new(ErrorCode::InvalidPartitions, message));
        }
        if request.count < existing {
            let message = format!(
                "The topic {} currently has {existing} partition(s); {} would not be an increase.",
                request.topic, request.count
            );
            return Err(Denied::new(ErrorCode::InvalidPartitions, message));
        }
        let additional = request.count - existing;
        if i64::from(additional) > room {
            let message = "Excessively large number of partitions per request.";
            return Err(Denied::new(ErrorCode::PolicyViolation, message));
        }
        let factor = topic.partitions.values().next().map_or(1, |part| part.replicas.len());
        let partitions = match &request.assignments {
            Some(assignments) => self.assigned_additions(topic, assignments, additional, factor)?,
            None => self.placed_partitions(topic.id, existing, additional, factor as i16)?,
        };
        let records = (existing..).zip(&partitions).map(|(index, part)| self.partition_record(topic.id, index, part));
        Ok(records.collect())
    }

    fn assigned_additions(
        &self,
        topic: &TopicImage,
        assignments: &[Vec<BrokerId>],
        additional: i32,
        factor: usize,
    ) -> Result<Vec<PartitionRegistration>, Denied> {
        let refuse = |message: String| Denied::new(ErrorCode::InvalidReplicaAssignment, message);
        if assignments.len() as i32 != additional {
            return Err(refuse(format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            )));
        }
        let mut partitions = Vec::new();
        for replicas in assignments {
            self.check_assignment(replicas, Some(factor))?;
            let partition = topic.partitions.len() + partitions.len();
            partitions.push(self.new_partition(replicas.clone()).ok_or_else(|| {
                refuse(format!(
                    "All brokers specified in the manual partition assignment for partition {partition} are fenced or in \
                     controlled shutdown."
                ))
            })?);
        }
        Ok(partitions)
    }
}
