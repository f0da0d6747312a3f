//! Named deadlines in order of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::Millis;

use super::TimerChange;

/// The timers that are set, each at one point in time.
#[derive(Clone, Debug)]
pub struct Deadlines<T> {
    at: BTreeMap<T, Millis>,
    order: BTreeSet<(Millis, T)>,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Deadlines<T> {
        Deadlines { at: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> Deadlines<T> {
    /// Makes one change.
    pub fn apply(&mut self, change: TimerChange<T>) {
        match change {
            TimerChange::Set(timer, at) => {
                if let Some(before) = self.at.insert(timer.clone(), at) {
                    self.order.remove(&(before, timer.clone()));
                }
                self.order.insert((at, timer));
            }
            TimerChange::Cancel(timer) => {
                if let Some(before) = self.at.remove(&timer) {
                    self.order.remove(&(before, timer));
                }
            }
        }
    }

    /// When the first one comes due.
    pub fn next(&self) -> Option<Millis> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due at `now`.
    pub fn pop_due(&mut self, now: Millis) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }

    /// When `timer` comes due, if it is set.
    pub fn when(&self, timer: &T) -> Option<Millis> {
        self.at.get(timer).copied()
    }
}
