//! The facade over its runtimes.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::super::calls::{Ended, Init, TwoPhases, TxnAdd};
use super::super::machine::{Settings, Work};
use super::super::records::Record;
use super::super::service::{Transactions, Worker};
use super::super::state::State;
use super::super::txn::Producer;
use crate::coordinator::testing::Memory;
use crate::protocol::StrBytes;
use crate::protocol::messages::ListTransactionsRequest;
use crate::types::{Clock, ErrorCode, ProducerId, TopicPartition};

fn coordinator() -> Transactions {
    let clock = Clock::Manual(Arc::new(AtomicI64::new(1_000_000)));
    let transactions = Transactions::new(Settings::default(), clock, tokio::runtime::Handle::current());
    transactions.set_transaction_version(2);
    transactions
}

fn elect(transactions: &Transactions, journal: &Arc<Memory<Record>>) -> Worker {
    transactions.set_partition_count(1);
    let election = transactions.begin(0);
    let mut machine = transactions.machine();
    journal.0.lock().unwrap().iter().for_each(|record| machine.load(record));
    transactions.elect(election, machine, journal.clone(), None).expect("nobody else was elected")
}

fn init(id: &str) -> Init {
    Init { id: id.into(), timeout_ms: 60_000, two_phases: TwoPhases::default(), expected: None }
}

async fn begin(transactions: &Transactions, id: &str) -> Producer {
    assert_eq!(transactions.init(init(id), None).await, Ok(None), "it takes a producer id");
    let producer = transactions.init(init(id), Some(ProducerId(5))).await.unwrap().unwrap();
    let partitions = vec![TopicPartition::new("t", 0)];
    let added = TxnAdd { id: id.into(), producer, partitions, client_version: 2 };
    assert_eq!(transactions.add(added).await, ErrorCode::None);
    producer
}

#[tokio::test]
async fn requests_are_checked_before_they_reach_a_machine() {
    let transactions = coordinator();
    let refused = |init: Init| {
        let transactions = &transactions;
        async move { transactions.init(init, None).await.unwrap_err() }
    };
    assert_eq!(refused(init("x")).await, ErrorCode::CoordinatorNotAvailable);
    transactions.set_partition_count(1);
    assert_eq!(refused(init("x")).await, ErrorCode::NotCoordinator);
    assert_eq!(refused(init("")).await, ErrorCode::InvalidRequest);
    for timeout_ms in [0, -1, 900_001] {
        assert_eq!(refused(Init { timeout_ms, ..init("x") }).await, ErrorCode::InvalidTransactionTimeout);
    }
    assert_eq!(transactions.describe("").await.error_code, ErrorCode::InvalidRequest.code());
}

#[tokio::test]
async fn two_phase_commits_are_for_those_who_may_and_have_no_timeout() {
    let may = Settings { two_phase_commit_enable: true, ..Settings::default() };
    let clock = || Clock::Manual(Arc::new(AtomicI64::new(1_000_000)));
    let asked =
        |enable, keep_prepared| Init { timeout_ms: -1, two_phases: TwoPhases { enable, keep_prepared }, ..init("x") };
    let told = |settings: Settings, init: Init| async move {
        let transactions = Transactions::new(settings, clock(), tokio::runtime::Handle::current());
        let journal = Arc::new(Memory::default());
        let _worker = elect(&transactions, &journal);
        let told = transactions.init(init, Some(ProducerId(5))).await;
        let told = told.map(|borne| borne.map(|producer| producer.epoch.0));
        (told, transactions.describe("x").await.transaction_timeout_ms)
    };
    for (settings, enable, keep_prepared, error) in [
        (Settings::default(), true, false, ErrorCode::TransactionalIdAuthorizationFailed),
        (Settings::default(), true, true, ErrorCode::TransactionalIdAuthorizationFailed),
        (Settings::default(), false, true, ErrorCode::UnsupportedVersion),
        (Settings::default(), false, false, ErrorCode::InvalidTransactionTimeout),
    ] {
        assert_eq!(told(settings, asked(enable, keep_prepared)).await.0, Err(error), "{enable} {keep_prepared}");
    }
    assert_eq!(told(may, asked(true, false)).await, (Ok(Some(0)), i32::MAX));
}

#[tokio::test]
async fn work_is_given_out_once_it_is_written_and_again_after_a_failover() {
    let (transactions, journal) = (coordinator(), Arc::new(Memory::default()));
    let worker = elect(&transactions, &journal);
    let producer = begin(&transactions, "x").await;
    let waiting = tokio::spawn({
        let worker = worker.clone();
        async move { worker.next(false).await }
    });
    let ended = Ended { id: "x".into(), producer, commit: true, client_version: 2 };
    let next = transactions.end(ended, None).await.unwrap().unwrap();
    assert_eq!(next.epoch.0, producer.epoch.0 + 1);
    let work = waiting.await.unwrap().unwrap().expect("the partition is led");
    let [Work::WriteMarkers { id, transaction }] = &work[..] else { panic!("{work:?}") };
    assert_eq!((&**id, transaction.state, transaction.producer), ("x", State::PrepareCommit, next));
    // Nobody has written the markers when the next leader takes over.
    let successor = elect(&transactions, &journal);
    assert_eq!(worker.next(false).await, Ok(None), "the earlier leadership is over");
    assert_eq!(successor.next(false).await, Ok(Some(work.clone())));
    successor.completed(id, next).await.unwrap();
    assert_eq!(transactions.describe("x").await.transaction_state.as_str(), "CompleteCommit");
}

#[tokio::test]
async fn transactions_are_listed_by_state_producer_age_and_name() {
    let (transactions, journal) = (coordinator(), Arc::new(Memory::default()));
    elect(&transactions, &journal);
    begin(&transactions, "open").await;
    assert!(transactions.init(init("idle"), Some(ProducerId(6))).await.is_ok());
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let all = ListTransactionsRequest::default().with_duration_filter(-1);
    for (request, expected) in [
        (all.clone(), vec!["idle", "open"]),
        (all.clone().with_state_filters(vec![text("Ongoing")]), vec!["open"]),
        (all.clone().with_producer_id_filters(vec![6.into()]), vec!["idle"]),
        (all.clone().with_duration_filter(1_000), vec!["idle"]),
        (all.clone().with_transactional_id_pattern(Some(text("o.*"))), vec!["open"]),
        (all.clone().with_transactional_id_pattern(Some(text("o"))), vec![]),
    ] {
        let response = transactions.list(&request).await;
        let listed: Vec<&str> =
            response.transaction_states.iter().map(|state| state.transactional_id.as_str()).collect();
        assert_eq!(listed, expected, "{request:?}");
    }
    let unknown = all.clone().with_state_filters(vec![text("Dead"), text("Odd")]);
    assert_eq!(transactions.list(&unknown).await.unknown_state_filters, vec![text("Odd")]);
    let broken = all.with_transactional_id_pattern(Some(text("(")));
    assert_eq!(transactions.list(&broken).await.error_code, ErrorCode::InvalidRegularExpression.code());
}
