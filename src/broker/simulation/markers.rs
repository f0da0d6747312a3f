//! The work of a transaction coordinator, as [`broker::markers`](crate::broker) does it: its markers may be late.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::handlers::write_marker;
use super::network::call;
use super::planted::{Bug, Planted};
use super::shard::submit_to;
use super::world::Sim;
use crate::coordinator::transaction::{Command, Reply, State, Transaction, TransactionMachine, Work};
use crate::protocol::control::TxnMarker;
use crate::state_machine::{Handle, SubmitError};
use crate::types::{ErrorCode, ProducerId, TopicPartition};

type Coordinator = Handle<Planted<TransactionMachine>>;

/// How long to wait before something is tried again.
const RETRY_AFTER_MS: i64 = 50;

/// Does the work of one coordinator until it ends.
pub async fn work(sim: Sim, coordinator: Coordinator, election: u64, coordinator_epoch: i32) {
    let mut anew = false;
    // What is under way is stopped when this changes.
    let round = Rc::new(Cell::new(0u64));
    loop {
        match submit_to(&coordinator, Command::NextWork { anew }).await {
            Ok(Reply::Work(work)) => {
                anew = false;
                for work in work {
                    let (sim, coordinator) = (sim.clone(), coordinator.clone());
                    match work {
                        Work::WriteMarkers { id, transaction } => {
                            let job =
                                Job { coordinator, coordinator_epoch, round: round.clone(), started: round.get() };
                            sim.clone().spawn(async move { job.end(&sim, &id, *transaction).await });
                        }
                        Work::FindProducerId { id, producer } => {
                            let fresh = ProducerId(sim.producer_id());
                            sim.spawn(async move {
                                // A coordinator that fails or moves looks again.
                                let _ = submit_to(&coordinator, Command::TimeOut { id, producer, fresh }).await;
                            });
                        }
                    }
                }
            }
            Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
            Err(SubmitError::Stopped) => break,
            Err(_) => {
                sim.reach("markers: work asked for anew");
                round.set(round.get() + 1);
                sim.sleep(RETRY_AFTER_MS).await;
                anew = true;
            }
        }
    }
    round.set(u64::MAX);
    sim.note(format!("the work of election {election} ends"));
}

struct Job {
    coordinator: Coordinator,
    coordinator_epoch: i32,
    round: Rc<Cell<u64>>,
    started: u64,
}

impl Job {
    /// Writes the markers of a prepared transaction, and then that it is complete.
    async fn end(&self, sim: &Sim, id: &Arc<str>, transaction: Transaction) {
        let producer = transaction.producer;
        let marker = TxnMarker {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            commit: transaction.state == State::PrepareCommit,
            coordinator_epoch: self.coordinator_epoch,
            transaction_version: transaction.client_version,
        };
        for partition in transaction.partitions {
            if !self.write(sim, id, &partition, marker).await {
                return;
            }
        }
        while self.is_wanted() {
            match submit_to(&self.coordinator, Command::Completed { id: id.clone(), producer }).await {
                Ok(_) | Err(SubmitError::Stopped) => return,
                Err(_) => sim.sleep(RETRY_AFTER_MS).await,
            }
        }
    }

    /// Writes one marker, again and again; false if there is no more to be done.
    async fn write(&self, sim: &Sim, id: &str, partition: &TopicPartition, marker: TxnMarker) -> bool {
        while self.is_wanted() {
            match self.send(sim, partition, marker).await {
                Some(ErrorCode::None) => return true,
                Some(error @ (ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced)) => {
                    sim.reach(format!("marker refused: {error:?}"));
                    sim.note(format!("{id}: {partition} refuses {marker:?}: {error:?}"));
                    return false;
                }
                Some(_) | None if sim.planted == Some(Bug::CompletedWithoutMarkers) => return true,
                Some(_) | None => {
                    sim.reach("markers written again");
                    sim.sleep(RETRY_AFTER_MS).await;
                }
            }
        }
        false
    }

    /// Before `transaction.version` 2 a marker that is late may end the next transaction: a known gap of that protocol, as
    /// long as markers are requests. Here they are calls then, as in a broker that writes its own.
    async fn send(&self, sim: &Sim, partition: &TopicPartition, marker: TxnMarker) -> Option<ErrorCode> {
        let written = write_marker(sim.clone(), partition.clone(), marker);
        if marker.transaction_version < 2 { Some(written.await) } else { call(sim, written).await }
    }

    fn is_wanted(&self) -> bool {
        self.round.get() == self.started
    }
}
