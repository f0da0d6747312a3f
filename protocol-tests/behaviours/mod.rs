//! How Kafka behaves where clients lean on it: one test for each behaviour, named after it.

mod answers;
mod configs;
mod consumer_groups;
mod coordinators;
mod directories;
mod groups;
mod idempotence;
mod memory;
mod records;
mod share_groups;
mod stopping;
mod topics;
mod transactions;
mod two_phase_commit;
