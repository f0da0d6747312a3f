//! Transactional producers as clients are: of `transaction.version` 2 or of before, patient with what passes, and fenced
//! for good; now and then one falls asleep and comes back as a zombie.

use std::collections::BTreeMap;

use super::handlers::{self, Bearer};
use super::network::{call, call_in_order};
use super::others;
use super::shard::ID_EXPIRATION_MS;
use super::world::{Sim, TOPICS};
use crate::coordinator::transaction::Producer;
use crate::types::{ErrorCode, Millis, OFFSETS_TOPIC, TopicPartition};

/// How often a request is repeated before the client gives up.
const TRIES: usize = 25;
/// How long a transaction may take.
const TIMEOUT_MS: i32 = 4_000;

/// One instance of an application with a transactional id.
pub struct Instance {
    sim: Sim,
    id: &'static str,
    number: i64,
    newest: bool,
    producer: Producer,
    sequences: BTreeMap<TopicPartition, i32>,
}

/// What becomes of an instance after a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    GoesOn,
    /// It begins anew with InitProducerId.
    Renews,
    /// It was fenced, or knows no way on.
    Ends,
}

/// Runs instances of one transactional id, one after the other and sometimes beside each other.
pub async fn application(sim: Sim, id: &'static str, newest: bool) {
    while !sim.closing.get() {
        let instance = Instance {
            sim: sim.clone(),
            id,
            number: sim.uid(),
            newest,
            producer: Producer::NONE,
            sequences: BTreeMap::new(),
        };
        let (sleeps, turns) = (sim.chance(30), 1 + sim.below(5));
        if sleeps {
            // It will wake up beside its successor.
            let for_millis = sim.below(6_000) as i64;
            sim.reach("producers turned zombies");
            sim.spawn(instance.live(turns, Some(for_millis)));
            sim.sleep(for_millis / 2 + 1).await;
        } else {
            instance.live(turns + 4, None).await;
        }
        if sim.chance(5) {
            // Nobody uses the id for so long that it is forgotten, should time jump.
            let until = sim.now() + Millis(i64::from(ID_EXPIRATION_MS));
            while sim.now() < until && !sim.closing.get() {
                sim.sleep(500).await;
            }
        }
        sim.sleep(1 + sim.below(200) as i64).await;
    }
}

impl Instance {
    async fn live(mut self, transactions: u64, asleep_for: Option<i64>) {
        let mut then = Then::Renews;
        for turn in 0..transactions {
            if then == Then::Renews {
                then = self.init(turn > 0).await;
            }
            if then == Then::Ends || self.sim.closing.get() {
                break;
            }
            let uid = self.sim.uid();
            self.sim.oracle.borrow_mut().transactions.begin(uid, self.id);
            let nap = asleep_for.filter(|_| turn + 1 == transactions);
            let done = self.operate(uid, nap).await;
            then = self.end(uid, done).await;
        }
        self.sim.note(format!("{}#{} ends: {then:?}", self.id, self.number));
    }

    /// A client that believes to be somebody says so (KIP-360), unless it has lost all.
    async fn init(&mut self, again: bool) -> Then {
        let expected = (again && self.producer != Producer::NONE && self.sim.chance(60)).then_some(self.producer);
        for _ in 0..TRIES {
            let asked = handlers::init(self.sim.clone(), self.id, TIMEOUT_MS, expected);
            match self.ask(asked).await {
                Some(Ok(producer)) => {
                    self.sim.note(format!("{}#{} is {producer:?}", self.id, self.number));
                    let told = self.sim.oracle.borrow_mut().transactions.hand_out(self.id, producer, self.number, true);
                    if let Err(told) = told {
                        self.sim.violate("epochs rise", told);
                    }
                    self.producer = producer;
                    self.sequences.clear();
                    return Then::GoesOn;
                }
                Some(Err(error)) if !passes(error) => {
                    self.sim.reach(format!("InitProducerId: {error:?}"));
                    return Then::Ends;
                }
                Some(Err(_)) | None => self.sim.sleep(60).await,
            }
        }
        Then::Ends
    }

    /// Some records and offsets. Answers whether all of them are done, so that the transaction can be committed.
    async fn operate(&mut self, uid: i64, nap: Option<i64>) -> Result<(), ErrorCode> {
        if self.newest && self.sim.chance(6) {
            // The application thinks better of it before it has written anything.
            return Err(ErrorCode::TransactionAbortable);
        }
        let count = 1 + self.sim.below(4);
        for number in 0..count {
            if let Some(millis) = nap.filter(|_| number == count / 2) {
                self.sim.sleep(millis).await;
            }
            if self.sim.chance(5) {
                self.sim.sleep(self.sim.below(2 * TIMEOUT_MS as u64) as i64).await;
            }
            match self.sim.chance(30) {
                true => self.commit_offset(uid).await?,
                false => self.produce(uid, number).await?,
            }
        }
        Ok(())
    }

    async fn produce(&mut self, uid: i64, number: u64) -> Result<(), ErrorCode> {
        let (topic, partitions) = TOPICS[self.sim.below(2) as usize];
        let partition = TopicPartition::new(topic, self.sim.below(partitions as u64) as i32);
        self.add(&partition).await?;
        let values: Vec<i64> =
            (0..=self.sim.below(2) as i64).map(|index| uid * 100 + number as i64 * 10 + index).collect();
        let sequence = self.sequences.get(&partition).copied().unwrap_or(0);
        self.sequences.insert(partition.clone(), sequence + values.len() as i32);
        let bearer = self.bearer();
        let request = |sim: Sim| handlers::produce(sim, bearer, partition.clone(), sequence, values.clone());
        self.persist(request).await?;
        self.sim.oracle.borrow_mut().transactions.wrote(uid, &values);
        Ok(())
    }

    async fn commit_offset(&mut self, uid: i64) -> Result<(), ErrorCode> {
        self.add(&TopicPartition::new(OFFSETS_TOPIC, 0)).await?;
        let member = others::committer(&self.sim);
        let partition = others::partition(&self.sim);
        let (bearer, value) = (self.bearer(), uid * 100 + 90 + self.sim.below(10) as i64);
        let request = |sim: Sim| handlers::commit_in_transaction(sim, bearer, member.clone(), partition.clone(), value);
        self.persist(request).await?;
        let told = self.sim.oracle.borrow_mut().groups.acked_in_transaction(value);
        told.unwrap_or_else(|told| self.sim.violate("acked is kept", told));
        self.sim.oracle.borrow_mut().transactions.wrote(uid, &[value]);
        Ok(())
    }

    /// Clients of before `transaction.version` 2 add partitions themselves.
    async fn add(&mut self, partition: &TopicPartition) -> Result<(), ErrorCode> {
        if self.newest {
            return Ok(());
        }
        let bearer = self.bearer();
        self.persist(|sim| handlers::add(sim, bearer, partition.clone())).await
    }

    async fn end(&mut self, uid: i64, done: Result<(), ErrorCode>) -> Then {
        if let Err(error) = done {
            self.sim.reach(format!("transaction fails: {error:?}"));
            if is_final(error) {
                return Then::Ends;
            }
        }
        let commit = done.is_ok() && self.sim.chance(75);
        if self.sim.chance(4) {
            self.sim.reach("producers that left a transaction open");
            return Then::Ends;
        }
        if commit {
            self.sim.oracle.borrow_mut().transactions.ask_commit(uid);
        }
        let bearer = self.bearer();
        let ended = self.persist(|sim| handlers::end(sim, bearer, commit)).await;
        self.sim.note(format!("{}#{} {uid} commit={commit}: {ended:?}", self.id, self.number));
        match ended {
            Ok(producer) => {
                self.sim.reach(if commit { "commits told" } else { "aborts told" });
                let told = self.sim.oracle.borrow_mut().transactions.told(uid, commit);
                told.unwrap_or_else(|(invariant, told)| self.sim.violate(invariant, told));
                if producer != Producer::NONE {
                    let handed =
                        self.sim.oracle.borrow_mut().transactions.hand_out(self.id, producer, self.number, false);
                    handed.unwrap_or_else(|told| self.sim.violate("epochs rise", told));
                    self.producer = producer;
                    self.sequences.clear();
                }
                Then::GoesOn
            }
            Err(error) => {
                self.sim.reach(format!("EndTxn: {error:?}"));
                if is_final(error) { Then::Ends } else { Then::Renews }
            }
        }
    }

    /// Asks until there is an answer that does not pass.
    async fn persist<T: 'static, F>(&self, request: impl Fn(Sim) -> F) -> Result<T, ErrorCode>
    where
        F: Future<Output = Result<T, ErrorCode>> + 'static,
    {
        let mut last = ErrorCode::RequestTimedOut;
        for _ in 0..TRIES {
            match self.ask(request(self.sim.clone())).await {
                Some(Err(error)) if passes(error) => last = error,
                Some(answer) => return answer,
                None => last = ErrorCode::RequestTimedOut,
            }
            self.sim.sleep(20 + self.sim.below(60) as i64).await;
        }
        Err(last)
    }

    /// Before `transaction.version` 2 a request that overtakes another may belong to the next transaction: a known gap of
    /// that protocol, which is closed by the newer one.
    async fn ask<T: 'static>(&self, handler: impl Future<Output = T> + 'static) -> Option<T> {
        if self.newest { call(&self.sim, handler).await } else { call_in_order(&self.sim, handler).await }
    }

    fn bearer(&self) -> Bearer {
        Bearer { id: self.id, producer: self.producer, newest: self.newest }
    }
}

/// Whether the same request may succeed later.
pub fn passes(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::ConcurrentTransactions
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::RequestTimedOut
    )
}

/// Whether the producer can only be closed.
fn is_final(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::ProducerFenced | ErrorCode::InvalidProducerIdMapping | ErrorCode::InvalidTxnState)
}
