//! Brokers: registration, heartbeats, fencing, leaving.

use crate::metadata::{BrokerRegistration, Feature, MetadataVersion, PartitionRegistration, TopicImage};
use crate::protocol::kraft::{
    BrokerEndpoint, BrokerFeature, BrokerRegistrationChangeRecord, MetadataRecord, RegisterBrokerRecord,
    RegisterControllerRecord, UnregisterBrokerRecord,
};
use crate::state_machine::Now;
use crate::types::{BrokerEpoch, BrokerId, DirectoryId, ErrorCode, Millis, Offset, Uuid};

use super::Denied;
use super::election::{Election, PartitionChange};
use super::machine::{Controller, Decision, Session, Sessions};

/// Sessions whose deadline moves, and to when; None: there is none any more.
pub(super) type SessionTimers = Vec<(BrokerId, Option<Millis>)>;

/// A broker that comes up.
#[derive(Clone, Debug)]
pub struct NewRegistration {
    pub broker_id: BrokerId,
    pub cluster_id: String,
    pub incarnation_id: Uuid,
    pub end_points: Vec<BrokerEndpoint>,
    pub features: Vec<BrokerFeature>,
    pub rack: Option<String>,
    pub log_dirs: Vec<DirectoryId>,
    /// The epoch at which the broker last stopped cleanly, -1 if it did not.
    pub previous_broker_epoch: BrokerEpoch,
    /// The broker runs in this process. It holds the lock of its directories, so an earlier incarnation is dead whatever its session says;
    /// and it needs no session.
    pub local: bool,
}

/// How a broker is, and what it wants.
#[derive(Clone, Debug)]
pub struct BrokerHeartbeat {
    pub broker_id: BrokerId,
    pub broker_epoch: BrokerEpoch,
    /// How far the broker's image is.
    pub metadata_offset: Offset,
    pub want_fence: bool,
    pub want_shut_down: bool,
    pub offline_log_dirs: Vec<DirectoryId>,
    /// None until the broker has read its configuration.
    pub cordoned_log_dirs: Option<Vec<DirectoryId>>,
}

/// What a broker is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeartbeatReply {
    pub is_caught_up: bool,
    pub is_fenced: bool,
    pub in_controlled_shutdown: bool,
    pub should_shut_down: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

/// One partition with its topic.
type Placed<'a> = (&'a TopicImage, i32, &'a PartitionRegistration);

/// Who changes in a sweep over partitions.
#[derive(Clone, Copy, Default)]
struct Sweep {
    /// Leaves the ISR and may not lead.
    remove: Option<BrokerId>,
    /// May lead although its registration still says fenced.
    add: Option<BrokerId>,
    /// Leaves the ISR and the ELR and may not lead.
    unclean: Option<BrokerId>,
}

impl Controller {
    pub(super) fn register_broker(
        &self,
        live: &mut Sessions,
        request: NewRegistration,
        now: Now,
        timers: &mut SessionTimers,
    ) -> Decision<Result<BrokerEpoch, Denied>> {
        if let Err(denied) = self.check_registration(live, &request) {
            return (Vec::new(), Err(denied));
        }
        let id = request.broker_id;
        let existing = self.image.broker(id);
        let same = existing.filter(|broker| broker.incarnation_id == request.incarnation_id);
        let mut records = Vec::new();
        let mut record = RegisterBrokerRecord {
            broker_id: id.0,
            incarnation_id: request.incarnation_id,
            broker_epoch: same.map_or(self.next_offset.0, |broker| broker.epoch.0),
            end_points: request.end_points,
            features: request.features,
            rack: request.rack,
            ..Default::default()
        };
        if self.version().directory_assignment() {
            record.log_dirs = request.log_dirs;
        }
        match same {
            Some(broker) => {
                record.fenced = broker.fenced;
                record.in_controlled_shutdown = broker.in_controlled_shutdown;
            }
            None => {
                let clean = existing.is_some_and(|broker| broker.epoch == request.previous_broker_epoch);
                self.leave_behind(id, clean, &mut records);
            }
        }
        let epoch = BrokerEpoch(record.broker_epoch);
        records.push(MetadataRecord::RegisterBroker(record));
        let last_contact = (!request.local).then_some(now.monotonic);
        live.brokers.insert(id, Session { epoch, last_contact });
        timers.push((id, last_contact.map(|at| at + self.options.session_timeout)));
        (records, Ok(epoch))
    }

    /// A controller's incarnation, written once.
    pub(super) fn register_controller(&self, record: RegisterControllerRecord) -> Decision<()> {
        let known = self.image.controllers.get(&BrokerId(record.controller_id));
        let same = known.is_some_and(|known| known.incarnation_id == record.incarnation_id);
        match self.version().controller_registration() && !same {
            true => (vec![MetadataRecord::RegisterController(record)], ()),
            false => (Vec::new(), ()),
        }
    }

    fn check_registration(&self, live: &Sessions, request: &NewRegistration) -> Result<(), Denied> {
        let id = request.broker_id;
        if request.cluster_id != self.options.cluster_id {
            let message =
                format!("Expected cluster ID {}, but got cluster ID {}", self.options.cluster_id, request.cluster_id);
            return Err(Denied::new(ErrorCode::InconsistentClusterId, message));
        }
        if let Some(existing) = self.image.broker(id) {
            let alive = live.brokers.get(&id).is_some_and(|session| session.epoch == existing.epoch);
            if alive && !request.local && existing.incarnation_id != request.incarnation_id {
                let message = "Another broker is registered with that broker id. If the broker was recently restarted this \
                               should self-resolve once the heartbeat manager expires the broker's session.";
                return Err(Denied::new(ErrorCode::DuplicateBrokerRegistration, message));
            }
        }
        if self.version().directory_assignment() {
            self.check_directories(id, &request.log_dirs)?;
        }
        self.check_features(&request.features)
    }

    fn check_directories(&self, id: BrokerId, directories: &[DirectoryId]) -> Result<(), Denied> {
        let refuse = |message: String| Err(Denied::new(ErrorCode::InvalidRegistration, message));
        if directories.is_empty() {
            return refuse("No directories specified in request".to_owned());
        }
        let reserved = |id: &DirectoryId| id.0[..15] == [0; 15] && id.0[15] < 100;
        if directories.iter().any(reserved) {
            return refuse("Reserved directory ID in request".to_owned());
        }
        let mut sorted = directories.to_vec();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return refuse("Duplicate directory ID in request".to_owned());
        }
        for other in self.image.brokers.values().filter(|broker| broker.id != id) {
            if let Some(directory) = directories.iter().find(|directory| other.directories.contains(directory)) {
                return refuse(format!("Broker {} is already registered with directory {directory}", other.id));
            }
        }
        Ok(())
    }

    /// Every finalised level must be one the broker can run at. A level that this node only carries on is no reason to refuse it.
    fn check_features(&self, features: &[BrokerFeature]) -> Result<(), Denied> {
        if !features.iter().any(|feature| feature.name == MetadataVersion::FEATURE) {
            let message = "Request features do not contain 'metadata.version'";
            return Err(Denied::new(ErrorCode::InvalidRegistration, message));
        }
        for (name, level) in self.image.features.iter() {
            let range = features.iter().find(|feature| feature.name == *name);
            let (min, max) =
                range.map_or((0, 0), |feature| (feature.min_supported_version, feature.max_supported_version));
            let carried = Feature::named(name).is_some_and(|feature| *level > feature.max);
            if !carried && (*level < min || *level > max) {
                let message = format!(
                    "Unable to register because the broker does not support finalized version {level} of {name}. The broker \
                     wants a version between {min} and {max}, inclusive."
                );
                return Err(Denied::new(ErrorCode::UnsupportedVersion, message));
            }
        }
        Ok(())
    }

    pub(super) fn heartbeat(
        &self,
        live: &mut Sessions,
        request: BrokerHeartbeat,
        now: Now,
        timers: &mut SessionTimers,
    ) -> Decision<Result<HeartbeatReply, Denied>> {
        let id = request.broker_id;
        let broker = match self.check_broker_epoch(id, request.broker_epoch) {
            Ok(broker) => broker,
            Err(denied) => return (Vec::new(), Err(denied)),
        };
        let registered_at = self.registered_at.get(&id).copied().unwrap_or(Offset(broker.epoch.0));
        let caught_up = request.metadata_offset >= registered_at;
        let state = state(broker);
        let next = self.next_state(state, &request, caught_up);
        let mut records = Vec::new();
        if state != next {
            match next {
                State::Fenced | State::ShutdownNow => self.fence(broker, &mut records),
                State::Unfenced => self.unfence(broker, &mut records),
                State::ControlledShutdown => self.begin_shutdown(broker, &mut records),
            }
        }
        let session =
            live.brokers.entry(id).or_insert(Session { epoch: broker.epoch, last_contact: Some(now.monotonic) });
        if let Some(last_contact) = &mut session.last_contact {
            *last_contact = now.monotonic;
            timers.push((id, Some(now.monotonic + self.options.session_timeout)));
        }
        if self.version().directory_assignment() {
            self.take_offline(broker, &request.offline_log_dirs, &mut records);
        }
        if let Some(cordoned) = request.cordoned_log_dirs.filter(|_| self.version().cordoned_directories()) {
            let before = broker.cordoned_directories.as_ref();
            let same = before.is_some_and(|before| {
                before.len() == cordoned.len() && cordoned.iter().all(|directory| before.contains(directory))
            });
            if !same {
                records.push(change(broker, |record| record.cordoned_log_dirs = Some(cordoned)));
            }
        }
        let reply = HeartbeatReply {
            is_caught_up: caught_up,
            is_fenced: matches!(next, State::Fenced | State::ShutdownNow),
            in_controlled_shutdown: next == State::ControlledShutdown,
            should_shut_down: next == State::ShutdownNow,
        };
        (records, Ok(reply))
    }

    fn next_state(&self, state: State, request: &BrokerHeartbeat, caught_up: bool) -> State {
        let leads = || {
            self.image.topics.iter().any(|topic| topic.partitions.values().any(|part| part.leader == request.broker_id))
        };
        match state {
            State::Fenced if request.want_shut_down => State::ShutdownNow,
            State::Fenced if !request.want_fence && caught_up => State::Unfenced,
            State::Fenced => State::Fenced,
            State::Unfenced if request.want_fence && request.want_shut_down => State::ShutdownNow,
            State::Unfenced if request.want_fence => State::Fenced,
            State::Unfenced if request.want_shut_down && leads() => State::ControlledShutdown,
            State::Unfenced if request.want_shut_down => State::ShutdownNow,
            State::Unfenced => State::Unfenced,
            State::ControlledShutdown if leads() => State::ControlledShutdown,
            State::ControlledShutdown | State::ShutdownNow => State::ShutdownNow,
        }
    }

    pub(super) fn unregister_broker(&self, id: BrokerId) -> Decision<Result<(), Denied>> {
        let Some(broker) = self.image.broker(id) else {
            let message = format!("Broker ID {id} is not currently registered");
            return (Vec::new(), Err(Denied::new(ErrorCode::BrokerIdNotRegistered, message)));
        };
        let mut records = Vec::new();
        let leaving = Sweep { remove: Some(id), ..Sweep::default() };
        self.sweep(leaving, |part| part.isr.contains(&id) || part.elr.contains(&id), &mut records);
        let record = UnregisterBrokerRecord { broker_id: id.0, broker_epoch: broker.epoch.0 };
        records.push(MetadataRecord::UnregisterBroker(record));
        (records, Ok(()))
    }

    /// What fencing a broker takes whose session has run out.
    pub(super) fn fence_silent(&self, id: BrokerId) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        if let Some(broker) = self.image.broker(id).filter(|broker| !broker.fenced) {
            self.fence(broker, &mut records);
        }
        records
    }

    fn fence(&self, broker: &BrokerRegistration, records: &mut Vec<MetadataRecord>) {
        let leaving = Sweep { remove: Some(broker.id), ..Sweep::default() };
        self.sweep(leaving, |part| part.isr.contains(&broker.id), records);
        records.push(change(broker, |record| record.fenced = 1));
    }

    fn unfence(&self, broker: &BrokerRegistration, records: &mut Vec<MetadataRecord>) {
        records.push(change(broker, |record| record.fenced = -1));
        let coming = Sweep { add: Some(broker.id), ..Sweep::default() };
        self.sweep(coming, |part| part.leader == BrokerId::NONE, records);
    }

    fn begin_shutdown(&self, broker: &BrokerRegistration, records: &mut Vec<MetadataRecord>) {
        if !broker.in_controlled_shutdown {
            records.push(change(broker, |record| record.in_controlled_shutdown = 1));
        }
        let leaving = Sweep { remove: Some(broker.id), ..Sweep::default() };
        self.sweep(leaving, |part| part.isr.contains(&broker.id), records);
    }

    /// A new incarnation: the one before it is gone, cleanly or not.
    fn leave_behind(&self, id: BrokerId, clean: bool, records: &mut Vec<MetadataRecord>) {
        if self.image.elr_enabled() && !clean {
            let sweep = Sweep { unclean: Some(id), ..Sweep::default() };
            self.sweep(sweep, |part| part.isr.contains(&id) || part.elr.contains(&id), records);
        } else {
            self.sweep(Sweep { remove: Some(id), ..Sweep::default() }, |part| part.isr.contains(&id), records);
        }
    }

    fn take_offline(&self, broker: &BrokerRegistration, offline: &[DirectoryId], records: &mut Vec<MetadataRecord>) {
        let (gone, left): (Vec<_>, Vec<_>) = broker.directories.iter().copied().partition(|id| offline.contains(id));
        if gone.is_empty() {
            return;
        }
        let leaving = Sweep { remove: Some(broker.id), ..Sweep::default() };
        let lies_there = |part: &PartitionRegistration| part.directory(broker.id).is_some_and(|id| gone.contains(&id));
        self.sweep(leaving, lies_there, records);
        records.push(change(broker, |record| record.log_dirs = left));
    }

    /// Adds a change record for every partition of those that `concerned` names which changes by `sweep`, in order of topic and partition.
    fn sweep(
        &self,
        sweep: Sweep,
        concerned: impl Fn(&PartitionRegistration) -> bool,
        records: &mut Vec<MetadataRecord>,
    ) {
        let mut placed: Vec<Placed<'_>> = Vec::new();
        for topic in self.image.topics.iter() {
            let partitions = topic.partitions.iter().filter(|(_, part)| concerned(part));
            placed.extend(partitions.map(|(partition, part)| (&**topic, *partition, part)));
        }
        placed.sort_by_key(|(topic, partition, _)| (topic.id, *partition));
        for (topic, partition, part) in placed {
            let mut change = self.change_of(topic, part);
            if self.unclean_elections(topic) {
                change.election = Election::Unclean;
            }
            change.unclean = sweep.unclean;
            change.isr.retain(|id| Some(*id) != sweep.remove && Some(*id) != sweep.unclean);
            let acceptable = |id: BrokerId| {
                Some(id) != sweep.remove
                    && Some(id) != sweep.unclean
                    && (Some(id) == sweep.add || self.is_active(id))
                    && self.replica_is_online(part, id)
            };
            let record = change.record(topic.id, partition, &acceptable, &|id| self.default_directory(id));
            records.extend(record.map(MetadataRecord::PartitionChange));
        }
    }

    /// A change of one partition at the cluster's levels and the topic's settings.
    pub(super) fn change_of<'a>(&self, topic: &TopicImage, part: &'a PartitionRegistration) -> PartitionChange<'a> {
        PartitionChange::of(part, self.version(), self.image.elr_enabled(), self.effective_min_isr(topic))
    }

    pub(super) fn replica_is_online(&self, part: &PartitionRegistration, id: BrokerId) -> bool {
        let directory = part.directory(id).unwrap_or(Uuid::UNASSIGNED_DIR);
        self.image.broker(id).is_some_and(|broker| broker.has_online_directory(directory))
    }

    /// Whether the replica may lead as things are.
    pub(super) fn may_lead(&self, part: &PartitionRegistration, id: BrokerId) -> bool {
        self.is_active(id) && self.replica_is_online(part, id)
    }
}

fn state(broker: &BrokerRegistration) -> State {
    match (broker.fenced, broker.in_controlled_shutdown) {
        (true, _) => State::Fenced,
        (false, true) => State::ControlledShutdown,
        (false, false) => State::Unfenced,
    }
}

fn change(broker: &BrokerRegistration, set: impl FnOnce(&mut BrokerRegistrationChangeRecord)) -> MetadataRecord {
    let mut record =
        BrokerRegistrationChangeRecord { broker_id: broker.id.0, broker_epoch: broker.epoch.0, ..Default::default() };
    set(&mut record);
    MetadataRecord::BrokerRegistrationChange(record)
}
