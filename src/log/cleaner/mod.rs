//! Log compaction: of each key the last value stays, at its offset (`cleanup.policy=compact`).
//!
//! A cleaning takes one log. It walks the dirty part, from where the last cleaning ended to where records may still
//! change, and notes in an [`offset_map`] the last offset of each key, as many keys as its memory holds. Then it copies
//! all segments below, several small ones into one, and leaves out what has a later offset in the map: `filter.rs`
//! decides for each batch, `transactions.rs` says what became of the transaction that it belongs to. A copy takes
//! the place of its originals in one step (`swap.rs`), under names that a crash at any moment leaves readable for
//! `recovery.rs`. One batch is in memory at a time, however long the log is.
//!
//! Which log is the dirtiest is found in `choice.rs`; `service.rs` has the threads, their settings and what they
//! measure. Nothing here holds appends or reads back: a cleaning that a truncation, a move or a deletion overtakes
//! finds its round over (`mark.rs`) and is given up.
//!
//! Two keys count as one only where SHA-256, cut to 128 bits, says so. Keys often come from strangers, and with a
//! fast hash one of them could be made that has another's removed; this one is known not to allow that.

mod choice;
mod filter;
mod mark;
mod measures;
mod offset_map;
mod pace;
mod pass;
mod service;
mod swap;
mod target;
mod transactions;

pub use mark::CleaningMark;
pub use service::{CleanerSettings, LogCleaner, Uncleanable};

#[cfg(test)]
pub use {
    choice::Cleanable,
    pass::{Memory, Pass, PassStats},
    swap::Interrupted,
};
