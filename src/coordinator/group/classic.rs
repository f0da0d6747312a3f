//! A classic group: its members, its generation, and the bookkeeping that both halves of a rebalance share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::state_machine::Ticket;
use crate::types::{ErrorCode, Millis};

use super::member::{Member, Protocols};
use super::records::{GroupSnapshot, MemberSnapshot};
use super::state::State;
use super::subscription::{CONSUMER_PROTOCOL_TYPE, subscribed_topics};

/// A classic group as it lives on its coordinator.
#[derive(Clone, Debug)]
pub struct Group {
    pub id: Arc<str>,
    pub state: State,
    pub previous_state: State,
    /// When it came to this state, by the wall clock; unknown in the records of old brokers.
    pub state_since: Option<Millis>,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub generation: i32,
    pub leader: Option<Arc<str>>,
    pub members: BTreeMap<Arc<str>, Member>,
    /// Instance id to member id.
    pub static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// Member ids that were handed out and have not joined yet (KIP-394).
    pub pending: BTreeSet<Arc<str>>,
    /// Members of this generation that have not sent their SyncGroup.
    pub pending_sync: BTreeSet<Arc<str>>,
    /// What the members subscribe to, where their metadata says so.
    pub subscribed_topics: Option<BTreeSet<Arc<str>>>,
    /// How far the first rebalance of an empty group is put off.
    pub initial_delay: Option<InitialDelay>,
}

/// The wait for more members before an empty group's first rebalance.
#[derive(Clone, Copy, Debug)]
pub struct InitialDelay {
    /// The present stretch.
    pub delay: Millis,
    /// What may still be added.
    pub remaining: Millis,
    /// Somebody joined during this stretch.
    pub extended: bool,
}

impl Group {
    /// A group without members.
    pub fn empty(id: Arc<str>, wall: Millis) -> Group {
        Group {
            id,
            state: State::Empty,
            previous_state: State::Dead,
            state_since: Some(wall),
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            subscribed_topics: None,
            initial_delay: None,
        }
    }

    /// The group that was persisted.
    pub fn from_snapshot(id: Arc<str>, snapshot: &GroupSnapshot, wall: Millis) -> Group {
        let mut group = Group::empty(id, wall);
        group.state = if snapshot.members.is_empty() { State::Empty } else { State::Stable };
        group.state_since = snapshot.state_since;
        group.protocol_type = Some(snapshot.protocol_type.clone()).filter(|name| !name.is_empty());
        group.protocol = snapshot.protocol.clone();
        group.generation = snapshot.generation;
        group.leader = snapshot.leader.clone();
        let protocol: Arc<str> = snapshot.protocol.clone().unwrap_or_default();
        for kept in &snapshot.members {
            group.add(kept.to_member(protocol.clone()));
        }
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }

    /// What to persist.
    pub fn snapshot(&self) -> GroupSnapshot {
        let protocol = self.protocol.clone();
        let members = self.members.values().map(|member| MemberSnapshot {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol.as_deref().unwrap_or_default()),
            assignment: member.assignment.clone(),
        });
        GroupSnapshot {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: protocol.clone(),
            leader: self.leader.clone(),
            state_since: self.state_since,
            members: members.collect(),
        }
    }

    /// Moves to another state.
    pub fn become_state(&mut self, next: State, wall: Millis) {
        assert!(self.state.may_become(next), "group {} cannot go from {} to {next}", self.id, self.state);
        self.previous_state = self.state;
        self.state = next;
        self.state_since = Some(wall);
    }

    /// Whether members may be asked to join again from here.
    pub fn can_rebalance(&self) -> bool {
        self.state.may_become(State::PreparingRebalance)
    }

    /// Whether it exists only because somebody committed offsets.
    pub fn is_simple(&self) -> bool {
        self.protocol_type.is_none() && self.state == State::Empty && self.pending.is_empty()
    }

    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// Adds a member; the first gives the group its protocol type and leads it.
    pub fn add(&mut self, member: Member) {
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Removes a member, pending or not. Its parked requests are the caller's to answer.
    pub fn remove(&mut self, member_id: &str) -> Option<Member> {
        let removed = self.members.remove(member_id);
        if let Some(instance) = removed.as_ref().and_then(|member| member.instance_id.as_ref()) {
            self.static_members.remove(instance);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending.remove(member_id);
        self.pending_sync.remove(member_id);
        removed
    }

    /// Gives a static member a new member id and returns it as it was.
    pub fn replace_static(&mut self, instance_id: &str, new_id: Arc<str>) -> Option<Member> {
        let old_id = self.static_members.get(instance_id)?.clone();
        let old = self.members.remove(&old_id)?;
        let new = Member { id: new_id.clone(), awaiting_join: None, awaiting_sync: None, is_new: false, ..old.clone() };
        self.members.insert(new_id.clone(), new);
        if self.is_leader(&old_id) {
            self.leader = Some(new_id.clone());
        }
        self.static_members.insert(Arc::from(instance_id), new_id);
        Some(old)
    }

    /// Whether the request comes from a member, and from the one that now holds its instance id.
    pub fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        match instance_id.map(|instance| self.static_members.get(instance)) {
            Some(None) => Err(ErrorCode::UnknownMemberId),
            Some(Some(holder)) if &**holder != member_id => Err(ErrorCode::FencedInstanceId),
            Some(Some(_)) | None if self.members.contains_key(member_id) => Ok(()),
            Some(Some(_)) | None => Err(ErrorCode::UnknownMemberId),
        }
    }

    pub fn awaiting_join(&self) -> usize {
        self.members.values().filter(|member| member.awaiting_join.is_some()).count()
    }

    pub fn has_all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.awaiting_join.is_some())
    }

    /// The patience of its most patient member.
    pub fn rebalance_timeout(&self) -> Millis {
        Millis(self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0).max(0))
    }

    /// Whether a member with these protocols could take part.
    pub fn supports(&self, protocol_type: &str, protocols: &Protocols) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let candidates = self.candidates();
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| self.members.is_empty() || candidates.contains(&**name))
    }

    /// Starts the next generation with those who are members now.
    pub fn next_generation(&mut self, wall: Millis) {
        self.generation = self.generation.wrapping_add(1).max(0);
        self.protocol = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        let next = if self.members.is_empty() { State::Empty } else { State::CompletingRebalance };
        self.become_state(next, wall);
        self.pending_sync.clear();
    }

    /// The protocol that most members like best among those all of them know; of several, the first by name.
    pub fn select_protocol(&self) -> Option<Arc<str>> {
        let candidates = self.candidates();
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for choice in self.members.values().filter_map(|member| member.vote(&candidates)) {
            *votes.entry(choice).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| Arc::from(name))
    }

    /// Gives the leadership to a member that has joined if the leader has not. False if nobody has.
    pub fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &&Member| member.awaiting_join.is_some();
        match self.leader.as_ref().and_then(|leader| self.members.get(leader)) {
            None => false,
            Some(leader) if leader.awaiting_join.is_some() => true,
            Some(_) => match self.members.values().find(joined).map(|member| member.id.clone()) {
                Some(new) => {
                    self.leader = Some(new);
                    true
                }
                None => false,
            },
        }
    }

    /// Whether offsets of the topic are in use by members.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// Everything that is parked here.
    pub fn parked(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.members.values().flat_map(|member| member.awaiting_join.into_iter().chain(member.awaiting_sync))
    }

    fn candidates(&self) -> BTreeSet<&str> {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            for name in member.protocols.iter().map(|(name, _)| &**name).collect::<BTreeSet<_>>() {
                *known.entry(name).or_default() += 1;
            }
        }
        known.into_iter().filter(|(_, count)| *count == self.members.len()).map(|(name, _)| name).collect()
    }

    /// What the members subscribe to by the chosen protocol, where their metadata says so.
    pub fn compute_subscribed_topics(&self) -> Option<BTreeSet<Arc<str>>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let each = self.members.values().map(|member| subscribed_topics(&member.metadata(protocol)));
        each.collect::<Option<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
    }
}

impl MemberSnapshot {
    fn to_member(&self, protocol: Arc<str>) -> Member {
        Member {
            id: self.member_id.clone(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: match self.rebalance_timeout_ms {
                -1 => self.session_timeout_ms,
                known => known,
            },
            session_timeout_ms: self.session_timeout_ms,
            protocols: vec![(protocol, self.subscription.clone())],
            assignment: self.assignment.clone(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }
}

/// Bytes that do not keep the frame alive from which they came.
pub fn detach(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
