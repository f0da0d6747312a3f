//! Several log directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use ottla::protocol::StrBytes;
use ottla::protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla::protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Directory, batch, error, topic_name};

fn two_directories(more: &[(&str, &str)]) -> (Broker, [PathBuf; 2]) {
    let overrides: Vec<_> = [("log.dirs", "data,more")].iter().chain(more).copied().collect();
    let directory = Directory::new(&overrides);
    let paths = ["data", "more"].map(|name| directory.path().join(name));
    (Broker::start_in(directory), paths)
}

/// What DescribeLogDirs says of each directory: its error and the partitions of `t`.
fn described(client: &mut Client) -> BTreeMap<PathBuf, (ErrorCode, BTreeSet<i32>)> {
    let answer = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
    assert_eq!(error(answer.error_code), ErrorCode::None);
    let partitions = |topics: &[ottla::protocol::messages::describe_log_dirs_response::DescribeLogDirsTopic]| {
        let of_t = topics.iter().filter(|topic| topic.name.0.as_str() == "t");
        of_t.flat_map(|topic| topic.partitions.iter().map(|partition| partition.partition_index)).collect()
    };
    let directory = |dir: &ottla::protocol::messages::describe_log_dirs_response::DescribeLogDirsResult| {
        (PathBuf::from(dir.log_dir.as_str()), (error(dir.error_code), partitions(&dir.topics)))
    };
    answer.results.iter().map(directory).collect()
}

#[test]
fn a_partition_is_created_where_it_was_wanted_before() {
    let (broker, [_, more]) = two_directories(&[]);
    let mut client = broker.client();
    let topic = AlterReplicaLogDirTopic::default().with_name(topic_name("t")).with_partitions(vec![0, 1, 2, 3]);
    let dir = AlterReplicaLogDir::default()
        .with_path(StrBytes::from_string(more.to_str().expect("a plain path").to_string()))
        .with_topics(vec![topic]);
    let answer = client.call(2, &AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]));
    let codes: BTreeSet<_> = answer.results[0].partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, BTreeSet::from([ErrorCode::UnknownTopicOrPartition.code()]));
    client.create_topic("t", 4, &[]);
    assert_eq!(described(&mut client)[&more].1, BTreeSet::from([0, 1, 2, 3]));
}

/// A directory that is not there any more; what is open in it stays open, as with a file system that was unmounted.
fn take_away(path: &PathBuf) {
    fs::rename(path, path.with_extension("away")).expect("it is renamed");
    fs::write(path, "").expect("a file takes its place");
}

fn put_back(path: &PathBuf) {
    fs::remove_file(path).expect("the file goes");
    fs::rename(path.with_extension("away"), path).expect("it is renamed back");
}

#[test]
fn a_directory_that_fails_takes_its_partitions_offline_and_no_others() {
    let (mut broker, [data, more]) = two_directories(&[("replica.high.watermark.checkpoint.interval.ms", "50")]);
    let mut client = broker.client();
    client.create_topic("t", 4, &[]);
    (0..4).for_each(|index| assert_eq!(client.append("t", index, batch(&[b"before"])), 0));
    let placed = described(&mut client);
    assert_eq!((placed[&data].1.len(), placed[&more].1.len()), (2, 2));
    let (safe, lost) = (placed[&data].1.clone(), placed[&more].1.clone());

    take_away(&more);
    let offline = |client: &mut Client| -> BTreeSet<i32> {
        let topic = client.describe_topic("t");
        let failed = topic.partitions.iter().filter(|partition| error(partition.error_code) != ErrorCode::None);
        failed
            .map(|partition| {
                assert_eq!(error(partition.error_code), ErrorCode::LeaderNotAvailable);
                assert_eq!((partition.leader_id.0, partition.offline_replicas.len()), (-1, 1));
                partition.partition_index
            })
            .collect()
    };
    crate::support::eventually("its partitions have no leader", || offline(&mut client) == lost);
    for index in &lost {
        assert_eq!(error(client.produce("t", *index, batch(&[b"x"])).error_code), ErrorCode::KafkaStorageError);
    }
    for index in &safe {
        assert_eq!(client.append("t", *index, batch(&[b"during"])), 1);
    }
    let now = described(&mut client);
    assert_eq!(now[&data], (ErrorCode::None, safe.clone()));
    assert_eq!(now[&more], (ErrorCode::KafkaStorageError, BTreeSet::new()));
    client.create_topic("u", 2, &[]);
    (0..2).for_each(|index| assert_eq!(client.append("u", index, batch(&[b"new"])), 0));

    broker.stop();
    put_back(&more);
    broker.launch();
    let mut client = broker.client();
    assert_eq!(offline(&mut client), BTreeSet::new());
    for index in 0..4 {
        let next = if lost.contains(&index) { 1 } else { 2 };
        assert_eq!(client.append("t", index, batch(&[b"after"])), next);
    }
    assert_eq!(described(&mut client)[&more], (ErrorCode::None, lost));
}

#[test]
fn without_the_directory_of_the_metadata_log_the_broker_ends() {
    let (mut broker, [data, _]) = two_directories(&[("replica.high.watermark.checkpoint.interval.ms", "50")]);
    take_away(&data);
    assert_eq!(broker.ended().code(), Some(1));
    let log = broker.directory.log();
    assert!(log.lines().last().is_some_and(|line| line.contains("metadata log") && line.contains("data")), "{log}");
}
