//! Groups of consumers: who is a member, who owns what, and how far the group has got in each partition.
//!
//! A group belongs to the partition of `__consumer_offsets` that its id hashes to, and the broker that leads this
//! partition coordinates it: one [`GroupMachine`] for each partition led, run by a
//! [`Runtime`](crate::state_machine::Runtime) over that partition as its journal. [`Groups`] finds the partition and
//! speaks Kafka's messages.
//!
//! There are groups of four kinds. Of a *classic* group the log keeps the last complete generation: everything between two
//! generations (who has joined, who is parked, whose session ends when) is live state and is rebuilt by the members
//! after a failover. A rebalance reads: `join` → `rebalance` (join phase) → `sync` → `rebalance` (assignments delivered).
//! A *consumer* group ([`consumer`], KIP-848) and a *streams* group ([`streams`], KIP-1071) are hard state as a whole.
//! Offsets are the same for all of them. A *share* group ([`share`], KIP-932) has none here.

mod assignor;
mod calls;
mod classic;
mod consumer;
mod consumer_calls;
mod describe;
mod expiry;
mod heartbeat;
mod join;
mod leave;
mod machine;
mod member;
mod offsets;
mod rebalance;
mod records;
mod regex;
mod service;
mod share;
mod share_calls;
mod state;
mod streams;
mod streams_calls;
mod subscription;
mod surroundings;
mod sync;
#[cfg(test)]
mod tests;
mod transactions;
mod undo;

#[cfg(test)]
pub(crate) use consumer::{Change, ConsumerBeat};
#[cfg(test)]
pub(crate) use join::JoinCommand;
#[cfg(test)]
pub(crate) use machine::{Command, Live, Reply, Timer};
pub use machine::{GroupMachine, Settings};
pub use records::{CommittedOffset, GroupSnapshot, MemberSnapshot, Record, TxnProducer};
pub use service::{Client, Groups};
#[cfg(test)]
pub(crate) use share::{ShareBeat, ShareChange, ShareCommand, ShareReply};
pub use share::{StateInit, StateOf};
pub use state::State;
pub use streams::{STREAMS_MISSING_INTERNAL_TOPICS, StreamsAnswer};
pub use surroundings::Surroundings;
