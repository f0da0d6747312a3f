//! OffsetCommit, OffsetFetch and OffsetDelete.

use std::sync::Arc;

use crate::protocol::StrBytes;
use crate::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use crate::protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use crate::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use crate::protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, TopicName,
};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, LeaderEpoch, Millis, Offset, TopicId};

use super::classic::Group;
use super::consumer::Committer;
use super::machine::{GroupMachine, Live, Reply, Turn, own, text};
use super::records::{CommittedOffset, Record};
use super::state::State;

/// From this version on an unknown group is told from an old generation.
const GROUP_ID_NOT_FOUND_SINCE: i16 = 9;

/// Whether offsets of a topic are in use by members.
type IsSubscribedTo<'a> = Box<dyn Fn(&str) -> bool + 'a>;

impl GroupMachine {
    pub(super) fn commit(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        ticket: Ticket,
        request: &OffsetCommitRequest,
        version: i16,
    ) {
        if let Err(error) = self.may_commit(live, turn, request, version) {
            return turn.outcome.answer(ticket, Reply::Commit(refused_commit(request, error)));
        }
        let group = own(&request.group_id);
        let topics = request.topics.iter().map(|topic| {
            let name = own(&topic.name);
            let partitions = topic.partitions.iter().map(|partition| {
                let result = self.commit_partition(turn, request, &group, &name, topic, partition);
                OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(result.err().unwrap_or(ErrorCode::None).code())
            });
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions.collect())
        });
        let reply = OffsetCommitResponse::default().with_topics(topics.collect());
        if !turn.outcome.records.is_empty() && !self.consumers.contains_key(&group) && !self.is_newer(&group) {
            // A group of only offsets needs no record of its own.
            live.groups.entry(group.clone()).or_insert_with(|| Group::empty(group, turn.now.wall));
        }
        turn.outcome.answer(ticket, Reply::Commit(reply));
    }

    /// In the join phase and when stable, a commit is a sign of life.
    fn may_commit(
        &self,
        live: &Live,
        turn: &mut Turn,
        request: &OffsetCommitRequest,
        version: i16,
    ) -> Result<(), ErrorCode> {
        if self.shares.contains_key(request.group_id.as_str()) {
            return Err(ErrorCode::GroupIdNotFound);
        }
        if let Some(group) = self.consumers.get(request.group_id.as_str()) {
            let partitions = request.topics.iter().flat_map(|topic| {
                // Those whose metadata is too long are refused by themselves.
                let fits = |metadata: &Option<StrBytes>| self.checked_metadata(metadata.as_deref()).is_ok();
                let partitions = topic.partitions.iter().filter(move |partition| fits(&partition.committed_metadata));
                partitions.map(|partition| (topic.topic_id.into(), partition.partition_index))
            });
            return group.may_commit(&committer(request, version), partitions);
        }
        if let Some(group) = self.streams.get(request.group_id.as_str()) {
            let partitions = request.topics.iter().flat_map(|topic| {
                let fits = |metadata: &Option<StrBytes>| self.checked_metadata(metadata.as_deref()).is_ok();
                let partitions = topic.partitions.iter().filter(move |partition| fits(&partition.committed_metadata));
                partitions.map(|partition| (topic.name.as_str(), partition.partition_index))
            });
            return group.may_commit(&committer(request, version), partitions);
        }
        let generation = request.generation_id_or_member_epoch;
        let Some(group) = live.groups.get(request.group_id.as_str()) else {
            return match generation {
                ..0 => Ok(()),
                _ if version >= GROUP_ID_NOT_FOUND_SINCE => Err(ErrorCode::GroupIdNotFound),
                _ => Err(ErrorCode::IllegalGeneration),
            };
        };
        let empty = group.state == State::Empty;
        let instance = request.group_instance_id.as_deref();
        if generation < 0 && empty {
            return Ok(());
        }
        if generation < 0 && request.member_id.is_empty() && instance.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        group.validate_member(&request.member_id, instance)?;
        if generation != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match group.state {
            State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::Stable | State::PreparingRebalance => {
                turn.renew_session(group.id.clone(), &group.members[request.member_id.as_str()]);
                Ok(())
            }
            State::Empty | State::Dead => Ok(()),
        }
    }

    fn commit_partition(
        &self,
        turn: &mut Turn,
        request: &OffsetCommitRequest,
        group: &Arc<str>,
        topic: &Arc<str>,
        committed_topic: &OffsetCommitRequestTopic,
        partition: &OffsetCommitRequestPartition,
    ) -> Result<(), ErrorCode> {
        let metadata = self.checked_metadata(partition.committed_metadata.as_deref())?;
        let wall = turn.now.wall;
        let expires_at = (request.retention_time_ms != -1).then(|| wall + Millis(request.retention_time_ms));
        let committed = CommittedOffset {
            offset: Offset(partition.committed_offset),
            leader_epoch: LeaderEpoch(partition.committed_leader_epoch.max(-1)),
            metadata: own(metadata),
            committed_at: wall,
            expires_at,
            topic_id: committed_topic.topic_id.into(),
        };
        turn.outcome.records.push(Record::Offset {
            group: group.clone(),
            topic: topic.clone(),
            partition: partition.partition_index,
            committed: Some(committed),
        });
        Ok(())
    }

    pub(super) fn checked_metadata<'a>(&self, metadata: Option<&'a str>) -> Result<&'a str, ErrorCode> {
        let metadata = metadata.unwrap_or_default();
        let most = usize::try_from(self.settings.offset_metadata_max_bytes).unwrap_or(0);
        // Counted as Java counts: in UTF-16 units.
        match metadata.len() > most && metadata.encode_utf16().count() > most {
            true => Err(ErrorCode::OffsetMetadataTooLarge),
            false => Ok(metadata),
        }
    }

    /// The committed offsets asked for, or all. With `stable`, what an open transaction holds back is told as unstable.
    pub(super) fn fetch(
        &self,
        live: &Live,
        request: &OffsetFetchRequestGroup,
        stable: bool,
    ) -> OffsetFetchResponseGroup {
        let id = request.group_id.as_str();
        let may_fetch = match (self.consumers.get(id), self.streams.get(id)) {
            (Some(group), _) => group.may_fetch(request),
            (None, Some(group)) => group.may_fetch(request),
            (None, None) => Ok(()),
        };
        if let Err(error) = may_fetch {
            let refused = OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone());
            return refused.with_error_code(error.code());
        }
        let topics = match &request.topics {
            None => self.all_offsets(live, id, stable),
            Some(topics) => topics.iter().map(|topic| self.fetch_topic(id, topic, stable)).collect(),
        };
        OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone()).with_topics(topics)
    }

    fn fetch_topic(&self, group: &str, topic: &OffsetFetchRequestTopics, stable: bool) -> OffsetFetchResponseTopics {
        let asked: TopicId = topic.topic_id.into();
        let of_another_topic =
            |kept: &CommittedOffset| kept.topic_id != TopicId::ZERO && asked != TopicId::ZERO && kept.topic_id != asked;
        let partitions = topic.partition_indexes.iter().map(|partition| {
            if stable && self.open.holds(group, &topic.name, *partition) {
                return unstable(*partition);
            }
            let committed = self.committed(group, &topic.name, *partition).filter(|kept| !of_another_topic(kept));
            fetched(*partition, committed)
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    }

    fn all_offsets(&self, live: &Live, group: &str, stable: bool) -> Vec<OffsetFetchResponseTopics> {
        let is_other = self.is_newer(group) || self.consumers.contains_key(group);
        let known = live.groups.contains_key(group) || is_other;
        let Some(topics) = self.offsets.get(group).filter(|_| known) else { return Vec::new() };
        let each = topics.iter().map(|(topic, partitions)| {
            let partitions = partitions.iter().map(|(partition, committed)| {
                match stable && self.open.holds(group, topic, *partition) {
                    true => unstable(*partition),
                    false => fetched(*partition, Some(committed)),
                }
            });
            OffsetFetchResponseTopics::default().with_name(TopicName(text(topic))).with_partitions(partitions.collect())
        });
        each.collect()
    }

    pub(super) fn delete_offsets(&self, live: &Live, turn: &mut Turn, ticket: Ticket, request: &OffsetDeleteRequest) {
        let id = own(&request.group_id);
        let reply = match self.subscriptions(live, &id) {
            Err(error) => OffsetDeleteResponse::default().with_error_code(error.code()),
            Ok(is_subscribed_to) => {
                let topics = request.topics.iter().map(|topic| {
                    let name = own(&topic.name);
                    let subscribed = is_subscribed_to(&name);
                    let code = if subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
                    let partitions = topic.partitions.iter().map(|partition| {
                        let partition = partition.partition_index;
                        let is_kept = self.committed(&id, &name, partition).is_some();
                        if !subscribed && (is_kept || self.open.holds(&id, &name, partition)) {
                            turn.forget(&id, &name, partition);
                        }
                        OffsetDeleteResponsePartition::default()
                            .with_partition_index(partition)
                            .with_error_code(code.code())
                    });
                    OffsetDeleteResponseTopic::default()
                        .with_name(topic.name.clone())
                        .with_partitions(partitions.collect())
                });
                OffsetDeleteResponse::default().with_topics(topics.collect())
            }
        };
        turn.outcome.answer(ticket, Reply::DeleteOffsets(reply));
    }
}

impl GroupMachine {
    /// Which topics' offsets are in use, if offsets of the group may be deleted at all.
    fn subscriptions<'a>(&'a self, live: &'a Live, id: &str) -> Result<IsSubscribedTo<'a>, ErrorCode> {
        if let Some(group) = self.consumers.get(id) {
            return Ok(Box::new(move |topic| group.is_subscribed_to(topic)));
        }
        if let Some(group) = self.streams.get(id) {
            return Ok(Box::new(move |topic| group.is_subscribed_to(topic)));
        }
        let group = deletable_from(live, id)?;
        Ok(Box::new(move |topic| group.is_subscribed_to(topic)))
    }
}

impl Turn<'_> {
    /// Writes a tombstone for a committed offset.
    pub fn forget(&mut self, group: &Arc<str>, topic: &Arc<str>, partition: i32) {
        let (group, topic) = (group.clone(), topic.clone());
        self.outcome.records.push(Record::Offset { group, topic, partition, committed: None });
    }
}

/// Who wants to commit with this request.
fn committer(request: &OffsetCommitRequest, version: i16) -> Committer<'_> {
    Committer {
        member_id: &request.member_id,
        is_static: request.group_instance_id.is_some(),
        epoch: request.generation_id_or_member_epoch,
        version: Some(version),
    }
}

/// Members that do not say what they subscribe to keep all offsets of their group.
fn deletable_from<'a>(live: &'a Live, id: &str) -> Result<&'a Group, ErrorCode> {
    let group = live.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)?;
    match group.state {
        State::Empty => Ok(group),
        State::Stable | State::PreparingRebalance | State::CompletingRebalance if group.uses_consumer_protocol() => {
            Ok(group)
        }
        State::Stable | State::PreparingRebalance | State::CompletingRebalance => Err(ErrorCode::NonEmptyGroup),
        State::Dead => Err(ErrorCode::GroupIdNotFound),
    }
}

fn unstable(partition: i32) -> OffsetFetchResponsePartitions {
    fetched(partition, None).with_error_code(ErrorCode::UnstableOffsetCommit.code())
}

fn fetched(partition: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let reply = OffsetFetchResponsePartitions::default().with_partition_index(partition);
    match committed {
        None => reply
            .with_committed_offset(Offset::NONE.0)
            .with_committed_leader_epoch(LeaderEpoch::NONE.0)
            .with_metadata(Some(StrBytes::new())),
        Some(committed) => reply
            .with_committed_offset(committed.offset.0)
            .with_committed_leader_epoch(committed.leader_epoch.0)
            .with_metadata(Some(text(&committed.metadata))),
    }
}

/// Every partition of the request with the same error.
pub fn refused_commit(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error.code())
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// Every partition asked for with the same error.
pub fn refused_fetch(
    topics: Option<Vec<OffsetFetchRequestTopics>>,
    error: ErrorCode,
) -> Vec<OffsetFetchResponseTopics> {
    let topics = topics.unwrap_or_default().into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter();
        let partitions = partitions.map(|partition| fetched(*partition, None).with_error_code(error.code()));
        OffsetFetchResponseTopics::default()
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    topics.collect()
}
