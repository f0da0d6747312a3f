//! Deliberate bugs, each of a kind that Kafka or one of its rivals has had. They wrap the machines, the journal and the
//! partitions of the simulation; production code knows nothing of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::state_machine::{Outcome, StateMachine};
use crate::types::ProducerId;

/// A bug that can be planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    EpochNotRaisedByInit,
    PreparedForgottenAtLoad,
    CompletedWithoutMarkers,
    RetriedEndAlwaysAgreed,
    LateEndEndsTheNext,
    EpochsWrapAround,
    TimeoutDoesNotFence,
    OngoingIdsExpire,
    AddedPartitionNotWritten,
    MarkersOfAnyEpoch,
    TransactionsNotVerified,
    AbortedRangesForgottenByNewLeader,
    ProducersForgottenByNewLeader,
    ReadersPassOpenTransactions,
    AnsweredBeforeCommit,
    AbortedOffsetsCommitted,
    WrongProducersOffsetsEnd,
    PendingOffsetsForgottenAtLoad,
    PendingOffsetsToldAsStable,
    StaleEpochCommits,
    HandedOverBeforeRevoked,
    OldStaticMemberNotFenced,
    SessionsNotRenewedAtLoad,
    GenerationNotRaised,
    DeletedOffsetsKeepTheirRecords,
    OffsetsInUseExpire,
    RefusedStateTakenAsMade,
}

/// Every bug, and what it breaks.
pub const BUGS: &[(Bug, &str)] = &[
    (Bug::EpochNotRaisedByInit, "InitProducerId hands out the epoch that its predecessor has"),
    (Bug::PreparedForgottenAtLoad, "a prepared transaction is not finished by the next coordinator"),
    (Bug::CompletedWithoutMarkers, "a transaction counts as complete although a marker was refused"),
    (Bug::RetriedEndAlwaysAgreed, "a repeated EndTxn is agreed to, whatever the transaction came to"),
    (Bug::LateEndEndsTheNext, "a late EndTxn ends the transaction that came after its own"),
    (Bug::EpochsWrapAround, "after the last epoch the same producer id begins again with epoch 0"),
    (Bug::TimeoutDoesNotFence, "a transaction that timed out is aborted without a new epoch"),
    (Bug::OngoingIdsExpire, "a transactional id is forgotten while its transaction is open"),
    (Bug::AddedPartitionNotWritten, "a partition added to an open transaction is agreed to and not written"),
    (Bug::MarkersOfAnyEpoch, "a partition takes markers of deposed coordinators and of earlier transactions"),
    (Bug::TransactionsNotVerified, "a partition opens transactions without asking their coordinator"),
    (Bug::AbortedRangesForgottenByNewLeader, "a new leader of a partition knows of no aborted transactions"),
    (Bug::ProducersForgottenByNewLeader, "a new leader of a partition begins with no producers"),
    (Bug::ReadersPassOpenTransactions, "readers of committed records are not held at open transactions"),
    (Bug::AnsweredBeforeCommit, "replies do not wait until the records under them are committed"),
    (Bug::AbortedOffsetsCommitted, "an abort commits the offsets of its transaction"),
    (Bug::WrongProducersOffsetsEnd, "a marker ends the pending offsets of another producer"),
    (Bug::PendingOffsetsForgottenAtLoad, "offsets of open transactions are not read at load"),
    (Bug::PendingOffsetsToldAsStable, "offsets that a transaction holds back are told as stable"),
    (Bug::StaleEpochCommits, "members commit with any earlier epoch"),
    (Bug::HandedOverBeforeRevoked, "a partition goes to its next owner before the last one gave it up"),
    (Bug::OldStaticMemberNotFenced, "the old holder of an instance id passes for the new one"),
    (Bug::SessionsNotRenewedAtLoad, "members of a loaded group have no session timeout"),
    (Bug::GenerationNotRaised, "a rebalance ends in the generation that it began with"),
    (Bug::DeletedOffsetsKeepTheirRecords, "a deleted group's offsets get no tombstones"),
    (Bug::RefusedStateTakenAsMade, "share state that was refused passes for made"),
    (Bug::OffsetsInUseExpire, "offsets expire although the group has members"),
];

/// A machine that may have a bug.
pub struct Planted<M> {
    pub machine: M,
    pub bug: Option<Bug>,
    /// What bugs go by: the epoch of each member, who holds each instance id, whose offsets are pending, which are kept.
    pub epochs: BTreeMap<Arc<str>, i32>,
    pub holders: BTreeMap<Arc<str>, Arc<str>>,
    pub pending: BTreeMap<ProducerId, u64>,
    pub kept: BTreeSet<(Arc<str>, Arc<str>, i32)>,
}

impl<M> Planted<M> {
    pub fn new(machine: M, bug: Option<Bug>) -> Planted<M> {
        let (epochs, holders) = (BTreeMap::new(), BTreeMap::new());
        Planted { machine, bug, epochs, holders, pending: BTreeMap::new(), kept: BTreeSet::new() }
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// What a machine wants, as wanted by the one around it.
pub fn outer<M, P>(outcome: Outcome<M>) -> Outcome<P>
where
    M: StateMachine,
    P: StateMachine<Reply = M::Reply, Record = M::Record, Timer = M::Timer>,
{
    Outcome { records: outcome.records, replies: outcome.replies, timers: outcome.timers }
}

/// The way back, of a copy.
pub fn inner<P, M>(outcome: &Outcome<P>) -> Outcome<M>
where
    P: StateMachine<Reply: Clone>,
    M: StateMachine<Reply = P::Reply, Record = P::Record, Timer = P::Timer>,
{
    let (records, replies, timers) = (outcome.records.clone(), outcome.replies.clone(), outcome.timers.clone());
    Outcome { records, replies, timers }
}
