//! StreamsGroupHeartbeat (KIP-1071): a member joins, lives, follows its target, and leaves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::consumer::Refusal;
use super::super::machine::{GroupMachine, Live, Reply, Timer, Turn, own};
use super::super::records::Record;
use super::super::state::State;
use super::Status;
use super::configure::{Configured, ConfiguredSubtopology};
use super::endpoints::endpoints;
use super::epoch::{Step, unknown_error};
use super::group::StreamsGroup;
use super::member::{LEAVE_EPOCH, STATIC_LEAVE_EPOCH, StreamsMember};
use super::tasks::{TaskIds, Tasks, from_wire, to_wire};
use crate::protocol::internal::StreamsTopicInfo;
use crate::protocol::newer::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, StreamsTaskIds};
use crate::state_machine::Ticket;
use crate::types::ErrorCode;

/// A heartbeat with what its connection adds to it.
pub struct StreamsBeat {
    pub request: StreamsGroupHeartbeatRequest,
    pub client_id: Arc<str>,
    /// As Java prints an address: with a slash before it.
    pub client_host: Arc<str>,
}

/// The answer, and what is to be done before the group can go on.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamsAnswer {
    pub response: StreamsGroupHeartbeatResponse,
    /// Internal topics that are missing.
    pub missing: Vec<StreamsTopicInfo>,
}

/// The group of a request, and what has to be written before anything else to make it one.
struct Found<'a> {
    group: Cow<'a, StreamsGroup>,
    records: Vec<Record>,
}

impl GroupMachine {
    pub(in super::super) fn streams_heartbeat(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        ticket: Ticket,
        beat: &StreamsBeat,
    ) {
        let answer = match beat.request.member_epoch {
            LEAVE_EPOCH | STATIC_LEAVE_EPOCH => self.streams_leave(live, turn, &beat.request),
            _ => self.streams_beat(live, turn, beat),
        };
        let answer = answer.unwrap_or_else(|refusal| {
            let error_message = Some(refusal.message).filter(|message| !message.is_empty());
            let error_code = refusal.code.code();
            let response = StreamsGroupHeartbeatResponse { error_code, error_message, ..Default::default() };
            StreamsAnswer { response, missing: Vec::new() }
        });
        turn.outcome.answer(ticket, Reply::StreamsHeartbeat(Box::new(answer)));
    }

    /// The streams group of that id.
    pub(super) fn streams_group(&self, live: &Live, id: &str) -> Result<&StreamsGroup, Refusal> {
        self.streams.get(id).ok_or_else(|| self.no_streams_group(live, id, format!("Group {id} not found.")))
    }

    fn no_streams_group(&self, live: &Live, id: &str, not_found: String) -> Refusal {
        let is_other = self.consumers.contains_key(id) || self.is_newer(id) || live.groups.contains_key(id);
        Refusal::group_not_found(if is_other { format!("Group {id} is not a streams group.") } else { not_found })
    }

    /// The streams group of that id; for a member that joins, made from nothing or from an empty classic group.
    fn find_streams_group(&self, live: &Live, id: &Arc<str>, joins: bool) -> Result<Found<'_>, Refusal> {
        let new = |records| Ok(Found { group: Cow::Owned(StreamsGroup::new(id.clone())), records });
        if let Some(group) = self.streams.get(id) {
            return Ok(Found { group: Cow::Borrowed(group), records: Vec::new() });
        }
        match live.groups.get(id).map(|group| group.state) {
            Some(State::Empty) if joins => new(vec![Record::Group { group: id.clone(), snapshot: None }]),
            None if joins && !self.consumers.contains_key(id) && !self.is_newer(id) => new(Vec::new()),
            Some(_) | None => Err(self.no_streams_group(live, id, format!("Streams group {id} not found."))),
        }
    }

    /// A decision about `group` that begins now.
    pub(super) fn streams_step<'a>(&self, live: &Live, turn: &Turn, group: &'a StreamsGroup) -> Step<'a> {
        let image = self.surroundings.image();
        Step {
            group,
            pace: self.surroundings.streams_pace(&image, &group.id),
            image,
            now: turn.now,
            live: live.streams.get(&group.id).cloned().unwrap_or_default(),
            changes: Vec::new(),
            timers: Vec::new(),
            statuses: Vec::new(),
        }
    }

    fn streams_beat(&self, live: &mut Live, turn: &mut Turn, beat: &StreamsBeat) -> Result<StreamsAnswer, Refusal> {
        let request = &beat.request;
        let id = own(&request.group_id);
        let found = self.find_streams_group(live, &id, request.member_epoch == 0)?;
        let is_known = self.streams.contains_key(&id);
        let most = self.settings.group_streams_max_size;
        let is_full = found.group.members.len() >= usize::try_from(most).unwrap_or(0);
        if request.member_epoch == 0 && is_full {
            let message = format!("The streams group has reached its maximum capacity of {most} members.");
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
        }
        let mut step = self.streams_step(live, turn, &found.group);
        let before = step.member(request)?;
        let (updated, configured) = step.follow(&before, beat)?;
        step.set(Timer::Session(id, updated.id.clone()), step.pace.session_timeout);
        if request.shutdown_application && step.live.shutdown_requested_by.is_none() {
            step.live.shutdown_requested_by = Some(updated.id.clone());
        }
        let answer = step.answer(request, (&before, &updated), &configured, is_known);
        turn.outcome.records.extend(found.records.iter().cloned());
        step.conclude(live, turn);
        Ok(answer)
    }

    fn streams_leave(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<StreamsAnswer, Refusal> {
        let group = self.streams_group(live, &request.group_id)?;
        let member = group.members.get(request.member_id.as_str());
        let member = member.ok_or_else(|| Refusal::unknown_member(&request.member_id, &group.id))?;
        if request.shutdown_application {
            let kept = live.streams.entry(group.id.clone()).or_default();
            kept.shutdown_requested_by.get_or_insert_with(|| member.id.clone());
        }
        self.fence_streams_member(live, turn, group, &member.id);
        let (member_id, member_epoch) = (request.member_id.clone(), request.member_epoch);
        let response = StreamsGroupHeartbeatResponse { member_id, member_epoch, ..Default::default() };
        Ok(StreamsAnswer { response, missing: Vec::new() })
    }

    /// The first members have waited long enough: everybody who has come by now gets a share.
    pub(in super::super) fn end_streams_delay(&self, live: &mut Live, turn: &mut Turn, id: &Arc<str>) {
        let Some(kept) = live.streams.get_mut(id) else { return };
        kept.is_delayed = false;
        let configured = kept.configured.clone();
        let group = self.streams.get(id).filter(|group| !group.members.is_empty());
        let (Some(group), Some(configured)) = (group, configured) else { return };
        let mut step = self.streams_step(live, turn, group);
        let standby = group.epoch.configs.values().next().and_then(|count| count.parse().ok());
        step.pace.standby_replicas = standby.unwrap_or(step.pace.standby_replicas);
        step.target(group.epoch.epoch, &configured, None);
        step.conclude(live, turn);
    }
}

impl Step<'_> {
    /// All of it happens.
    pub fn conclude(self, live: &mut Live, turn: &mut Turn) {
        let group = &self.group.id;
        let records = self.changes.into_iter().map(|change| Record::Streams { group: group.clone(), change });
        turn.outcome.records.extend(records);
        turn.outcome.timers.extend(self.timers);
        live.streams.insert(group.clone(), self.live);
    }

    /// The member as it is before the request, which may be new to the group. The epoch before the last one is that of a
    /// member which lost an answer, as long as it owns nothing that it was not given.
    fn member(&self, request: &StreamsGroupHeartbeatRequest) -> Result<StreamsMember, Refusal> {
        let member = match self.group.members.get(request.member_id.as_str()) {
            Some(member) => member.clone(),
            None if request.member_epoch == 0 => StreamsMember::new(own(&request.member_id)),
            None => return Err(Refusal::unknown_member(&request.member_id, &self.group.id)),
        };
        let (epoch, known) = (request.member_epoch, member.epoch());
        let assigned = &member.current.assigned;
        let lost_an_answer = epoch == member.current.previous_epoch
            && is_within(request.active_tasks.as_deref(), &assigned.active_ids())
            && is_within(request.standby_tasks.as_deref(), &assigned.standby)
            && is_within(request.warmup_tasks.as_deref(), &assigned.warmup);
        if epoch == 0 || epoch == known || (epoch < known && lost_an_answer) {
            return Ok(member);
        }
        let comparison = if epoch > known { "greater" } else { "smaller" };
        let message = format!(
            "The streams group member has a {comparison} member epoch ({epoch}) than the one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin."
        );
        Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
    }

    /// Everything that follows from what a member says: the topology, the group epoch, the target, its next step.
    fn follow(
        &mut self,
        before: &StreamsMember,
        beat: &StreamsBeat,
    ) -> Result<(StreamsMember, Arc<Configured>), Refusal> {
        let request = &beat.request;
        let updated = beat.updated(before).ok_or_else(unknown_error)?;
        let is_new = self.write_member(before, &updated);
        let topology = self.topology(request.topology.as_ref())?;
        self.tell_if_stale(&updated);
        let look = self.look(&topology)?;
        if let Some(subtopologies) = look.configured.subtopologies.as_ref().filter(|_| look.configured.is_ready()) {
            for tasks in [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks] {
                check_tasks(tasks.as_deref().unwrap_or_default(), subtopologies)?;
            }
        }
        let epoch = self.raise_epoch(is_new, &topology, &look);
        self.delay_first_target();
        let (target_epoch, target) = self.target(epoch, &look.configured, Some(&updated));
        if updated.is_reconciled_to(target_epoch) {
            return Ok((updated, look.configured));
        }
        let owned = owned_tasks(request).map_err(|DoubleTasks| unknown_error())?;
        let updated = self.reconcile(updated, (target_epoch, &target), owned.as_ref())?;
        Ok((updated, look.configured))
    }

    /// Tasks are told to a member that joins or whose tasks have changed; what is behind the endpoints, to one that does
    /// not know the latest of it. The endpoints of a group that is new are counted from its second heartbeat on.
    fn answer(
        &mut self,
        request: &StreamsGroupHeartbeatRequest,
        (before, now): (&StreamsMember, &StreamsMember),
        configured: &Configured,
        is_known: bool,
    ) -> StreamsAnswer {
        let mut response = StreamsGroupHeartbeatResponse {
            member_id: now.id.to_string(),
            member_epoch: now.epoch(),
            heartbeat_interval_ms: self.pace.heartbeat_interval_ms,
            ..Default::default()
        };
        let assigned = &now.current.assigned;
        let mut endpoint_epoch = self.live.endpoint_epoch;
        if request.member_epoch == 0 || before.current.assigned != *assigned {
            response.active_tasks = Some(to_wire(&assigned.active_ids()));
            response.standby_tasks = Some(to_wire(&assigned.standby));
            response.warmup_tasks = Some(to_wire(&assigned.warmup));
            endpoint_epoch = endpoint_epoch.wrapping_add(i32::from(now.metadata.user_endpoint.is_some()));
        }
        if endpoint_epoch != request.endpoint_information_epoch {
            let unknown = BTreeMap::new();
            let subtopologies = configured.subtopologies.as_ref().unwrap_or(&unknown);
            response.partitions_by_user_endpoint = Some(endpoints(self.group, now, subtopologies, &self.image));
        }
        if is_known {
            self.live.endpoint_epoch = endpoint_epoch;
            response.endpoint_information_epoch = endpoint_epoch;
        }
        if let Some(fault) = &configured.fault {
            self.tell(fault.status, fault.detail.clone());
        }
        if let Some(member) = self.live.shutdown_requested_by.clone() {
            let detail = format!(
                "Streams group member {member} encountered a fatal error and requested a shutdown for the entire application."
            );
            self.tell(Status::ShutdownApplication, detail);
        }
        response.status = Some(std::mem::take(&mut self.statuses));
        StreamsAnswer { response, missing: configured.missing.clone() }
    }
}

impl StreamsBeat {
    /// The member as it says it is; what it does not say stays. Nothing if it names a client tag twice.
    fn updated(&self, before: &StreamsMember) -> Option<StreamsMember> {
        let request = &self.request;
        let mut metadata = before.metadata.clone();
        metadata.client_id = self.client_id.to_string();
        metadata.client_host = self.client_host.to_string();
        metadata.rack_id = request.rack_id.clone().or(metadata.rack_id);
        if request.rebalance_timeout_ms != -1 {
            metadata.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        if let Some(topology) = &request.topology {
            metadata.topology_epoch = topology.epoch;
        }
        if let Some(process_id) = &request.process_id {
            metadata.process_id.clone_from(process_id);
        }
        metadata.user_endpoint = request.user_endpoint.clone().or(metadata.user_endpoint);
        if let Some(tags) = &request.client_tags {
            metadata.client_tags.clone_from(tags);
            metadata.client_tags.sort_by(|one, other| one.key.cmp(&other.key));
            if metadata.client_tags.windows(2).any(|pair| pair[0].key == pair[1].key) {
                return None;
            }
        }
        Some(StreamsMember { metadata, ..before.clone() })
    }
}

/// A request names a subtopology twice.
struct DoubleTasks;

/// What a member says it owns; none if it says nothing.
fn owned_tasks(request: &StreamsGroupHeartbeatRequest) -> Result<Option<Tasks>, DoubleTasks> {
    let (Some(active), Some(standby), Some(warmup)) =
        (&request.active_tasks, &request.standby_tasks, &request.warmup_tasks)
    else {
        return Ok(None);
    };
    let ids = |tasks: &[StreamsTaskIds]| from_wire(tasks).ok_or(DoubleTasks);
    Ok(Some(Tasks { active: ids(active)?, standby: ids(standby)?, warmup: ids(warmup)? }))
}

fn is_within(owned: Option<&[StreamsTaskIds]>, assigned: &TaskIds) -> bool {
    owned.is_some_and(|owned| {
        owned.iter().all(|tasks| {
            let assigned = assigned.get(tasks.subtopology_id.as_str());
            assigned.is_some_and(|all| tasks.partitions.iter().all(|partition| all.contains(partition)))
        })
    })
}

fn check_tasks(
    tasks: &[StreamsTaskIds],
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
) -> Result<(), Refusal> {
    let invalid = |message| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    for of in tasks {
        let id = &of.subtopology_id;
        let Some(subtopology) = subtopologies.get(id) else {
            return invalid(format!("Subtopology {id} does not exist in the topology."));
        };
        let count = subtopology.tasks;
        if let Some(task) = of.partitions.iter().find(|task| !(0..count).contains(*task)) {
            return invalid(format!(
                "Task {task} for subtopology {id} is invalid. Number of tasks for this subtopology: {count}"
            ));
        }
    }
    Ok(())
}
