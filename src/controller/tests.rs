//! The controller against what a JVM controller writes in the same situations.

mod levels;

use std::sync::Arc;

use super::configs::Operation;
use super::*;
use crate::config::{ConfigStore, load};
use crate::metadata::{ConfigResource, LeaderRecoveryState, MetadataImage, PartitionRegistration};
use crate::protocol::kraft::*;
use crate::state_machine::{Now, StateMachine, Ticket};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Millis, Offset, ProducerId, Uuid};

const DIRECTORY: Uuid = Uuid([9; 16]);

struct Cluster {
    controller: Controller,
    sessions: Sessions,
    now: i64,
}

impl Cluster {
    /// A cluster formatted with ELR, whose log holds the three control records and the bootstrap records.
    fn new() -> Cluster {
        let mut image = MetadataImage::default();
        for (name, level) in [("metadata.version", 30), ("eligible.leader.replicas.version", 1)] {
            image.replay(&FeatureLevelRecord { name: name.into(), feature_level: level }.into()).unwrap();
        }
        let min = ConfigRecord {
            resource_type: 4,
            resource_name: "".into(),
            name: "min.insync.replicas".into(),
            value: Some("1".into()),
        };
        image.replay(&min.into()).unwrap();
        let configs = Arc::new(ConfigStore::new(load(None, &[], &|_| None).unwrap().broker));
        let options = ControllerOptions { cluster_id: "c".into(), session_timeout: Millis(9000), configs };
        Cluster { controller: Controller::new(options, image, Offset(13)), sessions: Sessions::default(), now: 0 }
    }

    fn ask(&mut self, command: Command) -> (Vec<MetadataRecord>, Reply) {
        let now = Now { monotonic: Millis(self.now), wall: Millis(self.now) };
        let mut outcome = self.controller.decide(&mut self.sessions, Ticket(0), command, now);
        for record in &outcome.records {
            self.controller.replay(&mut self.sessions, record);
        }
        (outcome.records, outcome.replies.remove(0).1)
    }

    fn register(&mut self, incarnation: u8, previous: i64) -> (Vec<MetadataRecord>, BrokerEpoch) {
        let request = NewRegistration {
            broker_id: BrokerId(1),
            cluster_id: "c".into(),
            incarnation_id: Uuid([incarnation; 16]),
            end_points: vec![],
            features: [
                ("metadata.version", 7, 30),
                ("kraft.version", 0, 1),
                ("eligible.leader.replicas.version", 0, 1),
            ]
            .map(|(name, min_supported_version, max_supported_version)| BrokerFeature {
                name: name.into(),
                min_supported_version,
                max_supported_version,
            })
            .to_vec(),
            rack: None,
            log_dirs: vec![DIRECTORY],
            previous_broker_epoch: BrokerEpoch(previous),
            local: true,
        };
        match self.ask(Command::RegisterBroker(request)) {
            (records, Reply::RegisterBroker(Ok(epoch))) => (records, epoch),
            other => panic!("{other:?}"),
        }
    }

    fn beat(&mut self, epoch: BrokerEpoch, want_shut_down: bool) -> (Vec<MetadataRecord>, HeartbeatReply) {
        let request = BrokerHeartbeat {
            broker_id: BrokerId(1),
            broker_epoch: epoch,
            metadata_offset: self.controller.image().offset,
            want_fence: false,
            want_shut_down,
            offline_log_dirs: vec![],
            cordoned_log_dirs: Some(vec![]),
        };
        match self.ask(Command::Heartbeat(request)) {
            (records, Reply::Heartbeat(Ok(reply))) => (records, reply),
            other => panic!("{other:?}"),
        }
    }

    fn up() -> (Cluster, BrokerEpoch) {
        let mut cluster = Cluster::new();
        let (_, epoch) = cluster.register(1, -1);
        cluster.beat(epoch, false);
        (cluster, epoch)
    }

    fn create(&mut self, topic: NewTopic) -> Result<CreatedTopic, Denied> {
        match self.ask(Command::CreateTopics((vec![topic], false))) {
            (_, Reply::CreateTopics(Ok(mut results))) => results.remove(0).1,
            other => panic!("{other:?}"),
        }
    }

    fn partition(&self, topic: &str) -> PartitionRegistration {
        self.controller.image().partition(topic, 0).unwrap().clone()
    }
}

fn topic(name: &str) -> NewTopic {
    NewTopic {
        name: name.into(),
        id: Uuid([name.len() as u8; 16]),
        partitions: -1,
        replication_factor: -1,
        assignments: vec![],
        configs: vec![],
    }
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

#[test]
fn a_broker_registers_fenced_and_is_unfenced_once_it_has_caught_up() {
    let mut cluster = Cluster::new();
    let (records, epoch) = cluster.register(1, -1);
    assert_eq!(epoch, BrokerEpoch(13), "the offset of the registration");
    let [MetadataRecord::RegisterBroker(record)] = &records[..] else { panic!("{records:?}") };
    assert!(record.fenced);
    let behind = BrokerHeartbeat {
        broker_id: BrokerId(1),
        broker_epoch: epoch,
        metadata_offset: Offset(12),
        want_fence: false,
        want_shut_down: false,
        offline_log_dirs: vec![],
        cordoned_log_dirs: None,
    };
    let (records, reply) = cluster.ask(Command::Heartbeat(behind));
    assert!(records.is_empty());
    assert!(matches!(reply, Reply::Heartbeat(Ok(HeartbeatReply { is_fenced: true, is_caught_up: false, .. }))));
    let (records, reply) = cluster.beat(epoch, false);
    let change = |record: &MetadataRecord| match record {
        MetadataRecord::BrokerRegistrationChange(change) => (change.fenced, change.cordoned_log_dirs.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(records.iter().map(change).collect::<Vec<_>>(), [(-1, None), (0, Some(vec![]))]);
    assert!(!reply.is_fenced);
}

#[test]
fn a_stale_epoch_is_refused() {
    let (mut cluster, _) = Cluster::up();
    let (_, reply) = cluster.ask(Command::AllocateProducerIds((BrokerId(1), BrokerEpoch(2))));
    let Reply::AllocateProducerIds(Err(denied)) = reply else { panic!("{reply:?}") };
    assert_eq!(denied, Denied::new(ErrorCode::StaleBrokerEpoch, "Expected broker epoch 13, but got broker epoch 2"));
}

#[test]
fn producer_ids_come_in_blocks_of_a_thousand() {
    let (mut cluster, epoch) = Cluster::up();
    for first in [0, 1000] {
        let (records, reply) = cluster.ask(Command::AllocateProducerIds((BrokerId(1), epoch)));
        assert_eq!(reply, Reply::AllocateProducerIds(Ok((ProducerId(first), 1000))));
        assert_eq!(records.len(), 1);
    }
}

/// The records of a clean stop and start of a JVM broker with one topic.
#[test]
fn a_clean_stop_keeps_the_replica_eligible() {
    let (mut cluster, epoch) = Cluster::up();
    cluster.create(topic("t")).unwrap();
    let (records, reply) = cluster.beat(epoch, true);
    assert!(reply.in_controlled_shutdown);
    let MetadataRecord::PartitionChange(change) = &records[1] else { panic!("{records:?}") };
    assert_eq!((change.isr.clone(), change.leader), (Some(vec![]), -1));
    assert_eq!(
        (change.eligible_leader_replicas.clone(), change.last_known_elr.clone()),
        (Some(vec![1]), Some(vec![1]))
    );
    let (records, reply) = cluster.beat(epoch, true);
    assert!(reply.should_shut_down);
    let [MetadataRecord::BrokerRegistrationChange(fenced)] = &records[..] else { panic!("{records:?}") };
    assert_eq!(fenced.fenced, 1);

    let (records, next) = cluster.register(2, epoch.0);
    assert_eq!(records.len(), 1, "nothing to clean up");
    let (records, _) = cluster.beat(next, false);
    let MetadataRecord::PartitionChange(change) = &records[1] else { panic!("{records:?}") };
    assert_eq!((change.isr.clone(), change.leader), (Some(vec![1]), 1));
    assert_eq!((change.eligible_leader_replicas.clone(), change.last_known_elr.clone()), (Some(vec![]), Some(vec![])));
    let part = cluster.partition("t");
    assert_eq!((part.leader_epoch, part.leader_recovery_state), (LeaderEpoch(2), LeaderRecoveryState::Recovered));
}

/// As after `kill -9` of a JVM broker, without the wait for its session.
#[test]
fn an_unclean_stop_leads_to_recovery() {
    let (mut cluster, _) = Cluster::up();
    cluster.create(topic("t")).unwrap();
    let (records, epoch) = cluster.register(2, -1);
    let MetadataRecord::PartitionChange(change) = &records[0] else { panic!("{records:?}") };
    assert_eq!((change.isr.clone(), change.leader, change.last_known_elr.clone()), (Some(vec![]), -1, Some(vec![1])));
    assert_eq!(change.eligible_leader_replicas, None);
    let (records, _) = cluster.beat(epoch, false);
    let MetadataRecord::PartitionChange(change) = &records[1] else { panic!("{records:?}") };
    assert_eq!((change.isr.clone(), change.leader, change.leader_recovery_state), (Some(vec![1]), 1, 1));
    assert_eq!(change.last_known_elr, Some(vec![]));
}

#[test]
fn a_silent_session_is_fenced() {
    let (mut cluster, _) = Cluster::up();
    cluster.create(topic("t")).unwrap();
    let now = Now { monotonic: Millis(9000), wall: Millis(9000) };
    let outcome = cluster.controller.expire(&mut cluster.sessions, Timer::Session(BrokerId(1)), now);
    assert!(matches!(&outcome.records[1], MetadataRecord::BrokerRegistrationChange(change) if change.fenced == 1));
}

#[test]
fn topics_are_checked_as_kafka_checks_them() {
    let (mut cluster, _) = Cluster::up();
    let created = cluster.create(NewTopic { partitions: 3, ..topic("a.b") }).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (3, 1));
    use ErrorCode::{InvalidConfig, InvalidPartitions, InvalidReplicaAssignment, InvalidReplicationFactor};
    use ErrorCode::{InvalidTopicException, TopicAlreadyExists};
    let assigned = |assignments: Vec<(i32, Vec<BrokerId>)>| NewTopic { assignments, ..topic("x") };
    let config = |name: &str, value: Option<&str>| NewTopic {
        configs: vec![(name.to_owned(), value.map(str::to_owned))],
        ..topic("x")
    };
    let table = [
        (topic("a.b"), TopicAlreadyExists, "Topic 'a.b' already exists."),
        (topic("a_b"), InvalidTopicException, "Topic 'a_b' collides with existing topic: a.b"),
        (topic(".."), InvalidTopicException, "Topic name is invalid: '..' is not allowed"),
        (
            NewTopic { partitions: 0, ..topic("x") },
            InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            NewTopic { replication_factor: 0, ..topic("x") },
            InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            NewTopic { replication_factor: 2, ..topic("x") },
            InvalidReplicationFactor,
            "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because only 1 \
             broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (
            assigned(vec![(0, ids(&[1, 1]))]),
            InvalidReplicaAssignment,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            assigned(vec![(0, ids(&[2]))]),
            InvalidReplicaAssignment,
            "The manual partition assignment includes broker 2, but no such broker is registered.",
        ),
        (
            assigned(vec![(1, ids(&[1]))]),
            InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (config("retention.ms", None), InvalidConfig, "Null value not supported for topic configs: retention.ms"),
    ];
    for (request, code, message) in table {
        assert_eq!(cluster.create(request), Err(Denied::new(code, message)));
    }
    assert_eq!(cluster.create(config("retention.ms", Some("soon"))).unwrap_err().code, InvalidConfig);
    cluster.create(assigned(vec![(0, ids(&[1])), (1, ids(&[1]))])).unwrap();
}

#[test]
fn validation_alone_writes_nothing_and_duplicates_are_refused_once() {
    let (mut cluster, _) = Cluster::up();
    let (records, _) = cluster.ask(Command::CreateTopics((vec![topic("v")], true)));
    assert!(records.is_empty());
    let (records, reply) = cluster.ask(Command::CreateTopics((vec![topic("d"), topic("e1"), topic("d")], false)));
    let Reply::CreateTopics(Ok(results)) = reply else { panic!("{reply:?}") };
    let names: Vec<_> = results.iter().map(|(name, result)| (name.as_str(), result.is_ok())).collect();
    assert_eq!(names, [("d", false), ("e1", true)]);
    assert_eq!(records.len(), 2);
}

#[test]
fn a_topic_is_deleted_with_its_name_free_again() {
    let (mut cluster, _) = Cluster::up();
    cluster.create(topic("a.b")).unwrap();
    let refs = vec![TopicRef::Name("a.b".into()), TopicRef::Name("no".into()), TopicRef::Id(Uuid([77; 16]))];
    let (_, reply) = cluster.ask(Command::DeleteTopics(refs));
    let Reply::DeleteTopics(results) = reply else { panic!("{reply:?}") };
    let codes: Vec<_> = results.iter().map(|topic| topic.result.as_ref().err().map(|denied| denied.code)).collect();
    assert_eq!(codes, [None, Some(ErrorCode::UnknownTopicOrPartition), Some(ErrorCode::UnknownTopicId)]);
    cluster.create(topic("a_b")).unwrap();
}

#[test]
fn partitions_only_grow() {
    let (mut cluster, _) = Cluster::up();
    cluster.create(NewTopic { partitions: 2, ..topic("t") }).unwrap();
    let mut ask = |count, assignments: Option<Vec<Vec<BrokerId>>>| {
        let request = NewPartitions { topic: "t".into(), count, assignments };
        match cluster.ask(Command::CreatePartitions((vec![request], false))).1 {
            Reply::CreatePartitions(mut results) => results.remove(0).1.map_err(|denied| denied.message.unwrap()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(2, None), Err("Topic already has 2 partition(s).".into()));
    let fewer = "The topic t currently has 2 partition(s); 1 would not be an increase.";
    assert_eq!(ask(1, None), Err(fewer.into()));
    let few = "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.";
    assert_eq!(ask(4, Some(vec![ids(&[1])])), Err(few.into()));
    assert_eq!(ask(4, None), Ok(()));
    assert_eq!(ask(5, None), Ok(()));
    // Of a topic that does not exist, Kafka gives the code alone.
    let request = NewPartitions { topic: "nope".into(), count: 3, assignments: None };
    let Reply::CreatePartitions(results) = cluster.ask(Command::CreatePartitions((vec![request], false))).1 else {
        panic!("another reply")
    };
    let unknown = Denied { code: ErrorCode::UnknownTopicOrPartition, message: None };
    assert_eq!(results, [("nope".into(), Err(unknown))]);
}

/// A short request could ask for more partitions than there is memory for.
#[test]
fn one_request_adds_no_more_than_ten_thousand_partitions() {
    let (mut cluster, _) = Cluster::up();
    let grow = |name: &str, count| NewPartitions { topic: name.into(), count, assignments: None };
    for name in ["a", "b"] {
        cluster.create(topic(name)).unwrap();
    }
    let (records, reply) =
        cluster.ask(Command::CreatePartitions((vec![grow("a", 9_000), grow("b", 1_100), grow("a-b", i32::MAX)], true)));
    assert!(records.is_empty());
    let Reply::CreatePartitions(results) = reply else { panic!("{reply:?}") };
    let codes: Vec<_> = results.iter().map(|(_, result)| result.as_ref().err().map(|denied| denied.code)).collect();
    assert_eq!(codes, [None, Some(ErrorCode::PolicyViolation), Some(ErrorCode::UnknownTopicOrPartition)]);
}

fn asked(resources: Vec<ConfigOperation>) -> ConfigAlteration {
    ConfigAlteration { resources, validate_only: false, forwarded: true }
}

#[test]
fn a_new_minimum_of_replicas_clears_what_was_eligible() {
    let (mut cluster, _) = Cluster::up();
    cluster.create(topic("t")).unwrap();
    let alter =
        |resource, change| ConfigOperation { resource, changes: vec![("min.insync.replicas".to_owned(), change)] };
    let set = Operation::Set("2".into());
    let (records, _) = cluster.ask(Command::AlterConfigs(asked(vec![alter(ConfigResource::topic("t"), set.clone())])));
    assert!(
        matches!(&records[..], [MetadataRecord::Config(_), MetadataRecord::ClearElr(clear)] if clear.topic_name == "t")
    );
    let refused = [
        (
            ConfigResource::broker(BrokerId(1)),
            set.clone(),
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        ),
        (
            ConfigResource::default_broker(),
            Operation::Delete,
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        ),
        (ConfigResource::topic("no"), set, "The topic 'no' does not exist."),
    ];
    for (resource, change, message) in refused {
        let (records, reply) = cluster.ask(Command::AlterConfigs(asked(vec![alter(resource, change)])));
        let Reply::AlterConfigs(results) = reply else { panic!("{reply:?}") };
        assert_eq!(results[0].result.clone().unwrap_err().message.as_deref(), Some(message));
        assert!(records.is_empty());
    }
}

#[test]
fn lists_are_appended_to_and_legacy_calls_replace() {
    let (mut cluster, _) = Cluster::up();
    cluster.create(topic("t")).unwrap();
    let resource = ConfigResource::topic("t");
    let alter =
        |name: &str, change| ConfigOperation { resource: resource.clone(), changes: vec![(name.to_owned(), change)] };
    cluster.ask(Command::AlterConfigs(asked(vec![alter("cleanup.policy", Operation::Append("compact".into()))])));
    let value = |cluster: &Cluster, name: &str| {
        cluster.controller.image().config(&ConfigResource::topic("t")).get(name).cloned()
    };
    assert_eq!(value(&cluster, "cleanup.policy").as_deref(), Some("delete,compact"));
    let (_, reply) =
        cluster.ask(Command::AlterConfigs(asked(vec![alter("retention.ms", Operation::Append("1".into()))])));
    let Reply::AlterConfigs(results) = reply else { panic!("{reply:?}") };
    let message = "Can't APPEND to key retention.ms because its type is not LIST.";
    assert_eq!(results[0].result, Err(Denied::new(ErrorCode::InvalidConfig, message)));
    cluster.ask(Command::ReplaceConfigs(asked(vec![alter("retention.ms", Operation::Set("5".into()))])));
    assert_eq!((value(&cluster, "cleanup.policy"), value(&cluster, "retention.ms").as_deref()), (None, Some("5")));
}

#[test]
fn elections_and_moves_on_a_cluster_of_one() {
    let (mut cluster, _) = Cluster::up();
    cluster.create(topic("t")).unwrap();
    let asked = Some(vec![("t".to_owned(), vec![0, 9])]);
    let (_, reply) = cluster.ask(Command::ElectLeaders((ElectionType::Preferred, asked)));
    let Reply::ElectLeaders(results) = reply else { panic!("{reply:?}") };
    let codes: Vec<_> = results[0].partitions.iter().map(|(_, result)| result.clone().unwrap_err().code).collect();
    assert_eq!(codes, [ErrorCode::ElectionNotNeeded, ErrorCode::UnknownTopicOrPartition]);
    let (_, reply) = cluster.ask(Command::ElectLeaders((ElectionType::Preferred, None)));
    assert_eq!(reply, Reply::ElectLeaders(vec![ElectionResult { topic: "t".into(), partitions: vec![] }]));
    let mut reassign = |replicas| {
        let request = Reassignment { topic: "t".into(), partition: 0, replicas };
        match cluster.ask(Command::AlterReassignments((vec![request], true))) {
            (records, Reply::AlterReassignments(mut results)) => {
                (records.len(), results.remove(0).2.map_err(|denied| denied.code))
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reassign(None), (0, Err(ErrorCode::NoReassignmentInProgress)));
    assert_eq!(reassign(Some(ids(&[1]))), (0, Ok(())), "it is there already");
    assert_eq!(reassign(Some(ids(&[7]))), (0, Err(ErrorCode::InvalidReplicaAssignment)));
}

#[test]
fn quotas_are_checked() {
    let (mut cluster, _) = Cluster::up();
    let mut ask = |entity: &[(&str, Option<&str>)], key: &str, value: Option<f64>| {
        let entity = entity.iter().map(|(kind, name)| (kind.to_string(), name.map(str::to_owned))).collect();
        let entry = QuotaAlteration { entity, changes: vec![(key.to_owned(), value)] };
        match cluster.ask(Command::AlterClientQuotas((vec![entry], false))) {
            (records, Reply::AlterClientQuotas(mut results)) => {
                (records.len(), results.remove(0).err().and_then(|denied| denied.message))
            }
            other => panic!("{other:?}"),
        }
    };
    let user = [("user", Some("u"))];
    assert_eq!(ask(&user, "producer_byte_rate", Some(1024.0)), (1, None));
    assert_eq!(ask(&user, "producer_byte_rate", Some(1024.0)), (0, None), "unchanged");
    assert_eq!(ask(&user, "producer_byte_rate", None), (1, None));
    let refused: [(&[_], _, _, _); 5] = [
        (&user, "nope", 1.0, "Invalid configuration key nope"),
        (&user, "producer_byte_rate", 0.0, "Quota producer_byte_rate must be greater than 0"),
        (&user, "producer_byte_rate", 1.5, "producer_byte_rate cannot be a fractional value."),
        (&[("group", None)], "producer_byte_rate", 1.0, "Unhandled client quota entity type: group"),
        (&[], "producer_byte_rate", 1.0, "Invalid empty client quota entity"),
    ];
    for (entity, key, value, message) in refused {
        assert_eq!(ask(entity, key, Some(value)), (0, Some(message.to_owned())));
    }
}

/// A JVM controller stored these keys for the password "x"; `SALTED` is its PBKDF2 with the salt and the iterations of that record.
#[test]
fn scram_credentials_are_stored_as_keys() {
    const SALTED: [u8; 32] = [
        0xc7, 0xf3, 0xdc, 0x5a, 0xe0, 0x80, 0xe6, 0xcf, 0x32, 0xcd, 0x74, 0xd6, 0x1a, 0xe9, 0x0f, 0xff, 0x9c, 0x5d,
        0x5f, 0x68, 0x7b, 0xeb, 0xc2, 0xb9, 0x41, 0x09, 0xe1, 0xa0, 0x67, 0x91, 0x0d, 0x91,
    ];
    let (mut cluster, _) = Cluster::up();
    let set = |mechanism| ScramChange::Set {
        user: "u".into(),
        mechanism,
        iterations: 4096,
        salt: "1ixbtoqvuaikyris9mvgiu16y0".into(),
        salted_password: SALTED.to_vec().into(),
    };
    let (records, _) = cluster.ask(Command::AlterScram(vec![set(1)]));
    let [MetadataRecord::UserScramCredential(record)] = &records[..] else { panic!("{records:?}") };
    let text = |key: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
    assert_eq!(text(&record.stored_key), "dg309uuN1xxq4VO33RHelJINaBFRuwVXZOXGI1s2YIc=");
    assert_eq!(text(&record.server_key), "k1H9dzmM6xteG+/uhBlLAFUvY3cBug9P80dfXS7/Q2o=");
    let (_, reply) = cluster.ask(Command::AlterScram(vec![set(1), set(2)]));
    let Reply::AlterScram(results) = reply else { panic!("{reply:?}") };
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].1.clone().unwrap_err().code, ErrorCode::DuplicateResource);
}

#[test]
fn feature_levels_move_within_what_is_supported() {
    let (mut cluster, _) = Cluster::up();
    let mut ask = |feature: &str, level, upgrade_type| {
        let update = FeatureUpdate { feature: feature.into(), level, upgrade_type };
        let asked = FeatureUpdates { updates: vec![update], kraft_version: 1, validate_only: false };
        match cluster.ask(Command::UpdateFeatures(asked)) {
            (records, Reply::UpdateFeatures(result)) => (records.len(), result.map_err(|denied| denied.code)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask("metadata.version", 30, 1), (0, Ok(())));
    assert_eq!(ask("metadata.version", 31, 1), (0, Err(ErrorCode::InvalidUpdateVersion)));
    assert_eq!(ask("metadata.version", 29, 2), (0, Err(ErrorCode::InvalidUpdateVersion)));
    assert_eq!(ask("kraft.version", 1, 1), (0, Ok(())));
    assert_eq!(ask("kraft.version", 0, 2), (0, Err(ErrorCode::InvalidUpdateVersion)));
    assert_eq!(ask("eligible.leader.replicas.version", 1, 2), (0, Ok(())));
    assert_eq!(ask("group.version", 1, 1), (0, Err(ErrorCode::InvalidUpdateVersion)));
    assert_eq!(ask("eligible.leader.replicas.version", 0, 1), (0, Err(ErrorCode::InvalidUpdateVersion)));
    assert_eq!(ask("eligible.leader.replicas.version", 0, 2), (1, Ok(())));
    assert_eq!(ask("eligible.leader.replicas.version", 1, 3), (0, Err(ErrorCode::InvalidUpdateVersion)));
    assert_eq!(ask("eligible.leader.replicas.version", 1, 1), (1, Ok(())));
}
