//! What the tests are written with: a broker as a process, a client on a socket, and records.

mod calls;
mod client;
mod process;
mod records;
mod transactions;

use std::thread::sleep;
use std::time::{Duration, Instant};

pub use calls::{Fetch, topic_name};
pub use client::Client;
pub use process::{Broker, Directory, refused};
pub use records::{
    KeyedRecord, Record, batch, batch_at, batch_of, keyed_batch, keyed_batch_in, keyed_records_in, now_ms,
    producer_batch, producer_batch_in, records_in, value_of_len,
};
pub use transactions::TxnProducer;

use ottla::types::ErrorCode;

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again until `condition` holds; fails with `what` when it never does.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < DEADLINE, "it never came true that {what}");
        sleep(Duration::from_millis(5));
    }
}

/// The name of an error code on the wire.
pub fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or_else(|| panic!("{code} is no error code of Kafka"))
}
