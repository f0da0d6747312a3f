//! Transactions that are open for too long, and ids that nobody uses.

use crate::state_machine::{Now, Outcome};
use crate::types::{Millis, ProducerId};

use super::machine::{Live, Timer, TransactionMachine};
use super::records::Record;
use super::state::State;
use super::txn::{Producer, Transaction};

/// Changes written at a time, so that they fit into a batch; the rest follows at once.
const RECORDS_AT_A_TIME: usize = 500;
/// The partitions of the transactions that are changed at a time.
const PARTITIONS_AT_A_TIME: usize = 5_000;

impl TransactionMachine {
    /// One stretch of the search for transactions to abort.
    pub(super) fn time_out_transactions(&self, live: &mut Live, outcome: &mut Outcome<TransactionMachine>, now: Now) {
        let mut partitions = 0;
        live.looks_for_timeouts = false;
        for (id, known) in self.transactions.iter().filter(|(_, known)| known.state == State::Ongoing) {
            if !live.looks_for_timeouts {
                // What cannot be written now is found again then.
                self.look_for_timeouts(live, outcome, now);
            }
            if !known.has_timed_out(now.wall) {
                continue;
            }
            if outcome.records.len() >= RECORDS_AT_A_TIME || partitions >= PARTITIONS_AT_A_TIME {
                return outcome.set(Timer::TimedOut, now.monotonic);
            }
            partitions += known.partitions.len();
            match self.fenced(known, None, now.wall) {
                Some(aborting) => self.write(live, outcome, id.clone(), aborting, now),
                None => {
                    live.exhausted.insert(id.clone());
                    outcome.set(Timer::Work, now.monotonic);
                }
            }
        }
    }

    /// Aborts a transaction that has timed out, if it still has, now that there is a producer id for it.
    pub(super) fn time_out(&self, id: &str, producer: Producer, fresh: ProducerId, now: Millis) -> Option<Transaction> {
        let known = self.transactions.get(id).filter(|known| known.producer == producer)?;
        if known.has_timed_out(now) { self.fenced(known, Some(fresh), now) } else { None }
    }

    /// One stretch of the search for ids to forget.
    pub(super) fn forget_expired_ids(&self, live: &mut Live, outcome: &mut Outcome<TransactionMachine>, now: Now) {
        let from = live.expired_from.take();
        for (id, known) in self.transactions.iter().filter(|(id, _)| from.as_ref().is_none_or(|from| *id >= from)) {
            if outcome.records.len() >= RECORDS_AT_A_TIME {
                live.expired_from = Some(id.clone());
                return outcome.set(Timer::Expired, now.monotonic);
            }
            if known.has_expired(now.wall, self.settings.transactional_id_expiration_ms) {
                outcome.records.push(Record { id: id.clone(), transaction: None });
            }
        }
        outcome.set(Timer::Expired, self.next_look(self.settings.remove_expired_interval_ms, now));
    }
}
