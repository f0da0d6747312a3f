//! A small language for what producers do and what they are told.
//!
//! Steps are separated by ` · `. A transactional id is one word, and its producer is written `id:epoch`. A producer speaks
//! as what it was told last that it is, or as what `as=` says. The bench is the one who does the coordinator's work: what it is
//! given is told as `work`, and `done` says that all markers stand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::machine::{Command, Live, Reply, Settings, Timer, TransactionMachine, Work};
use super::super::records::Record;
use super::super::state::State;
use super::super::txn::{Producer, Transaction};
use crate::coordinator::testing;
use crate::state_machine::{Deadlines, JournalError, Now, Outcome, StateMachine, Ticket};
use crate::types::{Millis, ProducerEpoch, ProducerId, TopicPartition};

/// The producer id that is given out first.
const FIRST_ID: i64 = 10;

/// Runs a script in a fresh coordinator at `transaction.version` 2 and compares everything that was answered.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    check_with(Settings::default(), script, expected);
}

/// As [`check`], with other settings.
#[track_caller]
pub fn check_with(settings: Settings, script: &str, expected: &str) {
    let mut bench = Bench::new(settings);
    testing::steps(script).for_each(|step| bench.step(step));
    testing::compare(script, &bench.told, expected);
}

/// One machine with everything that a runtime would do for it.
pub struct Bench {
    pub machine: TransactionMachine,
    pub live: Live,
    pub told: Vec<String>,
    pub log: Vec<Record>,
    settings: Arc<Settings>,
    deadlines: Deadlines<Timer>,
    now: i64,
    failing: Option<JournalError>,
    producers: BTreeMap<String, Producer>,
    work: BTreeMap<String, Producer>,
    fresh: i64,
    tickets: u64,
    replies: BTreeMap<Ticket, Result<Reply, JournalError>>,
}

impl Bench {
    pub fn new(settings: Settings) -> Bench {
        let settings = Arc::new(settings);
        settings.transaction_version.store(2, Ordering::Release);
        let mut bench = Bench {
            machine: TransactionMachine::new(settings.clone()),
            live: Live::default(),
            told: Vec::new(),
            log: Vec::new(),
            settings,
            deadlines: Deadlines::default(),
            now: 1_000_000,
            failing: None,
            producers: BTreeMap::new(),
            work: BTreeMap::new(),
            fresh: FIRST_ID,
            tickets: 0,
            replies: BTreeMap::new(),
        };
        bench.start();
        bench
    }

    pub fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split_whitespace().collect();
        let (verb, id) = (words[0], words.get(1).copied().unwrap_or_default());
        let rest = words.get(2..).unwrap_or_default();
        let option = |key: &str| rest.iter().find_map(|word| word.strip_prefix(key));
        let client_version = if rest.contains(&"v0") { 0 } else { 2 };
        let producer = option("as=").map_or_else(|| self.producers.get(id).copied(), |text| Some(parse(text)));
        let producer = producer.unwrap_or(Producer::NONE);
        let partitions = || rest.iter().filter_map(|word| partition(word)).collect::<Vec<_>>();
        match verb {
            "init" => {
                let timeout_ms = option("timeout=").map_or(60_000, |text| text.parse().expect("milliseconds"));
                let expected = option("expect=").map(parse);
                let init = |fresh| Command::Init { id: id.into(), timeout_ms, expected, fresh };
                self.ask(id, init);
            }
            "add" => {
                let partitions = partitions();
                self.ask(id, |_| Command::Add {
                    id: id.into(),
                    producer,
                    partitions: partitions.clone(),
                    client_version,
                });
            }
            "verify" => {
                let partitions = partitions();
                self.ask(id, |_| Command::Verify { id: id.into(), producer, partitions: partitions.clone() });
            }
            "commit" | "abort" => {
                let commit = verb == "commit";
                self.ask(id, |fresh| Command::End { id: id.into(), producer, commit, client_version, fresh });
            }
            "done" => {
                let producer = self.work.remove(id).expect("there was work");
                self.submit(Command::Completed { id: id.into(), producer }).expect("it is appended");
            }
            "epoch" => self.set_epoch(id, rest[0].parse().expect("an epoch")),
            "state" => {
                let state = self.machine.transactions.get(id).map_or("unknown".to_owned(), text);
                self.told.push(format!("{id} {state}"));
            }
            "wait" => self.wait(id.parse().expect("milliseconds")),
            "level" => self.settings.transaction_version.store(id.parse().expect("a level"), Ordering::Release),
            "fail" => self.failing = Some(JournalError::NotEnoughReplicas),
            "reload" => self.reload(),
            other => panic!("unknown verb {other}"),
        }
        self.work_on();
    }

    /// Asks once more with a fresh producer id where that is needed.
    fn ask(&mut self, id: &str, command: impl Fn(Option<ProducerId>) -> Command) {
        let mut reply = self.submit(command(None));
        if reply == Ok(Reply::NeedsProducerId) {
            reply = self.submit(command(Some(ProducerId(self.fresh))));
            self.fresh += 1;
        }
        let told = match reply {
            Err(why) => why.to_string(),
            Ok(Reply::Init(Ok(producer)) | Reply::End(Ok(producer))) if producer != Producer::NONE => {
                self.producers.insert(id.to_owned(), producer);
                format!("is {}", name(producer))
            }
            Ok(Reply::Init(Ok(_)) | Reply::End(Ok(_))) => "NONE".to_owned(),
            Ok(Reply::Init(Err(error)) | Reply::End(Err(error)) | Reply::Add(error) | Reply::Verify(Err(error))) => {
                error.name().to_owned()
            }
            Ok(Reply::Verify(Ok(verified))) => {
                let each = verified.iter().map(|(partition, error)| format!("{partition}={}", error.name()));
                each.collect::<Vec<_>>().join(" ")
            }
            Ok(other) => panic!("unexpected {other:?}"),
        };
        self.told.push(format!("{id} {told}"));
    }

    fn submit(&mut self, command: Command) -> Result<Reply, JournalError> {
        let ticket = self.submit_parked(command);
        self.replies.remove(&ticket).expect("it is answered at once")
    }

    fn submit_parked(&mut self, command: Command) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        let now = self.now();
        let outcome = self.machine.decide(&mut self.live, ticket, command, now);
        self.carry_out(outcome);
        ticket
    }

    /// Takes all work there is, as long as there is any.
    fn work_on(&mut self) {
        self.wait(0);
        self.submit_parked(Command::NextWork { anew: false });
        // What is left is the work; also of those who waited for it before.
        let replies = std::mem::take(&mut self.replies).into_values();
        let work: Vec<Work> = replies
            .flat_map(|reply| match reply {
                Ok(Reply::Work(work)) => work,
                other => panic!("nobody waits for {other:?}"),
            })
            .collect();
        if work.is_empty() {
            return;
        }
        for work in work {
            match work {
                Work::WriteMarkers { id, transaction } => {
                    self.told.push(format!("work {id} {}", text(&transaction)));
                    self.work.insert(id.to_string(), transaction.producer);
                }
                Work::FindProducerId { id, producer } => {
                    let fresh = ProducerId(self.fresh);
                    self.fresh += 1;
                    self.told.push(format!("work {id} needs an id"));
                    self.submit(Command::TimeOut { id, producer, fresh }).expect("it is appended");
                }
            }
        }
        self.work_on();
    }

    fn now(&self) -> Now {
        Now { monotonic: Millis(self.now), wall: Millis(self.now) }
    }

    fn start(&mut self) {
        let now = self.now();
        let outcome = self.machine.start(&mut self.live, now);
        self.carry_out(outcome);
    }

    fn wait(&mut self, millis: i64) {
        let end = self.now + millis;
        while let Some(at) = self.deadlines.next().filter(|at| at.0 <= end) {
            self.now = self.now.max(at.0);
            let timer = self.deadlines.pop_due(at).expect("it is due");
            let now = self.now();
            let outcome = self.machine.expire(&mut self.live, timer, now);
            self.carry_out(outcome);
        }
        self.now = end;
    }

    /// Forgets everything that is not in the log, as after a failover.
    fn reload(&mut self) {
        self.machine = TransactionMachine::new(self.settings.clone());
        self.live = Live::default();
        self.deadlines = Deadlines::default();
        self.work.clear();
        for record in self.log.clone() {
            let (key, value) = record.encode(2).expect("it was valid when it was written");
            let read = Record::decode(&key, value.as_deref()).expect("what was written can be read");
            self.machine.load(&read.expect("of a version that is known"));
        }
        self.start();
    }

    /// Lets an id be borne in an epoch that it would take long to reach.
    fn set_epoch(&mut self, id: &str, epoch: i16) {
        let known = &self.machine.transactions[id];
        let transaction =
            Transaction { producer: Producer { epoch: ProducerEpoch(epoch), ..known.producer }, ..known.clone() };
        self.producers.insert(id.to_owned(), transaction.producer);
        let record = Record { id: id.into(), transaction: Some(transaction) };
        self.machine.load(&record);
        self.log.push(record);
    }

    fn carry_out(&mut self, outcome: Outcome<TransactionMachine>) {
        let mut outcome = outcome;
        if !outcome.records.is_empty()
            && let Some(why) = self.failing.take()
        {
            let now = self.now();
            let instead = self.machine.abandon(&mut self.live, &outcome, &why, now);
            assert!(instead.records.is_empty(), "what cannot be appended is not followed by more records");
            for (ticket, _) in outcome.replies {
                self.replies.insert(ticket, Err(why.clone()));
            }
            outcome = instead;
        }
        for record in &outcome.records {
            self.log.push(record.clone());
            self.machine.replay(&mut self.live, record);
        }
        outcome.timers.into_iter().for_each(|change| self.deadlines.apply(change));
        for (ticket, reply) in outcome.replies {
            let before = self.replies.insert(ticket, Ok(reply));
            assert!(before.is_none(), "a ticket is answered once");
        }
    }
}

/// `t-0` as a partition; options are none.
fn partition(word: &str) -> Option<TopicPartition> {
    let (topic, index) = word.split_once('-').filter(|_| !word.contains('='))?;
    Some(TopicPartition::new(topic, index.parse().expect("a partition")))
}

fn parse(text: &str) -> Producer {
    let (id, epoch) = text.split_once(':').expect("id:epoch");
    let (id, epoch) = (id.parse().expect("an id"), epoch.parse().expect("an epoch"));
    Producer { id: ProducerId(id), epoch: ProducerEpoch(epoch) }
}

fn name(producer: Producer) -> String {
    format!("{}:{}", producer.id.0, producer.epoch.0)
}

fn text(transaction: &Transaction) -> String {
    let partitions: Vec<String> = transaction.partitions.iter().map(TopicPartition::to_string).collect();
    let partitions = match transaction.state {
        State::Empty => String::new(),
        _ => format!(" [{}]", partitions.join(" ")),
    };
    format!("{} {}{partitions}", transaction.state.name(), name(transaction.producer))
}
