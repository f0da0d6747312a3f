//! A stretch of records that were delivered together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::state_machine::{Deadlines, TimerChange};
use crate::types::{Millis, Offset};

use super::delivery::{Delivery, RecordState};

/// The locks of acquired records, each by the first offset that it holds.
pub type Locks = Deadlines<Offset>;

/// Records from the offset that the batch is kept under up to `last`.
#[derive(Clone, Debug)]
pub struct InFlight {
    pub last: Offset,
    pub records: Records,
}

/// The states of the records of a batch.
#[derive(Clone, Debug)]
pub enum Records {
    /// All are in the same.
    Whole(Delivery),
    /// Each has its own.
    Each(BTreeMap<Offset, Delivery>),
}

impl InFlight {
    /// A batch whose records all stand there.
    pub fn whole(last: Offset, delivery: Delivery) -> InFlight {
        InFlight { last, records: Records::Whole(delivery) }
    }

    /// A batch of which only the records up to `acquired_to` are acquired; the others were not delivered.
    pub fn partly(first: Offset, last: Offset, acquired_to: Offset, member: &Arc<str>) -> InFlight {
        let one = |offset| match offset <= acquired_to.0 {
            true => (Offset(offset), Delivery::new(RecordState::Acquired, 1, Some(member.clone()))),
            false => (Offset(offset), Delivery::new(RecordState::Available, 0, None)),
        };
        InFlight { last, records: Records::Each((first.0..=last.0).map(one).collect()) }
    }

    /// The state of all records, if they share it.
    pub fn shared(&self) -> Option<&Delivery> {
        match &self.records {
            Records::Whole(delivery) => Some(delivery),
            Records::Each(_) => None,
        }
    }

    /// Whether all of it lies between two offsets, these included.
    pub fn is_within(&self, own_first: Offset, first: Offset, last: Offset) -> bool {
        own_first >= first && self.last <= last
    }

    /// From now on each record has its own state, and its own lock.
    pub fn split(&mut self, first: Offset, locks: &mut Locks) -> &mut BTreeMap<Offset, Delivery> {
        if let Records::Whole(delivery) = &self.records {
            let offsets = (first.0..=self.last.0).map(Offset);
            if let Some(at) = locks.when(&first) {
                offsets.clone().for_each(|offset| locks.apply(TimerChange::Set(offset, at)));
            }
            self.records = Records::Each(offsets.map(|offset| (offset, delivery.clone())).collect());
        }
        match &mut self.records {
            Records::Each(each) => each,
            Records::Whole(_) => unreachable!("it was split just now"),
        }
    }
}

/// Sets a lock, in place of the one there was.
pub fn lock(locks: &mut Locks, first: Offset, until: Millis) {
    locks.apply(TimerChange::Set(first, until));
}

/// Takes a lock away.
pub fn unlock(locks: &mut Locks, first: Offset) {
    locks.apply(TimerChange::Cancel(first));
}
