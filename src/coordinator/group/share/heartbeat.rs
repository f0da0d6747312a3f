//! ShareGroupHeartbeat (KIP-932): a member joins, lives, changes its mind, and leaves.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::consumer::{GroupEpoch, LEAVE_EPOCH, Refusal, metadata_hash};
use super::super::machine::{GroupMachine, Live, Timer, Turn, own};
use super::super::undo::Undo;
use super::change::ShareChange;
use super::command::{ShareReply, StateInit, StateOf};
use super::group::{ShareGroup, ShareMember, ShareMetadata};
use crate::protocol::StrBytes;
use crate::protocol::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use crate::protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use crate::types::ErrorCode;

/// As long as the readable form of a UUID.
const MEMBER_ID_CHARS_MAX: usize = 36;

/// A heartbeat with what its connection adds to it.
pub struct ShareBeat {
    pub request: ShareGroupHeartbeatRequest,
    pub client_id: Arc<str>,
    /// As Java prints an address: with a slash before it.
    pub client_host: Arc<str>,
}

/// What is wrong with a request, whatever the group.
pub fn check_request(request: &ShareGroupHeartbeatRequest) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let is_blank = |text: &str| text.trim().is_empty();
    let member_id = request.member_id.as_str();
    if member_id.is_empty() || member_id.encode_utf16().count() > MEMBER_ID_CHARS_MAX {
        // Kafka does not explain this one.
        return invalid("");
    }
    if is_blank(member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.rack_id.as_deref().is_some_and(is_blank) {
        return invalid("RackId can't be empty.");
    }
    if request.member_epoch == 0 && request.subscribed_topic_names.as_ref().is_none_or(Vec::is_empty) {
        return invalid("SubscribedTopicNames must be set in first request.");
    }
    if request.member_epoch < LEAVE_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    Ok(())
}

impl GroupMachine {
    pub(super) fn share_heartbeat(&self, live: &mut Live, turn: &mut Turn, beat: &ShareBeat) -> ShareReply {
        let reply = match beat.request.member_epoch {
            LEAVE_EPOCH => self.share_leave(live, turn, &beat.request).map(|response| (response, None)),
            _ => self.share_beat(live, turn, beat),
        };
        let (response, ask) = reply.unwrap_or_else(|refusal| {
            let response = ShareGroupHeartbeatResponse::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message)));
            (response, None)
        });
        ShareReply::Heartbeat { response, ask }
    }

    fn share_beat(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        beat: &ShareBeat,
    ) -> Result<(ShareGroupHeartbeatResponse, Option<StateInit>), Refusal> {
        let request = &beat.request;
        let joins = request.member_epoch == 0;
        let group = self.find_or_create_share_group(live, &request.group_id, joins)?;
        self.refuse_if_full(&group, &request.member_id)?;
        let member_id = own(&request.member_id);
        let before = match joins {
            true => group.members.get(&member_id).cloned().unwrap_or_else(|| ShareMember::new(member_id)),
            false => group.member(&member_id)?.clone(),
        };
        check_epoch(&before, request.member_epoch)?;
        let image = self.surroundings.image();
        let mut step = self.share_step(live, turn.now, &group, &image);
        let updated = beat.updated(&before);
        if updated != before {
            let metadata = Some(updated.metadata.clone());
            step.changes.push(ShareChange::Member { member: updated.id.clone(), metadata });
        }
        let topics_changed = updated.metadata.topics != before.metadata.topics;
        let progress = step.raise_epoch(topics_changed, &before, &updated);
        let target = step.target(&progress, &updated);
        let updated = step.reconcile(updated, target, progress.is_raised);
        step.renew_session(&updated.id);
        let response = reply(request, &before, &updated).with_heartbeat_interval_ms(step.pace.heartbeat_interval_ms);
        let ask = step.ask_for_state(&progress);
        step.conclude(live, turn);
        Ok((response, ask))
    }

    fn share_leave(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        request: &ShareGroupHeartbeatRequest,
    ) -> Result<ShareGroupHeartbeatResponse, Refusal> {
        let group = self.share_group(live, &request.group_id)?;
        let member = group.member(&request.member_id)?;
        self.fence_share_member(turn, group, member);
        let response = ShareGroupHeartbeatResponse::default().with_member_id(Some(request.member_id.clone()));
        Ok(response.with_member_epoch(request.member_epoch))
    }

    /// A member was not heard of for the time of its session.
    pub(in super::super) fn share_session_expired(&self, live: &mut Live, turn: &mut Turn, timer: Timer) {
        let Timer::Session(group, member) = &timer else { return };
        let Some(group) = self.shares.get(group) else { return };
        let Some(member) = group.members.get(member) else { return };
        self.fence_share_member(turn, group, member);
        live.undo = Some(Undo::Retry(timer));
    }

    fn fence_share_member(&self, turn: &mut Turn, group: &ShareGroup, member: &ShareMember) {
        let id = || member.id.clone();
        let subscribers = group.subscribers_with(Some(member), None);
        let image = self.surroundings.image();
        let metadata_hash = metadata_hash(&image, subscribers.keys().map(|name| &**name));
        let changes = [
            ShareChange::Current { member: id(), current: None },
            ShareChange::Target { member: id(), assignment: None },
            ShareChange::Member { member: id(), metadata: None },
            ShareChange::Epoch(Some(GroupEpoch { epoch: group.epoch + 1, metadata_hash })),
        ];
        turn.outcome.records.extend(changes.map(|change| group.record(change)));
        turn.cancel(Timer::Session(group.id.clone(), id()));
    }

    /// The sessions of all members after the log was read.
    pub(in super::super) fn renew_share_sessions(&self, turn: &mut Turn) {
        let image = self.surroundings.image();
        for group in self.shares.values() {
            let timeout = self.surroundings.share_pace(&image, &group.id).session_timeout;
            for member in group.members.keys() {
                turn.set(Timer::Session(group.id.clone(), member.clone()), turn.now.monotonic + timeout);
            }
        }
    }

    /// How the share coordinator answered for partitions that it was asked for.
    pub(super) fn asked(&self, live: &mut Live, turn: &mut Turn, of: &StateOf, made: bool) -> ShareReply {
        let Some(group) = self.shares.get(&of.group) else { return ShareReply::Noted };
        let mut partitions = group.partitions.clone().unwrap_or_default();
        match made {
            true => partitions.made(&of.partitions, &self.surroundings.image()),
            false => partitions.not_made(&of.partitions),
        }
        if let Some(live) = live.shares.get_mut(&of.group) {
            live.asked_at.retain(|topic, _| partitions.initializing.contains_key(topic));
        }
        if group.partitions.as_ref() != Some(&partitions) {
            turn.outcome.records.push(group.record(ShareChange::Partitions(Some(partitions))));
        }
        ShareReply::Noted
    }

    /// The share group of that id.
    pub(super) fn share_group(&self, live: &Live, id: &str) -> Result<&ShareGroup, Refusal> {
        self.shares.get(id).ok_or_else(|| self.no_share_group(live, id, format!("Group {id} not found.")))
    }

    /// The share group of that id, or an empty one where it may be new.
    pub(super) fn find_or_create_share_group(
        &self,
        live: &Live,
        id: &str,
        may_be_new: bool,
    ) -> Result<Cow<'_, ShareGroup>, Refusal> {
        if let Some(group) = self.shares.get(id) {
            return Ok(Cow::Borrowed(group));
        }
        match may_be_new && !self.is_of_another_kind(live, id) {
            true => Ok(Cow::Owned(ShareGroup::new(own(id)))),
            false => Err(self.no_share_group(live, id, format!("Share group {id} not found."))),
        }
    }

    fn no_share_group(&self, live: &Live, id: &str, unknown: String) -> Refusal {
        let message = match self.is_of_another_kind(live, id) {
            true => format!("Group {id} is not a share group."),
            false => unknown,
        };
        Refusal::new(ErrorCode::GroupIdNotFound, message)
    }

    fn is_of_another_kind(&self, live: &Live, id: &str) -> bool {
        self.streams.contains_key(id) || self.consumers.contains_key(id) || live.groups.contains_key(id)
    }

    fn refuse_if_full(&self, group: &ShareGroup, member_id: &str) -> Result<(), Refusal> {
        let most = self.settings.group_share_max_size;
        let is_full = group.members.len() >= usize::try_from(most).unwrap_or(0);
        if is_full && !group.members.contains_key(member_id) {
            let message = format!("The share group has reached its maximum capacity of {most} members.");
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
        }
        Ok(())
    }
}

impl ShareBeat {
    /// The member as it says it is; what it does not say stays.
    fn updated(&self, before: &ShareMember) -> ShareMember {
        let (request, known) = (&self.request, &before.metadata);
        let metadata = ShareMetadata {
            rack_id: request.rack_id.as_deref().map(own).or_else(|| known.rack_id.clone()),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            topics: match &request.subscribed_topic_names {
                Some(names) => names.iter().map(|name| own(name)).collect(),
                None => known.topics.clone(),
            },
        };
        ShareMember { metadata, ..before.clone() }
    }
}

/// Epoch 0 begins anew. The epoch before the last one is that of a member which lost an answer.
fn check_epoch(member: &ShareMember, epoch: i32) -> Result<(), Refusal> {
    let (known, previous) = (member.current.epoch, member.current.previous_epoch);
    let message = if epoch == 0 || epoch == known {
        return Ok(());
    } else if epoch > known {
        format!(
            "The share group member has a greater member epoch ({epoch}) than the one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin."
        )
    } else if epoch != previous {
        format!(
            "The share group member has a smaller member epoch ({epoch}) than the one known by the group coordinator ({known}), and it does not match the previous member epoch ({previous}). The member must abandon all its partitions and rejoin."
        )
    } else {
        return Ok(());
    };
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
}

/// The assignment is told to a member that joins, that says what it subscribes to, or whose assignment has changed.
fn reply(request: &ShareGroupHeartbeatRequest, before: &ShareMember, now: &ShareMember) -> ShareGroupHeartbeatResponse {
    let response = ShareGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(now.id.to_string())))
        .with_member_epoch(now.current.epoch);
    let is_full = request.member_epoch == 0 || request.subscribed_topic_names.is_some();
    if !is_full && before.current.assigned == now.current.assigned {
        return response;
    }
    let topics = now.current.assigned.iter().map(|(topic, partitions)| {
        TopicPartitions::default().with_topic_id((*topic).into()).with_partitions(partitions.iter().copied().collect())
    });
    response.with_assignment(Some(Assignment::default().with_topic_partitions(topics.collect())))
}
