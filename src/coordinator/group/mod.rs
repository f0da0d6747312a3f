//! Groups of consumers: who is a member, which generation it is, and how far the group has got in each partition.
//!
//! A group belongs to the partition of `__consumer_offsets` that its id hashes to, and the broker that leads this
//! partition coordinates it: one [`GroupMachine`] for each partition led, run by a
//! [`Runtime`](crate::state_machine::Runtime) over that partition as its journal. [`Groups`] finds the partition and
//! speaks Kafka's messages.
//!
//! What the log keeps is the machine's hard state: committed offsets and the last complete generation of each group.
//! Everything between two generations (who has joined, who is parked, whose session ends when) is live state and is
//! rebuilt by the members after a failover. A rebalance reads: `join` → `rebalance` (join phase) → `sync` → `rebalance`
//! (assignments delivered).

mod calls;
mod classic;
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
mod service;
mod state;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;
mod transactions;
mod undo;

pub use machine::{GroupMachine, Settings};
pub use records::{CommittedOffset, GroupKind, GroupSnapshot, MemberSnapshot, Record, TxnProducer};
pub use service::{Client, Groups};
pub use state::State;
