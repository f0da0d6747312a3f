//! Clients beside producers and members: who commits without a group, who reads offsets, who deletes groups.

use super::handlers::{self, Member, ask_group, text};
use super::network::{call, call_in_order};
use super::oracle_groups::{Fetched, Key};
use super::world::{Sim, TOPICS};
use crate::coordinator::group::{Command, Reply};
use crate::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::protocol::messages::{GroupId, TopicName};
use crate::types::{ErrorCode, TopicPartition};

/// The groups, each of another kind: of classic members, of consumers, of offsets alone, and of both kinds of members.
pub const GROUPS: [&str; 4] = [CLASSIC, CONSUMER, SIMPLE, MIXED];
pub const CLASSIC: &str = "classic";
pub const CONSUMER: &str = "consumer";
pub const SIMPLE: &str = "simple";
pub const MIXED: &str = "mixed";

/// One of the groups.
fn group(sim: &Sim) -> &'static str {
    GROUPS[sim.below(GROUPS.len() as u64) as usize]
}

/// One of the partitions with data.
pub fn partition(sim: &Sim) -> TopicPartition {
    let (topic, partitions) = TOPICS[sim.below(2) as usize];
    TopicPartition::new(topic, sim.below(partitions as u64) as i32)
}

/// On whose behalf a producer commits offsets: a member as somebody once knew it, or no one.
pub fn committer(sim: &Sim) -> Member {
    let known = sim.oracle.borrow().groups.identities();
    match known.len() as u64 {
        count @ 1.. if sim.chance(60) => known[sim.below(count) as usize].clone(),
        _ => nobody(group(sim)),
    }
}

fn nobody(group: &'static str) -> Member {
    Member { group, epoch: -1, ..Member::default() }
}

/// Commits as somebody, and holds the answer against the log.
pub async fn commit(sim: &Sim, member: Member, partition: TopicPartition) -> Option<Result<(), ErrorCode>> {
    let value = sim.uid() * 100;
    let told = call_in_order(sim, handlers::commit(sim.clone(), member.clone(), partition, value)).await?;
    sim.note(format!("{} of {} commits {value}: {told:?}", member.id, member.group));
    match told {
        Ok(()) => {
            sim.reach("offset commits told");
            let held = sim.oracle.borrow_mut().groups.acked(value);
            held.unwrap_or_else(|told| sim.violate("acked is kept", told));
        }
        Err(error) => sim.reach(format!("OffsetCommit: {error:?}")),
    }
    Some(told)
}

/// Commits offsets of a group without members, or in the name of members that are gone.
pub async fn lone_committer(sim: Sim) {
    while !sim.closing.get() {
        let member = if sim.chance(60) { nobody(SIMPLE) } else { committer(&sim) };
        commit(&sim, member, partition(&sim)).await;
        sim.sleep(100 + sim.below(600) as i64).await;
    }
}

/// Fetches offsets, and holds them against the log.
pub async fn fetcher(sim: Sim) {
    while !sim.closing.get() {
        fetch(&sim, group(&sim), partition(&sim), sim.chance(70)).await;
        sim.sleep(50 + sim.below(300) as i64).await;
    }
}

/// Fetches one offset. None: no answer came, or an error.
pub async fn fetch(sim: &Sim, group: &'static str, partition: TopicPartition, stable: bool) -> Option<()> {
    let from = sim.group_log.high_watermark();
    let topic = OffsetFetchRequestTopics::default()
        .with_name(TopicName(text(&partition.topic)))
        .with_partition_indexes(vec![partition.partition]);
    let asked = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let command = Command::Fetch { group: asked, require_stable: stable };
    let Some(Ok(Reply::Fetch(reply))) = call(sim, ask_group(sim.clone(), command)).await else { return None };
    let told = &reply.topics[0].partitions[0];
    let fetched = match ErrorCode::from_code(told.error_code) {
        Some(ErrorCode::None) => Fetched::Committed((told.committed_offset >= 0).then_some(told.committed_offset)),
        Some(ErrorCode::UnstableOffsetCommit) => Fetched::Unstable,
        _ => return None,
    };
    sim.reach(if fetched == Fetched::Unstable { "fetched: unstable" } else { "fetched: an offset" });
    let to = sim.group_log.high_watermark();
    let key: Key = (group.into(), partition.topic, partition.partition);
    sim.oracle.borrow_mut().observe(sim);
    let held = sim.oracle.borrow().groups.fetched(&key, stable, (from, to), fetched);
    held.unwrap_or_else(|(invariant, told)| sim.violate(invariant, told));
    Some(())
}

/// Deletes groups that have no members.
pub async fn administrator(sim: Sim) {
    while !sim.closing.get() {
        sim.sleep(2_000 + sim.below(12_000) as i64).await;
        let group = if sim.chance(70) { SIMPLE } else { group(&sim) };
        delete(&sim, group).await;
    }
}

async fn delete(sim: &Sim, group: &'static str) {
    let from = sim.group_log.high_watermark();
    sim.oracle.borrow_mut().groups.deletes(group);
    let command = Command::DeleteGroups(vec![text(group)]);
    let Some(Ok(Reply::DeleteGroups(reply))) = call_in_order(sim, ask_group(sim.clone(), command)).await else {
        return;
    };
    let told = handlers::checked(reply.results[0].error_code);
    sim.note(format!("delete {group}: {told:?}"));
    if told.is_ok() {
        sim.reach("groups deleted");
        sim.oracle.borrow_mut().observe(sim);
        let held = sim.oracle.borrow().groups.deleted(group, from);
        held.unwrap_or_else(|told| sim.violate("kept while in use", told));
    }
}
