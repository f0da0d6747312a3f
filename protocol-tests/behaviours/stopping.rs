//! Stopping by signals, and refusing to start.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla::protocol::StrBytes;
use ottla::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla::protocol::messages::{DescribeGroupsRequest, GroupId, JoinGroupRequest};
use ottla::types::ErrorCode;
use rustix::fs::{FlockOperation, fcntl_lock};

use crate::support::{Broker, Client, Directory, batch, error, eventually, refused};

const RECORDS: usize = 3;
const BATCHES_MAX: usize = 20_000;

/// What connection `connection` sends as its batch number `n`.
fn value(connection: usize, n: usize) -> Vec<u8> {
    let mut value = format!("{connection} {n} ").into_bytes();
    value.resize(4_000, b'.');
    value
}

/// Produces without waiting until the broker hangs up. The base offset of each batch that was accepted; they come
/// before those that were refused because the broker leads no more.
fn produce_until_the_end(broker: &Broker, connection: usize, answered: &AtomicI32) -> Vec<i64> {
    let stream = TcpStream::connect(("127.0.0.1", broker.directory.port)).expect("the broker accepts");
    let mut sender = Client::over(stream.try_clone().expect("a second handle"));
    let mut receiver = Client::over(stream);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..BATCHES_MAX {
                let value = value(connection, n);
                if sender.try_send_produce("t", connection as i32, batch(&[value.as_slice(); RECORDS])).is_err() {
                    return;
                }
            }
        });
        let mut offsets = Vec::new();
        for correlation_id in 1.. {
            let Some(response) = receiver.try_receive_produce(correlation_id) else { break };
            match error(response.error_code) {
                ErrorCode::None => assert_eq!(correlation_id, offsets.len() as i32 + 1, "accepted after a refusal"),
                refused => {
                    assert_eq!(refused, ErrorCode::NotLeaderOrFollower);
                    continue;
                }
            }
            offsets.push(response.base_offset);
            answered.fetch_add(1, Ordering::Relaxed);
        }
        offsets
    })
}

#[test]
fn sigterm_during_produces_keeps_what_was_answered_and_nothing_in_part() {
    let mut broker = Broker::start(&[]);
    broker.client().create_topic("t", 4, &[]);
    let answered = AtomicI32::new(0);
    let (shared, count) = (&broker, &answered);
    let kept: Vec<Vec<i64>> = std::thread::scope(|scope| {
        let producers: Vec<_> =
            (0..4).map(|connection| scope.spawn(move || produce_until_the_end(shared, connection, count))).collect();
        eventually("produces are answered", || count.load(Ordering::Relaxed) > 100);
        shared.terminate();
        producers.into_iter().map(|producer| producer.join().expect("no check failed")).collect()
    });
    assert!(broker.ended().success());
    assert!(kept.iter().all(|offsets| offsets.len() < BATCHES_MAX), "the signal came too late");
    broker.launch();
    let mut client = broker.client();
    for (connection, offsets) in kept.iter().enumerate() {
        let values = client.values("t", connection as i32);
        assert!(offsets.iter().copied().eq((0..offsets.len()).map(|n| (n * RECORDS) as i64)));
        assert!(values.len() >= offsets.len() * RECORDS, "what was accepted is gone");
        // What was accepted while the connection broke may be there as well, each batch whole.
        assert_eq!(values.len() % RECORDS, 0);
        assert!(values.chunks(RECORDS).enumerate().all(|(n, values)| values == vec![value(connection, n); RECORDS]));
    }
    assert!(!broker.directory.log().contains("incomplete tail"), "a clean stop leaves nothing to recover");
}

/// A member that waits for its group's first generation.
fn wait_for_a_generation(broker: &Broker) -> Client {
    let text = StrBytes::from_static_str;
    let mut client = broker.client();
    client.find_coordinator("g");
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"m"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    // Before version 4 no member id is needed.
    client.send(3, &request);
    let describe = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]);
    let mut other = broker.client();
    eventually("the member waits", || other.call(5, &describe).groups[0].members.len() == 1);
    client
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut broker = Broker::start(&[("group.initial.rebalance.delay.ms", "60000")]);
    // A request in hand keeps the stop from being over before the second signal comes.
    let _waiting = wait_for_a_generation(&broker);
    broker.terminate();
    eventually("it stops", || broker.directory.log().contains("another signal ends"));
    let began = Instant::now();
    broker.terminate();
    assert_eq!(broker.ended().code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// Starts a broker that cannot; the only line of its log that says why. Warnings may be about the machine.
fn refusal(directory: &Directory) -> String {
    let log = refused(directory);
    let is_why = |line: &&str| !line.contains(" INFO ") && !line.contains(" WARN ");
    let told: Vec<&str> = log.lines().filter(is_why).collect();
    assert_eq!(told.len(), 1, "{log}");
    told[0].to_string()
}

#[test]
fn a_directory_of_a_running_broker_is_refused() {
    let broker = Broker::start(&[]);
    let data = broker.directory.data();
    let told = refusal(&Directory::new(&[("log.dirs", data.to_str().expect("a plain path"))]));
    assert!(told.contains(".lock") && told.contains("stop it first"), "{told}");
    assert!(broker.client().still_serves());
}

/// Java's `FileLock` is a record lock of the whole file.
#[test]
fn a_directory_that_a_jvm_has_locked_is_refused() {
    let mut broker = Broker::start(&[]);
    broker.stop();
    let path = broker.directory.data().join(".lock");
    let lock = fs::OpenOptions::new().write(true).open(path).expect("it was locked before");
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody has it");
    let told = refusal(&broker.directory);
    assert!(told.contains(".lock") && told.contains("stop it first"), "{told}");
    drop(lock);
    broker.launch();
}

#[test]
fn directories_of_two_clusters_are_refused() {
    let mut broker = Broker::start(&[("log.dirs", "data,more")]);
    broker.stop();
    let path = broker.directory.path().join("more/meta.properties");
    let text = fs::read_to_string(&path).expect("the file");
    let other = "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ";
    let lines = text.lines().map(|line| if line.starts_with("cluster.id=") { other } else { line });
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).expect("it is written");
    let told = refusal(&broker.directory);
    let wanted = ["more/meta.properties", "AAAAAAAAAAAAAAAAAAAAAQ", "log.dirs"];
    assert!(wanted.iter().all(|part| told.contains(part)), "{told}");
    fs::write(&path, text).expect("it is written");
    broker.launch();
}

#[test]
fn a_port_in_use_is_refused() {
    let directory = Directory::new(&[]);
    let _taken = TcpListener::bind(("127.0.0.1", directory.port)).expect("it was free");
    let told = refusal(&directory);
    assert!(told.contains(&format!("port {}", directory.port)) && told.contains("change listeners"), "{told}");
}
