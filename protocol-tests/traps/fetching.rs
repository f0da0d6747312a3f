//! Traps of the read path.

use std::time::{Duration, Instant};

use ottla::protocol::messages::{FetchRequest, ProduceRequest};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Fetch, batch, batch_of, error, records_in, value_of_len};

const SMALL_SEGMENTS: (&str, &str) = ("segment.bytes", "1048576");

/// Batches of ten records of a kilobyte, until there are `count` records.
fn fill(client: &mut Client, topic: &str, count: i64) {
    let value = value_of_len(1024);
    let records: Vec<&[u8]> = (0..10).map(|_| value.as_slice()).collect();
    for base in (0..count).step_by(records.len()) {
        assert_eq!(client.append(topic, 0, batch(&records)), base);
    }
}

/// Reads a partition from its start to its end as a consumer does, and expects every record once.
fn read_through(client: &mut Client, mut fetch: Fetch, count: i64) {
    while fetch.offset < count {
        let answer = client.fetch(&fetch);
        assert_eq!(error(answer.error_code), ErrorCode::None);
        let bytes = answer.records.expect("records are never null");
        let mut records = records_in(&bytes);
        records.retain(|record| record.offset >= fetch.offset);
        assert!(!records.is_empty(), "nothing at offset {} of {count}", fetch.offset);
        for record in records {
            assert_eq!(record.offset, fetch.offset, "a record was skipped or repeated");
            fetch.offset += 1;
        }
    }
}

#[test]
fn trap_01_a_read_cut_by_its_budget_continues_in_the_next_segment() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[SMALL_SEGMENTS]);
    let count = 4_500;
    fill(&mut client, "t", count);
    let files = std::fs::read_dir(broker.directory.data().join("t-0")).expect("the partition's directory");
    let segments = files.filter(|file| file.as_ref().is_ok_and(|file| file.path().extension() == Some("log".as_ref())));
    assert!(segments.count() >= 4, "too few segments to cross their borders");
    for budget in [5_000, 25_000, 333_333, 900_000, 1_500_000] {
        read_through(&mut client, Fetch { partition_max_bytes: budget, ..Fetch::new("t", 0) }, count);
        read_through(&mut client, Fetch { max_bytes: budget, ..Fetch::new("t", 0) }, count);
    }
    read_through(&mut client, Fetch::new("t", 0), count);
}

#[test]
fn trap_04_an_empty_fetch_answers_empty_records_and_never_null() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    let topic_id = client.create_topic("t", 1, &[]).topic_id;
    client.append("t", 0, batch(&[b"one"]));
    for version in 4..=18 {
        // The end, beyond the end, and a partition that does not exist.
        for (offset, partition, expected) in
            [(1, 0, ErrorCode::None), (2, 0, ErrorCode::OffsetOutOfRange), (0, 7, ErrorCode::UnknownTopicOrPartition)]
        {
            let mut request = Fetch { partitions: vec![partition], ..Fetch::new("t", offset) }.request();
            if version >= 13 {
                request.topics[0].topic = Default::default();
                request.topics[0].topic_id = topic_id;
            }
            let response = client.call::<FetchRequest>(version, &request);
            let answer = &response.responses[0].partitions[0];
            assert_eq!(error(answer.error_code), expected, "version {version}");
            let records = answer.records.as_ref();
            assert_eq!(records.map(|bytes| bytes.len()), Some(0), "version {version}, {expected:?}");
        }
    }
}

#[test]
fn trap_05_the_limit_of_the_request_holds_and_the_first_batch_always_comes() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 4, &[]);
    // Partition 0 stays empty: the exception is for the first batch that there is.
    for partition in 1..4 {
        for _ in 0..3 {
            client.append("t", partition, batch_of(10_000));
        }
    }
    let all = Fetch { partitions: vec![0, 1, 2, 3], ..Fetch::new("t", 0) };
    let mut lengths = |fetch: Fetch| -> Vec<usize> {
        let answers = client.fetch_all(&fetch);
        answers.iter().map(|answer| answer.records.as_ref().expect("never null").len()).collect()
    };
    assert_eq!(lengths(all.clone()), [0, 30_000, 30_000, 30_000]);
    assert_eq!(lengths(Fetch { max_bytes: 45_000, ..all.clone() }), [0, 30_000, 10_000, 0]);
    assert_eq!(lengths(Fetch { max_bytes: 30_000, ..all.clone() }), [0, 30_000, 0, 0]);
    assert_eq!(lengths(Fetch { max_bytes: 1, ..all.clone() }), [0, 10_000, 0, 0]);
    assert_eq!(lengths(Fetch { max_bytes: 0, ..all.clone() }), [0, 10_000, 0, 0]);
    assert_eq!(lengths(Fetch { partition_max_bytes: 1, ..all.clone() }), [0, 10_000, 0, 0]);
    assert_eq!(lengths(Fetch { partition_max_bytes: 20_000, ..all }), [0, 20_000, 20_000, 20_000]);
}

#[test]
fn trap_09_a_fetch_beyond_the_end_is_refused_at_once() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append("t", 0, batch(&[b"one", b"two"]));
    let patient = |offset| Fetch { min_bytes: 1, max_wait_ms: 20_000, ..Fetch::new("t", offset) };
    for offset in [3, 1_000_000, i64::MAX] {
        let began = Instant::now();
        let answer = client.fetch(&patient(offset));
        assert_eq!(error(answer.error_code), ErrorCode::OffsetOutOfRange, "at {offset}");
        assert!(began.elapsed() < Duration::from_secs(10), "it waited at {offset}");
    }
    assert_eq!(client.delete_records("t", 0, 1).low_watermark, 1);
    let answer = client.fetch(&patient(0));
    assert_eq!(error(answer.error_code), ErrorCode::OffsetOutOfRange, "below the start");
}

#[test]
fn trap_13_no_append_is_slept_through() {
    let broker = Broker::start(&[]);
    let (mut consumer, mut producer) = (broker.client(), broker.client());
    // The other partitions are read after the first, which leaves time for an append between.
    consumer.create_topic("t", 60, &[]);
    let records = batch(&[b"wake up"]);
    let all = Fetch {
        partitions: (0..60).collect(),
        min_bytes: records.len() as i32,
        max_wait_ms: 20_000,
        ..Fetch::new("t", 0)
    };
    for offset in 0..600 {
        let mut request = all.request();
        request.topics[0].partitions[0].fetch_offset = offset;
        let began = Instant::now();
        let produced = producer.send_produce("t", 0, records.clone());
        // In steps too small for a clock: the poll comes before the append, amid it, and after it.
        (0..(offset % 100) * 100).for_each(|_| std::hint::spin_loop());
        let polled = consumer.send(12, &request);
        let answer = consumer.receive_fetch(polled).remove(0);
        assert_eq!(answer.records.expect("never null").len(), records.len());
        assert!(began.elapsed() < Duration::from_secs(10), "the poll at {offset} slept through the append");
        producer.receive::<ProduceRequest>(12, produced);
    }
}

#[test]
fn trap_13_a_wake_up_below_min_bytes_does_not_answer() {
    let broker = Broker::start(&[]);
    let (mut consumer, mut producer) = (broker.client(), broker.client());
    consumer.create_topic("t", 2, &[]);
    let records = batch(&[b"a quarter"]);
    for round in 0..50 {
        let poll = Fetch {
            partitions: vec![0, 1],
            min_bytes: 4 * records.len() as i32,
            max_wait_ms: 20_000,
            ..Fetch::new("t", 2 * round)
        };
        let correlation_id = consumer.send_fetch(&poll);
        for partition in [0, 1, 1, 0] {
            producer.append("t", partition, records.clone());
        }
        let answers = consumer.receive_fetch(correlation_id);
        let bytes: usize = answers.iter().map(|answer| answer.records.as_ref().expect("never null").len()).sum();
        assert_eq!(bytes, 4 * records.len(), "answered early in round {round}");
    }
}

/// The answer to a fetch that must not wait.
fn fetch_at_once(client: &mut Client, fetch: Fetch) -> usize {
    let began = Instant::now();
    let answer = client.fetch(&Fetch { max_wait_ms: 20_000, ..fetch });
    assert!(began.elapsed() < Duration::from_secs(10), "it waited");
    assert_eq!(error(answer.error_code), ErrorCode::None);
    answer.records.expect("never null").len()
}

#[test]
fn records_behind_the_limit_of_a_fetch_are_not_waited_for() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.append_many("t", 4, &batch_of(10_000));
    // Three batches are the most that fit, and they are fewer bytes than asked for.
    let fetch = Fetch { partition_max_bytes: 35_000, min_bytes: 32_000, ..Fetch::new("t", 0) };
    assert_eq!(fetch_at_once(&mut client, fetch.clone()), 30_000);
    let fetch = Fetch { partition_max_bytes: 1 << 20, max_bytes: 35_000, ..fetch };
    assert_eq!(fetch_at_once(&mut client, fetch), 30_000);
}

#[test]
fn records_in_a_later_segment_are_not_waited_for() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[SMALL_SEGMENTS]);
    client.append_many("t", 4, &batch_of(300_000));
    // Three batches are in the first segment, and more than them is asked for.
    assert_eq!(fetch_at_once(&mut client, Fetch { min_bytes: 1_000_000, ..Fetch::new("t", 0) }), 900_000);
}
