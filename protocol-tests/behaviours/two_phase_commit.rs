//! Producers of two-phase commits (KIP-939), by a version of InitProducerId that is not stable yet.

use ottla::protocol::StrBytes;
use ottla::protocol::message::Message;
use ottla::protocol::messages::{ApiVersionsRequest, DescribeTransactionsRequest, TransactionalId};
use ottla::protocol::newer::InitProducerIdRequest;
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, TxnProducer, error, eventually};

const INIT_PRODUCER_ID: i16 = 22;
const VERSION: i16 = 6;
const UNSTABLE: (&str, &str) = ("unstable.api.versions.enable", "true");
const PARTITIONS: (&str, &str) = ("transaction.state.log.num.partitions", "1");

/// Asks for a producer whose transactions have no timeout; nothing if the connection is closed.
fn init(client: &mut Client, id: &str, keep_prepared: bool) -> Option<(ErrorCode, i64, i16)> {
    let request = InitProducerIdRequest {
        transactional_id: Some(id.to_owned()),
        transaction_timeout_ms: -1,
        producer_id: -1,
        producer_epoch: -1,
        enable2_pc: true,
        keep_prepared_txn: keep_prepared,
    };
    let body = request.encode(VERSION).expect("it encodes");
    // Key, version, correlation id, no client id, no tagged fields.
    let header =
        [&INIT_PRODUCER_ID.to_be_bytes()[..], &VERSION.to_be_bytes(), &[0, 0, 0, 7], &[0xff, 0xff], &[0]].concat();
    let length = (header.len() + body.len()) as u32;
    client.send_bytes(&[&length.to_be_bytes()[..], &header, &body].concat()).ok()?;
    let answer = client.receive_frame()?;
    // Behind correlation id, tagged fields and throttle time: error, producer and epoch, and an open transaction's, which
    // Kafka never names.
    assert_eq!((answer.len(), &answer[21..31]), (32, &[0xff; 10][..]));
    let code = i16::from_be_bytes([answer[9], answer[10]]);
    let id = i64::from_be_bytes(answer[11..19].try_into().expect("eight bytes"));
    Some((error(code), id, i16::from_be_bytes([answer[19], answer[20]])))
}

fn highest_version(client: &mut Client) -> i16 {
    let apis = client.call(0, &ApiVersionsRequest::default()).api_keys;
    apis.iter().find(|api| api.api_key == INIT_PRODUCER_ID).expect("it is served").max_version
}

#[test]
fn the_version_is_served_where_unstable_ones_are() {
    let broker = Broker::start(&[PARTITIONS]);
    let mut client = broker.client();
    assert_eq!(highest_version(&mut client), VERSION - 1);
    assert_eq!(init(&mut client, "x", false), None);
}

#[test]
fn transactions_without_a_timeout_are_for_those_who_may() {
    let interval = ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "20");
    let may = ("transaction.two.phase.commit.enable", "true");
    let broker = Broker::start(&[PARTITIONS, UNSTABLE]);
    let mut client = broker.client();
    assert_eq!(highest_version(&mut client), VERSION);
    let told = init(&mut client, "x", false).map(|(told, ..)| told);
    assert_eq!(told, Some(ErrorCode::TransactionalIdAuthorizationFailed));
    drop(broker);

    let broker = Broker::start(&[PARTITIONS, UNSTABLE, may, interval]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    // Its coordinator is there once an ordinary producer has been given its id.
    let mut ordinary = TxnProducer::init(&mut client, "y", 100);
    assert_eq!(init(&mut client, "x", true).map(|(told, ..)| told), Some(ErrorCode::UnsupportedVersion));
    let (told, id, epoch) = init(&mut client, "x", false).expect("an answer");
    assert_eq!((told, epoch), (ErrorCode::None, 0));
    let mut prepared = TxnProducer { transactional_id: "x".to_owned(), id, epoch, sequence: 0 };
    assert_eq!(prepared.produce(&mut client, 12, "t", 0, &[b"prepared"]).0, ErrorCode::None);
    assert_eq!(ordinary.produce(&mut client, 12, "t", 0, &[b"ordinary"]).0, ErrorCode::None);
    // The one that came later has run out of time, the other never does.
    ordinary.await_state(&mut client, "CompleteAbort");
    let asked = vec![TransactionalId(StrBytes::from_static_str("x"))];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(asked);
    let described = client.call(0, &request).transaction_states.remove(0);
    assert_eq!((described.transaction_state.as_str(), described.transaction_timeout_ms), ("Ongoing", i32::MAX));
    assert_eq!(prepared.end(&mut client, 5, true), ErrorCode::None);
    eventually("it is committed", || client.committed_values("t").0 == [b"prepared".to_vec()]);
}
