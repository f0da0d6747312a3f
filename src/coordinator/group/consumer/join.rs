//! JoinGroup of a member of the classic protocol in a consumer group: what it says becomes a member like the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::assignor::Assignment;
use super::super::classic::detach;
use super::super::join::JoinCommand;
use super::super::machine::{GroupMachine, Live, Reply, Timer, Turn, own};
use super::super::rebalance::join_error;
use super::super::subscription::CONSUMER_PROTOCOL_TYPE;
use super::super::undo::Undo;
use super::epoch::Step;
use super::group::ConsumerGroup;
use super::member::{ClassicMember, ConsumerMember, MemberMetadata};
use super::members::Sender;
use super::migrate::MigrationPolicy;
use super::regexes::RegexUpdate;
use super::{Refusal, embedded};
use crate::protocol::StrBytes;
use crate::protocol::internal::ConsumerProtocolSubscription;
use crate::protocol::messages::JoinGroupResponse;
use crate::state_machine::Ticket;
use crate::types::{ErrorCode, Millis};

/// From this version on a dynamic member gets its id before it joins (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;

impl GroupMachine {
    pub(in super::super) fn join_consumer_group(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        ticket: Ticket,
        group: &ConsumerGroup,
        join: &JoinCommand,
    ) {
        let reply = self.classic_join(live, turn, group, join).unwrap_or_else(|refusal| join_error("", refusal.code));
        turn.outcome.answer(ticket, Reply::Join(reply));
    }

    fn classic_join(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        group: &ConsumerGroup,
        join: &JoinCommand,
    ) -> Result<JoinGroupResponse, Refusal> {
        let request = &join.request;
        if self.settings.group_consumer_migration_policy == MigrationPolicy::Disabled {
            let message = format!(
                "Cannot join the consumer group {} with the classic protocol because the group migration is disabled.",
                group.id
            );
            return Err(Refusal::new(ErrorCode::InconsistentGroupProtocol, message));
        }
        let is_unknown = request.member_id.is_empty();
        let member_id = if is_unknown { own(&join.unique) } else { own(&request.member_id) };
        let image = self.surroundings.image();
        let mut step = self.step(live, turn, group, &image);
        step.refuse_if_full(&member_id)?;
        refuse_other_protocols(group, join)?;
        let instance_id = request.group_instance_id.as_deref();
        if is_unknown && instance_id.is_none() && join.version >= MEMBER_ID_REQUIRED_SINCE {
            return Ok(join_error(&member_id, ErrorCode::MemberIdRequired));
        }
        let nothing = Assignment::new();
        let may_join = instance_id.is_none() || is_unknown;
        let sender = Sender { member_id: &member_id, instance_id, epoch: None, owned: Some(&nothing), may_join };
        let before = step.member(&sender)?;
        let wants = request.protocols.first().and_then(|protocol| embedded::subscription(&protocol.metadata));
        let wants = wants.ok_or_else(|| Refusal::new(ErrorCode::UnknownServerError, "Malformed subscription."))?;
        let owned = wants.owned_partitions.iter().map(|topic| (topic.topic.as_str(), topic.partitions.as_slice()));
        let owned = embedded::by_id(owned, &image);
        let updated = join.updated(&before, wants);
        let replaced = instance_id.and_then(|instance| group.static_member(instance));
        let downgrades = replaced.is_some_and(|replaced| self.downgrades_by(group, replaced));
        let (updated, rebalance) = step.join(&before, updated, &owned, downgrades)?;
        step.live.has_joined(&updated.id);
        step.cancel(Timer::MemberJoin(group.id.clone(), updated.id.clone()));
        if !downgrades {
            step.renew_session(&updated.id, Millis(i64::from(request.session_timeout_ms)));
            let sync = Timer::MemberSync(group.id.clone(), updated.id.clone());
            step.set(sync, Millis(i64::from(request.rebalance_timeout_ms)));
        }
        let reply = JoinGroupResponse::default()
            .with_member_id(StrBytes::from_string(updated.id.to_string()))
            .with_generation_id(updated.epoch())
            .with_protocol_type(Some(StrBytes::from_static_str(CONSUMER_PROTOCOL_TYPE)))
            .with_protocol_name(request.protocols.first().map(|protocol| protocol.name.clone()));
        let records_before = turn.outcome.records.len();
        step.conclude(live, turn);
        if downgrades {
            let made = self.downgrade(live, turn, group, &BTreeSet::new(), Some(&updated), rebalance);
            if let Err(refusal) = made {
                turn.outcome.records.truncate(records_before);
                return Err(refusal);
            }
            live.undo = Some(Undo::downgrade(group.id.clone()));
        }
        Ok(reply)
    }

    /// Whether the group goes back to the classic protocol when a classic member takes this one's place.
    fn downgrades_by(&self, group: &ConsumerGroup, replaced: &ConsumerMember) -> bool {
        let mut others = group.members.values().filter(|member| member.id != replaced.id);
        !replaced.uses_classic_protocol()
            && others.all(ConsumerMember::uses_classic_protocol)
            && self.may_become_classic(group.members.len())
    }
}

impl Step<'_> {
    /// As for a heartbeat; if the group goes back to the classic protocol no new target is computed: the second value
    /// says whether a rebalance has to make one instead.
    fn join(
        &mut self,
        before: &ConsumerMember,
        updated: ConsumerMember,
        owned: &Assignment,
        downgrades: bool,
    ) -> Result<(ConsumerMember, bool), Refusal> {
        let topics_changed = self.write_member(before, &updated);
        let regex = self.update_regexes(before, &updated)?;
        let bump = topics_changed || regex != RegexUpdate::Unchanged;
        let progress = self.raise_epoch(bump, before, &updated);
        let last = self.group.target_epoch.epoch;
        if downgrades && last < progress.epoch {
            return Ok((updated, true));
        }
        let (epoch, target) = match downgrades {
            true => (last, self.group.target_of(&updated.id, updated.metadata.instance_id.as_deref())),
            false => self.target(progress, &updated),
        };
        Ok((self.reconcile(updated, (epoch, &target), bump, Some(owned))?, false))
    }
}

impl JoinCommand {
    fn updated(&self, before: &ConsumerMember, wants: ConsumerProtocolSubscription) -> ConsumerMember {
        let known = &before.metadata;
        let protocols = self.request.protocols.iter();
        let protocols = protocols.map(|protocol| (own(&protocol.name), detach(&protocol.metadata)));
        let rack_id = wants.rack_id.filter(|rack| !rack.is_empty()).map(Arc::from);
        let metadata = MemberMetadata {
            instance_id: self.request.group_instance_id.as_deref().map(own).or_else(|| known.instance_id.clone()),
            rack_id: rack_id.or_else(|| known.rack_id.clone()),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            topics: wants.topics.into_iter().map(Arc::from).collect(),
            regex: Some(Arc::from("")),
            rebalance_timeout_ms: match self.request.rebalance_timeout_ms {
                -1 => known.rebalance_timeout_ms,
                said => said,
            },
            assignor: known.assignor.clone(),
            classic: Some(ClassicMember {
                session_timeout_ms: self.request.session_timeout_ms,
                protocols: protocols.collect(),
            }),
        };
        ConsumerMember { metadata, ..before.clone() }
    }
}

/// A member must know a protocol that all other classic members know.
fn refuse_other_protocols(group: &ConsumerGroup, join: &JoinCommand) -> Result<(), Refusal> {
    let classic = || group.members.values().filter_map(|member| member.metadata.classic.as_ref());
    let is_common = |name: &str| classic().all(|member| member.protocols.iter().any(|(known, _)| **known == *name));
    let request = &join.request;
    let fits = request.protocol_type.as_str() == CONSUMER_PROTOCOL_TYPE
        && request.protocols.iter().any(|protocol| is_common(&protocol.name));
    if fits {
        return Ok(());
    }
    let message = format!("Member {}'s protocols are not supported.", request.member_id);
    Err(Refusal::new(ErrorCode::InconsistentGroupProtocol, message))
}
