//! Transactions: which producer bears a transactional id, what its transaction touches, and how it ends.
//!
//! A transactional id belongs to the partition of `__transaction_state` that it hashes to, and the broker that leads
//! this partition coordinates it: one [`TransactionMachine`] for each partition led. [`Transactions`] finds the
//! partition and speaks Kafka's messages.
//!
//! Ending is done in two steps. The decision is the record of a *prepared* transaction: from then on it will end so,
//! also after a crash. Then every partition of the transaction gets its marker, and the record of a *complete* one
//! follows. Markers are not this folder's work: whoever writes them waits with [`Worker::next`] for prepared
//! transactions and says [`Worker::completed`] when all markers stand. A new leader finds prepared transactions
//! in the log and has them finished in the same way.
//!
//! With `transaction.version` 2 (KIP-890) every end raises the producer's epoch, so that no batch of an ended
//! transaction can enter the next one, and partitions are added by the brokers that append to them.

mod calls;
mod describe;
mod end;
mod expiry;
mod init;
mod machine;
mod partitions;
mod records;
mod service;
mod state;
#[cfg(test)]
mod tests;
mod txn;

pub use calls::{Ended, Init, TwoPhases, TxnAdd};
#[cfg(test)]
pub(crate) use machine::{Command, Live, Reply, Timer};
pub use machine::{Settings, TransactionMachine, Work};
pub use records::Record;
pub use service::{Transactions, Worker};
pub use state::State;
pub use txn::{Producer, Transaction};
