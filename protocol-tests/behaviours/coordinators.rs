//! Coordinators whose topics cannot be read.

use std::fs;
use std::path::Path;

use ottla::protocol::StrBytes;
use ottla::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla::protocol::messages::{
    GroupId, InitProducerIdRequest, ListGroupsRequest, OffsetCommitRequest, TransactionalId,
};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Directory, TxnProducer, error, eventually, topic_name};

/// Of two partitions, by Java's hash of the text.
const IN_PARTITION_0: &str = "b";
const IN_PARTITION_1: &str = "a";

fn commit(client: &mut Client, group: &str) -> ErrorCode {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(3).with_committed_leader_epoch(-1);
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_string())))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    error(client.call(8, &request).topics[0].partitions[0].error_code)
}

fn init(client: &mut Client, id: &str) -> ErrorCode {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.to_string()))))
        .with_transaction_timeout_ms(10_000);
    error(client.call(4, &request).error_code)
}

/// Turns a bit of the last record of a log.
fn damage(partition: &Path) {
    let path = partition.join("00000000000000000000.log");
    let mut bytes = fs::read(&path).expect("a log file");
    *bytes.last_mut().expect("a record") ^= 1;
    fs::write(&path, bytes).expect("it is written");
}

#[test]
fn a_damaged_partition_takes_out_its_own_coordinator_only() {
    let topics = [("transaction.state.log.num.partitions", "2"), ("transaction.state.log.min.isr", "1")];
    let mut broker = Broker::start_in(Directory::new(&topics).with_admin());
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.find_coordinator(IN_PARTITION_0);
    for id in [IN_PARTITION_0, IN_PARTITION_1] {
        TxnProducer::init(&mut client, id, 10_000);
        eventually("the group has a coordinator", || commit(&mut client, id) == ErrorCode::None);
    }
    broker.stop();
    for topic in ["__consumer_offsets-1", "__transaction_state-1"] {
        damage(&broker.directory.data().join(topic));
    }
    broker.launch();
    let mut client = broker.client();
    assert_eq!(commit(&mut client, IN_PARTITION_0), ErrorCode::None);
    assert_eq!(init(&mut client, IN_PARTITION_0), ErrorCode::None);
    eventually("the damage is seen", || commit(&mut client, IN_PARTITION_1) == ErrorCode::NotCoordinator);
    eventually("the damage is seen", || init(&mut client, IN_PARTITION_1) == ErrorCode::NotCoordinator);
    let listed = client.call(4, &ListGroupsRequest::default());
    assert_eq!((error(listed.error_code), listed.groups.len()), (ErrorCode::None, 1));
    let (log, metrics) = (broker.directory.log(), broker.directory.metrics());
    for topic in ["__consumer_offsets", "__transaction_state"] {
        let line = log.lines().find(|line| line.contains(&format!("{topic}-1"))).unwrap_or_default();
        assert!(line.contains("cannot be read at offset 0: batch is corrupt"), "{line}");
        for state in ["active", "failed"] {
            let gauge = format!("ottla_coordinator_partitions{{topic=\"{topic}\",state=\"{state}\"}} 1");
            assert!(metrics.contains(&gauge), "{metrics}");
        }
    }
}
