//! Transactions: what readers of committed records see, through ends, timeouts, fencing and crashes.

use ottla::protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla::protocol::messages::{FindCoordinatorRequest, ProducerId, WriteTxnMarkersRequest};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, TxnProducer, batch, error, eventually, topic_name};

const MINUTE: i32 = 60_000;
/// Produce and EndTxn of clients before and since `transaction.version` 2.
const OLD: (i16, i16) = (11, 4);
const NEW: (i16, i16) = (12, 5);

fn broker() -> Broker {
    Broker::start(&[("transaction.state.log.num.partitions", "2")])
}

/// Produces and, where the client has to, adds the partition before.
fn produce(producer: &mut TxnProducer, client: &mut Client, style: (i16, i16), topic: &str, value: &[u8]) {
    if style == OLD {
        eventually("the partition is added", || match producer.add(client, topic, 0) {
            ErrorCode::ConcurrentTransactions => false,
            told => {
                assert_eq!(told, ErrorCode::None);
                true
            }
        });
    }
    eventually("the batch is appended", || match producer.produce(client, style.0, topic, 0, &[value]).0 {
        // The end of the transaction before is not complete yet.
        ErrorCode::ConcurrentTransactions | ErrorCode::NotEnoughReplicas => false,
        told => {
            assert_eq!(told, ErrorCode::None);
            true
        }
    });
}

fn words(values: &[Vec<u8>]) -> Vec<&str> {
    values.iter().map(|value| std::str::from_utf8(value).expect("it was text")).collect()
}

/// Waits until readers of committed records have come to `offset`, and compares what they saw.
fn check_committed(client: &mut Client, topic: &str, offset: i64, expected: &[&str]) {
    eventually(&format!("everything before {offset} is decided"), || client.committed_values(topic).1 >= offset);
    let (values, position) = client.committed_values(topic);
    assert_eq!((words(&values), position), (expected.to_vec(), offset));
}

/// As [`check_committed`], after a crash: a marker is written again if the coordinator had not noted the first one.
fn check_committed_after_crash(client: &mut Client, topic: &str, offset: i64, expected: &[&str]) {
    eventually(&format!("everything before {offset} is decided"), || client.committed_values(topic).1 >= offset);
    assert_eq!(words(&client.committed_values(topic).0), expected);
}

#[test]
fn committed_records_are_read_and_aborted_ones_are_not() {
    for style in [OLD, NEW] {
        let mut broker = broker();
        let mut client = broker.client();
        client.create_topic("t", 1, &[]);
        let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
        produce(&mut producer, &mut client, style, "t", b"a");
        produce(&mut producer, &mut client, style, "t", b"b");
        check_committed(&mut client, "t", 0, &[]);
        assert_eq!(producer.end(&mut client, style.1, true), ErrorCode::None);
        check_committed(&mut client, "t", 3, &["a", "b"]);
        produce(&mut producer, &mut client, style, "t", b"c");
        client.append("t", 0, batch(&[b"outside"]));
        check_committed(&mut client, "t", 3, &["a", "b"]);
        assert_eq!(producer.end(&mut client, style.1, false), ErrorCode::None);
        check_committed(&mut client, "t", 6, &["a", "b", "outside"]);
        let stops: [fn(&mut Broker); 2] = [Broker::kill, Broker::stop];
        for stop in stops {
            stop(&mut broker);
            broker.launch();
            client = broker.client();
            check_committed_after_crash(&mut client, "t", 6, &["a", "b", "outside"]);
        }
        produce(&mut producer, &mut client, style, "t", b"d");
        assert_eq!(producer.end(&mut client, style.1, true), ErrorCode::None);
        check_committed_after_crash(&mut client, "t", 8, &["a", "b", "outside", "d"]);
    }
}

#[test]
fn an_open_transaction_holds_readers_back_through_crashes() {
    let mut broker = broker();
    let mut client = broker.client();
    client.create_topic("t", 1, &[("segment.bytes", "1048576")]);
    client.append("t", 0, batch(&[b"before"]));
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    produce(&mut producer, &mut client, NEW, "t", b"a");
    client.append("t", 0, batch(&[b"after"]));
    let stops: [fn(&mut Broker); 2] = [Broker::kill, Broker::stop];
    for stop in stops {
        check_committed(&mut client, "t", 1, &["before"]);
        assert_eq!(client.end_offset("t"), 3);
        stop(&mut broker);
        broker.launch();
        client = broker.client();
    }
    check_committed(&mut client, "t", 1, &["before"]);
    assert_eq!(
        producer.produce(&mut client, 12, "t", 0, &[b"b"]),
        (ErrorCode::None, 3),
        "it goes on as if nothing was"
    );
    assert_eq!(producer.end(&mut client, 5, true), ErrorCode::None);
    check_committed(&mut client, "t", 5, &["before", "a", "after", "b"]);
}

#[test]
fn an_end_that_was_answered_is_finished_after_a_crash() {
    let mut broker = broker();
    for round in 0..5 {
        let mut client = broker.client();
        let topic = format!("t{round}");
        client.create_topic(&topic, 1, &[]);
        let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
        produce(&mut producer, &mut client, NEW, &topic, b"a");
        assert_eq!(producer.end(&mut client, 5, true), ErrorCode::None);
        broker.kill();
        broker.launch();
        client = broker.client();
        check_committed_after_crash(&mut client, &topic, 2, &["a"]);
        producer.await_state(&mut client, "CompleteCommit");
    }
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    let interval = ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "50");
    let broker = Broker::start(&[("transaction.state.log.num.partitions", "2"), interval]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let mut producer = TxnProducer::init(&mut client, "x", 200);
    produce(&mut producer, &mut client, NEW, "t", b"a");
    check_committed(&mut client, "t", 2, &[]);
    producer.await_state(&mut client, "CompleteAbort");
    assert_eq!(producer.produce(&mut client, 12, "t", 0, &[b"b"]).0, ErrorCode::InvalidProducerEpoch);
    let mut successor = TxnProducer::init(&mut client, "x", MINUTE);
    assert_eq!((successor.id, successor.epoch), (producer.id, producer.epoch + 2));
    produce(&mut successor, &mut client, NEW, "t", b"c");
    assert_eq!(successor.end(&mut client, 5, true), ErrorCode::None);
    check_committed(&mut client, "t", 4, &["c"]);
}

#[test]
fn a_new_instance_aborts_what_the_old_one_left_and_fences_it() {
    for style in [OLD, NEW] {
        let broker = broker();
        let mut client = broker.client();
        client.create_topic("t", 1, &[]);
        let mut old = TxnProducer::init(&mut client, "x", MINUTE);
        produce(&mut old, &mut client, style, "t", b"a");
        let mut new = TxnProducer::init(&mut client, "x", MINUTE);
        check_committed(&mut client, "t", 2, &[]);
        assert_eq!(old.produce(&mut client, style.0, "t", 0, &[b"b"]).0, ErrorCode::InvalidProducerEpoch);
        assert_eq!(old.end(&mut client, style.1, true), ErrorCode::ProducerFenced);
        assert_eq!(old.end(&mut client, 1, true), ErrorCode::InvalidProducerEpoch, "as clients of before knew it");
        produce(&mut new, &mut client, style, "t", b"c");
        assert_eq!(new.end(&mut client, style.1, true), ErrorCode::None);
        check_committed(&mut client, "t", 4, &["c"]);
    }
}

#[test]
fn a_partition_that_nobody_added_takes_no_records_of_a_transaction() {
    let broker = broker();
    let mut client = broker.client();
    client.create_topic("t", 2, &[]);
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    for (version, told) in [(10, ErrorCode::InvalidTxnState), (11, ErrorCode::TransactionAbortable)] {
        assert_eq!(producer.produce(&mut client, version, "t", 0, &[b"a"]).0, told);
    }
    assert_eq!(producer.add(&mut client, "t", 0), ErrorCode::None);
    assert_eq!(producer.produce(&mut client, 11, "t", 0, &[b"a"]).0, ErrorCode::None);
    assert_eq!(producer.add(&mut client, "t", 9), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(producer.end(&mut client, 4, true), ErrorCode::None);
    check_committed(&mut client, "t", 2, &["a"]);
}

#[test]
fn an_end_may_be_repeated_and_is_answered_as_it_was() {
    let broker = broker();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    produce(&mut producer, &mut client, NEW, "t", b"a");
    let before = producer.clone();
    assert_eq!(producer.end(&mut client, 5, true), ErrorCode::None);
    assert_eq!((producer.id, producer.epoch), (before.id, before.epoch + 1));
    producer.await_state(&mut client, "CompleteCommit");
    let mut again = before.clone();
    assert_eq!(again.end(&mut client, 5, true), ErrorCode::None);
    assert_eq!((again.id, again.epoch), (producer.id, producer.epoch));
    assert_eq!(before.clone().end(&mut client, 5, false), ErrorCode::InvalidTxnState);
}

#[test]
fn offsets_are_committed_with_the_transaction_or_not_at_all() {
    let mut broker = broker();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.find_coordinator("g");
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    assert_eq!(producer.commit_offset(&mut client, 5, "g", "t", 5), ErrorCode::None);
    assert_eq!(client.stable_offset("g", "t"), Err(ErrorCode::UnstableOffsetCommit));
    broker.kill();
    broker.launch();
    client = broker.client();
    assert_eq!(client.stable_offset("g", "t"), Err(ErrorCode::UnstableOffsetCommit), "also after a crash");
    assert_eq!(producer.end(&mut client, 5, true), ErrorCode::None);
    eventually("the offset is stable", || client.stable_offset("g", "t") == Ok(5));
    producer.await_state(&mut client, "CompleteCommit");
    assert_eq!(producer.commit_offset(&mut client, 5, "g", "t", 9), ErrorCode::None);
    assert_eq!(producer.end(&mut client, 5, false), ErrorCode::None);
    eventually("the offset is stable", || client.stable_offset("g", "t") == Ok(5));
    producer.await_state(&mut client, "CompleteAbort");
    // As clients of before do it.
    assert_eq!(producer.commit_offset(&mut client, 3, "g", "t", 7), ErrorCode::InvalidTxnState, "nobody added it");
    assert_eq!(producer.add_offsets(&mut client, "g"), ErrorCode::None);
    assert_eq!(producer.commit_offset(&mut client, 3, "g", "t", 7), ErrorCode::None);
    assert_eq!(producer.end(&mut client, 4, true), ErrorCode::None);
    eventually("the offset is stable", || client.stable_offset("g", "t") == Ok(7));
}

#[test]
fn a_deleted_topic_does_not_keep_a_transaction_from_ending() {
    let broker = broker();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    client.create_topic("u", 1, &[]);
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    produce(&mut producer, &mut client, NEW, "t", b"a");
    producer.sequence = 0;
    produce(&mut producer, &mut client, NEW, "u", b"b");
    client.delete_topic("u");
    assert_eq!(producer.end(&mut client, 5, true), ErrorCode::None);
    producer.await_state(&mut client, "CompleteCommit");
    check_committed(&mut client, "t", 2, &["a"]);
}

#[test]
fn an_administrator_ends_a_transaction_that_its_coordinator_has_forgotten() {
    let broker = broker();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    produce(&mut producer, &mut client, NEW, "t", b"a");
    let marker = |coordinator_epoch, partition| {
        let topic =
            WritableTxnMarkerTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![partition]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_coordinator_epoch(coordinator_epoch)
            .with_topics(vec![topic]);
        WriteTxnMarkersRequest::default().with_markers(vec![marker])
    };
    for (coordinator_epoch, partition, told) in [
        (0, 7, ErrorCode::UnknownTopicOrPartition),
        (5, 0, ErrorCode::None),
        (4, 0, ErrorCode::TransactionCoordinatorFenced),
    ] {
        let mut response = client.call(1, &marker(coordinator_epoch, partition));
        let answered = response.markers.remove(0).topics.remove(0).partitions.remove(0);
        assert_eq!(error(answered.error_code), told);
    }
    check_committed(&mut client, "t", 2, &[]);
}

#[test]
fn the_coordinators_topic_is_made_by_whoever_asks_first() {
    let broker = broker();
    let mut client = broker.client();
    let key = ottla::protocol::StrBytes::from_static_str("x");
    let request = FindCoordinatorRequest::default().with_key_type(1).with_key(key);
    let found = client.call(3, &request);
    assert_eq!((error(found.error_code), found.node_id.0), (ErrorCode::None, 1));
    let topic = client.describe_topic("__transaction_state");
    assert_eq!((topic.partitions.len(), topic.is_internal), (2, true));
}
