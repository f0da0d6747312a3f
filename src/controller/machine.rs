//! The controller as a state machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::ConfigStore;
use crate::metadata::{BrokerRegistration, ConfigResource, MetadataImage, MetadataVersion, TopicImage};
use crate::protocol::kraft::{MetadataRecord, ProducerIdsRecord};
use crate::state_machine::{Now, Outcome, StateMachine, Ticket};
use crate::types::{BrokerEpoch, BrokerId, Millis, Offset, ProducerId};

use super::{Command, Denied, Reply};

/// How many producer ids a broker gets at once.
const PRODUCER_ID_BLOCK: i32 = 1000;

/// What the controller is told at its start.
#[derive(Clone)]
pub struct ControllerOptions {
    pub cluster_id: String,
    /// `broker.session.timeout.ms`
    pub session_timeout: Millis,
    /// Validates settings and knows the defaults.
    pub configs: Arc<ConfigStore>,
}

/// The controller's hard state.
pub struct Controller {
    pub(super) options: ControllerOptions,
    pub(super) image: MetadataImage,
    /// The offset that the next record gets, which is the epoch of a broker that registers now.
    pub(super) next_offset: Offset,
    /// Where each broker's newest registration stands: a broker whose image has it may be unfenced.
    pub(super) registered_at: BTreeMap<BrokerId, Offset>,
    /// Names with `.` or `_`, by the name with both made equal: they would collide in metric names.
    pub(super) collisions: BTreeMap<String, BTreeSet<Arc<str>>>,
}

/// When brokers were last heard of.
#[derive(Default, Debug)]
pub struct Sessions {
    pub(super) brokers: BTreeMap<BrokerId, Session>,
}

/// One broker's session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub epoch: BrokerEpoch,
    /// None: the broker is in this process, and lives as long as the controller.
    pub last_contact: Option<Millis>,
}

/// The controller's deadlines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// The broker's session ends.
    Session(BrokerId),
}

/// Records and the answer that they bring about.
pub(super) type Decision<T> = (Vec<MetadataRecord>, T);

impl Controller {
    /// A controller over an image that has everything below `next_offset`.
    pub fn new(options: ControllerOptions, image: MetadataImage, next_offset: Offset) -> Controller {
        let mut collisions = BTreeMap::<String, BTreeSet<Arc<str>>>::new();
        for topic in image.topics.iter().filter(|topic| has_collision_chars(&topic.name)) {
            collisions.entry(unified(&topic.name)).or_default().insert(topic.name.clone());
        }
        let registered_at = image.brokers.iter().map(|(id, broker)| (*id, Offset(broker.epoch.0))).collect();
        Controller { options, image, next_offset, registered_at, collisions }
    }

    /// The state, including what is not committed yet.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    pub(super) fn version(&self) -> MetadataVersion {
        self.image.metadata_version().unwrap_or(MetadataVersion::LATEST)
    }

    pub(super) fn is_active(&self, id: BrokerId) -> bool {
        self.image.broker(id).is_some_and(|broker| broker.is_active())
    }

    pub(super) fn check_broker_epoch(&self, id: BrokerId, epoch: BrokerEpoch) -> Result<&BrokerRegistration, Denied> {
        use crate::types::ErrorCode::StaleBrokerEpoch;
        let Some(broker) = self.image.broker(id) else {
            return Err(Denied::new(StaleBrokerEpoch, format!("No broker registration found for broker id {id}")));
        };
        if broker.epoch != epoch {
            let message = format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch);
            return Err(Denied::new(StaleBrokerEpoch, message));
        }
        Ok(broker)
    }

    /// `min.insync.replicas` of a topic, but never more than it has replicas.
    pub(super) fn effective_min_isr(&self, topic: &TopicImage) -> usize {
        let config = self.options.configs.topic_config(&self.image.config(&ConfigResource::topic(&*topic.name)));
        let replicas = topic.partitions.values().next().map_or(1, |partition| partition.replicas.len());
        usize::try_from(config.min_insync_replicas).unwrap_or(1).min(replicas)
    }

    pub(super) fn unclean_elections(&self, topic: &TopicImage) -> bool {
        let config = self.options.configs.topic_config(&self.image.config(&ConfigResource::topic(&*topic.name)));
        config.unclean_leader_election_enable
    }

    fn allocate_producer_ids(
        &self,
        broker: BrokerId,
        epoch: BrokerEpoch,
    ) -> Decision<Result<(ProducerId, i32), Denied>> {
        if let Err(denied) = self.check_broker_epoch(broker, epoch) {
            return (Vec::new(), Err(denied));
        }
        let first = self.image.next_producer_id.unwrap_or(ProducerId(0));
        let Some(next) = first.0.checked_add(i64::from(PRODUCER_ID_BLOCK)) else {
            let message =
                "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit";
            return (Vec::new(), Err(Denied::new(crate::types::ErrorCode::UnknownServerError, message)));
        };
        let record = ProducerIdsRecord { broker_id: broker.0, broker_epoch: epoch.0, next_producer_id: next };
        (vec![record.into()], Ok((first, PRODUCER_ID_BLOCK)))
    }

    fn decided(
        &self,
        live: &mut Sessions,
        command: Command,
        now: Now,
    ) -> (Decision<Reply>, Vec<(BrokerId, Option<Millis>)>) {
        let mut timers = Vec::new();
        let (records, reply) = match command {
            Command::CreateTopics((topics, validate_only)) => {
                answer(self.create_topics(topics, validate_only), Reply::CreateTopics)
            }
            Command::DeleteTopics(topics) => answer(self.delete_topics(topics), Reply::DeleteTopics),
            Command::CreatePartitions((topics, validate_only)) => {
                answer(self.create_partitions(topics, validate_only), Reply::CreatePartitions)
            }
            Command::AlterConfigs(alteration) => answer(self.alter_configs(alteration), Reply::AlterConfigs),
            Command::ReplaceConfigs(alteration) => answer(self.replace_configs(alteration), Reply::ReplaceConfigs),
            Command::RegisterBroker(request) => {
                answer(self.register_broker(live, request, now, &mut timers), Reply::RegisterBroker)
            }
            Command::RegisterController(record) => answer(self.register_controller(record), Reply::RegisterController),
            Command::Heartbeat(request) => answer(self.heartbeat(live, request, now, &mut timers), Reply::Heartbeat),
            Command::UnregisterBroker(id) => answer(self.unregister_broker(id), Reply::UnregisterBroker),
            Command::ElectLeaders((kind, partitions)) => {
                answer(self.elect_leaders(kind, partitions), Reply::ElectLeaders)
            }
            Command::AlterReassignments((moves, may_change_factor)) => {
                answer(self.alter_reassignments(moves, may_change_factor), Reply::AlterReassignments)
            }
            Command::AlterClientQuotas((entries, validate_only)) => {
                answer(self.alter_client_quotas(entries, validate_only), Reply::AlterClientQuotas)
            }
            Command::AlterScram(changes) => answer(self.alter_scram(changes), Reply::AlterScram),
            Command::AllocateProducerIds((broker, epoch)) => {
                answer(self.allocate_producer_ids(broker, epoch), Reply::AllocateProducerIds)
            }
            Command::AssignDirectories(request) => answer(self.assign_directories(request), Reply::AssignDirectories),
            Command::UpdateFeatures(asked) => answer(self.update_features(&asked), Reply::UpdateFeatures),
        };
        ((records, reply), timers)
    }
}

fn answer<T>(decision: Decision<T>, reply: impl FnOnce(T) -> Reply) -> Decision<Reply> {
    (decision.0, reply(decision.1))
}

impl StateMachine for Controller {
    type Command = Command;
    type Reply = Reply;
    type Record = MetadataRecord;
    type Timer = Timer;
    type Live = Sessions;

    /// Brokers that were unfenced when the last controller stopped get a full session to come forward.
    fn start(&self, live: &mut Sessions, now: Now) -> Outcome<Controller> {
        let mut outcome = Outcome::default();
        for broker in self.image.brokers.values().filter(|broker| !broker.fenced) {
            live.brokers.insert(broker.id, Session { epoch: broker.epoch, last_contact: Some(now.monotonic) });
            outcome.set(Timer::Session(broker.id), now.monotonic + self.options.session_timeout);
        }
        outcome
    }

    fn decide(&self, live: &mut Sessions, ticket: Ticket, command: Command, now: Now) -> Outcome<Controller> {
        let ((records, reply), timers) = self.decided(live, command, now);
        let mut outcome = Outcome::reply(ticket, reply);
        outcome.records = records;
        for (broker, at) in timers {
            match at {
                Some(at) => outcome.set(Timer::Session(broker), at),
                None => outcome.cancel(Timer::Session(broker)),
            }
        }
        outcome
    }

    fn expire(&self, live: &mut Sessions, timer: Timer, _now: Now) -> Outcome<Controller> {
        let Timer::Session(id) = timer;
        live.brokers.remove(&id);
        Outcome { records: self.fence_silent(id), ..Outcome::default() }
    }

    fn replay(&mut self, _live: &mut Sessions, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker(broker) => {
                self.registered_at.insert(BrokerId(broker.broker_id), self.next_offset);
            }
            MetadataRecord::Topic(topic) if has_collision_chars(&topic.name) => {
                self.collisions.entry(unified(&topic.name)).or_default().insert(Arc::from(topic.name.as_str()));
            }
            MetadataRecord::RemoveTopic(topic) => {
                if let Some(topic) = self.image.topics.with_id(topic.topic_id)
                    && let Some(names) = self.collisions.get_mut(&unified(&topic.name))
                {
                    names.remove(&topic.name);
                }
            }
            _ => {}
        }
        // The records come from decisions over this very image.
        self.image.replay(record).expect("a decided record follows from the state it was decided on");
        self.image.offset = self.next_offset;
        self.next_offset = self.next_offset.next();
    }
}

pub(super) fn has_collision_chars(name: &str) -> bool {
    name.contains(['.', '_'])
}

pub(super) fn unified(name: &str) -> String {
    name.replace('.', "_")
}
