//! What becomes of transactions: by the coordinator's log, by the markers in partitions, and by what producers were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::oracle::Broken;
use super::shard::ID_EXPIRATION_MS;
use super::world::World;
use crate::coordinator::transaction::{Producer, Record, State, Transaction};
use crate::types::{Millis, ProducerEpoch, ProducerId};

/// The last epoch that a producer is given.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// All transactions of a run.
#[derive(Default)]
pub struct Transactions {
    ids: BTreeMap<Arc<str>, Transaction>,
    /// The newest that ever bore an id, also after it was forgotten.
    highest: BTreeMap<Arc<str>, Producer>,
    /// Who was given which epoch, by instance.
    handed_out: BTreeMap<(&'static str, Producer), i64>,
    newest: BTreeMap<&'static str, Producer>,
    /// How prepared transactions will end, by the producer and epoch of their markers.
    outcomes: BTreeMap<(ProducerId, ProducerEpoch), bool>,
    /// By the number of the transaction.
    asked: BTreeMap<i64, Asked>,
}

/// A transaction as its producer knows it.
struct Asked {
    id: &'static str,
    asked_commit: bool,
    told: Option<bool>,
    outcome: Option<bool>,
    acked: Vec<i64>,
    /// Values that some partition has decided.
    decided: BTreeMap<i64, bool>,
}

impl Transactions {
    /// A producer begins.
    pub fn begin(&mut self, uid: i64, id: &'static str) {
        let (acked, decided) = (Vec::new(), BTreeMap::new());
        self.asked.insert(uid, Asked { id, asked_commit: false, told: None, outcome: None, acked, decided });
    }

    /// Its records, or an offset, were acknowledged.
    pub fn wrote(&mut self, uid: i64, values: &[i64]) {
        self.asked.entry(uid).and_modify(|asked| asked.acked.extend(values));
    }

    /// It asks for the commit, from now on and never for anything else.
    pub fn ask_commit(&mut self, uid: i64) {
        self.asked.entry(uid).and_modify(|asked| asked.asked_commit = true);
    }

    /// It is told that its transaction is ended.
    pub fn told(&mut self, uid: i64, commit: bool) -> Result<(), Broken> {
        let Some(asked) = self.asked.get_mut(&uid) else { return Ok(()) };
        asked.told = Some(commit);
        match asked.outcome {
            Some(outcome) if outcome != commit => Err((
                "what was told",
                format!("transaction {uid} of {}: told commit={commit}, it was {outcome}", asked.id),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The newest producer of the id that an InitProducerId has told of.
    pub fn newest(&self, id: &'static str) -> Option<Producer> {
        self.newest.get(id).copied()
    }

    /// An instance is told who it is, by InitProducerId or at the end of a transaction.
    pub fn hand_out(&mut self, id: &'static str, producer: Producer, instance: i64, init: bool) -> Result<(), String> {
        let before = self.handed_out.insert((id, producer), instance);
        if init {
            let newest = self.newest.entry(id).or_insert(producer);
            *newest = (*newest).max(producer);
        }
        match before.filter(|before| *before != instance) {
            Some(before) => Err(format!("{id}: {producer:?} is handed out to {before} and to {instance}")),
            None => Ok(()),
        }
    }

    /// A record of the coordinator's log.
    pub fn moved(&mut self, world: &World, record: &Record, at: Millis) -> Vec<Broken> {
        let mut broken = Vec::new();
        let before = self.ids.get(&record.id);
        let from = before.map_or("unknown", |before| before.state.name());
        let Some(now) = &record.transaction else {
            let idle = Millis(i64::from(ID_EXPIRATION_MS));
            let lawful = before.is_some_and(|before| {
                matches!(before.state, State::Empty | State::CompleteCommit | State::CompleteAbort)
                    && at - before.updated >= idle
            });
            if !lawful {
                broken.push(("lawful moves", format!("{} is forgotten as {before:?}", record.id)));
            }
            world.reach(format!("{from} -> forgotten"));
            self.ids.remove(&record.id);
            return broken;
        };
        world.reach(format!("{from} -> {}", now.state.name()));
        world.note(format!(
            "{} {from} -> {} {:?} {:?}",
            record.id,
            now.state.name(),
            now.producer,
            now.partitions.len()
        ));
        if let Some(before) = before
            && !before.state.may_become(now.state)
        {
            broken.push(("lawful moves", format!("{}: {before:?} becomes {now:?}", record.id)));
        }
        let highest = *self.highest.entry(record.id.clone()).or_insert(now.producer);
        if now.producer < highest {
            broken.push(("epochs rise", format!("{}: {highest:?} is followed by {:?}", record.id, now.producer)));
        }
        if now.producer.epoch.0 >= LAST_EPOCH {
            world.reach("epochs used up");
        }
        self.highest.insert(record.id.clone(), now.producer.max(highest));
        if now.state.is_prepared() && now.client_version < 2 {
            // Its markers bear an epoch that others bore, or will.
            self.outcomes.remove(&(now.producer.id, now.producer.epoch));
        } else if now.state.is_prepared() {
            let (commit, marker) = (now.state == State::PrepareCommit, (now.producer.id, now.producer.epoch));
            if self.outcomes.insert(marker, commit).is_some_and(|before| before != commit) {
                broken.push(("one outcome", format!("{}: {marker:?} is prepared twice", record.id)));
            }
        }
        self.ids.insert(record.id.clone(), now.clone());
        broken
    }

    /// A marker in a partition.
    pub fn marked(&self, marker: (ProducerId, ProducerEpoch), commit: bool) -> Option<Broken> {
        let outcome = self.outcomes.get(&marker).filter(|outcome| **outcome != commit)?;
        Some(("one outcome", format!("the marker of {marker:?} says commit={commit}, prepared was {outcome}")))
    }

    /// A partition has decided about a value.
    pub fn ended(&mut self, value: i64, commit: bool) -> Option<Broken> {
        let uid = value / 100;
        let asked = self.asked.get_mut(&uid)?;
        asked.decided.insert(value, commit);
        let outcome = *asked.outcome.get_or_insert(commit);
        let id = asked.id;
        if outcome != commit {
            return Some((
                "one outcome",
                format!("{value} of {id} ends with commit={commit}, others of {uid} otherwise"),
            ));
        }
        if commit && !asked.asked_commit {
            return Some(("only what was asked", format!("{value} of {id} is committed, which nobody asked for")));
        }
        match asked.told.filter(|told| *told != commit) {
            Some(told) => {
                Some(("what was told", format!("transaction {uid} of {id}: told commit={told}, {value} is {commit}")))
            }
            None => None,
        }
    }

    /// A reader of committed records has passed a value, and was shown it or not.
    pub fn read(&self, value: i64, shown: bool) -> Option<Broken> {
        let asked = self.asked.get(&(value / 100))?;
        match asked.decided.get(&value) {
            Some(decided) if *decided == shown => None,
            decided => {
                Some(("decided reads", format!("{value} of {} is read: {shown}; decided: {decided:?}", asked.id)))
            }
        }
    }

    /// Every open transaction of a partition stands at its coordinator.
    pub fn open_is_known(&self, world: &World) -> Vec<Broken> {
        let mut broken = Vec::new();
        for log in world.logs() {
            for entry in log.producers().iter().filter(|entry| entry.current_txn_first_offset.is_some()) {
                let known = self.ids.values().any(|known| {
                    let open = known.state == State::Ongoing || known.state.is_prepared();
                    open && known.producer.id == entry.producer_id && known.partitions.contains(&log.partition)
                });
                if !known {
                    broken.push(("open is known", format!("{}: {entry:?} is open, {:?}", log.partition, self.ids)));
                }
            }
        }
        broken
    }

    pub fn at_rest(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (id, known) in &self.ids {
            if known.state == State::Ongoing || known.state.is_prepared() {
                broken.push(("everything ends", format!("{id} stays {known:?}")));
            }
        }
        for (uid, asked) in self.asked.iter().filter(|(_, asked)| asked.told == Some(true)) {
            let lost: Vec<_> = asked.acked.iter().filter(|value| asked.decided.get(value) != Some(&true)).collect();
            if !lost.is_empty() {
                broken
                    .push(("what was told", format!("transaction {uid} of {}: committed without {lost:?}", asked.id)));
            }
        }
        broken
    }
}
