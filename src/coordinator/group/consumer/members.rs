//! Who is asking: the group and the member of a request, found, made or refused.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::machine::{GroupMachine, Live, Turn};
use super::super::records::Record;
use super::super::state::State;
use super::Refusal;
use super::change::Change;
use super::epoch::Step;
use super::group::ConsumerGroup;
use super::member::{ConsumerMember, CurrentAssignment, Owned, STATIC_LEAVE_EPOCH};
use crate::metadata::MetadataImage;
use crate::types::ErrorCode;

/// The group of a request, and what has to be written before anything else to make it one.
pub struct Found<'a> {
    pub group: Cow<'a, ConsumerGroup>,
    pub records: Vec<Record>,
    /// It was a classic group with members until now.
    pub is_upgraded: bool,
}

/// How a request says who sends it.
pub struct Sender<'a> {
    pub member_id: &'a Arc<str>,
    pub instance_id: Option<&'a str>,
    /// None in the classic protocol, whose generations are checked elsewhere.
    pub epoch: Option<i32>,
    pub owned: Option<&'a Assignment>,
    /// Whether it may be new.
    pub may_join: bool,
}

impl GroupMachine {
    /// The consumer group of that id.
    pub(in super::super) fn consumer_group(&self, live: &Live, id: &str) -> Result<&ConsumerGroup, Refusal> {
        self.consumers.get(id).ok_or_else(|| {
            let is_other = self.is_newer(id) || live.groups.contains_key(id);
            Refusal::group_not_found(match is_other {
                true => format!("Group {id} is not a consumer group."),
                false => format!("Group {id} not found."),
            })
        })
    }

    /// The consumer group of that id; for a member that joins, made from nothing or from a classic group.
    pub(super) fn find_or_create(
        &self,
        live: &Live,
        id: &Arc<str>,
        joins: bool,
        image: &MetadataImage,
    ) -> Result<Found<'_>, Refusal> {
        let new = |records| Found { group: Cow::Owned(ConsumerGroup::new(id.clone())), records, is_upgraded: false };
        if let Some(group) = self.consumers.get(id) {
            return Ok(Found { group: Cow::Borrowed(group), records: Vec::new(), is_upgraded: false });
        }
        if self.is_newer(id) {
            return Err(Refusal::group_not_found(format!("Group {id} is not a consumer group.")));
        }
        match live.groups.get(id) {
            None if joins => Ok(new(Vec::new())),
            None => Err(Refusal::group_not_found(format!("Consumer group {id} not found."))),
            Some(_) if !joins => Err(Refusal::group_not_found(format!("Group {id} is not a consumer group."))),
            Some(classic) if classic.state == State::Empty => {
                Ok(new(vec![Record::Group { group: id.clone(), snapshot: None }]))
            }
            Some(classic) => self.upgrade(classic, image),
        }
    }

    /// A decision about `group` that begins now.
    pub(super) fn step<'a>(
        &'a self,
        live: &Live,
        turn: &Turn<'a>,
        group: &'a ConsumerGroup,
        image: &'a Arc<MetadataImage>,
    ) -> Step<'a> {
        Step {
            group,
            surroundings: &self.surroundings,
            image,
            settings: turn.settings,
            pace: self.surroundings.pace(image, &group.id),
            now: turn.now,
            live: live.consumers.get(&group.id).cloned().unwrap_or_default(),
            changes: Vec::new(),
            timers: Vec::new(),
        }
    }
}

impl Step<'_> {
    /// All of it happens.
    pub fn conclude(self, live: &mut Live, turn: &mut Turn) {
        let group = &self.group.id;
        let records = self.changes.into_iter().map(|change| Record::Consumer { group: group.clone(), change });
        turn.outcome.records.extend(records);
        turn.outcome.timers.extend(self.timers);
        live.consumers.insert(group.clone(), self.live);
    }

    pub fn refuse_if_full(&self, member_id: &str) -> Result<(), Refusal> {
        let most = self.settings.group_consumer_max_size;
        let full = self.group.members.len() >= usize::try_from(most).unwrap_or(0);
        if full && !self.group.members.contains_key(member_id) {
            let message = format!("The consumer group has reached its maximum capacity of {most} members.");
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
        }
        Ok(())
    }

    /// The member as it is before the request, which may be new to the group.
    pub fn member(&mut self, sender: &Sender) -> Result<ConsumerMember, Refusal> {
        match sender.instance_id {
            None => {
                let member = match self.group.members.get(sender.member_id) {
                    Some(member) => member.clone(),
                    None if sender.may_join => ConsumerMember::new(sender.member_id.clone()),
                    None => return Err(Refusal::unknown_member(sender.member_id, &self.group.id)),
                };
                check_epoch(&member, sender)?;
                Ok(member)
            }
            Some(instance) => self.static_member(instance, sender),
        }
    }

    fn static_member(&mut self, instance: &str, sender: &Sender) -> Result<ConsumerMember, Refusal> {
        let holder = self.group.static_member(instance);
        if !sender.may_join {
            let holder = known_static(holder, instance)?;
            refuse_if_fenced(holder, sender.member_id, instance)?;
            check_epoch(holder, sender)?;
            return Ok(holder.clone());
        }
        let Some(holder) = holder else {
            let member = self.group.members.get(sender.member_id).cloned();
            return Ok(member.unwrap_or_else(|| ConsumerMember::new(sender.member_id.clone())));
        };
        let is_classic = sender.epoch.is_none() || holder.uses_classic_protocol();
        if !is_classic && holder.epoch() != STATIC_LEAVE_EPOCH {
            let message = format!(
                "Static member {} with instance id {instance} cannot join the group because the instance id is owned by {} member.",
                sender.member_id, holder.id
            );
            return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, message));
        }
        let current = CurrentAssignment { epoch: 0, previous_epoch: 0, ..holder.current.clone() };
        let heir = ConsumerMember { id: sender.member_id.clone(), current, metadata: holder.metadata.clone() };
        self.replace_member(&holder.id, &heir);
        Ok(heir)
    }

    /// `heir` takes the place of a static member. The timers of that one find nobody when they come due.
    fn replace_member(&mut self, former: &Arc<str>, heir: &ConsumerMember) {
        self.changes.extend(removal(former));
        let id = || heir.id.clone();
        let target = self.group.targets.get(former).cloned().unwrap_or_default();
        self.changes.push(Change::Member { member: id(), metadata: Some(heir.metadata.clone()) });
        self.changes.push(Change::Target { member: id(), assignment: Some(target) });
        self.changes.push(Change::Current { member: id(), current: Some(heir.current.clone()) });
    }
}

/// Takes a member out of a group: in this order, so that nothing is left behind by a log that ends in between.
pub fn removal(member: &Arc<str>) -> [Change; 3] {
    let member = || member.clone();
    [
        Change::Current { member: member(), current: None },
        Change::Target { member: member(), assignment: None },
        Change::Member { member: member(), metadata: None },
    ]
}

/// The holder of an instance id, if there is one.
pub fn known_static<'a>(holder: Option<&'a ConsumerMember>, instance: &str) -> Result<&'a ConsumerMember, Refusal> {
    let unknown = || Refusal::new(ErrorCode::UnknownMemberId, format!("Instance id {instance} is unknown."));
    holder.ok_or_else(unknown)
}

pub fn refuse_if_fenced(holder: &ConsumerMember, member_id: &str, instance: &str) -> Result<(), Refusal> {
    if *holder.id == *member_id {
        return Ok(());
    }
    let message = format!("Static member {member_id} with instance id {instance} was fenced by member {}.", holder.id);
    Err(Refusal::new(ErrorCode::FencedInstanceId, message))
}

/// Epoch 0 begins anew. The epoch before the last one is that of a member which lost an answer, as long as it owns nothing
/// that it was not given.
fn check_epoch(member: &ConsumerMember, sender: &Sender) -> Result<(), Refusal> {
    let Some(epoch) = sender.epoch.filter(|epoch| *epoch != 0) else { return Ok(()) };
    let known = member.epoch();
    let fenced = |comparison: &str| {
        let message = format!(
            "The consumer group member has a {comparison} member epoch ({epoch}) than the one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin."
        );
        Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
    };
    if epoch > known {
        return fenced("greater");
    }
    let lost_an_answer = epoch == member.current.previous_epoch
        && sender.owned.is_some_and(|owned| is_within(owned, &member.current.assigned));
    if epoch < known && !lost_an_answer {
        return fenced("smaller");
    }
    Ok(())
}

fn is_within(owned: &Assignment, assigned: &Owned) -> bool {
    owned.iter().all(|(topic, partitions)| {
        assigned.get(topic).is_some_and(|assigned| partitions.iter().all(|partition| assigned.contains_key(partition)))
    })
}
