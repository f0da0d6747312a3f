//! A small language for what share partitions' leaders ask and what they are told.
//!
//! Steps are separated by ` · `. A share partition is one word; batches are written `first-last:count,state`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::key::SharePartitionKey;
use super::super::machine::{Ask, Command, Live, Reply, Settings, ShareMachine, Timer, Write};
use super::super::records::{Change, Record};
use super::super::state::StateBatch;
use crate::coordinator::testing;
use crate::state_machine::{Deadlines, JournalError, Now, Outcome, StateMachine, Ticket};
use crate::types::{LeaderEpoch, Millis, Offset, TopicId};

/// A batch of a state.
pub fn batch(first: i64, last: i64, delivery_count: i16, delivery_state: i8) -> StateBatch {
    StateBatch { first: Offset(first), last: Offset(last), delivery_count, delivery_state }
}

/// The batches that a text names.
pub fn batches(text: &str) -> Vec<StateBatch> {
    let numbers =
        |word: &str| -> Vec<i64> { word.split(['-', ':', ',']).map(|number| number.parse().unwrap()).collect() };
    let one = |word: &str| match numbers(word)[..] {
        [first, last, count, state] => batch(first, last, count as i16, state as i8),
        _ => panic!("{word} is no batch"),
    };
    text.split_whitespace().map(one).collect()
}

/// Batches as they are written.
pub fn text(batches: &[StateBatch]) -> String {
    let one = |batch: &StateBatch| {
        format!("{}-{}:{},{}", batch.first, batch.last, batch.delivery_count, batch.delivery_state)
    };
    batches.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Runs a script in a fresh coordinator that writes a snapshot after two updates, and compares everything that was
/// answered.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    let mut bench = Bench::new();
    testing::steps(script).for_each(|step| bench.step(step));
    testing::compare(script, &bench.told, expected);
}

struct Bench {
    machine: ShareMachine,
    live: Live,
    told: Vec<String>,
    log: Vec<Record>,
    settings: Arc<Settings>,
    deadlines: Deadlines<Timer>,
    now: i64,
    failing: bool,
    tickets: u64,
    written: usize,
}

impl Bench {
    fn new() -> Bench {
        let settings = Arc::new(Settings { updates_per_snapshot: 2, ..Settings::default() });
        settings.share_groups_enabled.store(true, Ordering::Release);
        let mut bench = Bench {
            machine: ShareMachine::new(settings.clone()),
            live: Live::default(),
            told: Vec::new(),
            log: Vec::new(),
            settings,
            deadlines: Deadlines::default(),
            now: 1_000_000,
            failing: false,
            tickets: 0,
            written: 0,
        };
        bench.start();
        bench
    }

    fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split_whitespace().collect();
        let (verb, name) = (words[0], words.get(1).copied().unwrap_or_default());
        let rest = words.get(2..).unwrap_or_default();
        let number = |key: &str, other: i64| {
            rest.iter().find_map(|word| word.strip_prefix(key)).map_or(other, |text| text.parse().unwrap())
        };
        let leader_epoch = LeaderEpoch(number("leader=", -1) as i32);
        let (state_epoch, start_offset) = (number("state=", 0) as i32, Offset(number("start=", -1)));
        let ask = match verb {
            "init" => Ask::Initialize { state_epoch, start_offset },
            "read" => Ask::Read { leader_epoch },
            "write" => Ask::Write(Write {
                state_epoch,
                leader_epoch,
                start_offset,
                delivery_complete_count: number("done=", 0) as i32,
                batches: batches(&rest.iter().filter(|word| word.contains(':')).copied().collect::<Vec<_>>().join(" ")),
            }),
            "delete" => Ask::Delete,
            "summary" => Ask::Summary,
            "gone" => return self.submit(Command::TopicsDeleted([topic(name)].into())),
            "wait" => return self.wait(name.parse().unwrap()),
            "fail" => return self.failing = true,
            "off" => return self.settings.share_groups_enabled.store(false, Ordering::Release),
            "written" => return self.tell_written(),
            "reload" => return self.reload(),
            _ => panic!("unknown step {step}"),
        };
        let key = SharePartitionKey::new("g", topic(name), number("partition=", 0) as i32);
        self.submit(Command::Of { key, exists: !rest.contains(&"absent"), ask });
    }

    fn submit(&mut self, command: Command) {
        self.tickets += 1;
        let now = self.now();
        let outcome = self.machine.decide(&mut self.live, Ticket(self.tickets), command, now);
        self.act(outcome);
    }

    fn wait(&mut self, millis: i64) {
        let end = self.now + millis;
        while let Some(due) = self.deadlines.next().filter(|due| due.0 <= end) {
            self.now = self.now.max(due.0);
            let timer = self.deadlines.pop_due(due).unwrap();
            let now = self.now();
            let outcome = self.machine.expire(&mut self.live, timer, now);
            self.act(outcome);
        }
        self.now = end;
    }

    fn act(&mut self, outcome: Outcome<ShareMachine>) {
        let failed = std::mem::take(&mut self.failing) && !outcome.records.is_empty();
        if failed {
            let now = self.now();
            let why = JournalError::NotEnoughReplicas;
            let instead = self.machine.abandon(&mut self.live, &outcome, &why, now);
            instead.timers.into_iter().for_each(|change| self.deadlines.apply(change));
            return self.told.push("not written".to_owned());
        }
        for record in &outcome.records {
            self.machine.replay(&mut self.live, record);
        }
        self.log.extend(outcome.records);
        outcome.timers.into_iter().for_each(|change| self.deadlines.apply(change));
        for (_, reply) in outcome.replies {
            self.told.push(match reply {
                Reply::Done(Ok(())) => "ok".to_owned(),
                Reply::Read(Ok(read)) => {
                    format!("state={} start={} [{}]", read.state_epoch, read.start_offset, text(&read.batches))
                }
                Reply::Summary(Ok(summary)) => format!(
                    "state={} leader={} start={} done={}",
                    summary.state_epoch, summary.leader_epoch, summary.start_offset, summary.delivery_complete_count
                ),
                Reply::TopicsDeleted { more } => format!("more={more}"),
                Reply::Done(Err(refusal)) | Reply::Read(Err(refusal)) | Reply::Summary(Err(refusal)) => {
                    refusal.code.name().to_owned()
                }
            });
        }
    }

    /// What was written since the last time.
    fn tell_written(&mut self) {
        let names: BTreeMap<TopicId, char> = ('a'..='z').map(|name| (topic(&name.to_string()), name)).collect();
        let told = self.log[self.written..].iter().map(|record| {
            let name = names[&record.key.topic_id];
            match &record.change {
                Change::Snapshot(state) => {
                    format!("{name} snapshot {} [{}]", state.snapshot_epoch, text(&state.batches))
                }
                Change::Update(update) => {
                    format!("{name} update {} [{}]", update.snapshot_epoch, text(&update.batches))
                }
                Change::Forgotten => format!("{name} forgotten"),
            }
        });
        self.told.push(told.collect::<Vec<_>>().join(" + "));
        self.written = self.log.len();
    }

    /// Another broker reads the log.
    fn reload(&mut self) {
        self.machine = ShareMachine::new(self.settings.clone());
        for record in &self.log {
            let (key, value) = record.encode().unwrap();
            let read = Record::decode(&key, value.as_deref()).unwrap().unwrap();
            assert_eq!(&read, record);
            self.machine.load(&read);
        }
        self.start();
    }

    fn start(&mut self) {
        self.live = Live::default();
        self.deadlines = Deadlines::default();
        let now = self.now();
        let outcome = self.machine.start(&mut self.live, now);
        self.act(outcome);
    }

    fn now(&self) -> Now {
        Now { monotonic: Millis(self.now), wall: Millis(self.now) }
    }
}

fn topic(name: &str) -> TopicId {
    TopicId::from_halves(7, name.bytes().next().unwrap_or_default().into())
}
