//! ConsumerGroupHeartbeat (KIP-848): a member joins, lives, changes its mind, and leaves.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::assignor::{Assignment, Assignor};
use super::super::machine::{GroupMachine, Live, Reply, Turn, own};
use super::super::undo::Undo;
use super::Refusal;
use super::change::Change;
use super::epoch::Step;
use super::member::{ConsumerMember, LEAVE_EPOCH, MemberMetadata, Owned, STATIC_LEAVE_EPOCH};
use super::members::{Sender, known_static, refuse_if_fenced};
use super::regexes::RegexUpdate;
use crate::protocol::StrBytes;
use crate::protocol::messages::consumer_group_heartbeat_response::{Assignment as AssignmentReply, TopicPartitions};
use crate::protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, TopicId};

/// A heartbeat with what its connection and chance add to it.
pub struct ConsumerBeat {
    pub request: ConsumerGroupHeartbeatRequest,
    pub client_id: Arc<str>,
    /// As Java prints an address: with a slash before it.
    pub client_host: Arc<str>,
    /// The id of a member that has none.
    pub new_member_id: String,
}

/// From this version on members make their ids themselves (KIP-1082).
const MEMBER_ID_REQUIRED_SINCE: i16 = 1;

/// What is wrong with a request, whatever the group.
pub fn check_request(
    request: &ConsumerGroupHeartbeatRequest,
    version: i16,
    assignors: &[Assignor],
) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let is_blank = |text: &Option<StrBytes>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    let epoch = request.member_epoch;
    let names_itself = version >= MEMBER_ID_REQUIRED_SINCE || epoch > 0 || epoch == LEAVE_EPOCH;
    if names_itself && request.member_id.trim().is_empty() {
        return invalid("MemberId can't be empty.");
    }
    if request.group_id.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if is_blank(&request.instance_id) {
        return invalid("InstanceId can't be empty.");
    }
    if is_blank(&request.rack_id) {
        return invalid("RackId can't be empty.");
    }
    match epoch {
        0 if request.rebalance_timeout_ms == -1 => {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        0 if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        0 if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
        }
        STATIC_LEAVE_EPOCH if request.instance_id.is_none() => return invalid("InstanceId can't be null."),
        ..STATIC_LEAVE_EPOCH => return invalid("MemberEpoch is invalid."),
        _ => {}
    }
    let known = |name: &StrBytes| assignors.iter().any(|assignor| assignor.name() == name.as_str());
    match &request.server_assignor {
        Some(name) if !known(name) => {
            let names: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            let message = format!("ServerAssignor {name} is not supported. Supported assignors: {}.", names.join(", "));
            Err(Refusal::new(ErrorCode::UnsupportedAssignor, message))
        }
        Some(_) | None => Ok(()),
    }
}

impl GroupMachine {
    pub(in super::super) fn consumer_heartbeat(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        ticket: Ticket,
        beat: &ConsumerBeat,
    ) {
        let reply = match beat.request.member_epoch {
            LEAVE_EPOCH | STATIC_LEAVE_EPOCH => self.consumer_leave(live, turn, &beat.request),
            _ => self.beat(live, turn, beat),
        };
        let reply = reply.unwrap_or_else(|refusal| {
            ConsumerGroupHeartbeatResponse::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message)))
        });
        turn.outcome.answer(ticket, Reply::ConsumerHeartbeat(reply));
    }

    fn beat(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        beat: &ConsumerBeat,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let request = &beat.request;
        let id = own(&request.group_id);
        let joins = request.member_epoch == 0;
        let image = self.surroundings.image();
        let found = self.find_or_create(live, &id, joins, &image)?;
        let mut step = self.step(live, turn, &found.group, &image);
        step.refuse_if_full(&request.member_id)?;
        let member_id = if request.member_id.is_empty() { own(&beat.new_member_id) } else { own(&request.member_id) };
        let owned = request.topic_partitions.as_ref().map(|topics| {
            let each = topics.iter().map(|topic| (TopicId::from(topic.topic_id), &topic.partitions));
            let mut owned = Assignment::new();
            each.for_each(|(topic, partitions)| owned.entry(topic).or_default().extend(partitions));
            owned
        });
        let sender = Sender {
            member_id: &member_id,
            instance_id: request.instance_id.as_deref(),
            epoch: Some(request.member_epoch),
            owned: owned.as_ref(),
            may_join: joins,
        };
        let before = step.member(&sender)?;
        let updated = beat.updated(&before);
        let updated = step.follow(&before, updated, owned.as_ref())?;
        step.renew_session(&updated.id, step.pace.session_timeout);
        let reply = reply(request, &before, &updated).with_heartbeat_interval_ms(step.pace.heartbeat_interval_ms);
        turn.outcome.records.extend(found.records.iter().cloned());
        step.conclude(live, turn);
        if found.is_upgraded {
            self.leave_classic(live, turn, &found.group);
        }
        Ok(reply)
    }

    fn consumer_leave(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let group = self.consumer_group(live, &request.group_id)?;
        let member = match request.instance_id.as_deref() {
            None => {
                let member = group.members.get(request.member_id.as_str());
                member.ok_or_else(|| Refusal::unknown_member(&request.member_id, &group.id))?
            }
            Some(instance) => {
                let holder = known_static(group.static_member(instance), instance)?;
                refuse_if_fenced(holder, &request.member_id, instance)?;
                holder
            }
        };
        if request.member_epoch == STATIC_LEAVE_EPOCH && request.instance_id.is_some() {
            let image = self.surroundings.image();
            let mut step = self.step(live, turn, group, &image);
            step.changes.push(away(member));
            step.conclude(live, turn);
        } else {
            live.undo = self.fence(live, turn, group, &BTreeSet::from([member.id.clone()])).map(Undo::downgrade);
        }
        let reply = ConsumerGroupHeartbeatResponse::default().with_member_id(Some(request.member_id.clone()));
        Ok(reply.with_member_epoch(request.member_epoch))
    }
}

impl Step<'_> {
    /// Everything that follows from what a member says: the group epoch, the target, and the member's next step.
    fn follow(
        &mut self,
        before: &ConsumerMember,
        updated: ConsumerMember,
        owned: Option<&Assignment>,
    ) -> Result<ConsumerMember, Refusal> {
        let topics_changed = self.write_member(before, &updated);
        let regex = self.update_regexes(before, &updated)?;
        let bump = topics_changed || regex == RegexUpdate::ChangedAndResolved;
        let progress = self.raise_epoch(bump, before, &updated);
        let (target_epoch, target) = self.target(progress, &updated);
        let subscription_changed = topics_changed || regex != RegexUpdate::Unchanged;
        self.reconcile(updated, (target_epoch, &target), subscription_changed, owned)
    }
}

impl ConsumerBeat {
    /// The member as it says it is; what it does not say stays.
    fn updated(&self, before: &ConsumerMember) -> ConsumerMember {
        let request = &self.request;
        let or = |said: &Option<StrBytes>, known: &Option<Arc<str>>| said.as_deref().map(own).or_else(|| known.clone());
        let known = &before.metadata;
        let metadata = MemberMetadata {
            instance_id: or(&request.instance_id, &known.instance_id),
            rack_id: or(&request.rack_id, &known.rack_id),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            topics: match &request.subscribed_topic_names {
                Some(names) => names.iter().map(|name| own(name)).collect(),
                None => known.topics.clone(),
            },
            regex: or(&request.subscribed_topic_regex, &known.regex),
            rebalance_timeout_ms: match request.rebalance_timeout_ms {
                -1 => known.rebalance_timeout_ms,
                said => said,
            },
            assignor: or(&request.server_assignor, &known.assignor),
            classic: None,
        };
        ConsumerMember { metadata, ..before.clone() }
    }
}

/// A static member that will come back. What it has counts as assigned before all epochs, for whoever comes in its place.
fn away(member: &ConsumerMember) -> Change {
    let mut current = member.current.clone();
    current.epoch = STATIC_LEAVE_EPOCH;
    current.pending_revocation = Owned::new();
    current.assigned.values_mut().flat_map(|partitions| partitions.values_mut()).for_each(|epoch| *epoch = 0);
    Change::Current { member: member.id.clone(), current: Some(current) }
}

/// The assignment is told to a member that joins, that says everything of itself, or whose assignment has changed.
fn reply(
    request: &ConsumerGroupHeartbeatRequest,
    before: &ConsumerMember,
    now: &ConsumerMember,
) -> ConsumerGroupHeartbeatResponse {
    let reply = ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(now.id.to_string())))
        .with_member_epoch(now.epoch());
    let subscribes = request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    let is_full = request.rebalance_timeout_ms != -1 && subscribes && request.topic_partitions.is_some();
    if request.member_epoch != 0 && !is_full && before.current.assigned == now.current.assigned {
        return reply;
    }
    let topics = now.current.assigned.iter().map(|(topic, partitions)| {
        TopicPartitions::default().with_topic_id((*topic).into()).with_partitions(partitions.keys().copied().collect())
    });
    reply.with_assignment(Some(AssignmentReply::default().with_topic_partitions(topics.collect())))
}
