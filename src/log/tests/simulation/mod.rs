//! Seeded simulation of one partition's log on a disk that fails, loses power, and is all the process has.
//!
//! The log, the directories with their checkpoints, the periodic work and the cleaner are the real ones; below them lies the
//! fault layer, around them everything follows from one seed: what is appended, rolled, deleted, truncated, compacted and
//! synced, at which call the process ends or the disk fails, and what a power cut takes back of the files (`world`). After each
//! start the log is held against a model in memory (`model`): what was acknowledged as durable is there, what was not is absent or
//! a clean prefix, and indexes, epochs and producers are what a rebuild from the records alone makes them (`audit`).
//!
//! Each of the deliberate bugs in `planted` must break a promise: otherwise the simulation proves nothing.
//!
//! `OTTLA_DISK_SEEDS=20000` runs more seeds, `OTTLA_DISK_SEED=17` one of them with its trace.

mod audit;
mod model;
mod planted;
mod run;
mod world;

use super::*;
