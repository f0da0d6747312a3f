//! Seeded simulation of the coordinators: groups of both kinds, transactions, and what partitions know of them.
//!
//! The state machines, the runtime that runs them, the batches they write and the partitions' producer states are the real
//! ones; around them everything is simulated and follows from one seed: clients that behave as Kafka's do (`producer`,
//! `classic`, `consumer`, `share`, `others`), a network that loses, delays and repeats (`network`), logs that lose what was not
//! committed when their leader changes (`log`), coordinators that crash, move and are read anew (`shard`), time that jumps
//! (`faults`). After each step every batch that was committed is looked at (`oracle`, and a history for each kind), and
//! what clients were told is held against it: see [`INVARIANTS`](invariants::INVARIANTS).
//!
//! A run tells how far it got (`coverage`), and each of the deliberate bugs in `planted` must break an invariant:
//! otherwise the simulation proves nothing.
//!
//! `OTTLA_SIM_SEEDS=2000` runs more seeds, `OTTLA_SIM_SEED=17` one of them with its trace.

mod classic;
mod consumer;
mod coverage;
mod faults;
mod handlers;
mod invariants;
mod log;
mod markers;
mod network;
mod oracle;
mod oracle_groups;
mod oracle_transactions;
mod others;
mod planted;
mod planted_groups;
mod planted_transactions;
mod producer;
mod run;
mod shard;
mod share;
mod tests;
mod world;
