//! The memory that decoded requests share: who waits long holds none of it, and who wants much leaves room for others.

use std::time::{Duration, Instant};

use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Fetch, batch, error};

/// Half of it is for decoded requests.
const MEMORY: (&str, &str) = ("ottla.request.memory.bytes", "1048576");
const WAIT_MS: i32 = 20_000;

/// A fetch of an empty partition and of others that do not exist, which make the request as large as one wants.
fn long_poll(partitions: i32) -> Fetch {
    Fetch { partitions: (0..partitions).collect(), min_bytes: 1, max_wait_ms: WAIT_MS, ..Fetch::new("t", 0) }
}

/// Asks for a while; how long the slowest answer took.
fn slowest_answer(client: &mut Client) -> Duration {
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < Duration::from_secs(1) {
        let asked = Instant::now();
        assert_eq!(error(client.describe_topic("t").error_code), ErrorCode::None);
        slowest = slowest.max(asked.elapsed());
    }
    slowest
}

fn is_long(time: Duration) -> bool {
    time > Duration::from_millis(WAIT_MS as u64 / 2)
}

#[test]
fn consumers_that_wait_leave_the_memory_to_others() {
    let broker = Broker::start(&[MEMORY]);
    broker.client().create_topic("t", 1, &[]);
    let mut waiting: Vec<Client> = (0..100).map(|_| broker.client()).collect();
    let sent: Vec<i32> = waiting.iter_mut().map(|client| client.send_fetch(&long_poll(200))).collect();
    let slowest = slowest_answer(&mut broker.client());
    assert!(!is_long(slowest), "{slowest:?}");
    broker.client().append("t", 0, batch(&[b"x"]));
    for (mut client, correlation_id) in waiting.into_iter().zip(sent) {
        let answer = client.receive_fetch(correlation_id);
        assert!(answer[0].records.as_ref().is_some_and(|records| !records.is_empty()));
    }
}

#[test]
fn a_fetch_that_needs_more_memory_than_there_is_does_not_wait() {
    let broker = Broker::start(&[MEMORY]);
    broker.client().create_topic("t", 1, &[]);
    let began = Instant::now();
    let mut large: Vec<Client> = (0..3).map(|_| broker.client()).collect();
    let sent: Vec<i32> = large.iter_mut().map(|client| client.send_fetch(&long_poll(20_000))).collect();
    let slowest = slowest_answer(&mut broker.client());
    assert!(!is_long(slowest), "{slowest:?}");
    for (client, correlation_id) in large.iter_mut().zip(sent) {
        let answer = client.receive_fetch(correlation_id);
        assert_eq!(answer.len(), 20_000);
        assert_eq!(error(answer[0].error_code), ErrorCode::None);
        let others = &answer[1..];
        assert!(others.iter().all(|found| error(found.error_code) == ErrorCode::UnknownTopicOrPartition));
    }
    assert!(!is_long(began.elapsed()));
    // Nothing of that memory is lost: a fetch of the usual size waits as long as it asked to.
    let began = Instant::now();
    broker.client().fetch(&Fetch { max_wait_ms: 500, ..long_poll(1) });
    assert!(began.elapsed() >= Duration::from_millis(500));
}
