//! Offsets that are committed within transactions: TxnOffsetCommit, and what becomes of them (KIP-98, KIP-447).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::log::producer_state::VerificationGuard;
use crate::protocol::StrBytes;
use crate::protocol::control::TxnMarker;
use crate::protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use crate::protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use crate::protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};

use super::consumer::Committer;
use super::machine::{GroupMachine, Live, Reply, Turn, own};
use super::records::{CommittedOffset, Record, TxnProducer};
use super::state::State;

/// Offsets that wait for the end of their transactions.
#[derive(Debug, Default)]
pub struct OpenTransactions {
    pending: BTreeMap<ProducerId, BTreeMap<Place, PendingOffset>>,
    /// Who holds back a partition: by group, topic and partition.
    holders: BTreeMap<Arc<str>, Holders>,
    /// Pending offsets there have been.
    added: u64,
}

/// Who holds back which partitions of a group, by topic.
type Holders = BTreeMap<Arc<str>, BTreeMap<i32, BTreeSet<ProducerId>>>;
/// Group, topic and partition.
type Place = (Arc<str>, Arc<str>, i32);

#[derive(Debug)]
struct PendingOffset {
    /// Its place among all of them.
    order: u64,
    committed: CommittedOffset,
    /// Something later was committed for the partition already.
    is_superseded: bool,
}

impl OpenTransactions {
    /// A producer commits an offset within its transaction.
    pub fn add(&mut self, producer: ProducerId, place: Place, committed: CommittedOffset) {
        let topics = self.holders.entry(place.0.clone()).or_default();
        topics.entry(place.1.clone()).or_default().entry(place.2).or_default().insert(producer);
        let pending = PendingOffset { order: self.added, committed, is_superseded: false };
        self.added += 1;
        self.pending.entry(producer).or_default().insert(place, pending);
    }

    /// A producer's transaction has ended. Answers what is committed with it: what it has pending, without what was
    /// superseded meanwhile. An abort supersedes nothing.
    pub fn end(&mut self, producer: ProducerId, commit: bool) -> Vec<(Place, CommittedOffset)> {
        let pending = self.pending.remove(&producer).unwrap_or_default();
        let mut ended = Vec::with_capacity(pending.len());
        for (place, pending) in pending {
            self.release(&place, producer);
            if commit && !pending.is_superseded {
                self.supersede(&place, pending.order);
                ended.push((place, pending.committed));
            }
        }
        ended
    }

    /// An offset is committed for the partition outside of any transaction.
    pub fn supersede_all(&mut self, group: &Arc<str>, topic: &Arc<str>, partition: i32) {
        self.supersede(&(group.clone(), topic.clone(), partition), u64::MAX);
    }

    /// The partition's offset is deleted, also where it is pending.
    pub fn forget(&mut self, group: &Arc<str>, topic: &Arc<str>, partition: i32) {
        let place = (group.clone(), topic.clone(), partition);
        for producer in self.holders_of(&place) {
            if let Some(pending) = self.pending.get_mut(&producer) {
                pending.remove(&place);
                if pending.is_empty() {
                    self.pending.remove(&producer);
                }
            }
            self.release(&place, producer);
        }
    }

    /// Whether an offset is pending for the partition.
    pub fn holds(&self, group: &str, topic: &str, partition: i32) -> bool {
        let topics = self.holders.get(group).and_then(|topics| topics.get(topic));
        topics.is_some_and(|partitions| partitions.contains_key(&partition))
    }

    /// The partitions of a group for which offsets are pending.
    pub fn partitions_of(&self, group: &str) -> impl Iterator<Item = (&Arc<str>, i32)> {
        let topics = self.holders.get(group).into_iter().flatten();
        topics.flat_map(|(topic, partitions)| partitions.keys().map(move |partition| (topic, *partition)))
    }

    /// The groups that have offsets pending.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.holders.keys()
    }

    /// Pending offsets of a topic: their groups, partitions and what is to be committed.
    pub fn of_topic(&self, topic: &str) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        let pending = self.pending.values().flatten().filter(move |((_, of, _), _)| **of == *topic);
        pending.map(|((group, _, partition), pending)| (group, *partition, &pending.committed))
    }

    fn supersede(&mut self, place: &Place, before: u64) {
        for producer in self.holders_of(place) {
            let pending = self.pending.get_mut(&producer).and_then(|pending| pending.get_mut(place));
            if let Some(earlier) = pending.filter(|pending| pending.order < before) {
                earlier.is_superseded = true;
            }
        }
    }

    fn holders_of(&self, (group, topic, partition): &Place) -> BTreeSet<ProducerId> {
        let partitions = self.holders.get(group).and_then(|topics| topics.get(topic));
        partitions.and_then(|partitions| partitions.get(partition)).cloned().unwrap_or_default()
    }

    fn release(&mut self, (group, topic, partition): &Place, producer: ProducerId) {
        let Some(topics) = self.holders.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        if let Some(producers) = partitions.get_mut(partition) {
            producers.remove(&producer);
            if producers.is_empty() {
                partitions.remove(partition);
            }
        }
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.holders.remove(group);
        }
    }
}

impl GroupMachine {
    /// TxnOffsetCommit, whose transaction `guard` shows to be verified.
    pub(super) fn commit_in_transaction(
        &self,
        live: &Live,
        turn: &mut Turn,
        ticket: Ticket,
        request: &TxnOffsetCommitRequest,
        guard: Option<VerificationGuard>,
    ) {
        if let Err(error) = self.may_commit_in_transaction(live, request) {
            return turn.outcome.answer(ticket, Reply::TxnCommit(refused_txn_commit(request, error)));
        }
        let group = own(&request.group_id);
        let epoch = ProducerEpoch(request.producer_epoch);
        let producer = TxnProducer { id: ProducerId(request.producer_id.0), epoch, guard };
        let topics = request.topics.iter().map(|topic| {
            let name = own(&topic.name);
            let partitions = topic.partitions.iter().map(|partition| {
                let committed = self.offset_in_transaction(turn, partition);
                let code = committed.as_ref().err().copied().unwrap_or(ErrorCode::None);
                if let Ok(committed) = committed {
                    let (group, topic, partition) = (group.clone(), name.clone(), partition.partition_index);
                    turn.outcome.records.push(Record::TxnOffset { producer, group, topic, partition, committed });
                }
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code.code())
            });
            TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
        });
        let reply = TxnOffsetCommitResponse::default().with_topics(topics.collect());
        turn.outcome.answer(ticket, Reply::TxnCommit(reply));
    }

    /// Producers of before KIP-447 name no member, and are let pass.
    fn may_commit_in_transaction(&self, live: &Live, request: &TxnOffsetCommitRequest) -> Result<(), ErrorCode> {
        if self.shares.contains_key(request.group_id.as_str()) {
            return Err(ErrorCode::GroupIdNotFound);
        }
        let generation = request.generation_id;
        if let Some(group) = self.consumers.get(request.group_id.as_str()) {
            let image = self.surroundings.image();
            let partitions = request.topics.iter().flat_map(|topic| {
                let id = image.topics.named(&topic.name).map_or(TopicId::ZERO, |topic| topic.id);
                let partitions = topic.partitions.iter();
                let fits = |metadata: &Option<StrBytes>| self.checked_metadata(metadata.as_deref()).is_ok();
                let partitions = partitions.filter(move |partition| fits(&partition.committed_metadata));
                partitions.map(move |partition| (id, partition.partition_index))
            });
            return group.may_commit(&committer(request), partitions).map_err(as_producers_know_it);
        }
        if let Some(group) = self.streams.get(request.group_id.as_str()) {
            let partitions = request.topics.iter().flat_map(|topic| {
                let fits = |metadata: &Option<StrBytes>| self.checked_metadata(metadata.as_deref()).is_ok();
                let partitions = topic.partitions.iter().filter(move |partition| fits(&partition.committed_metadata));
                partitions.map(|partition| (topic.name.as_str(), partition.partition_index))
            });
            return group.may_commit(&committer(request), partitions).map_err(as_producers_know_it);
        }
        let Some(group) = live.groups.get(request.group_id.as_str()) else {
            return if generation < 0 { Ok(()) } else { Err(ErrorCode::IllegalGeneration) };
        };
        let instance = request.group_instance_id.as_deref();
        let names_no_one = generation < 0 && request.member_id.is_empty() && instance.is_none();
        if names_no_one || (generation < 0 && group.state == State::Empty) {
            return Ok(());
        }
        group.validate_member(&request.member_id, instance)?;
        if generation == group.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }

    fn offset_in_transaction(
        &self,
        turn: &Turn,
        partition: &TxnOffsetCommitRequestPartition,
    ) -> Result<CommittedOffset, ErrorCode> {
        let metadata = self.checked_metadata(partition.committed_metadata.as_deref())?;
        Ok(CommittedOffset {
            offset: Offset(partition.committed_offset),
            leader_epoch: LeaderEpoch(partition.committed_leader_epoch.max(-1)),
            metadata: own(metadata),
            committed_at: turn.now.wall,
            expires_at: None,
            topic_id: TopicId::ZERO,
        })
    }

    /// Writes the marker of a transaction into the group's log; its pending offsets are committed or dropped with it.
    pub(super) fn end_transaction(&self, turn: &mut Turn, ticket: Ticket, marker: TxnMarker) {
        turn.outcome.records.push(Record::EndTxn(marker));
        turn.outcome.answer(ticket, Reply::TransactionEnded);
    }
}

/// Who wants to commit with this request.
fn committer(request: &TxnOffsetCommitRequest) -> Committer<'_> {
    Committer {
        member_id: &request.member_id,
        is_static: request.group_instance_id.is_some(),
        epoch: request.generation_id,
        version: None,
    }
}

/// Producers know no error of member epochs.
fn as_producers_know_it(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::StaleMemberEpoch => ErrorCode::IllegalGeneration,
        other => other,
    }
}

/// Every partition of the request with the same error.
pub fn refused_txn_commit(request: &TxnOffsetCommitRequest, error: ErrorCode) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error.code())
        });
        TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}
