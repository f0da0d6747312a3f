//! What other brokers got wrong, each as a test that fails when it is got wrong here.

mod compaction;
mod durability;
mod fetching;
mod frames;
mod retention;
mod topics;
mod transactions;
