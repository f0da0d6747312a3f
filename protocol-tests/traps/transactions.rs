//! Traps of transactions: producers that are too old for what they are told, and readers that find nothing to keep.

use bytes::Bytes;
use ottla::protocol::batch::split_batches;
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Fetch, TxnProducer, error, eventually, value_of_len};

const MINUTE: i32 = 60_000;
/// The last EndTxn that does not tell the producer a new epoch, and the Produce that goes with it.
const LAST_OLD_END: i16 = 4;
const OLD_PRODUCE: i16 = 11;
const NEW_PRODUCE: i16 = 12;
const NEW_END: i16 = 5;
const READ_COMMITTED: i8 = 1;
const SMALL_SEGMENTS: (&str, &str) = ("segment.bytes", "1048576");
/// More than a fetch below takes at a time, less than a segment.
const VALUE_BYTES: usize = 100_000;

fn broker() -> Broker {
    Broker::start(&[("transaction.state.log.num.partitions", "2")])
}

#[test]
fn trap_06_a_producer_that_is_not_told_a_new_epoch_goes_on_with_its_own() {
    let mut broker = broker();
    let mut client = broker.client();
    for version in 0..=LAST_OLD_END {
        let topic = format!("t{version}");
        client.create_topic(&topic, 1, &[]);
        let mut producer = TxnProducer::init(&mut client, &format!("x{version}"), MINUTE);
        let began = (producer.id, producer.epoch);
        for round in 0..4 {
            let in_round = format!("version {version}, round {round}");
            eventually("the partition is added", || match producer.add(&mut client, &topic, 0) {
                ErrorCode::ConcurrentTransactions => false,
                told => {
                    assert_eq!(told, ErrorCode::None, "{in_round}");
                    true
                }
            });
            let (told, _) = producer.produce(&mut client, OLD_PRODUCE, &topic, 0, &[in_round.as_bytes()]);
            assert_eq!(told, ErrorCode::None, "{in_round}");
            assert_eq!(producer.end(&mut client, version, round != 1), ErrorCode::None, "{in_round}");
            if round == 2 {
                broker.kill();
                broker.launch();
                client = broker.client();
            }
        }
        assert_eq!((producer.id, producer.epoch), began, "nothing tells it another");
        eventually("three of four are committed", || client.committed_values(&topic).0.len() == 3);
    }
}

/// Reads partition 0 from `offset` with small fetches as a reader of committed records does, and expects each to get it
/// further. Answers where it came to and how many fetches it took.
fn advance(client: &mut Client, topic: &str, offset: i64) -> (i64, u32) {
    let mut fetch = Fetch { partition_max_bytes: 1_000, ..Fetch::new(topic, offset) };
    let mut fetches = 0;
    loop {
        let request = fetch.request().with_isolation_level(READ_COMMITTED);
        let answer = client.call(12, &request).responses.remove(0).partitions.remove(0);
        assert_eq!(error(answer.error_code), ErrorCode::None, "at {}", fetch.offset);
        assert!(answer.aborted_transactions.is_some(), "told to readers of committed records, none or some");
        let bytes: Bytes = answer.records.expect("never null");
        if fetch.offset >= answer.last_stable_offset {
            assert!(bytes.is_empty(), "records that are not decided at {}", fetch.offset);
            return (fetch.offset, fetches);
        }
        let last = split_batches(&bytes).last().unwrap_or_else(|| panic!("nothing at {}", fetch.offset));
        let next = last.expect("a batch").header.next_offset().0;
        assert!(next > fetch.offset, "from {} back to {next}", fetch.offset);
        (fetch.offset, fetches) = (next, fetches + 1);
    }
}

#[test]
fn trap_09_a_reader_of_committed_records_gets_through_what_holds_none() {
    let mut broker = broker();
    let mut client = broker.client();
    client.create_topic("t", 1, &[SMALL_SEGMENTS]);
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    let value = value_of_len(VALUE_BYTES);
    for round in 0..6 {
        for _ in 0..5 {
            eventually("it is appended", || match producer.produce(&mut client, NEW_PRODUCE, "t", 0, &[&value]).0 {
                ErrorCode::ConcurrentTransactions => false,
                told => {
                    assert_eq!(told, ErrorCode::None, "round {round}");
                    true
                }
            });
        }
        assert_eq!(producer.end(&mut client, NEW_END, false), ErrorCode::None, "round {round}");
        producer.await_state(&mut client, "CompleteAbort");
    }
    // Six times five records and the marker behind them, in several segments.
    eventually("everything is decided", || advance(&mut client, "t", 0) == (36, 36));
    assert_eq!(advance(&mut client, "t", 17), (36, 19));
    assert_eq!(client.committed_values("t"), (vec![], 36));
    let (told, base) = producer.produce(&mut client, NEW_PRODUCE, "t", 0, &[b"open"]);
    assert_eq!((told, base), (ErrorCode::None, 36));
    // What is open holds a reader back, wherever it stands, and is no error.
    for offset in [36, 37] {
        assert_eq!(advance(&mut client, "t", offset), (offset, 0));
    }
    broker.kill();
    broker.launch();
    client = broker.client();
    assert_eq!(advance(&mut client, "t", 0), (36, 36));
    assert_eq!(producer.end(&mut client, NEW_END, true), ErrorCode::None);
    eventually("the last is committed", || advance(&mut client, "t", 36).0 == 38);
    assert_eq!(client.committed_values("t"), (vec![b"open".to_vec()], 38));
}

#[test]
fn trap_09_a_reader_gets_through_what_compaction_left_of_aborted_transactions() {
    let broker = Broker::start(&[("transaction.state.log.num.partitions", "2"), ("log.cleaner.backoff.ms", "20")]);
    let mut client = broker.client();
    let compacted = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01"), SMALL_SEGMENTS];
    client.create_topic(
        "t",
        1,
        &[&compacted[..], &[("delete.retention.ms", "0"), ("file.delete.delay.ms", "0")]].concat(),
    );
    let mut producer = TxnProducer::init(&mut client, "x", MINUTE);
    let dir = broker.directory.data().join("t-0");
    let value = value_of_len(VALUE_BYTES);
    let mut next = 0;
    for _ in 0..30 {
        eventually("it is appended", || {
            let (told, base) = producer.produce_keyed(&mut client, NEW_PRODUCE, "t", &[(b"k", &value)]);
            next = base + 2;
            told == ErrorCode::None
        });
        assert_eq!(producer.end(&mut client, NEW_END, false), ErrorCode::None);
        producer.await_state(&mut client, "CompleteAbort");
    }
    eventually("aborted records are gone", || super::retention::bytes_on_disk(&dir) < 1_500_000);
    let (end, fetches) = advance(&mut client, "t", 0);
    assert!(end == next && fetches < 60, "{fetches} fetches to {end} of {next}");
    for offset in (0..next).step_by(7) {
        assert_eq!(advance(&mut client, "t", offset).0, next);
    }
}
