//! The runtime's promises, shown on a machine that sums numbers over a journal whose commits are turned by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::*;
use crate::types::{Clock, Millis, Offset};

#[derive(Default)]
struct Sum {
    total: i64,
}

enum Command {
    Add(i64),
    Read,
    /// Answered by the timer after this many milliseconds, with the sum of then.
    Later(i64),
}

impl StateMachine for Sum {
    type Command = Command;
    type Reply = i64;
    type Record = i64;
    type Timer = Ticket;
    type Live = Vec<i64>;

    fn decide(&self, _: &mut Vec<i64>, ticket: Ticket, command: Command, now: Now) -> Outcome<Sum> {
        let mut outcome = Outcome::default();
        match command {
            Command::Add(number) => {
                outcome.records.push(number);
                outcome.answer(ticket, self.total + number);
            }
            Command::Read => outcome.answer(ticket, self.total),
            Command::Later(delay) => outcome.set(ticket, now.monotonic + Millis(delay)),
        }
        outcome
    }

    fn expire(&self, _: &mut Vec<i64>, timer: Ticket, _: Now) -> Outcome<Sum> {
        Outcome::reply(timer, self.total)
    }

    fn replay(&mut self, _: &mut Vec<i64>, record: &i64) {
        self.total += record;
    }

    fn abandon(&self, _: &mut Vec<i64>, failed: &Outcome<Sum>, why: &JournalError, _: Now) -> Outcome<Sum> {
        match why {
            JournalError::TooLarge { .. } => Outcome::reply(failed.replies[0].0, -1),
            JournalError::NotLeader
            | JournalError::NotEnoughReplicas
            | JournalError::Unavailable
            | JournalError::Refused(_)
            | JournalError::Storage(_) => Outcome::default(),
        }
    }
}

struct HandJournal {
    records: Mutex<Vec<i64>>,
    full: Mutex<Option<JournalError>>,
    committed: watch::Sender<Result<Offset, JournalError>>,
}

impl HandJournal {
    fn settle_at(&self, outcome: Result<Offset, JournalError>) {
        self.committed.send_modify(|now| *now = outcome);
    }
}

impl Journal for HandJournal {
    type Record = i64;

    fn append(&self, records: &[i64]) -> Result<Offset, JournalError> {
        if records.iter().any(|number| *number > 1000) {
            return Err(JournalError::TooLarge { size: 2000, max: 1000 });
        }
        if let Some(error) = self.full.lock().unwrap().clone() {
            return Err(error);
        }
        let mut kept = self.records.lock().unwrap();
        kept.extend(records);
        Ok(Offset(kept.len() as i64 - 1))
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        let mut receiver = self.committed.subscribe();
        let reached = |now: &Result<Offset, JournalError>| now.as_ref().is_ok_and(|at| *at >= offset) || now.is_err();
        receiver.wait_for(reached).await.expect("the sender lives as long as the journal").clone()
    }
}

struct Bench {
    journal: Arc<HandJournal>,
    time: Arc<AtomicI64>,
    handle: Handle<Sum>,
    task: tokio::task::JoinHandle<()>,
}

fn bench(reload: bool) -> Bench {
    let journal = Arc::new(HandJournal {
        records: Mutex::default(),
        full: Mutex::default(),
        committed: watch::Sender::new(Ok(Offset::NONE)),
    });
    let time = Arc::new(AtomicI64::new(0));
    let from = journal.clone();
    let reload: Option<Reload<Sum>> = reload.then(|| -> Reload<Sum> {
        Box::new(move || {
            let total = from.records.lock().unwrap().iter().sum();
            from.settle_at(Ok(Offset(1_000)));
            Box::pin(async move { Ok(Sum { total }) })
        })
    });
    let options = Options { queue: 16, commit_timeout: Millis(100), reload };
    let (runtime, handle) = Runtime::new(Sum::default(), journal.clone(), Clock::Manual(time.clone()), options);
    Bench { journal, time, handle, task: tokio::spawn(runtime.run()) }
}

impl Bench {
    fn submit(&self, command: Command) -> tokio::task::JoinHandle<Result<i64, SubmitError>> {
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.submit(command).await })
    }

    /// Lets every task run until all of them wait.
    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    async fn turn(&self, to: i64) {
        self.time.store(to, Ordering::SeqCst);
        self.handle.wake().await;
        self.settle().await;
    }
}

#[tokio::test]
async fn replies_wait_for_everything_they_could_have_seen() {
    let bench = bench(false);
    assert_eq!(bench.submit(Command::Read).await.unwrap(), Ok(0), "nothing appended: nothing to wait for");
    let add = bench.submit(Command::Add(7));
    bench.settle().await;
    let read = bench.submit(Command::Read);
    bench.settle().await;
    assert!(!add.is_finished());
    assert!(!read.is_finished(), "it has seen the 7, which is not committed yet");
    bench.journal.settle_at(Ok(Offset(0)));
    assert_eq!(add.await.unwrap(), Ok(7));
    assert_eq!(read.await.unwrap(), Ok(7));
}

#[tokio::test]
async fn a_commit_that_takes_too_long_fails_the_reply_and_keeps_the_state() {
    let bench = bench(false);
    let add = bench.submit(Command::Add(7));
    bench.settle().await;
    bench.turn(99).await;
    assert!(!add.is_finished());
    bench.turn(100).await;
    assert_eq!(add.await.unwrap(), Err(SubmitError::CommitTimedOut));
    bench.journal.settle_at(Ok(Offset(0)));
    assert_eq!(bench.submit(Command::Read).await.unwrap(), Ok(7));
}

#[tokio::test]
async fn a_failed_append_costs_that_request_only() {
    let bench = bench(false);
    assert_eq!(bench.submit(Command::Add(2000)).await.unwrap(), Ok(-1), "the machine answers in its own words");
    *bench.journal.full.lock().unwrap() = Some(JournalError::NotEnoughReplicas);
    let refused = bench.submit(Command::Add(1)).await.unwrap();
    assert_eq!(refused, Err(SubmitError::Append(JournalError::NotEnoughReplicas)));
    assert_eq!(bench.submit(Command::Read).await.unwrap(), Ok(0));
}

#[tokio::test]
async fn lost_records_are_forgotten_by_reloading() {
    let bench = bench(true);
    let add = bench.submit(Command::Add(5));
    let parked = bench.submit(Command::Later(10_000));
    bench.settle().await;
    bench.journal.records.lock().unwrap().clear();
    bench.journal.settle_at(Err(JournalError::NotLeader));
    assert_eq!(add.await.unwrap(), Err(SubmitError::Lost(JournalError::NotLeader)));
    assert_eq!(parked.await.unwrap(), Err(SubmitError::Lost(JournalError::NotLeader)));
    assert_eq!(bench.submit(Command::Read).await.unwrap(), Ok(0));
}

#[tokio::test]
async fn without_a_way_to_reload_a_lost_journal_ends_the_runtime() {
    let bench = bench(false);
    let add = bench.submit(Command::Add(5));
    bench.settle().await;
    bench.journal.settle_at(Err(JournalError::NotLeader));
    assert_eq!(add.await.unwrap(), Err(SubmitError::Lost(JournalError::NotLeader)));
    assert_eq!(bench.submit(Command::Read).await.unwrap(), Err(SubmitError::Stopped));
    bench.task.await.unwrap();
}

#[tokio::test]
async fn timers_fire_in_time_and_after_the_commands_queued_before() {
    let bench = bench(false);
    let parked = bench.submit(Command::Later(50));
    bench.settle().await;
    bench.turn(49).await;
    assert!(!parked.is_finished());
    bench.journal.settle_at(Ok(Offset(100)));
    bench.time.store(50, Ordering::SeqCst);
    let add = bench.submit(Command::Add(3));
    bench.turn(50).await;
    assert_eq!(add.await.unwrap(), Ok(3));
    assert_eq!(parked.await.unwrap(), Ok(3), "the add was queued when the timer came due");
}

#[tokio::test]
async fn draining_finishes_what_is_queued_and_fails_what_is_parked() {
    let bench = bench(false);
    let parked = bench.submit(Command::Later(50));
    let add = bench.submit(Command::Add(3));
    bench.settle().await;
    let stopping = tokio::spawn({
        let handle = bench.handle.clone();
        async move { handle.stop(Stop::Drain).await }
    });
    bench.settle().await;
    assert!(!add.is_finished());
    bench.journal.settle_at(Ok(Offset(0)));
    assert_eq!(add.await.unwrap(), Ok(3));
    assert_eq!(parked.await.unwrap(), Err(SubmitError::Stopped));
    stopping.await.unwrap();
    bench.task.await.unwrap();
    assert_eq!(bench.handle.submit(Command::Read).await, Err(SubmitError::Stopped));
}

#[tokio::test]
async fn losing_the_leadership_fails_everything_at_once() {
    let bench = bench(false);
    let parked = bench.submit(Command::Later(50));
    let add = bench.submit(Command::Add(3));
    bench.settle().await;
    bench.handle.stop(Stop::Now).await;
    assert_eq!(add.await.unwrap(), Err(SubmitError::Stopped));
    assert_eq!(parked.await.unwrap(), Err(SubmitError::Stopped));
}

#[tokio::test]
async fn a_submitter_that_goes_away_changes_nothing() {
    let bench = bench(false);
    bench.journal.settle_at(Ok(Offset(100)));
    let add = bench.submit(Command::Add(3));
    tokio::task::yield_now().await;
    add.abort();
    bench.settle().await;
    let total = bench.submit(Command::Read).await.unwrap().unwrap();
    assert_eq!(total, bench.journal.records.lock().unwrap().iter().sum::<i64>());
}

#[test]
fn deadlines_move_cancel_and_come_due_in_order() {
    let mut deadlines = Deadlines::default();
    deadlines.apply(TimerChange::Set("a", Millis(10)));
    deadlines.apply(TimerChange::Set("b", Millis(5)));
    deadlines.apply(TimerChange::Set("a", Millis(3)));
    deadlines.apply(TimerChange::Set("c", Millis(4)));
    deadlines.apply(TimerChange::Cancel("c"));
    assert_eq!(deadlines.next(), Some(Millis(3)));
    assert_eq!(deadlines.when(&"b"), Some(Millis(5)));
    assert_eq!(deadlines.pop_due(Millis(2)), None);
    assert_eq!(deadlines.pop_due(Millis(5)), Some("a"));
    assert_eq!(deadlines.pop_due(Millis(5)), Some("b"));
    assert_eq!(deadlines.pop_due(Millis(50)), None);
}
