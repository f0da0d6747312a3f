//! What brokers do for a request, as the handlers do it: verify, append, wait for the commit.

use super::log::SimLog;
use super::world::{Sim, topic_id};
use crate::coordinator::error_of;
use crate::coordinator::group;
use crate::coordinator::transaction::{Command, Producer, Reply};
use crate::log::append::AppendOrigin;
use crate::log::producer_state::{AppendContext, VerificationGuard};
use crate::protocol::StrBytes;
use crate::protocol::batch::{BatchBuilder, NO_SEQUENCE};
use crate::protocol::control::TxnMarker;
use crate::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::protocol::messages::{GroupId, OffsetCommitRequest, TopicName, TxnOffsetCommitRequest};
use crate::state_machine::JournalError;
use crate::types::{ErrorCode, OFFSETS_TOPIC, Offset, ProducerId, TopicPartition};

/// Whose transaction a request belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bearer {
    pub id: &'static str,
    pub producer: Producer,
    /// Whether it is a client of `transaction.version` 2, which leaves it to brokers to add partitions.
    pub newest: bool,
}

/// On whose behalf offsets are committed. Metadata tells it, so that the log can be judged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    pub group: &'static str,
    pub id: String,
    pub instance: Option<&'static str>,
    pub epoch: i32,
}

/// Text for a request.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// InitProducerId.
pub async fn init(
    sim: Sim,
    id: &'static str,
    timeout_ms: i32,
    expected: Option<Producer>,
) -> Result<Producer, ErrorCode> {
    let mut fresh = None;
    loop {
        let command = Command::Init { id: id.into(), timeout_ms, expected, fresh };
        match sim.transactions.submit(command).await? {
            Reply::Init(borne) => return borne,
            Reply::NeedsProducerId => fresh = Some(ProducerId(sim.producer_id())),
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    }
}

/// AddPartitionsToTxn or AddOffsetsToTxn of a client before `transaction.version` 2.
pub async fn add(sim: Sim, bearer: Bearer, partition: TopicPartition) -> Result<(), ErrorCode> {
    ask_coordinator(&sim, &bearer, &partition, true, 0).await
}

/// Produce of one batch. Answers once it is committed.
pub async fn produce(
    sim: Sim,
    bearer: Bearer,
    partition: TopicPartition,
    sequence: i32,
    values: Vec<i64>,
) -> Result<(), ErrorCode> {
    let newest = sim.oracle.borrow().transactions.newest(bearer.id);
    let log = sim.log_of(&partition).clone();
    let leader_epoch = log.leader_epoch();
    let guard = verify(&sim, &bearer, &log, sequence).await?;
    let mut builder = BatchBuilder::new(Offset::ZERO).transactional();
    builder = builder.producer(bearer.producer.id, bearer.producer.epoch, sequence);
    for value in &values {
        builder.append(sim.now(), None, Some(&value.to_be_bytes()), &[]);
    }
    let context = AppendContext { origin: AppendOrigin::Client, guard, transaction_version: 0 };
    let appended = log.append(builder.build(), leader_epoch, context).map_err(|why| append_code(&why))?;
    if appended.duplicate {
        sim.reach("produce: duplicate answered");
    } else if newest.is_some_and(|newest| bearer.producer < newest) {
        let told = format!("{} wrote {values:?} as {:?}, long after {newest:?}", bearer.id, bearer.producer);
        sim.violate("fenced", told);
    }
    log.committed(appended.last, leader_epoch).await.map_err(|why| append_code(&why))?;
    Ok(())
}

/// TxnOffsetCommit of one partition, which names who commits or no one.
pub async fn commit_in_transaction(
    sim: Sim,
    bearer: Bearer,
    member: Member,
    partition: TopicPartition,
    value: i64,
) -> Result<(), ErrorCode> {
    let newest = sim.oracle.borrow().transactions.newest(bearer.id);
    let guard = verify(&sim, &bearer, &sim.group_log, NO_SEQUENCE).await?;
    let committed = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(partition.partition)
        .with_committed_offset(value)
        .with_committed_metadata(Some(text(&metadata(&member))));
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(TopicName(text(&partition.topic)))
        .with_partitions(vec![committed]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(text(bearer.id).into())
        .with_group_id(GroupId(text(member.group)))
        .with_producer_id(bearer.producer.id.0.into())
        .with_producer_epoch(bearer.producer.epoch.0)
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.map(text))
        .with_generation_id(member.epoch)
        .with_topics(vec![topic]);
    match sim.groups.submit(group::Command::CommitInTransaction { request, guard }).await? {
        group::Reply::TxnCommit(reply) => {
            checked(reply.topics[0].partitions[0].error_code)?;
            if newest.is_some_and(|newest| bearer.producer < newest) {
                sim.violate(
                    "fenced",
                    format!("{} committed {value} as {:?}, long after {newest:?}", bearer.id, bearer.producer),
                );
            }
            Ok(())
        }
        other => unreachable!("a command is answered in kind, not by {other:?}"),
    }
}

/// EndTxn. Answers who bears the id then.
pub async fn end(sim: Sim, bearer: Bearer, commit: bool) -> Result<Producer, ErrorCode> {
    let client_version = if bearer.newest { 2 } else { 0 };
    let mut fresh = None;
    loop {
        let command = Command::End { id: bearer.id.into(), producer: bearer.producer, commit, client_version, fresh };
        match sim.transactions.submit(command).await? {
            Reply::End(borne) => return borne,
            Reply::NeedsProducerId => fresh = Some(ProducerId(sim.producer_id())),
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    }
}

/// WriteTxnMarkers for one partition. Answers once the marker is committed.
pub async fn write_marker(sim: Sim, partition: TopicPartition, marker: TxnMarker) -> ErrorCode {
    if &*partition.topic == OFFSETS_TOPIC {
        return match sim.groups.submit(group::Command::EndTransaction(marker)).await {
            Ok(_) => ErrorCode::None,
            Err(error) => error,
        };
    }
    let log = sim.log_of(&partition);
    let leader_epoch = log.leader_epoch();
    let written = match log.append_marker(&marker, leader_epoch) {
        Ok(appended) => log.committed(appended.last, leader_epoch).await,
        Err(why) => Err(why),
    };
    written.err().map_or(ErrorCode::None, |why| append_code(&why))
}

/// OffsetCommit of one partition.
pub async fn commit(sim: Sim, member: Member, partition: TopicPartition, value: i64) -> Result<(), ErrorCode> {
    let committed = OffsetCommitRequestPartition::default()
        .with_partition_index(partition.partition)
        .with_committed_offset(value)
        .with_committed_metadata(Some(text(&metadata(&member))));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text(&partition.topic)))
        .with_topic_id(topic_id(&partition.topic).into())
        .with_partitions(vec![committed]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(member.group)))
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.map(text))
        .with_generation_id_or_member_epoch(member.epoch)
        .with_retention_time_ms(-1)
        .with_topics(vec![topic]);
    match sim.groups.submit(group::Command::Commit { request, version: 9 }).await? {
        group::Reply::Commit(reply) => checked(reply.topics[0].partitions[0].error_code),
        other => unreachable!("a command is answered in kind, not by {other:?}"),
    }
}

/// Any other request to the group coordinator.
pub async fn ask_group(sim: Sim, command: group::Command) -> Result<group::Reply, ErrorCode> {
    sim.groups.submit(command).await
}

/// An error code as a result.
pub fn checked(code: i16) -> Result<(), ErrorCode> {
    match ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError) {
        ErrorCode::None => Ok(()),
        error => Err(error),
    }
}

/// Has the coordinator know of the partition before something is appended there.
async fn verify(
    sim: &Sim,
    bearer: &Bearer,
    log: &SimLog,
    sequence: i32,
) -> Result<Option<VerificationGuard>, ErrorCode> {
    let Producer { id, epoch } = bearer.producer;
    let guard = log.begin_verification((id, epoch), sequence, bearer.newest)?;
    if guard.is_some() {
        let added = ask_coordinator(sim, bearer, &log.partition, bearer.newest, 2).await;
        added.map_err(|error| match error {
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            error => error,
        })?;
    }
    Ok(guard)
}

async fn ask_coordinator(
    sim: &Sim,
    bearer: &Bearer,
    partition: &TopicPartition,
    adds: bool,
    client_version: i16,
) -> Result<(), ErrorCode> {
    let (id, producer, partitions) = (bearer.id.into(), bearer.producer, vec![partition.clone()]);
    let command = match adds {
        true => Command::Add { id, producer, partitions, client_version },
        false => Command::Verify { id, producer, partitions },
    };
    let told = match sim.transactions.submit(command).await? {
        Reply::Add(told) | Reply::Verify(Err(told)) => told,
        Reply::Verify(Ok(told)) => told.first().map_or(ErrorCode::UnknownServerError, |(_, told)| *told),
        other => unreachable!("a command is answered in kind, not by {other:?}"),
    };
    if told.is_none() { Ok(()) } else { Err(told) }
}

fn append_code(why: &JournalError) -> ErrorCode {
    match why {
        JournalError::NotLeader => ErrorCode::NotLeaderOrFollower,
        why => error_of(why),
    }
}

/// What a committed offset says of who committed it.
fn metadata(member: &Member) -> String {
    format!("{}|{}", member.id, member.epoch)
}

/// Who committed an offset with that metadata, and in which generation or epoch; no one if it names no one.
pub fn committer(metadata: &str) -> Option<(&str, i32)> {
    let (member, epoch) = metadata.rsplit_once('|')?;
    (!member.is_empty()).then_some((member, epoch.parse().ok()?))
}
