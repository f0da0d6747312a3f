//! Whatever a node writes has a form at every level of `metadata.version`, and what a level does not know is not written at it.

use super::*;
use crate::metadata::MetadataVersion;

/// A cluster of that level, without any other feature.
fn at(level: i16) -> Cluster {
    let mut cluster = Cluster::new();
    let mut image = MetadataImage::default();
    image.replay(&FeatureLevelRecord { name: "metadata.version".into(), feature_level: level }.into()).unwrap();
    let configs = Arc::new(ConfigStore::new(load(None, &[], &|_| None).unwrap().broker));
    let options = ControllerOptions { cluster_id: "c".into(), session_timeout: Millis(9000), configs };
    cluster.controller = Controller::new(options, image, Offset(13));
    cluster
}

/// All that happens to a node between two starts, as records.
fn life(cluster: &mut Cluster) -> Vec<MetadataRecord> {
    let mut written = Vec::new();
    let controller = RegisterControllerRecord { controller_id: 1, ..Default::default() };
    written.extend(cluster.ask(Command::RegisterController(controller)).0);
    let (records, epoch) = cluster.register(1, -1);
    written.extend(records);
    written.extend(cluster.beat(epoch, false).0);
    let created = Command::CreateTopics((vec![topic("t")], false));
    written.extend(cluster.ask(created).0);
    let more = NewPartitions { topic: "t".into(), count: 3, assignments: None };
    written.extend(cluster.ask(Command::CreatePartitions((vec![more], false))).0);
    let quota = QuotaAlteration {
        entity: vec![("user".to_owned(), None)].into_iter().collect(),
        changes: vec![("producer_byte_rate".to_owned(), Some(1024.0))],
    };
    written.extend(cluster.ask(Command::AlterClientQuotas((vec![quota], false))).0);
    let scram = ScramChange::Set {
        user: "u".into(),
        mechanism: 1,
        iterations: 4096,
        salt: "salt".into(),
        salted_password: vec![1; 32].into(),
    };
    written.extend(cluster.ask(Command::AlterScram(vec![scram])).0);
    written.extend(cluster.ask(Command::AllocateProducerIds((BrokerId(1), epoch))).0);
    for _ in 0..2 {
        written.extend(cluster.beat(epoch, true).0);
    }
    // One start after a clean stop, and one after a crash.
    for (incarnation, previous) in [(2, epoch.0), (3, -1)] {
        let (records, epoch) = cluster.register(incarnation, previous);
        written.extend(records);
        written.extend(cluster.beat(epoch, false).0);
    }
    written.extend(cluster.ask(Command::DeleteTopics(vec![TopicRef::Name("t".into())])).0);
    written.extend(cluster.ask(Command::UnregisterBroker(BrokerId(1))).0);
    written
}

#[test]
fn every_record_has_a_form_at_every_level() {
    for level in MetadataVersion::MINIMUM.level()..=MetadataVersion::LATEST.level() {
        let version = MetadataVersion::from_level(level).unwrap();
        let written = life(&mut at(level));
        for record in &written {
            let encoded = record.encode(version.record_version(record));
            let bytes = encoded.unwrap_or_else(|error| panic!("{} at {version}: {error}", record.name()));
            let (read, _) = MetadataRecord::decode(&bytes).unwrap();
            assert_eq!(read, *record, "{} at {version} loses something", record.name());
        }
        let has = |name: &str| written.iter().any(|record| record.name() == name);
        assert_eq!(has("UserScramCredentialRecord"), version.scram(), "at {version}");
        assert_eq!(has("RegisterControllerRecord"), version.controller_registration(), "at {version}");
        for name in
            ["RegisterBrokerRecord", "BrokerRegistrationChangeRecord", "PartitionChangeRecord", "RemoveTopicRecord"]
        {
            assert!(has(name), "{name} at {version}");
        }
    }
}
