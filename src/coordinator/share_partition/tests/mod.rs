//! Tests of share partitions.

mod bench;
mod deliveries;
mod model;
mod sessions;
