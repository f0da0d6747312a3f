//! What becomes of groups and offsets, by the coordinator's log and by what members were told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::handlers::{Member, committer};
use super::oracle::Broken;
use super::shard::group_settings;
use super::world::World;
use crate::coordinator::group::{Change, GroupSnapshot, MemberSnapshot, Record, ShareChange};
use crate::types::{Millis, Offset, ProducerId, TopicId};

/// Group, topic and partition.
pub type Key = (Arc<str>, Arc<str>, i32);
/// Topic id and partition.
type Partition = (TopicId, i32);

/// How many of the members that once were are remembered, for those who commit in their name.
const IDENTITIES: usize = 12;

/// All groups of a run.
#[derive(Default)]
pub struct Groups {
    offsets: BTreeMap<Key, History>,
    /// What was committed, where its record stands, and when it came.
    pending: BTreeMap<ProducerId, BTreeMap<Key, (i64, Offset, Millis)>>,
    /// Values that a later one of the same transaction has replaced.
    superseded: Vec<(ProducerId, i64)>,
    /// Values that were ever committed, or pending in a transaction.
    committed: BTreeSet<i64>,
    pended: BTreeSet<i64>,
    classic: BTreeMap<Arc<str>, GroupSnapshot>,
    consumers: BTreeMap<Arc<str>, Consumers>,
    /// The epoch of each member of a share group, and the partitions whose share state was made.
    shares: BTreeMap<Arc<str>, BTreeMap<Arc<str>, i32>>,
    made: BTreeSet<Partition>,
    deleting: BTreeSet<&'static str>,
    identities: VecDeque<Member>,
    owned: BTreeMap<String, BTreeSet<Partition>>,
}

/// An offset over time: what the log told from which offset on.
#[derive(Default)]
struct History {
    values: Vec<(Offset, Option<i64>, Millis)>,
    unstable: Vec<(Offset, bool)>,
    /// Where the record of the present value stands.
    order: Offset,
}

/// A consumer group.
#[derive(Default)]
struct Consumers {
    epoch: i32,
    members: BTreeMap<Arc<str>, Current>,
}

#[derive(Default)]
struct Current {
    instance: Option<Arc<str>>,
    topics: BTreeSet<Arc<str>>,
    epoch: i32,
    /// Each with the epoch at which it was assigned.
    owned: BTreeMap<Partition, i32>,
}

/// What an OffsetFetch told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fetched {
    Committed(Option<i64>),
    Unstable,
}

impl Groups {
    /// One batch of the log. Answers values of transactions that ended with it, and how.
    pub fn wrote(
        &mut self,
        world: &World,
        records: &[Record],
        at: Offset,
        time: Millis,
        broken: &mut Vec<Broken>,
    ) -> Vec<(i64, bool)> {
        let mut ended = Vec::new();
        for record in records {
            broken.extend(self.zombie(record));
            note(world, record, at);
            match record {
                Record::Offset { group, topic, partition, committed } => {
                    let key = (group.clone(), topic.clone(), *partition);
                    match committed {
                        Some(committed) => self.keep(&key, committed.offset.0, at, at, committed.committed_at),
                        None => broken.extend(self.forget(world, &key, at, time)),
                    }
                }
                Record::TxnOffset { producer, group, topic, partition, committed } => {
                    let key = (group.clone(), topic.clone(), *partition);
                    self.pended.insert(committed.offset.0);
                    let pending = self.pending.entry(producer.id).or_default();
                    let superseded = pending.insert(key.clone(), (committed.offset.0, at, committed.committed_at));
                    // Only the last of a transaction's offsets for a partition counts.
                    self.superseded.extend(superseded.map(|(value, ..)| (producer.id, value)));
                    self.mark_unstable(&key, at);
                }
                Record::EndTxn(marker) => {
                    world.reach("offsets: markers written");
                    ended.extend(self.end(marker.producer_id, marker.commit, at));
                }
                Record::Group { group, snapshot } => broken.extend(self.classic(world, group, snapshot.as_ref())),
                Record::Consumer { group, change } => broken.extend(self.consumer(world, group, change)),
                Record::Share { group, change } => broken.extend(self.share(world, group, change)),
                Record::Streams { .. } => {}
            }
        }
        broken.extend(self.shape());
        ended
    }

    fn keep(&mut self, key: &Key, value: i64, order: Offset, at: Offset, time: Millis) {
        self.committed.insert(value);
        let history = self.offsets.entry(key.clone()).or_default();
        if history.values.is_empty() || order >= history.order {
            history.order = order;
            history.values.push((at, Some(value), time));
        }
    }

    fn forget(&mut self, world: &World, key: &Key, at: Offset, time: Millis) -> Option<Broken> {
        world.reach("offsets: forgotten");
        for (producer, pending) in &mut self.pending {
            // It will not be kept, but its transaction ends as ever.
            self.superseded.extend(pending.remove(key).map(|(value, ..)| (*producer, value)));
        }
        let retention = Millis(i64::from(group_settings().offsets_retention_minutes) * 60_000);
        let history = self.offsets.entry(key.clone()).or_default();
        let since = history.values.iter().rev().find_map(|(_, value, time)| value.map(|_| *time));
        // In a group that has no members any more the age counts from the time when the last one went, as in Kafka.
        let emptied = self.classic.get(&key.0).and_then(|snapshot| snapshot.state_since);
        let is_old = since.is_none_or(|since| time - emptied.map_or(since, |emptied| emptied.min(since)) >= retention);
        history.values.push((at, None, time));
        history.order = at;
        self.mark_unstable(key, at);
        let in_use = self.is_in_use(&key.0, &key.1);
        let lawful = self.deleting.contains(&*key.0) || (is_old && !in_use);
        (!lawful).then(|| {
            ("kept while in use", format!("{key:?} is forgotten: in use {in_use}, committed at {since:?}, now {time}"))
        })
    }

    fn end(&mut self, producer: ProducerId, commit: bool, at: Offset) -> Vec<(i64, bool)> {
        let pending = self.pending.remove(&producer).unwrap_or_default();
        let mut ended = Vec::new();
        for (key, (value, order, time)) in pending {
            if commit {
                self.keep(&key, value, order, at, time);
            }
            self.mark_unstable(&key, at);
            ended.push((value, commit));
        }
        let superseded = self.superseded.extract_if(.., |(of, _)| *of == producer);
        ended.extend(superseded.map(|(_, value)| (value, commit)));
        ended
    }

    fn mark_unstable(&mut self, key: &Key, at: Offset) {
        let unstable = self.pending.values().any(|pending| pending.contains_key(key));
        self.offsets.entry(key.clone()).or_default().unstable.push((at, unstable));
    }

    /// Members of classic groups subscribe to all topics here.
    fn is_in_use(&self, group: &str, topic: &str) -> bool {
        match self.consumers.get(group) {
            Some(group) => group.members.values().any(|member| member.topics.contains(topic)),
            None => self.has_members(group),
        }
    }

    fn has_members(&self, group: &str) -> bool {
        let classic = self.classic.get(group).is_some_and(|snapshot| !snapshot.members.is_empty());
        let share = self.shares.get(group).is_some_and(|members| !members.is_empty());
        classic || share || self.consumers.get(group).is_some_and(|group| !group.members.is_empty())
    }

    /// Whether a record commits in the name of a member that is not, or was not at that epoch.
    fn zombie(&self, record: &Record) -> Option<Broken> {
        let (Record::Offset { group, topic, partition, committed: Some(committed) }
        | Record::TxnOffset { group, topic, partition, committed, .. }) = record
        else {
            return None;
        };
        let (member, epoch) = committer(&committed.metadata)?;
        let told = |state: String| {
            Some(("no zombie commits", format!("{member} e{epoch} commits {} to {group}: {state}", committed.offset)))
        };
        if let Some(group) = self.consumers.get(group).filter(|group| !group.members.is_empty()) {
            let Some(known) = group.members.get(member) else { return told("no such member".to_owned()) };
            let place = (super::world::topic_id(topic), *partition);
            let since = known.owned.get(&place).is_some_and(|assigned| *assigned <= epoch);
            let lawful = epoch == known.epoch || (epoch < known.epoch && since);
            return if lawful { None } else { told(format!("it is at e{}", known.epoch)) };
        }
        let snapshot = self.classic.get(group)?;
        let is_member = |kept: &MemberSnapshot| *kept.member_id == *member;
        match epoch.cmp(&snapshot.generation) {
            std::cmp::Ordering::Less if epoch >= 0 => told(format!("generation {} is complete", snapshot.generation)),
            std::cmp::Ordering::Equal if !snapshot.members.iter().any(is_member) => {
                told("not of its generation".to_owned())
            }
            _ => None,
        }
    }

    fn classic(&mut self, world: &World, group: &Arc<str>, snapshot: Option<&GroupSnapshot>) -> Option<Broken> {
        let Some(snapshot) = snapshot else {
            world.reach("classic: groups forgotten or upgraded");
            self.classic.remove(group);
            return None;
        };
        world.reach(if snapshot.members.is_empty() {
            "classic: groups emptied"
        } else {
            "classic: generations written"
        });
        world.note(format!("{group} g{} of {}", snapshot.generation, snapshot.members.len()));
        if self.consumers.contains_key(group) && !snapshot.members.is_empty() {
            world.reach("groups downgraded");
        }
        let before = self.classic.insert(group.clone(), snapshot.clone())?;
        if snapshot.generation < before.generation {
            return Some((
                "generations rise",
                format!("{group}: {} is followed by {}", before.generation, snapshot.generation),
            ));
        }
        let same = snapshot.generation == before.generation && assignments(snapshot) != assignments(&before);
        same.then(|| ("generations rise", format!("{group}: generation {} is assigned twice", snapshot.generation)))
    }

    fn consumer(&mut self, world: &World, group: &Arc<str>, change: &Change) -> Option<Broken> {
        if change.is_end() && !self.consumers.contains_key(group) {
            return None;
        }
        let known = self.consumers.entry(group.clone()).or_default();
        match change {
            Change::Epoch(None) => {
                world.reach("consumer: groups forgotten");
                self.consumers.remove(group);
            }
            Change::Epoch(Some(epoch)) => {
                let before = std::mem::replace(&mut known.epoch, epoch.epoch);
                world.reach("consumer: group epochs raised");
                if epoch.epoch < before {
                    return Some((
                        "generations rise",
                        format!("{group}: epoch {before} is followed by {}", epoch.epoch),
                    ));
                }
            }
            Change::Member { member, metadata: Some(metadata) } => {
                if metadata.classic.is_some() {
                    world.reach("consumer: classic members written");
                }
                let member = known.members.entry(member.clone()).or_default();
                (member.instance, member.topics) = (metadata.instance_id.clone(), metadata.topics.clone());
            }
            Change::Member { member, metadata: None } => {
                world.note(format!("{group} without {member}"));
                known.members.remove(member);
            }
            Change::Current { member, current: Some(current) } => {
                let owned = current.assigned.iter().chain(&current.pending_revocation);
                let owned = owned.flat_map(|(topic, all)| all.iter().map(|(index, epoch)| ((*topic, *index), *epoch)));
                let name = member;
                let member = known.members.entry(member.clone()).or_default();
                let before = std::mem::replace(&mut member.epoch, current.epoch);
                member.owned = owned.collect();
                world.note(format!(
                    "{group}: {name} e{} {:?} has {}",
                    current.epoch,
                    current.state,
                    member.owned.len()
                ));
                world.reach(format!("consumer: members {:?}", current.state));
                if current.epoch >= 0 && current.epoch < before {
                    return Some((
                        "generations rise",
                        format!("{group}: a member goes from {before} to {}", current.epoch),
                    ));
                }
            }
            Change::Current { member, current: None } => {
                known.members.entry(member.clone()).and_modify(|member| member.owned.clear());
            }
            Change::PartitionMetadata { .. }
            | Change::TargetEpoch(_)
            | Change::Target { .. }
            | Change::Regex { .. } => {}
        }
        None
    }

    fn share(&mut self, world: &World, group: &Arc<str>, change: &ShareChange) -> Option<Broken> {
        let members = self.shares.entry(group.clone()).or_default();
        match change {
            ShareChange::Epoch(None) => {
                world.reach("share: groups forgotten");
                members.clear();
            }
            ShareChange::Member { member, metadata: None } => drop(members.remove(member)),
            ShareChange::Current { member, current: Some(current) } => {
                let before = members.insert(member.clone(), current.epoch);
                if before.is_some_and(|before| before > current.epoch) {
                    return Some((
                        "generations rise",
                        format!("{group}: {member} goes from {before:?} to {}", current.epoch),
                    ));
                }
                let shared = current.assigned.iter().flat_map(|(topic, all)| all.iter().map(|index| (*topic, *index)));
                let unmade: Vec<_> = shared.filter(|partition| !self.made.contains(partition)).collect();
                if !unmade.is_empty() {
                    return Some(("state before sharing", format!("{group}: {member} has {unmade:?}")));
                }
            }
            ShareChange::Epoch(Some(_)) | ShareChange::Member { .. } | ShareChange::Current { current: None, .. } => {}
            ShareChange::TargetEpoch(_) | ShareChange::Target { .. } | ShareChange::Partitions(_) => {}
        }
        None
    }

    /// The share state of these partitions is there.
    pub fn make_state(&mut self, partitions: impl Iterator<Item = Partition>) {
        self.made.extend(partitions);
    }

    /// What must hold of groups after every batch.
    fn shape(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (id, group) in &self.consumers {
            let mut owners: BTreeMap<Partition, &str> = BTreeMap::new();
            let mut instances: BTreeMap<&str, &str> = BTreeMap::new();
            for (name, member) in &group.members {
                for partition in member.owned.keys() {
                    if let Some(other) = owners.insert(*partition, name) {
                        broken.push(("one owner", format!("{id}: {partition:?} is {other}'s and {name}'s")));
                    }
                }
                let instance = member.instance.as_deref();
                if let Some(other) = instance.and_then(|instance| instances.insert(instance, name)) {
                    broken.push(("one instance", format!("{id}: {name} and {other} are {instance:?}")));
                }
            }
        }
        for (id, snapshot) in &self.classic {
            let instances: Vec<_> = snapshot.members.iter().filter_map(|member| member.instance_id.as_ref()).collect();
            if instances.iter().collect::<BTreeSet<_>>().len() < instances.len() {
                broken.push(("one instance", format!("{id}: {instances:?}")));
            }
        }
        broken
    }

    /// What consumers own by what they know, as long as they are members.
    pub fn owners(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (id, group) in &self.consumers {
            let mut owners: BTreeMap<Partition, &str> = BTreeMap::new();
            for name in group.members.keys() {
                for partition in self.owned.get(&**name).into_iter().flatten() {
                    if let Some(other) = owners.insert(*partition, name) {
                        broken.push(("one owner", format!("{id}: {partition:?} is owned by {other} and {name}")));
                    }
                }
            }
        }
        broken
    }

    /// A consumer owns just that from now on.
    pub fn owns(&mut self, member: &str, owned: BTreeSet<Partition>) {
        match owned.is_empty() {
            true => self.owned.remove(member),
            false => self.owned.insert(member.to_owned(), owned),
        };
    }

    /// A member is that at present.
    pub fn identify(&mut self, member: Member) {
        if self.identities.len() == IDENTITIES {
            self.identities.pop_front();
        }
        self.identities.push_back(member);
    }

    /// The latest members and those before them.
    pub fn identities(&self) -> Vec<Member> {
        self.identities.iter().cloned().collect()
    }

    /// Somebody wants to delete the group.
    pub fn deletes(&mut self, group: &'static str) {
        self.deleting.insert(group);
    }

    /// A commit was acknowledged.
    pub fn acked(&self, value: i64) -> Result<(), String> {
        match self.committed.contains(&value) {
            true => Ok(()),
            false => Err(format!("{value} was acknowledged and is not in the log")),
        }
    }

    /// A commit in a transaction was acknowledged.
    pub fn acked_in_transaction(&self, value: i64) -> Result<(), String> {
        match self.pended.contains(&value) {
            true => Ok(()),
            false => Err(format!("{value} was acknowledged within a transaction and is not in the log")),
        }
    }

    /// An offset was fetched while the log was committed from the one offset to the other.
    pub fn fetched(
        &self,
        key: &Key,
        stable: bool,
        (from, to): (Offset, Offset),
        fetched: Fetched,
    ) -> Result<(), Broken> {
        let nothing = History::default();
        let history = self.offsets.get(key).unwrap_or(&nothing);
        let unstable = meanwhile(&history.unstable, |(at, unstable)| (*at, *unstable), false, (from, to));
        match fetched {
            Fetched::Unstable if unstable.contains(&true) && stable => Ok(()),
            Fetched::Unstable => Err(("unstable is told", format!("{key:?} is told as unstable and was not"))),
            Fetched::Committed(_) if stable && !unstable.contains(&false) => {
                Err(("unstable is told", format!("{key:?} is told as {fetched:?} while a transaction holds it back")))
            }
            Fetched::Committed(value) => {
                let values = meanwhile(&history.values, |(at, value, _)| (*at, *value), None, (from, to));
                if values.contains(&value) {
                    return Ok(());
                }
                Err((
                    "fetched is true",
                    format!("{key:?} is told as {value:?}, between {from} and {to} it was {values:?}"),
                ))
            }
        }
    }

    /// A group was deleted by a request that was sent when the log was committed up to `from`.
    pub fn deleted(&self, group: &str, from: Offset) -> Result<(), String> {
        for (key, history) in self.offsets.iter().filter(|((of, _, _), _)| **of == *group) {
            let values = meanwhile(&history.values, |(at, value, _)| (*at, *value), None, (from, Offset(i64::MAX)));
            if !values.contains(&None) {
                return Err(format!("{group} is deleted, and {key:?} has been {values:?}"));
            }
        }
        Ok(())
    }

    pub fn at_rest(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        let ids = self.classic.keys().chain(self.consumers.keys()).chain(self.shares.keys());
        for id in ids.filter(|id| self.has_members(id)) {
            broken.push(("the silent go", format!("{id} still has members")));
        }
        if self.pending.values().any(|pending| !pending.is_empty()) {
            broken.push(("everything ends", format!("offsets stay pending: {:?}", self.pending)));
        }
        broken
    }
}

/// What a record says of offsets, for the trace.
fn note(world: &World, record: &Record, at: Offset) {
    match record {
        Record::Offset { group, topic, partition, committed } => {
            let value = committed.as_ref().map(|committed| committed.offset);
            world.note(format!("{at}: {group} {topic}-{partition} = {value:?}"));
        }
        Record::TxnOffset { producer, group, topic, partition, committed } => {
            world
                .note(format!("{at}: {group} {topic}-{partition} = {} once {} commits", committed.offset, producer.id));
        }
        Record::EndTxn(marker) => {
            world.note(format!("{at}: {} ends, commit={}", marker.producer_id, marker.commit));
        }
        Record::Group { .. } | Record::Consumer { .. } | Record::Share { .. } | Record::Streams { .. } => {}
    }
}

/// What each member has, by its instance id or member id.
fn assignments(snapshot: &GroupSnapshot) -> BTreeMap<&str, &[u8]> {
    let each = snapshot.members.iter();
    each.map(|member| (member.instance_id.as_deref().unwrap_or(&member.member_id), &member.assignment[..])).collect()
}

/// The values that something had at some time while the log was committed from the one offset to the other.
fn meanwhile<E, T: Copy>(
    history: &[E],
    of: impl Fn(&E) -> (Offset, T),
    at_first: T,
    (from, to): (Offset, Offset),
) -> Vec<T> {
    let before = history.iter().map(&of).take_while(|(at, _)| *at < from).last().map_or(at_first, |(_, value)| value);
    let since = history.iter().map(&of).skip_while(|(at, _)| *at < from).take_while(|(at, _)| *at < to);
    std::iter::once(before).chain(since.map(|(_, value)| value)).collect()
}
