//! State machines decide, runtimes act: the contract that coordinators and the controller share, and the task that runs
//! one.
//!
//! A machine is two halves. *Hard* state is the machine itself: only [`StateMachine::replay`] changes it, one record at
//! a time, so that replaying the journal builds the same state on another node. *Live* state is what dies with the
//! leadership: parked requests, sessions, counters. Deciding reads the hard half, changes the live half, and returns
//! what shall happen as an [`Outcome`]: records for the journal, replies, and changes to timers. Clocks, randomness,
//! sockets and files never enter.
//!
//! The [`Runtime`] appends an outcome's records and replays them at once, so that the next decision sees them; it holds
//! the replies back until the journal has committed everything the decision could have seen. A journal that loses what
//! it had appended costs the uncommitted state: the machine is reloaded and every open request is answered with the
//! failure.

mod changes;
mod contract;
mod deadlines;
mod journal;
mod runtime;
#[cfg(test)]
mod tests;
mod waiters;

pub use changes::Changes;
pub use contract::{Now, Outcome, StateMachine, Ticket, TimerChange};
pub use deadlines::Deadlines;
pub use journal::{Journal, JournalError};
pub use runtime::{Handle, Options, Reload, Runtime, Stop, SubmitError};
pub use waiters::Waiters;
