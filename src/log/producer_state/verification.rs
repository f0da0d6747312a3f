//! Transactions that the coordinator is being asked about before their first batch is appended (KIP-890).

use crate::types::{Millis, ProducerEpoch};

/// Shows that a batch's transaction was verified for this very append, and not for one before an abort.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VerificationGuard(pub(super) u64);

/// What is remembered while a transaction is being verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verification {
    pub(super) guard: VerificationGuard,
    pub(super) started: Millis,
    pub(super) epoch: ProducerEpoch,
    /// The lowest sequence seen: a later batch may not be appended before it.
    pub(super) lowest_sequence: i32,
    pub(super) supports_epoch_bump: bool,
}

impl Verification {
    pub(super) fn new(
        guard: VerificationGuard,
        started: Millis,
        epoch: ProducerEpoch,
        sequence: i32,
        supports_epoch_bump: bool,
    ) -> Verification {
        Verification { guard, started, epoch, lowest_sequence: sequence, supports_epoch_bump }
    }

    /// Another batch waits for the same verification. A new epoch counts its sequences anew.
    pub(super) fn observe(&mut self, epoch: ProducerEpoch, sequence: i32) {
        if epoch == self.epoch {
            self.lowest_sequence = self.lowest_sequence.min(sequence);
        } else if epoch > self.epoch {
            self.epoch = epoch;
            self.lowest_sequence = sequence;
        }
    }
}
