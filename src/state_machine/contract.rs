//! What a state machine is asked and what it answers.

use crate::types::{Clock, Millis};

use super::JournalError;

/// Names one submitted command until it is answered, exactly once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// The time of a decision, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For timers and every decision about liveness.
    pub monotonic: Millis,
    /// For record timestamps, retention and expiry only.
    pub wall: Millis,
}

impl Now {
    /// The time by `clock`.
    pub fn of(clock: &Clock) -> Now {
        Now { monotonic: clock.monotonic(), wall: clock.wall() }
    }
}

/// A pure decision maker over records; see the module's essay.
pub trait StateMachine: Sized + Send + 'static {
    /// What can be asked.
    type Command: Send + 'static;
    /// What is answered.
    type Reply: Send + 'static;
    /// What the journal keeps.
    type Record: Clone + Send + Sync + 'static;
    /// Names a deadline; setting the same timer again moves it.
    type Timer: Ord + Clone + Send + 'static;
    /// What dies with the leadership.
    type Live: Default + Send + 'static;

    /// Called once after the journal was replayed, before the first command, and again after every reload: the place to
    /// build live state and to set the timers that follow from the hard state.
    fn start(&self, live: &mut Self::Live, now: Now) -> Outcome<Self> {
        let _ = (live, now);
        Outcome::default()
    }

    /// Decides one command. The ticket may be answered in this outcome or parked in the live state and answered by a
    /// later one.
    fn decide(&self, live: &mut Self::Live, ticket: Ticket, command: Self::Command, now: Now) -> Outcome<Self>;

    /// A timer has come due; it is no longer set.
    fn expire(&self, live: &mut Self::Live, timer: Self::Timer, now: Now) -> Outcome<Self>;

    /// Applies one record, new or old. `live` is there to drop or renew what the record makes stale.
    fn replay(&mut self, live: &mut Self::Live, record: &Self::Record);

    /// The records of `failed` could not be appended; nothing of them was written and none was replayed. Returns what
    /// happens instead: live state taken back, replies with an error, timers. Records in the returned outcome are not
    /// appended. A ticket that `failed` answered and that the returned outcome does not answer gets the journal's
    /// error.
    fn abandon(&self, live: &mut Self::Live, failed: &Outcome<Self>, why: &JournalError, now: Now) -> Outcome<Self> {
        let _ = (live, failed, why, now);
        Outcome::default()
    }
}

/// What a decision wants to happen, all of it or (when the records cannot be appended) none of it.
pub struct Outcome<M: StateMachine> {
    /// Appended together and replayed in order.
    pub records: Vec<M::Record>,
    /// Released once committed.
    pub replies: Vec<(Ticket, M::Reply)>,
    /// Applied in order, at once.
    pub timers: Vec<TimerChange<M::Timer>>,
}

/// One change of the deadlines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TimerChange<T> {
    /// The timer comes due at this point of the monotonic clock, whenever it was to come due before.
    Set(T, Millis),
    /// The timer does not come due.
    Cancel(T),
}

impl<M: StateMachine> Default for Outcome<M> {
    fn default() -> Outcome<M> {
        Outcome { records: Vec::new(), replies: Vec::new(), timers: Vec::new() }
    }
}

impl<M: StateMachine> Outcome<M> {
    /// Answers one ticket and changes nothing.
    pub fn reply(ticket: Ticket, reply: M::Reply) -> Outcome<M> {
        Outcome { records: Vec::new(), replies: vec![(ticket, reply)], timers: Vec::new() }
    }

    /// Adds an answer.
    pub fn answer(&mut self, ticket: Ticket, reply: M::Reply) {
        self.replies.push((ticket, reply));
    }

    /// Sets a timer.
    pub fn set(&mut self, timer: M::Timer, at: Millis) {
        self.timers.push(TimerChange::Set(timer, at));
    }

    /// Cancels a timer.
    pub fn cancel(&mut self, timer: M::Timer) {
        self.timers.push(TimerChange::Cancel(timer));
    }

    /// Adds all that `other` wants, after what this one wants.
    pub fn merge(&mut self, other: Outcome<M>) {
        self.records.extend(other.records);
        self.replies.extend(other.replies);
        self.timers.extend(other.timers);
    }
}
