//! Groups that go from the classic protocol to that of consumer groups, when the first member of the newer one comes, and
//! back when the last one goes. Nobody loses its partitions on the way.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::classic::Group;
use super::super::machine::{GroupMachine, Live, Timer, Turn};
use super::super::member::Member;
use super::super::records::Record;
use super::super::state::State;
use super::super::undo::Undo;
use super::change::{Change, GroupEpoch, TargetEpoch};
use super::embedded;
use super::group::ConsumerGroup;
use super::member::{ClassicMember, ConsumerMember, CurrentAssignment, MemberMetadata, MemberState, Owned, at_epoch};
use super::members::{Found, removal};
use super::{Refusal, metadata_hash};
use crate::metadata::MetadataImage;
use crate::types::{ErrorCode, Millis};

/// Which way groups may go (`group.consumer.migration.policy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationPolicy {
    Bidirectional,
    Upgrade,
    Downgrade,
    Disabled,
}

impl MigrationPolicy {
    /// By its name, in any case.
    pub fn named(name: &str) -> Option<MigrationPolicy> {
        match name.to_ascii_lowercase().as_str() {
            "bidirectional" => Some(MigrationPolicy::Bidirectional),
            "upgrade" => Some(MigrationPolicy::Upgrade),
            "downgrade" => Some(MigrationPolicy::Downgrade),
            "disabled" => Some(MigrationPolicy::Disabled),
            _ => None,
        }
    }

    fn allows_upgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Upgrade)
    }

    fn allows_downgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Downgrade)
    }
}

impl GroupMachine {
    /// The consumer group that a classic one becomes, with the records that make it one.
    pub(super) fn upgrade(&self, classic: &Group, image: &MetadataImage) -> Result<Found<'_>, Refusal> {
        let refuse = |why: &str| {
            let message = format!("Cannot upgrade classic group {} to consumer group because {why}", classic.id);
            Err(Refusal::group_not_found(message))
        };
        if !self.settings.group_consumer_migration_policy.allows_upgrade() {
            return refuse("online upgrade is disabled.");
        }
        if !classic.uses_consumer_protocol() {
            return refuse("the group does not use the consumer embedded protocol.");
        }
        if classic.members.len() > usize::try_from(self.settings.group_consumer_max_size).unwrap_or(0) {
            return refuse("the group size exceeds the consumer group maximum size.");
        }
        let mut members = Vec::new();
        for member in classic.members.values() {
            match upgraded(classic, member, image) {
                Ok(member) => members.push(member),
                Err(Stays::Malformed) => return refuse("the embedded consumer protocol is malformed."),
                Err(Stays::CustomAssignor) => {
                    return refuse(
                        "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before re-attempting the upgrade.",
                    );
                }
            }
        }
        let mut group = ConsumerGroup::new(classic.id.clone());
        let changes = changes_of_new(classic.generation, &members, image);
        changes.iter().for_each(|change| group.apply(change));
        let record = |change| Record::Consumer { group: classic.id.clone(), change };
        let tombstone = Record::Group { group: classic.id.clone(), snapshot: None };
        let records = [tombstone].into_iter().chain(changes.into_iter().map(record)).collect();
        Ok(Found { group: Cow::Owned(group), records, is_upgraded: true })
    }

    /// The classic group ends: whoever waits in it is to join again.
    pub(super) fn leave_classic(&self, live: &mut Live, turn: &mut Turn, group: &ConsumerGroup) {
        let Some(classic) = live.groups.get(&group.id) else { return };
        for member in classic.members.values() {
            if let Some(ticket) = member.awaiting_join {
                turn.answer_join_error(ticket, &member.id, ErrorCode::RebalanceInProgress);
            }
            if let Some(ticket) = member.awaiting_sync {
                turn.answer_sync_error(ticket, ErrorCode::RebalanceInProgress);
            }
            turn.renew_session(group.id.clone(), member);
        }
        turn.cancel(Timer::Join(group.id.clone()));
        turn.cancel(Timer::Sync(group.id.clone()));
        live.undo = Some(Undo::Upgrade { group: group.id.clone() });
    }

    /// Whether the group may go back to the classic protocol when these members have left it.
    pub(super) fn becomes_classic(&self, group: &ConsumerGroup, leaving: &BTreeSet<Arc<str>>) -> bool {
        let mut staying = group.members.values().filter(|member| !leaving.contains(&member.id)).peekable();
        staying.peek().is_some() && staying.all(ConsumerMember::uses_classic_protocol) && {
            self.may_become_classic(group.members.len() - leaving.len())
        }
    }

    /// Whether a group of that many members may go back to the classic protocol.
    pub(super) fn may_become_classic(&self, members: usize) -> bool {
        self.settings.group_consumer_migration_policy.allows_downgrade()
            && members <= usize::try_from(self.settings.group_max_size).unwrap_or(0)
    }

    /// Makes a classic group of those that stay, and of `heir`, who has taken a static member's place with records that are
    /// written before. They keep what they were to own, unless a `rebalance` is due.
    pub(super) fn downgrade(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        group: &ConsumerGroup,
        leaving: &BTreeSet<Arc<str>>,
        heir: Option<&ConsumerMember>,
        rebalance: bool,
    ) -> Result<(), Refusal> {
        let image = self.surroundings.image();
        let former = heir.and_then(|heir| group.static_members.get(heir.metadata.instance_id.as_ref()?));
        let mut classic = Group::empty(group.id.clone(), turn.now.wall);
        classic.state = State::Stable;
        classic.generation = group.epoch;
        classic.protocol_type = Some(Arc::from(super::super::subscription::CONSUMER_PROTOCOL_TYPE));
        let staying = group.members.values().filter(|member| !leaving.contains(&member.id));
        let staying = staying.filter(|member| former != Some(&member.id)).chain(heir);
        staying.filter_map(downgraded).for_each(|member| classic.add(member));
        classic.protocol = classic.select_protocol();
        classic.subscribed_topics = classic.compute_subscribed_topics();
        let protocol = classic.protocol.clone().unwrap_or_default();
        for member in classic.members.values_mut() {
            let inherits = former.filter(|_| heir.is_some_and(|heir| heir.id == member.id));
            let target = group.targets.get(inherits.unwrap_or(&member.id)).cloned().unwrap_or_default();
            let assignment = embedded::assignment_for(&member.metadata(&protocol), &target, &image);
            member.assignment = assignment.ok_or_else(|| {
                let message = format!("Cannot downgrade the classic group {}: malformed subscription.", group.id);
                Refusal::group_not_found(message)
            })?;
        }
        turn.outcome.records.extend(group.tombstones(former.zip(heir).map(|(former, heir)| (former, &heir.id))));
        turn.persist(&classic);
        turn.renew_sessions(&classic);
        if rebalance {
            turn.prepare_rebalance(&mut classic);
        }
        live.groups.insert(group.id.clone(), classic);
        Ok(())
    }
}

impl ConsumerGroup {
    /// The end of everything the log says of the group. Where a static member was replaced just before, the records of
    /// the `heir` are what is to end.
    pub fn tombstones(&self, replaced: Option<(&Arc<str>, &Arc<str>)>) -> Vec<Record> {
        let ids = self.members.keys().map(|id| match replaced {
            Some((former, heir)) if former == id => heir,
            Some(_) | None => id,
        });
        let parts: Vec<[Change; 3]> = ids.map(removal).collect();
        let mut changes: Vec<Change> = Vec::new();
        let [mut currents, mut targets, mut members] = [Vec::new(), Vec::new(), Vec::new()];
        for [current, target, member] in parts {
            currents.push(current);
            targets.push(target);
            members.push(member);
        }
        changes.append(&mut currents);
        changes.append(&mut targets);
        changes.push(Change::TargetEpoch(None));
        changes.append(&mut members);
        changes.extend(self.regexes.keys().map(|regex| Change::Regex { regex: regex.clone(), resolved: None }));
        changes.push(Change::PartitionMetadata { exists: false });
        changes.push(Change::Epoch(None));
        changes.into_iter().map(|change| Record::Consumer { group: self.id.clone(), change }).collect()
    }
}

/// Why a classic group has to stay one.
enum Stays {
    Malformed,
    CustomAssignor,
}

/// A member with what it wants and what it shall own, which is what it was given last.
fn upgraded(group: &Group, member: &Member, image: &MetadataImage) -> Result<(ConsumerMember, Assignment), Stays> {
    let protocol = group.protocol.clone().or_else(|| group.select_protocol()).ok_or(Stays::Malformed)?;
    let mut owns = Assignment::new();
    if !member.assignment.is_empty() {
        let given = embedded::assignment(&member.assignment).ok_or(Stays::Malformed)?;
        if given.user_data.is_some_and(|data| !data.is_empty()) {
            return Err(Stays::CustomAssignor);
        }
        let each = given.assigned_partitions.iter().map(|topic| (topic.topic.as_str(), topic.partitions.as_slice()));
        owns = embedded::by_id(each, image);
    }
    let wants = embedded::subscription(&member.metadata(&protocol)).ok_or(Stays::Malformed)?;
    let metadata = MemberMetadata {
        instance_id: member.instance_id.clone(),
        rack_id: wants.rack_id.filter(|rack| !rack.is_empty()).map(Arc::from),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topics: wants.topics.into_iter().map(Arc::from).collect(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        classic: Some(ClassicMember {
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone(),
        }),
        ..MemberMetadata::default()
    };
    let current = CurrentAssignment {
        epoch: group.generation,
        previous_epoch: group.generation,
        state: MemberState::Stable,
        assigned: at_epoch(&owns, group.generation),
        pending_revocation: Owned::new(),
    };
    Ok((ConsumerMember { id: member.id.clone(), metadata, current }, owns))
}

fn changes_of_new(epoch: i32, members: &[(ConsumerMember, Assignment)], image: &MetadataImage) -> Vec<Change> {
    let names: BTreeSet<&str> =
        members.iter().flat_map(|(member, _)| member.metadata.topics.iter().map(|name| &**name)).collect();
    let metadata_hash = metadata_hash(image, names.into_iter());
    let mut changes = Vec::new();
    for (member, _) in members {
        changes.push(Change::Member { member: member.id.clone(), metadata: Some(member.metadata.clone()) });
    }
    changes.push(Change::Epoch(Some(GroupEpoch { epoch, metadata_hash })));
    for (member, owns) in members {
        changes.push(Change::Target { member: member.id.clone(), assignment: Some(owns.clone()) });
    }
    changes.push(Change::TargetEpoch(Some(TargetEpoch { epoch, computed_at: 0 })));
    for (member, _) in members {
        changes.push(Change::Current { member: member.id.clone(), current: Some(member.current.clone()) });
    }
    changes
}

/// A member of the classic protocol as a classic group knows it.
fn downgraded(member: &ConsumerMember) -> Option<Member> {
    let classic = member.metadata.classic.as_ref()?;
    Some(Member {
        id: member.id.clone(),
        instance_id: member.metadata.instance_id.clone(),
        client_id: member.metadata.client_id.clone(),
        client_host: member.metadata.client_host.clone(),
        rebalance_timeout_ms: member.metadata.rebalance_timeout_ms,
        session_timeout_ms: classic.session_timeout_ms,
        protocols: classic.protocols.clone(),
        assignment: bytes::Bytes::new(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    })
}

/// The session timeout that a member of the classic protocol asked for.
pub fn classic_session_timeout(member: &ConsumerMember) -> Option<Millis> {
    member.metadata.classic.as_ref().map(|classic| Millis(i64::from(classic.session_timeout_ms)))
}
