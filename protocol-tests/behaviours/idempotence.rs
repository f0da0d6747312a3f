//! Idempotent producers.

use bytes::Bytes;
use ottla::protocol::messages::{InitProducerIdRequest, ProducerId};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, error, producer_batch};

/// A producer id that nobody has.
fn new_producer(client: &mut Client) -> (i64, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let response = client.call(4, &request);
    assert_eq!(error(response.error_code), ErrorCode::None);
    (response.producer_id.0, response.producer_epoch)
}

fn answer(client: &mut Client, records: Bytes) -> (ErrorCode, i64) {
    let response = client.produce("t", 0, records);
    (error(response.error_code), response.base_offset)
}

#[test]
fn producer_ids_are_unique_also_after_a_crash() {
    let mut broker = Broker::start(&[]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut client = broker.client();
        for _ in 0..5 {
            let (id, epoch) = new_producer(&mut client);
            assert_eq!(epoch, 0);
            assert!(ids.iter().all(|known| *known < id), "{id} after {ids:?}");
            ids.push(id);
        }
        broker.kill();
        broker.launch();
    }
}

#[test]
fn the_last_five_batches_of_a_producer_are_known_again_and_again() {
    let mut broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let (id, epoch) = new_producer(&mut client);
    let batches: Vec<Bytes> = (0..7).map(|n| producer_batch(id, epoch, 2 * n, &[b"a", b"b"])).collect();
    for (n, records) in batches.iter().enumerate() {
        assert_eq!(answer(&mut client, records.clone()), (ErrorCode::None, 2 * n as i64));
    }
    let stops: [fn(&mut Broker); 2] = [Broker::kill, Broker::stop];
    for stop in stops {
        for (n, records) in batches.iter().enumerate().skip(2) {
            assert_eq!(answer(&mut client, records.clone()), (ErrorCode::None, 2 * n as i64), "batch {n} again");
        }
        assert_eq!(answer(&mut client, batches[1].clone()).0, ErrorCode::OutOfOrderSequenceNumber);
        assert_eq!(client.end_offset("t"), 14);
        // A snapshot keeps the last batch of each producer, so that is what is known for sure after a restart.
        stop(&mut broker);
        broker.launch();
        client = broker.client();
        assert_eq!(answer(&mut client, batches[6].clone()), (ErrorCode::None, 12), "after a restart");
        assert_eq!(client.end_offset("t"), 14);
        if client.produce("t", 0, batches[2].clone()).error_code != 0 {
            return;
        }
    }
}

#[test]
fn gaps_and_old_epochs_are_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let (id, _) = new_producer(&mut client);
    assert_eq!(answer(&mut client, producer_batch(id, 1, 0, &[b"a"])).0, ErrorCode::None);
    assert_eq!(answer(&mut client, producer_batch(id, 1, 2, &[b"c"])).0, ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(answer(&mut client, producer_batch(id, 1, 1, &[b"b"])).0, ErrorCode::None);
    assert_eq!(answer(&mut client, producer_batch(id, 0, 2, &[b"c"])).0, ErrorCode::InvalidProducerEpoch);
    assert_eq!(answer(&mut client, producer_batch(id, 2, 2, &[b"c"])).0, ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(answer(&mut client, producer_batch(id, 2, 0, &[b"c"])).0, ErrorCode::None);
    assert_eq!(client.end_offset("t"), 3);
}

#[test]
fn a_producer_whose_connections_die_loses_and_repeats_nothing() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let (id, epoch) = new_producer(&mut client);
    for sequence in 0..200 {
        let records = producer_batch(id, epoch, sequence, &[b"x"]);
        // Sent once without awaiting the answer, on a connection that is dropped at once.
        let mut dying = broker.client();
        dying.send_produce("t", 0, records.clone());
        drop(dying);
        assert_eq!(answer(&mut client, records), (ErrorCode::None, i64::from(sequence)));
    }
    assert_eq!(client.end_offset("t"), 200);
}
