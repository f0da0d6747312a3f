//! What became of the transactions whose batches a cleaning walks over, in the order of the log (KIP-98).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::log::AbortedTxn;
use crate::protocol::batch::BatchHeader;
use crate::protocol::control::ControlType;
use crate::types::{Offset, ProducerId};

/// The transactions at one place of the log.
#[derive(Default)]
pub struct CleanedTransactions {
    /// Aborted ones that begin further on.
    upcoming: BTreeMap<(Offset, ProducerId), AbortedTxn>,
    aborted: HashMap<ProducerId, Aborted>,
    /// Producers of batches that a marker will commit.
    committed: HashSet<ProducerId>,
    /// Aborted ones of which a batch was met, so that readers still have to know of them.
    retained: Vec<AbortedTxn>,
}

struct Aborted {
    txn: AbortedTxn,
    has_batches: bool,
}

impl CleanedTransactions {
    /// Adds aborted transactions that touch what is walked next; one that is known already is no news.
    pub fn add(&mut self, txns: Vec<AbortedTxn>) {
        self.upcoming.extend(txns.into_iter().map(|txn| ((txn.first_offset, txn.producer_id), txn)));
    }

    /// Walks over a batch of data. Answers whether its records were aborted and can go.
    pub fn on_data(&mut self, batch: &BatchHeader) -> bool {
        self.begin_up_to(batch.last_offset());
        if !batch.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&batch.producer_id) {
            Some(aborted) => {
                aborted.has_batches = true;
                true
            }
            None => {
                self.committed.insert(batch.producer_id);
                false
            }
        }
    }

    /// Walks over a control batch; `kind` is what its record says, `None` if it has none any more. Answers whether the
    /// batch can go: nothing of the transaction was left to be walked over.
    pub fn on_control(&mut self, batch: &BatchHeader, kind: Option<ControlType>) -> bool {
        self.begin_up_to(batch.last_offset());
        match kind {
            None => true,
            Some(ControlType::Abort) => match self.aborted.remove(&batch.producer_id) {
                Some(Aborted { txn, has_batches: true }) => {
                    self.retained.push(txn);
                    false
                }
                Some(Aborted { has_batches: false, .. }) | None => true,
            },
            Some(ControlType::Commit) => !self.committed.remove(&batch.producer_id),
            Some(_) => false,
        }
    }

    /// The aborted transactions whose markers were walked over since the last call and that readers must know of.
    pub fn take_retained(&mut self) -> Vec<AbortedTxn> {
        std::mem::take(&mut self.retained)
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(next) = self.upcoming.first_entry().filter(|next| next.key().0 <= offset) {
            let txn = next.remove();
            self.aborted.entry(txn.producer_id).or_insert(Aborted { txn, has_batches: false });
        }
    }
}
