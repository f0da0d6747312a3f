//! Records: written, found, deleted, damaged.

use std::fs::{self, OpenOptions};
use std::io::Write;

use ottla::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla::protocol::messages::{MetadataRequest, ProduceRequest};
use ottla::types::ErrorCode;

use crate::support::{Broker, Fetch, Record, batch, batch_at, error, records_in, topic_name, value_of_len};

#[test]
fn delete_records_answers_the_low_watermark_or_an_error_for_each() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append_many("t", 10, &batch(&[b"x"]));
    let mut delete = |topic: &str, partition, offset| {
        let result = client.delete_records(topic, partition, offset);
        (error(result.error_code), result.low_watermark)
    };
    assert_eq!(delete("t", 0, 4), (ErrorCode::None, 4));
    assert_eq!(delete("t", 0, 2), (ErrorCode::None, 4), "the start never moves back");
    assert_eq!(delete("t", 0, 11), (ErrorCode::OffsetOutOfRange, -1));
    assert_eq!(delete("t", 0, -2), (ErrorCode::OffsetOutOfRange, -1));
    assert_eq!(delete("t", 1, 0), (ErrorCode::UnknownTopicOrPartition, -1));
    assert_eq!(delete("u", 0, 0), (ErrorCode::UnknownTopicOrPartition, -1));
    assert_eq!(delete("t", 0, -1), (ErrorCode::None, 10), "-1 stands for the high watermark");
}

#[test]
fn the_start_that_was_answered_outlives_kill_9() {
    let mut broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append_many("t", 10, &batch(&[b"x"]));
    assert_eq!(client.delete_records("t", 0, 4).low_watermark, 4);
    broker.stop();
    broker.launch();
    assert_eq!(broker.client().start_offset("t"), 4);
    broker.kill();
    broker.launch();
    assert_eq!(broker.client().start_offset("t"), 4);
}

#[test]
fn list_offsets_finds_by_time_and_by_name() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let mut list = |timestamp| {
        let found = client.list_offset("t", 0, timestamp);
        (error(found.error_code), found.offset, found.timestamp)
    };
    // Earliest, latest, the largest timestamp, and a time: of an empty partition.
    assert_eq!(list(-2), (ErrorCode::None, 0, -1));
    assert_eq!(list(-1), (ErrorCode::None, 0, -1));
    assert_eq!(list(-3), (ErrorCode::None, -1, -1));
    assert_eq!(list(0), (ErrorCode::None, -1, -1));
    let mut client = broker.client();
    for timestamp in [1_000, 5_000, 3_000, 5_000, 4_000] {
        client.append("t", 0, batch_at(timestamp, &[b"x"]));
    }
    let mut list = |timestamp| {
        let found = client.list_offset("t", 0, timestamp);
        (error(found.error_code), found.offset, found.timestamp)
    };
    assert_eq!(list(-2), (ErrorCode::None, 0, -1));
    assert_eq!(list(-1), (ErrorCode::None, 5, -1));
    assert_eq!(list(-3), (ErrorCode::None, 1, 5_000));
    assert_eq!(list(0), (ErrorCode::None, 0, 1_000));
    assert_eq!(list(1_001), (ErrorCode::None, 1, 5_000));
    assert_eq!(list(5_000), (ErrorCode::None, 1, 5_000));
    assert_eq!(list(5_001), (ErrorCode::None, -1, -1));
    let found = client.list_offset("t", 9, -1);
    assert_eq!(error(found.error_code), ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn produce_without_acks_is_not_answered_and_keeps_its_place() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch(&[b"quiet"])));
    let topic = TopicProduceData::default().with_name(topic_name("t")).with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(0).with_timeout_ms(1_000).with_topic_data(vec![topic]);
    for round in 1..=50 {
        client.send(9, &request);
        // The next answer on this connection is to the next request, and the records are there by then.
        assert_eq!(client.end_offset("t"), round);
    }
}

#[test]
fn a_slow_fetch_delays_no_other_connection() {
    let broker = Broker::start(&[]);
    let (mut slow, mut quick) = (broker.client(), broker.client());
    slow.create_topic("t", 1, &[]);
    let poll = Fetch { min_bytes: 1, max_wait_ms: 25_000, ..Fetch::new("t", 0) };
    let fetched = slow.send_fetch(&poll);
    let behind = slow.send(12, &MetadataRequest::default().with_topics(Some(Vec::new())));
    for _ in 0..20 {
        quick.describe_topic("t");
    }
    quick.append("t", 0, batch(&[b"x"]));
    assert_eq!(records_in(slow.receive_fetch(fetched)[0].records.as_ref().expect("never null")).len(), 1);
    slow.receive::<MetadataRequest>(12, behind);
}

#[test]
fn half_a_batch_at_the_tail_is_cut_to_the_exact_size() {
    let mut broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let values: Vec<Vec<u8>> = (0..20).map(|n| value_of_len(100 + n)).collect();
    for value in &values {
        client.append("t", 0, batch(&[value]));
    }
    let path = broker.directory.data().join("t-0/00000000000000000000.log");
    let size = fs::metadata(&path).expect("a log file").len();
    let half = &batch(&[&value_of_len(5_000)])[..2_000];
    for garbage in [&[0xff; 37][..], &[0; 4_096], half, &[0, 0, 0]] {
        broker.kill();
        OpenOptions::new().append(true).open(&path).expect("it opens").write_all(garbage).expect("it is written");
        broker.launch();
        assert_eq!(fs::metadata(&path).expect("a log file").len(), size);
        let mut client = broker.client();
        assert_eq!(client.end_offset("t"), 20);
        let bytes = client.fetch(&Fetch::new("t", 0)).records.expect("never null");
        let expected = (0..).zip(values.clone()).map(|(offset, value)| Record { offset, value });
        assert_eq!(records_in(&bytes), expected.collect::<Vec<_>>());
    }
}

#[test]
fn missing_indexes_and_snapshots_are_rebuilt() {
    let mut broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[("segment.bytes", "1048576")]);
    let value = value_of_len(100_000);
    for n in 1..=30 {
        client.append("t", 0, batch_at(n * 1_000_000_000_000 / 30, &[&value]));
    }
    let dir = broker.directory.data().join("t-0");
    let stops: [fn(&mut Broker); 2] = [Broker::kill, Broker::stop];
    for stop in stops {
        stop(&mut broker);
        for entry in fs::read_dir(&dir).expect("the directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|kind| ["index", "timeindex", "snapshot"].iter().any(|k| kind == *k)) {
                fs::remove_file(path).expect("it is removed");
            }
        }
        broker.launch();
        let mut client = broker.client();
        for offset in [0, 7, 15, 29] {
            let bytes = client.fetch(&Fetch { max_bytes: 1, ..Fetch::new("t", offset) }).records.expect("never null");
            assert_eq!(records_in(&bytes)[0].offset, offset);
            assert_eq!(client.list_offset("t", 0, (offset + 1) * 1_000_000_000_000 / 30).offset, offset);
        }
    }
}
