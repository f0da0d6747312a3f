//! One decision about a streams group in the making: what changes in the group, its topology, its epoch, its target, a
//! member.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::consumer::{Refusal, metadata_hash};
use super::super::machine::Timer;
use super::super::surroundings::StreamsPace;
use super::change::{Change, GroupEpoch};
use super::configure::{Configured, Unusable, configure};
use super::group::StreamsGroup;
use super::member::{MemberState, StreamsMember};
use super::reconcile::{Goal, reconcile};
use super::target::Task;
use super::tasks::Tasks;
use super::topology::{Impossible, Topology};
use super::{Status, StreamsLive};
use crate::metadata::MetadataImage;
use crate::protocol::newer::{StreamsRequestTopology, StreamsStatus};
use crate::state_machine::{Now, TimerChange};
use crate::types::{ErrorCode, Millis};

/// What the assignor is told by this name.
const STANDBY_REPLICAS: &str = "num.standby.replicas";

/// Collects what shall happen; nothing of it does if the request is refused after all.
pub struct Step<'a> {
    pub group: &'a StreamsGroup,
    pub image: Arc<MetadataImage>,
    pub pace: StreamsPace,
    pub now: Now,
    pub live: StreamsLive,
    pub changes: Vec<Change>,
    pub timers: Vec<TimerChange<Timer>>,
    /// What the member is to be told.
    pub statuses: Vec<StreamsStatus>,
}

/// The topology after a look at the topics.
pub struct Look {
    pub configured: Arc<Configured>,
    pub metadata_hash: i64,
}

impl Step<'_> {
    pub fn set(&mut self, timer: Timer, after: Millis) {
        self.timers.push(TimerChange::Set(timer, self.now.monotonic + after));
    }

    pub fn cancel(&mut self, timer: Timer) {
        self.timers.push(TimerChange::Cancel(timer));
    }

    pub fn tell(&mut self, status: Status, detail: impl Into<String>) {
        self.statuses.push(StreamsStatus { status_code: status.code(), status_detail: detail.into() });
    }

    /// Writes what a member says of itself if it is new, and tells whether it is.
    pub fn write_member(&mut self, before: &StreamsMember, now: &StreamsMember) -> bool {
        let is_new = before != now;
        if is_new {
            let metadata = Some(now.metadata.clone());
            self.changes.push(Change::Member { member: now.id.clone(), metadata });
        }
        is_new
    }

    /// The group's topology, which its first member brings; nobody can change it.
    pub fn topology(&mut self, said: Option<&StreamsRequestTopology>) -> Result<Arc<Topology>, Refusal> {
        let said = said.map(Topology::from_request).transpose().map_err(|Impossible| unknown_error())?;
        match (&self.group.topology, said) {
            (None, None) => Err(unknown_error()),
            (None, Some(said)) => {
                let topology = Arc::new(said);
                self.changes.push(Change::Topology(Some(topology.clone())));
                Ok(topology)
            }
            (Some(known), Some(said)) if said.epoch >= known.epoch && **known != said => {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Topology updates are not supported yet."))
            }
            (Some(known), Some(_) | None) => Ok(known.clone()),
        }
    }

    /// A member of an older topology is to know of it.
    pub fn tell_if_stale(&mut self, member: &StreamsMember) {
        let said = member.metadata.topology_epoch;
        if let Some(known) = self.group.topology.as_ref().map(|topology| topology.epoch).filter(|known| said < *known) {
            let detail = format!("The member's topology epoch {said} is behind the group's topology epoch {known}.");
            self.tell(Status::StaleTopology, detail);
        }
    }

    /// Holds the topology against the topics, if something may have changed since the last look.
    pub fn look(&mut self, topology: &Topology) -> Result<Look, Refusal> {
        let known = self.live.configured.clone().filter(|_| self.group.topology.is_some());
        let metadata_hash = match &known {
            Some(_) if !self.must_look() => self.group.epoch.metadata_hash,
            Some(_) | None => metadata_hash(&self.image, topology.required_topics().into_iter()),
        };
        let configured = match known {
            Some(configured) if metadata_hash == self.group.epoch.metadata_hash => configured,
            Some(_) | None => Arc::new(configure(topology, &self.image).map_err(refusal_of)?),
        };
        self.live.configured = Some(configured.clone());
        Ok(Look { configured, metadata_hash })
    }

    fn must_look(&self) -> bool {
        match &self.live.looked_at {
            None => true,
            Some((topics, epoch)) => {
                !std::ptr::eq(topics.as_ptr(), Arc::as_ptr(&self.image.topics)) || self.group.epoch.epoch < *epoch
            }
        }
    }

    /// Raises the group epoch if `bump` says so, or if anything that the target is computed from has changed.
    pub fn raise_epoch(&mut self, bump: bool, topology: &Topology, look: &Look) -> i32 {
        let validated_topology = if look.configured.is_ready() { topology.epoch } else { -1 };
        let configs = BTreeMap::from([(STANDBY_REPLICAS.to_owned(), self.pace.standby_replicas.to_string())]);
        let known = &self.group.epoch;
        let now = GroupEpoch { epoch: known.epoch, metadata_hash: look.metadata_hash, validated_topology, configs };
        let mut epoch = known.epoch;
        if bump || now != *known {
            epoch += 1;
            self.changes.push(Change::Epoch(Some(GroupEpoch { epoch, ..now })));
        }
        self.live.looked_at = Some((Arc::downgrade(&self.image.topics), epoch));
        epoch
    }

    /// The first member waits for others, so that tasks do not move as soon as they are given out.
    pub fn delay_first_target(&mut self) {
        let delay = self.pace.initial_rebalance_delay;
        if self.group.members.is_empty() && delay > Millis(0) && !self.live.is_delayed {
            self.live.is_delayed = true;
            self.set(Timer::InitialRebalance(self.group.id.clone()), delay);
        }
    }

    /// The target for the member: a new one if the group epoch is ahead of it, and the last one is not too fresh. Without
    /// a member, whatever it is for all.
    pub fn target(&mut self, epoch: i32, configured: &Configured, updated: Option<&StreamsMember>) -> (i32, Tasks) {
        let last = self.group.target_epoch;
        if self.live.is_delayed {
            self.tell(Status::AssignmentDelayed, "Assignment delayed due to the configured initial rebalance delay.");
            return (last.epoch, Tasks::default());
        }
        let target_before = || updated.map(|member| self.group.target_of(&member.id)).unwrap_or_default();
        if last.epoch >= epoch {
            return (last.epoch, target_before());
        }
        let interval = self.pace.assignment_interval.0;
        if last.computed_at != 0 && interval != 0 && self.now.wall.0 < last.computed_at.saturating_add(interval) {
            let target = target_before();
            self.tell(Status::AssignmentDelayed, "Assignment delayed due to the configured assignment interval.");
            return (last.epoch, target);
        }
        let task = Task {
            group: self.group,
            updated,
            configured,
            epoch,
            standby_replicas: usize::try_from(self.pace.standby_replicas).unwrap_or(0),
            now_ms: self.now.wall.0,
        };
        let (changes, own) = task.run();
        self.changes.extend(changes);
        (epoch, own)
    }

    /// Takes the member one step towards its target.
    pub fn reconcile(
        &mut self,
        member: StreamsMember,
        (target_epoch, target): (i32, &Tasks),
        owned: Option<&Tasks>,
    ) -> Result<StreamsMember, Refusal> {
        let holders = self.group.holders();
        let goal = Goal { target_epoch, target, owned, holders: &holders, process_id: member.process_id() };
        let current = reconcile(&member, &goal).map_err(|_| {
            let message =
                "The streams group member is in a unknown state. The member must abandon all its tasks and rejoin.";
            Refusal::new(ErrorCode::FencedMemberEpoch, message)
        })?;
        if current == member.current {
            return Ok(member);
        }
        self.changes.push(Change::Current { member: member.id.clone(), current: Some(current.clone()) });
        let timer = Timer::Rebalance(self.group.id.clone(), member.id.clone());
        match current.state {
            MemberState::UnrevokedTasks => {
                self.set(timer, Millis(i64::from(member.metadata.rebalance_timeout_ms)));
            }
            MemberState::Stable | MemberState::UnreleasedTasks | MemberState::Unknown => self.cancel(timer),
        }
        Ok(StreamsMember { current, ..member })
    }
}

/// What Kafka's coordinator answers when it fails over a request: a code without a word.
pub fn unknown_error() -> Refusal {
    Refusal::new(ErrorCode::UnknownServerError, "")
}

fn refusal_of(why: Unusable) -> Refusal {
    match why {
        Unusable::Invalid(message) => Refusal::new(ErrorCode::StreamsInvalidTopology, message),
        Unusable::Impossible => unknown_error(),
        Unusable::Fault(fault) => unreachable!("a fault that may pass does not refuse a member: {}", fault.detail),
    }
}
