//! The state of share groups (KIP-932): where each group stands in each partition, and what became of the records that
//! were delivered out of order.
//!
//! The state of a share partition, which is a group in a partition of a topic, belongs to the partition of
//! `__share_group_state` that its key hashes to, and the broker that leads this partition coordinates it: one
//! [`ShareMachine`] for each partition led. [`ShareStates`] finds the partition and asks its machine.
//!
//! The log holds a *snapshot* of a state now and then, and *updates* of it in between. What stands in front of the oldest
//! snapshot that is some state's newest is of no use any more; [`Redundancy`] says how much that is.

mod calls;
mod combine;
mod key;
mod machine;
mod records;
mod redundancy;
mod service;
mod state;
#[cfg(test)]
mod tests;

pub use calls::{ReadState, Refusal, Summary};
pub use key::SharePartitionKey;
pub use machine::{Settings, ShareMachine, Write};
pub use records::Record;
pub use redundancy::Redundancy;
pub use service::ShareStates;
pub use state::{ShareState, StateBatch, StateUpdate};
