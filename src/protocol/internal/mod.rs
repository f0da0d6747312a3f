//! What the internal topics hold: the records of `__consumer_offsets`, `__transaction_state` and `__share_group_state`.
//!
//! A key stands behind its type and a value behind its version, each an `i16`; a null value deletes what the key names.

mod classic;
mod consumer;
mod record;
mod share;
mod streams;
#[cfg(test)]
mod tests;
mod transaction;

pub use classic::*;
pub use consumer::*;
pub use record::{GroupRecord, ShareStateRecord, TransactionRecord};
pub use share::*;
pub use streams::*;
pub use transaction::*;
